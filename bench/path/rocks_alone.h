// What RocksDB does by itself: three databases in one process, one thread each, batches of
// operations on random keys. A write goes to all three, as one of a cluster does; a read to one of
// them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "bench/path/cases.h"
#include "kvnode/rocks_store.h"

namespace rocksdb {
class DB;
}

namespace ringkv::bench {

class RocksAlone {
 public:
  static constexpr int kInstances = 3;
  static constexpr size_t kBatch = 100;  // operations

  // Opens the databases in `directory`, which is made if it is not there, and stores all keys.
  static Result<std::unique_ptr<RocksAlone>> Open(const std::string& directory,
                                                  Durability durability, KeySpace space);
  ~RocksAlone();

  // Operations of a client: what each of the three wrote, or what all of them read.
  Result<LoadFigures> Put(double seconds);
  Result<LoadFigures> Get(double seconds);

 private:
  enum class What { kPut, kGet };

  RocksAlone(Durability durability, KeySpace space);
  Status Fill();
  Result<LoadFigures> Run(What what, double seconds);
  Result<uint64_t> RunOne(size_t instance, What what, double seconds);

  const Durability durability_;
  const KeySpace space_;
  std::string bytes_;  // values are cut out of it
  std::vector<std::unique_ptr<rocksdb::DB>> databases_;
};

}  // namespace ringkv::bench
