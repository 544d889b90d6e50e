// Reads one JSON value as a typed cep::Value: fields of types other than int, double, bool and
// string.
//
// int       a JSON integer that fits int64; 1.0 and 1e3 are of another type, as in CEL
// double    any number within a double's range
// timestamp RFC 3339 text, or a number in the reader's time unit
// duration  text as CEL writes it, `1h30m`
// bytes     base64 text, standard or URL-safe, padded or not
// dyn       an integer is int, or double beyond int64; other numbers are double; an object is a map
// with string keys object    a map with string keys, declared fields by their types, others as dyn
// Of fields that an object holds twice the last one counts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/value.h"
#include "ingest/event_time.h"
#include "ingest/json_text.h"

namespace vigil::ingest {

// Thread safety: none. Keeps its working memory from value to value.
class JsonValueReader {
 public:
  // A value with deeper lists and objects is refused like a malformed one.
  static constexpr int kMaxDepth = 64;

  // Reads the value at the beginning of `text` (UTF-8, checked), which may go on behind it. The
  // result's texts lie in `text` or `arena`, its lists and maps in `arena`. False if the value is
  // malformed: see error(). Where a value or a part of it is not of its type, that part is an error
  // value and mismatch() says what was found.
  bool Read(std::string_view text, const cep::Type& type, TimeUnit unit, Arena* arena,
            cep::Value* out);

  const JsonError& error() const { return error_; }
  // Null, or what was found in place of the type expected.
  const char* mismatch() const { return mismatch_; }

 private:
  bool ReadValue(const cep::Type& type, int depth, cep::Value* out);
  bool ReadList(const cep::Type& type, int depth, cep::Value* out);
  bool ReadObject(const cep::Type& type, int depth, cep::Value* out);
  bool ReadText(std::string_view* out);
  cep::Value Number(std::string_view token, const cep::Type& type);
  cep::Value Text(std::string_view text, const cep::Type& type);
  cep::Value Base64(std::string_view text);
  cep::Value MapKey(std::string_view key, const cep::Type& type);
  cep::Value MakeMap(size_t first_entry);
  cep::Value Mismatch(const char* found);
  bool Fail(const char* at, const char* what);

  const char* begin_ = nullptr;
  const char* p_ = nullptr;
  const char* end_ = nullptr;
  TimeUnit unit_ = TimeUnit::kMillis;
  Arena* arena_ = nullptr;
  JsonError error_;
  const char* mismatch_ = nullptr;
  std::vector<cep::Value> items_;       // of the lists being read, the innermost last
  std::vector<cep::MapEntry> entries_;  // of the objects being read
};

}  // namespace vigil::ingest
