#include "ingest/csv_renderer.h"

#include <utility>

#include <absl/strings/str_cat.h>

#include "ingest/csv.h"
#include "ingest/scalar_text.h"

namespace vigil::ingest {
namespace {

using cep::TypeKind;

// Whether the cell is written without quotes, as a number or bool.
bool IsBare(const CsvCell& cell, TypeKind type) {
  const CsvLook look = LookOf(cell.text);
  const bool number = look == CsvLook::kInt || look == CsvLook::kDouble;
  switch (type) {
    case TypeKind::kInt:
    case TypeKind::kDouble:
      return number;
    case TypeKind::kBool:
      return look == CsvLook::kBool;
    case TypeKind::kDyn:
      return !cell.quoted && (number || look == CsvLook::kBool);
    case TypeKind::kTimestamp:
      return number;
    default:
      return false;
  }
}

}  // namespace

CsvRenderer::CsvRenderer(std::vector<std::string> header, const cep::Schema* schema)
    : header_(std::move(header)) {
  for (const std::string& name : header_) {
    const cep::Field* field = schema == nullptr ? nullptr : schema->Find(name);
    types_.push_back(field == nullptr ? TypeKind::kDyn : field->type.kind);
  }
}

bool CsvRenderer::AppendJson(std::string_view raw, std::string* out, std::string* why) const {
  std::vector<CsvCell> cells;
  JsonError error;
  if (!SplitCsv(raw, &cells, &error)) {
    *why = absl::StrCat("byte ", error.offset + 1, ": not a line of CSV: ", error.what);
    return false;
  }
  if (cells.size() != header_.size()) {
    *why = absl::StrCat(cells.size(), " cells, but the header names ", header_.size());
    return false;
  }
  Arena arena;
  const char* separator = "{";
  for (size_t i = 0; i < cells.size(); ++i) {
    const CsvCell& cell = cells[i];
    if (cell.text.empty() && !cell.quoted) continue;
    out->append(separator);
    separator = ",";
    AppendJsonString(header_[i], out);
    out->push_back(':');
    bool truth = false;
    if (!IsBare(cell, types_[i])) {
      AppendJsonString(CsvText(cell, &arena), out);
    } else if (ParseCsvBool(cell.text, &truth)) {
      out->append(truth ? "true" : "false");
    } else {
      out->append(cell.text);
    }
  }
  out->append(*separator == '{' ? "{}" : "}");
  return true;
}

}  // namespace vigil::ingest
