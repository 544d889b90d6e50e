// PatternOperator: taking units back.
//
// A unit's partial matches go to the rules of their incarnations, wherever these are matched now:
// in one block, or in several. What does not follow from a single unit (numbers of events, order of
// partial matches that several units bring, due times) is set when all of them are there.
#include <algorithm>
#include <bit>
#include <optional>

#include "cep/base/check.h"
#include "cep/event/key_bytes.h"
#include "patterns/pattern_operator.h"

namespace vigil::patterns {
namespace {

Status Damaged(const std::string& what) {
  return absl::DataLossError("a unit of state does not fit: " + what);
}

// As a column of the slot would hold the value.
cep::Value InSlot(const cep::Slot& slot, const cep::Value& value) {
  using cep::ValueTag;
  if (value.is_absent() || value.is_null() || value.is_error()) return value;
  switch (slot.kind) {
    case cep::ColumnKind::kInt:
      if (value.tag == ValueTag::kInt) return value;
      break;
    case cep::ColumnKind::kDouble:
      if (value.tag == ValueTag::kDouble) return value;
      if (value.tag == ValueTag::kInt) return cep::Value::Double(static_cast<double>(value.i));
      break;
    case cep::ColumnKind::kBool:
      if (value.tag == ValueTag::kBool) return value;
      break;
    case cep::ColumnKind::kString:
      if (value.tag == ValueTag::kString) return value;
      break;
    case cep::ColumnKind::kValue:
      return value;
  }
  return cep::Value::Error("value of another type");
}

}  // namespace

// Puts one unit's partial matches into a key's entry.
class PatternOperator::UnitRestorer {
 public:
  UnitRestorer(PatternOperator* op, Space* space, KeyEntry* entry)
      : op_(*op),
        unit_(op->unit_),
        store_(op->store_),
        space_(*space),
        entry_(entry),
        events_(unit_.events.size(), kNoEvent),
        nodes_(unit_.nodes.size(), kNoNode) {
    MapFields();
  }
  ~UnitRestorer() {
    for (const uint32_t event : adopted_) store_.Release(event);
  }

  // `targets` are the unit's rules in one of the operator's blocks, or all of a family's.
  Status AddTo(uint32_t matcher, const std::vector<Target>& targets);

 private:
  void MapFields();
  uint32_t EventAt(uint32_t place);
  uint32_t NodeAt(uint32_t place);
  // The rules of a set that are among `targets`.
  uint64_t RulesOf(uint32_t set, const std::vector<Target>& targets, bool is_family) const;
  Status AddRuns(const std::vector<Target>& targets, bool is_family, BlockState* state);
  Status AddGraph(const std::vector<Target>& targets, BlockState* state);
  void Spell(const GroupedRuns& graph, const RuleBlock& block, BlockState* state);
  StatusOr<uint16_t> StateOf(const Matcher& matcher, uint32_t stored) const;

