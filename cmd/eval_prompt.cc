#include "cmd/eval_prompt.h"

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <histedit.h>
#include <memory>
#include <string>
#include <system_error>

#include "cmd/exit_codes.h"
#include "rules/cel/reference.h"

namespace vigil::cmd {
namespace {

namespace fs = std::filesystem;

constexpr int kHistoryLines = 1000;
constexpr const char* kPrompt = "cel> ";
constexpr std::string_view kHelp =
    "An expression is checked and evaluated: its type and value, or what is wrong with it.\n"
    "  :var NAME=JSON     sets a variable (with a schema: a field of the event)\n"
    "  :functions [WORD]  lists functions, those that have the word\n"
    "  :help              this\n"
    "  :quit              ends, as Ctrl-D does\n";

// The file for the history, its folder made; empty if there is no place for one.
fs::path HistoryFile() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (state != nullptr && *state == '/') {
    folder = state;
  } else if (home != nullptr && *home == '/') {
    folder = fs::path(home) / ".local/state";
  } else {
    return {};
  }
  folder /= "vigil";
  std::error_code error;
  fs::create_directories(folder, error);
  return error ? fs::path() : folder / "eval_history";
}

// libedit's line editor and history, as one.
class LineReader {
 public:
  LineReader()
      : editor_(el_init("vigil", stdin, stdout, stderr), &el_end),
        history_(history_init(), &history_end),
        file_(HistoryFile()) {
    if (editor_ == nullptr || history_ == nullptr) return;
    HistEvent event;
    history(history_.get(), &event, H_SETSIZE, kHistoryLines);
    history(history_.get(), &event, H_SETUNIQUE, 1);
    if (!file_.empty()) history(history_.get(), &event, H_LOAD, file_.c_str());
    el_set(
        editor_.get(), EL_PROMPT, +[](EditLine*) { return const_cast<char*>(kPrompt); });
    el_set(editor_.get(), EL_EDITOR, "emacs");
    el_set(editor_.get(), EL_SIGNAL, 1);
    el_set(editor_.get(), EL_HIST, &history, history_.get());
    el_source(editor_.get(), nullptr);
  }
  ~LineReader() {
    HistEvent event;
    if (history_ != nullptr && !file_.empty()) {
      history(history_.get(), &event, H_SAVE, file_.c_str());
    }
  }
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  bool ok() const { return editor_ != nullptr && history_ != nullptr; }

  // The next line without its end; false at the end of the input.
  bool Next(std::string* line) {
    int count = 0;
    const char* read = el_gets(editor_.get(), &count);
    if (read == nullptr || count <= 0) return false;
    line->assign(read, static_cast<size_t>(count));
    HistEvent event;
    const bool blank = line->find_first_not_of(" \t\r\n") == std::string::npos;
    if (!blank) history(history_.get(), &event, H_ENTER, line->c_str());
    while (!line->empty() && (line->back() == '\n' || line->back() == '\r')) line->pop_back();
    return true;
  }

 private:
  std::unique_ptr<EditLine, decltype(&el_end)> editor_;
  std::unique_ptr<History, decltype(&history_end)> history_;
  fs::path file_;
};

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

}  // namespace

bool AnswerLine(std::string_view line, EvalSession& session, std::ostream& out, std::ostream& err) {
  line = Trimmed(line);
  if (line.empty()) return true;
  if (line.front() != ':') {
    session.Evaluate(line, out, err);
    return true;
  }
  const size_t space = std::min(line.find(' '), line.size());
  const std::string_view command = line.substr(0, space);
  const std::string_view rest = Trimmed(line.substr(space));
  if (command == ":quit" || command == ":q") return false;
  if (command == ":help") {
    out << kHelp;
  } else if (command == ":functions") {
    out << rules::cel::FunctionReferenceText(rest);
  } else if (command == ":var") {
    std::string why;
    if (!session.SetVariable(rest, &why)) err << "error: " << why << "\n";
  } else {
    err << "error: unknown command " << command << "; :help lists them\n";
  }
  return true;
}

int RunEvalPrompt(EvalSession& session, std::ostream& out, std::ostream& err) {
  std::setlocale(LC_CTYPE, "");  // libedit edits characters, not bytes, only where it knows them
  LineReader reader;
  if (!reader.ok()) {
    err << "error: the terminal cannot be used\n";
    return kExitIo;
  }
  out << "CEL expressions; :help for more, Ctrl-D ends\n" << std::flush;
  for (std::string line; reader.Next(&line);) {
    if (!AnswerLine(line, session, out, err)) break;
    out << std::flush;
    err << std::flush;
  }
  return out.good() ? kExitOk : kExitIo;
}

}  // namespace vigil::cmd
