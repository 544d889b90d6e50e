// CompilePatterns: groups rules by shape, compiles each group once, and finds for each leaf the
// cheapest way to tell for which rules of the block it holds.

#include "patterns/rule_block.h"

#include <algorithm>
#include <map>
#include <set>

#include "patterns/compile.h"

namespace vigil::patterns {
namespace {

using cep::Condition;

void AppendNumber(int64_t n, std::string* out) { *out += std::to_string(n) + ","; }

void AppendCorrelated(const StageCondition& condition, std::string* out) {
  if (condition.correlated != nullptr) *out += condition.correlated->text();
  out->push_back('\0');
}

// All of a stage that is not a unary condition or a name.
void AppendStageShape(const Stage& stage, std::string* out) {
  for (int64_t n : {int64_t{static_cast<uint8_t>(stage.contiguity)}, int64_t{stage.has_times},
                    int64_t{stage.times_min}, int64_t{stage.times_max}, int64_t{stage.optional},
                    int64_t{stage.greedy}, int64_t{static_cast<uint8_t>(stage.repeat)},
                    stage.within_ms, int64_t{stage.until != nullptr}}) {
    AppendNumber(n, out);
  }
  for (uint32_t slot : stage.key_slots) AppendNumber(slot, out);
  *out += "|";
  AppendCorrelated(stage.where, out);
  if (stage.until != nullptr) AppendCorrelated(*stage.until, out);
  *out += "[";
  for (const Stage& member : stage.group) AppendStageShape(member, out);
  *out += "]";
}

// Rules with equal shapes may share a block.
std::string ShapeOf(const PatternRule& rule) {
  const Pattern& p = *rule.pattern;
  std::string shape;
  for (uint32_t slot : rule.key) AppendNumber(slot, &shape);
  shape += "|";
  for (const Stage& stage : p.stages) AppendStageShape(stage, &shape);
  int64_t skip_stage = -1;
  const std::vector<const Stage*> stages = FlattenStages(p);
  for (size_t i = 0; i < stages.size(); ++i) {
    if (stages[i]->name == p.after_match.stage) skip_stage = static_cast<int64_t>(i);
  }
  for (int64_t n : {p.within_ms, int64_t{static_cast<uint8_t>(p.after_match.kind)}, skip_stage,
                    int64_t{static_cast<uint8_t>(p.on_error)}, int64_t{p.emit_timeouts},
                    int64_t{p.limits.partial_matches_per_key}, int64_t{p.limits.events_per_match},
                    int64_t{p.limits.matches_per_event}}) {
    AppendNumber(n, &shape);
  }
  return shape;
}

// --- leaves
// -----------------------------------------------------------------------------------------------------------

std::vector<Condition> Conjuncts(const Condition& condition) {
  if (condition.kind == Condition::Kind::kTrue) return {};
  if (condition.kind == Condition::Kind::kAnd) return condition.children;
  return {condition};
}

Condition Conjunction(std::vector<Condition> parts) {
  if (parts.empty()) return Condition();
  if (parts.size() == 1) return std::move(parts[0]);
  Condition condition;
  condition.kind = Condition::Kind::kAnd;
  for (const Condition& part : parts) {
    if (!condition.text.empty()) condition.text += " && ";
    condition.text += "(" + part.text + ")";
  }
  condition.children = std::move(parts);
  return condition;
}

bool IsOrdering(cep::CompareOp op) {
  return op == cep::CompareOp::kLt || op == cep::CompareOp::kLe || op == cep::CompareOp::kGt ||
         op == cep::CompareOp::kGe;
}

bool IsExactNumber(const cep::Value& v) {
  if (v.tag == cep::ValueTag::kDouble) return v.d == v.d;
  return v.tag == cep::ValueTag::kInt && v.i > -(int64_t{1} << 53) && v.i < (int64_t{1} << 53);
}

double AsDouble(const cep::Value& v) {
  return v.tag == cep::ValueTag::kInt ? static_cast<double>(v.i) : v.d;
}

// True if each condition is one ordering atom on the same field with the same operator and a
// number.
bool AreThresholds(const std::vector<std::vector<Condition>>& own) {
  for (const std::vector<Condition>& parts : own) {
    if (parts.size() != 1 || parts[0].kind != Condition::Kind::kAtom) return false;
    const cep::Atom& atom = parts[0].atom;
    const cep::Atom& first = own[0][0].atom;
    if (!IsOrdering(atom.op) || !IsExactNumber(atom.constants[0])) return false;
    if (atom.op != first.op || atom.slot != first.slot) return false;
  }
  return true;
}

void MakeThreshold(const std::vector<std::vector<Condition>>& own, PredicateSet* set,
                   LeafPredicate* leaf) {
  leaf->kind = LeafPredicate::Kind::kThreshold;
  std::vector<std::pair<double, size_t>> sorted;
  for (size_t bit = 0; bit < own.size(); ++bit) {
    sorted.emplace_back(AsDouble(own[bit][0].atom.constants[0]), bit);
  }
  std::sort(sorted.begin(), sorted.end());
  leaf->prefix.push_back(0);
  for (const auto& [constant, bit] : sorted) {
    leaf->constants.push_back(constant);
    leaf->prefix.push_back(leaf->prefix.back() | uint64_t{1} << bit);
  }
  leaf->threshold = own[0][0].atom;
  const bool is_lower =
      leaf->threshold.op == cep::CompareOp::kGt || leaf->threshold.op == cep::CompareOp::kGe;
  leaf->loosest = set->Add(own[is_lower ? sorted.front().second : sorted.back().second][0]);
}

// Splits the rules' conditions into what all have and what each has of its own.
void FillUnary(const std::vector<const Condition*>& conditions, PredicateSet* set,
               LeafPredicate* leaf) {
  std::map<std::string, size_t> counts;
  std::vector<std::vector<Condition>> own;
  for (const Condition* condition : conditions) {
    own.push_back(Conjuncts(*condition));
    std::set<std::string> seen;
    for (const Condition& part : own.back()) {
      if (seen.insert(part.text).second) ++counts[part.text];
    }
  }
  std::vector<Condition> common;
  std::set<std::string> taken;
  for (const Condition& part : own[0]) {
    if (counts[part.text] == conditions.size() && taken.insert(part.text).second)
      common.push_back(part);
  }
  bool all_shared = true;
  for (std::vector<Condition>& parts : own) {
    std::erase_if(parts, [&](const Condition& part) { return taken.contains(part.text); });
    all_shared &= parts.empty();
  }
  if (all_shared) {
    leaf->shared = set->Add(*conditions[0]);
    leaf->is_trivial = set->IsTrue(leaf->shared) && leaf->correlated == nullptr;
  } else if (AreThresholds(own)) {
    leaf->shared = set->Add(Conjunction(std::move(common)));
    MakeThreshold(own, set, leaf);
  } else {
    leaf->kind = LeafPredicate::Kind::kPerRule;
    for (const Condition* condition : conditions) leaf->per_rule.push_back(set->Add(*condition));
  }
}

// --- blocks
// -----------------------------------------------------------------------------------------------------------

// Leaves asked when a match could start: those on edges that can be reached from the start state
// without consuming.
void FindStartLeaves(RuleBlock* block) {
  const Program& program = block->program;
  std::set<uint32_t> leaves;
  std::vector<uint32_t> states = {program.start};
  std::set<uint32_t> seen = {program.start};
  while (!states.empty()) {
    const uint32_t s = states.back();
    states.pop_back();
    for (const Edge& edge : program.states[s].edges) {
      if (edge.action == EdgeAction::kProceed && seen.insert(edge.target).second) {
        states.push_back(edge.target);
      }
      if (edge.action != EdgeAction::kTake) continue;
      // The take edge of a stop state only says that the event is forbidden.
      if (program.states[s].kind == StateKind::kStop) continue;
      uint32_t leaf = UINT32_MAX;
      for (uint32_t f = edge.formula;
           ;) {  // a positive leaf in the conjunction bounds where it can hold
        const Formula& formula = program.formulas[f];
        if (formula.op == Formula::Op::kLeaf) leaf = formula.a;
        if (formula.op != Formula::Op::kAnd) break;
        const Formula& right = program.formulas[formula.b];
        if (right.op == Formula::Op::kLeaf) leaf = right.a;
        f = formula.a;
      }
      if (leaf == UINT32_MAX) block->starts_always = true;
      if (leaf != UINT32_MAX) leaves.insert(leaf);
    }
  }
  block->start_leaves.assign(leaves.begin(), leaves.end());
}

// Why partial matches of the block must be gone through one by one; empty if they need not.
std::string WhyExplicit(const RuleBlock& block) {
  for (const LeafPredicate& leaf : block.leaves) {
    if (leaf.correlated != nullptr) {
      return "a condition reads earlier events: " + leaf.correlated->text();
    }
  }
  if (block.program.after_match.kind != SkipKind::kNoSkip) {
    return "`after_match` takes partial matches out by where they started";
  }
  if (block.emit_timeouts) return "`on_timeout` reports each partial match that ends";
  for (const State& state : block.program.states) {
    if (state.step_within > 0) return "a stage has a `within` of its own";
    if (state.kind == StateKind::kPending) {
      return "`not_followed_by` last completes each partial match in its own time";
    }
  }
  return "";
}

class PatternsCompiler {
 public:
  PatternsCompiler(uint32_t group_above, const std::vector<cep::KeyExpr>& known_keys)
      : group_above_(group_above) {
    out_->key_exprs = known_keys;
  }

