#include "tests/processes/free_ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <mutex>

#include "base/check.h"

namespace ringkv {
namespace {

bool Bind(int port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

}  // namespace

int FreePortPair() {
  static std::mutex mutex;
  static int next = 10'000 + static_cast<int>(::getpid()) % 1'000 * 20;
  std::lock_guard lock(mutex);
  for (int tries = 0; tries < 10'000; ++tries) {
    int port = next;
    next = next + 2 < 32'000 ? next + 2 : 10'000;
    if (Bind(port) && Bind(port + 1)) return port;
  }
  RINGKV_CHECK(false, "there are free ports");
  std::abort();
}

}  // namespace ringkv
