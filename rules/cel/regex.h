// Regular expressions: RE2, linear in the text, bounded in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace vigil::rules::cel {

using Pattern = std::shared_ptr<const re2::RE2>;

inline constexpr size_t kMaxPatternText = 8 * 1024;  // bytes
// What compiling a pattern costs an evaluation, in steps; constant patterns are compiled once.
inline constexpr uint64_t kPatternSteps = 20'000;

// The compiled pattern; null if it is invalid or needs too much memory, with the reason in `why`.
Pattern CompilePattern(std::string_view text, std::string* why);

// Whether the pattern matches some part of `text`. Thread safe.
bool PartialMatch(const re2::RE2& pattern, std::string_view text);

}  // namespace vigil::rules::cel
