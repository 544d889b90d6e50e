#include "patterns/matcher.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "cep/base/check.h"
#include "cep/base/hash.h"
#include "cep/event/number_compare.h"
#include "cep/time/watermark.h"

namespace vigil::patterns {
namespace {

// Texts of up to so many bytes are operands as they are.
constexpr uint32_t kShortText = 7;
constexpr uint64_t kSign = uint64_t{1} << 63;

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? kNever : sum;
}

// Up to kShortText bytes, the first one lowest.
uint64_t LoadShort(const char* text, uint32_t size) {
  const auto at = [text](uint32_t i) { return uint64_t{static_cast<uint8_t>(text[i])}; };
  if (size >= 4) {
    uint32_t first;
    uint32_t last;
    std::memcpy(&first, text, 4);
    std::memcpy(&last, text + size - 4, 4);
    return first | uint64_t{last} << (8 * (size - 4));
  }
  if (size == 0) return 0;
  return at(0) | at(size / 2) << (8 * (size / 2)) | at(size - 1) << (8 * (size - 1));
}

// Takes the rules off all matches that began before `seq` (or at it).
template <typename List>
void Prune(uint64_t seq, bool inclusive, uint64_t rules, List* runs) {
  for (Run& run : *runs) {
    if (run.start_seq < seq || (inclusive && run.start_seq == seq)) run.rules &= ~rules;
  }
}

void CollectLeaves(const Program& program, uint32_t formula, std::vector<uint32_t>* leaves) {
  const Formula& f = program.formulas[formula];
  if (f.op == Formula::Op::kLeaf) leaves->push_back(f.a);
  if (f.op == Formula::Op::kNot || f.op == Formula::Op::kAnd) CollectLeaves(program, f.a, leaves);
  if (f.op == Formula::Op::kAnd) CollectLeaves(program, f.b, leaves);
}

// Calls row_bits(word) for each word of `rows` and adds what it returns.
template <typename F>
void OrWords(F row_bits, cep::RowBits* rows) {
  for (uint32_t w = 0; w < cep::RowBits::kWords; ++w) rows->words[w] |= row_bits(w);
}

// Where the leaf may hold, or fail, for some rule of the block.
void OrPossibleRows(const LeafPredicate& leaf, const PredicateResults& results,
                    cep::RowBits* rows) {
  switch (leaf.kind) {
    case LeafPredicate::Kind::kShared: {
      const cep::RowBits& no = results.of(leaf.shared).no;
      return OrWords([&](uint32_t w) { return ~no.words[w]; }, rows);
    }
    case LeafPredicate::Kind::kThreshold: {
      const cep::RowBits& no = results.of(leaf.shared).no;
      const cep::RowBits& loosest = results.of(leaf.loosest).no;
      return OrWords([&](uint32_t w) { return ~no.words[w] & ~loosest.words[w]; }, rows);
    }
    case LeafPredicate::Kind::kIndexed: {
      const cep::RowBits& failed = results.hits(leaf.index).failed;
      const cep::RowBits& possible = results.hits(leaf.index).possible[leaf.member];
      return OrWords([&](uint32_t w) { return possible.words[w] | failed.words[w]; }, rows);
    }
    case LeafPredicate::Kind::kPerRule:
      for (const uint32_t id : leaf.per_rule) {
        const cep::RowBits& no = results.of(id).no;
        OrWords([&](uint32_t w) { return ~no.words[w]; }, rows);
      }
      return;
  }
}

}  // namespace

Matcher::Matcher(const RuleBlock& block, const PredicateSet& predicates,
                 const PredicateResults& results, MatchStore* store)
    : block_(block),
      live_(block.all),
      predicates_(predicates),
      results_(results),
      store_(store),
      skips_(block.program.after_match.kind != SkipKind::kNoSkip),
      counters_(block.rules.size()),
      cache_(block.program.leaves.size()),
      emitted_(block.rules.size()),
      evidence_(block.rules.size()),
      stages_(block.program.stage_count) {
  bool has_pending = false;
  for (const State& state : block.program.states) {
    has_step_within_ |= state.step_within > 0;
    has_pending |= state.kind == StateKind::kPending;
  }
  ends_silently_ = !block.emit_timeouts && !has_pending && !has_step_within_ && !has_ttl();
  has_due_ = block.program.within > 0 || has_step_within_;
  ClassifyStates();
  FindPlainStart();
}

// Finds for each state what an unmatched event does there. A state with a kProceed edge that such
// an event would follow needs a full step.
void Matcher::ClassifyStates() {
  constexpr size_t kMaxClassified =
      32;  // of more, the bits would cost more to compute than they save
  const Program& program = block_.program;
  if (program.states.size() > kMaxClassified) return;
  state_rows_.resize(program.states.size());
  for (uint32_t s = 0; s < program.states.size(); ++s) {
    StateRows& rows = state_rows_[s];
    rows.unmatched = Outcome::kDies;
    for (const Edge& edge : program.states[s].edges) {
      CollectLeaves(program, edge.formula, &rows.leaves);
      if (!program.HoldsUnmatched(edge.formula)) continue;
      const bool is_self_ignore = edge.action == EdgeAction::kIgnore && edge.target == s;
      rows.unmatched =
          is_self_ignore && rows.unmatched == Outcome::kDies ? Outcome::kStays : Outcome::kStep;
      if (rows.unmatched == Outcome::kStep) break;
    }
    std::sort(rows.leaves.begin(), rows.leaves.end());
    rows.leaves.erase(std::unique(rows.leaves.begin(), rows.leaves.end()), rows.leaves.end());
    if (rows.unmatched != Outcome::kStep) FindComparisons(&rows);
  }
}

void Matcher::FindPlainStart() {
  const Program& program = block_.program;
  const State& start = program.states[program.start];
  const Edge* take = nullptr;
  for (const Edge& edge : start.edges) {
    if (edge.action == EdgeAction::kIgnore) continue;  // of no match that has not started
    if (edge.action == EdgeAction::kProceed || take != nullptr) return;
    take = &edge;
  }
  if (take == nullptr || program.formulas[take->formula].op != Formula::Op::kLeaf) return;
  if (block_.limits.events_per_match == 0) return;
  const State& target = program.states[take->target];
  if (target.kind != StateKind::kNormal) return;
  for (const Edge& edge : target.edges) {
    if (edge.action == EdgeAction::kProceed) return;  // the end may be reached at once
  }
  if (!state_rows_.empty()) {
    StateRows& rows = state_rows_[take->target];
    const std::span<const Comparison> comparisons = rows.All();
    rows.compares_with_start =
        std::all_of(comparisons.begin(), comparisons.end(), [&](const Comparison& what) {
          return what.stage == start.stage && what.stage_slot == what.slot;
        });
  }
  has_plain_start_ = true;
  plain_start_ = {program.formulas[take->formula].a, take->target, start.stage};
}

