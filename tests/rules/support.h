// What the tests of this room share: files as text, diagnostics as text, the corpus's schema.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "rules/diagnostic.h"
#include "rules/schema_file.h"

namespace vigil::rules::testing {

inline std::string ReadText(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

inline std::string FormatAll(const std::vector<Diagnostic>& diagnostics) {
  std::string out;
  for (const Diagnostic& d : diagnostics) out += FormatText(d) + "\n";
  return out;
}

inline std::shared_ptr<const cep::Schema> CorpusSchema() {
  return LoadSchema("tests/corpus/rules/schema.yaml").schema;
}

}  // namespace vigil::rules::testing
