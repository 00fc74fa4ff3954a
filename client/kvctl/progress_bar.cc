#include "client/kvctl/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace ringkv {

ProgressBar::ProgressBar() : terminal_(::isatty(2) == 1) {}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
}

void ProgressBar::Show(const std::string& what, double fraction) {
  if (!terminal_) return;
  const MonoTime now = clock_.Now();
  if (now < next_) return;
  next_ = now + std::chrono::milliseconds(200);
  drawn_ = true;
  std::string bar;
  if (fraction >= 0) {
    constexpr int kWidth = 30;
    const int full = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kWidth);
    bar = "[" + std::string(full, '#') + std::string(kWidth - full, '.') + "] ";
  }
  std::fprintf(stderr, "\r\x1b[K%s%s", bar.c_str(), what.c_str());
  std::fflush(stderr);
}

}  // namespace ringkv
