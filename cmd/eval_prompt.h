// The prompt of `vigil eval` on a terminal: expressions, one a line, each answered at once.
//
// Lines are edited and remembered as libedit does it (~/.editrc applies). The history is kept from
// one time to the next in $XDG_STATE_HOME/vigil/eval_history, or below ~/.local/state; where that
// cannot be written, only while the prompt lasts.
#pragma once

#include <ostream>
#include <string_view>

#include "cmd/eval.h"

namespace vigil::cmd {

// Reads from the terminal until its end or `:quit`. Returns the exit code.
int RunEvalPrompt(EvalSession& session, std::ostream& out, std::ostream& err);

// What one line does: an expression, or a command that starts with a colon. False for `:quit`.
bool AnswerLine(std::string_view line, EvalSession& session, std::ostream& out, std::ostream& err);

}  // namespace vigil::cmd
