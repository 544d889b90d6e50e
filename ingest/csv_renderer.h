// The renderer of CSV records: a JSON object with the header's names.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cep/event/batch.h"
#include "cep/event/schema.h"

namespace vigil::ingest {

// Immutable. A cell becomes what its field's type says (int, double, bool) if its text is that,
// else what it looks like; text otherwise. Fields without a declared type are text when they are
// quoted. Absent cells are left out.
class CsvRenderer : public cep::RecordRenderer {
 public:
  // `schema` may be null.
  CsvRenderer(std::vector<std::string> header, const cep::Schema* schema);

  bool AppendJson(std::string_view raw, std::string* out, std::string* why) const override;

  const std::vector<std::string>& header() const { return header_; }

 private:
  std::vector<std::string> header_;
  std::vector<cep::TypeKind> types_;  // one per name; kDyn where the schema says nothing
};

}  // namespace vigil::ingest
