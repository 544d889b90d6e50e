#include "patterns/match_store.h"

#include <cstring>
#include <functional>
#include <memory>
#include <new>

#include "cep/base/check.h"
#include "cep/base/encoding.h"

namespace vigil::patterns {
namespace {

using cep::CapturedEvent;
using cep::MapEntry;
using cep::Value;
using cep::ValueTag;

// Values are passed by value throughout: in memory, they would be written in parts and read whole,
// for which a processor waits.
bool HasText(Value v) {
  return v.tag == ValueTag::kString || v.tag == ValueTag::kBytes || v.tag == ValueTag::kError;
}

// Whether it is a text that is part of `json`, as texts without escapes are.
bool LiesIn(Value v, std::string_view json) {
  const std::less_equal<const char*> before;
  return HasText(v) && before(json.data(), v.s) && before(v.s + v.size, json.data() + json.size());
}

// Whether it is whole in itself.
bool IsPlain(Value v) { return v.tag <= ValueTag::kDouble && v.tag != ValueTag::kError; }

size_t Aligned(size_t size) { return (size + 15) & ~size_t{15}; }

// Bytes that a deep copy of what `v` points to takes. Depth is bounded by the codecs (64 levels).
size_t DeepSize(Value v) {
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

uint32_t MatchStore::AddLongPath(uint32_t event, uint32_t parent, uint32_t stage) {
  uint32_t id;
  if (free_nodes_.empty()) {
    id = static_cast<uint32_t>(nodes_.size());
    CEP_CHECK(!IsSingle(id));
    nodes_.emplace_back();
  } else {
    id = free_nodes_.back();
    free_nodes_.pop_back();
  }
  Keep(event);
  Ref(parent);
  const uint16_t before = parent == kNoNode ? 0 : node(parent).length;
  const auto length = static_cast<uint16_t>(before == UINT16_MAX ? before : before + 1);
  nodes_[id] = {event, parent, 0, static_cast<uint16_t>(stage), length};
  return id;
}

void MatchStore::Unref(uint32_t id) {
  while (id != kNoNode) {
    if (IsSingle(id)) return Release(EventOfSingle(id));
    PathNode& node = nodes_[id];
    if (--node.refs > 0) return;
    Release(node.event);
    free_nodes_.push_back(id);
    id = node.parent;
  }
}

void MatchStore::Release(uint32_t id) {
  if (id == kNoEvent) return;
  StoredEvent& event = Stored(id);
  if (--event.refs > 0) return;
  event_bytes_ -= event.size;
  --live_events_;
  memory_.Free(id, event.size);
}

uint32_t MatchStore::NewEvent(size_t size) {
  const uint32_t id = memory_.Allocate(size);
  auto* event = new (memory_.At(id)) StoredEvent();
  event->size = static_cast<uint32_t>(size);
  event_bytes_ += size;
  ++live_events_;
  return id;
}

void MatchStore::UseLayout(const std::shared_ptr<const cep::Layout>& layout) {
  layout_ = layout;
  kept_.clear();
  const std::vector<cep::Slot>& slots = layout->slots();
  for (uint32_t s = 0; s < slots.size(); ++s) {
    if (slots[s].is_kept) kept_.push_back(s);
  }
  value_count_ = kept_.empty() ? 0 : kept_.back() + 1;
}

uint32_t MatchStore::Capture(const cep::OrderedBlock& rows, uint32_t row, std::string* why) {
  const cep::RowRef ref = rows.refs[row];
  std::string_view json = ref.batch->raw[ref.row];
  if (ref.batch->is_json[ref.row] == 0) {
    json_.clear();
    if (!ref.batch->RendererOf(ref.row)->AppendJson(json, &json_, why)) return kNoEvent;
    json = json_;
  }
  if (rows.layout != layout_) UseLayout(rows.layout);
  const size_t values_size = value_count_ * sizeof(Value);
  size_t size = sizeof(StoredEvent) + values_size + Aligned(json.size());
  for (const uint32_t slot : kept_) {
    const Value value = rows.columns[slot].Get(row);
    if (!IsPlain(value) && !LiesIn(value, json)) size += DeepSize(value);
  }
  const uint32_t id = NewEvent(size);
  StoredEvent* event = &Stored(id);
  auto* values = reinterpret_cast<Value*>(event + 1);
  char* copy = reinterpret_cast<char*>(values) + values_size;
  char* to = copy + Aligned(json.size());
  std::memcpy(copy, json.data(), json.size());
  uint32_t next = 0;
  for (const uint32_t slot : kept_) {
    while (next < slot) new (&values[next++]) Value();
    Value value = rows.columns[slot].Get(row);
    if (!IsPlain(value)) {
      if (LiesIn(value, json)) {
        value.s = copy + (value.s - json.data());
      } else {
        value = DeepCopy(value, &to);
      }
    }
    new (&values[next++]) Value(value);
  }
  event->set_json({copy, json.size()});
  event->values = values;
  event->value_count = value_count_;
  event->ts = rows.ts[row];
  event->seq = kFirstSequence + rows.first_sequence + row;
  event->partition = ref.batch->partitions[ref.row];
  event->offset = ref.batch->offsets[ref.row];
  return id;
}

uint32_t MatchStore::Adopt(const CapturedEvent& from) {
  const std::string_view json = from.json();
  size_t size =
      sizeof(StoredEvent) + Aligned(json.size()) + Aligned(from.value_count * sizeof(Value));
  for (uint32_t s = 0; s < from.value_count; ++s) size += DeepSize(from.values[s]);
  const uint32_t id = NewEvent(size);
  StoredEvent& event = Stored(id);
  static_cast<CapturedEvent&>(event) = from;
  auto* values = reinterpret_cast<Value*>(&event + 1);
  char* to = reinterpret_cast<char*>(values);
  to += Aligned(from.value_count * sizeof(Value));
  for (uint32_t s = 0; s < from.value_count; ++s) {
    new (&values[s]) Value(DeepCopy(from.values[s], &to));
  }
  if (!json.empty()) std::memcpy(to, json.data(), json.size());
  event.set_json({to, json.size()});
  event.values = values;
  return id;
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
