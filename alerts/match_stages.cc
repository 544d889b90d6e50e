#include "alerts/match_stages.h"

#include <cstdint>

#include "cep/base/check.h"

namespace vigil::alerts {

const std::vector<cep::StageEvents>& MatchStages::Group(const cep::Match& match,
                                                        size_t stage_count) {
  stages_.assign(stage_count, {});
  events_.resize(match.event_count);
  for (uint32_t i = 0; i < match.event_count; ++i) {
    CEP_CHECK(match.events[i].stage < stage_count);
    ++stages_[match.events[i].stage].count;
  }
  size_t begin = 0;
  for (cep::StageEvents& stage : stages_) {
    stage.events = events_.data() + begin;
    begin += stage.count;
    stage.count = 0;  // counted again as they are put in place
  }
  for (uint32_t i = 0; i < match.event_count; ++i) {
    cep::StageEvents& stage = stages_[match.events[i].stage];
    const auto first = static_cast<size_t>(stage.events - events_.data());
    events_[first + stage.count++] = match.events[i].event;
  }
  return stages_;
}

}  // namespace vigil::alerts
