// Every file of tests/corpus/rules/broken has beside it all that is said of it, word for word; the
// good ones load.
//
// With VIGIL_UPDATE_EXPECTED=1 in the environment the texts are written instead; read the
// difference before it is kept.

#include <algorithm>
#include <cstdlib>
#include <set>

#include <catch2/catch.hpp>

#include "rules/load.h"
#include "tests/rules/support.h"

namespace vigil::rules {
namespace {

namespace fs = std::filesystem;
using testing::CorpusSchema;
using testing::FormatAll;
using testing::ReadText;

std::vector<fs::path> FilesOf(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".expected") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A file whose first line is `# schema: inferred` is checked as replay without --schema does.
std::shared_ptr<const cep::Schema> SchemaFor(const fs::path& path) {
  const auto schema = CorpusSchema();
  if (ReadText(path).rfind("# schema: inferred\n", 0) != 0) return schema;
  return std::make_shared<const cep::Schema>(schema->fields(),
                                             cep::Schema::Undeclared::kDynWarning);
}

}  // namespace

TEST_CASE("Broken rule files: everything that is wrong is said, with its place",
          "[rules][corpus]") {
  const bool update = std::getenv("VIGIL_UPDATE_EXPECTED") != nullptr;
  std::set<std::string> codes;
  const std::vector<fs::path> files = FilesOf("tests/corpus/rules/broken");
  CHECK(files.size() >= 30);
  for (const fs::path& path : files) {
    const LoadResult result = LoadRules({path.string()}, SchemaFor(path));
    const std::string found = FormatAll(result.diagnostics);
    for (const Diagnostic& d : result.diagnostics) codes.insert(d.code);
    CHECK((result.rules == nullptr) == HasErrors(result.diagnostics));
    fs::path expected = path;
    expected.replace_extension(".expected");
    if (update) {
      std::ofstream(expected, std::ios::binary) << found;
      continue;
    }
    INFO(path);
    CHECK(found == ReadText(expected));
  }
  CHECK(codes.size() >= 40);
}

TEST_CASE("Good rule files: load without a word", "[rules][corpus]") {
  for (const fs::path& path : FilesOf("tests/corpus/rules/good")) {
    const LoadResult result = LoadRules({path.string()}, CorpusSchema());
    INFO(path << "\n" << FormatAll(result.diagnostics));
    CHECK(result.rules != nullptr);
    CHECK(result.diagnostics.empty());
  }
}

}  // namespace vigil::rules
