// What the state keeps of the rule set: which incarnation of each rule its partial matches belong
// to, and what tells whether a rule that comes later still is the same.
//
// Bytes (CommitLog's rule set): format version (1) | version of the rule set (string) | the next
// incarnation | number of rules | for each, by id: id (string), incarnation, hash of its content,
// hash of what its matches depend on (16 bytes each, CompiledRule).
// Tests: tests/daemon/resume_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "cep/base/hash.h"
#include "cep/base/status.h"
#include "rules/rule_set.h"

namespace vigil::daemon {

struct RuleRecord {
  struct Rule {
    uint64_t incarnation = 0;
    Hash128 content;
    Hash128 matching;

    bool operator==(const Rule&) const = default;
  };

  std::string version;
  uint64_t next_incarnation = 1;  // was never used
  std::map<std::string, Rule, std::less<>> rules;

  // This record's rule of that id, in that incarnation.
  bool IsLive(std::string_view rule, uint64_t incarnation) const;
  bool operator==(const RuleRecord&) const = default;
};

std::string EncodeRuleRecord(const RuleRecord& record);
// DATA_LOSS, or UNIMPLEMENTED for a newer format.
StatusOr<RuleRecord> DecodeRuleRecord(std::string_view bytes);

}  // namespace vigil::daemon
