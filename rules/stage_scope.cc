#include "rules/stage_scope.h"

#include <utility>

namespace vigil::rules {
namespace {

constexpr size_t kLargePattern = 64;

std::string Quote(std::string_view name) { return "`" + std::string(name) + "`"; }

// Lists stages and groups depth first; a stage in a repeated or optional group is a list of events,
// as one with quantifiers of its own is.
void ListStages(const std::vector<StageDraft>& stages, bool in_list, uint32_t* next_index,
                std::vector<NamedStage>* out) {
  for (const StageDraft& draft : stages) {
    const patterns::Stage& s = draft.stage;
    const bool is_one = s.times_min == 1 && s.times_max == 1 && !s.optional;
    const bool is_list = in_list || !is_one;
    // A group stands where its first stage does.
    out->push_back({&draft, draft.is_group ? *next_index : (*next_index)++, is_list});
    ListStages(draft.members, is_list, next_index, out);
  }
}

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

StageScope::StageScope(const std::vector<StageDraft>& stages,
                       const std::map<std::string, std::string>& defines) {
  uint32_t next_index = 0;
  ListStages(stages, /*in_list=*/false, &next_index, &stages_);
  if (!is_large()) return;
  for (size_t i = 0; i < stages_.size(); ++i) by_name_.emplace(stages_[i].draft->stage.name, i);
  for (const auto& [name, text] : defines) FindNames(text, &named_by_defines_);
}

bool StageScope::is_large() const { return stages_.size() > kLargePattern; }

void StageScope::FindNames(std::string_view text,
                           std::map<size_t, const NamedStage*>* found) const {
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && IsNameByte(text[end])) ++end;
    const auto it = by_name_.find(text.substr(at, end - at));
    if (end > at && it != by_name_.end()) found->emplace(it->second, &stages_[it->second]);
    at = end + 1;
  }
}

cel::StageName StageScope::Describe(const NamedStage& stage, const NamedStage* current) {
  const patterns::Stage& s = stage.draft->stage;
  cel::StageName name{s.name, stage.index, stage.is_list, ""};
  if (stage.draft->is_group) {
    name.refusal = Quote(s.name) + " is a group; name a stage in it";
  } else if (s.is_negated()) {
    name.refusal = Quote(s.name) + " is a negated stage and has no event";
  } else if (current != nullptr && current->draft == stage.draft && !stage.is_list) {
    name.refusal = Quote(s.name) + " is this stage; the fields of its event are named without it";
  } else if (current != nullptr && stage.index > current->index) {
    name.refusal = "the stage " + Quote(s.name) + " comes later";
  }
  return name;
}

std::vector<cel::StageName> StageScope::NamesFor(const NamedStage* current,
                                                 std::string_view text) const {
  std::vector<cel::StageName> names;
  if (is_large()) {
    std::map<size_t, const NamedStage*> found = named_by_defines_;
    FindNames(text, &found);
    for (const auto& [i, stage] : found) names.push_back(Describe(*stage, current));
    return names;
  }
  for (const NamedStage& stage : stages_) {
    if (!stage.draft->stage.name.empty()) names.push_back(Describe(stage, current));
  }
  return names;
}

}  // namespace vigil::rules
