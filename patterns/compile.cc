// CompilePattern: builds the automaton from the last stage to the first, as Flink 1.20's
// NFACompiler does, because its corner cases (what an optional stage lifts, where a negation is in
// force, which copy waits) follow from that order.
//
// A stage becomes one state per repetition. An optional or looping stage has a twin without the
// kProceed edge, entered when an event is ignored, so that each way out is taken once.
// `not_followed_by` becomes kProceed edges into a stop state from every state in which it is in
// force. Tested by tests/patterns/compile_test.cc and the Flink corpus.

#include "patterns/compile.h"

#include <map>
#include <optional>
#include <set>

#include "cep/base/check.h"

namespace vigil::patterns {
namespace {

constexpr uint32_t kNoState = UINT32_MAX;

// A list of stages being compiled: the pattern itself, or a group's inside.
struct Level {
  const std::vector<Stage>* stages = nullptr;
  const Stage* group = nullptr;  // null for the pattern itself
};

class Compiler {
 public:
  explicit Compiler(const Pattern& pattern) : pattern_(pattern) {}

  StatusOr<Program> Run();

 private:
  // A stage's properties in Flink's terms.
  static bool IsLooping(const Stage& s) { return s.has_times && s.times_max == kUnbounded; }
  static bool IsTimes(const Stage& s) { return s.has_times && s.times_max != kUnbounded; }
  static bool IsOptional(const Stage& s) { return s.optional || (s.has_times && s.times_min == 0); }
  static uint32_t TimesFrom(const Stage& s) { return s.times_min == 0 ? 1 : s.times_min; }
  static uint32_t TimesTo(const Stage& s) { return IsLooping(s) ? TimesFrom(s) : s.times_max; }

  enum class Strategy : uint8_t { kStrict, kSkipTillNext, kSkipTillAny };
  static Strategy OuterStrategy(const Stage& s);
  static Strategy InnerStrategy(const Stage& s);

  const Stage& stage() const { return (*level_.stages)[position_]; }
  const Stage* following() const { return following_; }
  bool IsHeadOfGroup() const { return level_.group != nullptr && position_ == 0; }
  bool GroupIsFirstOfLoop() const;
  bool IsHeadOfOptionalGroup() const {
    return IsHeadOfGroup() && GroupIsFirstOfLoop() && IsOptional(*level_.group);
  }
  void SetFirstOfLoop(bool first);

  // Formulas.
  uint32_t AddFormula(Formula formula);
  uint32_t LeafFormula(const Stage& s, bool is_until);
  uint32_t Not(uint32_t f);
  uint32_t And(uint32_t f, uint32_t g);
  uint32_t NotUntil(const Stage& s, uint32_t f);  // f, unless the stage's until holds
  uint32_t TrueFormula();
  uint32_t TakeFormula(const Stage& s);
  // The condition under which the stage lets an event pass while it waits; none: it does not.
  std::optional<uint32_t> IgnoreFormula(Strategy strategy);
  std::optional<uint32_t> OuterIgnore();
  std::optional<uint32_t> InnerIgnore();

  // States.
  uint32_t NewState(const std::string& name, StateKind kind);
  uint32_t NewStageState(StateKind kind, bool has_step_within);
  uint32_t StopState(uint32_t formula, const Stage& forbidden);
  void AddEdge(uint32_t from, EdgeAction action, uint32_t to, uint32_t formula);
  uint32_t CopyState(uint32_t state);
  uint32_t CopyWithoutTransitiveNots(uint32_t state);

  struct Forbidden {
    uint32_t formula;
    const Stage* stage;
  };
  std::vector<Forbidden> CurrentNots();
  void AddStopStates(uint32_t state);
  void AddStopStateToLoop(uint32_t state);

