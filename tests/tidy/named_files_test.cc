// Holds what comments and documents say: a file of the project that they name is there.
//
// Looks for paths such as tests/cep/key_test.cc in the product's sources, its tests and its
// documents.

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace {

namespace fs = std::filesystem;

constexpr std::array kFolders = {"alerts", "bench",   "cep",    "cmake",   "cmd",
                                 "daemon", "docs",    "ingest", "io",      "rules",
                                 "state",  "scripts", "tests",  "patterns"};

// Paths from the repository root that `text` names: a known folder, then a name with an extension.
std::set<std::string> NamedFiles(const std::string& text) {
  static const std::regex kPath(
      R"((^|[\s("'`\[])((alerts|bench|cep|cmake|cmd|daemon|docs|ingest|io|patterns|rules|scripts|state|tests)/[a-z0-9_/]+\.(cc|h|md|cmake|py|txt)))");
  std::set<std::string> names;
  for (std::sregex_iterator it(text.begin(), text.end(), kPath), end; it != end; ++it) {
    names.insert((*it)[2]);
  }
  return names;
}

std::vector<fs::path> TextFiles(const fs::path& root) {
  std::vector<fs::path> files = {root / "README.md", root / "CONTRIBUTING.md", root / "Makefile",
                                 root / "CMakeLists.txt"};
  for (const char* folder : kFolders) {
    if (!fs::is_directory(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".h" || extension == ".cc" || extension == ".md" || extension == ".cmake") {
        files.push_back(entry.path());
      }
    }
  }
  return files;
}

}  // namespace

TEST_CASE("Named files: each is there", "[tidy][unit]") {
  const fs::path root = VIGIL_REPO_ROOT;
  std::string report;
  for (const fs::path& file : TextFiles(root)) {
    // The tests of this folder make up names.
    if (fs::relative(file, root).generic_string().starts_with("tests/tidy/")) continue;
    std::ifstream in(file);
    const std::string text(std::istreambuf_iterator<char>(in), {});
    for (const std::string& name : NamedFiles(text)) {
      if (fs::exists(root / name)) continue;
      report += fs::relative(file, root).generic_string() + " names " + name + "\n";
    }
  }
  INFO(report);
  CHECK(report.empty());
}

TEST_CASE("Named files: they are found in comments and documents", "[tidy][unit]") {
  CHECK(NamedFiles("// Tests: tests/cep/key_test.cc, tests/no/such_test.cc.") ==
        std::set<std::string>{"tests/cep/key_test.cc", "tests/no/such_test.cc"});
  CHECK(NamedFiles("see `docs/formats.md` and \"cep/base/hash.h\"") ==
        std::set<std::string>{"docs/formats.md", "cep/base/hash.h"});
  CHECK(NamedFiles("/usr/share/tests/a.cc, https://host/docs/a.md").empty());
}