// Takes one leaf that compares the event with earlier ones aside, if there is any.
void Matcher::FindComparisons(StateRows* rows) const {
  for (const uint32_t leaf : rows->leaves) {
    const LeafPredicate& predicate = block_.leaves[leaf];
    if (predicate.correlated == nullptr) continue;
    for (const cep::StageComparison& what : predicate.correlated->needed()) {
      if (rows->compared < kRunOperands) rows->comparisons[rows->compared++] = Comparison(what);
    }
    if (rows->compared == 0) continue;
    rows->compared_leaf = static_cast<int>(leaf);
    std::erase(rows->leaves, leaf);
    return;
  }
}

void Matcher::BeginRows(uint32_t rows) {
  for (StateRows& state : state_rows_) {
    if (state.unmatched == Outcome::kStep) continue;
    state.possible.Clear();
    for (uint32_t leaf : state.leaves)
      OrPossibleRows(block_.leaves[leaf], results_, &state.possible);
    if (state.compared_leaf < 0) continue;
    state.compared_possible.Clear();
    OrPossibleRows(block_.leaves[static_cast<size_t>(state.compared_leaf)], results_,
                   &state.compared_possible);
  }
  start_rows_.Clear();
  touched_rows_.Clear();
  // With a `ttl` it counts when the key saw its last event, whatever that was.
  const bool touches_all = !block_.program.ignores_unmatched || has_ttl();
  if (starts_) {
    for (uint32_t leaf : block_.start_leaves)
      OrPossibleRows(block_.leaves[leaf], results_, &start_rows_);
  }
  if (!touches_all) {
    for (const LeafPredicate& leaf : block_.leaves) OrPossibleRows(leaf, results_, &touched_rows_);
  }
  for (uint32_t w = 0; w < cep::RowBits::kWords; ++w) {
    if (block_.starts_always && starts_) start_rows_.words[w] = ~uint64_t{0};
    if (touches_all) touched_rows_.words[w] = ~uint64_t{0};
    touched_rows_.words[w] |= start_rows_.words[w];
    const uint32_t base = w * 64;
    const uint64_t valid = rows >= base + 64 ? ~uint64_t{0}
                           : rows <= base    ? 0
                                             : (uint64_t{1} << (rows - base)) - 1;
    start_rows_.words[w] &= valid;
    touched_rows_.words[w] &= valid;
  }
  if (!members_.empty()) BeginFamilyRows();
}

void Matcher::BeginFamilyRows() {
  split_rows_.Clear();
  for (size_t l = 0; l < block_.leaves.size(); ++l) {
    const LeafPredicate& leaf = block_.leaves[l];
    if (!leaf.differs) {
      for (uint32_t w = 0; w < cep::RowBits::kWords; ++w) {
        const TriBits& bits = results_.of(leaf.shared);
        split_rows_.words[w] |= ~bits.yes.words[w] & ~bits.no.words[w];
      }
      continue;
    }
    for (const Matcher* member : members_) {
      OrPossibleRows(member->block_.leaves[l], results_, &split_rows_);
    }
  }
}

void Matcher::Split(BlockState* from, std::vector<BlockState>* states) {
  states->clear();
  states->resize(members_.size());
  for (size_t m = 0; m < members_.size(); ++m) {
    const uint64_t all = members_[m]->live_;
    if (all == 0) continue;
    const auto share = [&](Run run) {
      CEP_DCHECK(run.rules == block_.all);
      run.rules = all;
      store_->Ref(run.node);
      return run;
    };
    BlockState& to = (*states)[m];
    to.min_due = from->min_due;
    for (const Run& run : from->runs) to.runs.push_back(share(run), store_->memory());
    if (from->rare == nullptr) continue;
    to.Rare().last_seen = from->rare->last_seen;
    for (const Run& run : from->rare->held) to.rare->held.push_back(share(run));
  }
  for (const Run& run : from->runs) store_->Unref(run.node);
  from->runs.truncate(0);
  if (from->has_held()) {
    for (const Run& run : from->rare->held) store_->Unref(run.node);
  }
  from->rare.reset();
}

// --- conditions
// -------------------------------------------------------------------------------------------------------

Matcher::LeafMask Matcher::ThresholdMask(const LeafPredicate& leaf, uint32_t row) const {
  const TriBits& common = results_.of(leaf.shared);
  if (common.no.Test(row)) return {};
  const cep::Value value = context_->rows->columns[leaf.threshold.slot].Get(row);
  if (value.tag != cep::ValueTag::kInt && value.tag != cep::ValueTag::kDouble)
    return {0, block_.all};
  if (value.tag == cep::ValueTag::kDouble && value.d != value.d) return {};
  const auto order = [&value](double c) {
    if (value.tag == cep::ValueTag::kInt) return cep::CompareIntDouble(value.i, c);
    return value.d < c   ? cep::Ordering::kLess
           : value.d > c ? cep::Ordering::kGreater
                         : cep::Ordering::kEqual;
  };
  // `below`: constants that come before the value; `upto`: those and the equal ones.
  const auto& constants = leaf.constants;
  const auto below =
      std::partition_point(constants.begin(), constants.end(),
                           [&](double c) { return order(c) == cep::Ordering::kGreater; }) -
      constants.begin();
  const auto upto =
      std::partition_point(constants.begin() + below, constants.end(),
                           [&](double c) { return order(c) == cep::Ordering::kEqual; }) -
      constants.begin();
  uint64_t holds = 0;
  switch (leaf.threshold.op) {
    case cep::CompareOp::kGt:
      holds = leaf.prefix[static_cast<size_t>(below)];
      break;
    case cep::CompareOp::kGe:
      holds = leaf.prefix[static_cast<size_t>(upto)];
      break;
    case cep::CompareOp::kLt:
      holds = block_.all & ~leaf.prefix[static_cast<size_t>(upto)];
      break;
    default:
      holds = block_.all & ~leaf.prefix[static_cast<size_t>(below)];
      break;
  }
  return common.yes.Test(row) ? LeafMask{holds, 0} : LeafMask{0, holds};
}

Matcher::LeafMask Matcher::IndexedMask(const LeafPredicate& leaf, uint32_t row) const {
  const TriBits& common = results_.of(leaf.shared);
  if (common.no.Test(row)) return {};
  if (results_.hits(leaf.index).failed.Test(row)) return {0, block_.all};
  const uint64_t holds = results_.IndexedRules(leaf.index, leaf.member, row);
  return common.yes.Test(row) ? LeafMask{holds, 0} : LeafMask{0, holds};
}

