// Edits of hostile rule files: an edit that is made changes the one rule and no other.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rules/rule_edit.h"

namespace {

constexpr size_t kMaxInput = 4096;
constexpr size_t kMaxRules = 4;

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

// The file, a NUL, and a rule to put into it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using vigil::rules::NamedText;
  if (size > kMaxInput) return 0;
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  const NamedText file{"f.yaml", input.substr(0, end)};
  const std::string rule = input.substr(std::min(end + 1, input.size()));
  const std::vector<std::string> ids = vigil::rules::RuleIds(file);
  for (size_t i = 0; i < std::min(ids.size(), kMaxRules); ++i) {
    const auto text = vigil::rules::RuleText(file, ids[i]);
    Require(text.ok());
    // What was taken out and is put back, if it can be, leaves all rules where they were.
    if (const auto put = vigil::rules::PutRule(file, ids[i], *text); put.ok()) {
      Require(vigil::rules::RuleIds({"f.yaml", put->text}) == ids);
    }
    bool is_empty = false;
    if (const auto rest = vigil::rules::RemoveRule(file, ids[i], &is_empty); rest.ok()) {
      std::vector<std::string> left = ids;
      left.erase(left.begin() + static_cast<ptrdiff_t>(i));
      Require(vigil::rules::RuleIds({"f.yaml", *rest}) == left);
    }
  }
  for (const char* id : {"a", "new"}) {
    const auto put = vigil::rules::PutRule(file, id, rule);
    if (!put.ok()) continue;
    const std::vector<std::string> after = vigil::rules::RuleIds({"f.yaml", put->text});
    Require(std::find(after.begin(), after.end(), id) != after.end());
    Require(vigil::rules::RuleText({"f.yaml", put->text}, id).ok());
  }
  return 0;
}
