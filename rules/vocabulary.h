// A language of YAML files as one table: its kinds of mapping, and the keys that each takes.
//
// A row says where a key stands, what it takes and what it means. SectionReader checks files by it,
// unknown keys get their suggestions from it, the documents their reference (schema_reference.h).
// The rule language is one (schema_table.h), the daemon's configuration another.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace vigil::rules {

// A kind of mapping: an enumerator of the language's own enum, whose 0 is none.
struct SectionId {
  constexpr SectionId() = default;
  template <typename Enum, typename = std::enable_if_t<std::is_enum_v<Enum>>>
  constexpr SectionId(Enum section) : value(static_cast<uint8_t>(section)) {}  // NOLINT
  constexpr bool operator==(const SectionId&) const = default;

  uint8_t value = 0;
};

enum class ValueKind : uint8_t {
  kText,
  kRuleId,
  kStageName,
  kWord,  // one of `words`
  kBool,
  kCount,  // a whole number in [min, max]
  kDuration,
  kBytes,           // 512MiB
  kAddress,         // HOST:PORT
  kTimes,           // 3, "3", "2..4", "0..2", "1.."
  kExpression,      // CEL
  kTemplate,        // text with ${CEL}
  kNames,           // one name, or a list of them
  kExpressions,     // a mapping of names to CEL
  kDefines,         // a mapping of names to CEL or plain data
  kScalars,         // a mapping of names to single values
  kSection,         // the mapping `inner`
  kSections,        // a list of mappings `inner`
  kNamedSections,   // a mapping of names to mappings `inner`
  kNamedLists,      // a mapping of names to lists of mappings `inner`
  kWordOrSection,   // one of `words`, or the mapping `inner`
  kTextOrSection,   // text, or the mapping `inner`
  kNamesOrSection,  // kNames, or the mapping `inner`
  kChoices,         // kWordOrSection, or a list of such
  kAny,             // not looked at
};

struct KeyOptions {
  std::string_view default_text = "";
  std::string_view words = "";  // separated by one space
  SectionId inner = {};
  int64_t min = 0;
  int64_t max = 0;
  bool is_required = false;
  bool is_supported = true;  // else: part of the language, but refused with V0115
  bool takes_zero = false;   // kDuration: nothing is a duration too
};

struct KeyRow {
  SectionId section;
  std::string_view name;
  ValueKind kind;
  std::string_view doc;  // Markdown, one line
  KeyOptions options = {};
};

struct SectionRow {
  SectionId section;
  std::string_view id;      // in the JSON Schema: "stage"
  std::string_view title;   // in the reference: "A stage"
  std::string_view phrase;  // in messages: "a stage"
};

// Immutable.
class Vocabulary {
 public:
  Vocabulary(std::vector<SectionRow> sections, std::vector<KeyRow> keys)
      : sections_(std::move(sections)), keys_(std::move(keys)) {}

  // All sections, and all keys by section, in the order of the reference.
  const std::vector<SectionRow>& sections() const { return sections_; }
  const std::vector<KeyRow>& keys() const { return keys_; }

  // The row of a section that the language has.
  const SectionRow& RowOf(SectionId section) const;
  // The row of a section's key, or null.
  const KeyRow* Find(SectionId section, std::string_view name) const;
  // The supported keys of a section.
  std::vector<std::string_view> KeysOf(SectionId section) const;

 private:
  std::vector<SectionRow> sections_;
  std::vector<KeyRow> keys_;
};

// The words of a row.
std::vector<std::string_view> WordsOf(const KeyRow& row);

}  // namespace vigil::rules
