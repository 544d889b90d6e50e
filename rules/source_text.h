// The text of one file, by byte offset and by line; and the reporter that turns places in it into
// diagnostics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "rules/diagnostic.h"
#include "rules/diagnostic_codes.h"

namespace vigil::rules {

// Bytes [begin, end) of a file's text.
struct Range {
  uint32_t begin = 0;
  uint32_t end = 0;
};

// Immutable. At most 4 GiB (readers refuse far smaller files).
class SourceText {
 public:
  SourceText(std::string name, std::string text);

  const std::string& name() const { return name_; }
  const std::string& text() const { return text_; }

  // The 1-based line that holds the byte at `offset`.
  uint32_t LineOf(uint32_t offset) const;
  // The line's bytes in the text, without its line break.
  Range Line(uint32_t line) const;

 private:
  std::string name_;
  std::string text_;
  std::vector<uint32_t> line_starts_;
};

// A place in a file.
struct Place {
  const SourceText* source = nullptr;
  Range range;
};

// Collects the diagnostics of a load. A problem that was reported at a place already is dropped;
// after kMaxProblems the rest is counted as one. Not thread safe.
class Reporter {
 public:
  static constexpr size_t kMaxProblems = 1000;

  void Report(Code code, const Place& place, std::string message, std::string hint = "");
  // With a code of another table, such as an expression's.
  void Report(Level level, std::string_view code, const Place& place, std::string message,
              std::string hint = "");
  // About a file as a whole.
  void ReportFile(Code code, const std::string& file, std::string message, std::string hint = "");

  size_t errors() const { return errors_; }
  // Nothing more is taken: a hostile file need not be looked at any further.
  bool is_full() const { return full_; }
  // "line 3, column 5", with the file's name where it is not that of `near`.
  std::string Describe(const Place& place, const Place& near);
  // All diagnostics, by file in the order first met, then by line and column.
  std::vector<Diagnostic> Take();

 private:
  uint32_t ColumnOf(const SourceText& source, uint32_t line_begin, uint32_t offset);
  void FillPlace(const Place& place, Diagnostic* diagnostic);
  void Add(Diagnostic diagnostic);

  std::vector<Diagnostic> diagnostics_;
  std::vector<std::string> files_;
  std::set<std::tuple<std::string, uint32_t, uint32_t, std::string>> seen_;
  size_t errors_ = 0;
  bool full_ = false;
  // The last column asked for: the next one is mostly further on in the same, perhaps very long,
  // line.
  const SourceText* last_source_ = nullptr;
  uint32_t last_line_begin_ = 0;
  uint32_t last_offset_ = 0;
  uint32_t last_column_ = 1;
};

}  // namespace vigil::rules