  PatternOperator& op_;
  const StoredState& unit_;
  MatchStore& store_;
  Space& space_;
  KeyEntry* entry_;
  std::vector<uint32_t> events_;  // of the store, by their places in the unit
  std::vector<uint32_t> nodes_;
  std::vector<uint32_t> adopted_;
  std::vector<int> slots_;  // by field; -1: not captured any more
  uint32_t value_count_ = 0;
  std::vector<cep::Value> values_;
};

void PatternOperator::UnitRestorer::MapFields() {
  for (const std::string_view field : unit_.fields) {
    const int slot = op_.layout_->Find(field);
    const bool is_kept = slot >= 0 && op_.layout_->slots()[static_cast<size_t>(slot)].is_kept;
    slots_.push_back(is_kept ? slot : -1);
    if (is_kept) value_count_ = std::max(value_count_, static_cast<uint32_t>(slot) + 1);
  }
  const bool is_same_key =
      op_.events_of_ == entry_ && std::equal(unit_.fields.begin(), unit_.fields.end(),
                                             op_.events_fields_.begin(), op_.events_fields_.end());
  if (is_same_key) return;
  op_.events_of_ = entry_;
  op_.known_events_.clear();
  op_.events_fields_.assign(unit_.fields.begin(), unit_.fields.end());
}

// An event that another unit of the key has brought is held once.
uint32_t PatternOperator::UnitRestorer::EventAt(uint32_t place) {
  uint32_t& id = events_[place];
  if (id != kNoEvent) return id;
  const StoredState::Event& from = unit_.events[place];
  const StoredState::Place& at = unit_.places[from.place];
  cep::Partition partition{std::string(at.source), std::string(at.topic), at.number,
                           std::string(at.text)};
  if (at.text.empty()) {
    partition.place = cep::PlaceOf(partition.source, partition.topic, partition.number);
  }
  AdoptedEvent event;
  event.partition = store_.Intern(partition);
  event.offset = from.offset;
  const auto known = op_.known_events_.find({event.partition, event.offset});
  if (known != op_.known_events_.end()) {
    const cep::CapturedEvent& other = store_.event(known->second);
    if (other.ts == from.ts && other.Json() == from.json) return id = known->second;
  }
  values_.assign(value_count_, cep::Value());
  for (size_t f = 0; f < slots_.size(); ++f) {
    if (slots_[f] < 0) continue;
    const auto slot = static_cast<size_t>(slots_[f]);
    values_[slot] = InSlot(op_.layout_->slots()[slot], unit_.values[from.first_value + f]);
  }
  event.ts = from.ts;
  event.seq = place;
  event.json = from.json;
  event.values = values_;
  id = store_.Adopt(event);
  adopted_.push_back(id);
  op_.known_events_[{event.partition, event.offset}] = id;
  return id;
}

// A path; what it shares with others is made once.
uint32_t PatternOperator::UnitRestorer::NodeAt(uint32_t place) {
  std::vector<uint32_t> path;
  for (uint32_t n = place; n != StoredState::kNone && nodes_[n] == kNoNode;
       n = unit_.nodes[n].parent) {
    path.push_back(n);
  }
  for (; !path.empty(); path.pop_back()) {
    const StoredState::Node& node = unit_.nodes[path.back()];
    const uint32_t parent = node.parent == StoredState::kNone ? kNoNode : nodes_[node.parent];
    nodes_[path.back()] = store_.AddNode(EventAt(node.event), parent, node.stage);
  }
  return nodes_[place];
}

uint64_t PatternOperator::UnitRestorer::RulesOf(uint32_t set, const std::vector<Target>& targets,
                                                bool is_family) const {
  if (is_family) return op_.patterns_->blocks[targets[0].rule / kRulesPerBlock].all;
  uint64_t rules = 0;
  for (const Target& target : targets) {
    if (!Contains(unit_.sets[set], target.place)) continue;
    rules |= uint64_t{1} << (target.rule % kRulesPerBlock);
  }
  return rules;
}

StatusOr<uint16_t> PatternOperator::UnitRestorer::StateOf(const Matcher& matcher,
                                                          uint32_t stored) const {
  const StoredState::AutomatonState& from = unit_.states[stored];
  const int state = const_cast<Matcher&>(matcher).FindState(from.stage, from.role);
  if (state < 0) {
    return Damaged("the pattern has no state `" + std::string(unit_.namings[0].stages[from.stage]) +
                   std::string(from.role) + "`");
  }
  return static_cast<uint16_t>(state);
}

Status PatternOperator::UnitRestorer::AddTo(uint32_t matcher, const std::vector<Target>& targets) {
  const bool is_family = matcher >= op_.patterns_->blocks.size();
  BlockState* state = entry_->Find(matcher);
  if (state == nullptr) {
    state = &entry_->blocks.emplace_back();
    state->block = matcher;
  } else {
    op_.Touch(entry_, state, &space_);  // what were several units becomes one
  }
  const Status status =
      unit_.is_grouped ? AddGraph(targets, state) : AddRuns(targets, is_family, state);
  if (unit_.has_last_seen && op_.matchers_[matcher]->has_ttl() && !state->empty()) {
    state->Rare().last_seen = std::max(state->Rare().last_seen, unit_.last_seen);
  }
  if (state->empty()) {
    *state = std::move(entry_->blocks.back());
    entry_->blocks.pop_back();
  }
  return status;
}

Status PatternOperator::UnitRestorer::AddRuns(const std::vector<Target>& targets, bool is_family,
                                              BlockState* state) {
  const Matcher& matcher = *op_.matchers_[state->block];
  for (const StoredState::Run& from : unit_.runs) {
    Run run;
    run.rules = RulesOf(from.rules, targets, is_family);
    if (run.rules == 0) continue;
    ASSIGN_OR_RETURN(run.state, StateOf(matcher, from.state));
    run.node = NodeAt(from.node);
    store_.Ref(run.node);
    state->runs.push_back(run, store_.memory());
  }
  for (const StoredState::Run& from : unit_.held) {
    Run run;
    run.rules = RulesOf(from.rules, targets, is_family);
    if (run.rules == 0) continue;
    if (matcher.block().program.after_match.kind == SkipKind::kNoSkip) {
      return Damaged("complete matches are held back without a skip strategy");
    }
    run.node = NodeAt(from.node);
    if (from.is_by_time) {
      run.known = Run::kCompletedByTime;
      run.operands[0] = std::bit_cast<uint64_t>(from.end);
    }
    store_.Ref(run.node);
    state->Rare().held.push_back(run);
  }
  return absl::OkStatus();
}

Status PatternOperator::UnitRestorer::AddGraph(const std::vector<Target>& targets,
                                               BlockState* state) {
  const Matcher& matcher = *op_.matchers_[state->block];
  std::vector<Run> groups;
  for (const StoredState::Run& from : unit_.runs) {
    Run group;
    group.rules = RulesOf(from.rules, targets, false);
    if (group.rules == 0) continue;
    ASSIGN_OR_RETURN(group.state, StateOf(matcher, from.state));
    group.node = from.node;
    groups.push_back(group);
  }
  if (groups.empty()) return absl::OkStatus();
  const bool stays_grouped = matcher.block().why_explicit.empty();
  std::unique_ptr<GroupedRuns> spelled;
  GroupedRuns* graph;
  if (stays_grouped) {
    if (state->Rare().grouped == nullptr) {
      state->rare->grouped = std::make_unique<GroupedRuns>(&store_);
    }
    graph = state->rare->grouped.get();
  } else {
    spelled = std::make_unique<GroupedRuns>(&store_);
    graph = spelled.get();
  }
  // What had been ended under the version that wrote it must not come back under a longer `within`.
  int64_t floor = INT64_MIN;
  if (unit_.within > 0 && op_.resumed_at_ != INT64_MIN &&
      __builtin_sub_overflow(op_.resumed_at_, unit_.within, &floor)) {
    floor = INT64_MIN;
  }
  GroupedRuns::Counts added;
  std::vector<uint32_t> places;  // in `graph`; kNoNode: ended
  for (const StoredState::Node& node : unit_.nodes) {
    uint32_t place = kNoNode;
    if (node.stage == StoredState::kNone) {
      place = places[node.event];
      const uint32_t rest = places[node.parent];
      if (place != kNoNode && rest != kNoNode) place = graph->AddUnion(place, rest);
    } else if (node.parent == StoredState::kNone) {
      const int64_t start = unit_.events[node.event].ts;
      if (start > floor) place = graph->Extend(EventAt(node.event), node.stage, kNoNode, start);
    } else if (places[node.parent] != kNoNode) {
      place = graph->Extend(EventAt(node.event), node.stage, places[node.parent], 0);
    }
    added.accepted += place != kNoNode && node.stage != StoredState::kNone ? 1 : 0;
    added.size += place != kNoNode ? 1 : 0;
    places.push_back(place);
  }
  graph->Resume(added, {unit_.accepted, unit_.size, unit_.swept_size});
  for (Run& group : groups) {
    group.node = places[group.node];
    if (group.node != kNoNode) graph->AddTo(group, &graph->groups());
  }
  if (!stays_grouped) Spell(*graph, matcher.block(), state);
  return absl::OkStatus();
}

// Makes single partial matches of the graph's, as many as the limit allows.
void PatternOperator::UnitRestorer::Spell(const GroupedRuns& graph, const RuleBlock& block,
                                          BlockState* state) {
  for (const Run& group : graph.groups()) {
    uint32_t left = block.limits.partial_matches_per_key;
    graph.ForEachPath(group.node, INT64_MIN, block.limits.events_per_match,
                      [&](const uint32_t* events, const uint32_t* stages, size_t count) {
                        Run run = group;
                        run.node = kNoNode;
                        for (size_t i = count; i-- > 0;) {
                          run.node = store_.AddNode(events[i], run.node, stages[i]);
                        }
                        store_.Ref(run.node);
                        state->runs.push_back(run, store_.memory());
                        return --left > 0;
                      });
  }
  // Events of what was not spelled out go with the graph.
  op_.events_of_ = nullptr;
}

Status PatternOperator::Restore(const cep::RestoredUnit& unit) {
  ASSIGN_OR_RETURN(const Taken taken, Take(unit));
  if (taken != Taken::kWithOwner && !unit.stored.empty()) strays_.emplace_back(unit);
  return absl::OkStatus();
}

bool PatternOperator::Matches(uint64_t incarnation) const {
  const auto known = std::lower_bound(by_incarnation_.begin(), by_incarnation_.end(),
                                      std::pair(incarnation, uint32_t{0}));
  return known != by_incarnation_.end() && known->first == incarnation;
}

Status PatternOperator::FindTargets(const StoredState& unit, std::vector<Target>* targets) {
  for (const StoredState::Naming& naming : unit.namings) {
    uint64_t place = naming.first;
    for (const NumberRange& range : naming.rules) {
      auto known = std::lower_bound(by_incarnation_.begin(), by_incarnation_.end(),
                                    std::pair(range.first, uint32_t{0}));
      for (; known != by_incarnation_.end() && known->first - range.first < range.count; ++known) {
        const uint32_t rule = known->second;
        const RuleBlock& block = patterns_->blocks[rule / kRulesPerBlock];
        const uint32_t bit = rule % kRulesPerBlock;
        if ((matchers_[rule / kRulesPerBlock]->live() >> bit & 1) == 0) continue;
        const std::vector<std::string>& stages = block.stage_names[NameOf(rule).stage_names];
        if (!std::equal(stages.begin(), stages.end(), naming.stages.begin(), naming.stages.end())) {
          return Damaged("rule `" + NameOf(rule).name + "` has other stages");
        }
        targets->push_back({rule, place + (known->first - range.first)});
      }
      place += range.count;
    }
  }
  std::sort(targets->begin(), targets->end(),
            [](const Target& a, const Target& b) { return a.rule < b.rule; });
  return absl::OkStatus();
}

StatusOr<PatternOperator::Taken> PatternOperator::Take(const cep::RestoredUnit& unit) {
  if (layout_ == nullptr) return absl::FailedPreconditionError("UseLayout() comes first");
  unit_arena_.Reset();
  RETURN_IF_ERROR(ReadStoredState(unit.body, &unit_arena_, &unit_));
  std::vector<Target> targets;
  RETURN_IF_ERROR(FindTargets(unit_, &targets));
  if (targets.empty()) return Taken::kNothing;
  const RuleBlock& first = patterns_->blocks[targets[0].rule / kRulesPerBlock];
  Space& space = spaces_[first.key_space];
  const std::optional<uint64_t> hash = cep::HashKeyBytes(unit.name.key_values, space.key_fields);
  for (const Target& target : targets) {
    const RuleBlock& block = patterns_->blocks[target.rule / kRulesPerBlock];
    if (block.key_space == first.key_space && unit.name.key_expression == space.key_name) continue;
    return Damaged("rule `" + NameOf(target.rule).name + "` is not matched by " +
                   std::string(unit.name.key_expression));
  }
  if (!hash.has_value() || cep::KeyGroupOf(*hash) != unit.name.key_group) {
    return Damaged("its key is none, or of another key group");
  }
  KeyEntry* entry =
      space.table.Find(*hash, [&](std::string_view key) { return key == unit.name.key_values; });
  if (entry == nullptr) {
    entry = space.table.Insert(*hash, unit.name.key_values);
    entry->saved_in = 0;
  }
  if (restored_.empty() || restored_.back().second != entry) restored_.emplace_back(&space, entry);
  UnitRestorer restorer(this, &space, entry);
  bool moves = targets.size() != unit_.rule_count;
  bool has_owner = false;
  for (size_t begin = 0; begin < targets.size();) {
    uint32_t matcher = targets[begin].rule / kRulesPerBlock;
    size_t end = begin;
    const SpaceFamily* family = FamilyOf(matcher, space);
    if (family != nullptr && !unit_.is_grouped) {
      // What stands for all rules of a family goes on to do so, if there is nothing else.
      size_t rules = 0;
      for (uint32_t i = 0; i < family->size; ++i) {
        rules += static_cast<size_t>(std::popcount(matchers_[family->first + i]->live()));
      }
      while (end < targets.size() && family->Has(targets[end].rule / kRulesPerBlock)) ++end;
      const bool is_whole =
          end - begin == rules &&
          std::all_of(unit_.sets.begin(), unit_.sets.end(),
                      [&](const std::vector<NumberRange>& set) {
                        return set.size() == 1 && set[0].count == unit_.rule_count;
                      }) &&
          std::none_of(entry->blocks.begin(), entry->blocks.end(), [&](const BlockState& state) {
            return family->Has(state.block) || state.block == family->matcher;
          });
      if (is_whole) {
        matcher = family->matcher;
      } else {
        end = begin;
      }
    }
    if (end == begin) {
      if (family != nullptr && entry->Find(family->matcher) != nullptr) {
        SplitFamily(*family, entry, &space);
      }
      while (end < targets.size() && targets[end].rule / kRulesPerBlock == matcher) ++end;
    }
    const std::vector<Target> part(targets.begin() + static_cast<ptrdiff_t>(begin),
                                   targets.begin() + static_cast<ptrdiff_t>(end));
    RETURN_IF_ERROR(restorer.AddTo(matcher, part));
    moves |= part.size() != targets.size();
    begin = end;
  }
  KnownUnit known;
  for (const Target& target : targets) {
    if (NameOf(target.rule).name != unit.name.owner) continue;
    has_owner = true;
    known = {target.rule, unit.stored};
  }
  // What is stored differently from what is here now is written at the next opportunity.
  if (moves || !has_owner || unit.stored.empty()) {
    for (const Target& target : targets) {
      BlockState* state = StateOf(target.rule, entry, space);
      if (state != nullptr) Touch(entry, state, &space);
    }
  }
  if (has_owner && !unit.stored.empty()) KnownOf(entry, &space).push_back(std::move(known));
  return has_owner ? Taken::kWithOwner : Taken::kSome;
}

// Numbers the events that the key's units have brought by their order.
void PatternOperator::NumberEvents(KeyEntry* entry) {
  std::vector<uint32_t> events;
  for (const BlockState& state : entry->blocks) {
    const auto add_path = [&](const Run& run) {
      for (uint32_t n = run.node; n != kNoNode; n = store_.node(n).parent) {
        events.push_back(store_.node(n).event);
      }
    };
    for (const Run& run : state.runs) add_path(run);
    if (state.has_held()) {
      for (const Run& run : state.rare->held) add_path(run);
    }
    if (const GroupedRuns* grouped = state.grouped()) {
      for (size_t i = 0; i < grouped->nodes().size(); ++i) {
        const GroupedRuns::Node& node = grouped->nodes()[i];
        if (!node.is_union()) events.push_back(node.a);
      }
    }
  }
  std::sort(events.begin(), events.end());
  events.erase(std::unique(events.begin(), events.end()), events.end());
  const auto comes_before = [this](uint32_t a, uint32_t b) {
    const cep::CapturedEvent& x = store_.event(a);
    const cep::CapturedEvent& y = store_.event(b);
    if (x.ts != y.ts) return x.ts < y.ts;
    if (*x.partition() < *y.partition()) return true;
    if (*y.partition() < *x.partition()) return false;
    return x.offset < y.offset;
  };
  std::sort(events.begin(), events.end(), comes_before);
  // One event that two units brought as two has one number.
  uint64_t seq = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    if (i > 0 && comes_before(events[i - 1], events[i])) ++seq;
    store_.SetSequence(events[i], seq);
  }
}

