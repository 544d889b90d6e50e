// CompilePatterns: groups rules by shape, compiles each group once, and finds for each leaf the
// cheapest way to tell for which rules of the block it holds.

#include "patterns/rule_block.h"

#include <algorithm>
#include <map>
#include <set>

#include "patterns/compile.h"
#include "patterns/equality_index.h"
#include "patterns/prefix_index.h"

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
  for (int64_t n : {p.within_ms, p.ttl_ms, int64_t{static_cast<uint8_t>(p.after_match.kind)},
                    skip_stage, int64_t{static_cast<uint8_t>(p.on_error)}, int64_t{p.emit_timeouts},
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

// Of fewer rules, comparing whole columns costs less than an index.
constexpr size_t kLeastIndexed = 8;

// The atoms of which one has to hold; none if the parts are something else.
std::vector<const cep::Atom*> Alternatives(const std::vector<Condition>& parts) {
  if (parts.size() != 1) return {};
  if (parts[0].kind == Condition::Kind::kAtom) return {&parts[0].atom};
  if (parts[0].kind != Condition::Kind::kOr) return {};
  std::vector<const cep::Atom*> atoms;
  for (const Condition& child : parts[0].children) {
    if (child.kind != Condition::Kind::kAtom) return {};
    atoms.push_back(&child.atom);
  }
  return atoms;
}

bool IsEquality(const cep::Atom& atom) {
  return (atom.op == cep::CompareOp::kEq || atom.op == cep::CompareOp::kIn) &&
         std::all_of(atom.constants.begin(), atom.constants.end(), EqualityIndex::CanHold);
}

bool IsPrefix(const cep::Atom& atom) { return atom.op == cep::CompareOp::kStartsWith; }

// Conditions of this kind on one field, of all rules, as an index; null if they are not.
template <typename Index>
std::unique_ptr<ConstantIndex> TryIndex(const std::vector<std::vector<Condition>>& own,
                                        bool (*is_indexed)(const cep::Atom&)) {
  std::unique_ptr<ConstantIndex> index;
  for (size_t rule = 0; rule < own.size(); ++rule) {
    const std::vector<const cep::Atom*> atoms = Alternatives(own[rule]);
    if (atoms.empty()) return nullptr;
    if (index == nullptr) index = std::make_unique<Index>(atoms[0]->slot);
    for (const cep::Atom* atom : atoms) {
      if (!is_indexed(*atom) || atom->slot != index->slot()) return nullptr;
      for (const cep::Value& constant : atom->constants) {
        index->Add(constant, static_cast<uint32_t>(rule / kRulesPerBlock), rule % kRulesPerBlock);
      }
    }
  }
  index->Finish();
  return index;
}

// The index of conditions that each compare one field with constants; null if there is none.
std::unique_ptr<ConstantIndex> MakeIndex(const std::vector<std::vector<Condition>>& own) {
  if (own.size() < kLeastIndexed) return nullptr;
  auto index = TryIndex<EqualityIndex>(own, &IsEquality);
  return index != nullptr ? std::move(index) : TryIndex<PrefixIndex>(own, &IsPrefix);
}

// The condition that holds whenever any of the others does.
const Condition& Loosest(const std::vector<std::vector<Condition>>& own) {
  const cep::CompareOp op = own[0][0].atom.op;
  const bool is_lower = op == cep::CompareOp::kGt || op == cep::CompareOp::kGe;
  const std::vector<Condition>* best = &own[0];
  for (const std::vector<Condition>& parts : own) {
    const double constant = AsDouble(parts[0].atom.constants[0]);
    const double best_constant = AsDouble((*best)[0].atom.constants[0]);
    if (is_lower ? constant < best_constant : constant > best_constant) best = &parts;
  }
  return (*best)[0];
}

void SortThresholds(const std::vector<std::vector<Condition>>& own, LeafPredicate* leaf) {
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
}

// The conditions of all rules of one shape on one leaf, and how they are told apart.
struct LeafPlan {
  std::vector<const Condition*> conditions;
  std::vector<Condition> common;            // what all have
  std::vector<std::vector<Condition>> own;  // what each has besides
  LeafPredicate::Kind kind = LeafPredicate::Kind::kPerRule;
  uint32_t index = 0;  // kIndexed
};

LeafPlan MakePlan(std::vector<const Condition*> conditions, PredicateSet* set) {
  LeafPlan plan;
  plan.conditions = std::move(conditions);
  std::map<std::string, size_t> counts;
  for (const Condition* condition : plan.conditions) {
    plan.own.push_back(Conjuncts(*condition));
    std::set<std::string> seen;
    for (const Condition& part : plan.own.back()) {
      if (seen.insert(part.text).second) ++counts[part.text];
    }
  }
  std::set<std::string> taken;
  for (const Condition& part : plan.own[0]) {
    if (counts[part.text] == plan.conditions.size() && taken.insert(part.text).second) {
      plan.common.push_back(part);
    }
  }
  bool all_shared = true;
  for (std::vector<Condition>& parts : plan.own) {
    std::erase_if(parts, [&](const Condition& part) { return taken.contains(part.text); });
    all_shared &= parts.empty();
  }
  if (all_shared) {
    plan.kind = LeafPredicate::Kind::kShared;
  } else if (AreThresholds(plan.own)) {
    plan.kind = LeafPredicate::Kind::kThreshold;
  } else if (std::unique_ptr<const ConstantIndex> index = MakeIndex(plan.own)) {
    plan.kind = LeafPredicate::Kind::kIndexed;
    plan.index = set->AddIndex(std::move(index), set->Add(Conjunction(plan.common)));
  }
  return plan;
}

// What the plan means for rules `first` to `first + count`, the block's.
void FillUnary(const LeafPlan& plan, size_t first, size_t count, PredicateSet* set,
               LeafPredicate* leaf) {
  using Kind = LeafPredicate::Kind;
  const auto from = static_cast<ptrdiff_t>(first);
  const auto to = static_cast<ptrdiff_t>(first + count);
  const std::vector<const Condition*> conditions(plan.conditions.begin() + from,
                                                 plan.conditions.begin() + to);
  if (plan.kind == Kind::kPerRule && count < plan.conditions.size()) {
    FillUnary(MakePlan(conditions, set), 0, count, set, leaf);  // alike within the block, perhaps
    leaf->differs = true;
    return;
  }
  leaf->kind = plan.kind;
  leaf->differs = plan.kind != Kind::kShared;
  switch (plan.kind) {
    case Kind::kShared:
      leaf->shared = set->Add(*conditions[0]);
      leaf->is_trivial = set->IsTrue(leaf->shared) && leaf->correlated == nullptr;
      break;
    case Kind::kThreshold:
      leaf->shared = set->Add(Conjunction(plan.common));
      leaf->loosest = set->Add(Loosest(plan.own));
      SortThresholds({plan.own.begin() + from, plan.own.begin() + to}, leaf);
      break;
    case Kind::kIndexed:
      leaf->shared = set->common(plan.index);
      leaf->index = plan.index;
      leaf->member = static_cast<uint32_t>(first / kRulesPerBlock);
      for (const Condition* condition : conditions) leaf->texts.push_back(condition->text);
      break;
    case Kind::kPerRule:
      for (const Condition* condition : conditions) leaf->per_rule.push_back(set->Add(*condition));
      break;
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

// The place of what the pattern calls its stages and groups among the block's lists, added when
// new.
uint32_t StageNames(const Pattern& pattern, RuleBlock* block) {
  std::vector<std::string> names;
  for (const Stage* stage : FlattenStages(pattern)) names.push_back(stage->name);
  std::vector<std::vector<std::string>>& lists = block->stage_names;
  const auto known = std::find(lists.begin(), lists.end(), names);
  const auto place = static_cast<uint32_t>(known - lists.begin());
  if (known == lists.end()) lists.push_back(std::move(names));
  return place;
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
  Status AddShape(const std::vector<const PatternRule*>& rules);
  RuleBlock MakeBlock(const Program& program, const std::vector<const PatternRule*>& rules);
  LeafPredicate MakeLeaf(const Leaf& leaf, const PatternRule& rule, const KeySpace& space);

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

// All of the leaf but its unary part, which is the same for all rules of a shape.
LeafPredicate PatternsCompiler::MakeLeaf(const Leaf& leaf, const PatternRule& rule,
                                         const KeySpace& space) {
  LeafPredicate predicate;
  predicate.stage = leaf.stage;
  predicate.is_until = leaf.is_until;
  const Stage* stage = FlattenStages(*rule.pattern)[leaf.stage];
  predicate.correlated = (leaf.is_until ? *stage->until : stage->where).correlated;
  const cep::KeyExpr& key = stage->key_slots.empty() ? rule.key : stage->key_slots;
  const auto& v = space.variants;
  predicate.variant =
      static_cast<uint32_t>(std::find(v.begin(), v.end(), KeyExprIndex(key)) - v.begin());
  return predicate;
}

RuleBlock PatternsCompiler::MakeBlock(const Program& program,
                                      const std::vector<const PatternRule*>& rules) {
  const Pattern& pattern = *rules[0]->pattern;
  RuleBlock block;
  block.program = program;
  for (const PatternRule* rule : rules) {
    block.rules.push_back(rule->id);
    block.names.push_back({rule->name, rule->incarnation, StageNames(*rule->pattern, &block)});
  }
  block.all = rules.size() == 64 ? ~uint64_t{0} : (uint64_t{1} << rules.size()) - 1;
  block.key_space = KeySpaceIndex(*rules[0]);
  for (const Leaf& leaf : program.leaves) {
    block.leaves.push_back(MakeLeaf(leaf, *rules[0], out_->key_spaces[block.key_space]));
  }
  block.on_error = pattern.on_error;
  block.emit_timeouts = pattern.emit_timeouts;
  block.ttl = pattern.ttl_ms;
  block.limits = pattern.limits;
  return block;
}

Status PatternsCompiler::AddShape(const std::vector<const PatternRule*>& rules) {
  ASSIGN_OR_RETURN(const Program program, CompilePattern(*rules[0]->pattern));
  std::vector<std::vector<const Condition*>> conditions(program.leaves.size());
  for (const PatternRule* rule : rules) {
    const std::vector<const Stage*> stages = FlattenStages(*rule->pattern);
    for (size_t l = 0; l < program.leaves.size(); ++l) {
      const Stage* stage = stages[program.leaves[l].stage];
      conditions[l].push_back(&(program.leaves[l].is_until ? *stage->until : stage->where).unary);
    }
  }
  std::vector<LeafPlan> plans;
  for (auto& leaf : conditions) plans.push_back(MakePlan(std::move(leaf), predicates_.get()));
  Family family{static_cast<uint32_t>(out_->blocks.size()), 0};
  for (size_t i = 0; i < rules.size(); i += kRulesPerBlock, ++family.size) {
    const size_t count = std::min<size_t>(rules.size() - i, kRulesPerBlock);
    RuleBlock block = MakeBlock(program, {rules.begin() + static_cast<ptrdiff_t>(i),
                                          rules.begin() + static_cast<ptrdiff_t>(i + count)});
    for (size_t l = 0; l < plans.size(); ++l) {
      FillUnary(plans[l], i, count, predicates_.get(), &block.leaves[l]);
    }
    FindStartLeaves(&block);
    block.why_explicit = WhyExplicit(block);
    if (block.why_explicit.empty()) block.group_above = group_above_;
    out_->blocks.push_back(std::move(block));
  }
  if (family.size > 1) out_->families.push_back(family);
  return absl::OkStatus();
}

StatusOr<std::shared_ptr<const CompiledPatterns>> PatternsCompiler::Run(
    const std::vector<PatternRule>& rules) {
  std::map<std::string, std::vector<const PatternRule*>> by_shape;
  std::vector<std::string> order;
  for (const PatternRule& rule : rules) {
    const std::string shape = ShapeOf(rule);
    std::vector<const PatternRule*>& group = by_shape[shape];
    if (group.empty()) order.push_back(shape);
    group.push_back(&rule);
  }
  for (const std::string& shape : order) RETURN_IF_ERROR(AddShape(by_shape[shape]));
  out_->predicates = predicates_;
  return std::shared_ptr<const CompiledPatterns>(out_);
}

}  // namespace

uint32_t StagePlaceOf(const RuleBlock& block, const State& state) {
  const std::vector<std::string>& names = block.stage_names[0];
  return static_cast<uint32_t>(std::find(names.begin(), names.end(), StageNameOf(state)) -
                               names.begin());
}

StatusOr<std::shared_ptr<const CompiledPatterns>> CompilePatterns(
    const std::vector<PatternRule>& rules, uint32_t group_above,
    const std::vector<cep::KeyExpr>& known_keys) {
  return PatternsCompiler(group_above, known_keys).Run(rules);
}

}  // namespace vigil::patterns
