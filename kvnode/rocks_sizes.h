// Internal to rocks_*.cc: how large each replica instance is in an opened RocksDB.
//
// Every table file of records carries its size marks (size_marks.h), made while it is written; what
// is in the memtables is counted. So an estimate reads no record from the disk: it costs a look at
// each table file and a walk over the memtables (RocksOptions::memtable_bytes at most).
//
// What is counted: store keys and records, inline values before compression, values in blob files
// as they lie there, that is, compressed. A record that was written over or erased counts until
// compaction drops it. Thread-safe, as the database is.
#pragma once

#include <rocksdb/table_properties.h>

#include <memory>
#include <span>
#include <vector>

#include "kvnode/rocks_engine.h"

namespace ringkv {

// For the options of the column family of records.
std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> MakeSizeCollectors();

// Sets sizes[i] to the bytes of instances[i] (Store::EstimateSizes).
rocksdb::Status EstimateRocksSizes(const RocksEngine& engine,
                                   std::span<const InstanceName> instances,
                                   std::vector<uint64_t>* sizes);

}  // namespace ringkv
