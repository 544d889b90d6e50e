// Every command that the documents show works, and prints what they show.
//
// A fenced block after a line `<!-- run -->` is run; blocks of one document in order, in one folder
// that holds build/vigil, examples and nothing else. In a ```console block, lines with `$ ` are
// commands and the lines below one are what it prints, in this order, other lines between them
// allowed; `...` stands for any text of a line. `# exit 1` after a command is the exit code it must
// have. A ```sh block is one script.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/process.h"

namespace vigil {
namespace {

namespace fs = std::filesystem;

struct Command {
  std::string text;
  int exit_code = 0;
  std::vector<std::string> shown;
};

Command ReadPrompt(const std::string& line) {
  constexpr std::string_view kExit = "  # exit ";
  Command command;
  command.text = line.substr(2);
  const size_t mark = command.text.rfind(kExit);
  if (mark != std::string::npos) {
    command.exit_code = std::stoi(command.text.substr(mark + kExit.size()));
    command.text.resize(mark);
  }
  return command;
}

std::vector<Command> ReadCommands(const fs::path& document) {
  enum class In { kText, kMarked, kConsole, kScript };
  std::vector<Command> commands;
  std::ifstream file(document);
  REQUIRE(file.good());
  In in = In::kText;
  for (std::string line; std::getline(file, line);) {
    if (in == In::kText) {
      if (line == "<!-- run -->") in = In::kMarked;
    } else if (in == In::kMarked) {
      REQUIRE((line == "```console" || line == "```sh"));
      in = line == "```sh" ? In::kScript : In::kConsole;
      if (in == In::kScript) commands.emplace_back();
    } else if (line == "```") {
      in = In::kText;
    } else if (in == In::kScript) {
      commands.back().text += line + "\n";
    } else if (line.starts_with("$ ")) {
      commands.push_back(ReadPrompt(line));
    } else if (!line.empty() && line != "...") {
      commands.back().shown.push_back(line);
    }
  }
  REQUIRE(in == In::kText);
  return commands;
}

// `...` in `pattern` stands for any text.
bool LineMatches(std::string_view line, std::string_view pattern) {
  const size_t dots = pattern.find("...");
  if (dots == std::string_view::npos) return line == pattern;
  if (line.substr(0, dots) != pattern.substr(0, dots)) return false;
  line.remove_prefix(dots);
  pattern.remove_prefix(dots + 3);
  for (size_t skipped = 0; skipped <= line.size(); ++skipped) {
    if (LineMatches(line.substr(skipped), pattern)) return true;
  }
  return false;
}

void RunCommand(const std::string& folder, const Command& command) {
  INFO("in the document:\n" << command.text);
  const testing::ProcessResult run =
      testing::RunProcess({"bash", "-eu", "-c", "cd \"$0\"\nexec 2>&1\n" + command.text, folder});
  INFO("printed:\n" << run.out);
  CHECK(run.exit_code == command.exit_code);
  std::istringstream printed(run.out);
  for (const std::string& shown : command.shown) {
    INFO("shown in the document: " << shown);
    bool found = false;
    for (std::string line; !found && std::getline(printed, line);) {
      while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
      found = LineMatches(line, shown);
    }
    CHECK(found);
  }
}

TEST_CASE("Documents: their commands work and print what is shown", "[cmd][docs]") {
  const std::string document = GENERATE("README.md", "docs/operations.md", "docs/formats.md",
                                        "examples/cards/README.md", "examples/logins/README.md");
  const testing::TempDir dir;
  fs::create_directory(dir.Path("build"));
  fs::create_symlink(fs::absolute(testing::VigilBinary()), dir.Path("build/vigil"));
  fs::create_symlink(fs::absolute("examples"), dir.Path("examples"));
  const std::vector<Command> commands = ReadCommands(document);
  INFO(document);
  CHECK(!commands.empty());
  for (const Command& command : commands) RunCommand(dir.Path(""), command);
}

}  // namespace
}  // namespace vigil
