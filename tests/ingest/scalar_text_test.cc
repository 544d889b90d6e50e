// Numbers in texts, held to simdjson and strtod.
#include "ingest/scalar_text.h"

#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

TEST_CASE("ParseInt: integers that fit int64, and no others", "[ingest][unit]") {
  struct Case {
    const char* text;
    NumberError error;
    int64_t value;
  };
  const Case cases[] = {
      {"0", NumberError::kNone, 0},
      {"-0", NumberError::kNone, 0},
      {"7", NumberError::kNone, 7},
      {"12345678", NumberError::kNone, 12345678},
      {"1700000000123", NumberError::kNone, 1700000000123},
      {"9999999999999999", NumberError::kNone, 9999999999999999},
      {"12345678901234567", NumberError::kNone, 12345678901234567},
      {"9223372036854775807", NumberError::kNone, INT64_MAX},
      {"-9223372036854775808", NumberError::kNone, INT64_MIN},
      {"9223372036854775808", NumberError::kOutOfRange, 0},
      {"-9223372036854775809", NumberError::kOutOfRange, 0},
      {"18446744073709551616", NumberError::kOutOfRange, 0},
      {"100000000000000000000000", NumberError::kOutOfRange, 0},
      {"1.0", NumberError::kNotInteger, 0},
      {"1e3", NumberError::kNotInteger, 0},
      {"-1.5E-3", NumberError::kNotInteger, 0},
      {"", NumberError::kMalformed, 0},
      {"-", NumberError::kMalformed, 0},
      {"+1", NumberError::kMalformed, 0},
      {"01", NumberError::kMalformed, 0},
      {"00000000", NumberError::kMalformed, 0},
      {"0123456789", NumberError::kMalformed, 0},
      {"-01", NumberError::kMalformed, 0},
      {"1.", NumberError::kMalformed, 0},
      {".5", NumberError::kMalformed, 0},
      {"1e", NumberError::kMalformed, 0},
      {"1e+", NumberError::kMalformed, 0},
      {"1234567a", NumberError::kMalformed, 0},
      {"12345678:", NumberError::kMalformed, 0},
      {"123456789012345/", NumberError::kMalformed, 0},
      {" 1", NumberError::kMalformed, 0},
      {"0x10", NumberError::kMalformed, 0},
      {"NaN", NumberError::kMalformed, 0},
      {"Infinity", NumberError::kMalformed, 0},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const PaddedText text(c.text);
    int64_t value = 0;
    CHECK(ParseInt(text.view(), &value) == c.error);
    if (c.error == NumberError::kNone) CHECK(value == c.value);
    CHECK(ParseIntPadded(text.view(), &value) == c.error);
    if (c.error == NumberError::kNone) CHECK(value == c.value);
    CHECK(IsNumber(text.view()) == (c.error != NumberError::kMalformed));
  }
}

TEST_CASE("ParseDouble: a magnitude beyond a double is out of range, one below is zero",
          "[ingest][unit]") {
  double value = 1;
  CHECK(ParseDouble("1e400", &value) == NumberError::kOutOfRange);
  CHECK(ParseDouble("-1e400", &value) == NumberError::kOutOfRange);
  CHECK(ParseDouble("1e99999999999999999999", &value) == NumberError::kOutOfRange);
  CHECK(ParseDouble("1e-400", &value) == NumberError::kNone);
  CHECK(value == 0);
  CHECK(ParseDouble("-0", &value) == NumberError::kNone);
  CHECK(std::signbit(value));
  CHECK(ParseDouble("0e999999999", &value) == NumberError::kNone);
  CHECK(value == 0);
}

// Texts that are numbers, or nearly.
std::string RandomNumber(std::mt19937* random) {
  const auto pick = [&](int n) { return static_cast<int>((*random)() % static_cast<unsigned>(n)); };
  const auto digits = [&](int most) {
    std::string out;
    for (int n = pick(most + 1); n >= 0; --n) out += static_cast<char>('0' + pick(10));
    return out;
  };
  std::string text = pick(4) == 0 ? "-" : "";
  text += digits(pick(3) == 0 ? 20 : 4);
  if (pick(2) == 0) text += "." + digits(pick(4) == 0 ? 25 : 3);
  if (pick(4) == 0) text += std::string(pick(2) ? "e" : "E") + (pick(2) ? "-" : "") + digits(2);
  if (pick(20) == 0)
    text.insert(static_cast<size_t>(pick(static_cast<int>(text.size()) + 1)), 1,
                "+-.e0x,/:"[pick(9)]);
  return text;
}

TEST_CASE("ParseInt, ParseDouble: accept what simdjson accepts, with its value",
          "[ingest][property]") {
  std::mt19937 random(20231114);
  simdjson::ondemand::parser parser;
  for (int i = 0; i < 200'000; ++i) {
    const std::string number = RandomNumber(&random);
    INFO(number);
    const simdjson::padded_string json("[" + number + "]");
    const auto read = [&](auto* out) {
      simdjson::ondemand::document document;
      if (parser.iterate(json).get(document)) return false;
      size_t count = 0;
      for (auto element : document.get_array()) {
        if (++count > 1 || element.get(*out)) return false;
      }
      return count == 1;
    };
    const PaddedText text(number);
    double expected_double = 0;
    const bool is_double = read(&expected_double);
    double value = 0;
    double padded = 0;
    const bool got = ParseDouble(text.view(), &value) == NumberError::kNone;
    const bool got_padded = ParseDoublePadded(text.view(), &padded) == NumberError::kNone;
    if (got != is_double || got_padded != is_double) FAIL("accepted by one of them only");
    // Of a long text such as 0.36865690235132986533 simdjson 3.0.1 (on demand) takes digits twice;
    // strtod does not.
    if (is_double) expected_double = std::strtod(number.c_str(), nullptr);
    if (is_double && (std::memcmp(&value, &expected_double, sizeof value) != 0 ||
                      std::memcmp(&padded, &expected_double, sizeof value) != 0)) {
      FAIL(value << " and " << padded << " for " << expected_double);
    }
    int64_t expected_int = 0;
    const bool is_int = read(&expected_int);
    int64_t integer = 0;
    int64_t padded_int = 0;
    if ((ParseInt(text.view(), &integer) == NumberError::kNone) != is_int ||
        (ParseIntPadded(text.view(), &padded_int) == NumberError::kNone) != is_int) {
      FAIL("an integer to one of them only");
    }
    if (is_int && (integer != expected_int || padded_int != expected_int)) FAIL(integer);
  }
}

}  // namespace
}  // namespace vigil::ingest
