#include "client/kvctl/byte_text.h"
#include "client/kvctl/exit_code.h"
#include "client/kvctl/session.h"

namespace ringkv {
namespace {

Json EntryJson(const ScanEntry& entry, bool keys_only) {
  Json document;
  SetBytes(document, "key", entry.key);
  if (keys_only) {
    document["value"] = Json();
    document["value_base64"] = Json();
  } else {
    SetBytes(document, "value", entry.value);
  }
  document["version"] = entry.version.ToString();
  document["expires_at"] = TimeJson(entry.expires_at_ms);
  return document;
}

}  // namespace

// Text: a line for each key, `KEY` or `KEY<tab>VALUE`, in their visible form. JSON: one document,
// written as the pages come, with one entry a line.
int RunScan(const ScanArgs& args, Session& session) {
  Output& output = session.output;
  Result<std::unique_ptr<Client>> client = session.Connect();
  if (!client.ok()) return output.Fail(client.status());

  uint64_t count = 0;
  const auto each = [&](const ScanEntry& entry) {
    if (output.json()) {
      output.Bytes(count == 0 ? "{\"entries\":[\n" : ",\n");
      output.Bytes(Dump(EntryJson(entry, args.keys_only)));
    } else if (args.keys_only) {
      output.Line(Visible(entry.key));
    } else {
      output.Line(Visible(entry.key) + '\t' + Visible(entry.value));
    }
    ++count;
    return true;
  };
  const Status status = (*client)->Scan(
      {.prefix = args.prefix, .limit = args.limit, .keys_only = args.keys_only}, each);

  if (!status.ok() && (count == 0 || !output.json())) return output.Fail(status);
  if (output.json()) {
    output.Bytes(count == 0 ? "{\"entries\":[" : "\n");
    output.Bytes("],\"count\":\"" + std::to_string(count) + "\"");
    // What was printed is not all there is: the document says so itself.
    if (!status.ok()) output.Bytes(",\"error\":" + Dump(ErrorJson(status)));
    output.Bytes("}\n");
  }
  return ExitCodeOf(status);
}

}  // namespace ringkv
