#include "patterns/match_store.h"

#include <cstring>
#include <functional>
#include <new>

#include "cep/base/encoding.h"

namespace vigil::patterns {
namespace {

using cep::CapturedEvent;
using cep::MapEntry;
using cep::Value;
using cep::ValueTag;

bool HasText(const Value& v) {
  return v.tag == ValueTag::kString || v.tag == ValueTag::kBytes || v.tag == ValueTag::kError;
}

// Whether it is a text that is part of `json`, as texts without escapes are.
bool LiesIn(const Value& v, std::string_view json) {
  const std::less_equal<const char*> before;
  return HasText(v) && before(json.data(), v.s) && before(v.s + v.size, json.data() + json.size());
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
  for (const EventSlot& slot : events_) {
    if (slot.refs > 0) memory_.Free(slot.event, slot.size);
  }
}

uint32_t MatchStore::AddNode(uint32_t event, uint32_t parent, uint32_t stage) {
  uint32_t id;
  if (free_nodes_.empty()) {
    id = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    id = free_nodes_.back();
    free_nodes_.pop_back();
  }
  ++events_[event].refs;
  Ref(parent);
  const uint16_t before = parent == kNoNode ? 0 : nodes_[parent].length;
  const auto length = static_cast<uint16_t>(before == UINT16_MAX ? before : before + 1);
  nodes_[id] = {event, parent, 0, static_cast<uint16_t>(stage), length};
  return id;
}

void MatchStore::Unref(uint32_t id) {
  while (id != kNoNode) {
    PathNode& node = nodes_[id];
    if (--node.refs > 0) return;
    Release(node.event);
    free_nodes_.push_back(id);
    id = node.parent;
  }
}

void MatchStore::Release(uint32_t event) {
  if (event == kNoEvent) return;
  EventSlot& slot = events_[event];
  if (--slot.refs > 0) return;
  memory_.Free(slot.event, slot.size);
  event_bytes_ -= slot.size;
  free_events_.push_back(event);
}

uint32_t MatchStore::Capture(const cep::OrderedBlock& rows, uint32_t row, std::string* why) {
  const cep::RowRef ref = rows.refs[row];
  std::string_view json = ref.batch->raw[ref.row];
  if (ref.batch->is_json[ref.row] == 0) {
    json_.clear();
    if (!ref.batch->RendererOf(ref.row)->AppendJson(json, &json_, why)) return kNoEvent;
    json = json_;
  }
  const std::vector<cep::Slot>& slots = rows.layout->slots();
  uint32_t kept = 0;  // values to keep, up to the last slot that is
  size_t size = Aligned(sizeof(CapturedEvent)) + Aligned(json.size());
  for (uint32_t s = 0; s < slots.size(); ++s) {
    if (!slots[s].is_kept) continue;
    kept = s + 1;
    const Value value = rows.columns[s].Get(row);
    if (!LiesIn(value, json)) size += DeepSize(value);
  }
  size += Aligned(kept * sizeof(Value));
  char* memory = static_cast<char*>(memory_.Allocate(size));
  auto* event = new (memory) CapturedEvent();
  auto* values = reinterpret_cast<Value*>(memory + Aligned(sizeof(CapturedEvent)));
  char* copy = reinterpret_cast<char*>(values) + Aligned(kept * sizeof(Value));
  std::memcpy(copy, json.data(), json.size());
  char* to = copy + Aligned(json.size());
  for (uint32_t s = 0; s < kept; ++s) {
    Value value = slots[s].is_kept ? rows.columns[s].Get(row) : Value();
    if (LiesIn(value, json)) {
      value.s = copy + (value.s - json.data());
    } else {
      value = DeepCopy(value, &to);
    }
    new (&values[s]) Value(value);
  }
  event->json = {copy, json.size()};
  event->values = values;
  event->value_count = kept;
  event->ts = rows.ts[row];
  event->seq = kFirstSequence + rows.first_sequence + row;
  event->partition = ref.batch->partitions[ref.row];
  event->offset = ref.batch->offsets[ref.row];
  return AddEvent(event, size);
}

uint32_t MatchStore::AddEvent(CapturedEvent* event, size_t size) {
  event_bytes_ += size;
  uint32_t id;
  if (free_events_.empty()) {
    id = static_cast<uint32_t>(events_.size());
    events_.emplace_back();
  } else {
    id = free_events_.back();
    free_events_.pop_back();
  }
  events_[id] = {event, 1, static_cast<uint32_t>(size)};
  return id;
}

uint32_t MatchStore::Adopt(const CapturedEvent& from) {
  size_t size = Aligned(sizeof(CapturedEvent)) + Aligned(from.json.size()) +
                Aligned(from.value_count * sizeof(Value));
  for (uint32_t s = 0; s < from.value_count; ++s) size += DeepSize(from.values[s]);
  char* memory = static_cast<char*>(memory_.Allocate(size));
  auto* event = new (memory) CapturedEvent(from);
  char* to = memory + Aligned(sizeof(CapturedEvent));
  auto* values = reinterpret_cast<Value*>(to);
  to += Aligned(from.value_count * sizeof(Value));
  for (uint32_t s = 0; s < from.value_count; ++s) {
    new (&values[s]) Value(DeepCopy(from.values[s], &to));
  }
  if (!from.json.empty()) std::memcpy(to, from.json.data(), from.json.size());
  event->json = {to, from.json.size()};
  event->values = values;
  return AddEvent(event, size);
}

const cep::Partition* MatchStore::Intern(const cep::Partition& partition) {
  std::string key;
  for (const std::string& name : {partition.source, partition.topic, partition.place}) {
    PutBytes(name, &key);
  }
  PutVarint(partition.number, &key);
  std::unique_ptr<cep::Partition>& known = partitions_[key];
  if (known == nullptr) known = std::make_unique<cep::Partition>(partition);
  return known.get();
}

}  // namespace vigil::patterns
