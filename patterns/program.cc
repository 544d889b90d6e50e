#include "patterns/program.h"

#include <array>

namespace vigil::patterns {
namespace {

constexpr std::array<const char*, 4> kKindNames = {"", " (final)", " (stop)", " (pending)"};
constexpr std::array<const char*, 3> kActionNames = {"take", "ignore", "proceed"};

std::string FormulaText(const Program& program, uint32_t id) {
  const Formula& f = program.formulas[id];
  switch (f.op) {
    case Formula::Op::kTrue:
      return "true";
    case Formula::Op::kLeaf: {
      const Leaf& leaf = program.leaves[f.a];
      return (leaf.is_until ? "until" : "where") + std::to_string(leaf.stage);
    }
    case Formula::Op::kNot:
      return "!" + FormulaText(program, f.a);
    case Formula::Op::kAnd:
      return "(" + FormulaText(program, f.a) + " && " + FormulaText(program, f.b) + ")";
  }
  return "?";
}

}  // namespace

std::string_view StageNameOf(const State& state) {
  return std::string_view(state.name).substr(0, state.name.find(':'));
}

std::string_view RoleOf(const State& state) {
  return std::string_view(state.name).substr(StageNameOf(state).size());
}

bool Program::HoldsUnmatched(uint32_t formula) const {
  const Formula& f = formulas[formula];
  switch (f.op) {
    case Formula::Op::kTrue:
      return true;
    case Formula::Op::kLeaf:
      return false;
    case Formula::Op::kNot:
      return !HoldsUnmatched(f.a);
    case Formula::Op::kAnd:
      return HoldsUnmatched(f.a) && HoldsUnmatched(f.b);
  }
  return false;
}

std::string Program::Dump() const {
  std::string text;
  for (uint32_t i = 0; i < states.size(); ++i) {
    const State& state = states[i];
    text += state.name + kKindNames[static_cast<size_t>(state.kind)];
    if (i == start) text += " (start)";
    if (state.step_within > 0) text += " step_within=" + std::to_string(state.step_within) + "ms";
    text += "\n";
    for (const Edge& edge : state.edges) {
      text += std::string("  ") + kActionNames[static_cast<size_t>(edge.action)] + " -> " +
              states[edge.target].name;
      if (edge.formula != kAlways) text += " if " + FormulaText(*this, edge.formula);
      text += "\n";
    }
  }
  return text;
}

}  // namespace vigil::patterns
