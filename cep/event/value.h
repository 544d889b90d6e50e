// A dynamically typed value, 16 bytes: what expressions compute and what a captured field is.
//
// A Value owns nothing. Strings, lists and maps point into memory of someone else (a batch's lines
// or arena, a captured event, a program's constants, an evaluation's arena) and live as long as
// that. Invariants: (1) list, map and string pointers are valid for `size` elements or bytes.
//             (2) map entries keep insertion order; keys are bool, int, uint or string and unique
//             by CEL equality. (3) a timestamp or duration holds whole seconds in `i` and
//             0..999,999,999 nanoseconds (a duration's have
//                 the sign of its seconds).
#pragma once

#include <cstdint>
#include <string_view>

#include "cep/base/check.h"
#include "cep/event/schema.h"

namespace vigil::cep {

enum class ValueTag : uint8_t {
  kAbsent,  // no such field
  kError,   // evaluation failed; `s` is a static or arena text that says why
  kNull,
  kBool,
  kInt,
  kUint,
  kDouble,
  kString,
  kBytes,
  kTimestamp,
  kDuration,
  kList,
  kMap,
  kType,  // `s` is the type's CEL name
};

struct Value;
struct MapEntry;

struct Value {
  ValueTag tag = ValueTag::kAbsent;
  uint32_t size =
      0;  // bytes of a string, elements of a list or map, nanoseconds of a time (as int32)
  union {
    bool b;
    int64_t i;
    uint64_t u;
    double d;
    const char* s;
    const Value* list;
    const MapEntry* map;
  };

  constexpr Value() : i(0) {}

  static constexpr Value Null() { return Make(ValueTag::kNull); }
  static constexpr Value Bool(bool v) {
    Value r = Make(ValueTag::kBool);
    r.b = v;
    return r;
  }
  static constexpr Value Int(int64_t v) {
    Value r = Make(ValueTag::kInt);
    r.i = v;
    return r;
  }
  static constexpr Value Uint(uint64_t v) {
    Value r = Make(ValueTag::kUint);
    r.u = v;
    return r;
  }
  static constexpr Value Double(double v) {
    Value r = Make(ValueTag::kDouble);
    r.d = v;
    return r;
  }
  static constexpr Value String(std::string_view v) { return Text(ValueTag::kString, v); }
  static constexpr Value Bytes(std::string_view v) { return Text(ValueTag::kBytes, v); }
  static constexpr Value Error(std::string_view v) { return Text(ValueTag::kError, v); }
  static constexpr Value TypeName(std::string_view v) { return Text(ValueTag::kType, v); }
  static constexpr Value Time(ValueTag tag, int64_t seconds, int32_t nanos) {
    Value r = Make(tag);
    r.i = seconds;
    r.size = static_cast<uint32_t>(nanos);
    return r;
  }
  static constexpr Value List(const Value* items, uint32_t count) {
    Value r = Make(ValueTag::kList);
    r.list = items;
    r.size = count;
    return r;
  }
  static constexpr Value Map(const MapEntry* entries, uint32_t count) {
    Value r = Make(ValueTag::kMap);
    r.map = entries;
    r.size = count;
    return r;
  }

  bool is_absent() const { return tag == ValueTag::kAbsent; }
  bool is_error() const { return tag == ValueTag::kError; }
  bool is_null() const { return tag == ValueTag::kNull; }
  std::string_view text() const {
    CEP_DCHECK(tag == ValueTag::kString || tag == ValueTag::kBytes || tag == ValueTag::kError ||
               tag == ValueTag::kType);
    return {s, size};
  }
  int32_t nanos() const { return static_cast<int32_t>(size); }

 private:
  static constexpr Value Make(ValueTag t) {
    Value r;
    r.tag = t;
    return r;
  }
  static constexpr Value Text(ValueTag t, std::string_view v) {
    Value r;
    r.tag = t;
    r.s = v.data();
    r.size = static_cast<uint32_t>(v.size());
    return r;
  }
};
static_assert(sizeof(Value) == 16);

struct MapEntry {
  Value key;
  Value value;
};

}  // namespace vigil::cep
