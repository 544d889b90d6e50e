// `vigil eval --jsonl`: cases of CEL in, answers out, one JSON object a line each.
//
// A case has `expr` and may have `bindings` (name → typed value), `type_env` (declared variables
// and functions), `container`, `check_only`, `disable_check`, `disable_macros`; other keys are
// ignored. Its answer is {"value":V},
// {"type":T} (check_only) or {"error":TEXT}. V is in the typed notation of cmd/typed_json.h.
#pragma once

#include <istream>
#include <ostream>
#include <string>
#include <string_view>

namespace vigil::cmd {

// The answer to one case, without a newline.
std::string AnswerCase(std::string_view line);

// Answers every line of `in`, in order, flushing after each. Returns the exit code.
int RunEvalCases(std::istream& in, std::ostream& out);

}  // namespace vigil::cmd
