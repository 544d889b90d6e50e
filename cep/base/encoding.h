// Numbers and byte strings as the durable formats write them, and a reader that trusts nothing.
//
// Integers are little-endian or LEB128 varints (at most 10 bytes, the shortest form only); signed
// ones are zigzag varints. A byte string is its varint length and its bytes. Tests:
// tests/cep/encoding_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cep/base/hash.h"

namespace vigil {

inline void PutVarint(uint64_t n, std::string* out) {
  for (; n >= 0x80; n >>= 7) out->push_back(static_cast<char>(n | 0x80));
  out->push_back(static_cast<char>(n));
}
inline void PutSigned(int64_t n, std::string* out) {
  PutVarint((static_cast<uint64_t>(n) << 1) ^ static_cast<uint64_t>(n >> 63), out);
}
inline void PutBytes(std::string_view bytes, std::string* out) {
  PutVarint(bytes.size(), out);
  out->append(bytes);
}
// Big-endian, so that keys sort as the numbers do.
void PutOrdered16(uint16_t n, std::string* out);
void PutOrdered32(uint32_t n, std::string* out);
void PutOrdered64(uint64_t n, std::string* out);
void PutFixed32(uint32_t n, std::string* out);
void PutFixed64(uint64_t n, std::string* out);
// 16 bytes: the high half, then the low one.
void PutHash(const Hash128& hash, std::string* out);

// Reads what the functions above wrote. The first value that is cut short or ill-formed makes the
// reader fail for good: every later read gives 0 or an empty string, so a caller checks ok() once
// after a group of reads and before it acts on them. Borrows the bytes; never allocates.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  // All bytes were read, none was missing.
  bool AtEnd() const { return ok_ && rest_.empty(); }
  size_t remaining() const { return rest_.size(); }

  uint64_t Varint();
  int64_t Signed();
  std::string_view Bytes() { return Raw(Varint()); }
  // The next `size` bytes.
  std::string_view Raw(uint64_t size);
  uint8_t Byte();
  bool Bool();
  uint16_t Ordered16() { return static_cast<uint16_t>(Ordered(2)); }
  uint32_t Ordered32() { return static_cast<uint32_t>(Ordered(4)); }
  uint64_t Ordered64() { return Ordered(8); }
  uint32_t Fixed32() { return static_cast<uint32_t>(Fixed(4)); }
  uint64_t Fixed64() { return Fixed(8); }
  Hash128 Hash();
  // A number of items that take at least `min_size` bytes each: fails where the rest cannot hold
  // them, so that a reservation of this size is bounded by the input.
  size_t Count(size_t min_size = 1);
  void Fail();

 private:
  uint64_t Ordered(int size);
  uint64_t Fixed(int size);

  std::string_view rest_;
  bool ok_ = true;
};

// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `bytes`, continuing from `crc` (0 at first).
uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0);

// Appends the crc32c of all that `out` holds from `begin` on, 4 bytes.
void SealWithCrc(std::string* out, size_t begin = 0);
// Takes those 4 bytes off; false where they do not fit the rest.
bool CheckCrc(std::string_view* bytes);

}  // namespace vigil
