// What the state keeps of the rule set: which incarnation of each rule its partial matches belong
// to, what tells whether they can go on under a rule that comes later, and the rule itself, so that
// it can finish what it began if they cannot.
//
// Bytes (CommitLog's rule set): format version (2) | version of the rule set (string) | the next
// incarnation | number of rules | for each, by id: id (string), incarnation, hash of its content,
// hash of its shape (16 bytes each), names of the fields that its partial matches hold (a list),
// its text | number of versions that drain | for each: id, incarnation, version of its rule set,
// names of fields, text | number of files | for each: name, text. Format 1 has no texts and no
// versions that drain. Tests: tests/daemon/resume_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/hash.h"
#include "cep/base/status.h"
#include "daemon/running_rules.h"
#include "rules/rule_set.h"

namespace vigil::daemon {

struct RuleRecord {
  struct Rule {
    uint64_t incarnation = 0;
    Hash128 content;                    // CompiledRule's
    Hash128 shape;                      // ShapeOf()
    std::vector<std::string> captured;  // sorted
    std::string text;                   // CompiledRule's

    bool operator==(const Rule&) const = default;
  };
  // A former version that finishes what it began (daemon/running_rules.h).
  struct Draining {
    std::string id;
    uint64_t incarnation = 0;
    std::string rule_set;               // the version of its own
    std::vector<std::string> captured;  // sorted
    std::string text;

    bool operator==(const Draining&) const = default;
  };

  std::string version;
  uint64_t next_incarnation = 1;  // was never used
  std::map<std::string, Rule, std::less<>> rules;
  std::vector<Draining> draining;
  std::vector<rules::NamedText> texts;  // of the rule files; none in format 1

  bool operator==(const RuleRecord&) const = default;
};

// Equal for rules between which partial matches can go on (daemon/rule_edits.h).
Hash128 ShapeOf(const rules::CompiledRule& rule, const cep::Layout& layout);

RuleRecord RecordOf(const RunningRules& running);

// What of the record goes on under `rules`, or drains beside them; ids of rules, or of versions of
// them, whose partial matches do not are appended to `dropped`.
StoredRules FitRules(const RuleRecord& record, const rules::RuleSet& rules,
                     std::vector<std::string>* dropped);

std::string EncodeRuleRecord(const RuleRecord& record);
// DATA_LOSS, or UNIMPLEMENTED for a newer format.
StatusOr<RuleRecord> DecodeRuleRecord(std::string_view bytes);

}  // namespace vigil::daemon
