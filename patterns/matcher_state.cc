// What a matcher adds to state that has come back from storage, which holds only what does not
// follow from the rest.
#include <algorithm>

#include "cep/base/check.h"
#include "patterns/matcher.h"

namespace vigil::patterns {

int Matcher::FindState(uint32_t stage, std::string_view role) {
  const std::vector<State>& states = block_.program.states;
  if (states_by_role_.empty()) {
    for (uint32_t s = 0; s < states.size(); ++s) {
      if (states[s].kind == StateKind::kFinal || states[s].kind == StateKind::kStop) continue;
      const bool is_new =
          states_by_role_
              .emplace(std::pair(StagePlaceOf(block_, states[s]), RoleOf(states[s])),
                       static_cast<uint16_t>(s))
              .second;
      CEP_CHECK(is_new);  // names of states are unique
    }
  }
  const auto found = states_by_role_.find({stage, role});
  return found == states_by_role_.end() ? -1 : found->second;
}

void Matcher::Settle(BlockState* state) {
  const auto find_start = [this](Run* run) {
    uint32_t node = run->node;
    while (store_->node(node).parent != kNoNode) node = store_->node(node).parent;
    const cep::CapturedEvent& first = store_->EventOf(store_->node(node));
    run->start_ts = first.ts;
    run->start_seq = first.seq;
  };
  const auto is_earlier = [](const Run& a, const Run& b) { return a.start_seq < b.start_seq; };
  RunList& runs = state->runs;
  for (Run& run : runs) {
    find_start(&run);
    FillOperands(&run);
  }
  std::stable_sort(runs.begin(), runs.end(), is_earlier);
  if (state->has_held()) {
    std::vector<Run>& held = state->rare->held;
    for (Run& run : held) find_start(&run);
    std::stable_sort(held.begin(), held.end(), is_earlier);
  }
  if (has_ttl() && state->Rare().last_seen == kNeverSeen) {
    // Stored by rules without a `ttl`: the last event that is known of.
    for (const Run& run : runs) {
      state->rare->last_seen = std::max(state->rare->last_seen, store_->LastTime(run));
    }
    if (const GroupedRuns* grouped = state->grouped()) {
      for (size_t i = 0; i < grouped->nodes().size(); ++i) {
        const GroupedRuns::Node& node = grouped->nodes()[i];
        if (node.is_union()) continue;
        state->rare->last_seen = std::max(state->rare->last_seen, store_->event(node.a).ts);
      }
    }
  }
  if (state->grouped() == nullptr) return UpdateDue(state);
  if (runs.empty()) return UpdateGroupedDue(state);
  Group(state);
}

void Matcher::LetGo(BlockState* state) {
  for (const Run& run : state->runs) store_->Unref(run.node);
  state->runs.truncate(0);
  if (state->rare == nullptr) return;
  for (const Run& run : state->rare->held) store_->Unref(run.node);
  state->rare.reset();
}

void Matcher::ExpireOverdue(int64_t now, std::string_view key, BlockState* state,
                            cep::MatchSink* out) {
  out_ = out;
  if (state->grouped() != nullptr) {
    AdvanceGrouped(now, state);
  } else {
    ExpireAt(std::min(now, ForgottenAt(*state)), now, key, state);
  }
  ForgetIfSilent(now, key, state);
}

}  // namespace vigil::patterns
