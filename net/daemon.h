// What the mains of both servers share: signals, configuration, log and exit codes.
//
//   int main(int argc, char** argv) {
//     KvnodeOptions options;                       // fields with their defaults
//     ringkv::ConfigSchema schema("kvnode", "…");  // schema.AddString("data-dir",
//     &options.data_dir… Kvnode node(options);                        // implements Daemon return
//     ringkv::RunDaemon(schema, node, argc, argv);
//   }
//
// Exit codes: 0 stopped as asked · 1 could not start, or failed while running · 2 bad
// configuration. Signals: SIGTERM and SIGINT stop the process gracefully, a second one ends it at
// once; SIGHUP and SIGPIPE do nothing. RunDaemon adds the option `log-level`. Call it from main,
// before any thread.
#pragma once

#include "base/config_schema.h"
#include "base/status.h"

namespace ringkv {

// How a running daemon asks for its own end. Thread-safe.
class DaemonControl {
 public:
  virtual ~DaemonControl() = default;

  // Starts the graceful stop. With an error (a disk that failed), the process exits 1 and logs it.
  // The first call counts.
  virtual void RequestStop(Status why) = 0;

  // Starts the graceful stop, after which the process begins anew: the same program, with the same
  // arguments, under the same process id. Without effect once a stop was asked for; one that is
  // asked for meanwhile (SIGTERM) ends the process.
  virtual void RequestRestart() = 0;
};

class Daemon {
 public:
  virtual ~Daemon() = default;

  // Serves when it returns ok; it must not block for long. The configuration is loaded and the log
  // is set up. After an error the process exits 1 without Stop. `control` outlives the daemon's
  // Stop.
  virtual Status Start(DaemonControl& control) = 0;

  // Stop taking requests, finish those in flight, flush. Called once, on the thread of Start.
  virtual void Stop() = 0;
};

// The whole life of the process; returns what main returns.
int RunDaemon(ConfigSchema& schema, Daemon& daemon, int argc, char** argv);

}  // namespace ringkv
