// A compiled rule set: what the engine runs. Immutable once loaded; any number of threads may read
// it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alerts/spec.h"
#include "cep/base/hash.h"
#include "cep/event/batch.h"
#include "cep/event/expression.h"
#include "cep/event/schema.h"
#include "patterns/pattern.h"

namespace vigil::rules {

enum class Mode : uint8_t { kLive, kShadow, kOff };

// What becomes of a rule's partial matches when they cannot go on under its next version.
enum class OnChange : uint8_t {
  kReset,  // they are dropped
  kDrain,  // they go on under the version that began them
};

struct CompiledRule {
  alerts::RuleInfo info;
  Mode mode = Mode::kLive;
  std::vector<uint32_t> key_slots;  // of the rule's `key`; a stage's own is in the pattern
  patterns::Pattern pattern;
  OnChange on_change = OnChange::kReset;
  // Hashes of what the rule says, with the defines that it names: all of it, and all that its
  // partial matches depend on.
  Hash128 content;
  Hash128 matching;
  std::vector<uint32_t> kept_slots;  // that are read of events its partial matches hold; ascending
  std::string text;                  // a rule file that holds this rule alone (rules/own_text.h)
};

// Expressions of one source, over its events, as texts; empty: none.
struct SourceTexts {
  std::string source;
  std::string event_time;  // ms since the Unix epoch, or a timestamp
  std::string punctuated;  // true: time moves to that of the event
  std::string id;          // what identifies the event in place of its position
};

// The same, compiled; null: none.
struct SourceExpressions {
  std::shared_ptr<const cep::Expression> event_time;
  std::shared_ptr<const cep::Expression> punctuated;
  std::shared_ptr<const cep::Expression> id;
};

// A rule file: one that was read, or one that is no file, from a topic, the API, a test.
struct NamedText {
  std::string name;  // as diagnostics call it
  std::string text;

  bool operator==(const NamedText&) const = default;
};

struct RuleSet {
  std::shared_ptr<const cep::Schema> schema;
  std::shared_ptr<const cep::Layout> layout;  // every field that a rule, a key or an alert reads
  std::vector<CompiledRule> rules;            // sorted by id, bytewise; `mode: off` left out
  std::string version;                        // hash of the content, 32 hexadecimal digits
  std::vector<NamedText> texts;               // what it was loaded from
  std::vector<SourceTexts> source_texts;      // LoadOptions::sources
  std::map<std::string, SourceExpressions> sources;  // by the source's name
};

}  // namespace vigil::rules