Matcher::LeafMask Matcher::UnaryMask(const LeafPredicate& leaf, uint32_t row) const {
  switch (leaf.kind) {
    case LeafPredicate::Kind::kShared: {
      const TriBits& bits = results_.of(leaf.shared);
      if (bits.yes.Test(row)) return {block_.all, 0};
      return {0, bits.no.Test(row) ? 0 : block_.all};
    }
    case LeafPredicate::Kind::kThreshold:
      return ThresholdMask(leaf, row);
    case LeafPredicate::Kind::kIndexed:
      return IndexedMask(leaf, row);
    case LeafPredicate::Kind::kPerRule:
      break;
  }
  LeafMask mask;
  for (uint32_t bit = 0; bit < leaf.per_rule.size(); ++bit) {
    const TriBits& bits = results_.of(leaf.per_rule[bit]);
    if (bits.yes.Test(row)) {
      mask.yes |= uint64_t{1} << bit;
    } else if (!bits.no.Test(row)) {
      mask.error |= uint64_t{1} << bit;
    }
  }
  return mask;
}

// Reports a failed evaluation: counted for every rule, described as long as samples are wanted.
void Matcher::CountErrors(uint32_t leaf_index, uint64_t rules) {
  ForEachRule(rules, [&](Matcher& matcher, uint32_t bit) {
    const LeafPredicate& leaf = matcher.block_.leaves[leaf_index];
    ++matcher.counters_[bit].evaluation_errors;
    const uint32_t rule = matcher.block_.rules[bit];
    const uint32_t id =
        leaf.kind == LeafPredicate::Kind::kPerRule ? leaf.per_rule[bit] : leaf.shared;
    const std::string& text = leaf.correlated != nullptr                   ? leaf.correlated->text()
                              : leaf.kind == LeafPredicate::Kind::kIndexed ? leaf.texts[bit]
                                                                           : predicates_.text(id);
    if (block_.on_error != OnError::kQuarantine && !out_->WantsRuleError(rule, text)) return;
    const cep::OrderedBlock& rows = *context_->rows;
    const uint32_t row = context_->row;
    const cep::RowRef ref = rows.refs[row];
    std::string reason;
    if (results_.of(id).IsError(row)) {
      reason = results_.ExplainError(id, rows, row);
    } else if (leaf.kind == LeafPredicate::Kind::kThreshold &&
               results_.of(leaf.loosest).IsError(row)) {
      reason = results_.ExplainError(leaf.loosest, rows, row);
    } else if (leaf.kind == LeafPredicate::Kind::kIndexed &&
               results_.hits(leaf.index).failed.Test(row)) {
      reason = results_.ExplainIndexError(leaf.index, rows, row);
    } else if (leaf.correlated != nullptr) {
      cep::EvalContext eval{&rows, row, nullptr, stages_.data(), &arena_};
      const cep::Value value = leaf.correlated->Eval(eval);
      reason = value.is_error() ? std::string(value.text()) : "the result is not a bool";
    }
    cep::RuleError error;
    error.rule = rule;
    error.instant = context_->ts;
    error.partition = ref.batch->partitions[ref.row];
    error.offset = ref.batch->offsets[ref.row];
    error.expression = text;
    error.reason = reason;
    error.raw = ref.batch->raw[ref.row];
    out_->OnRuleError(error);
  });
}

// Lays out the run's events stage by stage, oldest first.
void Matcher::FillStages(const Run& run) {
  if (stages_epoch_ == run_epoch_) return;
  stages_epoch_ = run_epoch_;
  for (cep::StageEvents& stage : stages_) stage = {};
  uint32_t total = 0;
  for (uint32_t n = run.node; n != kNoNode; n = store_->node(n).parent) {
    ++stages_[store_->node(n).stage].count;
    ++total;
  }
  stage_events_.resize(total);
  const cep::CapturedEvent** end = stage_events_.data();
  for (cep::StageEvents& stage : stages_) {
    end += stage.count;
    stage.events = end;  // moved down to its first event below
  }
  for (uint32_t n = run.node; n != kNoNode; n = store_->node(n).parent) {
    const PathNode node = store_->node(n);
    auto** place = const_cast<const cep::CapturedEvent**>(--stages_[node.stage].events);
    *place = &store_->EventOf(node);
  }
}

uint64_t Matcher::Correlated(const LeafPredicate& leaf, const Run& run, LeafMask unary,
                             uint64_t* errors) {
  if ((unary.yes | unary.error) == 0) return 0;
  FillStages(run);
  const cep::EvalContext eval{context_->rows, context_->row, nullptr, stages_.data(), &arena_};
  switch (leaf.correlated->EvalBool(eval)) {
    case cep::Tri::kTrue:
      *errors = unary.error;
      return unary.yes;
    case cep::Tri::kFalse:
      *errors = 0;
      return 0;
    case cep::Tri::kError:
      *errors = unary.yes | unary.error;
      return 0;
  }
  return 0;
}

// For which rules of the run the leaf holds, errors resolved as the rules say.
uint64_t Matcher::LeafYes(uint32_t index, const Run& run) {
  LeafCache& cache = cache_[index];
  if (cache.run_epoch == run_epoch_) return cache.yes;
  const LeafPredicate& leaf = block_.leaves[index];
  cache.run_epoch = run_epoch_;
  cache.yes = 0;
  if (((context_->variants >> leaf.variant) & 1) == 0) return 0;
  if (refuses_ && !leaf.is_until) return 0;
  const bool first_time = !cache.has_unary;
  if (first_time) {
    cache.unary = UnaryMask(leaf, context_->row);
    cache.has_unary = true;
  }
  LeafMask mask{cache.unary.yes & run.rules, cache.unary.error & run.rules};
  if (leaf.correlated != nullptr) {
    uint64_t errors = 0;
    mask.yes = Correlated(leaf, run, mask, &errors);
    mask.error = errors;
    if (errors != 0) CountErrors(index, errors);
  } else if (uint64_t fresh = mask.error & ~cache.counted; fresh != 0) {
    cache.counted |= fresh;
    CountErrors(index, fresh);
  }
  cache.yes = block_.on_error == OnError::kMatch ? mask.yes | mask.error : mask.yes;
  return cache.yes;
}

uint64_t Matcher::Evaluate(uint32_t formula, uint64_t rules, const Run& run) {
  const Formula& f = block_.program.formulas[formula];
  switch (f.op) {
    case Formula::Op::kTrue:
      return rules;
    case Formula::Op::kLeaf:
      return LeafYes(f.a, run) & rules;
    case Formula::Op::kNot:
      return rules & ~Evaluate(f.a, rules, run);
    case Formula::Op::kAnd: {
      const uint64_t left = Evaluate(f.a, rules, run);
      return left == 0 ? 0 : Evaluate(f.b, left, run);
    }
  }
  return 0;
}

// --- one event
// --------------------------------------------------------------------------------------------------------

