// Internal to rocks_*.cc: the highest version of a record in each table file, kept with the file,
// so that a scan for what is above a version passes files by without reading them
// (ScanLimits::above). A file with values in blob files counts as holding anything: their versions
// lie there, too.
#pragma once

#include <rocksdb/table_properties.h>

#include <memory>

#include "kvnode/store.h"

namespace ringkv {

// For the options of the column family of records.
std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> MakeVersionCollectors();

// kHighestVersion where it is not known.
Version HighestVersionIn(const rocksdb::TableProperties& table);

}  // namespace ringkv
