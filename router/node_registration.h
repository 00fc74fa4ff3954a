// The router's side of the boot handshake (docs/protocol.md, "Node: Start"): what the metadata
// makes of a node that says who it is and what its disk remembers. Pure.
//
// Boots of a node id are counted by the metadata and only grow, also across disks: a new disk under
// an old id goes on with the next number. So a boot names one process of one disk for good, and
// whoever waits for an answer "of boot b" can never take one of another disk for it. The node keeps
// the boot that the reply gives it, whatever it had expected.
//
// What is on the disk (store uuid, boot, nonce of the intent) against the node's record:
//
// clang-format off
//  | record                   | disk                            | outcome                                      |
//  |--------------------------|---------------------------------|----------------------------------------------|
//  | any                      | of another cluster              | WRONG_CLUSTER                                |
//  | none                     | boot 0                          | recorded as WAITING; NOT_A_MEMBER            |
//  | none                     | has booted                      | METADATA_OLD                                 |
//  | WAITING                  | any                             | NOT_A_MEMBER; addresses kept fresh           |
//  | REMOVED                  | boot 0, another store           | recorded as WAITING; NOT_A_MEMBER            |
//  | REMOVED                  | the removed store               | NOT_A_MEMBER: empty the disk first           |
//  | REMOVED                  | has booted, another store       | DISK_OLD                                     |
//  | member                   | address of another member       | ADDRESS_IN_USE                               |
//  | member, never registered | boot 0                          | boot 1, first_disk                           |
//  | member, never registered | has booted                      | METADATA_OLD                                 |
//  | member, same store       | same nonce, boot below          | that boot again (a lost reply)               |
//  | member, same store       | boot equal                      | boot + 1                                     |
//  | member, same or other    | boot above                      | METADATA_OLD                                 |
//  | member, same store       | boot below, another nonce       | DISK_OLD                                     |
//  | member, another store    | boot 0, after the record's boot | accepted, boot + 1, not first_disk           |
//  | member, another store    | boot 0, after any other or none | CONFIRM, with the record's boot              |
//  | member, another store    | has booted, boot not above      | DISK_OLD                                     |
// clang-format on
//
// A disk that replaces another registers in two steps (docs/decisions/0009): it is told the last
// boot under its id, and asks again to come after that one. So a message of a disk that is gone
// already, which arrives late, changes nothing once its successor has registered.
//
// A disk that replaces another keeps the instances (slot, inc) of the node; they are empty and do
// not vote until their owner has filled them. `first_disk` is true exactly for boot 1 of an id:
// also when its reply was lost and is asked for again.
//
// Every REGISTERED comes with a transaction, even where nothing changes: it is conditional on the
// ownership of all groups and on the placement, which the reply repeats and an empty disk takes as
// its durable promises.
//
// Thread-safe.
#pragma once

#include <optional>

#include "base/status.h"
#include "ringkv/v1/replica.pb.h"
#include "router/cluster_state.h"
#include "router/metadata_store.h"

namespace ringkv {

struct Registration {
  v1::RegisterReply reply;         // to be sent once `txn` was committed, if there is one
  std::optional<MetadataTxn> txn;  // none: the answer changes nothing and rests on nothing
};

// InvalidArgument: the request makes no sense (a defect of the node or another format version).
Status CheckRegistration(const v1::RegisterRequest& request);

// InvalidArgument as above.
Result<Registration> PlanRegistration(const ClusterState& state,
                                      const v1::RegisterRequest& request);

}  // namespace ringkv
