// Numbers and byte strings: what is written is read back, and any other bytes are an error.
#include "cep/base/encoding.h"

#include <catch2/catch.hpp>

namespace vigil {
namespace {

TEST_CASE("Crc32c: RFC 3720's examples", "[cep][unit]") {
  REQUIRE(Crc32c(std::string(32, '\0')) == 0x8a9136aau);
  REQUIRE(Crc32c(std::string(32, '\xff')) == 0x62a8ab43u);
  REQUIRE(Crc32c("456789", Crc32c("123")) == 0xe3069283u);
}

TEST_CASE("ByteReader: ill-formed numbers fail for good", "[cep][unit]") {
  for (const std::string& bytes :
       {std::string("\x80", 1), std::string("\x80\x00", 2), std::string(10, '\xff'),
        std::string("\x05"
                    "abc",
                    4)}) {
    ByteReader reader(bytes);
    reader.Bytes();
    REQUIRE_FALSE(reader.ok());
    REQUIRE(reader.Varint() == 0);
  }
  std::string out;
  for (const int64_t n : {INT64_MIN, int64_t{-1}, int64_t{0}, INT64_MAX}) PutSigned(n, &out);
  ByteReader reader(out);
  for (const int64_t n : {INT64_MIN, int64_t{-1}, int64_t{0}, INT64_MAX}) {
    REQUIRE(reader.Signed() == n);
  }
  REQUIRE(reader.AtEnd());
}

}  // namespace
}  // namespace vigil