// The take and ignore edges that the run follows, through kProceed edges. A state is entered once
// per rule: looping groups that can be empty have cycles of kProceed edges.
void Matcher::CollectEdges(const Run& run) {
  edges_.clear();
  visits_.clear();
  seen_.clear();
  visits_.push_back({run.state, run.rules});
  while (!visits_.empty()) {
    const Visit visit = visits_.back();
    visits_.pop_back();
    const State& state = block_.program.states[visit.state];
    for (const Edge& edge : state.edges) {
      uint64_t rules = Evaluate(edge.formula, visit.rules, run);
      if (rules == 0) continue;
      if (edge.action != EdgeAction::kProceed) {
        edges_.push_back({edge.action, edge.target, state.stage, rules});
        continue;
      }
      for (const Visit& seen : seen_) {
        if (seen.state == edge.target) rules &= ~seen.rules;
      }
      if (rules == 0) continue;
      seen_.push_back({edge.target, rules});
      visits_.push_back({edge.target, rules});
    }
  }
}

// For which rules the end can be reached from `state` without another event. Asked of the event
// just accepted, with the run as it was before: so Flink does.
uint64_t Matcher::ReachesFinal(uint32_t from, uint64_t rules, const Run& run) {
  const std::vector<State>& states = block_.program.states;
  uint64_t reached = 0;
  visits_.clear();
  seen_.clear();
  visits_.push_back({from, rules});
  while (!visits_.empty()) {
    const Visit visit = visits_.back();
    visits_.pop_back();
    for (const Edge& edge : states[visit.state].edges) {
      if (edge.action != EdgeAction::kProceed) continue;
      uint64_t mask = Evaluate(edge.formula, visit.rules, run);
      if (states[edge.target].kind == StateKind::kFinal) {
        reached |= mask;
        continue;
      }
      for (const Visit& seen : seen_) {
        if (seen.state == edge.target) mask &= ~seen.rules;
      }
      if (mask == 0) continue;
      seen_.push_back({edge.target, mask});
      visits_.push_back({edge.target, mask});
    }
  }
  return reached;
}

// Adds what the event makes of one run to children_.
void Matcher::Step(const Run& run, bool is_start) {
  ++run_epoch_;
  const std::vector<State>& states = block_.program.states;
  CollectEdges(run);
  const size_t first = children_.size();
  uint64_t forbidden = 0;
  for (const Taken& edge : edges_) {
    const StateKind target = states[edge.target].kind;
    if (edge.action == EdgeAction::kIgnore) {
      if (is_start) continue;
      Child child{run, false, target == StateKind::kFinal, 0, 0};
      child.run.state = static_cast<uint16_t>(edge.target);
      child.run.rules = edge.rules;
      children_.push_back(child);
      continue;
    }
    if (target == StateKind::kStop) {
      forbidden |= edge.rules;
      continue;
    }
    Child child{run, true, target == StateKind::kFinal, takes_++, edge.stage};
    child.run.state = static_cast<uint16_t>(edge.target);
    child.run.rules = edge.rules;
    if (is_start) {
      child.run.start_ts = context_->ts;
      child.run.start_seq = context_->seq;
    }
    children_.push_back(child);
    if (child.is_final) continue;
    const uint64_t complete = ReachesFinal(edge.target, edge.rules, run);
    if (complete == 0) continue;
    child.run.rules = complete;
    child.is_final = true;
    children_.push_back(child);
  }
  if (forbidden == 0) return;
  // What has completed stays so; the rest of this partial match is discarded.
  for (size_t i = first; i < children_.size(); ++i) {
    if (!children_[i].is_final) children_[i].run.rules &= ~forbidden;
  }
}

inline Matcher::Operand Matcher::OperandOf(int64_t value) {
  return {std::bit_cast<uint64_t>(value) ^ kSign, true};
}

inline Matcher::Operand Matcher::OperandOf(double value) {
  const auto bits = std::bit_cast<uint64_t>(value + 0.0);  // of both zeros, the positive one
  return {(bits & kSign) != 0 ? ~bits : bits | kSign, value == value};
}

// Texts of up to 7 bytes are themselves, so unequal operands mean unequal texts and equal ones
// equal texts; of longer ones only the former holds.
inline Matcher::Operand Matcher::OperandOf(std::string_view value) {
  if (value.size() <= kShortText) {
    const auto size = static_cast<uint32_t>(value.size());
    return {LoadShort(value.data(), size) | uint64_t{size} << 56, true};
  }
  return {Hash64(value) | uint64_t{0xFF} << 56, true};
}

// A field in 8 bytes.
Matcher::Operand Matcher::OperandOf(const cep::Value& value, cep::ColumnKind kind) {
  if (kind == cep::ColumnKind::kInt && value.tag == cep::ValueTag::kInt) return OperandOf(value.i);
  if (kind == cep::ColumnKind::kDouble && value.tag == cep::ValueTag::kDouble) {
    return OperandOf(value.d);
  }
  if (kind == cep::ColumnKind::kString && value.tag == cep::ValueTag::kString) {
    return OperandOf(value.text());
  }
  return {};
}

// The same of a row.
inline Matcher::Operand Matcher::OperandOf(const cep::Column& column, uint32_t row,
                                           cep::ColumnKind kind) {
  if (!column.all_present() || column.kind() != kind) [[unlikely]] {
    return OperandOf(column.Get(row), kind);
  }
  switch (kind) {
    case cep::ColumnKind::kInt:
      return OperandOf(column.ints()[row]);
    case cep::ColumnKind::kDouble:
      return OperandOf(column.doubles()[row]);
    case cep::ColumnKind::kString:
      return OperandOf(column.strings()[row]);
    default:
      return {};
  }
}

Matcher::Comparison::Comparison(const cep::StageComparison& what) : cep::StageComparison(what) {
  constexpr uint64_t kAll = UINT64_MAX;
  switch (what.op) {
    case cep::CompareOp::kEq:  // false outside of the row's own
      low_mask = kAll;
      break;
    case cep::CompareOp::kNe:  // texts are compared for equality only
      low_mask = kAll;
      is_inside = 1;
      if (what.kind == cep::ColumnKind::kString) most_high = kShortText;
      break;
    case cep::CompareOp::kLt:  // false from 0 to it
    case cep::CompareOp::kGe:  // ... or behind that
      width_mask = kAll;
      is_inside = what.op == cep::CompareOp::kLt ? 1 : 0;
      break;
    case cep::CompareOp::kLe:  // false before it
    case cep::CompareOp::kGt:  // ... or from it to the end
      low_mask = width_mask = width_flip = kAll;
      is_inside = what.op == cep::CompareOp::kGt ? 1 : 0;
      break;
    case cep::CompareOp::kIn:
    case cep::CompareOp::kStartsWith:
      most_high = -1;  // no such comparison says anything here
      break;
  }
}

