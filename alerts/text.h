// Alerts, late records and errors as a person reads them in a terminal.
//
// An alert is a headline and, indented, one line per event:
//   2023-11-14T22:13:20.000Z  CRITICAL  account-takeover  account=A1  A1 moved 12000.5
//       login    2023-11-14T22:10:00.000Z  payments.jsonl/12  {"type":"login","account":"A1", ...
// Events come from outside: nothing of them but printable text reaches the terminal. Control
// characters (C0, DEL, C1) and those that reorder or hide text (bidirectional marks, zero width,
// line separators) are written as \u001b.
//
// Tests: tests/alerts/text_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "alerts/alert.h"
#include "alerts/context.h"

namespace vigil::alerts {

inline constexpr uint32_t kNoLimit = UINT32_MAX;

// `text`, printable; cut after `columns` characters, the last of which is then `…`. Counts a
// character as one column. Returns the number of columns written.
uint32_t AppendPrintable(std::string_view text, uint32_t columns, std::string* out);

// Without the last line's end.
void AppendAlertText(const Alert& alert, const AlertContext& context, std::string* out);

// `late    PLACE/OFFSET: reason  event`, one line cut to the context's width.
//   what   "late" or "error"
//   about  what it concerns beside the position: a rule and its expression; may be empty
void AppendProblemText(std::string_view what, std::string_view position, std::string_view about,
                       std::string_view reason, std::string_view event, const AlertContext& context,
                       std::string* out);

}  // namespace vigil::alerts
