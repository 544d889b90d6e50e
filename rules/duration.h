// Durations as rules and configurations write them: `500ms`, `10s`, `5m`, `1h`, `2d`, `1h30m`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vigil::rules {

inline constexpr int64_t kMaxDurationMs = int64_t{36500} * 86400 * 1000;

// Milliseconds in `out`. False with the reason in `why`: not a duration, or more than 36,500d. Zero
// is a duration.
bool ParseDuration(std::string_view text, int64_t* out, std::string* why);

// The shortest form: `1h30m`.
std::string FormatDuration(int64_t ms);

}  // namespace vigil::rules
