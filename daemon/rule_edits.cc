#include "daemon/rule_edits.h"

#include <vector>

#include "patterns/pattern.h"

namespace vigil::daemon {
namespace {

using patterns::Stage;

std::string CompareStages(const std::vector<Stage>& from, const std::vector<Stage>& to);

std::string CompareStage(const Stage& from, const Stage& to) {
  const std::string stage = "stage `" + from.name + "`";
  if (from.name != to.name) return stage + " became `" + to.name + "`";
  if (from.contiguity != to.contiguity) return stage + " follows in another way";
  if (from.is_group() != to.is_group()) return stage + " is a group in one version only";
  if (from.has_times != to.has_times || from.times_min != to.times_min ||
      from.times_max != to.times_max || from.optional != to.optional || from.greedy != to.greedy ||
      from.repeat != to.repeat) {
    return stage + " is repeated in another way";
  }
  if ((from.until == nullptr) != (to.until == nullptr)) {
    return stage + " has an `until` in one version only";
  }
  if (from.key_slots != to.key_slots) return stage + " has another `key`";
  return CompareStages(from.group, to.group);
}

std::string CompareStages(const std::vector<Stage>& from, const std::vector<Stage>& to) {
  for (size_t i = 0; i < from.size() && i < to.size(); ++i) {
    std::string why = CompareStage(from[i], to[i]);
    if (!why.empty()) return why;
  }
  if (from.size() > to.size()) return "stage `" + from[to.size()].name + "` is gone";
  if (from.size() < to.size()) return "stage `" + to[from.size()].name + "` is new";
  return "";
}

}  // namespace

std::string WhyIncompatible(const rules::CompiledRule& from, const rules::CompiledRule& to) {
  if (from.key_slots != to.key_slots) return "it has another `key`";
  std::string why = CompareStages(from.pattern.stages, to.pattern.stages);
  if (!why.empty()) return why;
  if (from.pattern.after_match.kind != to.pattern.after_match.kind ||
      from.pattern.after_match.stage != to.pattern.after_match.stage) {
    return "it has another `after_match`";
  }
  return "";
}

}  // namespace vigil::daemon
