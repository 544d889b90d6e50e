// YAML 1.2 files as trees that know where everything stands.
//
// Reads through libyaml's events, which carry the exact begin and end of every value, need no
// recursion and throw nothing. Refused, each with its place: what is not UTF-8 or holds NUL, more
// than 16 MiB, nesting past 64, aliases that name what is around them or stand for more than 10,000
// values together, tags, a second document, a key given twice, a key that is not text. JSON is read
// too, since it is YAML. Tests: tests/rules/yaml_reader_test.cc, hostile_test.cc.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "rules/source_text.h"
#include "rules/yaml_node.h"

namespace vigil::rules {

inline constexpr size_t kMaxFileBytes = 16u << 20;
inline constexpr size_t kMaxNesting = 64;
inline constexpr size_t kMaxAliasNodes = 10000;
inline constexpr size_t kMaxNodes = 1000000;

// Reads a text that is named `name` in diagnostics. Problems go to `reporter`; `root` of the result
// is null if there is no tree to go on with. Cost: linear in the text.
std::unique_ptr<Document> ReadYaml(std::string name, std::string text, Reporter* reporter);

// What a file holds, of which no more than kMaxFileBytes + 1 are read. Nothing, after a report, if
// it cannot be read or is longer than that.
std::optional<std::string> ReadFileText(const std::string& path, Reporter* reporter);

// The same as ReadYaml() for a file.
std::unique_ptr<Document> ReadYamlFile(const std::string& path, Reporter* reporter);

}  // namespace vigil::rules
