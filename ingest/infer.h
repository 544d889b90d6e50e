// A schema from sample records: what `vigil schema infer` prints and a replay without --schema
// uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cep/base/arena.h"
#include "cep/base/status.h"
#include "cep/event/schema.h"
#include "cep/event/value.h"
#include "io/byte_source.h"

namespace vigil::ingest {

class LineReader;
struct SeenField;

// What values of one field (or list element) have been seen to be. Fields are in order of first
// appearance.
struct SeenValues {
  // More names in one object than this, and names are data (a map by id): the object is `dyn`.
  static constexpr size_t kMaxFields = 1000;

  bool bools = false;
  bool ints = false;
  bool doubles = false;
  bool strings = false;
  bool lists = false;
  bool objects = false;
  bool too_many_fields = false;
  std::vector<SeenField> fields;    // of objects
  std::vector<SeenValues> element;  // of lists: none or one

  void Add(const cep::Value& value);
  // int and double together are double; other mixtures, nothing and only null are dyn; the elements
  // of a list and the fields of an object likewise.
  cep::Type ToType() const;
};

struct SeenField {
  std::string name;
  SeenValues values;
};

// Thread safety: none.
class SchemaInference {
 public:
  // Reads records from `bytes`, of the format that `path` says, up to `max_records` of them (0:
  // all). Records that are not valid are passed over. Errors: those of reading; INVALID_ARGUMENT
  // for a format that has no inference, or a CSV header that is not valid.
  Status AddInput(const std::string& path, std::unique_ptr<io::ByteSource> bytes,
                  size_t max_records);
  // The same with bytes that are borrowed for the call.
  Status AddInput(const std::string& path, io::ByteSource* bytes, size_t max_records);

  // The fields seen so far, in order of first appearance; identifiers beyond them are `dyn` with a
  // warning.
  cep::Schema Finish() const;

  uint64_t records() const { return records_; }
  uint64_t invalid() const { return invalid_; }

 private:
  Status AddJson(LineReader* lines, size_t max_records);
  Status AddCsv(LineReader* lines, size_t max_records);

  SeenValues seen_;
  Arena arena_;  // of the record at hand
  uint64_t records_ = 0;
  uint64_t invalid_ = 0;
};

}  // namespace vigil::ingest
