#include <map>
#include <utility>

#include "base/config_values.h"
#include "base/limits.h"
#include "client/kvctl/argument_values.h"
#include "client/kvctl/byte_text.h"
#include "client/kvctl/command_line_parser.h"

namespace ringkv {
namespace {

template <class T>
Status Bounded(const std::string& what, const CLI::Option* option, T low, T high, T& out) {
  if (option->count() == 0) return Status::Ok();
  const Result<T> number = ParseBounded<T>(what, TextOf(option), low, high);
  if (!number.ok()) return number.status();
  out = *number;
  return Status::Ok();
}

Status ParseIfVersion(const CLI::Option* option, std::optional<Version>& out) {
  if (option->count() == 0) return Status::Ok();
  const Result<Version> version = ParseVersion(TextOf(option));
  if (!version.ok()) return version.status().Annotate("--if-version");
  out = *version;
  return Status::Ok();
}

// The one KEY of a command, plain or in base64, given what its plain arguments are; what is left
// of those stays in `rest`.
Status TakeKey(const CLI::Option* base64, std::vector<std::string>& rest, std::string& key) {
  if (base64->count() > 0) {
    RINGKV_RETURN_IF_ERROR(DecodeKey(TextOf(base64), key));
  } else if (!rest.empty()) {
    key = TakeFirst(rest);
  } else {
    return Status::InvalidArgument("KEY is missing (or --key-base64 K)");
  }
  return CheckKey(key);
}

// `rest` is what plain arguments are left over.
Status NoKeyLeft(const CLI::Option* base64, const std::vector<std::string>& rest) {
  if (base64->count() == 0 || rest.empty()) return NothingLeft(rest);
  return Status::InvalidArgument("give KEY or --key-base64, not both");
}

}  // namespace

CommandLineParser::CommandLineParser() {
  app_.set_help_flag("-h,--help", "Print this help and exit");
  app_.require_subcommand(0, 1);
  app_.fallthrough(false);
  router_ = Text(&app_, "--router", "Routers, in the order to try (RINGKV_ROUTER; 127.0.0.1:7400)",
                 "HOST:PORT[,…]");
  timeout_ = Text(&app_, "--timeout", "For each call (5s)", "DURATION");
  output_ = Text(&app_, "-o,--output", "text or json (text)", "FORMAT");
  config_ = Text(&app_, "--config", "YAML file with router, timeout and output", "FILE");
  check_config_ =
      Flag(&app_, "--check-config", "Print the effective configuration with origins and exit");
  version_ = Flag(&app_, "--version", "Print the version and exit");
  app_.footer(
      "Exit codes: 0 done, 1 the answer is no, 2 wrong usage or bad input, 3 not available in "
      "time\n"
      "(nothing was changed), 4 outcome unknown (a write may or may not have been applied),\n"
      "5 refused. A KEY that starts with - goes after --.");
  AddPut();
  AddGet();
  AddDel();
  AddIncr();
  AddScan();
  AddFiles();
  AddBench();
  AddAdmin();
}

CLI::App* CommandLineParser::Command(CLI::App* parent, const std::string& name,
                                     const std::string& about) {
  CLI::App* app = parent->add_subcommand(name, about);
  app->set_help_flag("-h,--help", "Print this help and exit");
  app->fallthrough();  // so that global options may follow the command
  return app;
}

CLI::Option* CommandLineParser::Words(CLI::App* app, const std::string& names,
                                      const std::string& about) {
  // A function that takes everything keeps CLI11 from converting; results() has the arguments.
  CLI::Option* option = app->add_option(
      names, [](const CLI::results_t&) { return true; }, about);
  // Without `allow_extra_args` CLI11 fills a positional only up to its minimum, which is none here.
  return option->expected(0, 1 << 20)->allow_extra_args()->type_name("");
}

CLI::Option* CommandLineParser::Text(CLI::App* app, const std::string& name,
                                     const std::string& about, const std::string& type) {
  CLI::Option* option = app->add_option(
      name, [](const CLI::results_t&) { return true; }, about);
  return option->expected(1)->type_name(type)->multi_option_policy(CLI::MultiOptionPolicy::Throw);
}

CLI::Option* CommandLineParser::Flag(CLI::App* app, const std::string& name,
                                     const std::string& about) {
  return app->add_flag(name, about)->disable_flag_override();
}

CLI::Option* CommandLineParser::KeyBase64(CLI::App* app) {
  return Text(app, "--key-base64", "The key in base64, instead of KEY", "K");
}

std::vector<std::string> CommandLineParser::All(const CLI::Option* words) {
  std::vector<std::string> all;
  for (const std::string& text : words->results()) all.push_back(Unshield(text));
  return all;
}

void CommandLineParser::AddPut() {
  CLI::App* app = Command(&app_, "put", "Store a value");
  CLI::Option* words = Words(app, "KEY_VALUE", "KEY VALUE, or KEY with --file");
  CLI::Option* base64 = KeyBase64(app);
  CLI::Option* file = Text(app, "--file", "Take the value from a file; - is stdin", "F");
  CLI::Option* ttl =
      Text(app, "--ttl", "Let it expire after 1 s to 10 years, such as 60s", "DURATION");
  CLI::Option* if_absent = Flag(app, "--if-absent", "Only if the key is not there");
  CLI::Option* if_version = Text(app, "--if-version", "Only if this is the key's version", "V");
  commands_.emplace_back(app, [=]() -> Result<CommandArgs> {
    PutArgs args;
    std::vector<std::string> rest = All(words);
    RINGKV_RETURN_IF_ERROR(TakeKey(base64, rest, args.key));
    if (file->count() > 0) {
      args.file = TextOf(file);
      if (args.file.empty()) return Status::InvalidArgument("--file: the name is empty");
      if (!rest.empty()) return Status::InvalidArgument("give VALUE or --file, not both");
    } else if (rest.empty()) {
      return Status::InvalidArgument("VALUE is missing (or --file F, where - is stdin)");
    } else {
      args.value = TakeFirst(rest);
      RINGKV_RETURN_IF_ERROR(CheckValueSize(args.value->size()));
    }
    RINGKV_RETURN_IF_ERROR(NoKeyLeft(base64, rest));
    if (ttl->count() > 0) {
      const Result<Duration> duration = ParseDuration(TextOf(ttl));
      if (!duration.ok()) return duration.status().Annotate("--ttl");
      args.ttl_ms = static_cast<uint64_t>(duration->count() / 1'000'000);
      RINGKV_RETURN_IF_ERROR(CheckTtlMs(args.ttl_ms).Annotate("--ttl"));
    }
    args.if_absent = if_absent->count() > 0;
    RINGKV_RETURN_IF_ERROR(ParseIfVersion(if_version, args.if_version));
    if (args.if_absent && args.if_version) {
      return Status::InvalidArgument("give --if-absent or --if-version, not both");
    }
    return CommandArgs(std::move(args));
  });
}

void CommandLineParser::AddGet() {
  CLI::App* app = Command(&app_, "get", "Print the value's bytes, nothing added");
  CLI::Option* words = Words(app, "KEY", "");
  CLI::Option* base64 = KeyBase64(app);
  commands_.emplace_back(app, [=]() -> Result<CommandArgs> {
    GetArgs args;
    std::vector<std::string> rest = All(words);
    RINGKV_RETURN_IF_ERROR(TakeKey(base64, rest, args.key));
    RINGKV_RETURN_IF_ERROR(NoKeyLeft(base64, rest));
    return CommandArgs(std::move(args));
  });
}

void CommandLineParser::AddDel() {
  CLI::App* app = Command(&app_, "del", "Delete keys; exit code 1 if none was there");
  CLI::Option* words = Words(app, "KEY", "One or more");
  CLI::Option* base64 = app->add_option(
                               "--key-base64", [](const CLI::results_t&) { return true; },
                               "Keys in base64, instead of or besides KEY")
                            ->expected(1, 1 << 20)
                            ->type_name("K…");
  CLI::Option* if_version = Text(app, "--if-version", "Only if this is the key's version", "V");
  commands_.emplace_back(app, [=]() -> Result<CommandArgs> {
    DelArgs args;
    args.keys = All(words);
    for (const std::string& text : All(base64)) {
      RINGKV_RETURN_IF_ERROR(DecodeKey(text, args.keys.emplace_back()));
    }
    if (args.keys.empty()) return Status::InvalidArgument("KEY is missing (or --key-base64 K)");
    for (const std::string& key : args.keys) RINGKV_RETURN_IF_ERROR(CheckKey(key));
    RINGKV_RETURN_IF_ERROR(ParseIfVersion(if_version, args.if_version));
    if (args.if_version && args.keys.size() > 1) {
      return Status::InvalidArgument("--if-version goes with one KEY");
    }
    return CommandArgs(std::move(args));
  });
}

void CommandLineParser::AddIncr() {
  CLI::App* app = Command(&app_, "incr", "Add to a decimal integer and print the result");
  CLI::Option* words = Words(app, "KEY_DELTA", "KEY [DELTA]; DELTA is 1 if not given, may be < 0");
  CLI::Option* base64 = KeyBase64(app);
  commands_.emplace_back(app, [=]() -> Result<CommandArgs> {
    IncrArgs args;
    std::vector<std::string> rest = All(words);
    RINGKV_RETURN_IF_ERROR(TakeKey(base64, rest, args.key));
    if (!rest.empty()) {
      const Result<int64_t> delta =
          ParseBounded<int64_t>("DELTA", TakeFirst(rest), INT64_MIN, INT64_MAX);
      if (!delta.ok()) return delta.status();
      args.delta = *delta;
    }
    RINGKV_RETURN_IF_ERROR(NoKeyLeft(base64, rest));
    return CommandArgs(std::move(args));
  });
}

void CommandLineParser::AddScan() {
  CLI::App* app = Command(&app_, "scan", "Every live key once, in no promised order");
  CLI::Option* words = Words(app, "NONE", "")->group("");
  CLI::Option* prefix = Text(app, "--prefix", "Only keys that start with it", "P");
  CLI::Option* limit = Text(app, "--limit", "Stop after that many keys", "N");
  CLI::Option* keys_only = Flag(app, "--keys-only", "Without the values");
  commands_.emplace_back(app, [=]() -> Result<CommandArgs> {
    ScanArgs args;
    RINGKV_RETURN_IF_ERROR(NothingLeft(All(words)));
    args.prefix = TextOf(prefix);
    if (args.prefix.size() > kMaxKeyBytes) {
      return Status::InvalidArgument("--prefix: " + std::to_string(args.prefix.size()) +
                                     " bytes; no key is longer than 4096 bytes");
    }
    RINGKV_RETURN_IF_ERROR(Bounded<uint64_t>("--limit", limit, 1, UINT64_MAX, args.limit));
    args.keys_only = keys_only->count() > 0;
    return CommandArgs(std::move(args));
  });
}

void CommandLineParser::AddFiles() {
  const auto one_file = [](const CLI::Option* words) -> Result<std::string> {
    std::vector<std::string> rest = All(words);
    if (rest.empty() || rest.front().empty()) return Status::InvalidArgument("FILE is missing");
    const std::string file = TakeFirst(rest);
    RINGKV_RETURN_IF_ERROR(NothingLeft(rest));
    return file;
  };

  CLI::App* import = Command(&app_, "import", "Store records from a JSON Lines file");
  CLI::Option* import_words = Words(import, "FILE", "- is stdin");
  CLI::Option* resume = Text(import, "--resume-from", "Begin with this line", "LINE");
  commands_.emplace_back(import, [=]() -> Result<CommandArgs> {
    const Result<std::string> file = one_file(import_words);
    if (!file.ok()) return file.status();
    ImportArgs args{.file = *file};
    RINGKV_RETURN_IF_ERROR(
        Bounded<uint64_t>("--resume-from", resume, 1, UINT64_MAX, args.resume_from));
    return CommandArgs(std::move(args));
  });

  CLI::App* exporting = Command(&app_, "export", "Write every record to a JSON Lines file");
  CLI::Option* export_words = Words(exporting, "FILE", "- is stdout");
  commands_.emplace_back(exporting, [=]() -> Result<CommandArgs> {
    const Result<std::string> file = one_file(export_words);
    if (!file.ok()) return file.status();
    return CommandArgs(ExportArgs{.file = *file});
  });
}

void CommandLineParser::AddBench() {
  CLI::App* app = Command(&app_, "bench", "YCSB-style load, with latencies by operation");
  CLI::Option* words = Words(app, "NONE", "")->group("");
  CLI::Option* workload = Text(app, "--workload", "a to f (YCSB), put or get (a)", "W");
  CLI::Option* keys = Text(app, "--keys", "How many keys (10000)", "N");
  CLI::Option* value_size = Text(app, "--value-size", "Bytes of a value (1000)", "B");
  CLI::Option* clients = Text(app, "--clients", "Calls in flight at a time (16)", "C");
  CLI::Option* seconds = Text(app, "--seconds", "How long to measure (10)", "S");
  CLI::Option* rate = Text(app, "--rate",
                           "Start R operations a second, and measure from when each "
                           "should have started",
                           "R");
  CLI::Option* no_load = Flag(app, "--no-load", "The keys are there already: do not store them");
  commands_.emplace_back(app, [=]() -> Result<CommandArgs> {
    BenchArgs args;
    RINGKV_RETURN_IF_ERROR(NothingLeft(All(words)));
    if (workload->count() > 0) args.workload = TextOf(workload);
    const std::string& w = args.workload;
    const bool letter = w.size() == 1 && w[0] >= 'a' && w[0] <= 'f';
    if (!letter && w != "put" && w != "get") {
      return Status::InvalidArgument("--workload: '" + Visible(w) +
                                     "' is none of a, b, c, d, e, "
                                     "f, put, get");
    }
    RINGKV_RETURN_IF_ERROR(Bounded<uint64_t>("--keys", keys, 1, 1'000'000'000, args.keys));
    RINGKV_RETURN_IF_ERROR(
        Bounded<uint64_t>("--value-size", value_size, 0, kMaxValueBytes, args.value_size));
    RINGKV_RETURN_IF_ERROR(Bounded<uint64_t>("--clients", clients, 1, 100'000, args.clients));
    RINGKV_RETURN_IF_ERROR(Bounded<double>("--seconds", seconds, 0.1, 86'400, args.seconds));
    RINGKV_RETURN_IF_ERROR(Bounded<double>("--rate", rate, 0.1, 10'000'000, args.rate));
    args.load = no_load->count() == 0;
    return CommandArgs(std::move(args));
  });
}

void CommandLineParser::AddAdmin() {
  CLI::App* admin = Command(&app_, "admin", "Look after the cluster");
  admin->require_subcommand(0, 1);
  CLI::App* status = Command(admin, "status", "Health, nodes, slots not fully replicated");
  CLI::Option* status_words = Words(status, "NONE", "")->group("");
  commands_.emplace_back(status, [=]() -> Result<CommandArgs> {
    RINGKV_RETURN_IF_ERROR(NothingLeft(All(status_words)));
    return CommandArgs(StatusArgs{});
  });
  CLI::App* ring = Command(admin, "ring", "Slots, epoch, share of each node; json: the slot table");
  CLI::Option* ring_words = Words(ring, "NONE", "")->group("");
  commands_.emplace_back(ring, [=]() -> Result<CommandArgs> {
    RINGKV_RETURN_IF_ERROR(NothingLeft(All(ring_words)));
    return CommandArgs(RingArgs{});
  });
  CLI::App* locate = Command(admin, "locate", "Token, slot and replicas of a key");
  CLI::Option* words = Words(locate, "KEY", "");
  CLI::Option* base64 = KeyBase64(locate);
  commands_.emplace_back(locate, [=]() -> Result<CommandArgs> {
    LocateArgs args;
    std::vector<std::string> rest = All(words);
    RINGKV_RETURN_IF_ERROR(TakeKey(base64, rest, args.key));
    RINGKV_RETURN_IF_ERROR(NoKeyLeft(base64, rest));
    return CommandArgs(std::move(args));
  });
  CLI::App* check = Command(admin, "check", "Compare the replicas of every slot");
  check->footer(
      "Exit code 0: all replicas of all slots were compared, and are equal. 1: something differs, "
      "or\n"
      "could not be compared. It may run under load, and takes as long as it takes; --timeout ends "
      "it.");
  CLI::Option* check_words = Words(check, "NONE", "")->group("");
  CLI::Option* check_all = Flag(check, "--all", "Every finding, also where there are many");
  commands_.emplace_back(check, [=]() -> Result<CommandArgs> {
    RINGKV_RETURN_IF_ERROR(NothingLeft(All(check_words)));
    return CommandArgs(CheckArgs{.all = check_all->count() > 0});
  });
  AddPlan(admin);
  AddChanges(admin);
  AddMigrations(admin);
  AddAcceptLoss(admin);
}

CommandLineParser::FillPlan CommandLineParser::AddNodeOptions(CLI::App* app, bool address_needed) {
  CLI::Option* vnodes = Text(app, "--vnodes", "Its weight against the others', 1 to 4096", "N");
  CLI::Option* zone = Text(app, "--zone", "Its failure domain", "Z");
  return [=](Arguments& rest, v1::PlanChangeRequest& out) {
    v1::AddNodeChange& node = *out.mutable_add_node();
    RINGKV_RETURN_IF_ERROR(TakeNode(rest, *node.mutable_node()));
    if (!rest.empty()) {
      node.set_address(TakeFirst(rest));
      RINGKV_RETURN_IF_ERROR(CheckAddress(node.address()).Annotate("HOST:PORT"));
    } else if (address_needed) {
      return Status::InvalidArgument("HOST:PORT is missing: where is the node?");
    }
    uint64_t weight = 0;
    RINGKV_RETURN_IF_ERROR(Bounded<uint64_t>("--vnodes", vnodes, 1, kMaxVnodes, weight));
    node.set_vnodes(static_cast<uint32_t>(weight));
    if (zone->count() > 0) node.set_zone(TextOf(zone));
    if (!node.zone().empty()) RINGKV_RETURN_IF_ERROR(CheckZone(node.zone()).Annotate("--zone"));
    return Status::Ok();
  };
}

void CommandLineParser::AddChanges(CLI::App* admin) {
  CLI::App* add = Command(admin, "add-node", "A node that has registered joins; data moves online");
  AddChangeOf(add, "ID_ADDRESS", "ID HOST:PORT", nullptr,
              AddNodeOptions(add, /*address_needed=*/true));

  CLI::App* remove = Command(admin, "remove-node", "A node hands its data over, and leaves");
  CLI::Option* force =
      Flag(remove, "--force", "Also if it does not answer: its slots are filled from the others");
  AddChangeOf(remove, "ID", "", force, [](Arguments& rest, v1::PlanChangeRequest& out) {
    return TakeNode(rest, *out.mutable_remove_node()->mutable_node());
  });

  CLI::App* weigh = Command(admin, "set-vnodes", "A node's capacity changes; data moves");
  AddChangeOf(weigh, "ID_N", "ID N", nullptr, [](Arguments& rest, v1::PlanChangeRequest& out) {
    RINGKV_RETURN_IF_ERROR(TakeNode(rest, *out.mutable_set_vnodes()->mutable_node()));
    const Result<uint32_t> number = TakeNumber("N", rest, 1, kMaxVnodes);
    if (number.ok()) out.mutable_set_vnodes()->set_vnodes(*number);
    return number.status();
  });
}

void CommandLineParser::AddChangeOf(CLI::App* app, const std::string& names,
                                    const std::string& about, CLI::Option* force, FillPlan fill) {
  CLI::Option* words = Words(app, names, about);
  CLI::Option* wait = Flag(app, "--wait", "Until all data has moved");
  commands_.emplace_back(app, [=]() -> Result<CommandArgs> {
    ChangeArgs args;
    Arguments rest = All(words);
    RINGKV_RETURN_IF_ERROR(fill(rest, args.request));
    RINGKV_RETURN_IF_ERROR(NothingLeft(rest));
    args.force = force != nullptr && force->count() > 0;
    args.wait = wait->count() > 0;
    return CommandArgs(std::move(args));
  });
}

void CommandLineParser::AddMigrations(CLI::App* admin) {
  CLI::App* app = Command(admin, "migrations", "How far changes of the ring have come");
  CLI::Option* words =
      Words(app, "WHAT", "list (default), show ID, watch, pause ID, resume ID or abort ID");
  commands_.emplace_back(app, [=]() -> Result<CommandArgs> {
    using Verb = MigrationsArgs::Verb;
    MigrationsArgs args;
    Arguments rest = All(words);
    if (rest.empty()) return CommandArgs(args);
    const std::string verb = TakeFirst(rest);
    static const std::map<std::string, Verb> kVerbs = {
        {"list", Verb::kList},   {"show", Verb::kShow},     {"watch", Verb::kWatch},
        {"pause", Verb::kPause}, {"resume", Verb::kResume}, {"abort", Verb::kAbort}};
    const auto known = kVerbs.find(verb);
    if (known == kVerbs.end()) {
      return Status::InvalidArgument("'" + Visible(verb) +
                                     "' is none of list, show, watch, pause, resume, abort");
    }
    args.verb = known->second;
    if (args.verb != Verb::kList && args.verb != Verb::kWatch) {
      if (rest.empty()) return Status::InvalidArgument("ID is missing: which migration?");
      const Result<uint64_t> id = ParseBounded<uint64_t>("ID", TakeFirst(rest), 1, UINT64_MAX);
      if (!id.ok()) return id.status();
      args.id = *id;
    }
    RINGKV_RETURN_IF_ERROR(NothingLeft(rest));
    return CommandArgs(args);
  });
}

void CommandLineParser::AddAcceptLoss(CLI::App* admin) {
  CLI::App* app =
      Command(admin, "accept-loss", "Slots without a quorum go on without what cannot be had back");
  app->footer(
      "It prints what is given up and asks. A replica that does not answer is given up: when it\n"
      "comes back it starts empty, whatever it had. Slots whose replicas are all back after a "
      "loss\n"
      "of power go on by themselves and need none of this.");
  CLI::Option* words = Words(app, "SLOT", "One or more, or `all`");
  CLI::Option* yes = Flag(app, "--yes", "Do not ask");
  commands_.emplace_back(app, [=]() -> Result<CommandArgs> {
    AcceptLossArgs args;
    std::vector<std::string> rest = All(words);
    if (rest.empty()) return Status::InvalidArgument("SLOT is missing (or `all`)");
    if (rest.size() == 1 && rest.front() == "all") {
      args.all = true;
      rest.clear();
    }
    while (!rest.empty()) {
      const Result<uint32_t> slot = TakeNumber("SLOT", rest, 0, kMaxSlots - 1);
      if (!slot.ok()) return slot.status();
      args.slots.push_back(*slot);
    }
    args.yes = yes->count() > 0;
    return CommandArgs(std::move(args));
  });
}

void CommandLineParser::AddPlan(CLI::App* admin) {
  CLI::App* plan = Command(admin, "plan", "What a change would move; changes nothing");
  plan->require_subcommand(0, 1);
  plan->footer(
      "Bytes are estimates: keys and records before compression, values of 4 KiB and more as\n"
      "compressed; what was written over may count until it is compacted away.");

  CLI::App* add =
      Command(plan, "add-node", "A node joins; what is not said of it is as it has registered");
  AddPlanOf(add, "ID_ADDRESS", "ID [HOST:PORT]", AddNodeOptions(add, /*address_needed=*/false));

  CLI::App* remove = Command(plan, "remove-node", "A node leaves");
  AddPlanOf(remove, "ID", "", [](Arguments& rest, v1::PlanChangeRequest& out) {
    return TakeNode(rest, *out.mutable_remove_node()->mutable_node());
  });

  CLI::App* weigh = Command(plan, "set-vnodes", "A node's capacity changes");
  AddPlanOf(weigh, "ID_N", "ID N", [](Arguments& rest, v1::PlanChangeRequest& out) {
    RINGKV_RETURN_IF_ERROR(TakeNode(rest, *out.mutable_set_vnodes()->mutable_node()));
    const Result<uint32_t> number = TakeNumber("N", rest, 1, kMaxVnodes);
    if (number.ok()) out.mutable_set_vnodes()->set_vnodes(*number);
    return number.status();
  });

  CLI::App* copies = Command(plan, "set-replicas", "Another number of copies of each key");
  AddPlanOf(copies, "N", "", [](Arguments& rest, v1::PlanChangeRequest& out) {
    const Result<uint32_t> number = TakeNumber("N", rest, 1, kMaxReplicas);
    if (number.ok()) out.mutable_set_replicas()->set_replicas(*number);
    return number.status();
  });
}

void CommandLineParser::AddPlanOf(CLI::App* app, const std::string& names, const std::string& about,
                                  FillPlan fill) {
  CLI::Option* words = Words(app, names, about);
  CLI::Option* all = Flag(app, "--all", "Every line, also where there are many");
  commands_.emplace_back(app, [=]() -> Result<CommandArgs> {
    PlanArgs args;
    Arguments rest = All(words);
    RINGKV_RETURN_IF_ERROR(fill(rest, args.request));
    RINGKV_RETURN_IF_ERROR(NothingLeft(rest));
    args.all = all->count() > 0;
    return CommandArgs(std::move(args));
  });
}

}  // namespace ringkv
