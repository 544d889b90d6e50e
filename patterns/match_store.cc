#include "patterns/match_store.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <new>

#include "cep/base/check.h"
#include "cep/base/encoding.h"

namespace vigil::patterns {
namespace {

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

char* TextOf(StoredEvent* event) { return reinterpret_cast<char*>(event + 1); }

Value* ValuesOf(StoredEvent* event) { return const_cast<Value*>(event->values); }

// Where what values point to begins, with its size.
char* BehindValues(StoredEvent* event) {
  return reinterpret_cast<char*>(ValuesOf(event) + event->shape->value_count);
}

size_t Aligned(size_t size) { return (size + 7) & ~size_t{7}; }

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
  const size_t size = SizeOf(event);
  event_bytes_ -= size;
  --live_events_;
  memory_.Free(id, size);
}

// Bytes of all that belongs to an event. `deep_size` is not 0 for deep shapes alone.
inline size_t MatchStore::SizeOf(const Shape& shape, size_t text_size, size_t deep_size) {
  const size_t values = shape.value_count * sizeof(Value) + deep_size;
  // A line is packed with room behind it, which values take afterwards.
  const size_t least = shape.frame == nullptr ? 0 : cep::TextFrame::kPadding;
  return sizeof(StoredEvent) + StoredEvent::PaddedTextSize(text_size) + std::max(values, least);
}

inline size_t MatchStore::SizeOf(StoredEvent& event) {
  const auto& shape = static_cast<const Shape&>(*event.shape);
  uint64_t deep_size = 0;
  if (shape.is_deep) std::memcpy(&deep_size, BehindValues(&event), sizeof(uint64_t));
  return SizeOf(shape, event.text_size, deep_size);
}

inline uint32_t MatchStore::NewEvent(const Shape& shape, const Place& place, size_t text_size,
                                     size_t deep_size) {
  const size_t size = SizeOf(shape, text_size, deep_size);
  const uint32_t id = memory_.Allocate(size);
  auto* event = new (memory_.At(id)) StoredEvent();
  event->ts = place.ts;
  event->offset = place.offset;
  event->seq = place.seq;
  event->shape = &shape;
  event->values = reinterpret_cast<Value*>(TextOf(event) + StoredEvent::PaddedTextSize(text_size));
  event->text_size = static_cast<uint32_t>(text_size);
  event_bytes_ += size;
  ++live_events_;
  return id;
}

void MatchStore::UseLayout(const std::shared_ptr<const cep::Layout>& layout) {
  layout_ = layout;
  kept_.clear();
  const std::vector<cep::Slot>& slots = layout->slots();
  for (uint32_t s = 0; s < slots.size(); ++s) {
    if (slots[s].is_kept) kept_.push_back({s});
  }
  first_slot_ = kept_.empty() ? 0 : kept_.front().slot;
  value_count_ = kept_.empty() ? 0 : kept_.back().slot - first_slot_ + 1;
  known_shapes_.clear();
  last_shape_ = nullptr;
}

// The shape of rows of layout_. It may have no frame although there is one.
inline const MatchStore::Shape& MatchStore::ShapeOf(const cep::Partition* partition,
                                                    const Frame* frame, bool is_deep) {
  const Origin origin{partition, frame == nullptr ? nullptr : frame->get(), is_deep};
  if (last_shape_ != nullptr && origin == last_origin_) [[likely]]
    return *last_shape_;
  return RememberShape(origin, frame == nullptr ? Frame() : *frame);
}

const MatchStore::Shape& MatchStore::RememberShape(const Origin& origin, const Frame& frame) {
  if (known_shapes_.size() == kMostFramed) known_shapes_.clear();
  KnownShape& known = known_shapes_[origin];
  if (known.shape == nullptr) {
    const Shape wanted{{origin.partition, frame, first_slot_, value_count_}, origin.is_deep};
    known = {frame, &FindShape(wanted)};
  }
  last_origin_ = origin;
  last_shape_ = known.shape;
  return *last_shape_;
}

// There are few: one for each partition, frame and choice of slots.
const MatchStore::Shape& MatchStore::FindShape(const Shape& wanted) {
  std::string key;
  PutVarint(reinterpret_cast<uintptr_t>(wanted.partition), &key);
  PutVarint(wanted.first_slot, &key);
  PutVarint(wanted.value_count, &key);
  PutVarint(wanted.is_deep ? 1 : 0, &key);
  const size_t plain = key.size();
  if (wanted.frame != nullptr) key += wanted.frame->Key();
  const auto found = shapes_.find(key);
  if (found != shapes_.end()) return found->second;
  if (wanted.frame != nullptr && framed_ == kMostFramed) {
    Shape whole = wanted;
    whole.frame = nullptr;
    return shapes_.try_emplace(key.substr(0, plain), whole).first->second;
  }
  if (wanted.frame != nullptr) ++framed_;
  return shapes_.try_emplace(key, wanted).first->second;
}

void MatchStore::BeginRows(const cep::OrderedBlock& rows) {
  rows_ = &rows;
  if (rows.layout != layout_) UseLayout(rows.layout);
  for (KeptSlot& kept : kept_) {
    const cep::Column& column = rows.columns[kept.slot];
    kept.column = &column;
    kept.fixed = nullptr;
    kept.texts = nullptr;
    if (!column.all_present()) continue;
    switch (column.kind()) {
      case cep::ColumnKind::kInt:
        kept.fixed = reinterpret_cast<const uint64_t*>(column.ints());
        kept.tag = ValueTag::kInt;
        break;
      case cep::ColumnKind::kDouble:
        kept.fixed = reinterpret_cast<const uint64_t*>(column.doubles());
        kept.tag = ValueTag::kDouble;
        break;
      case cep::ColumnKind::kString:
        kept.texts = column.strings();
        break;
      case cep::ColumnKind::kBool:
      case cep::ColumnKind::kValue:
        break;
    }
  }
}

// What the row's kept values point to, as far as it is not part of `json`; with the room to say so.
inline size_t MatchStore::DeepSizeOf(uint32_t row, std::string_view json) const {
  size_t size = 0;
  for (const KeptSlot& kept : kept_) {
    if (kept.fixed != nullptr) continue;
    if (kept.texts != nullptr && LiesIn(Value::String(kept.texts[row]), json)) continue;
    const Value value = kept.column->Get(row);
    if (!IsPlain(value) && !LiesIn(value, json)) size += DeepSize(value);
  }
  return size == 0 ? 0 : size + sizeof(uint64_t);
}

uint32_t MatchStore::Capture(uint32_t row, std::string* why) {
  const cep::RowRef ref = rows_->refs[row];
  const cep::Batch& batch = *ref.batch;
  std::string_view json = batch.raw[ref.row];
  const Frame* frame = nullptr;
  if (batch.is_json[ref.row] == 0) [[unlikely]] {
    json_.clear();
    if (!batch.RendererOf(ref.row)->AppendJson(json, &json_, why)) return kNoEvent;
    json = json_;
  } else if (const uint32_t place = batch.frame_of[ref.row]; place != 0) {
    frame = &batch.frames[place - 1];
  }
  const size_t deep_size = DeepSizeOf(row, json);
  const Shape& shape = ShapeOf(batch.partitions[ref.row], frame, deep_size != 0);
  const Place place{rows_->ts[row], batch.offsets[ref.row],
                    kFirstSequence + rows_->first_sequence + row};
  if (shape.frame == nullptr) {
    const uint32_t id = NewEvent(shape, place, json.size(), deep_size);
    StoredEvent* event = &Stored(id);
    std::memcpy(TextOf(event), json.data(), json.size());
    const auto text_of = [&](Value value, KeptSlot*) {
      return TextOf(event) + (value.s - json.data());
    };
    CopyValues(row, json, text_of, event);
    return id;
  }
  const cep::TextFrame& of = *shape.frame;
  const cep::TextFrame::Sizes& sizes = batch.value_sizes[ref.row];
  const size_t text_size = json.size() - of.texts_size() + of.count();
  CEP_DCHECK(text_size == of.ValueBytes(sizes) + of.count());
  const uint32_t id = NewEvent(shape, place, text_size, deep_size);
  StoredEvent* event = &Stored(id);
  of.Pack(json.data(), sizes, TextOf(event));
  const auto text_of = [&](Value value, KeptSlot* kept) {
    return TextOf(event) + PlaceInPacked(value, json.data(), of, sizes, kept);
  };
  CopyValues(row, json, text_of, event);
  return id;
}

// Fills the event's values, behind its text. `text_of` says where in it the text of a value is that
// is part of `json`.
template <typename F>
inline void MatchStore::CopyValues(uint32_t row, std::string_view json, F text_of,
                                   StoredEvent* event) {
  Value* const values = ValuesOf(event);
  char* deep = nullptr;
  uint32_t next = 0;
  for (KeptSlot& kept : kept_) {
    const uint32_t place = kept.slot - first_slot_;
    while (next < place) new (&values[next++]) Value();
    auto* to = new (&values[next++]) Value();
    if (kept.fixed != nullptr) {
      to->tag = kept.tag;
      std::memcpy(&to->u, &kept.fixed[row], sizeof(uint64_t));
      continue;
    }
    Value value = kept.texts != nullptr ? Value::String(kept.texts[row]) : kept.column->Get(row);
    if (LiesIn(value, json)) {
      value.s = text_of(value, &kept);
    } else if (!IsPlain(value)) {
      if (deep == nullptr) deep = BehindValues(event) + sizeof(uint64_t);
      value = DeepCopy(value, &deep);
    }
    *to = value;
  }
  if (deep == nullptr) return;
  const auto deep_size = static_cast<uint64_t>(deep - BehindValues(event));
  if (deep_size > sizeof(uint64_t)) std::memcpy(BehindValues(event), &deep_size, sizeof(uint64_t));
}

// Where the value's text, which is part of one of the line's values, is in the packed line.
inline size_t MatchStore::PlaceInPacked(Value value, const char* line, const cep::TextFrame& frame,
                                        const cep::TextFrame::Sizes& sizes, KeptSlot* kept) {
  const auto at = static_cast<size_t>(value.s - line);
  const auto holds = [&](size_t i) {
    const size_t start = frame.StartInLine(i, sizes);
    return start <= at && at + value.size <= start + sizes[i];
  };
  if (kept->likely >= frame.count() || !holds(kept->likely)) [[unlikely]] {
    uint32_t i = 0;
    while (i < frame.count() && !holds(i)) ++i;
    CEP_CHECK(i < frame.count());
    kept->likely = i;
  }
  const size_t i = kept->likely;
  return frame.StartInPacked(i, sizes) + at - frame.StartInLine(i, sizes);
}

uint32_t MatchStore::Adopt(const AdoptedEvent& from) {
  size_t deep_size = 0;
  for (const Value& value : from.values) deep_size += DeepSize(value);
  if (deep_size > 0) deep_size += sizeof(uint64_t);
  const auto count = static_cast<uint32_t>(from.values.size());
  const Shape* const last = adopted_shape_;
  if (last == nullptr || last->partition != from.partition || last->value_count != count ||
      last->is_deep != (deep_size > 0)) {
    adopted_shape_ = &FindShape({{from.partition, nullptr, 0, count}, deep_size > 0});
  }
  const Shape& shape = *adopted_shape_;
  const uint32_t id =
      NewEvent(shape, {from.ts, from.offset, from.seq}, from.json.size(), deep_size);
  StoredEvent& event = Stored(id);
  if (!from.json.empty()) std::memcpy(TextOf(&event), from.json.data(), from.json.size());
  auto* values = ValuesOf(&event);
  if (deep_size > 0) std::memcpy(BehindValues(&event), &deep_size, sizeof(uint64_t));
  char* deep = BehindValues(&event) + sizeof(uint64_t);
  for (uint32_t s = 0; s < count; ++s) new (&values[s]) Value(DeepCopy(from.values[s], &deep));
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
