// Rules as written: keys read and values parsed, expressions still text, everything with its place.
//
// Made by rules/resolver.cc from YAML trees, checked by rules/pattern_checks.cc, turned into
// CompiledRules by rules/compile.cc. Points into the documents, which outlive it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "alerts/spec.h"
#include "patterns/pattern.h"
#include "rules/rule_set.h"
#include "rules/section_reader.h"

namespace vigil::rules {

struct StageDraft {
  const SourceText* source = nullptr;
  const Node* node = nullptr;
  std::string keyword;    // `followed_by`; empty if the stage has none
  Place name_place;       // of the name, or the stage's first line
  patterns::Stage stage;  // without conditions, index, key slots and group
  bool has_repeat = false;
  bool is_group = false;
  const Node* where = nullptr;  // scalars
  const Node* until = nullptr;
  std::vector<PlacedName> key;
  std::vector<StageDraft> members;  // of a group

  // Where one of the stage's keys stands.
  Place PlaceOfKey(std::string_view key_name) const;
  bool Has(std::string_view key_name) const { return node->Find(key_name) != nullptr; }
  // Written with `optional: true` or `times` from 0.
  bool may_be_absent() const { return stage.optional || (stage.has_times && stage.times_min == 0); }
  bool is_open_ended() const { return stage.has_times && stage.times_max == patterns::kUnbounded; }
};

struct AlertDraft {
  const Node* summary = nullptr;  // a scalar
  struct Field {
    PlacedName name;
    const Node* expression;
  };
  std::vector<Field> fields;
  std::vector<PlacedName> outputs;  // as written in `to`
  alerts::Evidence evidence = alerts::Evidence::kFull;
};

struct RuleDraft {
  const SourceText* source = nullptr;
  const Node* node = nullptr;
  Place id_place;
  alerts::RuleInfo info;  // without stage names and alerts
  Mode mode = Mode::kLive;
  OnChange on_change = OnChange::kReset;
  std::vector<PlacedName> key;
  std::vector<StageDraft> stages;
  patterns::Pattern pattern;  // without stages
  Place skip_target;          // the stage named by `after_match`
  AlertDraft alert;
  std::optional<AlertDraft> on_timeout;

  Place PlaceOfKey(std::string_view key_name) const;
};

struct DefineDraft {
  PlacedName name;
  const SourceText* source = nullptr;
  const Node* value = nullptr;
  std::string text;  // as CEL
};

struct RuleSetDraft {
  std::vector<RuleDraft> rules;
  std::vector<DefineDraft> defines;
};

}  // namespace vigil::rules