  StatusOr<std::shared_ptr<const CompiledPatterns>> Run(const std::vector<PatternRule>& rules);

 private:
  uint32_t KeyExprIndex(const cep::KeyExpr& expr);
  // The key space of a rule: its own key, and those of its stages.
  uint32_t KeySpaceIndex(const PatternRule& rule);
  StatusOr<RuleBlock> MakeBlock(const std::vector<const PatternRule*>& rules);
  LeafPredicate MakeLeaf(const Leaf& leaf, const std::vector<const PatternRule*>& rules,
                         const KeySpace& space);

  const uint32_t group_above_;
  std::shared_ptr<CompiledPatterns> out_ = std::make_shared<CompiledPatterns>();
  std::shared_ptr<PredicateSet> predicates_ = std::make_shared<PredicateSet>();
};

uint32_t PatternsCompiler::KeyExprIndex(const cep::KeyExpr& expr) {
  const auto it = std::find(out_->key_exprs.begin(), out_->key_exprs.end(), expr);
  const auto index = static_cast<uint32_t>(it - out_->key_exprs.begin());
  if (it == out_->key_exprs.end()) out_->key_exprs.push_back(expr);
  return index;
}

uint32_t PatternsCompiler::KeySpaceIndex(const PatternRule& rule) {
  KeySpace space;
  const auto add = [&](const cep::KeyExpr& expr) {
    const uint32_t index = KeyExprIndex(expr);
    if (std::find(space.variants.begin(), space.variants.end(), index) == space.variants.end()) {
      space.variants.push_back(index);
    }
  };
  // The rule's own key is one of them only if some stage, or a group's `until`, has no key of its
  // own.
  for (const Stage* stage : FlattenStages(*rule.pattern)) {
    if (stage->is_group() && stage->until == nullptr) continue;
    add(stage->key_slots.empty() ? rule.key : stage->key_slots);
  }
  std::sort(space.variants.begin(), space.variants.end());
  for (uint32_t i = 0; i < out_->key_spaces.size(); ++i) {
    if (out_->key_spaces[i].variants == space.variants) return i;
  }
  out_->key_spaces.push_back(space);
  return static_cast<uint32_t>(out_->key_spaces.size() - 1);
}

LeafPredicate PatternsCompiler::MakeLeaf(const Leaf& leaf,
                                         const std::vector<const PatternRule*>& rules,
                                         const KeySpace& space) {
  LeafPredicate predicate;
  predicate.stage = leaf.stage;
  predicate.is_until = leaf.is_until;
  std::vector<const Condition*> conditions;
  for (const PatternRule* rule : rules) {
    const Stage* stage = FlattenStages(*rule->pattern)[leaf.stage];
    const StageCondition& condition = leaf.is_until ? *stage->until : stage->where;
    conditions.push_back(&condition.unary);
    predicate.correlated = condition.correlated;
    const cep::KeyExpr& key = stage->key_slots.empty() ? rule->key : stage->key_slots;
    const auto& v = space.variants;
    predicate.variant =
        static_cast<uint32_t>(std::find(v.begin(), v.end(), KeyExprIndex(key)) - v.begin());
  }
  FillUnary(conditions, predicates_.get(), &predicate);
  return predicate;
}

StatusOr<RuleBlock> PatternsCompiler::MakeBlock(const std::vector<const PatternRule*>& rules) {
  const Pattern& pattern = *rules[0]->pattern;
  RuleBlock block;
  ASSIGN_OR_RETURN(block.program, CompilePattern(pattern));
  for (const PatternRule* rule : rules) block.rules.push_back(rule->id);
  block.all = rules.size() == 64 ? ~uint64_t{0} : (uint64_t{1} << rules.size()) - 1;
  block.key_space = KeySpaceIndex(*rules[0]);
  for (const Leaf& leaf : block.program.leaves) {
    block.leaves.push_back(MakeLeaf(leaf, rules, out_->key_spaces[block.key_space]));
  }
  block.on_error = pattern.on_error;
  block.emit_timeouts = pattern.emit_timeouts;
  block.limits = pattern.limits;
  FindStartLeaves(&block);
  block.why_explicit = WhyExplicit(block);
  if (block.why_explicit.empty()) block.group_above = group_above_;
  return block;
}

StatusOr<std::shared_ptr<const CompiledPatterns>> PatternsCompiler::Run(
    const std::vector<PatternRule>& rules) {
  std::map<std::string, std::vector<const PatternRule*>> by_shape;
  std::vector<std::string> order;
  for (const PatternRule& rule : rules) {
    std::vector<const PatternRule*>& group = by_shape[ShapeOf(rule)];
    if (group.empty()) order.push_back(ShapeOf(rule));
    group.push_back(&rule);
  }
  for (const std::string& shape : order) {
    const std::vector<const PatternRule*>& group = by_shape[shape];
    for (size_t i = 0; i < group.size(); i += kRulesPerBlock) {
      const size_t end = std::min(group.size(), i + kRulesPerBlock);
      ASSIGN_OR_RETURN(RuleBlock block, MakeBlock({group.begin() + static_cast<ptrdiff_t>(i),
                                                   group.begin() + static_cast<ptrdiff_t>(end)}));
      out_->blocks.push_back(std::move(block));
    }
  }
  out_->predicates = predicates_;
  return std::shared_ptr<const CompiledPatterns>(out_);
}

}  // namespace

StatusOr<std::shared_ptr<const CompiledPatterns>> CompilePatterns(
    const std::vector<PatternRule>& rules, uint32_t group_above,
    const std::vector<cep::KeyExpr>& known_keys) {
  return PatternsCompiler(group_above, known_keys).Run(rules);
}

}  // namespace vigil::patterns
