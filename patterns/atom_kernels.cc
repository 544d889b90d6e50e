// Loops over columns, one per column kind, that produce 64 rows' bits a word.
//
// Rows whose field is absent, null or of another type are put right afterwards, one by one: they
// are rare. Numbers compare by value across int and double (cep/event/number_compare.h). Tested by
// tests/patterns/predicates_test.cc against EvaluateAtomOnValue().

#include "patterns/atom_kernels.h"

#include <cmath>
#include <cstring>
#include <optional>
#include <string_view>

#include "cep/event/number_compare.h"

namespace vigil::patterns {
namespace {

using cep::Atom;
using cep::Column;
using cep::ColumnBlock;
using cep::ColumnKind;
using cep::CompareOp;
using cep::FieldState;
using cep::Tri;
using cep::Value;
using cep::ValueTag;

// Calls test(row) for every row and collects the bits.
template <typename Test>
void Fill(uint32_t rows, cep::RowBits* yes, Test test) {
  for (uint32_t base = 0; base < rows; base += 64) {
    const uint32_t n = rows - base < 64 ? rows - base : 64;
    uint64_t word = 0;
    for (uint32_t i = 0; i < n; ++i) word |= static_cast<uint64_t>(test(base + i)) << i;
    yes->words[base / 64] = word;
  }
}

// Dispatches the operator outside the loop.
template <typename T>
void Compare(const T* values, uint32_t rows, CompareOp op, T c, cep::RowBits* yes) {
  switch (op) {
    case CompareOp::kEq:
      return Fill(rows, yes, [=](uint32_t r) { return values[r] == c; });
    case CompareOp::kNe:
      return Fill(rows, yes, [=](uint32_t r) { return values[r] != c; });
    case CompareOp::kLt:
      return Fill(rows, yes, [=](uint32_t r) { return values[r] < c; });
    case CompareOp::kLe:
      return Fill(rows, yes, [=](uint32_t r) { return values[r] <= c; });
    case CompareOp::kGt:
      return Fill(rows, yes, [=](uint32_t r) { return values[r] > c; });
    case CompareOp::kGe:
      return Fill(rows, yes, [=](uint32_t r) { return values[r] >= c; });
    case CompareOp::kIn:
    case CompareOp::kStartsWith:
      return;
  }
}

// True if the whole column can be compared with the constant by the typed loop.
bool IsTyped(ColumnKind kind, CompareOp op, const Value& c) {
  if (op == CompareOp::kIn) return false;
  if (op == CompareOp::kStartsWith && kind != ColumnKind::kString) return false;
  switch (kind) {
    case ColumnKind::kInt:
      return c.tag == ValueTag::kInt;
    case ColumnKind::kDouble:
      return c.tag == ValueTag::kDouble ||
             (c.tag == ValueTag::kInt && std::abs(static_cast<double>(c.i)) < 9007199254740992.0);
    case ColumnKind::kBool:
      return c.tag == ValueTag::kBool;
    case ColumnKind::kString:
      return c.tag == ValueTag::kString;
    case ColumnKind::kValue:
      return false;
  }
  return false;
}

template <typename Word>
Word Load(const char* p) {
  Word word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// Texts of the constant's length L, or those that begin with it, for sizeof(Word) <= L <= 2 *
// sizeof(Word): two loads that may overlap.
template <typename Word>
void TestInTwoLoads(const std::string_view* values, uint32_t rows, CompareOp op, std::string_view c,
                    cep::RowBits* yes) {
  const size_t size = c.size();
  const Word head = Load<Word>(c.data());
  const Word tail = Load<Word>(c.data() + size - sizeof(Word));
  const auto same_bytes = [=](std::string_view value) {
    return Load<Word>(value.data()) == head &&
           Load<Word>(value.data() + size - sizeof(Word)) == tail;
  };
  if (op == CompareOp::kEq) {
    Fill(rows, yes, [=](uint32_t r) { return values[r].size() == size && same_bytes(values[r]); });
  } else {
    Fill(rows, yes, [=](uint32_t r) { return values[r].size() >= size && same_bytes(values[r]); });
  }
}

// Equality with a short constant is the most frequent atom of all: length first, then bytes,
// without a call.
void CompareStrings(const std::string_view* values, uint32_t rows, CompareOp op, std::string_view c,
                    cep::RowBits* yes) {
  if (op == CompareOp::kEq || op == CompareOp::kStartsWith) {
    if (c.size() >= 8 && c.size() <= 16) return TestInTwoLoads<uint64_t>(values, rows, op, c, yes);
    if (c.size() >= 4 && c.size() < 8) return TestInTwoLoads<uint32_t>(values, rows, op, c, yes);
    if (c.size() >= 2 && c.size() < 4) return TestInTwoLoads<uint16_t>(values, rows, op, c, yes);
  }
  if (op == CompareOp::kStartsWith) {
    return Fill(rows, yes, [=](uint32_t r) { return values[r].starts_with(c); });
  }
  Compare(values, rows, op, c, yes);
}

void TypedLoop(const Atom& atom, const Column& column, uint32_t rows, cep::RowBits* yes) {
  const Value& c = atom.constants[0];
  switch (column.kind()) {
    case ColumnKind::kInt:
      return Compare(column.ints(), rows, atom.op, c.i, yes);
    case ColumnKind::kDouble:
      return Compare(column.doubles(), rows, atom.op,
                     c.tag == ValueTag::kInt ? static_cast<double>(c.i) : c.d, yes);
    case ColumnKind::kBool:
      return Compare(column.bools(), rows, atom.op, static_cast<uint8_t>(c.b), yes);
    case ColumnKind::kString:
      return CompareStrings(column.strings(), rows, atom.op, c.text(), yes);
    case ColumnKind::kValue:
      return;
  }
}

void SetRow(TriBits* out, uint32_t row, Tri tri) {
  const uint64_t bit = uint64_t{1} << (row & 63);
  uint64_t& yes = out->yes.words[row >> 6];
  uint64_t& no = out->no.words[row >> 6];
  yes = tri == Tri::kTrue ? yes | bit : yes & ~bit;
  no = tri == Tri::kFalse ? no | bit : no & ~bit;
}

Tri FromBool(bool b) { return b ? Tri::kTrue : Tri::kFalse; }

Tri EvaluateEquality(const Value& value, const Value& constant) {
  const std::optional<bool> equal = cep::ScalarEquals(value, constant);
  return equal.has_value() ? FromBool(*equal) : Tri::kFalse;
}

}  // namespace

Tri EvaluateAtomOnValue(const Atom& atom, const Value& value) {
  if (value.is_absent() || value.is_error()) return Tri::kError;
  switch (atom.op) {
    case CompareOp::kEq:
      return EvaluateEquality(value, atom.constants[0]);
    case CompareOp::kNe:
      return EvaluateEquality(value, atom.constants[0]) == Tri::kTrue ? Tri::kFalse : Tri::kTrue;
    case CompareOp::kIn:
      for (const Value& c : atom.constants) {
        if (EvaluateEquality(value, c) == Tri::kTrue) return Tri::kTrue;
      }
      return Tri::kFalse;
    case CompareOp::kStartsWith:
      if (value.tag != ValueTag::kString) return Tri::kError;
      return FromBool(value.text().starts_with(atom.constants[0].text()));
    default:
      break;
  }
  const std::optional<cep::Ordering> order = cep::ScalarCompare(value, atom.constants[0]);
  if (!order.has_value()) return Tri::kError;
  switch (atom.op) {
    case CompareOp::kLt:
      return FromBool(*order == cep::Ordering::kLess);
    case CompareOp::kLe:
      return FromBool(*order == cep::Ordering::kLess || *order == cep::Ordering::kEqual);
    case CompareOp::kGt:
      return FromBool(*order == cep::Ordering::kGreater);
    default:
      return FromBool(*order == cep::Ordering::kGreater || *order == cep::Ordering::kEqual);
  }
}

void EvaluateAtom(const Atom& atom, const ColumnBlock& block, TriBits* out) {
  const Column& column = block.columns[atom.slot];
  const uint32_t rows = block.rows;
  if (!IsTyped(column.kind(), atom.op, atom.constants[0])) {
    for (uint32_t r = 0; r < rows; ++r) SetRow(out, r, EvaluateAtomOnValue(atom, column.Get(r)));
    return;
  }
  TypedLoop(atom, column, rows, &out->yes);
  for (uint32_t w = 0; w <= (rows - 1) / 64; ++w) out->no.words[w] = ~out->yes.words[w];
  if (column.all_present()) return;
  const FieldState* states = column.states();
  for (uint32_t r = 0; r < rows; ++r) {
    if (states[r] != FieldState::kPresent) SetRow(out, r, EvaluateAtomOnValue(atom, column.Get(r)));
  }
}

}  // namespace vigil::patterns
