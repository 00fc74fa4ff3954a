// other ADDRESS HOW COMMAND...: something that is no ringkv listens on the address while the
// command runs; ends as the command does.
//   silent   takes connections and says nothing
//   garbage  answers each connection with bytes that mean nothing
//   closes   ends each connection at once
//   deaf     takes no connection: its queue is full
#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace {

sockaddr_in ToAddress(const std::string& text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(text.substr(text.find(':') + 1))));
  return address;
}

int Listen(const sockaddr_in& address, int backlog) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd, backlog) != 0) {
    std::perror("other");
    std::exit(64);
  }
  return fd;
}

// Connections that nobody takes, until the kernel answers no further one.
void FillQueue(const sockaddr_in& address) {
  for (int i = 0; i < 8; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
}

void Serve(int listening, const std::string& how) {
  for (;;) {
    const int fd = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    if (how == "garbage") (void)!::write(fd, "220 mail.example ESMTP\r\n", 24);
    if (how == "closes") ::close(fd);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 64;
  const std::string how = argv[2];
  const sockaddr_in address = ToAddress(argv[1]);
  const int listening = Listen(address, how == "deaf" ? 0 : 64);
  if (how == "deaf") {
    FillQueue(address);
  } else {
    std::thread([listening, how] { Serve(listening, how); }).detach();
  }
  pid_t pid = 0;
  if (::posix_spawnp(&pid, argv[3], nullptr, nullptr, argv + 3, environ) != 0) return 64;
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
