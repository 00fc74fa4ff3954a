#include "client/kvctl/copy_state.h"

namespace ringkv {

std::string CopyStateName(v1::CopyState state) {
  switch (state) {
    case v1::COPY_STATE_WHOLE:
      return "whole";
    case v1::COPY_STATE_TAIL_LOST:
      return "tail_lost";
    case v1::COPY_STATE_UNREACHABLE:
      return "unreachable";
    default:
      return "unknown";
  }
}

}  // namespace ringkv
