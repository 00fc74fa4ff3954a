// Carries a ScanWalk out over the shards: sends its requests to the loops that own the slots,
// brings the pages back to one home loop, and hands responses to a consumer.
//
// Guarantees: `deliver` is called with responses in the walk's order, the last one marked; after it
// returns, not again before Resume; never after the last one. It runs on the home loop and must not
// block. Abandon ends the run without a further call, once it has taken effect there.
//
// Start, Resume and Abandon from any thread. Keeps itself alive while pages are on their way.
#pragma once

#include <functional>
#include <memory>

#include "router/kv_context.h"
#include "router/scan.h"

namespace ringkv {

class ScanRun : public std::enable_shared_from_this<ScanRun> {
 public:
  enum class Mode {
    kStream,   // response after response, each as soon as there is something
    kOnePage,  // one response: a full page, or what there is when the time for it is over
  };
  using Deliver = std::function<void(v1::ScanResponse response, bool last)>;

  static std::shared_ptr<ScanRun> Make(const KvContext& context, ScanWalk walk, Mode mode,
                                       Deliver deliver);
  void Start() { Resume(); }
  void Resume();
  void Abandon();

 private:
  ScanRun(const KvContext& context, ScanWalk walk, Mode mode, Deliver deliver);
  // All on the home loop.
  void Pump();
  void Ask(MonoTime now);
  void Submit(std::vector<ScanWalk::Request> requests, MonoTime now);
  void MaybeDeliver(MonoTime now);
  void ArmTimer(MonoTime now);

  const KvContext& context_;
  const Mode mode_;
  ShardLoop& home_;
  const MonoTime page_until_;
  ScanWalk walk_;
  Deliver deliver_;
  v1::ScanResponse response_;
  bool consumer_ready_ = false;
  bool ended_ = false;
  MonoTime timer_at_ = kNever;
};

}  // namespace ringkv
