// Regular expressions: RE2, linear in the text, bounded in memory.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace vigil::rules::cel {

using Pattern = std::shared_ptr<const re2::RE2>;

// The compiled pattern; null if it is invalid or needs too much memory, with the reason in `why`.
Pattern CompilePattern(std::string_view text, std::string* why);

// Whether the pattern matches some part of `text`. Thread safe.
bool PartialMatch(const re2::RE2& pattern, std::string_view text);

}  // namespace vigil::rules::cel
