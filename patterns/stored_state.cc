#include "patterns/stored_state.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace vigil::patterns {
namespace {

using cep::MapEntry;
using cep::Value;
using cep::ValueTag;

// Tags of stored values; part of the format.
enum class StoredTag : uint8_t {
  kAbsent = 0,
  kNull = 1,
  kFalse = 2,
  kTrue = 3,
  kInt = 4,
  kUint = 5,
  kDouble = 6,
  kString = 7,
  kBytes = 8,
  kTimestamp = 9,
  kDuration = 10,
  kList = 11,
  kMap = 12,
  kError = 13,
  kType = 14,
};

void PutTag(StoredTag tag, std::string* out) { out->push_back(static_cast<char>(tag)); }

void PutText(StoredTag tag, const Value& value, std::string* out) {
  PutTag(tag, out);
  PutBytes(value.text(), out);
}

// Well-formed UTF-8 (Unicode 15, table 3-7).
bool IsUtf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  for (size_t i = 0; i < text.size();) {
    const uint8_t lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                          : lead >= 0xe0 && lead <= 0xef ? 3
                          : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                         : 0;
    if (length == 0 || text.size() - i < length) return false;
    const uint8_t least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const uint8_t most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (byte(i + 1) < least || byte(i + 1) > most) return false;
    for (size_t k = 2; k < length; ++k) {
      if (byte(i + k) < 0x80 || byte(i + k) > 0xbf) return false;
    }
    i += length;
  }
  return true;
}

Value ReadText(ByteReader* reader) {
  const std::string_view text = reader->Bytes();
  if (text.size() > UINT32_MAX || !IsUtf8(text)) reader->Fail();
  return Value::String(text);
}

Value ReadTime(ValueTag tag, ByteReader* reader) {
  const int64_t seconds = reader->Signed();
  const int64_t nanos = reader->Signed();
  const bool is_signed = tag == ValueTag::kDuration;
  if (nanos >= 1000000000 || nanos <= (is_signed ? -1000000000 : -1)) reader->Fail();
  return Value::Time(tag, seconds, static_cast<int32_t>(nanos));
}

bool IsMapKey(const Value& key) {
  return key.tag == ValueTag::kBool || key.tag == ValueTag::kInt || key.tag == ValueTag::kUint ||
         key.tag == ValueTag::kString;
}

Value ReadNested(ByteReader* reader, Arena* arena, uint32_t depth) {
  const auto tag = static_cast<StoredTag>(reader->Byte());
  switch (tag) {
    case StoredTag::kAbsent:
      return Value();
    case StoredTag::kNull:
      return Value::Null();
    case StoredTag::kFalse:
      return Value::Bool(false);
    case StoredTag::kTrue:
      return Value::Bool(true);
    case StoredTag::kInt:
      return Value::Int(reader->Signed());
    case StoredTag::kUint:
      return Value::Uint(reader->Varint());
    case StoredTag::kDouble:
      return Value::Double(std::bit_cast<double>(reader->Fixed64()));
    case StoredTag::kString:
      return ReadText(reader);
    case StoredTag::kBytes:
      return Value::Bytes(reader->Bytes());
    case StoredTag::kTimestamp:
      return ReadTime(ValueTag::kTimestamp, reader);
    case StoredTag::kDuration:
      return ReadTime(ValueTag::kDuration, reader);
    case StoredTag::kError:
      return Value::Error(ReadText(reader).text());
    case StoredTag::kType:
      return Value::TypeName(ReadText(reader).text());
    case StoredTag::kList:
    case StoredTag::kMap:
      break;
    default:
      reader->Fail();
      return Value();
  }
  if (depth == kMaxValueDepth) reader->Fail();
  if (tag == StoredTag::kList) {
    const size_t count = reader->Count(1);
    auto* items = arena->New<Value>(count);
    for (size_t i = 0; i < count; ++i) items[i] = ReadNested(reader, arena, depth + 1);
    return Value::List(items, static_cast<uint32_t>(count));
  }
  const size_t count = reader->Count(2);
  auto* entries = arena->New<MapEntry>(count);
  for (size_t i = 0; i < count; ++i) {
    entries[i].key = ReadNested(reader, arena, depth + 1);
    entries[i].value = ReadNested(reader, arena, depth + 1);
    if (!IsMapKey(entries[i].key)) reader->Fail();
  }
  return Value::Map(entries, static_cast<uint32_t>(count));
}

}  // namespace

