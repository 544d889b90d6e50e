// Errors and warnings in rules, schemas and configuration, as people and editors see them.
//
// All of a file's problems are collected, none thrown. Codes are rows of one table
// (rules/diagnostic_codes.cc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vigil::rules {

enum class Level : uint8_t { kError, kWarning };

struct Diagnostic {
  Level level = Level::kError;
  std::string code;     // V0102
  std::string message;  // names the thing, the value and the bound
  std::string file;
  uint32_t line = 0;            // 1-based; 0: the file as a whole
  uint32_t column = 0;          // 1-based, in characters (code points) as an editor counts them
  uint32_t length = 1;          // characters under the carets, on that line
  std::string excerpt;          // the line itself; of a very long one the part around the column
  uint32_t excerpt_column = 0;  // where `column` is in the excerpt; 0: it is the whole line
  std::string hint;             // the way out; may be empty
};

// As design.md §8 shows it; several lines, with a trailing newline.
std::string FormatText(const Diagnostic& diagnostic);
// A JSON array of objects.
std::string FormatJson(const std::vector<Diagnostic>& diagnostics);

inline bool HasErrors(const std::vector<Diagnostic>& diagnostics) {
  for (const Diagnostic& d : diagnostics) {
    if (d.level == Level::kError) return true;
  }
  return false;
}

}  // namespace vigil::rules