  uint32_t MiddleStates(uint32_t sink);
  uint32_t NotFollowedByLast(uint32_t sink);
  uint32_t NotNextState(uint32_t sink);
  uint32_t Convert(uint32_t sink);
  uint32_t TimesStates(uint32_t sink, uint32_t proceed);
  uint32_t SingletonState(uint32_t sink, uint32_t proceed, uint32_t take,
                          std::optional<uint32_t> ignore, bool optional);
  void AddOptionalProceed(uint32_t state, uint32_t proceed);
  uint32_t GroupState(uint32_t sink, uint32_t proceed, bool optional);
  uint32_t LoopingGroup(uint32_t sink);
  uint32_t Looping(uint32_t sink);
  void AddGreedyLoopProceed(uint32_t loop, uint32_t sink);
  void RestrictEdges(uint32_t state, uint32_t take);

  // Runs `body` inside the current stage's group.
  template <typename Body>
  uint32_t InsideGroup(Body body);

  bool IgnoresUnmatched() const;

  const Pattern& pattern_;
  Program program_;
  Level level_;
  size_t position_ = 0;
  const Stage* following_ =
      nullptr;  // the stage compiled before this one: the next one in the pattern
  std::map<const Stage*, bool> first_of_loop_;
  std::map<std::string, uint32_t> stop_states_;
  std::map<uint32_t, uint32_t>
      originals_;  // a greedy stage's sink → its copy from before the greedy guard
  std::set<std::string> names_;
  std::map<std::string, int> suffixes_;  // the next suffix to try for a name
  std::map<const Stage*, uint32_t> stage_ids_;
  bool too_many_ = false;
};

Compiler::Strategy Compiler::OuterStrategy(const Stage& s) {
  switch (s.contiguity) {
    case Contiguity::kFollowedBy:
      return Strategy::kSkipTillNext;
    case Contiguity::kFollowedByAny:
      return Strategy::kSkipTillAny;
    default:
      return Strategy::kStrict;
  }
}

Compiler::Strategy Compiler::InnerStrategy(const Stage& s) {
  switch (s.repeat) {
    case Repeat::kRelaxed:
      return Strategy::kSkipTillNext;
    case Repeat::kAny:
      return Strategy::kSkipTillAny;
    case Repeat::kStrict:
      return Strategy::kStrict;
  }
  return Strategy::kSkipTillNext;
}

bool Compiler::GroupIsFirstOfLoop() const {
  const auto it = first_of_loop_.find(level_.group);
  return it == first_of_loop_.end() || it->second;
}

void Compiler::SetFirstOfLoop(bool first) {
  if (stage().is_group()) first_of_loop_[&stage()] = first;
}

// --- formulas
// ---------------------------------------------------------------------------------------------------------

uint32_t Compiler::AddFormula(Formula formula) {
  for (uint32_t i = 0; i < program_.formulas.size(); ++i) {
    const Formula& f = program_.formulas[i];
    if (f.op == formula.op && f.a == formula.a && f.b == formula.b) return i;
  }
  program_.formulas.push_back(formula);
  return static_cast<uint32_t>(program_.formulas.size() - 1);
}

uint32_t Compiler::LeafFormula(const Stage& s, bool is_until) {
  const Leaf leaf{stage_ids_.at(&s), is_until};
  uint32_t i = 0;
  while (i < program_.leaves.size() && !(program_.leaves[i] == leaf)) ++i;
  if (i == program_.leaves.size()) program_.leaves.push_back(leaf);
  return AddFormula({Formula::Op::kLeaf, i, 0});
}

uint32_t Compiler::Not(uint32_t f) { return AddFormula({Formula::Op::kNot, f, 0}); }

uint32_t Compiler::And(uint32_t f, uint32_t g) {
  if (f == kAlways) return g;
  if (g == kAlways) return f;
  return AddFormula({Formula::Op::kAnd, f, g});
}

uint32_t Compiler::NotUntil(const Stage& s, uint32_t f) {
  if (s.until == nullptr) return f;
  return And(Not(LeafFormula(s, true)), f);
}

uint32_t Compiler::TrueFormula() {
  return level_.group == nullptr ? kAlways : NotUntil(*level_.group, kAlways);
}

uint32_t Compiler::TakeFormula(const Stage& s) {
  const uint32_t where = s.is_group() ? kAlways : LeafFormula(s, false);
  return level_.group == nullptr ? where : NotUntil(*level_.group, where);
}

std::optional<uint32_t> Compiler::IgnoreFormula(Strategy strategy) {
  uint32_t formula = kAlways;
  switch (strategy) {
    case Strategy::kStrict:
      return std::nullopt;
    case Strategy::kSkipTillNext:
      formula = stage().is_group() ? kAlways : Not(LeafFormula(stage(), false));
      break;
    case Strategy::kSkipTillAny:
      break;
  }
  return level_.group == nullptr ? formula : NotUntil(*level_.group, formula);
}

std::optional<uint32_t> Compiler::OuterIgnore() {
  Strategy strategy = OuterStrategy(stage());
  if (IsHeadOfGroup()) {
    strategy = GroupIsFirstOfLoop() ? OuterStrategy(*level_.group) : InnerStrategy(*level_.group);
  }
  return IgnoreFormula(strategy);
}

std::optional<uint32_t> Compiler::InnerIgnore() {
  const Strategy strategy = IsHeadOfGroup() ? InnerStrategy(*level_.group) : InnerStrategy(stage());
  std::optional<uint32_t> ignore = IgnoreFormula(strategy);
  if (ignore.has_value()) ignore = NotUntil(stage(), *ignore);
  return ignore;
}

// --- states
// -----------------------------------------------------------------------------------------------------------

uint32_t Compiler::NewState(const std::string& name, StateKind kind) {
  std::string unique = name;
  for (int& n = suffixes_[name]; !names_.insert(unique).second; ++n) {
    unique = name + ":" + std::to_string(n);
  }
  if (program_.states.size() >= kMaxStates) {
    too_many_ = true;
    return 0;
  }
  State state;
  state.name = std::move(unique);
  state.kind = kind;
  program_.states.push_back(std::move(state));
  return static_cast<uint32_t>(program_.states.size() - 1);
}

uint32_t Compiler::NewStageState(StateKind kind, bool has_step_within) {
  const uint32_t id = NewState(stage().name, kind);
  State& state = program_.states[id];
  state.stage = stage().index;
  // With `times`, Flink attaches the step bound only to states whose name has a suffix: all but the
  // one made first.
  const bool is_first = state.name == stage().name;
  if (has_step_within && (!stage().has_times || !is_first)) state.step_within = stage().within_ms;
  return id;
}

uint32_t Compiler::StopState(uint32_t formula, const Stage& forbidden) {
  const auto it = stop_states_.find(forbidden.name);
  if (it != stop_states_.end()) return it->second;
  const uint32_t stop = NewState(forbidden.name, StateKind::kStop);
  program_.states[stop].stage = forbidden.index;
  AddEdge(stop, EdgeAction::kTake, stop, formula);
  stop_states_.emplace(forbidden.name, stop);
  return stop;
}

void Compiler::AddEdge(uint32_t from, EdgeAction action, uint32_t to, uint32_t formula) {
  program_.states[from].edges.push_back({action, to, formula});
}

uint32_t Compiler::CopyState(uint32_t state) {
  const std::string& name = program_.states[state].name;
  const uint32_t copy = NewState(name.substr(0, name.find(':')), program_.states[state].kind);
  program_.states[copy].stage = program_.states[state].stage;
  const std::vector<Edge> edges = program_.states[state].edges;
  for (const Edge& e : edges)
    AddEdge(copy, e.action, e.target == state ? copy : e.target, e.formula);
  return copy;
}

// The way on after an optional stage has accepted an event: the negations before that stage no
// longer hold.
uint32_t Compiler::CopyWithoutTransitiveNots(uint32_t sink) {
  const std::vector<Forbidden> nots = CurrentNots();
  if (nots.empty() || !IsOptional(stage()) || too_many_) return sink;
  const uint32_t copy = NewState(program_.states[sink].name, program_.states[sink].kind);
  program_.states[copy].stage = program_.states[sink].stage;
  const std::vector<Edge> edges = program_.states[sink].edges;
  for (const Edge& edge : edges) {
    if (edge.action != EdgeAction::kProceed) {
      AddEdge(copy, edge.action, edge.target == sink ? copy : edge.target, edge.formula);
      continue;
    }
    uint32_t target = edge.target;
    bool lifted = false;
    if (program_.states[target].kind == StateKind::kStop) {
      for (const Forbidden& f : nots) lifted |= program_.states[target].name == f.stage->name;
    } else {
      target = CopyWithoutTransitiveNots(target);
    }
    if (!lifted) AddEdge(copy, edge.action, target, edge.formula);
  }
  return copy;
}

// The `not_followed_by` stages in force before the current one: directly, or through optional
// stages.
std::vector<Compiler::Forbidden> Compiler::CurrentNots() {
  std::vector<Forbidden> nots;
  for (size_t i = position_; i > 0; --i) {
    const Stage& before = (*level_.stages)[i - 1];
    if (before.contiguity == Contiguity::kNotFollowedBy) {
      nots.push_back({TakeFormula(before), &before});
    } else if (!IsOptional(before)) {
      break;
    }
  }
  return nots;
}

void Compiler::AddStopStates(uint32_t state) {
  for (const Forbidden& f : CurrentNots()) {
    const uint32_t stop = StopState(f.formula, *f.stage);
    AddEdge(state, EdgeAction::kProceed, stop, f.formula);
  }
}

void Compiler::AddStopStateToLoop(uint32_t state) {
  if (following_ == nullptr || following_->contiguity != Contiguity::kNotFollowedBy) return;
  const uint32_t formula = TakeFormula(*following_);
  const uint32_t stop = StopState(formula, *following_);
  AddEdge(state, EdgeAction::kProceed, stop, formula);
}

// --- stages
// -----------------------------------------------------------------------------------------------------------

// All stages of the level but its first, last to second.
uint32_t Compiler::MiddleStates(uint32_t sink) {
  for (position_ = level_.stages->size() - 1; position_ > 0 && !too_many_; --position_) {
    switch (stage().contiguity) {
      case Contiguity::kNotFollowedBy:
        sink = NotFollowedByLast(sink);
        break;
      case Contiguity::kNotNext:
        sink = NotNextState(sink);
        break;
      default:
        sink = Convert(sink);
        break;
    }
    following_ = &stage();
  }
  return sink;
}

// In the middle a `not_followed_by` is only edges (AddStopStates); at the end it waits for its time
// to run out.
uint32_t Compiler::NotFollowedByLast(uint32_t sink) {
  const bool is_timed = stage().within_ms > 0 || pattern_.within_ms > 0;
  if (!is_timed || program_.states[sink].kind != StateKind::kFinal) return sink;
  const uint32_t pending = NewStageState(StateKind::kPending, true);
  const uint32_t formula = TakeFormula(stage());
  AddEdge(pending, EdgeAction::kProceed, StopState(formula, stage()), formula);
  AddEdge(pending, EdgeAction::kIgnore, pending, Not(formula));
  return pending;
}

uint32_t Compiler::NotNextState(uint32_t sink) {
  const uint32_t state = NewStageState(StateKind::kNormal, true);
  const uint32_t formula = TakeFormula(stage());
  const uint32_t stop = StopState(formula, stage());
  // At the end an event must come, and not be the forbidden one: kProceed would complete at once.
  const bool is_last = program_.states[sink].kind == StateKind::kFinal;
  AddEdge(state, is_last ? EdgeAction::kIgnore : EdgeAction::kProceed, sink, Not(formula));
  AddEdge(state, EdgeAction::kProceed, stop, formula);
  return state;
}

uint32_t Compiler::Convert(uint32_t sink) {
  uint32_t first;
  if (IsLooping(stage())) {
    SetFirstOfLoop(false);
    const uint32_t loop = Looping(CopyWithoutTransitiveNots(sink));
    SetFirstOfLoop(true);
    first = TimesStates(loop, sink);
  } else if (IsTimes(stage())) {
    first = TimesStates(sink, sink);
  } else {
    first = SingletonState(sink, sink, TakeFormula(stage()), OuterIgnore(), IsOptional(stage()));
  }
  AddStopStates(first);
  return first;
}

// One state per required and per optional repetition, the first with the stage's own contiguity.
uint32_t Compiler::TimesStates(uint32_t sink, uint32_t proceed) {
  const Stage& s = stage();
  SetFirstOfLoop(false);
  const std::optional<uint32_t> inner = InnerIgnore();
  const uint32_t take = NotUntil(s, TakeFormula(s));
  if (s.greedy && TimesFrom(s) != TimesTo(s)) {
    if (s.until != nullptr) originals_[sink] = CopyState(sink);
    RestrictEdges(sink, take);
  }
  uint32_t last = sink;
  for (uint32_t i = TimesFrom(s); i < TimesTo(s) && !too_many_; ++i) {
    last = SingletonState(last, proceed, take, inner, true);
    AddStopStateToLoop(last);
  }
  for (uint32_t i = 0; i + 1 < TimesFrom(s) && !too_many_; ++i) {
    last = SingletonState(last, kNoState, take, inner, false);
    AddStopStateToLoop(last);
  }
  SetFirstOfLoop(true);
  return SingletonState(last, proceed, take, OuterIgnore(), IsOptional(s));
}

uint32_t Compiler::SingletonState(uint32_t sink, uint32_t proceed, uint32_t take,
                                  std::optional<uint32_t> ignore, bool optional) {
  if (stage().is_group()) return GroupState(sink, proceed, optional);
  const uint32_t state = NewStageState(StateKind::kNormal, true);
  const uint32_t next = CopyWithoutTransitiveNots(sink);
  AddEdge(state, EdgeAction::kTake, next, take);
  if (optional) AddOptionalProceed(state, proceed);
  if (ignore.has_value()) {
    uint32_t waiting = state;
    if (optional || IsHeadOfOptionalGroup()) {
      waiting = NewStageState(StateKind::kNormal, false);
      AddEdge(waiting, EdgeAction::kTake, next, take);
      AddEdge(waiting, EdgeAction::kIgnore, waiting, *ignore);
      AddStopStates(waiting);
    }
    AddEdge(state, EdgeAction::kIgnore, waiting, *ignore);
  }
  return state;
}

void Compiler::AddOptionalProceed(uint32_t state, uint32_t proceed) {
  const uint32_t always = TrueFormula();
  if (!stage().greedy || stage().until == nullptr) {
    AddEdge(state, EdgeAction::kProceed, proceed, always);
    return;
  }
  const uint32_t until = LeafFormula(stage(), true);
  // Where only the loop's own way out is guarded (it lifts negations), Flink has no such original
  // and fails; `proceed` itself is one.
  const auto original = originals_.find(proceed);
  AddEdge(state, EdgeAction::kProceed, original != originals_.end() ? original->second : proceed,
          And(always, until));
  AddEdge(state, EdgeAction::kProceed, proceed, And(always, Not(until)));
}

template <typename Body>
uint32_t Compiler::InsideGroup(Body body) {
  const Level outer_level = level_;
  const size_t outer_position = position_;
  const Stage* outer_following = following_;
  const Stage& group = stage();
  level_ = {&group.group, &group};
  const uint32_t state = body();
  level_ = outer_level;
  position_ = outer_position;
  following_ = outer_following;
  return state;
}

uint32_t Compiler::GroupState(uint32_t sink, uint32_t proceed, bool optional) {
  const uint32_t always = TrueFormula();
  return InsideGroup([&] {
    uint32_t first = Convert(MiddleStates(sink));
    if (optional) AddEdge(first, EdgeAction::kProceed, proceed, always);
    return first;
  });
}

uint32_t Compiler::LoopingGroup(uint32_t sink) {
  const uint32_t always = TrueFormula();
  const uint32_t round_end = NewStageState(StateKind::kNormal, false);
  return InsideGroup([&] {
    const uint32_t first = Convert(MiddleStates(round_end));
    AddEdge(first, EdgeAction::kProceed, sink, always);
    AddEdge(round_end, EdgeAction::kProceed, first, always);
    return first;
  });
}

// The state that repeats: kTake to itself, kProceed out of the loop.
uint32_t Compiler::Looping(uint32_t sink) {
  if (stage().is_group()) return LoopingGroup(sink);
  const std::optional<uint32_t> ignore = InnerIgnore();
  const uint32_t take = NotUntil(stage(), TakeFormula(stage()));
  const uint32_t loop = NewStageState(StateKind::kNormal, true);
  if (stage().greedy) {
    AddGreedyLoopProceed(loop, sink);
  } else {
    AddEdge(loop, EdgeAction::kProceed, sink, TrueFormula());
  }
  AddEdge(loop, EdgeAction::kTake, loop, take);
  AddStopStateToLoop(loop);
  if (ignore.has_value()) {
    const uint32_t waiting = NewStageState(StateKind::kNormal, false);
    AddEdge(waiting, EdgeAction::kTake, loop, take);
    AddEdge(waiting, EdgeAction::kIgnore, waiting, *ignore);
    AddEdge(loop, EdgeAction::kIgnore, waiting, *ignore);
    AddStopStateToLoop(waiting);
  }
  return loop;
}

void Compiler::AddGreedyLoopProceed(uint32_t loop, uint32_t sink) {
  const uint32_t always = TrueFormula();
  uint32_t proceed = always;
  if (stage().until != nullptr) {
    const uint32_t until = LeafFormula(stage(), true);
    const uint32_t copy = CopyState(sink);
    AddEdge(loop, EdgeAction::kProceed, copy, And(always, until));
    originals_[sink] = copy;
    proceed = And(always, Not(until));
  }
  AddEdge(loop, EdgeAction::kProceed, sink, proceed);
  RestrictEdges(sink, TakeFormula(stage()));
}

// Greedy: whatever the state does, it does only with events that the greedy stage does not accept.
void Compiler::RestrictEdges(uint32_t state, uint32_t take) {
  const uint32_t guard = Not(take);
  for (Edge& edge : program_.states[state].edges) edge.formula = And(edge.formula, guard);
}

// --- the whole
// --------------------------------------------------------------------------------------------------------

// True if each state that a partial match can wait in then does nothing but ignore into itself.
bool Compiler::IgnoresUnmatched() const {
  for (uint32_t i = 0; i < program_.states.size(); ++i) {
    const State& state = program_.states[i];
    if (i == program_.start || state.kind == StateKind::kFinal || state.kind == StateKind::kStop)
      continue;
    bool ignores = false;
    for (const Edge& edge : state.edges) {
      if (!program_.HoldsUnmatched(edge.formula)) continue;
      if (edge.action != EdgeAction::kIgnore || edge.target != i) return false;
      ignores = true;
    }
    if (!ignores) return false;
  }
  return true;
}

StatusOr<Program> Compiler::Run() {
  program_.formulas.push_back({});
  program_.within = pattern_.within_ms;
  program_.after_match = pattern_.after_match;
  const std::vector<const Stage*> stages = FlattenStages(pattern_);
  for (uint32_t id = 0; id < stages.size(); ++id) {
    stage_ids_.emplace(stages[id], id);
    if (stages[id]->is_group()) continue;
    ++program_.stage_count;
    if (stages[id]->name == pattern_.after_match.stage) program_.skip_stage = static_cast<int>(id);
  }
  level_ = {&pattern_.stages, nullptr};
  const uint32_t final_state = NewState("$end", StateKind::kFinal);
  program_.start = Convert(MiddleStates(final_state));
  if (too_many_) {
    return absl::InvalidArgumentError("the pattern has more than 65,535 states");
  }
  program_.ignores_unmatched = IgnoresUnmatched();
  return std::move(program_);
}

}  // namespace

StatusOr<Program> CompilePattern(const Pattern& pattern) {
  CEP_CHECK(!pattern.stages.empty());
  return Compiler(pattern).Run();
}

}  // namespace vigil::patterns
