#include "tests/sim/sim_options.h"

namespace ringkv {

using std::chrono::microseconds;
using std::chrono::milliseconds;

void Add(const ShardStats& from, ShardStats* to) {
  to->single_reads += from.single_reads;
  to->spread_reads += from.spread_reads;
  to->quorum_reads += from.quorum_reads;
  to->hedged_reads += from.hedged_reads;
  to->reads_left += from.reads_left;
  to->large_reads += from.large_reads;
  to->large_waits += from.large_waits;
  to->large_refused += from.large_refused;
  to->lease_refusals += from.lease_refusals;
  to->awaited_commits += from.awaited_commits;
  to->node_reads += from.node_reads;
  to->write_backs += from.write_backs;
  to->commits += from.commits;
  to->unknown += from.unknown;
  to->retransmits += from.retransmits;
  to->repairs += from.repairs;
  to->overflows += from.overflows;
  to->overloaded += from.overloaded;
  to->syncs += from.syncs;
  to->comparisons += from.comparisons;
  to->syncs_done += from.syncs_done;
  to->syncs_aborted += from.syncs_aborted;
  to->source_changes += from.source_changes;
  to->resolved += from.resolved;
  to->stable_rounds += from.stable_rounds;
  to->stable_dropped += from.stable_dropped;
  to->joints += from.joints;
  to->joints_left += from.joints_left;
  to->flips += from.flips;
  to->abandoned += from.abandoned;
  to->retired += from.retired;
  to->unions += from.unions;
  to->unions_begun += from.unions_begun;
  to->unions_accepted += from.unions_accepted;
  to->looks += from.looks;
  to->floors += from.floors;
  to->retries_found += from.retries_found;
}

void Add(const ReplicaStats& from, ReplicaStats* to) {
  to->applies += from.applies;
  to->applies_old += from.applies_old;
  to->version_reads += from.version_reads;
  to->reads += from.reads;
  to->reads_large += from.reads_large;
  to->scans += from.scans;
  to->fenced += from.fenced;
  to->corrupt += from.corrupt;
  to->pulls += from.pulls;
  to->pull_answers += from.pull_answers;
  to->pulled_records += from.pulled_records;
  to->pulled_bytes += from.pulled_bytes;
  to->leftovers += from.leftovers;
  to->source_answers += from.source_answers;
  to->source_refusals += from.source_refusals;
  to->reinstated += from.reinstated;
  to->created += from.created;
  to->retired += from.retired;
  to->dropped += from.dropped;
  to->sweeps += from.sweeps;
  to->collected += from.collected;
}

void Add(const FaultCounts& from, FaultCounts* to) {
  to->messages_lost += from.messages_lost;
  to->messages_duplicated += from.messages_duplicated;
  to->messages_late += from.messages_late;
  to->node_crashes += from.node_crashes;
  to->power_losses += from.power_losses;
  to->router_crashes += from.router_crashes;
  to->partitions += from.partitions;
  to->stalls += from.stalls;
  to->wipes += from.wipes;
  to->old_copies += from.old_copies;
  to->changes += from.changes;
  to->changes_refused += from.changes_refused;
  to->metadata_faults += from.metadata_faults;
  to->late_transactions += from.late_transactions;
  to->total_losses += from.total_losses;
  to->takeovers += from.takeovers;
  to->removals += from.removals;
  to->pauses += from.pauses;
  to->metadata_away += from.metadata_away;
  to->leases_ended += from.leases_ended;
  to->former_ended += from.former_ended;
  to->retakes += from.retakes;
  to->ways_closed += from.ways_closed;
  to->clogs += from.clogs;
  to->slow_disks += from.slow_disks;
  to->disk_errors += from.disk_errors;
  to->damaged += from.damaged;
  to->clock_jumps += from.clock_jumps;
}

ShardOptions SimOptions(const FaultMix& mix) {
  ShardOptions options;
  options.tick = SimCluster::kTick;
  options.max_behind_keys = mix.max_behind;
  options.max_syncs = 4;
  options.lost_after = mix.lost_after;
  options.sync_stall = milliseconds(1000);
  options.stable_interval = milliseconds(500);
  options.term_pause = milliseconds(300);
  options.union_patience = milliseconds(3000);
  options.floor_interval = milliseconds(700);
  options.clock_skew = milliseconds(500);
  options.expiry_grace = milliseconds(500);
  options.read_always = 1;  // few clients: a node has its share at once
  if (mix.large_values) {
    options.large_value_bytes = kSimLargeValueBytes;
    options.large_read_bytes = 6 * kSimLargeValueBytes;
    options.spare_retries = 2;
  }
  return options;
}

// What clients do beside reading and writing. With a generator of their own: what is drawn after
// them does not depend on them.
static void DrawClients(Random random, FaultMix* mix) {
  mix->client_retries = random.Chance(0.4);
  mix->ttl = random.Chance(0.3);
  mix->large_values = random.Chance(0.15);
}

FaultMix FaultMix::Draw(Random& random) {
  FaultMix mix;
  mix.synced_writes = random.Chance(0.4);
  if (random.Chance(0.5)) mix.loss = random.Unit() * 0.15;
  if (random.Chance(0.5)) mix.duplication = random.Unit() * 0.1;
  if (random.Chance(0.6)) mix.long_delay = random.Unit() * 0.1;
  mix.delay = microseconds(random.Between(50, 3000));
  mix.node_crash = random.Chance(0.7);
  mix.power_loss = random.Chance(0.6);
  mix.router_crash = random.Chance(0.6);
  mix.partition = random.Chance(0.5);
  mix.stall = random.Chance(0.4);
  mix.wipe = random.Chance(0.4);
  mix.old_copy = random.Chance(0.3);
  if (random.Chance(0.3)) mix.max_behind = random.Between(1, 4);
  mix.total_loss = random.Chance(0.3);
  if (!mix.node_crash && !mix.partition && !mix.stall) mix.node_crash = true;
  mix.between_faults = milliseconds(random.Between(300, 1500));
  // Drawn apart, so that runs without it are the same as before there was any.
  Random apart = random;
  if (apart.Chance(0.3)) {
    mix.topology = true;
    mix.spare = static_cast<int>(apart.Between(1, 2));
    if (apart.Chance(0.5)) mix.metadata_faults = apart.Unit() * 0.1;
    if (apart.Chance(0.4)) mix.metadata_delay = milliseconds(apart.Between(3, 300));
  }
  if (apart.Chance(0.25)) {
    mix.takeover = true;
    mix.lease_ttl = milliseconds(apart.Between(1000, 2000));
    if (apart.Chance(0.3)) mix.metadata_delay = milliseconds(apart.Between(3, 100));
  }
  const double groups = apart.Unit();
  if (groups < 0.5) mix.groups = groups < 0.25 ? 1 : 4;
  if (mix.topology && mix.takeover) mix.removals = apart.Chance(0.6);
  // A store that takes its time takes it with some answers, too.
  if ((mix.topology || mix.takeover) && apart.Chance(0.4)) {
    mix.late_transactions = true;
    if (mix.metadata_faults == 0) mix.metadata_faults = apart.Unit() * 0.1;
  }
  mix.one_way = apart.Chance(0.3);
  mix.clog = apart.Chance(0.2);
  mix.slow_disk = apart.Chance(0.2);
  mix.disk_error = apart.Chance(0.25);
  // One of three that cannot be read is a loss; what else is lost must not be on the others.
  mix.damage = apart.Chance(0.3) && !mix.total_loss;
  mix.clocks = apart.Chance(0.3);
  DrawClients(Random(apart.Next()), &mix);
  const bool loses_messages = mix.loss > 0 || mix.partition || mix.one_way;
  if (!loses_messages) mix.lost_after = ShardOptions().lost_after;
  return mix;
}

std::string FaultMix::ToString() const {
  std::string text = "durability " + std::string(synced_writes ? "sync" : "periodic") + ", loss " +
                     std::to_string(loss) + ", duplication " + std::to_string(duplication) +
                     ", long delays " + std::to_string(long_delay);
  if (lost_after > milliseconds(250)) text += ", nothing lost within a session";
  if (node_crash) text += ", node crashes";
  if (power_loss) text += ", power losses";
  if (router_crash) text += ", router crashes";
  if (partition) text += ", partitions";
  if (stall) text += ", stalls";
  if (wipe) text += ", wiped disks";
  if (old_copy) text += ", old disks";
  if (topology) text += ", nodes that join and leave (" + std::to_string(spare) + " spare)";
  if (metadata_faults > 0) text += ", metadata faults " + std::to_string(metadata_faults);
  if (takeover) text += ", takeovers beside a living owner";
  if (removals) text += ", removals by force between takeovers";
  if (late_transactions) text += ", late transactions";
  if (total_loss) text += ", losses of all power";
  if (one_way) text += ", single ways closed";
  if (clog) text += ", clogged nodes";
  if (slow_disk) text += ", slow disks";
  if (disk_error) text += ", disk errors";
  if (damage) text += ", damaged records";
  if (clocks) text += ", clocks that drift and jump";
  if (client_retries) text += ", clients that try again";
  if (ttl) text += ", records that expire";
  if (large_values) text += ", large values and few retries";
  text += ", " + std::to_string(groups) + " groups, " + std::to_string(max_behind) + " keys behind";
  return text;
}

}  // namespace ringkv
