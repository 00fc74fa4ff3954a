// A node's data directory: the lock that keeps other processes out, and the RocksStore in it.
//
//   DATA-DIR/LOCK.ringkv   one process at a time (net/data_dir_lock.h)
//   DATA-DIR/db/           RocksDB
//
// Guarantees: MoveAside deletes nothing; it renames DATA-DIR to DATA-DIR.aside-TIME-bootN, or,
// where DATA-DIR itself cannot be renamed (a mount point), DATA-DIR/db to
// DATA-DIR/db.aside-TIME-bootN. Thread-safety: Report from any thread; everything else from one at
// a time.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "kvnode/node_start.h"
#include "kvnode/rocks_store.h"
#include "net/data_dir_lock.h"

namespace ringkv {

class DiskDirectory final : public NodeDisk {
 public:
  // Makes the directory if it is not there. Borrows `clock`.
  static Result<std::unique_ptr<DiskDirectory>> Open(std::string path, const RocksOptions& options,
                                                     const Clock& clock);

  Store& store() override { return *store_; }
  bool log_damaged() const override { return store_->recovery().log_damaged; }
  Status MoveAside(Boot boot, std::string* where) override;

  // How the store is. Asks RocksDB: may take a moment.
  struct Report {
    Status health;
    Status damage;  // RocksStore::Damage
    StoreStats stats;
    std::map<std::string, double> tickers;  // RocksStore::Tickers
  };
  Report MakeReport();

  // Syncs and closes the store. The lock stays until the object goes.
  Status Close();

 private:
  DiskDirectory(std::string path, const RocksOptions& options, const Clock& clock);
  Status Lock();
  Status OpenStore();
  std::string AsideName(const std::string& path, Boot boot) const;

  const std::string path_;  // without a slash at its end
  const RocksOptions options_;
  const Clock& clock_;
  std::optional<DataDirLock> lock_;
  std::mutex store_mutex_;  // held while store_ is replaced, and by MakeReport
  std::unique_ptr<RocksStore> store_;
};

}  // namespace ringkv
