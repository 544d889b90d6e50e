#include "rules/vocabulary.h"

#include "cep/base/check.h"

namespace vigil::rules {

const SectionRow& Vocabulary::RowOf(SectionId section) const {
  for (const SectionRow& row : sections_) {
    if (row.section == section) return row;
  }
  CEP_CHECK(false);
}

const KeyRow* Vocabulary::Find(SectionId section, std::string_view name) const {
  for (const KeyRow& row : keys_) {
    if (row.section == section && row.name == name) return &row;
  }
  return nullptr;
}

std::vector<std::string_view> Vocabulary::KeysOf(SectionId section) const {
  std::vector<std::string_view> names;
  for (const KeyRow& row : keys_) {
    if (row.section == section && row.options.is_supported) names.push_back(row.name);
  }
  return names;
}

std::vector<std::string_view> WordsOf(const KeyRow& row) {
  std::vector<std::string_view> words;
  for (std::string_view rest = row.options.words; !rest.empty();) {
    const size_t space = rest.find(' ');
    words.push_back(rest.substr(0, space));
    rest.remove_prefix(space == std::string_view::npos ? rest.size() : space + 1);
  }
  return words;
}

}  // namespace vigil::rules