void PutValue(const Value& value, std::string* out) {
  switch (value.tag) {
    case ValueTag::kAbsent:
      return PutTag(StoredTag::kAbsent, out);
    case ValueTag::kNull:
      return PutTag(StoredTag::kNull, out);
    case ValueTag::kBool:
      return PutTag(value.b ? StoredTag::kTrue : StoredTag::kFalse, out);
    case ValueTag::kInt:
      PutTag(StoredTag::kInt, out);
      return PutSigned(value.i, out);
    case ValueTag::kUint:
      PutTag(StoredTag::kUint, out);
      return PutVarint(value.u, out);
    case ValueTag::kDouble:
      PutTag(StoredTag::kDouble, out);
      return PutFixed64(std::bit_cast<uint64_t>(value.d), out);
    case ValueTag::kString:
      return PutText(StoredTag::kString, value, out);
    case ValueTag::kBytes:
      return PutText(StoredTag::kBytes, value, out);
    case ValueTag::kError:
      return PutText(StoredTag::kError, value, out);
    case ValueTag::kType:
      return PutText(StoredTag::kType, value, out);
    case ValueTag::kTimestamp:
    case ValueTag::kDuration:
      PutTag(value.tag == ValueTag::kTimestamp ? StoredTag::kTimestamp : StoredTag::kDuration, out);
      PutSigned(value.i, out);
      return PutSigned(value.nanos(), out);
    case ValueTag::kList:
      PutTag(StoredTag::kList, out);
      PutVarint(value.size, out);
      for (uint32_t i = 0; i < value.size; ++i) PutValue(value.list[i], out);
      return;
    case ValueTag::kMap:
      PutTag(StoredTag::kMap, out);
      PutVarint(value.size, out);
      for (uint32_t i = 0; i < value.size; ++i) {
        PutValue(value.map[i].key, out);
        PutValue(value.map[i].value, out);
      }
      return;
  }
}

Value ReadValue(ByteReader* reader, Arena* arena) { return ReadNested(reader, arena, 0); }

void PutRanges(const std::vector<uint64_t>& numbers, std::string* out) {
  std::vector<NumberRange> ranges;
  for (const uint64_t number : numbers) {
    if (!ranges.empty() && number == ranges.back().first + ranges.back().count) {
      ++ranges.back().count;
    } else {
      ranges.push_back({number, 1});
    }
  }
  PutVarint(ranges.size(), out);
  uint64_t end = 0;
  for (const NumberRange& range : ranges) {
    PutVarint(range.first - end, out);
    PutVarint(range.count - 1, out);
    end = range.first + range.count;
  }
}

void ReadRanges(ByteReader* reader, std::vector<NumberRange>* out) {
  out->clear();
  uint64_t end = 0;
  const size_t count = reader->Count(2);
  for (size_t i = 0; i < count && reader->ok(); ++i) {
    NumberRange range;
    const bool is_wrong = __builtin_add_overflow(end, reader->Varint(), &range.first) ||
                          __builtin_add_overflow(reader->Varint(), uint64_t{1}, &range.count) ||
                          __builtin_add_overflow(range.first, range.count, &end);
    if (is_wrong) reader->Fail();
    out->push_back(range);
  }
}

bool Contains(const std::vector<NumberRange>& ranges, uint64_t number) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), number,
                       [](uint64_t n, const NumberRange& range) { return n < range.first; });
  return after != ranges.begin() && number - std::prev(after)->first < std::prev(after)->count;
}

uint64_t CaptureLayoutOf(const std::vector<std::string_view>& fields) {
  std::string names;
  for (const std::string_view field : fields) PutBytes(field, &names);
  return Crc32c(names);
}

namespace {

constexpr size_t kMaxEvent = 64 << 20;  // bytes of one event

// Reads one body. A step that finds something wrong names it; the first such name counts.
class StateReader {
 public:
  StateReader(std::string_view body, Arena* arena, StoredState* out)
      : reader_(body), arena_(*arena), out_(*out) {}

  Status Run() {
    const uint64_t format = reader_.Varint();
    if (reader_.ok() && format > kBodyFormat) {
      return absl::UnimplementedError("a unit's body has format " + std::to_string(format) +
                                      ", newer than this program's " + std::to_string(kBodyFormat));
    }
    Check(format == kBodyFormat, "format");
    ReadFields();
    ReadPlaces();
    ReadEvents();
    ReadNamings();
    ReadSets();
    ReadStates();
    out_.is_grouped = reader_.Bool();
    out_.runs.clear();
    out_.held.clear();
    if (out_.is_grouped) {
      ReadGraph();
      ReadRuns(&out_.runs, false);
      ReadCounts();
    } else {
      ReadNodes();
      ReadRuns(&out_.runs, false);
      ReadRuns(&out_.held, true);
      CheckStarts(out_.runs);
      CheckStarts(out_.held);
    }
    out_.has_last_seen = reader_.remaining() > 0;
    if (out_.has_last_seen) out_.last_seen = reader_.Signed();
    Check(reader_.AtEnd(), "end");
    if (wrong_ == nullptr) return absl::OkStatus();
    return absl::DataLossError(std::string("a unit's body is damaged: its ") + wrong_);
  }

