#include "cep/event/batch.h"

#include <algorithm>
#include <cmath>

namespace vigil::cep {
namespace {

size_t ElementSize(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::kInt:
      return sizeof(int64_t);
    case ColumnKind::kDouble:
      return sizeof(double);
    case ColumnKind::kBool:
      return sizeof(uint8_t);
    case ColumnKind::kString:
      return sizeof(std::string_view);
    case ColumnKind::kValue:
      return sizeof(Value);
  }
  return sizeof(Value);
}

}  // namespace

ColumnKind ColumnKindOf(const Type& type) {
  switch (type.kind) {
    case TypeKind::kInt:
      return ColumnKind::kInt;
    case TypeKind::kDouble:
      return ColumnKind::kDouble;
    case TypeKind::kBool:
      return ColumnKind::kBool;
    case TypeKind::kString:
      return ColumnKind::kString;
    default:
      return ColumnKind::kValue;
  }
}

uint32_t Layout::Add(std::string_view name, const Type& type) {
  if (const int found = Find(name); found >= 0) {
    slots_[static_cast<size_t>(found)].is_read = true;
    return static_cast<uint32_t>(found);
  }
  slots_.push_back({std::string(name), type, ColumnKindOf(type), false, true});
  return static_cast<uint32_t>(slots_.size() - 1);
}

void Layout::ForgetUses() {
  for (Slot& slot : slots_) slot.is_kept = slot.is_read = false;
}

bool Layout::HasSameColumns(const Layout& other) const {
  return std::equal(
      slots_.begin(), slots_.end(), other.slots_.begin(), other.slots_.end(),
      [](const Slot& a, const Slot& b) { return a.name == b.name && a.kind == b.kind; });
}

int Layout::Find(std::string_view name) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

Column::Column(ColumnKind kind)
    : kind_(kind),
      data_(new std::byte[ElementSize(kind) * kBatchRows]()),
      states_(kind == ColumnKind::kValue ? nullptr : new FieldState[kBatchRows]()) {}

void Column::SetState(uint32_t row, FieldState state) {
  if (kind_ == ColumnKind::kValue) {
    switch (state) {
      case FieldState::kPresent:
        break;
      case FieldState::kAbsent:
        values()[row] = Value();
        break;
      case FieldState::kNull:
        values()[row] = Value::Null();
        break;
      case FieldState::kMismatch:
        values()[row] = Value::Error("value of another type");
        break;
    }
    return;
  }
  if (all_present_) {
    if (state == FieldState::kPresent) return;
    std::fill_n(states_.get(), kBatchRows, FieldState::kPresent);
    all_present_ = false;
  }
  states_[row] = state;
}

Value Column::GetUnusual(uint32_t row) const {
  switch (states_[row]) {
    case FieldState::kAbsent:
      return Value();
    case FieldState::kNull:
      return Value::Null();
    case FieldState::kMismatch:
      return Value::Error("value of another type");
    case FieldState::kPresent:
      break;
  }
  return GetPresent(row);
}

void Column::Set(uint32_t row, const Value& value) {
  if (kind_ == ColumnKind::kValue) {
    values()[row] = value;
    return;
  }
  FieldState state = FieldState::kMismatch;
  if (value.is_absent()) {
    state = FieldState::kAbsent;
  } else if (value.is_null()) {
    state = FieldState::kNull;
  } else if (kind_ == ColumnKind::kInt && value.tag == ValueTag::kInt) {
    ints()[row] = value.i;
    state = FieldState::kPresent;
  } else if (kind_ == ColumnKind::kDouble && value.tag == ValueTag::kDouble) {
    doubles()[row] = value.d;
    state = FieldState::kPresent;
  } else if (kind_ == ColumnKind::kDouble && value.tag == ValueTag::kInt) {
    doubles()[row] = static_cast<double>(value.i);
    state = FieldState::kPresent;
  } else if (kind_ == ColumnKind::kBool && value.tag == ValueTag::kBool) {
    bools()[row] = value.b ? 1 : 0;
    state = FieldState::kPresent;
  } else if (kind_ == ColumnKind::kString && value.tag == ValueTag::kString) {
    strings()[row] = value.text();
    state = FieldState::kPresent;
  }
  SetState(row, state);
}

ColumnBlock::ColumnBlock(std::shared_ptr<const Layout> layout_in)
    : layout(std::move(layout_in)), ts(new int64_t[kBatchRows]()) {
  columns.reserve(layout->slots().size());
  for (const Slot& slot : layout->slots()) columns.emplace_back(slot.kind);
}

Batch::Batch(std::shared_ptr<const Layout> layout_in) : ColumnBlock(std::move(layout_in)) {
  offsets.resize(kBatchRows);
  partitions.resize(kBatchRows);
  raw.resize(kBatchRows);
  is_json.resize(kBatchRows);
  frame_of.resize(kBatchRows);
  value_sizes.resize(kBatchRows);
}

void Batch::Clear() {
  rows = 0;
  std::fill(is_json.begin(), is_json.end(), uint8_t{0});
  std::fill(frame_of.begin(), frame_of.end(), uint8_t{0});
  frames.clear();
  for (Column& column : columns) column.ResetStates();
  rejected.clear();
  renderers.clear();
  chunks.clear();
  arena.Reset();
}

uint8_t Batch::PlaceOfFrame(const std::shared_ptr<const TextFrame>& frame) {
  size_t place = 0;
  while (place < frames.size() && frames[place] != frame) ++place;
  if (place == UINT8_MAX) return 0;
  if (place == frames.size()) frames.push_back(frame);
  return static_cast<uint8_t>(place + 1);
}

}  // namespace vigil::cep
