// Edits of rules that are asked for: what they make of the files that are there.
//
// Each file, rule and set has a tag, a hash of its text; who edits may name the one he has seen
// (RFC 7232: If-Match, If-None-Match), and is told if somebody was there before.
// Tests: tests/daemon/admin_api_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/status.h"
#include "daemon/rule_store.h"
#include "rules/diagnostic.h"

namespace vigil::daemon {

// A piece of a file that was given on its own: diagnostics are shown as of that.
struct GivenPiece {
  std::string file;
  uint32_t first_line = 0;
  uint32_t lines = 0;  // 0: there is none
  uint32_t indent = 0;
};

struct PlannedEdit {
  RuleEdit edit;
  std::string tag;  // of what it was about, afterwards; empty: it is gone
  GivenPiece given;
};

// The headers' values; empty without one.
struct Conditions {
  std::string if_match;
  std::string if_none_match;
};

// `"HEX"`, as headers have it.
std::string TagOf(std::string_view text);
std::string TagOf(const std::vector<rules::NamedText>& texts);

// The file that has a rule, or null.
const rules::NamedText* FindRule(const std::vector<rules::NamedText>& texts, std::string_view id);

// All of these: ABORTED if a condition does not hold; NOT_FOUND, INVALID_ARGUMENT,
// FAILED_PRECONDITION as rules/rule_edit.h and RuleStore::FileFor() have them.

// A rule in the file where it is, or in one of its own.
StatusOr<PlannedEdit> PlanPut(const std::vector<rules::NamedText>& texts, const RuleStore& store,
                              std::string_view id, std::string_view rule, const Conditions& when);
// A file that holds nothing else goes, too, unless it is the last.
StatusOr<PlannedEdit> PlanDelete(const std::vector<rules::NamedText>& texts, std::string_view id,
                                 const Conditions& when);
// All files: `set` is JSON, {"files": [{"file": NAME, "text": TEXT}, ...]}.
StatusOr<PlannedEdit> PlanPutAll(const std::vector<rules::NamedText>& texts, const RuleStore& store,
                                 const std::string& set, const Conditions& when);

// `texts` as they are after `edit`, in the order in which they would be read.
std::vector<rules::NamedText> Edited(std::vector<rules::NamedText> texts, const RuleEdit& edit);

// Diagnostics of a given piece as of the request.
void ShowAsGiven(const GivenPiece& given, std::vector<rules::Diagnostic>* diagnostics);

}  // namespace vigil::daemon
