// A match's events by stage, as texts, ids and evidence want them: oldest first within each stage.
#pragma once

#include <cstddef>
#include <vector>

#include "cep/event/expression.h"
#include "cep/event/match.h"

namespace vigil::alerts {

// Reuses its memory from match to match.
class MatchStages {
 public:
  // Groups `match.events`. Events of a stage >= `stage_count` do not occur.
  // Returns one entry per stage; valid until the next call.
  const std::vector<cep::StageEvents>& Group(const cep::Match& match, size_t stage_count);

 private:
  std::vector<const cep::CapturedEvent*> events_;  // stage after stage
  std::vector<cep::StageEvents> stages_;
};

}  // namespace vigil::alerts
