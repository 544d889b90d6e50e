// The name that a misspelt one was probably meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vigil::rules::cel {

// The candidate nearest to `name` by edit distance (insert, drop, replace, swap neighbours; case
// costs nothing extra once), if it is near enough to be a misspelling; else empty. Ties go to the
// earlier candidate.
std::string_view NearestName(std::string_view name,
                             const std::vector<std::string_view>& candidates);

// "did you mean `x`?", or empty.
std::string DidYouMean(std::string_view name, const std::vector<std::string_view>& candidates);

}  // namespace vigil::rules::cel