inline Matcher::FalseRange Matcher::Comparison::FalseFor(const Operand& row) const {
  if (!row.is_known || static_cast<int>(row.bits >> 56) > most_high) return {};
  return {row.bits & low_mask, (row.bits ^ width_flip) & width_mask, is_inside};
}

// What the row does to the runs of a state; kCompare: that depends on their operands.
const Matcher::Judgement& Matcher::Judge(StateRows* rows) const {
  Judgement& judged = rows->judged;
  if (judged.seq == context_->seq) return judged;
  judged.seq = context_->seq;
  const uint32_t row = context_->row;
  if (rows->unmatched == Outcome::kStep || rows->possible.Test(row)) {
    judged.outcome = Outcome::kStep;
    return judged;
  }
  if (rows->compared_leaf < 0 || !rows->compared_possible.Test(row)) {
    judged.outcome = rows->unmatched;
    return judged;
  }
  judged.outcome = Outcome::kCompare;
  uint32_t known = 0;
  for (uint32_t i = 0; i < rows->compared; ++i) {
    const Comparison& what = rows->comparisons[i];
    const Operand operand = OperandOf(context_->rows->columns[what.slot], row, what.kind);
    judged.operands[i] = operand.bits;
    known |= uint32_t{operand.is_known} << i;
    judged.is_false[i] = what.FalseFor(operand);
  }
  judged.known = static_cast<uint16_t>(known);
  return judged;
}

// Sets what the run's state will compare events with.
void Matcher::FillOperands(Run* run) {
  run->known = 0;
  if (state_rows_.empty()) return;
  const std::span<const Comparison> comparisons = state_rows_[run->state].All();
  for (size_t i = 0; i < comparisons.size(); ++i) {
    const Comparison& what = comparisons[i];
    uint32_t n = run->node;
    while (n != kNoNode && store_->node(n).stage != what.stage) n = store_->node(n).parent;
    if (n == kNoNode) continue;
    const cep::CapturedEvent& event = store_->EventOf(store_->node(n));
    const Operand operand = OperandOf(event.Get(what.stage_slot), what.kind);
    run->operands[i] = operand.bits;
    run->known |= static_cast<uint16_t>(operand.is_known) << i;
  }
}

// The same of a run that has just started with the row, plainly.
void Matcher::FillStartOperands(Run* run) {
  if (state_rows_.empty()) return;
  StateRows& rows = state_rows_[run->state];
  if (rows.compared == 0) return;
  const Judgement& judged = Judge(&rows);
  if (!rows.compares_with_start || judged.outcome != Outcome::kCompare) return FillOperands(run);
  std::copy_n(judged.operands, kRunOperands, run->operands);
  run->known = judged.known;
}

// What the event does to a run in the state.
inline Matcher::Outcome Matcher::OutcomeFor(const Run& run, const StateRows& rows,
                                            const Judgement& judged) {
  if (judged.outcome != Outcome::kCompare) return judged.outcome;
  // Without a branch: each comparison may hold as often as not.
  uint32_t is_false = 0;
  for (uint32_t i = 0; i < kRunOperands; ++i) {
    is_false |= judged.is_false[i].Has(run.operands[i]) & run.known >> i;
  }
  return (is_false & 1) != 0 ? rows.unmatched : Outcome::kStep;
}

// The rules for which a match starts with the event, where starts are plain.
uint64_t Matcher::PlainStartRules() {
  const LeafPredicate& leaf = block_.leaves[plain_start_.leaf];
  const bool holds_for_all = leaf.kind == LeafPredicate::Kind::kShared &&
                             leaf.correlated == nullptr && !refuses_ &&
                             (context_->variants >> leaf.variant & 1) != 0 &&
                             results_.of(leaf.shared).yes.Test(context_->row);
  if (holds_for_all) return live_;
  ++run_epoch_;
  Run start;
  start.rules = live_;
  return LeafYes(plain_start_.leaf, start);
}

// Makes `run`, a new one, the match that starts with the event.
inline void Matcher::FillStart(uint64_t rules, Run* run) const {
  run->rules = rules;
  run->state = static_cast<uint16_t>(plain_start_.target);
  run->start_ts = context_->ts;
  run->start_seq = context_->seq;
}

// Adds the match that starts with the event, if one does.
void Matcher::Start() {
  if (has_plain_start_) {
    const uint64_t rules = PlainStartRules();
    if (rules == 0) return;
    children_.push_back({{}, true, false, takes_++, plain_start_.stage});
    FillStart(rules, &children_.back().run);
    return;
  }
  Run start;
  start.rules = live_;
  start.state = static_cast<uint16_t>(block_.program.start);
  Step(start, true);
}

// What Start(), Commit() and so on come to where a plain start is all that happens.
void Matcher::StartAlone(BlockState* state) {
  const uint64_t rules = PlainStartRules();
  if (rules == 0 || !CaptureFor(rules)) return;
  // In its place, not copied there: a processor waits to read at once what was written in parts.
  Run& start = state->runs.Add(store_->memory());
  FillStart(rules, &start);
  start.node = store_->AddNode(context_->captured, kNoNode, plain_start_.stage);
  store_->Ref(start.node);
  FillStartOperands(&start);
  has_changed_ = true;
  // The first to start is the first to fall due.
  if (state->runs.size() == 1 || has_step_within_) UpdateDue(state);
  if (state->runs.size() > block_.limits.partial_matches_per_key) EnforceRunLimits(state);
}

// A step reads the run's event, one cache line after the other, and a match that it completes may
// drop others.
inline void Matcher::PrefetchFew(const Run* runs, uint32_t size, uint32_t stepped) const {
  constexpr uint32_t kMost = 6;
  constexpr size_t kEventBytes = 192;
  store_->PrefetchNode(runs[stepped].node, kEventBytes);
  for (uint32_t i = 0; i < std::min(size, kMost); ++i) store_->PrefetchNode(runs[i].node);
}

void Matcher::StepRuns(const Run* runs, uint32_t size) {
  changes_.clear();
  children_.clear();
  takes_ = 0;
  for (LeafCache& cache : cache_) cache.has_unary = false;
  uint32_t state = UINT32_MAX;  // of the run before
  StateRows* rows = nullptr;
  const Judgement* judged = nullptr;
  for (uint32_t i = 0; i < size; ++i) {
    Outcome outcome = Outcome::kStep;
    if (!state_rows_.empty()) {
      if (runs[i].state != state) {
        state = runs[i].state;
        rows = &state_rows_[state];
        judged = &Judge(rows);
      }
      outcome = OutcomeFor(runs[i], *rows, *judged);
    }
    if (outcome == Outcome::kStays) continue;
    if (outcome == Outcome::kStep) {
      if (changes_.empty()) PrefetchFew(runs, size, i);
      Step(runs[i], false);
    }
    changes_.push_back({i, static_cast<uint32_t>(children_.size())});
  }
}