 private:
  bool ok() const { return wrong_ == nullptr; }
  // Also fails if the reader has.
  void Check(bool holds, const char* what) {
    if (holds && reader_.ok()) return;
    if (wrong_ == nullptr) wrong_ = what;
    reader_.Fail();
  }
  // A number below `bound`.
  uint32_t Below(uint64_t bound, const char* what) {
    const uint64_t number = reader_.Varint();
    Check(number < bound && number < StoredState::kNone, what);
    return static_cast<uint32_t>(number);
  }

  void ReadFields() {
    out_.fields.clear();
    const size_t count = reader_.Count(1);
    for (size_t i = 0; i < count; ++i) out_.fields.push_back(reader_.Bytes());
    Check(true, "fields");
  }

  void ReadPlaces() {
    out_.places.clear();
    const size_t count = reader_.Count(4);
    for (size_t i = 0; i < count && ok(); ++i) {
      StoredState::Place place;
      place.source = reader_.Bytes();
      place.topic = reader_.Bytes();
      place.number = Below(uint64_t{UINT32_MAX} + 1, "partitions");
      place.text = reader_.Bytes();
      out_.places.push_back(place);
    }
    Check(true, "partitions");
  }

  static bool ComesBefore(const StoredState& state, const StoredState::Event& a,
                          const StoredState::Event& b) {
    if (a.ts != b.ts) return a.ts < b.ts;
    if (a.place != b.place) {
      const StoredState::Place& x = state.places[a.place];
      const StoredState::Place& y = state.places[b.place];
      if (const int c = x.source.compare(y.source); c != 0) return c < 0;
      if (const int c = x.topic.compare(y.topic); c != 0) return c < 0;
      if (x.number != y.number) return x.number < y.number;
    }
    return a.offset < b.offset;
  }

  void ReadEvents() {
    out_.events.clear();
    out_.values.clear();
    while (ok()) {
      const uint64_t place = reader_.Varint();
      if (place == 0) break;
      Check(place <= out_.places.size(), "events");
      const size_t before = reader_.remaining();
      StoredState::Event event;
      event.place = static_cast<uint32_t>(place - 1);
      event.ts = reader_.Signed();
      event.offset = reader_.Varint();
      event.first_value = out_.values.size();
      for (size_t f = 0; f < out_.fields.size() && reader_.ok(); ++f) {
        out_.values.push_back(ReadValue(&reader_, &arena_));
      }
      event.json = reader_.Bytes();
      Check(before - reader_.remaining() <= kMaxEvent, "events");
      out_.events.push_back(event);
    }
    Check(out_.events.size() < StoredState::kNone, "events");
    if (!ok()) return;
    const auto is_less = [this](const auto& a, const auto& b) { return ComesBefore(out_, a, b); };
    std::sort(out_.events.begin(), out_.events.end(), is_less);
    for (size_t i = 1; i < out_.events.size(); ++i) {
      Check(is_less(out_.events[i - 1], out_.events[i]), "events");
    }
  }

  void ReadNamings() {
    out_.namings.clear();
    out_.rule_count = 0;
    const size_t count = reader_.Count(4);
    for (size_t i = 0; i < count && ok(); ++i) {
      StoredState::Naming naming;
      const size_t stages = reader_.Count(1);
      for (size_t s = 0; s < stages; ++s) naming.stages.push_back(reader_.Bytes());
      const size_t groups = reader_.Count(1);
      for (size_t s = 0; s < groups; ++s) naming.stages.push_back(reader_.Bytes());
      ReadRanges(&reader_, &naming.rules);
      naming.first = out_.rule_count;
      for (const NumberRange& range : naming.rules) {
        Check(!__builtin_add_overflow(out_.rule_count, range.count, &out_.rule_count), "rules");
      }
      if (i == 0) out_.stage_count = static_cast<uint32_t>(stages);
      Check(stages > 0 && stages == out_.stage_count &&
                (i == 0 || naming.stages.size() == out_.namings[0].stages.size()),
            "rules");
      out_.namings.push_back(std::move(naming));
    }
    Check(count > 0, "rules");
  }

  void ReadSets() {
    const size_t count = reader_.Count(3);
    out_.sets.resize(count);
    for (std::vector<NumberRange>& set : out_.sets) {
      ReadRanges(&reader_, &set);
      Check(!set.empty() && set.back().first + set.back().count <= out_.rule_count,
            "sets of rules");
      if (!ok()) return;
    }
    Check(true, "sets of rules");
  }

