#include "ingest/partition_table.h"

#include <absl/strings/str_cat.h>

namespace vigil::ingest {

const cep::Partition* PartitionTable::Get(std::string_view source, std::string_view topic,
                                          uint32_t number) {
  // Neighbours are often of one partition.
  if (last_ != nullptr && last_->number == number && last_->topic == topic &&
      last_->source == source) {
    return last_;
  }
  key_.assign(source);
  key_.push_back('\0');  // names may hold `/`
  key_.append(topic);
  key_.push_back('\0');
  absl::StrAppend(&key_, number);
  auto found = partitions_.find(key_);
  if (found == partitions_.end()) {
    if (partitions_.size() >= kMaxPartitions) return nullptr;
    cep::Partition partition;
    partition.source = source;
    partition.topic = topic;
    partition.number = number;
    partition.place = cep::PlaceOf(partition.source, partition.topic, number);
    found = partitions_.emplace(key_, std::move(partition)).first;
  }
  last_ = &found->second;
  return last_;
}

}  // namespace vigil::ingest