// Adds what starts with the event, behind `size` runs that have been stepped.
void Matcher::AddStart(uint32_t size) {
  if (!MayStart()) return;
  const size_t before = children_.size();
  Start();
  if (children_.size() > before) {
    changes_.push_back({size, static_cast<uint32_t>(children_.size())});
  }
}

// Goes on from StepRuns(): with what starts, and with the event if something takes it. Where it is
// not valid no stage does, and the runs are stepped once more. Returns false if nothing changes.
bool Matcher::FinishStep(const Run* runs, uint32_t size) {
  AddStart(size);
  if (changes_.empty()) return false;
  if (!CaptureIfTaken()) {
    refuses_ = true;
    StepRuns(runs, size);
    AddStart(size);
  }
  has_changed_ = !changes_.empty();
  return true;
}

// An event is validated whole before a match captures it. Returns false if it is not valid and was
// wanted.
bool Matcher::CaptureIfTaken() {
  uint64_t wanted = 0;
  for (const Child& child : children_) {
    if (child.took) wanted |= child.run.rules;
  }
  return wanted == 0 || CaptureFor(wanted);
}

bool Matcher::CaptureFor(uint64_t wanted) {
  if (context_->captured != kNoEvent) return true;
  if (!context_->is_invalid) {
    context_->captured = store_->Capture(context_->row, &context_->why_invalid);
    if (context_->captured != kNoEvent) return true;
    context_->is_invalid = true;
  }
  const cep::RowRef ref = context_->rows->refs[context_->row];
  ForEachRule(wanted, [&](Matcher& matcher, uint32_t bit) {
    ++matcher.counters_[bit].invalid_events;
    cep::RuleError error;
    error.rule = matcher.block_.rules[bit];
    error.instant = context_->ts;
    error.partition = ref.batch->partitions[ref.row];
    error.offset = ref.batch->offsets[ref.row];
    error.reason = context_->why_invalid;
    error.raw = ref.batch->raw[ref.row];
    out_->OnRuleError(error);
  });
  return false;
}

// Puts the children in the places of the runs that they come from, and the complete ones into
// completed_.
void Matcher::Commit(BlockState* state) {
  take_nodes_.assign(takes_, kNoNode);
  kept_.clear();
  kept_end_.clear();
  size_t next = 0;
  for (const Change& change : changes_) {
    for (; next < change.end; ++next) {
      const Child& child = children_[next];
      if (child.run.rules == 0) continue;
      Run run = child.run;
      if (child.took) {
        const uint32_t length = run.node == kNoNode ? 0 : store_->node(run.node).length;
        if (length >= block_.limits.events_per_match) {
          CountDroppedHere(Limit::kEventsPerMatch, run.rules, 1);
          continue;
        }
        uint32_t& node = take_nodes_[child.take];
        if (node == kNoNode) node = store_->AddNode(context_->captured, run.node, child.stage);
        run.node = node;
      }
      store_->Ref(run.node);
      if (child.is_final) {
        completed_.push_back(run);
      } else {
        FillOperands(&run);
        kept_.push_back(run);
      }
    }
    kept_end_.push_back(static_cast<uint32_t>(kept_.size()));
  }
  for (const Change& change : changes_) {
    if (change.place < state->runs.size()) store_->Unref(state->runs[change.place].node);
  }
  Splice(&state->runs);
  UpdateDue(state);
  if (state->runs.size() > block_.limits.partial_matches_per_key) EnforceRunLimits(state);
}

// Replaces the runs at the changes' places by those of kept_.
void Matcher::Splice(RunList* runs) {
  if (changes_.empty()) return;
  if (changes_.size() == 1 && changes_[0].place == runs->size()) {
    for (const Run& run : kept_) runs->push_back(run, store_->memory());
    return;
  }
  new_runs_.clear();
  const uint32_t first = changes_[0].place;
  uint32_t from = first;
  uint32_t kept = 0;
  for (size_t c = 0; c < changes_.size(); ++c) {
    new_runs_.insert(new_runs_.end(), runs->begin() + from, runs->begin() + changes_[c].place);
    new_runs_.insert(new_runs_.end(), kept_.begin() + kept, kept_.begin() + kept_end_[c]);
    kept = kept_end_[c];
    from = std::min(changes_[c].place + 1, runs->size());
  }
  new_runs_.insert(new_runs_.end(), runs->begin() + from, runs->end());
  runs->truncate(first);
  for (const Run& run : new_runs_) runs->push_back(run, store_->memory());
}

void Matcher::UpdateDue(BlockState* state) {
  state->min_due = kNever;
  if (state->runs.empty()) return;
  if (has_ttl()) state->min_due = ForgottenAt(*state);
  if (!has_due_) return;
  if (!has_step_within_) {  // the first to start is the first to fall due
    state->min_due = std::min(state->min_due, DueOf(state->runs.front()));
    return;
  }
  for (const Run& run : state->runs) state->min_due = std::min(state->min_due, DueOf(run));
}

// Drops the newest partial matches of each rule that has too many.
void Matcher::EnforceRunLimits(BlockState* state) {
  std::vector<uint32_t> counts(block_.rules.size());
  size_t kept = 0;
  for (Run& run : state->runs) {
    if (!members_.empty()) {
      if (++counts[0] <= block_.limits.partial_matches_per_key) {
        state->runs[kept++] = run;
        continue;
      }
      CountDroppedHere(Limit::kPartialMatchesPerKey, run.rules, 1);
      store_->Unref(run.node);
      continue;
    }
    ForEachBit(run.rules, [&](uint32_t bit) {
      if (++counts[bit] <= block_.limits.partial_matches_per_key) return;
      run.rules &= ~(uint64_t{1} << bit);
      CountDroppedHere(Limit::kPartialMatchesPerKey, uint64_t{1} << bit, 1);
    });
    if (run.rules == 0) {
      store_->Unref(run.node);
    } else {
      state->runs[kept++] = run;
    }
  }
  state->runs.truncate(static_cast<uint32_t>(kept));
}