  void ReadStates() {
    out_.states.clear();
    const size_t count = reader_.Count(2);
    for (size_t i = 0; i < count && ok(); ++i) {
      StoredState::AutomatonState state;
      state.stage = Below(out_.namings[0].stages.size(), "states");
      state.role = reader_.Bytes();
      out_.states.push_back(state);
    }
    Check(true, "states");
  }

  // An accepted event; those before it on its path come before it in time.
  void ReadAccepted(uint32_t stage, StoredState::Node* node) {
    const auto place = static_cast<uint32_t>(out_.nodes.size());
    node->stage = stage;
    node->event = Below(out_.events.size(), "paths");
    const uint32_t back = Below(uint64_t{place} + 1, "paths");
    node->parent = back == 0 ? StoredState::kNone : place - back;
    uint32_t before = node->event;
    if (ok() && back > 0) before = last_event_[node->parent];
    Check(back == 0 || before < node->event, "paths");
    last_event_.push_back(node->event);
    start_.push_back(ok() && back > 0 ? start_[node->parent] : node->event);
  }

  void ReadNodes() {
    out_.nodes.clear();
    const size_t count = reader_.Count(3);
    for (size_t i = 0; i < count && ok(); ++i) {
      StoredState::Node node;
      ReadAccepted(Below(out_.stage_count, "paths"), &node);
      out_.nodes.push_back(node);
    }
    Check(true, "paths");
  }

  void ReadGraph() {
    out_.nodes.clear();
    const size_t count = reader_.Count(3);
    for (uint32_t i = 0; i < count && ok(); ++i) {
      StoredState::Node node;
      const uint32_t stage = Below(uint64_t{out_.stage_count} + 1, "graph");
      if (stage > 0) {
        ReadAccepted(stage - 1, &node);
      } else {
        const uint32_t a = Below(uint64_t{i} + 1, "graph");
        const uint32_t b = Below(uint64_t{i} + 1, "graph");
        Check(a > 0 && b > 0, "graph");
        if (!ok()) return;
        node = {i - a, StoredState::kNone, i - b};
        // Those with the latest start come first.
        Check(TimeOf(start_[node.event]) >= TimeOf(start_[node.parent]), "graph");
        start_.push_back(start_[node.event]);
        last_event_.push_back(std::max(last_event_[node.event], last_event_[node.parent]));
      }
      out_.nodes.push_back(node);
    }
    Check(true, "graph");
  }

  void ReadRuns(std::vector<StoredState::Run>* runs, bool are_held) {
    const size_t count = reader_.Count(3);
    for (size_t i = 0; i < count && ok(); ++i) {
      StoredState::Run run;
      if (!are_held) run.state = Below(out_.states.size(), "partial matches");
      run.rules = Below(out_.sets.size(), "partial matches");
      run.node = Below(out_.nodes.size(), "partial matches");
      if (are_held) {
        run.is_by_time = reader_.Bool();
        if (run.is_by_time) run.end = reader_.Signed();
      }
      runs->push_back(run);
    }
    Check(true, "partial matches");
  }

  void CheckStarts(const std::vector<StoredState::Run>& runs) {
    for (size_t i = 1; i < runs.size() && ok(); ++i) {
      Check(start_[runs[i - 1].node] <= start_[runs[i].node], "partial matches");
    }
  }

  void ReadCounts() {
    const uint64_t within = reader_.Varint();
    Check(within <= INT64_MAX, "graph");
    out_.within = static_cast<int64_t>(within);
    out_.accepted = Below(StoredState::kNone, "graph");
    out_.size = Below(StoredState::kNone, "graph");
    out_.swept_size = Below(StoredState::kNone, "graph");
    const auto accepted = std::count_if(
        out_.nodes.begin(), out_.nodes.end(),
        [](const StoredState::Node& node) { return node.stage != StoredState::kNone; });
    Check(out_.size >= out_.nodes.size() && out_.accepted <= out_.size &&
              out_.accepted >= static_cast<uint64_t>(accepted) && out_.swept_size <= out_.size,
          "graph");
  }

  int64_t TimeOf(uint32_t event) const { return out_.events[event].ts; }

  ByteReader reader_;
  Arena& arena_;
  StoredState& out_;
  const char* wrong_ = nullptr;
  // By node: the first and the latest event on its paths.
  std::vector<uint32_t> start_;
  std::vector<uint32_t> last_event_;
};

}  // namespace

Status ReadStoredState(std::string_view body, Arena* arena, StoredState* out) {
  return StateReader(body, arena, out).Run();
}

}  // namespace vigil::patterns
