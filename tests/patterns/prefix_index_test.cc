// PrefixIndex: finds what testing each prefix finds.
#include "patterns/prefix_index.h"

#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace vigil::patterns {
namespace {

using cep::Value;

// Texts of few distinct bytes, so that many begin with each other; some longer than what is
// compared as one number, zero bytes and bytes above 127 among them.
std::string RandomText(std::mt19937_64* random, std::string_view stem, size_t longest) {
  static constexpr std::string_view kBytes("a\0\xff", 3);
  std::string text(stem);
  const size_t size = (*random)() % (longest + 1);
  const size_t bytes = 1 + (*random)() % kBytes.size();
  for (size_t i = 0; i < size; ++i) text += kBytes[(*random)() % bytes];
  return text;
}

TEST_CASE("PrefixIndex: finds what testing each prefix finds", "[patterns][property]") {
  std::mt19937_64 random(7);
  int found = 0;
  int missed = 0;
  for (int round = 0; round < 300; ++round) {
    const std::string stem = round % 2 == 0 ? "" : RandomText(&random, "", 12);
    const size_t longest = round % 3 == 0 ? 4 : 20;
    PrefixIndex index(0);
    std::vector<std::string> prefixes;  // by rule: member * 64 + bit
    const auto count = static_cast<uint32_t>(random() % 200);
    for (uint32_t rule = 0; rule < count; ++rule) {
      prefixes.push_back(RandomText(&random, stem, longest));
      index.Add(Value::String(prefixes.back()), rule / 64, rule % 64);
    }
    index.Finish();
    std::vector<std::string> texts;
    for (int i = 0; i < 100; ++i) {
      texts.push_back(RandomText(&random, i % 4 == 0 ? "" : stem, longest + 2));
    }
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    cep::RowBits excluded;
    for (uint32_t row = 0; row < texts.size(); row += 7) excluded.Set(row);
    std::vector<uint32_t> entries(texts.size(), ConstantIndex::kNone);
    std::vector<uint32_t> listed(texts.size());
    const uint32_t hits = index.FindTexts(views.data(), static_cast<uint32_t>(texts.size()),
                                          excluded, entries.data(), listed.data());
    std::vector<uint32_t> expected;
    for (uint32_t row = 0; row < texts.size(); ++row) {
      if (entries[row] != ConstantIndex::kNone) expected.push_back(row);
    }
    REQUIRE(std::vector<uint32_t>(listed.begin(), listed.begin() + hits) == expected);
    for (uint32_t row = 0; row < texts.size(); ++row) {
      const uint32_t entry = index.Find(Value::String(texts[row]));
      REQUIRE(entries[row] == (excluded.Test(row) ? ConstantIndex::kNone : entry));
      std::vector<bool> visited(index.members());
      index.ForEachMember(entry, [&](uint32_t member) { visited[member] = true; });
      for (uint32_t member = 0; member < index.members(); ++member) {
        uint64_t rules = 0;
        for (uint32_t rule = member * 64; rule < count && rule < member * 64 + 64; ++rule) {
          if (texts[row].starts_with(prefixes[rule])) rules |= uint64_t{1} << (rule % 64);
        }
        REQUIRE(index.RulesOf(entry, member) == rules);
        REQUIRE(visited[member] == (rules != 0));
        ++(rules != 0 ? found : missed);
      }
    }
  }
  CHECK(found > 1000);
  CHECK(missed > 1000);
}

TEST_CASE("PrefixIndex: a text that cannot begin with anything fails", "[patterns][unit]") {
  PrefixIndex index(0);
  index.Add(Value::String(""), 0, 0);
  index.Add(Value::String("a"), 1, 3);
  index.Finish();
  CHECK(index.size() == 2);
  CHECK(index.members() == 2);
  CHECK(index.Describe() == "among 2 sorted prefixes");
  CHECK_FALSE(index.Fails(Value::String("")));
  for (const Value& value : {Value(), Value::Null(), Value::Int(1), Value::Bool(true)}) {
    CHECK(index.Fails(value));
  }
}

}  // namespace
}  // namespace vigil::patterns