void Matcher::CountDropped(Limit limit, uint64_t rules, uint64_t count,
                           const cep::Partition* partition, uint64_t offset, int64_t instant) {
  struct About {
    uint64_t RuleCounters::*counter;
    const char* name;
    uint32_t most;
    const char* reason;
  };
  const Limits& limits = block_.limits;
  const About about =
      limit == Limit::kPartialMatchesPerKey
          ? About{&RuleCounters::dropped_partials, "limits.partial_matches_per_key",
                  limits.partial_matches_per_key, "a key has more partial matches, the newest go"}
      : limit == Limit::kEventsPerMatch
          ? About{&RuleCounters::dropped_long_partials, "limits.events_per_match",
                  limits.events_per_match, "a partial match would have more events, it goes"}
          : About{&RuleCounters::dropped_matches, "limits.matches_per_event",
                  limits.matches_per_event, "an event completes more matches, the rest is dropped"};
  ForEachRule(rules, [&](Matcher& matcher, uint32_t bit) {
    uint64_t& counter = matcher.counters_[bit].*about.counter;
    if (__builtin_add_overflow(counter, count, &counter)) counter = UINT64_MAX;
    if (!out_->WantsRuleError(matcher.block_.rules[bit], about.name)) return;
    const std::string reason = "the limit of " + std::to_string(about.most) + ": " + about.reason;
    cep::RuleError error;
    error.rule = matcher.block_.rules[bit];
    error.instant = instant;
    error.partition = partition;
    error.offset = offset;
    error.expression = about.name;
    error.reason = reason;
    out_->OnRuleError(error);
  });
}

void Matcher::CountDroppedHere(Limit limit, uint64_t rules, uint64_t count) {
  const cep::RowRef ref = context_->rows->refs[context_->row];
  CountDropped(limit, rules, count, ref.batch->partitions[ref.row], ref.batch->offsets[ref.row],
               context_->ts);
}

void Matcher::ProcessRow(RowContext* context, std::string_view key, BlockState* state,
                         cep::MatchSink* out) {
  context_ = context;
  out_ = out;
  refuses_ = false;
  has_changed_ = false;
  steps_ += 1 + state->runs.size();
  for (LeafCache& cache : cache_) cache.counted = 0;
  Offer(key, state);
  if (!has_ttl() || state->empty()) return;
  state->Rare().last_seen = context->ts;
  if (state->grouped() != nullptr) {
    UpdateGroupedDue(state);
  } else {
    UpdateDue(state);
  }
}

void Matcher::Offer(std::string_view key, BlockState* state) {
  if (state->grouped() != nullptr) return ProcessGrouped(key, state);
  StepRuns(state->runs.begin(), state->runs.size());
  if (changes_.empty() && has_plain_start_ && !state->has_held()) {
    if (MayStart()) StartAlone(state);
  } else {
    OfferAll(key, state);
  }
  arena_.Reset();
  if (state->runs.size() > block_.group_above && members_.empty()) Group(state);
}

// Goes on from StepRuns().
void Matcher::OfferAll(std::string_view key, BlockState* state) {
  if (!FinishStep(state->runs.begin(), state->runs.size())) return;
  Commit(state);
  if (!completed_.empty() || state->has_held()) {
    ForgetEmitted();
    Complete(key, context_->ts, state);
  }
  // A run that left the event out may now wait under a stage's `within` that has passed already.
  if (state->min_due <= context_->ts) ExpireAt(context_->ts, context_->ts, key, state);
}

// --- completion and skipping
// ------------------------------------------------------------------------------------------

void Matcher::ForgetEmitted() {
  std::fill(emitted_.begin(), emitted_.end(), 0);
  std::fill(evidence_.begin(), evidence_.end(), 0);
}

void Matcher::Emit(cep::MatchKind kind, const Run& run, uint64_t rules, int64_t instant, int64_t at,
                   std::string_view key) {
  path_.clear();
  for (uint32_t n = run.node; n != kNoNode; n = store_->node(n).parent) {
    path_.push_back({store_->node(n).stage, &store_->EventOf(store_->node(n))});
  }
  std::reverse(path_.begin(), path_.end());
  EmitPath(kind, rules, instant, at, key);
}

// Reports path_ for the rules, as far as their limit allows.
void Matcher::EmitPath(cep::MatchKind kind, uint64_t rules, int64_t instant, int64_t at,
                       std::string_view key) {
  cep::Match match;
  match.kind = kind;
  match.instant = instant;
  match.at = at;
  match.key = key;
  match.events = path_.data();
  match.event_count = static_cast<uint32_t>(path_.size());
  const auto drop = [&](uint64_t dropped) {
    const cep::CapturedEvent& last = *path_.back().event;
    CountDropped(Limit::kMatchesPerEvent, dropped, 1, last.partition(), last.offset, instant);
  };
  if (!members_.empty()) {  // all rules of the family have had as many
    evidence_[0] += path_.size();
    if (++emitted_[0] > block_.limits.matches_per_event || evidence_[0] > kMaxEvidence) {
      return drop(rules);
    }
    return ForEachRule(rules, [&](const Matcher& matcher, uint32_t bit) {
      match.rule = matcher.block_.rules[bit];
      out_->OnMatch(match);
    });
  }
  ForEachBit(rules, [&](uint32_t bit) {
    evidence_[bit] += path_.size();
    if (++emitted_[bit] > block_.limits.matches_per_event || evidence_[bit] > kMaxEvidence) {
      return drop(uint64_t{1} << bit);
    }
    match.rule = block_.rules[bit];
    out_->OnMatch(match);
  });
}

// When a complete match came to its end.
int64_t Matcher::EndOf(const Run& run) const {
  if ((run.known & Run::kCompletedByTime) != 0) return std::bit_cast<int64_t>(run.operands[0]);
  return store_->LastTime(run);
}

void Matcher::Complete(std::string_view key, int64_t instant, BlockState* state) {
  if (!skips_) {
    for (const Run& run : completed_) {
      Emit(cep::MatchKind::kMatch, run, run.rules, instant, EndOf(run), key);
      store_->Unref(run.node);
    }
    completed_.clear();
    return;
  }
  // Most matches are held back by nothing, and need no memory of their key's.
  std::vector<Run>* held = state->has_held() ? &state->rare->held : &held_;
  for (const Run& run : completed_) {
    const auto place =
        std::upper_bound(held->begin(), held->end(), run,
                         [](const Run& a, const Run& b) { return a.start_seq < b.start_seq; });
    held->insert(place, run);
  }
  completed_.clear();
  if (!held->empty()) EmitHeld(key, instant, state, held);
  if (held_.empty()) return;
  state->Rare().held = held_;
  held_.clear();
}

// Emits, earliest start first, each of `held` that no partial match with an earlier start holds
// back.
void Matcher::EmitHeld(std::string_view key, int64_t instant, BlockState* state,
                       std::vector<Run>* held_back) {
  std::vector<Run>& held = *held_back;
  for (size_t i = 0; i < held.size(); ++i) {
    const Run match = held[i];
    uint64_t blocked = 0;
    for (const Run& run : state->runs) {
      if (run.start_seq >= match.start_seq || (match.rules & ~blocked) == 0) break;
      blocked |= run.rules;
    }
    const uint64_t rules = match.rules & ~blocked;
    if (rules == 0) continue;
    Emit(cep::MatchKind::kMatch, match, rules, instant, EndOf(match), key);
    held[i].rules &= ~rules;
    uint64_t seq = 0;
    bool inclusive = false;
    if (!PruningBound(match, &seq, &inclusive)) continue;
    Prune(seq, inclusive, rules, &state->runs);
    Prune(seq, inclusive, rules, &held);
  }
  RemoveUnused(state, &held);
}

