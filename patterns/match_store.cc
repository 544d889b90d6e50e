#include "patterns/match_store.h"

#include <cstring>
#include <new>

namespace vigil::patterns {
namespace {

using cep::CapturedEvent;
using cep::MapEntry;
using cep::Value;
using cep::ValueTag;

bool HasText(const Value& v) {
  return v.tag == ValueTag::kString || v.tag == ValueTag::kBytes || v.tag == ValueTag::kError;
}

size_t Aligned(size_t size) { return (size + 15) & ~size_t{15}; }

// Bytes that a deep copy of what `v` points to takes. Depth is bounded by the codecs (64 levels).
size_t DeepSize(const Value& v) {
  if (HasText(v)) return Aligned(v.size);
  size_t size = 0;
  if (v.tag == ValueTag::kList) {
    size = Aligned(v.size * sizeof(Value));
    for (uint32_t i = 0; i < v.size; ++i) size += DeepSize(v.list[i]);
  } else if (v.tag == ValueTag::kMap) {
    size = Aligned(v.size * sizeof(MapEntry));
    for (uint32_t i = 0; i < v.size; ++i) size += DeepSize(v.map[i].key) + DeepSize(v.map[i].value);
  }
  return size;
}

// Copies what `v` points to, to `*to`, which is moved on.
Value DeepCopy(Value v, char** to) {
  const auto take = [to](size_t size) {
    char* place = *to;
    *to += Aligned(size);
    return place;
  };
  if (HasText(v)) {
    char* place = take(v.size);
    if (v.size > 0) std::memcpy(place, v.s, v.size);
    v.s = place;
  } else if (v.tag == ValueTag::kList) {
    auto* items = reinterpret_cast<Value*>(take(v.size * sizeof(Value)));
    for (uint32_t i = 0; i < v.size; ++i) new (&items[i]) Value(DeepCopy(v.list[i], to));
    v.list = items;
  } else if (v.tag == ValueTag::kMap) {
    auto* entries = reinterpret_cast<MapEntry*>(take(v.size * sizeof(MapEntry)));
    for (uint32_t i = 0; i < v.size; ++i) {
      new (&entries[i]) MapEntry{DeepCopy(v.map[i].key, to), DeepCopy(v.map[i].value, to)};
    }
    v.map = entries;
  }
  return v;
}

}  // namespace

MatchStore::~MatchStore() {
  for (PathNode& node : nodes_) {
    Release(node.event);
  }
}

uint32_t MatchStore::AddNode(CapturedEvent* event, uint32_t parent, uint32_t stage) {
  uint32_t id;
  if (free_.empty()) {
    id = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  ++event->refs;
  Ref(parent);
  nodes_[id] = {event, parent, 0, stage};
  return id;
}

void MatchStore::Unref(uint32_t id) {
  while (id != kNoNode) {
    PathNode& node = nodes_[id];
    if (--node.refs > 0) return;
    Release(node.event);
    node.event = nullptr;
    free_.push_back(id);
    id = node.parent;
  }
}

CapturedEvent* MatchStore::Capture(const cep::OrderedBlock& rows, uint32_t row,
                                   std::string* json_scratch, std::string* why) {
  std::string& json = *json_scratch;
  const cep::RowRef ref = rows.refs[row];
  json.clear();
  if (!ref.batch->renderer->AppendJson(ref.batch->raw[ref.row], &json, why)) return nullptr;
  const size_t slots = rows.columns.size();
  size_t size =
      Aligned(sizeof(CapturedEvent)) + Aligned(slots * sizeof(Value)) + Aligned(json.size());
  for (const cep::Column& column : rows.columns) {
    // Only texts, lists and maps have anything to copy.
    if (column.kind() == cep::ColumnKind::kString || column.kind() == cep::ColumnKind::kValue) {
      size += DeepSize(column.Get(row));
    }
  }
  char* memory = static_cast<char*>(std::aligned_alloc(16, Aligned(size)));
  auto* event = new (memory) CapturedEvent();
  char* to = memory + Aligned(sizeof(CapturedEvent));
  auto* values = reinterpret_cast<Value*>(to);
  to += Aligned(slots * sizeof(Value));
  for (size_t s = 0; s < slots; ++s)
    new (&values[s]) Value(DeepCopy(rows.columns[s].Get(row), &to));
  std::memcpy(to, json.data(), json.size());
  event->json = {to, json.size()};
  event->values = values;
  event->value_count = static_cast<uint32_t>(slots);
  event->refs = 1;
  event->ts = rows.ts[row];
  event->seq = rows.first_sequence + row;
  event->partition = ref.batch->partitions[ref.row];
  event->offset = ref.batch->offsets[ref.row];
  return event;
}

void MatchStore::Release(CapturedEvent* event) {
  if (event != nullptr && --event->refs == 0) std::free(event);
}

}  // namespace vigil::patterns
