// Reads one mapping of a file by the table of its language's keys, and reports all that is wrong
// with it.
//
// A value that is wrong is reported once and then treated as absent, so that the rest of the file
// is still checked. A value that was put in from outside is never shown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/schema_table.h"
#include "rules/source_text.h"
#include "rules/yaml_node.h"

namespace vigil::rules {

// A name and where it stands.
struct PlacedName {
  std::string name;
  Place place;
};

// The value in quotes, or what stands for it if it is not to be shown.
std::string ShownValue(const Node& scalar);

class SectionReader {
 public:
  // Reports unknown, unsupported and missing keys and values of the wrong kind. `node` is reported
  // too if it is no mapping. All arguments outlive the reader.
  SectionReader(const Vocabulary& language, SectionId section, const SourceText& source,
                const Node& node, Reporter* reporter);
  // Of the rule language.
  SectionReader(Section section, const SourceText& source, const Node& node, Reporter* reporter)
      : SectionReader(RuleLanguage(), section, source, node, reporter) {}

  bool is_mapping() const { return node_.is_mapping(); }
  // True if the key is there, whatever its value.
  bool Has(std::string_view key) const { return KeyNode(key) != nullptr; }
  // The key's value if it is there and of the right kind, else null.
  const Node* Get(std::string_view key) const;

  // The typed value; nothing if absent or, after a report, wrong.
  std::optional<std::string> Text(std::string_view key) const;
  std::optional<bool> Bool(std::string_view key) const;
  std::optional<int64_t> Count(std::string_view key) const;
  std::optional<int64_t> DurationMs(std::string_view key) const;
  std::optional<size_t> Word(std::string_view key) const;  // its place among the row's words
  // The same for an element of the key's list.
  std::optional<size_t> WordOf(std::string_view key, const Node& element) const;
  // Distinct, not empty; none of a kNamesOrSection that is a mapping.
  std::vector<PlacedName> Names(std::string_view key) const;

  const Node* KeyNode(std::string_view key) const;
  // Where the key stands, or the mapping itself if it is absent.
  Place PlaceOfKey(std::string_view key) const;
  Place PlaceOfValue(std::string_view key) const;
  Place PlaceOf(const Node& node) const { return {&source_, node.range}; }
  // The first line of the mapping.
  Place place() const { return {&source_, node_.range}; }

  const SourceText& source() const { return source_; }
  const Node& node() const { return node_; }
  Reporter& reporter() const { return reporter_; }

 private:
  void CheckKey(const Node& key, const Node& value) const;
  bool HasKind(const KeyRow& row, const Node& value) const;
  const Node* GetOf(std::string_view key, ValueKind kind) const;
  const KeyRow& RowOf(std::string_view key) const;

  const Vocabulary& language_;
  SectionId section_;
  const SourceText& source_;
  const Node& node_;
  Reporter& reporter_;
};

}  // namespace vigil::rules
