#include "rules/duration.h"

#include <charconv>

namespace vigil::rules {
namespace {

struct Unit {
  std::string_view name;
  int64_t ms;
};
// From large to small: a combined form has its units in this order, each once.
constexpr Unit kUnits[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};

}  // namespace

bool ParseDuration(std::string_view text, int64_t* out, std::string* why) {
  const auto fail = [&](std::string reason) {
    *why = std::move(reason);
    return false;
  };
  const Unit* unit = kUnits;
  int64_t total = 0;
  std::string_view rest = text;
  do {
    int64_t count = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    if (error == std::errc::result_out_of_range) return fail("it is longer than 36,500d");
    if (error != std::errc() || rest[0] == '-') return fail("a whole number with a unit is needed");
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    const std::string_view name = rest.substr(0, rest.find_first_of("0123456789"));
    while (unit != std::end(kUnits) && unit->name != name) ++unit;
    if (name.empty()) return fail("the unit is missing");
    if (unit == std::end(kUnits)) return fail("units are d, h, m, s, ms, in this order");
    rest.remove_prefix(name.size());
    if (count > kMaxDurationMs / unit->ms) return fail("it is longer than 36,500d");
    total += count * unit->ms;
    ++unit;
  } while (!rest.empty());
  if (total > kMaxDurationMs) return fail("it is longer than 36,500d");
  *out = total;
  return true;
}

std::string FormatDuration(int64_t ms) {
  std::string out;
  for (const Unit& unit : kUnits) {
    const int64_t count = ms / unit.ms;
    if (count == 0) continue;
    out += std::to_string(count);
    out += unit.name;
    ms -= count * unit.ms;
  }
  return out.empty() ? "0s" : out;
}

}  // namespace vigil::rules
