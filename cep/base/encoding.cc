#include "cep/base/encoding.h"

#include <array>
#include <cstring>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace vigil {
namespace {

void PutBigEndian(uint64_t n, int size, std::string* out) {
  for (int i = size - 1; i >= 0; --i) out->push_back(static_cast<char>(n >> (8 * i)));
}

void PutLittleEndian(uint64_t n, int size, std::string* out) {
  for (int i = 0; i < size; ++i) out->push_back(static_cast<char>(n >> (8 * i)));
}

#if !defined(__SSE4_2__)
constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t n = i;
    for (int bit = 0; bit < 8; ++bit) n = (n & 1) != 0 ? (n >> 1) ^ 0x82f63b78u : n >> 1;
    table[i] = n;
  }
  return table;
}
#endif

}  // namespace

void PutOrdered16(uint16_t n, std::string* out) { PutBigEndian(n, 2, out); }
void PutOrdered32(uint32_t n, std::string* out) { PutBigEndian(n, 4, out); }
void PutOrdered64(uint64_t n, std::string* out) { PutBigEndian(n, 8, out); }
void PutFixed32(uint32_t n, std::string* out) { PutLittleEndian(n, 4, out); }
void PutFixed64(uint64_t n, std::string* out) { PutLittleEndian(n, 8, out); }

void ByteReader::Fail() {
  ok_ = false;
  rest_ = {};
}

uint64_t ByteReader::Varint() {
  uint64_t n = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) break;
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    if (shift == 63 && byte > 1) break;
    if (shift > 0 && byte == 0) break;  // not the shortest form
    n |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return n;
  }
  Fail();
  return 0;
}

int64_t ByteReader::Signed() {
  const uint64_t n = Varint();
  return static_cast<int64_t>((n >> 1) ^ (~(n & 1) + 1));
}

std::string_view ByteReader::Raw(uint64_t size) {
  if (!ok_ || size > rest_.size()) {
    Fail();
    return {};
  }
  const std::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

uint8_t ByteReader::Byte() {
  const std::string_view byte = Raw(1);
  return byte.empty() ? 0 : static_cast<uint8_t>(byte.front());
}

bool ByteReader::Bool() {
  const uint8_t byte = Byte();
  if (byte > 1) Fail();
  return byte == 1;
}

uint64_t ByteReader::Ordered(int size) {
  uint64_t n = 0;
  for (const char byte : Raw(size)) n = n << 8 | static_cast<uint8_t>(byte);
  return n;
}

uint64_t ByteReader::Fixed(int size) {
  uint64_t n = 0;
  int shift = 0;
  for (const char byte : Raw(size)) {
    n |= static_cast<uint64_t>(static_cast<uint8_t>(byte)) << shift;
    shift += 8;
  }
  return n;
}

size_t ByteReader::Count(size_t min_size) {
  const uint64_t count = Varint();
  if (count > rest_.size() / min_size) {
    Fail();
    return 0;
  }
  return count;
}

uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
  const char* p = bytes.data();
  size_t left = bytes.size();
#if defined(__SSE4_2__)
  uint64_t wide = ~crc;
  for (; left >= 8; left -= 8, p += 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  auto narrow = static_cast<uint32_t>(wide);
  for (; left > 0; --left, ++p) narrow = _mm_crc32_u8(narrow, static_cast<uint8_t>(*p));
  return ~narrow;
#else
  static constexpr std::array<uint32_t, 256> kTable = MakeCrcTable();
  uint32_t n = ~crc;
  for (; left > 0; --left, ++p) n = (n >> 8) ^ kTable[(n ^ static_cast<uint8_t>(*p)) & 0xff];
  return ~n;
#endif
}

void PutHash(const Hash128& hash, std::string* out) {
  PutFixed64(hash.hi, out);
  PutFixed64(hash.lo, out);
}

Hash128 ByteReader::Hash() {
  Hash128 hash;
  hash.hi = Fixed64();
  hash.lo = Fixed64();
  return hash;
}

void SealWithCrc(std::string* out, size_t begin) {
  PutFixed32(Crc32c(std::string_view(*out).substr(begin)), out);
}

bool CheckCrc(std::string_view* bytes) {
  if (bytes->size() < 4) return false;
  ByteReader tail(bytes->substr(bytes->size() - 4));
  bytes->remove_suffix(4);
  return tail.Fixed32() == Crc32c(*bytes);
}

}  // namespace vigil
