#include "patterns/cold_keys.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

namespace vigil::patterns {
namespace {

ColdKeys::Unit UnitOf(uint64_t number) {
  return {{number, ~number}, static_cast<uint32_t>(number)};
}

std::multiset<uint32_t> RulesOf(const std::vector<ColdKeys::Unit>& units) {
  std::multiset<uint32_t> rules;
  for (const ColdKeys::Unit& unit : units) {
    CHECK(unit.handle == UnitOf(unit.rule).handle);
    rules.insert(unit.rule);
  }
  return rules;
}

TEST_CASE("ColdKeys: equals a map", "[patterns][unit]") {
  struct Key {
    int64_t due;
    std::multiset<uint32_t> rules;
  };
  std::mt19937_64 random(7);
  std::map<uint64_t, Key> model;
  ColdKeys keys(1000);
  int64_t now = -500;
  for (int step = 0; step < 200'000; ++step) {
    const uint64_t hash = random() % 300 * 0x9E3779B97F4A7C15;
    std::vector<ColdKeys::Unit> units;
    switch (random() % 8) {
      case 0:
        keys.Take(hash, &units);
        CHECK(RulesOf(units) ==
              (model.count(hash) > 0 ? model[hash].rules : std::multiset<uint32_t>()));
        model.erase(hash);
        break;
      case 1: {
        now += static_cast<int64_t>(random() % 8);
        std::multiset<uint32_t> expected;
        std::erase_if(model, [&](const auto& key) {
          if (key.second.due > now) return false;
          expected.insert(key.second.rules.begin(), key.second.rules.end());
          return true;
        });
        while (keys.TakeDue(now, 1 + random() % 5, &units)) {
        }
        CHECK(RulesOf(units) == expected);
        break;
      }
      case 2: {
        if (random() % 50 != 0) break;
        const auto is_wanted = [](uint32_t rule) { return rule % 5 == 0; };
        std::multiset<uint32_t> expected;
        std::erase_if(model, [&](const auto& key) {
          const auto& rules = key.second.rules;
          if (std::none_of(rules.begin(), rules.end(), is_wanted)) return false;
          expected.insert(rules.begin(), rules.end());
          return true;
        });
        keys.TakeIf([&](const ColdKeys::Unit& unit) { return is_wanted(unit.rule); }, &units);
        CHECK(RulesOf(units) == expected);
        break;
      }
      default: {
        Key key{random() % 4 == 0 ? kNever : now + 1 + static_cast<int64_t>(random() % 1500), {}};
        for (uint64_t i = 0; i <= random() % 3; ++i) {
          units.push_back(UnitOf(random() % 1000));
          key.rules.insert(units.back().rule);
        }
        CHECK(keys.Add(hash, key.due, units) == model.emplace(hash, key).second);
      }
    }
    CHECK(keys.size() == model.size());
    CHECK(keys.Contains(hash) == (model.count(hash) > 0));
  }
  std::vector<uint32_t> left;
  keys.ForEachUnit([&](const ColdKeys::Unit& unit) { left.push_back(unit.rule); });
  std::vector<uint32_t> expected;
  for (const auto& [hash, key] : model) {
    expected.insert(expected.end(), key.rules.begin(), key.rules.end());
  }
  std::sort(left.begin(), left.end());
  std::sort(expected.begin(), expected.end());
  CHECK(left == expected);
}

}  // namespace
}  // namespace vigil::patterns
