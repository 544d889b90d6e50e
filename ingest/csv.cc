#include "ingest/csv.h"

#include <simdjson.h>

#include "ingest/scalar_text.h"

namespace vigil::ingest {
namespace {

class Splitter {
 public:
  Splitter(std::string_view line, std::vector<CsvCell>* cells, JsonError* error)
      : line_(line), cells_(cells), error_(error) {}

  bool Run() {
    while (true) {
      if (!(At('"') ? Quoted() : Unquoted())) return false;
      if (at_ == line_.size()) return true;
      ++at_;  // the comma
    }
  }

 private:
  bool At(char c) const { return at_ < line_.size() && line_[at_] == c; }

  bool Fail(size_t at, const char* what) {
    *error_ = {at, what};
    return false;
  }

  bool Unquoted() {
    const size_t start = at_;
    while (at_ < line_.size() && line_[at_] != ',') {
      if (line_[at_] == '"') return Fail(at_, "a quote inside a cell that does not begin with one");
      ++at_;
    }
    cells_->push_back({.text = line_.substr(start, at_ - start)});
    return true;
  }

  bool Quoted() {
    CsvCell cell = {.quoted = true};
    const size_t open = at_;
    size_t close = open + 1;
    while (true) {
      close = line_.find('"', close);
      if (close == std::string_view::npos) {
        return Fail(
            open,
            "a quoted cell is not closed in its line (line breaks inside cells are not supported)");
      }
      if (close + 1 >= line_.size() || line_[close + 1] != '"') break;
      cell.doubled = true;
      close += 2;
    }
    at_ = close + 1;
    if (at_ < line_.size() && line_[at_] != ',') {
      return Fail(at_, "text after the closing quote of a cell");
    }
    cell.text = line_.substr(open + 1, close - open - 1);
    cells_->push_back(cell);
    return true;
  }

  const std::string_view line_;
  std::vector<CsvCell>* const cells_;
  JsonError* const error_;
  size_t at_ = 0;
};

}  // namespace

bool SplitCsv(std::string_view line, std::vector<CsvCell>* cells, JsonError* error) {
  cells->clear();
  if (!simdjson::validate_utf8(line.data(), line.size())) {
    *error = {FindInvalidUtf8(line), "invalid UTF-8"};
    return false;
  }
  return Splitter(line, cells, error).Run();
}

std::string_view CsvText(const CsvCell& cell, Arena* arena) {
  if (!cell.doubled) return cell.text;
  char* const start = static_cast<char*>(arena->Allocate(cell.text.size(), 1));
  char* out = start;
  for (size_t i = 0; i < cell.text.size(); ++i) {
    *out++ = cell.text[i];
    if (cell.text[i] == '"') ++i;  // the second one
  }
  return {start, static_cast<size_t>(out - start)};
}

CsvLook LookOf(std::string_view text) {
  if (text.empty()) return CsvLook::kEmpty;
  int64_t integer = 0;
  switch (ParseInt(text, &integer)) {
    case NumberError::kNone:
      return CsvLook::kInt;
    case NumberError::kNotInteger:
    case NumberError::kOutOfRange:
      return CsvLook::kDouble;
    case NumberError::kMalformed:
      break;
  }
  bool truth = false;
  return ParseCsvBool(text, &truth) ? CsvLook::kBool : CsvLook::kText;
}

bool ParseCsvBool(std::string_view text, bool* out) {
  *out = text == "true" || text == "True" || text == "TRUE";
  return *out || text == "false" || text == "False" || text == "FALSE";
}

}  // namespace vigil::ingest
