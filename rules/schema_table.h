// The rule language's keys: one table for everything that has to know them.
//
// A row says where a key stands, what it takes and what it means. The readers check files by it,
// unknown keys get their suggestions from it, docs/rule-language.md its reference, `vigil schema
// rules` its JSON Schema (schema_reference.h).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace vigil::rules {

// A kind of mapping in a rule file.
enum class Section : uint8_t { kNone, kFile, kRule, kStage, kAlert, kAfterMatch, kLimits };

enum class ValueKind : uint8_t {
  kText,
  kRuleId,
  kStageName,
  kWord,  // one of `words`
  kBool,
  kCount,  // a whole number in [min, max]
  kDuration,
  kTimes,          // 3, "3", "2..4", "0..2", "1.."
  kExpression,     // CEL
  kTemplate,       // text with ${CEL}
  kNames,          // one name, or a list of them
  kExpressions,    // a mapping of names to CEL
  kDefines,        // a mapping of names to CEL or plain data
  kSection,        // the mapping `inner`
  kSections,       // a list of mappings `inner`
  kWordOrSection,  // one of `words`, or the mapping `inner`
  kAny,            // not looked at
};

struct KeyOptions {
  std::string_view default_text = "";
  std::string_view words = "";  // separated by one space
  Section inner = Section::kNone;
  int64_t min = 0;
  int64_t max = 0;
  bool is_required = false;
  bool is_supported = true;  // else: part of the language, but refused with V0115
};

struct KeyRow {
  Section section;
  std::string_view name;
  ValueKind kind;
  std::string_view doc;  // Markdown, one line
  KeyOptions options = {};
};

struct SectionRow {
  Section section;
  std::string_view id;      // in the JSON Schema: "stage"
  std::string_view title;   // in the reference: "A stage"
  std::string_view phrase;  // in messages: "a stage"
};

// All keys, by section and in the order of the reference.
const std::vector<KeyRow>& KeyTable();
// All sections but kNone, in the order of the reference.
const std::vector<SectionRow>& SectionTable();

const SectionRow& RowOf(Section section);
// The row of a section's key, or null.
const KeyRow* FindKey(Section section, std::string_view name);
// The supported keys of a section.
std::vector<std::string_view> KeysOf(Section section);
// The words of a row.
std::vector<std::string_view> WordsOf(const KeyRow& row);

}  // namespace vigil::rules
