// EqualityIndex: finds what comparing with each constant finds.
#include "patterns/equality_index.h"

#include <cmath>
#include <random>
#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "cep/event/number_compare.h"

namespace vigil::patterns {
namespace {

using cep::Value;

const std::string& Text(uint64_t n) {
  static const std::vector<std::string> kTexts = [] {
    std::vector<std::string> texts = {""};
    for (int i = 0; i < 20; ++i) texts.push_back(fmt::format("M{}", i));
    for (size_t size = 1; size < 20; ++size) {
      texts.push_back(std::string(size, 'x'));
      texts.push_back(fmt::format("{}y", std::string(size, 'x')));
      texts.push_back(fmt::format("y{}", std::string(size, 'x')));
    }
    return texts;
  }();
  return kTexts[n % kTexts.size()];
}

Value RandomValue(std::mt19937_64* random) {
  const uint64_t n = (*random)();
  switch ((*random)() % 10) {
    case 0:
      return Value::Int(static_cast<int64_t>(n % 30) - 10);
    case 1:
      return Value::Double(static_cast<double>(n % 60) / 2 - 10);
    case 2:
      return Value::Bool(n % 2 == 0);
    case 3:
      return Value::Double(n % 2 == 0 ? -0.0 : std::nan(""));
    case 4:
      return Value::Int((int64_t{1} << 53) + static_cast<int64_t>(n % 3) - 1);
    case 5:
      return Value::Double(0x1p53 + static_cast<double>(n % 3) - 1);
    case 6:
      return Value::Null();
    default:
      return Value::String(Text(n));
  }
}

// A column of texts at once gives what single texts give.
void CheckTexts(const EqualityIndex& index, std::mt19937_64* random) {
  std::vector<std::string_view> texts;
  cep::RowBits excluded;
  const uint64_t rows = 1 + (*random)() % 200;
  for (uint32_t row = 0; row < rows; ++row) {
    texts.push_back(Text((*random)()));
    if ((*random)() % 5 == 0) excluded.Set(row);
  }
  std::vector<uint32_t> entries(texts.size(), EqualityIndex::kNone);
  std::vector<uint32_t> found(texts.size());
  const uint32_t count = index.FindTexts(texts.data(), static_cast<uint32_t>(texts.size()),
                                         excluded, entries.data(), found.data());
  std::vector<uint32_t> expected;
  for (uint32_t row = 0; row < texts.size(); ++row) {
    const uint32_t entry = excluded.Test(row) ? EqualityIndex::kNone : index.FindText(texts[row]);
    REQUIRE(entries[row] == entry);
    if (entry != EqualityIndex::kNone) expected.push_back(row);
  }
  REQUIRE(std::vector<uint32_t>(found.begin(), found.begin() + count) == expected);
}

TEST_CASE("EqualityIndex: finds what comparing with each constant finds", "[patterns][property]") {
  std::mt19937_64 random(5);
  int found = 0;
  for (int round = 0; round < 60; ++round) {
    EqualityIndex index(0);
    std::vector<std::pair<Value, uint32_t>> constants;  // and the rule of each: member * 64 + bit
    const auto count = static_cast<uint32_t>(random() % 300);
    for (uint32_t rule = 0; rule < count; ++rule) {
      const Value constant = RandomValue(&random);
      if (!EqualityIndex::CanHold(constant)) continue;
      index.Add(constant, rule / 64, rule % 64);
      constants.emplace_back(constant, rule);
    }
    index.Finish();
    CheckTexts(index, &random);
    CHECK(index.size() <= constants.size());
    for (int i = 0; i < 200; ++i) {
      const Value value = RandomValue(&random);
      const uint32_t entry = index.Find(value);
      if (value.tag == cep::ValueTag::kString) CHECK(entry == index.FindText(value.text()));
      for (uint32_t member = 0; member < index.members(); ++member) {
        uint64_t rules = 0;
        for (const auto& [constant, rule] : constants) {
          if (rule / 64 == member && cep::ScalarEquals(value, constant) == true) {
            rules |= uint64_t{1} << (rule % 64);
          }
        }
        const bool is_none = entry == EqualityIndex::kNone;
        REQUIRE((is_none ? 0 : index.RulesOf(entry, member)) == rules);
        if (is_none) continue;
        ++found;
        bool visited = false;
        index.ForEachMember(entry, [&](uint32_t m) { visited |= m == member; });
        REQUIRE(visited == (rules != 0));
      }
    }
  }
  CHECK(found > 1000);
}

}  // namespace
}  // namespace vigil::patterns