// Removes the runs that stand for no rule any more.
bool Matcher::DropRetired(BlockState* state) {
  const auto is_retired = [this](const Run& run) { return (run.rules & ~live_) != 0; };
  GroupedRuns* grouped = state->grouped();
  const bool has_retired =
      grouped != nullptr
          ? std::any_of(grouped->groups().begin(), grouped->groups().end(), is_retired)
          : std::any_of(state->runs.begin(), state->runs.end(), is_retired) ||
                (state->has_held() &&
                 std::any_of(state->rare->held.begin(), state->rare->held.end(), is_retired));
  if (!has_retired) return false;
  if (grouped != nullptr) {
    std::vector<Run> groups;
    for (Run group : grouped->groups()) {
      group.rules &= live_;
      if (group.rules != 0) grouped->AddTo(group, &groups);
    }
    grouped->groups() = std::move(groups);
    UpdateGroupedDue(state);
    return true;
  }
  for (Run& run : state->runs) run.rules &= live_;
  for (Run& run : state->Rare().held) run.rules &= live_;
  RemoveUnused(state, &state->rare->held);
  UpdateDue(state);
  return true;
}

void Matcher::RemoveUnused(BlockState* state, std::vector<Run>* held) {
  const auto is_unused = [this](const Run& run) {
    if (run.rules == 0) store_->Unref(run.node);
    return run.rules == 0;
  };
  RunList& runs = state->runs;
  runs.truncate(
      static_cast<uint32_t>(std::remove_if(runs.begin(), runs.end(), is_unused) - runs.begin()));
  std::erase_if(*held, is_unused);
  if (state->rare != nullptr && state->rare->held.empty() && !has_ttl()) state->rare.reset();
}

// Up to which start the strategy prunes after this match; false if it prunes nothing.
bool Matcher::PruningBound(const Run& match, uint64_t* seq, bool* inclusive) const {
  const SkipKind kind = block_.program.after_match.kind;
  *inclusive = kind == SkipKind::kSkipToNext || kind == SkipKind::kSkipPastLastEvent;
  if (kind == SkipKind::kSkipToNext) {
    *seq = match.start_seq;
    return true;
  }
  if (kind == SkipKind::kSkipPastLastEvent) {
    *seq = store_->EventOf(store_->node(match.node)).seq;
    return true;
  }
  bool found = false;
  for (uint32_t n = match.node; n != kNoNode; n = store_->node(n).parent) {
    if (static_cast<int>(store_->node(n).stage) != block_.program.skip_stage) continue;
    *seq = store_->EventOf(store_->node(n)).seq;
    found = true;
    if (kind == SkipKind::kSkipToLast) break;
  }
  return found;
}

// --- time
// -------------------------------------------------------------------------------------------------------------

int64_t Matcher::DueOf(const Run& run) const {
  const Program& program = block_.program;
  int64_t due = program.within > 0 ? SaturatingAdd(run.start_ts, program.within) : kNever;
  if (!has_step_within_) return due;
  if (const int64_t step = program.states[run.state].step_within; step > 0) {
    due = std::min(due, SaturatingAdd(store_->LastTime(run), step));
  }
  return due;
}

void Matcher::ExpireAt(int64_t now, int64_t not_before, std::string_view key, BlockState* state) {
  int64_t latest = std::max(state->min_due, not_before);
  ForgetEmitted();
  const auto expire = [&](const Run& run) {
    const int64_t due = DueOf(run);
    if (due > now || due == kNever) return false;
    latest = std::max(latest, due);
    if (block_.program.states[run.state].kind == StateKind::kPending) {
      completed_.push_back(run);
      completed_.back().operands[0] = std::bit_cast<uint64_t>(due);
      completed_.back().known = Run::kCompletedByTime;
      return true;
    }
    if (block_.emit_timeouts) {
      Emit(cep::MatchKind::kTimeout, run, run.rules, std::max(due, not_before), due, key);
    }
    store_->Unref(run.node);
    return true;
  };
  RunList& runs = state->runs;
  if (has_step_within_) {
    uint32_t kept = 0;
    for (const Run& run : runs) {
      if (!expire(run)) runs[kept++] = run;
    }
    runs.truncate(kept);
  } else {
    uint32_t expired = 0;
    while (expired < runs.size() && expire(runs[expired])) ++expired;
    runs.pop_front(expired);
  }
  UpdateDue(state);
  if (!completed_.empty() || state->has_held()) Complete(key, latest, state);
}

void Matcher::AdvanceTime(int64_t now, std::string_view key, BlockState* state,
                          cep::MatchSink* out) {
  if (ends_silently_ && state->rare == nullptr) return EndRuns(now, state);
  out_ = out;
  if (state->grouped() != nullptr) {
    AdvanceGrouped(now, state);
    return ForgetIfSilent(now, key, state);
  }
  while (state->min_due <= now && state->min_due != kNever) {
    UpdateDue(state);
    const int64_t due = state->min_due;
    if (due > now || due == kNever) return;
    // The end of time is one step, as a bounded Flink job's last watermark is: what is due then is
    // due together.
    const int64_t end = now == kNever ? ForgottenAt(*state) : due;
    ExpireAt(end, cep::kMinTime, key, state);
    ForgetIfSilent(end, key, state);
  }
}

// AdvanceTime() where nothing comes of what falls due.
void Matcher::EndRuns(int64_t now, BlockState* state) {
  RunList& runs = state->runs;
  uint32_t ended = 0;
  state->min_due = kNever;
  for (; ended < runs.size(); ++ended) {
    const int64_t due = DueOf(runs[ended]);
    if (due > now || due == kNever) {
      state->min_due = due;
      break;
    }
    store_->Unref(runs[ended].node);
  }
  runs.pop_front(ended);
}

int64_t Matcher::ForgottenAt(const BlockState& state) const {
  if (state.rare == nullptr || state.rare->last_seen == kNeverSeen) return kNever;
  return SaturatingAdd(state.rare->last_seen, block_.ttl);
}

// Drops the partial matches of a key that has been silent for the `ttl`. Complete matches that they
// held back are held back no longer.
void Matcher::ForgetIfSilent(int64_t now, std::string_view key, BlockState* state) {
  if (!has_ttl()) return;
  const int64_t instant = ForgottenAt(*state);
  if (instant > now || instant == kNever) return;
  for (const Run& run : state->runs) store_->Unref(run.node);
  state->runs.truncate(0);
  state->rare->grouped.reset();
  state->min_due = kNever;
  if (!state->has_held()) return;
  ForgetEmitted();
  EmitHeld(key, instant, state, &state->rare->held);
}

}  // namespace vigil::patterns
