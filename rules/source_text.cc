#include "rules/source_text.h"

#include <algorithm>
#include <utility>

#include "rules/text_width.h"

namespace vigil::rules {
namespace {

// A longer line is stored in a diagnostic as the part around the place only.
constexpr uint32_t kMaxStoredLine = 400;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

SourceText::SourceText(std::string name, std::string text)
    : name_(std::move(name)), text_(std::move(text)) {
  line_starts_.push_back(0);
  for (size_t at = text_.find('\n'); at != std::string::npos; at = text_.find('\n', at + 1)) {
    line_starts_.push_back(static_cast<uint32_t>(at + 1));
  }
}

uint32_t SourceText::LineOf(uint32_t offset) const {
  const auto after = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  return static_cast<uint32_t>(after - line_starts_.begin());
}

Range SourceText::Line(uint32_t line) const {
  Range range{line_starts_[line - 1], static_cast<uint32_t>(text_.size())};
  if (line < line_starts_.size()) range.end = line_starts_[line] - 1;
  if (range.end > range.begin && text_[range.end - 1] == '\r') --range.end;
  return range;
}

uint32_t Reporter::ColumnOf(const SourceText& source, uint32_t line_begin, uint32_t offset) {
  const bool goes_on =
      last_source_ == &source && last_line_begin_ == line_begin && last_offset_ <= offset;
  const uint32_t from = goes_on ? last_offset_ : line_begin;
  const uint32_t column = goes_on ? last_column_ : 1;
  last_source_ = &source;
  last_line_begin_ = line_begin;
  last_offset_ = offset;
  last_column_ =
      column + CountCodePoints(std::string_view(source.text()).substr(from, offset - from));
  return last_column_;
}

void Reporter::FillPlace(const Place& place, Diagnostic* d) {
  const SourceText& source = *place.source;
  const std::string_view text = source.text();
  const uint32_t size = static_cast<uint32_t>(text.size());
  const uint32_t begin = std::min(place.range.begin, size);
  d->file = source.name();
  d->line = source.LineOf(begin);
  const Range line = source.Line(d->line);
  const uint32_t at = std::min(begin, line.end);
  const uint32_t end = std::clamp(place.range.end, at, line.end);
  d->column = ColumnOf(source, line.begin, at);
  d->length = std::max(1u, CountCodePoints(text.substr(at, end - at)));
  Range shown = line;
  if (line.end - line.begin > kMaxStoredLine) {
    shown.begin = std::max(line.begin, at - std::min(at, kMaxStoredLine / 2));
    shown.end = std::min(line.end, at + kMaxStoredLine / 2);
    while (shown.begin > line.begin && IsContinuation(text[shown.begin])) --shown.begin;
    while (shown.end < line.end && IsContinuation(text[shown.end])) ++shown.end;
    d->excerpt_column = 1 + CountCodePoints(text.substr(shown.begin, at - shown.begin));
  }
  d->excerpt = std::string(text.substr(shown.begin, shown.end - shown.begin));
}

void Reporter::Add(Diagnostic d) {
  if (full_) return;
  if (!seen_.emplace(d.file, d.line, d.column, d.message).second) return;
  if (std::find(files_.begin(), files_.end(), d.file) == files_.end()) files_.push_back(d.file);
  if (d.level == Level::kError) ++errors_;
  diagnostics_.push_back(std::move(d));
  if (diagnostics_.size() < kMaxProblems) return;
  full_ = true;
  Diagnostic last;
  last.code = std::string(RowOf(Code::kTooMany).text);
  last.message =
      "there are more than " + std::to_string(kMaxProblems) + " problems; the rest is not shown";
  last.file = diagnostics_.back().file;
  ++errors_;
  diagnostics_.push_back(std::move(last));
}

void Reporter::Report(Level level, std::string_view code, const Place& place, std::string message,
                      std::string hint) {
  if (full_) return;
  Diagnostic d;
  d.level = level;
  d.code = std::string(code);
  d.message = std::move(message);
  d.hint = std::move(hint);
  FillPlace(place, &d);
  Add(std::move(d));
}

void Reporter::Report(Code code, const Place& place, std::string message, std::string hint) {
  const CodeRow& row = RowOf(code);
  Report(row.level, row.text, place, std::move(message), std::move(hint));
}

void Reporter::ReportFile(Code code, const std::string& file, std::string message,
                          std::string hint) {
  const CodeRow& row = RowOf(code);
  Diagnostic d;
  d.level = row.level;
  d.code = std::string(row.text);
  d.message = std::move(message);
  d.file = file;
  d.hint = std::move(hint);
  Add(std::move(d));
}

std::string Reporter::Describe(const Place& place, const Place& near) {
  const SourceText& source = *place.source;
  const uint32_t line = source.LineOf(place.range.begin);
  const uint32_t begin = source.Line(line).begin;
  const std::string_view before =
      std::string_view(source.text()).substr(begin, place.range.begin - begin);
  std::string out =
      "line " + std::to_string(line) + ", column " + std::to_string(CountCodePoints(before) + 1);
  if (place.source != near.source) out = source.name() + ", " + out;
  return out;
}

std::vector<Diagnostic> Reporter::Take() {
  const auto file_number = [&](const Diagnostic& d) {
    return std::find(files_.begin(), files_.end(), d.file) - files_.begin();
  };
  std::vector<std::tuple<ptrdiff_t, uint32_t, uint32_t, size_t>> order;
  for (size_t i = 0; i < diagnostics_.size(); ++i) {
    const Diagnostic& d = diagnostics_[i];
    // What is said of a whole set of problems comes last.
    const uint32_t line = d.line == 0 && full_ ? UINT32_MAX : d.line;
    order.emplace_back(file_number(d), line, d.column, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<Diagnostic> sorted;
  for (const auto& entry : order) sorted.push_back(std::move(diagnostics_[std::get<3>(entry)]));
  diagnostics_.clear();
  return sorted;
}

}  // namespace vigil::rules
