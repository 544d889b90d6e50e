// A YAML document as a tree of nodes that know where they stand in the file.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rules/source_text.h"

namespace vigil::rules {

enum class NodeKind : uint8_t {
  kScalar,
  kSequence,
  kMapping,
  kAlias,  // only while a document is read
};

enum class ScalarStyle : uint8_t { kPlain, kSingleQuoted, kDoubleQuoted, kLiteral, kFolded };

// What a scalar is under YAML 1.2's core schema; quoted and block scalars are always text.
enum class ScalarType : uint8_t { kText, kNull, kBool, kInt, kFloat };

struct Node {
  NodeKind kind = NodeKind::kScalar;
  ScalarStyle style = ScalarStyle::kPlain;
  uint8_t depth = 0;           // levels of lists and mappings below and including this one
  bool is_reported = false;    // wrong, and a diagnostic says so: readers take it as absent
  bool is_hidden = false;      // the value was put in from outside, and messages do not show it
  uint32_t anchor = 0;         // the reader's own: the anchor it bears, or (kAlias) stands for
  Range range;                 // in the file; of an alias, where the anchored value stands
  std::string_view value;      // kScalar: lives in the document
  std::vector<Node> children;  // kSequence: the elements; kMapping: key, value, key, value...

  bool is_scalar() const { return kind == NodeKind::kScalar; }
  bool is_sequence() const { return kind == NodeKind::kSequence; }
  bool is_mapping() const { return kind == NodeKind::kMapping; }
  ScalarType scalar_type() const;
  bool is_null() const { return is_scalar() && scalar_type() == ScalarType::kNull; }

  // A mapping's entries.
  size_t entries() const { return children.size() / 2; }
  const Node& key(size_t i) const { return children[2 * i]; }
  const Node& entry(size_t i) const { return children[2 * i + 1]; }
  // The value of a mapping's key, or null.
  const Node* Find(std::string_view name) const;
};

// Owns the text and the tree over it. `root` is null for a file without a document or with errors.
struct Document {
  explicit Document(SourceText source_in) : source(std::move(source_in)) {}

  SourceText source;
  std::unique_ptr<Node> root;
  std::deque<std::string> values;  // of scalars whose value is not a piece of the text
};

// Numbers in YAML 1.2 core notation; false when the scalar is none or out of range.
bool ParseYamlInt(const Node& scalar, int64_t* out);
bool ParseYamlFloat(const Node& scalar, double* out);

// For an error message: "a list", "text", "a number", "nothing".
std::string_view DescribeKind(const Node& node);

}  // namespace vigil::rules
