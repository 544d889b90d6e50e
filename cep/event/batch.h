// A batch of decoded records in columns: the unit in which events travel.
//
// A codec decodes only the fields that some rule or output reads (the Layout) into a Batch of at
// most kBatchRows rows. Raw lines stay where the reader put them; strings in columns point into
// them or into the batch's arena. Event-time order is made over RowRefs; what is released is
// gathered into a new ColumnBlock whose strings still point into the batches, so a batch lives (by
// shared_ptr) until its last row has been applied. Thread safety: a Batch is written by the thread
// that reads the source, then shared as const.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/arena.h"
#include "cep/base/check.h"
#include "cep/event/schema.h"
#include "cep/event/text_frame.h"
#include "cep/event/value.h"

namespace vigil::cep {

inline constexpr uint32_t kBatchRows = 1024;

// How a column holds its values.
enum class ColumnKind : uint8_t {
  kInt,     // int64_t
  kDouble,  // double
  kBool,    // uint8_t, 0 or 1
  kString,  // std::string_view, UTF-8
  kValue,   // Value: dyn, bytes, times, lists, maps and nested objects
};

// What a row holds in a column of a kind other than kValue. A kValue column says it by the value's
// tag: kAbsent, kNull, kError for a mismatch.
enum class FieldState : uint8_t {
  kPresent,
  kAbsent,
  kNull,
  kMismatch,  // present, but not of the column's type (inferred schemas only): reading it is an
              // evaluation error
};

// The kind of column in which a field of this type is held.
ColumnKind ColumnKindOf(const Type& type);

struct Slot {
  std::string name;  // of the event's top-level field
  Type type;
  ColumnKind kind;
  bool is_kept =
      false;  // read of events that a partial match has accepted, so it is captured with them
  bool is_read = true;  // by the rules it was last compiled for; others keep their place only
};

// Which fields are decoded, and in which column each one is. Immutable once shared.
class Layout {
 public:
  // The slot of the top-level field `name`, added when new.
  uint32_t Add(std::string_view name, const Type& type);
  // Says that the slot is read of accepted events, too.
  void Keep(uint32_t slot) { slots_[slot].is_kept = true; }
  // The slot of `name`, or -1.
  int Find(std::string_view name) const;
  // Slots keep their places, but none is read or kept until Add() and Keep() say so again.
  void ForgetUses();
  // Whether batches of one may be read by what was compiled for the other.
  bool HasSameColumns(const Layout& other) const;
  const std::vector<Slot>& slots() const { return slots_; }

 private:
  std::vector<Slot> slots_;
};

class Column {
 public:
  explicit Column(ColumnKind kind);

  ColumnKind kind() const { return kind_; }
  int64_t* ints() { return As<int64_t>(ColumnKind::kInt); }
  double* doubles() { return As<double>(ColumnKind::kDouble); }
  uint8_t* bools() { return As<uint8_t>(ColumnKind::kBool); }
  std::string_view* strings() { return As<std::string_view>(ColumnKind::kString); }
  Value* values() { return As<Value>(ColumnKind::kValue); }
  const int64_t* ints() const { return const_cast<Column*>(this)->ints(); }
  const double* doubles() const { return const_cast<Column*>(this)->doubles(); }
  const uint8_t* bools() const { return const_cast<Column*>(this)->bools(); }
  const std::string_view* strings() const { return const_cast<Column*>(this)->strings(); }
  const Value* values() const { return const_cast<Column*>(this)->values(); }

  // States of the rows; meaningful only while !all_present(). Not kept for kValue columns.
  FieldState* states() { return states_.get(); }
  const FieldState* states() const { return states_.get(); }
  bool all_present() const { return all_present_; }
  // Marks every row kPresent.
  void ResetStates() { all_present_ = true; }
  // Sets one row's state; the first one that is not kPresent makes the states of all other rows
  // kPresent.
  void SetState(uint32_t row, FieldState state);
  FieldState state(uint32_t row) const {
    return all_present_ ? FieldState::kPresent : states_[row];
  }

  // The row's value, whatever the kind: kAbsent, kNull or kError where the state says so.
  Value Get(uint32_t row) const {
    if (kind_ == ColumnKind::kValue) return values()[row];
    return all_present_ ? GetPresent(row) : GetUnusual(row);
  }
  // Stores `value` in the row, converting an int for a double column; a value of another type is a
  // mismatch.
  void Set(uint32_t row, const Value& value);

