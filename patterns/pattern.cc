#include "patterns/pattern.h"

#include "cep/base/check.h"

namespace vigil::patterns {
namespace {

void Collect(const std::vector<Stage>& stages, std::vector<const Stage*>* plain,
             std::vector<const Stage*>* groups) {
  for (const Stage& stage : stages) {
    if (stage.is_group()) {
      groups->push_back(&stage);
      Collect(stage.group, plain, groups);  // depth is bounded by the rule file's nesting limit
    } else {
      CEP_CHECK(stage.index == plain->size());
      plain->push_back(&stage);
    }
  }
}

}  // namespace

std::vector<const Stage*> FlattenStages(const Pattern& pattern) {
  std::vector<const Stage*> stages;
  std::vector<const Stage*> groups;
  Collect(pattern.stages, &stages, &groups);
  stages.insert(stages.end(), groups.begin(), groups.end());
  return stages;
}

}  // namespace vigil::patterns
