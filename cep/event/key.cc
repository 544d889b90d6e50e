#include "cep/event/key.h"

#include <cmath>
#include <cstring>

#include "cep/event/key_bytes.h"

namespace vigil::cep {
namespace {

// Tags of the typed bytes. Text and bytes carry their length so that no two keys have the same
// bytes.
enum class KeyTag : uint8_t {
  kBool = 1,
  kInt = 2,
  kDouble = 3,
  kString = 4,
  kBytes = 5,
  kTime = 6,
  kDuration = 7
};

void AppendFixed(KeyTag tag, uint64_t bits, std::string* out) {
  out->push_back(static_cast<char>(tag));
  for (int shift = 56; shift >= 0; shift -= 8) out->push_back(static_cast<char>(bits >> shift));
}

void AppendText(KeyTag tag, std::string_view text, std::string* out) {
  out->push_back(static_cast<char>(tag));
  const auto size = static_cast<uint32_t>(text.size());
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(size >> shift));
  out->append(text);
}

// Integers order bytewise with the sign bit flipped.
uint64_t OrderedBits(int64_t i) { return static_cast<uint64_t>(i) ^ (uint64_t{1} << 63); }

// A double that is a whole number in int64's range is that int.
bool IsWhole(double d, int64_t* i) {
  if (!(d >= -9223372036854775808.0 && d < 9223372036854775808.0)) return false;
  *i = static_cast<int64_t>(d);
  return static_cast<double>(*i) == d;
}

bool AppendValue(const Value& v, std::string* out) {
  int64_t whole;
  switch (v.tag) {
    case ValueTag::kBool:
      AppendFixed(KeyTag::kBool, v.b, out);
      return true;
    case ValueTag::kInt:
      AppendFixed(KeyTag::kInt, OrderedBits(v.i), out);
      return true;
    case ValueTag::kUint:
      if (v.u > INT64_MAX) return false;
      AppendFixed(KeyTag::kInt, OrderedBits(static_cast<int64_t>(v.u)), out);
      return true;
    case ValueTag::kDouble: {
      if (std::isnan(v.d)) return false;
      if (IsWhole(v.d, &whole)) {
        AppendFixed(KeyTag::kInt, OrderedBits(whole), out);
        return true;
      }
      uint64_t bits;
      std::memcpy(&bits, &v.d, sizeof bits);
      AppendFixed(KeyTag::kDouble, bits, out);
      return true;
    }
    case ValueTag::kString:
      AppendText(KeyTag::kString, v.text(), out);
      return true;
    case ValueTag::kBytes:
      AppendText(KeyTag::kBytes, v.text(), out);
      return true;
    case ValueTag::kTimestamp:
    case ValueTag::kDuration:
      AppendFixed(v.tag == ValueTag::kTimestamp ? KeyTag::kTime : KeyTag::kDuration,
                  OrderedBits(v.i), out);
      AppendFixed(KeyTag::kInt, OrderedBits(v.nanos()), out);
      return true;
    default:
      return false;
  }
}

constexpr uint64_t kTextSeed = 0x7669676c74657874;
constexpr uint64_t kBytesSeed = 0x7669676c62797465;

uint64_t Finish(uint64_t hash) { return hash == kNoKey ? 1 : hash; }

uint64_t HashText(std::string_view text) { return Finish(Mix64(Hash64(text, kTextSeed))); }

// The hash of one field's typed bytes; texts are hashed without their tag and length, by a seed of
// their own.
uint64_t HashValue(const Value& v, std::string* scratch) {
  if (v.tag == ValueTag::kString) return HashText(v.text());
  scratch->clear();
  return AppendValue(v, scratch) ? Finish(Mix64(Hash64(*scratch, kBytesSeed))) : kNoKey;
}

void HashColumn(const Column& column, uint32_t rows, uint64_t* out) {
  if (column.kind() == ColumnKind::kString && column.all_present()) {
    const std::string_view* texts = column.strings();
    for (uint32_t r = 0; r < rows; ++r) out[r] = HashText(texts[r]);
    return;
  }
  std::string scratch;
  for (uint32_t r = 0; r < rows; ++r) out[r] = HashValue(column.Get(r), &scratch);
}

// Bytes that the first value of `bytes` takes; 0 if there is no whole one.
size_t ValueSize(std::string_view bytes) {
  if (bytes.empty()) return 0;
  size_t size = 9;
  switch (static_cast<KeyTag>(bytes[0])) {
    case KeyTag::kBool:
    case KeyTag::kInt:
    case KeyTag::kDouble:
      break;
    case KeyTag::kTime:
    case KeyTag::kDuration:
      size = 18;
      break;
    case KeyTag::kString:
    case KeyTag::kBytes: {
      if (bytes.size() < 5) return 0;
      size_t length = 0;
      for (size_t i = 1; i < 5; ++i) length = length << 8 | static_cast<uint8_t>(bytes[i]);
      size = 5 + length;
      break;
    }
    default:
      return 0;
  }
  return size <= bytes.size() ? size : 0;
}

uint64_t Combine(uint64_t hash, uint64_t next) {
  return Finish(Mix64(hash + 0x9e3779b97f4a7c15ULL * (next | 1)));
}

}  // namespace

