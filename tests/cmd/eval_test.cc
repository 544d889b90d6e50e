// `vigil eval`: one expression, the list of functions, the prompt on a terminal.
#include "cmd/eval.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <pty.h>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>

#include "cmd/eval_prompt.h"

namespace vigil::cmd {
namespace {

namespace fs = std::filesystem;

struct Answer {
  int exit_code = 0;
  std::string out;
  std::string err;
};

Answer Run(const EvalOptions& options, const cep::Schema* schema = nullptr) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Answer answer;
  answer.exit_code = RunEval(options, schema, in, out, err);
  answer.out = out.str();
  answer.err = err.str();
  return answer;
}

// The binary at the other end of a terminal of its own.
class Terminal {
 public:
  explicit Terminal(const fs::path& state) {
    const char* binary = std::getenv("VIGIL_BINARY");
    REQUIRE(binary != nullptr);
    child_ = forkpty(&terminal_, nullptr, nullptr, nullptr);
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      setenv("TERM", "dumb", 1);
      setenv("XDG_STATE_HOME", state.c_str(), 1);
      setenv("HOME", state.c_str(), 1);
      execl(binary, binary, "eval", "--var", "x=20", static_cast<char*>(nullptr));
      _exit(127);
    }
  }
  ~Terminal() {
    close(terminal_);
    if (child_ > 0) waitpid(child_, nullptr, 0);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void Type(const std::string& text) {
    REQUIRE(write(terminal_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  // Waits until `text` has appeared since the last call that found its text; false after 20 s.
  bool Shows(const std::string& text) {
    for (;;) {
      const size_t found = shown_.find(text, seen_);
      if (found != std::string::npos) {
        seen_ = found + text.size();
        return true;
      }
      pollfd ready{terminal_, POLLIN, 0};
      if (poll(&ready, 1, 20'000) <= 0) return false;
      char buffer[4096];
      const ssize_t count = read(terminal_, buffer, sizeof buffer);
      if (count <= 0) return false;
      shown_.append(buffer, static_cast<size_t>(count));
    }
  }

  // Types `text` until the program has ended, 20 s at most: a prompt that shows may not be
  // listening yet, and what is typed before it does is the terminal's to interpret.
  int ExitCodeAfter(const std::string& text) {
    constexpr int kTries = 40;
    for (int tried = 0; tried < kTries; ++tried) {
      // Ctrl-U first, for what has been made of an earlier one. It may be ending just now.
      const std::string typed = (tried == 0 ? "" : "\x15") + text;
      if (write(terminal_, typed.data(), typed.size()) < 0 && errno != EIO) return -1;
      for (int waited = 0; waited < 10; ++waited) {
        int status = 0;
        if (waitpid(child_, &status, WNOHANG) == child_) {
          child_ = -1;
          return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        pollfd ready{terminal_, POLLIN, 0};
        char buffer[4096];
        if (poll(&ready, 1, 50) > 0 && read(terminal_, buffer, sizeof buffer) <= 0) usleep(50'000);
      }
    }
    return -1;
  }

  const std::string& shown() const { return shown_; }

 private:
  int terminal_ = -1;
  pid_t child_ = -1;
  std::string shown_;
  size_t seen_ = 0;
};

}  // namespace

TEST_CASE("Eval: type and value of one expression", "[cmd][unit]") {
  struct Row {
    std::string expression;
    std::vector<std::string> vars;
    int exit_code;
    std::string out;
    std::string err;
  };
  const std::vector<Row> rows = {
      {"1 + 2", {}, 0, "type: int\nvalue: 3\n", ""},
      {"a.b + 'x'", {"a={\"b\":\"y\"}"}, 0, "type: string\nvalue: \"yx\"\n", ""},
      {"optional.of(ip('10.0.0.1'))",
       {},
       0,
       "type: optional_type(net.IP)\nvalue: optional.of(ip(\"10.0.0.1\"))\n",
       ""},
      {"1 / 0", {}, 1, "type: int\n", "error: division by zero\n"},
      {"x.y",
       {"x={}"},
       1,
       "type: dyn\n",
       "error: no such field `y`\n"
       "  help: test it first, `has(event.x) && ...`, or give a default, "
       "`event.?x.orValue(0)`\n"},
      {"x", {"x"}, 2, "", "error: --var: a variable is NAME=JSON, not `x`\n"},
      {"x",
       {"x=abc"},
       2,
       "",
       "error: --var: the value of x is not JSON (texts are quoted: x=\"...\")\n"},
      {"1 +\n  foo",
       {},
       1,
       "",
       "error[V0102]: unknown name `foo`\n"
       " --> expression:2:3\n"
       "  |\n"
       "2 |   foo\n"
       "  |   ^^^\n"},
  };
  for (const Row& row : rows) {
    INFO(row.expression);
    EvalOptions options;
    options.expression = row.expression;
    options.vars = row.vars;
    const Answer answer = Run(options);
    CHECK(answer.exit_code == row.exit_code);
    CHECK(answer.out == row.out);
    CHECK(answer.err == row.err);
  }
}

TEST_CASE("Eval: with a schema, variables are fields of the event", "[cmd][unit]") {
  const cep::Schema schema({{"amount", cep::TypeKind::kDouble}, {"at", cep::TypeKind::kTimestamp}},
                           cep::Schema::Undeclared::kError);
  EvalOptions options;
  options.expression = "amount > 5.0 && at.getFullYear() == 2020 && !has(event.country)";
  options.vars = {"amount=6", "at=\"2020-05-01T00:00:00Z\""};
  const Answer unknown = Run(options, &schema);
  CHECK(unknown.exit_code == 1);
  CHECK(unknown.err.find("unknown field `country`") != std::string::npos);
  options.expression = "amount > 5.0 && at.getFullYear() == 2020";
  const Answer known = Run(options, &schema);
  CHECK(known.exit_code == 0);
  CHECK(known.out == "type: bool\nvalue: true\n");
}

TEST_CASE("Eval: --functions lists the table, or what has a word", "[cmd][unit]") {
  EvalOptions options;
  options.functions = true;
  const Answer all = Run(options);
  CHECK(all.exit_code == 0);
  for (const char* part : {"geo.distance_km(number, number, number, number) -> double",
                           "net.CIDR.containsIP(string) -> bool", "cel.bind(v, value, expression)",
                           "int + int -> int", "list(ordered).isSorted() -> bool"}) {
    INFO(part);
    CHECK(all.out.find(part) != std::string::npos);
  }
  options.expression = "containsip";
  CHECK(Run(options).out ==
        "Addresses\n"
        "  net.CIDR.containsIP(net.IP) -> bool\n"
        "      Whether the address is in the range.\n"
        "  net.CIDR.containsIP(string) -> bool\n"
        "      Whether the address is in the range.\n");
  options.expression = "nosuchword";
  CHECK(Run(options).exit_code == 1);
}

TEST_CASE("Eval prompt: what a line does", "[cmd][unit]") {
  EvalSession session(nullptr);
  const auto answer = [&](std::string_view line) {
    std::ostringstream out;
    CHECK(AnswerLine(line, session, out, out));
    return out.str();
  };
  CHECK(answer("   ").empty());
  CHECK(answer(" 1 + 1 ") == "type: int\nvalue: 2\n");
  CHECK(answer(":var n=3").empty());
  CHECK(answer("n * 2") == "type: int\nvalue: 6\n");
  CHECK(answer(":var n=\"a\"").empty());
  CHECK(answer("n") == "type: string\nvalue: \"a\"\n");
  CHECK(answer(":var n=") == "error: the value of n is not JSON (texts are quoted: n=\"...\")\n");
  CHECK(answer(":functions isSorted").find("isSorted") != std::string::npos);
  CHECK(answer(":help").find(":quit") != std::string::npos);
  CHECK(answer(":nonsense") == "error: unknown command :nonsense; :help lists them\n");
  std::ostringstream out;
  CHECK_FALSE(AnswerLine(":quit", session, out, out));
}

TEST_CASE("Eval prompt: on a terminal, with a history that lasts", "[cmd][integration]") {
  char folder[] = "/tmp/vigil-eval-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  {
    Terminal terminal(folder);
    CHECK(terminal.Shows("cel> "));
    terminal.Type("x + 22\n");
    CHECK(terminal.Shows("value: 42"));
    CHECK(terminal.Shows("cel> "));
    terminal.Type("amout > 1\n");
    CHECK(terminal.Shows("unknown name `amout`"));
    CHECK(terminal.Shows("^^^^^"));
    CHECK(terminal.Shows("cel> "));
    CHECK(terminal.ExitCodeAfter("\x04") == 0);  // Ctrl-D
    INFO(terminal.shown());
  }
  std::ifstream history(fs::path(folder) / "vigil/eval_history");
  std::stringstream kept;
  kept << history.rdbuf();
  CHECK(kept.str().find("22") != std::string::npos);
  {
    Terminal terminal(folder);
    CHECK(terminal.Shows("cel> "));
    terminal.Type("\x10\x10\n");  // Ctrl-P twice: the line before the last
    CHECK(terminal.Shows("value: 42"));
    CHECK(terminal.ExitCodeAfter(":quit\n") == 0);
  }
  fs::remove_all(folder);
}

}  // namespace vigil::cmd
