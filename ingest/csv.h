// One line of CSV (RFC 4180) in cells.
//
// Cells are separated by commas; a cell in quotes may hold commas, and quotes written twice. Since
// input is split into lines before it is parsed, a quoted cell cannot hold a line break: it is
// refused as one that is not closed.
#pragma once

#include <string_view>
#include <vector>

#include "cep/base/arena.h"
#include "ingest/json_text.h"

namespace vigil::ingest {

struct CsvCell {
  std::string_view text;  // in the line, without its quotes
  bool quoted = false;
  bool doubled = false;  // holds quotes written twice
};

// Splits `line`, whose UTF-8 is checked, too. Reuses `cells`. False, with place and reason in
// `error`, if it is no CSV.
bool SplitCsv(std::string_view line, std::vector<CsvCell>* cells, JsonError* error);

// The text that the cell stands for; lives in the line or, where quotes were doubled, in `arena`.
std::string_view CsvText(const CsvCell& cell, Arena* arena);

// What an unquoted cell looks like.
enum class CsvLook : uint8_t { kEmpty, kInt, kDouble, kBool, kText };
CsvLook LookOf(std::string_view text);

// `true`, `True`, `TRUE` and the same for false.
bool ParseCsvBool(std::string_view text, bool* out);

}  // namespace vigil::ingest
