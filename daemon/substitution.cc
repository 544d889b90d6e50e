#include "daemon/substitution.h"

#include <cstdlib>
#include <fstream>
#include <optional>
#include <string_view>

#include "daemon/config_values.h"
#include "rules/scalar_map.h"

namespace vigil::daemon {
namespace {

using rules::Code;
using rules::Node;

class Substituter {
 public:
  Substituter(const std::string& folder, rules::Document* document, rules::Reporter* reporter)
      : folder_(folder), document_(*document), reporter_(*reporter) {}

  // Nesting is bounded by the reader.
  void Visit(Node* node) {
    if (node->is_scalar()) {
      Replace(node);
      return;
    }
    const size_t step = node->is_mapping() ? 2 : 1;
    for (size_t i = step - 1; i < node->children.size(); i += step) Visit(&node->children[i]);
  }

 private:
  void Replace(Node* scalar);
  std::optional<std::string> Resolve(const Node& scalar, size_t begin, size_t end);
  std::optional<std::string> ReadSmallFile(std::string_view path, std::string* why) const;

  const std::string& folder_;
  rules::Document& document_;
  rules::Reporter& reporter_;
};

void Substituter::Replace(Node* scalar) {
  const std::string_view value = scalar->value;
  if (value.find("${") == std::string_view::npos) return;
  std::string out;
  bool is_hidden = false;
  for (size_t at = 0; at < value.size();) {
    if (value.substr(at, 3) == "$${") {
      out += "${";
      at += 3;
    } else if (value.substr(at, 2) != "${") {
      out += value[at++];
    } else {
      const size_t close = value.find('}', at);
      const size_t end = close == std::string_view::npos ? value.size() : close + 1;
      const std::optional<std::string> text = Resolve(*scalar, at, end);
      scalar->is_reported = !text;
      if (!text) return;
      out += *text;
      is_hidden = true;
      at = end;
    }
  }
  scalar->value = document_.values.emplace_back(std::move(out));
  scalar->is_hidden = is_hidden;
}

// What `${...}` at [begin, end) of the scalar's value stands for; nothing after a report.
std::optional<std::string> Substituter::Resolve(const Node& scalar, size_t begin, size_t end) {
  const std::string text(scalar.value.substr(begin, end - begin));
  const auto fail = [&](const std::string& message, std::string hint = "") {
    const rules::Range range = rules::ScalarMap(document_.source, scalar)
                                   .At(static_cast<uint32_t>(begin), static_cast<uint32_t>(end));
    reporter_.Report(Code::kSubstitution, {&document_.source, range}, message, std::move(hint));
    return std::nullopt;
  };
  if (text.back() != '}') return fail("`" + text + "` has no end", "close it with `}`");
  const std::string inner = text.substr(2, text.size() - 3);
  const size_t colon = inner.find(':');
  const std::string kind = inner.substr(0, colon);
  const std::string name = colon == std::string::npos ? "" : inner.substr(colon + 1);
  if ((kind != "env" && kind != "file") || name.empty()) {
    return fail("`" + text + "` stands for nothing",
                "`${env:NAME}`, `${file:PATH}`, or `$${` for the characters `${`");
  }
  if (kind == "env") {
    const char* variable = std::getenv(name.c_str());
    if (variable != nullptr) return variable;
    return fail("the environment variable `" + name + "` is not set");
  }
  std::string why;
  std::optional<std::string> content = ReadSmallFile(name, &why);
  return content ? content : fail("the file `" + name + "` " + why);
}

std::optional<std::string> Substituter::ReadSmallFile(std::string_view path,
                                                      std::string* why) const {
  std::ifstream file(ResolvePath(folder_, path), std::ios::binary);
  std::string content(kMaxSubstituteBytes + 1, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file.is_open() || file.bad() || (file.fail() && !file.eof())) {
    *why = "cannot be read";
    return std::nullopt;
  }
  content.resize(static_cast<size_t>(file.gcount()));
  if (content.size() > kMaxSubstituteBytes) {
    *why = "has more than 64 KiB";
    return std::nullopt;
  }
  if (!content.empty() && content.back() == '\n') content.pop_back();
  if (!content.empty() && content.back() == '\r') content.pop_back();
  return content;
}

}  // namespace

void Substitute(const std::string& folder, rules::Document* document, rules::Reporter* reporter) {
  if (document->root != nullptr)
    Substituter(folder, document, reporter).Visit(document->root.get());
}

}  // namespace vigil::daemon
