#include "rules/explain.h"

#include <algorithm>
#include <array>

namespace vigil::rules {
namespace {

using patterns::Edge;
using patterns::EdgeAction;
using patterns::Formula;
using patterns::LeafPredicate;
using patterns::Program;
using patterns::RuleBlock;
using patterns::Stage;
using patterns::State;
using patterns::StateKind;

constexpr std::array<const char*, 3> kActions = {"take", "ignore", "proceed"};

// The rule seen from the block it shares with others.
struct View {
  const CompiledRule* rule;
  const RuleBlock* block;
  const patterns::PredicateSet* predicates;
  uint32_t bit;
  std::vector<const Stage*> stages;
};

View ViewOf(const RuleSet& set, const patterns::CompiledPatterns& compiled, size_t index) {
  for (const RuleBlock& block : compiled.blocks) {
    const auto it = std::find(block.rules.begin(), block.rules.end(), index);
    if (it == block.rules.end()) continue;
    return {&set.rules[index], &block, compiled.predicates.get(),
            static_cast<uint32_t>(it - block.rules.begin()),
            patterns::FlattenStages(set.rules[index].pattern)};
  }
  return {};
}

std::string FormulaText(const View& view, uint32_t id) {
  const Formula& f = view.block->program.formulas[id];
  switch (f.op) {
    case Formula::Op::kTrue:
      return "always";
    case Formula::Op::kLeaf: {
      const patterns::Leaf& leaf = view.block->program.leaves[f.a];
      const std::string& name = view.stages[leaf.stage]->name;
      return leaf.is_until ? "until(" + name + ")" : name;
    }
    case Formula::Op::kNot: {
      const std::string inner = FormulaText(view, f.a);
      return inner.find(' ') == std::string::npos ? "not " + inner : "not (" + inner + ")";
    }
    case Formula::Op::kAnd:
      return FormulaText(view, f.a) + " and " + FormulaText(view, f.b);
  }
  return "";
}

// A state's name in this rule: the block's program carries those of its first rule.
std::string StateName(const View& view, uint32_t id) {
  const State& state = view.block->program.states[id];
  if (state.kind == StateKind::kFinal) return "match";
  if (state.kind == StateKind::kStop) return "discard:" + view.stages[state.stage]->name;
  const size_t colon = state.name.find(':');
  const std::string suffix = colon == std::string::npos ? "" : state.name.substr(colon);
  return view.stages[state.stage]->name + suffix;
}

std::string EdgeLabel(const View& view, const Edge& edge) {
  std::string label = kActions[static_cast<size_t>(edge.action)];
  if (edge.formula != patterns::kAlways) label += " if " + FormulaText(view, edge.formula);
  return label;
}

std::string Milliseconds(int64_t ms) { return std::to_string(ms) + " ms"; }

// --- text
// -------------------------------------------------------------------------------------------------------------

std::string AutomatonText(const View& view) {
  const Program& program = view.block->program;
  std::string text;
  for (uint32_t i = static_cast<uint32_t>(program.states.size()); i-- > 0;) {
    const State& state = program.states[i];
    if (state.kind == StateKind::kFinal || state.kind == StateKind::kStop) continue;
    text += "    " + StateName(view, i);
    if (i == program.start) text += "  (start)";
    if (state.kind == StateKind::kPending) text += "  (match when time runs out)";
    if (state.step_within > 0)
      text += "  (within " + Milliseconds(state.step_within) + " of the last event)";
    text += "\n";
    for (const Edge& edge : state.edges) {
      text += "      " + EdgeLabel(view, edge) + " -> " + StateName(view, edge.target) + "\n";
    }
  }
  return text;
}

std::string Sharing(const View& view, uint32_t predicate) {
  const uint32_t uses = view.predicates->uses(predicate);
  return uses > 1 ? "  [evaluated once for " + std::to_string(uses) + " uses]" : "";
}

std::string UnaryText(const View& view, const LeafPredicate& leaf) {
  switch (leaf.kind) {
    case LeafPredicate::Kind::kShared:
      if (view.predicates->IsTrue(leaf.shared)) return "";
      return view.predicates->text(leaf.shared) + Sharing(view, leaf.shared);
    case LeafPredicate::Kind::kPerRule: {
      const uint32_t id = leaf.per_rule[view.bit];
      return view.predicates->text(id) + Sharing(view, id);
    }
    case LeafPredicate::Kind::kIndexed:
      return leaf.texts[view.bit] + "  [found " + view.predicates->index(leaf.index).Describe() +
             "]";
    case LeafPredicate::Kind::kThreshold:
      break;
  }
  std::string text;
  if (!view.predicates->IsTrue(leaf.shared)) {
    text = view.predicates->text(leaf.shared) + Sharing(view, leaf.shared) + " && ";
  }
  return text + "one of " + std::to_string(leaf.constants.size()) + " sorted thresholds like " +
         view.predicates->text(leaf.loosest);
}

std::string ConditionsText(const View& view) {
  std::string text;
  for (const LeafPredicate& leaf : view.block->leaves) {
    const std::string name = (leaf.is_until ? "until of " : "") + view.stages[leaf.stage]->name;
    const std::string unary = UnaryText(view, leaf);
    if (!unary.empty()) text += "    " + name + ": columns: " + unary + "\n";
    if (leaf.correlated != nullptr) {
      text += "    " + name + ": per partial match: " + leaf.correlated->text() + "\n";
    }
    if (unary.empty() && leaf.correlated == nullptr) text += "    " + name + ": any event\n";
  }
  return text;
}

std::string KeyText(const View& view) {
  std::string text;
  for (const std::string& name : view.rule->info.key_names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

std::string Text(const View& view) {
  const Program& program = view.block->program;
  std::string text = "rule " + view.rule->info.id + "\n";
  text += "  key: " + KeyText(view) + "\n";
  if (program.within > 0) text += "  within: " + Milliseconds(program.within) + ", exclusive\n";
  if (view.block->ttl > 0) {
    text += "  ttl: " + Milliseconds(view.block->ttl) + " since the key's last event\n";
  }
  text += "  states: " + std::to_string(program.states.size()) + "\n";
  text += "  back end: ";
  text += view.block->why_explicit.empty()
              ? "grouped partial matches for a key with more than " +
                    std::to_string(view.block->group_above) + " of them"
              : "explicit partial matches";
  if (view.block->rules.size() > 1) {
    text += ", shared with " + std::to_string(view.block->rules.size() - 1) +
            " rules of the same shape";
  }
  if (!view.block->why_explicit.empty()) text += "\n    because " + view.block->why_explicit;
  text += "\n  events that satisfy no stage: ";
  text += program.ignores_unmatched ? "not looked at\n" : "looked up by key\n";
  text += "  automaton:\n" + AutomatonText(view);
  text += "  conditions:\n" + ConditionsText(view);
  return text;
}

// --- graphs
// -----------------------------------------------------------------------------------------------------------

std::string Escape(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string Dot(const View& view) {
  const Program& program = view.block->program;
  std::string text = "digraph \"" + Escape(view.rule->info.id) + "\" {\n  rankdir=LR;\n";
  for (uint32_t i = 0; i < program.states.size(); ++i) {
    const State& state = program.states[i];
    const char* shape = state.kind == StateKind::kFinal  ? "doublecircle"
                        : state.kind == StateKind::kStop ? "octagon"
                                                         : "ellipse";
    text += "  s" + std::to_string(i) + " [label=\"" + Escape(StateName(view, i)) +
            "\", shape=" + shape;
    if (i == program.start) text += ", style=bold";
    text += "];\n";
  }
  for (uint32_t i = 0; i < program.states.size(); ++i) {
    if (program.states[i].kind == StateKind::kStop) continue;
    for (const Edge& edge : program.states[i].edges) {
      text += "  s" + std::to_string(i) + " -> s" + std::to_string(edge.target) + " [label=\"" +
              Escape(EdgeLabel(view, edge)) + "\"";
      if (edge.action == EdgeAction::kProceed) text += ", style=dashed";
      text += "];\n";
    }
  }
  return text + "}\n";
}

std::string Mermaid(const View& view) {
  const Program& program = view.block->program;
  std::string text = "stateDiagram-v2\n";
  for (uint32_t i = 0; i < program.states.size(); ++i) {
    const State& state = program.states[i];
    text += "  state \"" + StateName(view, i) + "\" as s" + std::to_string(i) + "\n";
    if (i == program.start) text += "  [*] --> s" + std::to_string(i) + "\n";
    if (state.kind == StateKind::kFinal) text += "  s" + std::to_string(i) + " --> [*]\n";
  }
  for (uint32_t i = 0; i < program.states.size(); ++i) {
    if (program.states[i].kind == StateKind::kStop) continue;
    for (const Edge& edge : program.states[i].edges) {
      std::string label = EdgeLabel(view, edge);
      std::replace(label.begin(), label.end(), ':', '.');  // Mermaid ends a label's head at a colon
      text +=
          "  s" + std::to_string(i) + " --> s" + std::to_string(edge.target) + ": " + label + "\n";
    }
  }
  return text;
}

}  // namespace

std::string ExplainRule(const RuleSet& set, const patterns::CompiledPatterns& compiled,
                        size_t index, ExplainFormat format) {
  const View view = ViewOf(set, compiled, index);
  switch (format) {
    case ExplainFormat::kText:
      return Text(view);
    case ExplainFormat::kDot:
      return Dot(view);
    case ExplainFormat::kMermaid:
      return Mermaid(view);
  }
  return "";
}

std::vector<patterns::PatternRule> PatternRules(const RuleSet& set) {
  std::vector<patterns::PatternRule> rules;
  for (uint32_t i = 0; i < set.rules.size(); ++i) {
    const CompiledRule& rule = set.rules[i];
    rules.push_back({i, &rule.pattern, rule.key_slots, rule.info.id, uint64_t{i} + 1});
  }
  return rules;
}

}  // namespace vigil::rules