std::optional<uint64_t> HashKeyBytes(std::string_view bytes, size_t fields) {
  uint64_t hash = kNoKey;
  for (size_t f = 0; f < fields; ++f) {
    const size_t size = ValueSize(bytes);
    if (size == 0) return std::nullopt;
    const std::string_view value = bytes.substr(0, size);
    const uint64_t next = static_cast<KeyTag>(value[0]) == KeyTag::kString
                              ? HashText(value.substr(5))
                              : Finish(Mix64(Hash64(value, kBytesSeed)));
    hash = f == 0 ? next : Combine(hash, next);
    bytes.remove_prefix(size);
  }
  if (fields == 0 || !bytes.empty()) return std::nullopt;
  return hash;
}

void HashKeys(const ColumnBlock& block, const KeyExpr& expr, uint64_t* out) {
  HashColumn(block.columns[expr[0]], block.rows, out);
  if (expr.size() == 1) return;
  uint64_t next[kBatchRows];
  for (size_t f = 1; f < expr.size(); ++f) {
    HashColumn(block.columns[expr[f]], block.rows, next);
    for (uint32_t r = 0; r < block.rows; ++r) {
      out[r] = out[r] == kNoKey || next[r] == kNoKey ? kNoKey : Combine(out[r], next[r]);
    }
  }
}

bool AppendKey(const ColumnBlock& block, uint32_t row, const KeyExpr& expr, std::string* out) {
  const size_t size = out->size();
  for (uint32_t slot : expr) {
    if (!AppendValue(block.columns[slot].Get(row), out)) {
      out->resize(size);
      return false;
    }
  }
  return true;
}

bool KeyEquals(const ColumnBlock& block, uint32_t row, const KeyExpr& expr,
               std::string_view bytes) {
  const Column& first = block.columns[expr[0]];
  if (expr.size() == 1 && first.kind() == ColumnKind::kString) {
    const std::string_view text = first.strings()[row];
    return bytes.size() == text.size() + 5 && bytes[0] == static_cast<char>(KeyTag::kString) &&
           std::memcmp(bytes.data() + 5, text.data(), text.size()) == 0;
  }
  std::string own;
  return AppendKey(block, row, expr, &own) && own == bytes;
}

std::vector<Value> DecodeKey(std::string_view bytes) {
  std::vector<Value> values;
  const auto fixed = [&bytes](size_t at) {
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; ++i) bits = bits << 8 | static_cast<uint8_t>(bytes[at + i]);
    return bits;
  };
  const auto as_int = [](uint64_t bits) {
    return static_cast<int64_t>(bits ^ (uint64_t{1} << 63));
  };
  while (!bytes.empty()) {
    const auto tag = static_cast<KeyTag>(bytes[0]);
    size_t used = 9;
    switch (tag) {
      case KeyTag::kBool:
        values.push_back(Value::Bool(fixed(1) != 0));
        break;
      case KeyTag::kInt:
        values.push_back(Value::Int(as_int(fixed(1))));
        break;
      case KeyTag::kDouble: {
        const uint64_t bits = fixed(1);
        double d;
        std::memcpy(&d, &bits, sizeof d);
        values.push_back(Value::Double(d));
        break;
      }
      case KeyTag::kString:
      case KeyTag::kBytes: {
        size_t size = 0;
        for (size_t i = 1; i < 5; ++i) size = size << 8 | static_cast<uint8_t>(bytes[i]);
        const std::string_view text = bytes.substr(5, size);
        values.push_back(tag == KeyTag::kString ? Value::String(text) : Value::Bytes(text));
        used = 5 + size;
        break;
      }
      case KeyTag::kTime:
      case KeyTag::kDuration:
        values.push_back(
            Value::Time(tag == KeyTag::kTime ? ValueTag::kTimestamp : ValueTag::kDuration,
                        as_int(fixed(1)), static_cast<int32_t>(as_int(fixed(10)))));
        used = 18;
        break;
    }
    bytes.remove_prefix(used);
  }
  return values;
}

}  // namespace vigil::cep
