// Which top-level fields of a record are read, and what for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cep/event/batch.h"

namespace vigil::ingest {

// The fields' texts as a codec found them in one record, one per name of the Projection. A text
// whose data() is null: the record has no such field.
using FieldTexts = std::vector<std::string_view>;

// Immutable; any number of threads may read it.
class Projection {
 public:
  // `time_field` may be empty: records then carry no event time of their own.
  Projection(std::shared_ptr<const cep::Layout> layout, std::string_view time_field,
             bool positions);

  const cep::Layout& layout() const { return *layout_; }
  // The first ones are the layout's slots, in its order.
  const std::vector<std::string>& names() const { return names_; }
  // The place of `name` in names(), or -1.
  int Find(std::string_view name) const;
  // The place of the name that `text` begins with, a quote behind it, or -1: how a JSON field name
  // is matched where it stands. Names that JSON writes with escapes are not found. `end` is where
  // the line ends.
  int FindQuoted(const char* text, const char* end) const;

  // Places in names(), or -1 where they are not read.
  int time() const { return time_; }
  int source() const { return source_; }
  int topic() const { return topic_; }
  int partition() const { return partition_; }
  int offset() const { return offset_; }
  bool has_positions() const { return offset_ >= 0; }

 private:
  int Add(std::string_view name);

  std::shared_ptr<const cep::Layout> layout_;
  std::vector<std::string> names_;
  std::vector<uint16_t> by_first_[256];  // places of the names that begin with a byte
  std::vector<bool> plain_;              // whether JSON writes the name without escapes
  int empty_name_ = -1;
  int time_ = -1;
  int source_ = -1;
  int topic_ = -1;
  int partition_ = -1;
  int offset_ = -1;
};

}  // namespace vigil::ingest
