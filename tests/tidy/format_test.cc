// Holds the format: every tracked *.h and *.cc is as clang-format 14 leaves it (.clang-format).
//
// `make format` mends what this finds. Passes with a warning where clang-format-14 or git is
// absent, or where the sources are no git checkout.

#include <array>
#include <cstdio>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <sys/wait.h>

#include <catch2/catch.hpp>

namespace {

struct CommandResult {
  int exit_code = -1;
  std::string output;
};

CommandResult RunShell(const std::string& command) {
  CommandResult result;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 4096> buffer;
  std::size_t length = 0;
  while ((length = fread(buffer.data(), 1, buffer.size(), pipe)) > 0) {
    result.output.append(buffer.data(), length);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

// The files that clang-format's "file:line:column: warning: ..." lines name.
std::set<std::string> FilesNamed(const std::string& diagnostics) {
  std::set<std::string> files;
  std::istringstream lines(diagnostics);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("-Wclang-format-violations") == std::string::npos) continue;
    files.insert(line.substr(0, line.find(':')));
  }
  return files;
}

}  // namespace

TEST_CASE("Format: every tracked source is as clang-format leaves it", "[tidy][unit]") {
  if (RunShell("command -v clang-format-14 >/dev/null 2>&1").exit_code != 0) {
    WARN("skipped: clang-format-14 is not installed");
    return;
  }
  if (RunShell("git rev-parse --is-inside-work-tree >/dev/null 2>&1").exit_code != 0) {
    WARN("skipped: this is not a git checkout");
    return;
  }
  const CommandResult result = RunShell(
      "git ls-files -z -- '*.h' '*.cc' | xargs -0 -r sh -c"
      " 'for f; do [ ! -e \"$f\" ] || printf \"%s\\0\" \"$f\"; done' sh"
      " | xargs -0 -r clang-format-14 --dry-run 2>&1");
  REQUIRE(result.exit_code == 0);
  std::string report;
  for (const std::string& file : FilesNamed(result.output)) report += file + "\n";
  INFO("run `make format`; it changes:\n" << report);
  CHECK(report.empty());
}

TEST_CASE("Format: the files that need it are read from the diagnostics", "[tidy][unit]") {
  CHECK(FilesNamed("cep/a.h:3:8: warning: code should be clang-formatted "
                   "[-Wclang-format-violations]\nint  x;\n   ^\n"
                   "cep/a.h:9:1: warning: x [-Wclang-format-violations]\n") ==
        std::set<std::string>{"cep/a.h"});
  CHECK(FilesNamed("").empty());
}
