// ProgressBar: one line on stderr that is drawn again a few times a second; nothing at all where
// stderr is no terminal. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace ringkv {

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar();  // wipes the line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `fraction` is 0 to 1, or below 0 where the end is not known.
  void Show(const std::string& what, double fraction);

 private:
  const bool terminal_;
  RealClock clock_;
  MonoTime next_{0};
  bool drawn_ = false;
};

}  // namespace ringkv