 private:
  template <typename T>
  T* As(ColumnKind expected) {
    CEP_DCHECK(kind_ == expected);
    (void)expected;
    return reinterpret_cast<T*>(data_.get());
  }

  Value GetPresent(uint32_t row) const {
    switch (kind_) {
      case ColumnKind::kInt:
        return Value::Int(ints()[row]);
      case ColumnKind::kDouble:
        return Value::Double(doubles()[row]);
      case ColumnKind::kBool:
        return Value::Bool(bools()[row] != 0);
      default:
        return Value::String(strings()[row]);
    }
  }
  Value GetUnusual(uint32_t row) const;

  ColumnKind kind_;
  bool all_present_ = true;
  std::unique_ptr<std::byte[]> data_;  // kBatchRows elements
  std::unique_ptr<FieldState[]> states_;
};

// Columns of up to kBatchRows rows; what expressions are evaluated over.
struct ColumnBlock {
  explicit ColumnBlock(std::shared_ptr<const Layout> layout_in);

  std::shared_ptr<const Layout> layout;
  uint32_t rows = 0;
  std::vector<Column> columns;    // one per slot of the layout
  std::unique_ptr<int64_t[]> ts;  // event time, ms since the Unix epoch
};

// One ordered stream of records within a source: a Kafka partition, a file.
struct Partition {
  std::string source;
  std::string topic;
  uint32_t number = 0;
  std::string place;  // how positions name it: `INPUT` or `SOURCE/TOPIC/PARTITION`

  // Order of rows at equal event time: (source, topic, number), names bytewise.
  bool operator<(const Partition& o) const {
    if (int c = source.compare(o.source); c != 0) return c < 0;
    if (int c = topic.compare(o.topic); c != 0) return c < 0;
    return number < o.number;
  }
};

// Partition::place of a partition that a source has.
inline std::string PlaceOf(const std::string& source, const std::string& topic, uint64_t number) {
  return source + "/" + topic + "/" + std::to_string(number);
}

// A record that could not become an event: goes to the `errors` output and the ledger's
// `quarantined`.
struct Rejected {
  const Partition* partition = nullptr;
  uint64_t offset = 0;
  uint32_t before_row = 0;  // it was read before this row of the batch
  std::string reason;       // says where in the record and what was wrong
  std::string bytes;        // the record itself, capped
};

// Turns a record's raw bytes into a JSON object's text; chosen by the record's format. Stateless,
// thread safe.
class RecordRenderer {
 public:
  virtual ~RecordRenderer() = default;
  // Validates the whole record and appends it to `out` as one JSON object in one line, with all its
  // original fields. Returns false, with the place and reason in `why`, if it is not valid; `out`
  // is then unchanged.
  virtual bool AppendJson(std::string_view raw, std::string* out, std::string* why) const = 0;
};

// Memory that raw lines point into; freed when the last batch that uses it is gone.
struct Chunk {
  std::unique_ptr<char[]> data;
  size_t size = 0;
};

struct Batch : ColumnBlock {
  explicit Batch(std::shared_ptr<const Layout> layout_in);

  // Forgets all rows and memory, for reuse.
  void Clear();

  const RecordRenderer* RendererOf(uint32_t row) const {
    return renderers.empty() ? renderer : renderers[row];
  }

  // What frame_of is to say of rows of this frame.
  uint8_t PlaceOfFrame(const std::shared_ptr<const TextFrame>& frame);

  std::vector<uint64_t> offsets;             // record number or Kafka offset, per row
  std::vector<const Partition*> partitions;  // per row
  std::vector<std::string_view> raw;         // per row, in `chunks`
  std::vector<uint8_t>
      is_json;  // per row: `raw` is known to be a whole, valid JSON object as it stands
  // What rows' `raw` is made of, as far as a codec has found it out.
  std::vector<std::shared_ptr<const TextFrame>> frames;
  std::vector<uint8_t> frame_of;              // per row: 1 and its place in `frames`, or 0
  std::vector<TextFrame::Sizes> value_sizes;  // per row with a frame
  std::vector<Rejected> rejected;             // in order of before_row
  const RecordRenderer* renderer = nullptr;   // of the records in `raw`
  std::vector<const RecordRenderer*>
      renderers;  // per row, in place of `renderer`, where rows differ in format; else empty
  std::vector<std::shared_ptr<const Chunk>> chunks;
  Arena arena;  // unescaped strings, lists, maps
  std::vector<std::vector<uint64_t>>
      key_hashes;  // [key expression][row]; filled by the job, not by the source
};

}  // namespace vigil::cep
