// Conversions between types. What does not fit is an error, never rounded to the nearest that does.
#include <array>
#include <charconv>
#include <cmath>

#include "rules/cel/format.h"
#include "rules/cel/functions.h"
#include "rules/cel/time.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;
using cep::ValueTag;

constexpr double kTwo63 = 9223372036854775808.0;
constexpr double kTwo64 = 18446744073709551616.0;
constexpr std::string_view kRange = "number out of range";

Value Same(CallContext&, const Value* args) { return args[0]; }

// A whole text as a number; false if it is none.
template <typename T>
bool ParseNumber(std::string_view text, T* value) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

Value UintToInt(CallContext&, const Value* args) {
  if (args[0].u > static_cast<uint64_t>(INT64_MAX)) return Value::Error(kRange);
  return Value::Int(static_cast<int64_t>(args[0].u));
}

// The bounds themselves are refused: a double near them has already been rounded.
Value DoubleToInt(CallContext&, const Value* args) {
  if (!(args[0].d > -kTwo63 && args[0].d < kTwo63)) return Value::Error(kRange);
  return Value::Int(static_cast<int64_t>(args[0].d));
}

Value StringToInt(CallContext&, const Value* args) {
  int64_t value = 0;
  if (!ParseNumber(args[0].text(), &value)) return Value::Error("not an int");
  return Value::Int(value);
}

Value TimestampToInt(CallContext&, const Value* args) { return Value::Int(args[0].i); }

Value IntToUint(CallContext&, const Value* args) {
  if (args[0].i < 0) return Value::Error(kRange);
  return Value::Uint(static_cast<uint64_t>(args[0].i));
}

Value DoubleToUint(CallContext&, const Value* args) {
  if (!(args[0].d >= 0 && args[0].d < kTwo64)) return Value::Error(kRange);
  return Value::Uint(static_cast<uint64_t>(args[0].d));
}

Value StringToUint(CallContext&, const Value* args) {
  uint64_t value = 0;
  if (!ParseNumber(args[0].text(), &value)) return Value::Error("not a uint");
  return Value::Uint(value);
}

Value IntToDouble(CallContext&, const Value* args) {
  return Value::Double(static_cast<double>(args[0].i));
}

Value UintToDouble(CallContext&, const Value* args) {
  return Value::Double(static_cast<double>(args[0].u));
}

Value StringToDouble(CallContext&, const Value* args) {
  double value = 0;
  if (!ParseNumber(args[0].text(), &value)) return Value::Error("not a double");
  return Value::Double(value);
}

struct BoolWord {
  std::string_view text;
  bool value;
};

constexpr std::array kBoolWords = {
    BoolWord{"1", true},      BoolWord{"t", true},      BoolWord{"true", true},
    BoolWord{"TRUE", true},   BoolWord{"True", true},   BoolWord{"T", true},
    BoolWord{"0", false},     BoolWord{"f", false},     BoolWord{"false", false},
    BoolWord{"FALSE", false}, BoolWord{"False", false}, BoolWord{"F", false},
};

Value StringToBool(CallContext&, const Value* args) {
  for (const BoolWord& row : kBoolWords) {
    if (row.text == args[0].text()) return Value::Bool(row.value);
  }
  return Value::Error("not a bool");
}

Value StringToBytes(CallContext&, const Value* args) { return Value::Bytes(args[0].text()); }

Value BytesToString(CallContext&, const Value* args) {
  if (!IsValidUtf8(args[0].text())) return Value::Error("invalid UTF-8");
  return Value::String(args[0].text());
}

Value ToText(CallContext& context, const Value* args) {
  return Value::String(context.arena.Copy(FormatScalar(args[0])));
}

Value StringToTimestamp(CallContext&, const Value* args) { return ParseTimestamp(args[0].text()); }
Value IntToTimestamp(CallContext&, const Value* args) { return MakeTimestamp(args[0].i, 0); }
Value StringToDuration(CallContext&, const Value* args) { return ParseDuration(args[0].text()); }
Value IntToDuration(CallContext&, const Value* args) { return MakeDuration(args[0].i, 0); }

Value TypeOf(CallContext&, const Value* args) { return Value::TypeName(RuntimeTypeName(args[0])); }

}  // namespace

std::vector<FunctionRow> ConversionRows() {
  return {
      {"int(int) -> int", "The number itself.", &Same},
      {"int(uint) -> int", "The same number; an error if it does not fit.", &UintToInt},
      {"int(double) -> int", "The number without its fraction.", &DoubleToInt},
      {"int(string) -> int", "The number that the text writes.", &StringToInt, Cost::kLinear},
      {"int(timestamp) -> int", "Seconds since the Unix epoch.", &TimestampToInt},
      {"uint(uint) -> uint", "The number itself.", &Same},
      {"uint(int) -> uint", "The same number; an error if it is negative.", &IntToUint},
      {"uint(double) -> uint", "The number without its fraction.", &DoubleToUint},
      {"uint(string) -> uint", "The number that the text writes.", &StringToUint, Cost::kLinear},
      {"double(double) -> double", "The number itself.", &Same},
      {"double(int) -> double", "The nearest double.", &IntToDouble},
      {"double(uint) -> double", "The nearest double.", &UintToDouble},
      {"double(string) -> double", "The number that the text writes.", &StringToDouble,
       Cost::kLinear},
      {"bool(bool) -> bool", "The value itself.", &Same},
      {"bool(string) -> bool", "true, True, TRUE, t, T, 1, and false likewise.", &StringToBool},
      {"bytes(bytes) -> bytes", "The bytes themselves.", &Same},
      {"bytes(string) -> bytes", "The text in UTF-8.", &StringToBytes, Cost::kLinear},
      {"string(string) -> string", "The text itself.", &Same},
      {"string(int) -> string", "In decimal.", &ToText},
      {"string(uint) -> string", "In decimal.", &ToText},
      {"string(double) -> string", "The shortest text that reads back as the same.", &ToText},
      {"string(bool) -> string", "true or false.", &ToText},
      {"string(bytes) -> string", "The text, if the bytes are UTF-8.", &BytesToString,
       Cost::kLinear},
      {"string(timestamp) -> string", "As RFC 3339, in UTC.", &ToText},
      {"string(duration) -> string", "In seconds, as 90.5s.", &ToText},
      {"timestamp(timestamp) -> timestamp", "The time itself.", &Same},
      {"timestamp(string) -> timestamp", "Of an RFC 3339 text.", &StringToTimestamp, Cost::kLinear},
      {"timestamp(int) -> timestamp", "Of seconds since the Unix epoch.", &IntToTimestamp},
      {"duration(duration) -> duration", "The duration itself.", &Same},
      {"duration(string) -> duration", "Of a text such as 1h30m.", &StringToDuration,
       Cost::kLinear},
      {"duration(int) -> duration", "Of so many seconds.", &IntToDuration},
      {"dyn(<T>) -> dyn", "The same value, its type checked when evaluated.", &Same},
      {"type(<T>) -> type", "The type of a value.", &TypeOf},
  };
}

}  // namespace vigil::rules::cel
