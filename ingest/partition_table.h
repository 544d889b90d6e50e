// The partitions named by the records of one input (`_source`, `_topic`, `_partition`), each made
// once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <absl/container/node_hash_map.h>

#include "cep/event/batch.h"

namespace vigil::ingest {

// Thread safety: Get() belongs to one thread; the partitions it returned may be read by any and
// live as long as the table. Memory: at most kMaxPartitions.
class PartitionTable {
 public:
  static constexpr size_t kMaxPartitions = 100'000;

  // The partition, its place `SOURCE/TOPIC/NUMBER`; null when the table is full.
  const cep::Partition* Get(std::string_view source, std::string_view topic, uint32_t number);

 private:
  absl::node_hash_map<std::string, cep::Partition> partitions_;  // by place, with NUL for `/`
  const cep::Partition* last_ = nullptr;
  std::string key_;
};

}  // namespace vigil::ingest
