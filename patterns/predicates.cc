#include "patterns/predicates.h"

#include <algorithm>

#include "patterns/atom_kernels.h"

namespace vigil::patterns {
namespace {

using Kind = cep::Condition::Kind;

void EvaluateOpaque(const cep::Expression& expression, const cep::ColumnBlock& block, Arena* arena,
                    TriBits* out) {
  *out = TriBits();
  cep::EvalContext context;
  context.block = &block;
  context.arena = arena;
  for (uint32_t row = 0; row < block.rows; ++row) {
    context.row = row;
    const cep::Tri tri = expression.EvalBool(context);
    if (tri == cep::Tri::kTrue) out->yes.Set(row);
    if (tri == cep::Tri::kFalse) out->no.Set(row);
  }
  arena->Reset();
}

std::string ExplainField(uint32_t slot, const cep::ColumnBlock& block, uint32_t row) {
  const cep::Value value = block.columns[slot].Get(row);
  const std::string name = "`" + block.layout->slots()[slot].name + "`";
  if (value.is_absent()) return "the event has no field " + name;
  if (value.is_null()) return "field " + name + " is null";
  return "field " + name + " has a value of another type";
}

}  // namespace

uint32_t PredicateSet::Add(const cep::Condition& condition) {
  const uint32_t id = AddNode(condition);
  ++nodes_[id].uses;
  return id;
}

uint32_t PredicateSet::AddNode(const cep::Condition& condition) {
  const std::string key = condition.kind == Kind::kTrue ? "true" : condition.text;
  if (const auto it = by_text_.find(key); it != by_text_.end()) return it->second;
  Node node;
  node.kind = condition.kind;
  node.atom = condition.atom;
  node.opaque = condition.opaque;
  node.text = key;
  for (const cep::Condition& child : condition.children) node.children.push_back(AddNode(child));
  nodes_.push_back(std::move(node));
  const auto id = static_cast<uint32_t>(nodes_.size() - 1);
  by_text_.emplace(key, id);
  return id;
}

std::string PredicateResults::ExplainError(uint32_t id, const cep::ColumnBlock& block,
                                           uint32_t row) const {
  const PredicateSet::Node& node = set_->nodes_[id];
  for (uint32_t child : node.children) {
    if (results_[child].IsError(row)) return ExplainError(child, block, row);
  }
  if (node.kind == Kind::kAtom) return ExplainField(node.atom.slot, block, row);
  if (node.kind == Kind::kOpaque) {
    Arena arena;
    cep::EvalContext context;
    context.block = &block;
    context.row = row;
    context.arena = &arena;
    const cep::Value value = node.opaque->Eval(context);
    if (value.is_error()) return std::string(value.text());
  }
  return "the result is not a bool";
}

std::string PredicateResults::ExplainIndexError(uint32_t index, const cep::ColumnBlock& block,
                                                uint32_t row) const {
  return ExplainField(set_->index(index).slot(), block, row);
}

void PredicateResults::EvaluateIndex(uint32_t id, const cep::ColumnBlock& block) {
  const ConstantIndex& index = set_->index(id);
  const cep::Column& column = block.columns[index.slot()];
  const cep::RowBits& excluded = results_[set_->common(id)].no;
  IndexHits* out = &hits_[id];
  out->failed.Clear();
  out->possible.assign(index.members(), cep::RowBits());
  uint32_t* entries = out->entries.data();
  uint32_t* found = out->found.data();
  std::fill_n(entries, block.rows, ConstantIndex::kNone);
  uint32_t count = 0;
  if (column.kind() == cep::ColumnKind::kString && column.all_present()) {
    count = index.FindTexts(column.strings(), block.rows, excluded, entries, found);
  } else {
    for (uint32_t row = 0; row < block.rows; ++row) {
      if (excluded.Test(row)) continue;
      const cep::Value value = column.Get(row);
      if (index.Fails(value)) {
        out->failed.Set(row);
        continue;
      }
      entries[row] = index.Find(value);
      if (entries[row] != ConstantIndex::kNone) found[count++] = row;
    }
  }
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t row = found[i];
    index.ForEachMember(entries[row], [&](uint32_t member) { out->possible[member].Set(row); });
  }
}

void PredicateResults::Evaluate(const cep::ColumnBlock& block) {
  constexpr uint32_t kWords = cep::RowBits::kWords;
  for (size_t i = 0; i < results_.size(); ++i) {
    const PredicateSet::Node& node = set_->nodes_[i];
    TriBits& out = results_[i];
    switch (node.kind) {
      case Kind::kTrue:
        for (uint32_t w = 0; w < kWords; ++w) {
          out.yes.words[w] = ~uint64_t{0};
          out.no.words[w] = 0;
        }
        break;
      case Kind::kAtom:
        EvaluateAtom(node.atom, block, &out);
        break;
      case Kind::kOpaque:
        EvaluateOpaque(*node.opaque, block, &arena_, &out);
        break;
      case Kind::kNot:
        out.yes = results_[node.children[0]].no;
        out.no = results_[node.children[0]].yes;
        break;
      case Kind::kAnd:
      case Kind::kOr: {
        const bool is_and = node.kind == Kind::kAnd;
        out = results_[node.children[0]];
        for (size_t c = 1; c < node.children.size(); ++c) {
          const TriBits& child = results_[node.children[c]];
          for (uint32_t w = 0; w < kWords; ++w) {
            out.yes.words[w] = is_and ? out.yes.words[w] & child.yes.words[w]
                                      : out.yes.words[w] | child.yes.words[w];
            out.no.words[w] =
                is_and ? out.no.words[w] | child.no.words[w] : out.no.words[w] & child.no.words[w];
          }
        }
        break;
      }
    }
  }
  for (uint32_t i = 0; i < hits_.size(); ++i) EvaluateIndex(i, block);
}

}  // namespace vigil::patterns
