#include "client/connection_driver_grpc.h"

#include <chrono>

namespace ringkv {

ConnectionDriver::ConnectionDriver()
    : thread_([this] {
        void* tag = nullptr;
        bool ok = false;
        while (queue_.Next(&tag, &ok)) {
        }
      }) {}

ConnectionDriver::~ConnectionDriver() {
  queue_.Shutdown();
  thread_.join();
}

void ConnectionDriver::Drive(grpc::Channel& channel, grpc_connectivity_state from, Duration time) {
  const auto deadline = std::chrono::system_clock::now() +
                        std::chrono::duration_cast<std::chrono::microseconds>(time);
  channel.NotifyOnStateChange(from, deadline, &queue_, nullptr);
}

}  // namespace ringkv
