#include "router/router_metrics.h"

#include "base/config.h"

namespace ringkv {
namespace {

void CollectShards(const std::vector<LoopReport>& loops, MetricSink& sink) {
  struct Row {
    const char* name;
    const char* help;
    uint64_t ShardStats::*value;
  };
  static constexpr Row kRows[] = {
      {"reads_single_total", "Reads asked of one replica.", &ShardStats::single_reads},
      {"reads_spread_total",
       "Reads and pages asked of another replica than the first, for its load.",
       &ShardStats::spread_reads},
      {"reads_quorum_total", "Reads asked of a quorum.", &ShardStats::quorum_reads},
      {"reads_hedged_total", "Reads asked of a further replica for being late.",
       &ShardStats::hedged_reads},
      {"reads_left_total", "Times that a late read was left to the nodes that are at work on it.",
       &ShardStats::reads_left},
      {"reads_large_total", "Reads of large values that were given room.",
       &ShardStats::large_reads},
      {"reads_large_waited_total", "Of these: had to wait for it.", &ShardStats::large_waits},
      {"reads_large_refused_total", "Reads of large values that would have waited for too long.",
       &ShardStats::large_refused},
      {"reads_awaited_total", "Reads that met a write in flight and waited for its commit.",
       &ShardStats::awaited_commits},
      {"node_reads_total", "Read operations sent to nodes.", &ShardStats::node_reads},
      {"write_backs_total", "Reads that had to complete a write first.", &ShardStats::write_backs},
      {"commits_total", "Writes acknowledged by a quorum.", &ShardStats::commits},
      {"writes_unknown_total", "Writes that ended without an outcome.", &ShardStats::unknown},
      {"retransmits_total", "Operations sent to a node again.", &ShardStats::retransmits},
      {"repairs_total", "Keys sent again to a replica that was behind.", &ShardStats::repairs},
      {"replica_overflows_total", "Replicas that stopped being complete: too much behind.",
       &ShardStats::overflows},
      {"syncs_total", "Replicas told to compare themselves with a complete one.",
       &ShardStats::syncs},
      {"sync_comparisons_total", "Slots without a complete replica whose replicas were compared.",
       &ShardStats::comparisons},
      {"syncs_done_total", "Replicas that became complete.", &ShardStats::syncs_done},
      {"syncs_aborted_total", "Syncs that have to begin again.", &ShardStats::syncs_aborted},
      {"sync_resolved_keys_total", "Keys on which replicas differed, each time one was resolved.",
       &ShardStats::resolved},
      {"key_looks_total", "Times that all copies of a key were read for `admin check`.",
       &ShardStats::looks},
      {"shard_overloaded_total", "Calls refused for too many in flight.", &ShardStats::overloaded},
  };
  for (const Row& row : kRows) {
    double sum = 0;
    for (const LoopReport& loop : loops) sum += static_cast<double>(loop.stats.*row.value);
    sink.Counter(row.name, row.help, sum);
  }
  for (size_t i = 0; i < loops.size(); ++i) {
    const MetricLabels labels = {{"loop", std::to_string(i)}};
    sink.Gauge("loop_queue_tasks", "Tasks that wait for an event loop.",
               static_cast<double>(loops[i].pending_tasks), labels);
    sink.Gauge("loop_calls_in_flight", "Calls that a loop's shard has in flight.",
               static_cast<double>(loops[i].shard.calls_in_flight), labels);
  }
}

void CollectSlots(const std::vector<LoopReport>& loops, MetricSink& sink) {
  const v1::SlotHealth slots = SumSlots(loops);
  const char* help = "Slots that this router owns, by how they are replicated.";
  auto put = [&](const char* health, uint64_t value) {
    sink.Gauge("slots", help, static_cast<double>(value), {{"health", health}});
  };
  put("full", slots.fully_replicated());
  put("degraded", slots.degraded());
  put("blocked", slots.blocked());
}

void CollectNodes(const ClusterStatus::Sample& sample, MetricSink& sink) {
  std::vector<double> queued(sample.nodes.size(), 0);
  for (const LoopReport& loop : sample.loops) {
    for (const LinkReport& link : loop.links) {
      if (link.peer.value() < queued.size()) {
        queued[link.peer.value()] += static_cast<double>(link.queued_ops);
      }
    }
  }
  for (size_t i = 0; i < sample.nodes.size(); ++i) {
    const NodeReport& node = sample.nodes[i];
    const MetricLabels labels = {{"node", sample.view->peers[i]}};
    sink.Gauge("node_up", "1 if the node answers, 0 if not.", node.reach == v1::REACH_UP, labels);
    sink.Gauge("node_behind_keys", "Versions sent to the node and not acknowledged.",
               static_cast<double>(node.behind_keys), labels);
    sink.Gauge("node_clean_slots", "Replicas on the node that are complete.",
               static_cast<double>(node.clean_slots), labels);
    sink.Gauge("node_voting_slots", "Replicas on the node that count in quorums.",
               static_cast<double>(node.voting_slots), labels);
    sink.Gauge("node_outbox_operations", "Operations that wait to be sent to the node.", queued[i],
               labels);
    sink.Gauge("node_stored_bytes", "Live data on the node's disk, its own estimate.",
               static_cast<double>(node.stats.bytes_stored()), labels);
  }
}

void CollectReads(const LoadBalancer& nodes, MetricSink& sink) {
  for (const ServerStatus& node : nodes.Servers()) {
    const MetricLabels labels = {{"node", node.id.value()}};
    sink.Gauge("node_reads_in_flight", "Reads and pages of scans that the node has to answer.",
               static_cast<double>(node.in_flight), labels);
    sink.Counter("node_reads_asked_total", "Reads and pages of scans that the node was asked for.",
                 static_cast<double>(node.total), labels);
  }
}

void CollectLinks(const std::vector<LoopReport>& loops, MetricSink& sink) {
  struct Row {
    const char* name;
    const char* help;
    uint64_t LinkCounts::*value;
  };
  static constexpr Row kRows[] = {
      {"node_sent_batches_total", "Batches sent to nodes.", &LinkCounts::batches_out},
      {"node_sent_operations_total", "Operations sent to nodes.", &LinkCounts::ops_out},
      {"node_sent_bytes_total", "Bytes of messages to nodes.", &LinkCounts::bytes_out},
      {"node_received_batches_total", "Batches of answers from nodes.", &LinkCounts::batches_in},
      {"node_received_answers_total", "Answers from nodes.", &LinkCounts::ops_in},
      {"node_received_bytes_total", "Bytes of messages from nodes.", &LinkCounts::bytes_in},
      {"node_connects_total", "Sessions with nodes that began.", &LinkCounts::connects},
      {"node_disconnects_total", "Sessions with nodes that ended.", &LinkCounts::disconnects},
      {"node_outbox_full_total", "Operations refused because an outbox was full.",
       &LinkCounts::refused_full},
  };
  for (const Row& row : kRows) {
    double sum = 0;
    for (const LoopReport& loop : loops) sum += static_cast<double>(loop.counts.*row.value);
    sink.Counter(row.name, row.help, sum);
  }
}

}  // namespace

Metrics::Registration AddRouterCollector(const ClusterStatus& status, const ServingGate& gate,
                                         const EmbeddedMetadata& metadata,
                                         const LoadBalancer& nodes, Metrics& metrics) {
  return metrics.AddCollector([&status, &gate, &metadata, &nodes](MetricSink& sink) {
    sink.Gauge("build_info", "Always 1; the version is a label.", 1,
               {{"version", std::string(VersionText())}});
    sink.Gauge("ready", "1 if the router is ready.", status.WhyNotReady().empty());
    sink.Gauge("calls_in_flight", "Operations of clients in flight.",
               static_cast<double>(gate.in_flight()));
    const EmbeddedMetadata::Stats store = metadata.ReadStats();
    sink.Gauge("metadata_keys", "Entries of the metadata store, an estimate.",
               static_cast<double>(store.keys));
    sink.Gauge("metadata_disk_bytes", "Sorted files of the metadata store.",
               static_cast<double>(store.disk_bytes));
    sink.Gauge("metadata_memory_bytes", "Memtables of the metadata store.",
               static_cast<double>(store.memory_bytes));
    CollectReads(nodes, sink);
    auto sample = status.last();
    if (sample == nullptr) return;
    CollectShards(sample->loops, sink);
    CollectSlots(sample->loops, sink);
    CollectNodes(*sample, sink);
    CollectLinks(sample->loops, sink);
    if (sample->view->state != nullptr) {
      sink.Gauge("placement_epoch", "Grows with every change of the placement.",
                 static_cast<double>(sample->view->state->placement().epoch()));
    }
  });
}

}  // namespace ringkv