// Makes what units have brought whole, before anything else happens to it; none may bring more of
// the same keys.
void PatternOperator::SettleUnits() {
  events_of_ = nullptr;
  known_events_.clear();
  const auto less = [](const auto& a, const auto& b) {
    return std::less<const KeyEntry*>()(a.second, b.second);
  };
  const auto equal = [](const auto& a, const auto& b) { return a.second == b.second; };
  std::sort(restored_.begin(), restored_.end(), less);
  restored_.erase(std::unique(restored_.begin(), restored_.end(), equal), restored_.end());
  for (const auto& [space, entry] : restored_) {
    NumberEvents(entry);
    for (BlockState& state : entry->blocks) matchers_[state.block]->Settle(&state);
    QueueDue(entry, space);
  }
}

void PatternOperator::SettleRestored(cep::MatchSink* out) {
  SettleUnits();
  settled_.insert(settled_.end(), restored_.begin(), restored_.end());
  restored_.clear();
  if (out == nullptr) return;
  for (const auto& [space, entry] : std::exchange(settled_, {})) {
    SaveBefore(entry, space);
    if (resumed_at_ == INT64_MIN && !entry->blocks.empty()) continue;
    for (BlockState& state : entry->blocks) {
      if (state.min_due > resumed_at_) continue;
      Touch(entry, &state, space);
      matchers_[state.block]->ExpireOverdue(resumed_at_, entry->key(), &state, out);
    }
    RemoveEmpty(entry, space);
    QueueDue(entry, space);
  }
}

}  // namespace vigil::patterns
