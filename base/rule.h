// RINGKV_RULE(name): marks the place where the code keeps a rule of the replication protocol. It is
// `true`, but in the ablated simulator, which switches one rule off to see that the checks notice.
#pragma once

namespace ringkv {

enum class Rule {
  kNone,
  kBehindAtSingleReads,    // R3: no single-replica read of a key that the replica is behind on
  kRegressedDoesNotVote,   // Node: what may have lost acknowledged writes does not vote
  kSettleBeforeCondition,  // R4: earlier versions of the key are settled before a condition is read
  kQuorumCommits,          // R2: a quorum of acknowledgements, not one, commits
  kPendingIsNotReleased,   // R3: a single-replica read does not give out a pending version
  kReplyOfItsAttempt,      // R3: what was asked in an earlier attempt of a call counts for nothing
  kWriteBackUnderThisTerm,   // R3: what an older term left is written back under a version of this
                             // one
  kCompareVersions,          // Node: a lower version never replaces a higher one
  kNewDiskNamesTheLastBoot,  // Node: a new disk registers as the successor of the last boot
  // R1, R10:
  kPredecessorIsAwaited,  // nothing is given out while an earlier owner may read where it has not
                          // been fenced
  kLeaseAtSingleReads,    // one replica alone is read only as long as the lease holds
  kOnlyTheOneItPromised,  // Node: serves nobody but the (term, owner) that it promised
  // R5:
  kBehindOfSourceTakenOver,  // what the source lacks, and what is pending, the target lacks too
  kExcessIsResolved,         // what is newer at the target, from an older term, is resolved
  kCandidateIsAwaited,       // the answer of the replica that held more is awaited
  kResultGoesToAll,          // the result is tracked to every replica not known to hold it
  kReinstateAfterCatchUp,    // the vote comes back when all that was behind is acknowledged
  kSourceVotesUnderItsBoot,  // a source answers only while it votes, under the boot it was named by
  kGapStartsSyncAnew,        // a sync with a gap in its tracking begins again
  kRestartEndsSync,          // a sync is bound to the target's boot
  kSmallerStable,            // only what lies above the smaller W of both ends is compared
  kFloorIsOnAllReplicas,     // R7: the floor is W, and moves only while every replica is clean
  kAbsentReadsAsTheFloor,    // what is gone at or below the floor reads as a tombstone at the floor
  kStableIsBoundToItsBoot,   // W is given only to an instance that answered, under that boot
  // R6:
  kLearnerDoesNotCount,      // a replica that is being filled is in no quorum, whatever it votes
  kJointQuorum,              // before the flip a quorum is a majority of the old and of the new set
  kLearnerHasAllBeforeFlip,  // the flip waits for what the learner was behind on
  // R11:
  kUnionTakesAFreshTerm,    // nothing else was ever sent under the term of a union
  kUnionIsBoundToItsBoots,  // a replica that starts again in between begins it again
  kUnionReachesAll,         // nobody votes again before every key is on all replicas
  // R8:
  kReadAgainIfItExpired,  // a read during which its value expires says nothing
  // R9:
  kRetryIsLookedFor,  // a request whose record is the current one is not applied a second time
  // Check:
  kBehindBeforeAsked,  // a replica that was behind when it was asked is not called different
};

#ifdef RINGKV_ABLATION
// The rule that is switched off in this process.
inline Rule& AblatedRule() {
  static Rule rule = Rule::kNone;
  return rule;
}
#define RINGKV_RULE(rule) (::ringkv::AblatedRule() != ::ringkv::Rule::rule)
#else
#define RINGKV_RULE(rule) true
#endif

}  // namespace ringkv
