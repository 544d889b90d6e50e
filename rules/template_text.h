// `${expression}` templates, split into literal text and expressions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vigil::rules {

inline constexpr size_t kMaxTemplateBytes = 64 * 1024;

struct TemplatePiece {
  bool is_expression = false;
  std::string literal;    // when it is none
  std::string_view text;  // the expression, in the template
  uint32_t offset = 0;    // of the expression in the template
};

struct TemplateSplit {
  std::vector<TemplatePiece> pieces;
  std::string problem;      // empty if it is well formed
  uint32_t problem_at = 0;  // byte offset
};

// `$${` stands for `${`. Braces and quotes inside an expression are respected.
TemplateSplit SplitTemplate(std::string_view text);

}  // namespace vigil::rules
