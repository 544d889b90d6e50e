// Rule and schema files from anyone: nothing may crash, hang or throw, and diagnostics must be
// printable.
//
// The first byte chooses what the rest is read as.

#include <cstdint>
#include <string>

#include "rules/load.h"
#include "rules/schema_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using vigil::cep::Schema;
  if (size == 0) return 0;
  static const auto declared = std::make_shared<const Schema>(
      std::vector<vigil::cep::Field>{{"account", vigil::cep::TypeKind::kString},
                                     {"amount", vigil::cep::TypeKind::kDouble},
                                     {"type", vigil::cep::TypeKind::kString}},
      Schema::Undeclared::kError);
  static const auto undeclared = std::make_shared<const Schema>();
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<vigil::rules::Diagnostic> diagnostics;
  if (data[0] % 4 == 0) {
    const auto result = vigil::rules::LoadSchemaText("schema", text);
    diagnostics = result.diagnostics;
    if (result.schema != nullptr) vigil::rules::WriteSchema(*result.schema);
  } else {
    diagnostics =
        vigil::rules::LoadRuleTexts({{"rules", text}}, data[0] % 4 == 1 ? declared : undeclared)
            .diagnostics;
  }
  for (const auto& diagnostic : diagnostics) vigil::rules::FormatText(diagnostic);
  vigil::rules::FormatJson(diagnostics);
  return 0;
}
