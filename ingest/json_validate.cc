#include "ingest/json_validate.h"

#include <bitset>

#include <simdjson.h>

#include "ingest/json_flat.h"

namespace vigil::ingest {
namespace {

// One pass with a bit per open container instead of recursion.
class Validator {
 public:
  Validator(std::string_view text, JsonError* error)
      : begin_(text.data()), p_(begin_), end_(begin_ + text.size()), error_(error) {}

  bool Run() {
    Space();
    if (p_ == end_ || *p_ != '{') return Fail("expected an object");
    if (!Value()) return false;
    while (depth_ > 0) {
      if (!Next()) return false;
    }
    Space();
    return p_ == end_ || Fail("unexpected content after the object");
  }

 private:
  bool Fail(const char* what) { return FailAt(p_, what); }
  bool FailAt(const char* at, const char* what) {
    *error_ = {static_cast<size_t>(at - begin_), what};
    return false;
  }

  void Space() { p_ = SkipJsonSpace(p_, end_); }
  bool At(char c) const { return p_ < end_ && *p_ == c; }
  bool InObject() const { return in_object_[depth_ - 1]; }

  // A value. Of a container that is not empty: its opening, as far as the first value in it that is
  // none. Containers are entered in this loop and left by Next(), so nesting costs no stack.
  bool Value() {
    while (At('{') || At('[')) {
      const bool object = *p_ == '{';
      if (depth_ == kMaxJsonDepth) return Fail("nested too deeply");
      in_object_[depth_++] = object;
      ++p_;
      Space();
      if (At(object ? '}' : ']')) return Close();
      if (object && !Key()) return false;
    }
    return At('"') ? String() : Scalar();
  }

  bool Close() {
    --depth_;
    ++p_;
    return true;
  }

  // What follows a complete value inside a container.
  bool Next() {
    Space();
    if (At(InObject() ? '}' : ']')) return Close();
    if (!At(',')) return Fail(InObject() ? "expected `,` or `}`" : "expected `,` or `]`");
    ++p_;
    Space();
    return (!InObject() || Key()) && Value();
  }

  bool Key() {
    if (!At('"')) return Fail("expected a field name in quotes");
    if (!String()) return false;
    Space();
    if (!At(':')) return Fail("expected `:`");
    ++p_;
    Space();
    return true;
  }

  bool String() {
    const StringScan scan = ScanJsonString(p_ + 1, end_);
    if (scan.end == nullptr) return FailAt(scan.bad, scan.what);
    p_ = scan.end + 1;
    return true;
  }

  bool Scalar() {
    const char* const stop = SkipJsonScalar(p_, end_);
    if (stop == nullptr) return Fail(p_ == end_ ? "expected a value" : "malformed value");
    p_ = stop;
    return true;
  }

  const char* const begin_;
  const char* p_;
  const char* const end_;
  JsonError* const error_;
  size_t depth_ = 0;
  std::bitset<kMaxJsonDepth> in_object_;
};

}  // namespace

bool ValidateJsonObject(std::string_view text, JsonError* error) {
  if (IsValidFlatObject(text)) return true;
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    *error = {FindInvalidUtf8(text), "invalid UTF-8"};
    return false;
  }
  return Validator(text, error).Run();
}

}  // namespace vigil::ingest
