#include "router/http_api.h"

#include <future>
#include <utility>

#include "router/proto_json.h"

namespace ringkv {
namespace {

constexpr Duration kPatience = std::chrono::seconds(3);

constexpr char kPage[] = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ringkv</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.ok, .up { color: #17692f; } .degraded, .starting { color: #8a5a00; } .blocked, .down { color: #a3161b; }
#error { color: #a3161b; } ul:empty { display: none; }
</style></head><body>
<h1>ringkv <small id="health"></small></h1>
<p id="summary">loading</p><p id="error"></p><ul id="reasons"></ul>
<table><thead><tr><th>node<th>address<th>zone<th>state<th>reach<th class="n">vnodes<th class="n">share
<th class="n">replicas<th class="n">primaries<th class="n">clean<th class="n">behind<th class="n">MiB<th class="n">ops/s</tr></thead>
<tbody id="nodes"></tbody></table>
<p><a href="api/v1/cluster">cluster</a> · <a href="api/v1/ring">ring</a> · <a href="api/v1/migrations">migrations</a> · <a href="metrics">metrics</a></p>
<script>
const at = id => document.getElementById(id);
function cell(row, text, name) { const c = row.insertCell(); c.textContent = text; if (name) c.className = name; }
async function refresh() {
  try {
    const c = await (await fetch('api/v1/cluster')).json();
    at('error').textContent = '';
    at('health').textContent = c.health; at('health').className = c.health;
    const s = c.slot_health;
    at('summary').textContent = `cluster ${c.cluster_uuid} · router ${c.router} · epoch ${c.epoch} · ${c.replicas} replicas · ` +
      `${c.slots} slots: ${s.fully_replicated} fully replicated, ${s.degraded} degraded, ${s.blocked} blocked · version ${c.version}`;
    at('reasons').replaceChildren(...c.reasons.map(r => { const li = document.createElement('li'); li.textContent = r; return li; }));
    const body = document.createElement('tbody'); body.id = 'nodes';
    for (const n of c.nodes) {
      const row = body.insertRow();
      for (const t of [n.node.id, n.node.address, n.node.zone, n.node.state]) cell(row, t);
      cell(row, n.why ? `${n.reach}: ${n.why}` : n.reach, n.reach);
      for (const t of [n.node.vnodes, (100 * n.share).toFixed(2) + ' %', n.slots, n.primaries, n.clean_slots, n.behind_keys,
        (Number(n.bytes) / 1048576).toFixed(1), n.ops_per_second.toFixed(0)]) cell(row, t, 'n');
    }
    at('nodes').replaceWith(body);
  } catch (e) { at('error').textContent = 'no answer from the router: ' + e; }
  setTimeout(refresh, 2000);
}
refresh();
</script></body></html>
)";

HttpResponse Json(std::string body) { return {200, "application/json", std::move(body)}; }

// What `ask` hands to its callback.
template <class Response, class Ask>
HttpResponse Await(Ask ask) {
  auto promise = std::make_shared<std::promise<Response>>();
  auto answer = promise->get_future();
  ask([promise](Response response) { promise->set_value(std::move(response)); });
  if (answer.wait_for(kPatience) != std::future_status::ready) {
    return {503, "application/json",
            R"({"error":{"code":"unavailable","message":"the router's loops do not answer"}})"};
  }
  return Json(ToJson(answer.get()));
}

}  // namespace

void AddHttpRoutes(ClusterStatus& status, Metrics& metrics, HttpServer* server) {
  server->HandleHealth([&status] { return status.WhyNotReady(); });
  server->HandleMetrics(metrics);
  server->Handle("/api/v1/cluster", [&status](const HttpRequest&) {
    return Await<v1::GetClusterResponse>([&](auto done) { status.GetCluster(std::move(done)); });
  });
  server->Handle("/api/v1/ring", [&status](const HttpRequest& request) {
    auto table = request.query.find("table");
    const bool without = table != request.query.end() && table->second == "false";
    return Json(ToJson(status.GetRing(!without)));
  });
  server->Handle("/api/v1/migrations", [&status](const HttpRequest&) {
    return Await<v1::ListMigrationsResponse>(
        [&](auto done) { status.ListMigrations(0, std::move(done)); });
  });
  server->Handle("/", [](const HttpRequest&) -> HttpResponse {
    return {200, "text/html; charset=utf-8", kPage};
  });
}

}  // namespace ringkv
