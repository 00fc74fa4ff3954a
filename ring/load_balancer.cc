// Who there is: changes of the registry and of the table that look-ups read. The look-ups
// themselves are in load_balancer_picker.cc.
#include "ring/load_balancer.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/logging.h"
#include "ring/planner.h"

namespace ringkv {
namespace {

std::string Named(std::string_view id) { return "server '" + std::string(id) + "'"; }

Status NotThere(std::string_view id) { return Status::NotFound(Named(id) + " is not there"); }

Status CheckWeight(std::string_view id, uint32_t weight) {
  if (weight >= 1 && weight <= kMaxVnodes) return Status::Ok();
  return Status::InvalidArgument(Named(id) + ": its weight is " + std::to_string(weight) +
                                 "; weights are 1 to " + std::to_string(kMaxVnodes));
}

}  // namespace

std::string_view ServerStateName(ServerState state) {
  switch (state) {
    case ServerState::kOnline:
      return "online";
    case ServerState::kOffline:
      return "offline";
    case ServerState::kDraining:
      return "draining";
  }
  return "unknown";
}

Status CheckLoadBalancerOptions(const LoadBalancerOptions& options) {
  RINGKV_RETURN_IF_ERROR(CheckSlotCount(options.slots));
  const double bound = options.bound;
  if (bound == 0 || (bound > 1 && bound <= LoadBalancerOptions::kMaxBound)) return Status::Ok();
  return Status::InvalidArgument("there cannot be a bound of " + std::to_string(bound) +
                                 " x the fair share; bounds are above 1 and at most " +
                                 std::to_string(LoadBalancerOptions::kMaxBound) +
                                 ", or 0 for none");
}

// ---- the table that look-ups read -----------------------------------------------------------

void LoadBalancer::ServerPages::Set(NodeIndex node, ServerRef server) {
  const size_t number = node.value() / kPerPage;
  if (pages_.size() <= number) pages_.resize(number + 1);
  std::shared_ptr<Page>& page = pages_[number];
  if (page == nullptr) {
    page = std::make_shared<Page>();
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  (*page)[node.value() % kPerPage] = std::move(server);
}

void LoadBalancer::Place(const NodeId& id, ServerRef server) {
  if (next_.ring == nullptr) return;
  if (auto node = next_.ring->Find(id)) next_.servers.Set(*node, std::move(server));
}

void LoadBalancer::Publish() {
  tables_.Publish(std::make_shared<const Table>(next_));
  CollectBuried();
}

Status LoadBalancer::SetRing(std::shared_ptr<const Ring> ring) {
  RINGKV_CHECK(ring != nullptr, "a ring is given, or none");
  if (any()) return Status::Refused("this load balancer keeps a ring of its own");
  std::lock_guard lock(mutex_);
  next_ = Table{std::move(ring), ServerPages()};
  for (const auto& [id, entry] : servers_) Place(id, entry.server);
  Publish();
  return Status::Ok();
}

// ---- servers that come and go ---------------------------------------------------------------

Result<LoadBalancer::Entry*> LoadBalancer::EntryOf(std::string_view id) {
  Result<NodeId> parsed = NodeId::Parse(id);
  if (!parsed.ok()) return parsed.status();
  auto found = servers_.find(*parsed);
  if (found == servers_.end()) return NotThere(id);
  return &found->second;
}

Result<ServerRef> LoadBalancer::MakeServer(NodeId id, std::string_view address, uint32_t weight) {
  ServerNumber number(next_number_);
  if (!free_numbers_.empty()) {
    number = free_numbers_.back();
    free_numbers_.pop_back();
  } else if (next_number_ < RequestCounts::kMaxServers) {
    ++next_number_;
  } else {
    return Status::Refused("there are as many servers as there can be: " +
                           std::to_string(RequestCounts::kMaxServers));
  }
  // Of whoever had the number before: all of it has ended.
  const uint64_t earlier = counts_.Of(number).begun;
  return std::make_shared<BalancedServer>(std::move(id), std::string(address), weight, number,
                                          earlier);
}

// What has gone is kept until no look-up can find it, nobody holds it and its last request has
// ended. Then its number is free.
void LoadBalancer::CollectBuried() {
  tables_.Reclaim();
  std::erase_if(buried_, [this](const ServerRef& server) {
    if (server.use_count() > 1) return false;
    // Counting a holder up and down is an acquire of what the last one did, which use_count is not:
    // the requests that it counted are seen.
    ServerRef(server).reset();
    if (counts_.Of(server->number()).in_flight() > 0) return false;
    free_numbers_.push_back(server->number());
    return true;
  });
}

Status LoadBalancer::Add(std::string_view id, std::string_view address, uint32_t weight,
                         bool discovered) {
  Result<NodeId> parsed = NodeId::Parse(id);
  if (!parsed.ok()) return parsed.status();
  RINGKV_RETURN_IF_ERROR(CheckAddress(address).Annotate(Named(id)));
  RINGKV_RETURN_IF_ERROR(CheckWeight(id, weight));
  if (servers_.contains(*parsed)) return Status::Refused(Named(id) + " is there already");
  Result<ServerRef> server = MakeServer(*parsed, address, weight);
  if (!server.ok()) return server.status();
  if (any()) {
    const Member member{*parsed, std::string(address), "", weight};
    Status planned =
        Planned(planner_ ? planner_->AddNode(member) : FormRing({member}, 1, options_.slots));
    if (!planned.ok()) {
      buried_.push_back(std::move(*server));
      return planned;
    }
  }
  Place(*parsed, *server);
  online_weight_.fetch_add(weight, std::memory_order_relaxed);
  servers_.emplace(*parsed, Entry{std::move(*server), discovered});
  return Status::Ok();
}

Status LoadBalancer::Remove(const NodeId& id) {
  if (any() && servers_.size() == 1) {
    planner_.reset();
    next_ = Table();
  } else {
    std::optional<NodeIndex> place;
    if (next_.ring != nullptr) place = next_.ring->Find(id);
    if (any()) RINGKV_RETURN_IF_ERROR(Planned(planner_->RemoveNode(id)));
    if (place) next_.servers.Set(*place, nullptr);
  }
  auto node = servers_.extract(id);
  Restate(*node.mapped().server, ServerState::kOffline);
  buried_.push_back(std::move(node.mapped().server));
  return Status::Ok();
}

Status LoadBalancer::Reweigh(Entry& entry, uint32_t weight) {
  BalancedServer& server = *entry.server;
  RINGKV_RETURN_IF_ERROR(CheckWeight(server.id().value(), weight));
  if (weight == server.weight()) return Status::Ok();
  if (any()) RINGKV_RETURN_IF_ERROR(Planned(planner_->SetVnodes(server.id(), weight)));
  if (server.state() == ServerState::kOnline) {
    online_weight_.fetch_add(uint64_t{weight} - server.weight(), std::memory_order_relaxed);
  }
  server.set_weight(weight);
  return Status::Ok();
}

Status LoadBalancer::Readdress(Entry& entry, std::string_view address) {
  const BalancedServer& old = *entry.server;
  RINGKV_RETURN_IF_ERROR(CheckAddress(address).Annotate(Named(old.id().value())));
  if (address == old.address()) return Status::Ok();
  Result<ServerRef> moved = MakeServer(old.id(), address, old.weight());
  if (!moved.ok()) return moved.status();
  (*moved)->set_state(old.state());
  Place(old.id(), *moved);
  buried_.push_back(std::exchange(entry.server, std::move(*moved)));
  return Status::Ok();
}

void LoadBalancer::Restate(BalancedServer& server, ServerState state) {
  const bool was_online = server.state() == ServerState::kOnline;
  const bool is_online = state == ServerState::kOnline;
  server.set_state(state);
  if (was_online && !is_online) {
    online_weight_.fetch_sub(server.weight(), std::memory_order_relaxed);
  } else if (!was_online && is_online) {
    online_weight_.fetch_add(server.weight(), std::memory_order_relaxed);
  }
}

Status LoadBalancer::Planned(Result<PlannedChange> change) {
  if (!change.ok()) return change.status();
  if (!planner_) planner_.emplace(change->next);
  next_.ring = std::make_shared<const Ring>(std::move(change->next));
  return Status::Ok();
}

Status LoadBalancer::RegisterServer(std::string_view id, std::string_view address,
                                    uint32_t weight) {
  std::lock_guard lock(mutex_);
  RINGKV_RETURN_IF_ERROR(Add(id, address, weight, /*discovered=*/false));
  Publish();
  return Status::Ok();
}

Status LoadBalancer::UnregisterServer(std::string_view id) {
  std::lock_guard lock(mutex_);
  Result<Entry*> entry = EntryOf(id);
  if (!entry.ok()) return entry.status();
  RINGKV_RETURN_IF_ERROR(Remove((*entry)->server->id()));
  Publish();
  return Status::Ok();
}

Status LoadBalancer::SetWeight(std::string_view id, uint32_t weight) {
  std::lock_guard lock(mutex_);
  Result<Entry*> entry = EntryOf(id);
  if (!entry.ok()) return entry.status();
  RINGKV_RETURN_IF_ERROR(Reweigh(**entry, weight));
  Publish();
  return Status::Ok();
}

Status LoadBalancer::SetAddress(std::string_view id, std::string_view address) {
  std::lock_guard lock(mutex_);
  Result<Entry*> entry = EntryOf(id);
  if (!entry.ok()) return entry.status();
  RINGKV_RETURN_IF_ERROR(Readdress(**entry, address));
  Publish();
  return Status::Ok();
}

Status LoadBalancer::SetState(std::string_view id, ServerState state) {
  std::lock_guard lock(mutex_);
  Result<Entry*> entry = EntryOf(id);
  if (!entry.ok()) return entry.status();
  Restate(*(*entry)->server, state);
  return Status::Ok();
}

// ---- for people -----------------------------------------------------------------------------

ServerStatus LoadBalancer::StatusOf(const BalancedServer& server) const {
  const RequestCounts::Count count = counts_.Of(server.number());
  return {server.id(),    server.address(),  server.weight(),
          server.state(), count.in_flight(), count.begun - server.earlier()};
}

Result<ServerRef> LoadBalancer::Find(std::string_view id) const {
  Result<NodeId> parsed = NodeId::Parse(id);
  if (!parsed.ok()) return parsed.status();
  std::lock_guard lock(mutex_);
  auto found = servers_.find(*parsed);
  if (found == servers_.end()) return NotThere(id);
  return found->second.server;
}

Result<ServerStatus> LoadBalancer::GetServerStatus(std::string_view id) const {
  Result<ServerRef> server = Find(id);
  if (!server.ok()) return server.status();
  return StatusOf(**server);
}

std::vector<ServerStatus> LoadBalancer::Servers() const {
  std::lock_guard lock(mutex_);
  std::vector<ServerStatus> all;
  for (const auto& [id, entry] : servers_) all.push_back(StatusOf(*entry.server));
  return all;
}

// ---- service discovery ----------------------------------------------------------------------

Status LoadBalancer::ApplyOne(const DiscoveredServer& server) {
  auto parsed = NodeId::Parse(server.id);
  if (!parsed.ok()) return parsed.status();
  auto found = servers_.find(*parsed);
  if (found == servers_.end()) {
    RINGKV_RETURN_IF_ERROR(Add(server.id, server.address, server.weight, /*discovered=*/true));
    found = servers_.find(*parsed);
  } else if (!found->second.discovered) {
    return Status::Refused(Named(server.id) + " was registered by hand");
  } else {
    RINGKV_RETURN_IF_ERROR(Reweigh(found->second, server.weight));
    RINGKV_RETURN_IF_ERROR(Readdress(found->second, server.address));
  }
  Restate(*found->second.server, server.state);
  return Status::Ok();
}

Status LoadBalancer::Apply(const DiscoveryUpdate& update) {
  Status first;
  auto note = [&first](Status status) {
    if (first.ok()) first = std::move(status);
  };
  std::lock_guard lock(mutex_);
  std::set<NodeId> gone;
  for (const std::string& id : update.gone) {
    if (auto parsed = NodeId::Parse(id); parsed.ok()) gone.insert(*parsed);
  }
  if (update.complete) {
    for (const auto& [id, entry] : servers_) gone.insert(id);
    for (const DiscoveredServer& server : update.present) {
      if (auto parsed = NodeId::Parse(server.id); parsed.ok()) gone.erase(*parsed);
    }
  }
  // Those that come first: so a balancer is never without servers in between.
  for (const DiscoveredServer& server : update.present) note(ApplyOne(server));
  for (const NodeId& id : gone) {
    auto found = servers_.find(id);
    if (found != servers_.end() && found->second.discovered) note(Remove(id));
  }
  Publish();
  return first;
}

std::unique_ptr<ServiceDiscovery::Watch> LoadBalancer::Follow(ServiceDiscovery& discovery) {
  return discovery.StartWatch([this](const DiscoveryUpdate& update) {
    if (Status status = Apply(update); !status.ok()) {
      RINGKV_LOG_EVERY(std::chrono::seconds(5), kWarning, "load-balancer",
                       "service discovery says what makes no sense: {}", status.message());
    }
  });
}

}  // namespace ringkv
