// What the tests of this room share: sources over texts, and batches as text rows.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cep/event/batch.h"
#include "ingest/source_file.h"
#include "io/byte_source.h"

namespace vigil::ingest {

// Serves a text, at most `step` bytes at a time; fails with `failure` at its end unless that is OK.
class TextSource : public io::ByteSource {
 public:
  explicit TextSource(std::string text, size_t step = SIZE_MAX, Status failure = {})
      : text_(std::move(text)), step_(step), failure_(std::move(failure)) {}

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    const size_t n = std::min({size, step_, text_.size() - at_});
    if (n == 0 && !failure_.ok()) return failure_;
    std::memcpy(buffer, text_.data() + at_, n);
    at_ += n;
    return n;
  }
  const std::string& name() const override { return name_; }

 private:
  const std::string text_;
  const size_t step_;
  const Status failure_;
  const std::string name_ = "text";
  size_t at_ = 0;
};

// A text with readable bytes behind it, as lines in a chunk have; they are not zero, so that
// reading them shows.
class PaddedText {
 public:
  explicit PaddedText(std::string_view text) : bytes_(text), size_(text.size()) {
    bytes_.append("}\"\n{\"z\":1,\"\\\\:::,,,}", 20);
    bytes_.append(ChunkPool::kPadding, '"');
  }
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::string bytes_;
  size_t size_;
};

inline std::string ToText(const cep::Value& v) {
  const auto list = [&](char open, char close, const auto& item) {
    std::string out(1, open);
    for (uint32_t i = 0; i < v.size; ++i) out += (i == 0 ? "" : ", ") + item(i);
    return out + close;
  };
  const auto time = [&](const char* kind) {
    return std::string(kind) + "(" + std::to_string(v.i) + "s " + std::to_string(v.nanos()) + "ns)";
  };
  switch (v.tag) {
    case cep::ValueTag::kAbsent:
      return "-";
    case cep::ValueTag::kError:
      return "mismatch";
    case cep::ValueTag::kNull:
      return "null";
    case cep::ValueTag::kBool:
      return v.b ? "true" : "false";
    case cep::ValueTag::kInt:
      return std::to_string(v.i);
    case cep::ValueTag::kUint:
      return std::to_string(v.u) + "u";
    case cep::ValueTag::kDouble: {
      char text[40];
      std::snprintf(text, sizeof text, "%.17gd", v.d);
      return text;
    }
    case cep::ValueTag::kString:
      return "'" + std::string(v.text()) + "'";
    case cep::ValueTag::kBytes:
      return "b'" + std::string(v.text()) + "'";
    case cep::ValueTag::kTimestamp:
      return time("timestamp");
    case cep::ValueTag::kDuration:
      return time("duration");
    case cep::ValueTag::kList:
      return list('[', ']', [&](uint32_t i) { return ToText(v.list[i]); });
    case cep::ValueTag::kMap:
      return list('{', '}',
                  [&](uint32_t i) { return ToText(v.map[i].key) + ": " + ToText(v.map[i].value); });
    case cep::ValueTag::kType:
      return "type";
  }
  return "?";
}

// `OFFSET@TS: VALUE VALUE ...`.
inline std::string FormatRow(const cep::Batch& batch, uint32_t row) {
  std::string text = std::to_string(batch.offsets[row]) + "@" + std::to_string(batch.ts[row]) + ":";
  for (const cep::Column& column : batch.columns) text += " " + ToText(column.Get(row));
  return text;
}

// Rows as above, `OFFSET rejected: REASON` for a rejected record; in order.
inline void AppendRows(const cep::Batch& batch, std::vector<std::string>* out) {
  size_t rejected = 0;
  for (uint32_t row = 0; row <= batch.rows; ++row) {
    for (; rejected < batch.rejected.size() && batch.rejected[rejected].before_row == row;
         ++rejected) {
      const cep::Rejected& r = batch.rejected[rejected];
      out->push_back(std::to_string(r.offset) + " rejected: " + r.reason);
    }
    if (row == batch.rows) break;
    out->push_back(FormatRow(batch, row));
  }
}

using Fields = std::vector<std::pair<std::string, cep::Type>>;

struct SourceCase {
  std::string path = "x.jsonl";
  Fields fields;
  bool strict_types = false;
  bool strict = false;
  bool positions = false;
  TimeSpec time;
  size_t step = SIZE_MAX;
  std::vector<Format> formats = {};
  std::chrono::milliseconds schema_wait = std::chrono::seconds(30);
};

inline StatusOr<std::unique_ptr<FileSource>> OpenText(const SourceCase& options, std::string text,
                                                      cep::Partition* partition,
                                                      std::shared_ptr<cep::Layout> layout) {
  std::vector<cep::Field> fields;
  for (const auto& [name, type] : options.fields) {
    layout->Add(name, type);
    fields.push_back({name, type});
  }
  partition->place = options.path;
  return FileSource::Open({.path = options.path,
                           .partition = partition,
                           .layout = layout,
                           .schema = std::make_shared<cep::Schema>(
                               fields, options.strict_types ? cep::Schema::Undeclared::kError
                                                            : cep::Schema::Undeclared::kDynWarning),
                           .time = options.time,
                           .strict = options.strict,
                           .formats = options.formats,
                           .schema_wait = options.schema_wait,
                           .positions = options.positions},
                          std::make_unique<TextSource>(std::move(text), options.step));
}

// All of `text` as rows; the last one says so where reading failed.
inline std::vector<std::string> ReadRows(const SourceCase& options, std::string text) {
  std::vector<std::string> rows;
  cep::Partition partition;
  auto layout = std::make_shared<cep::Layout>();
  auto source = OpenText(options, std::move(text), &partition, layout);
  if (!source.ok()) return {std::string(source.status().message())};
  cep::Batch batch(layout);
  for (bool end = false; !end;) {
    const Status status = (*source)->Read(&batch, &end);
    if (!status.ok()) {
      rows.emplace_back(status.message());
      break;
    }
    AppendRows(batch, &rows);
  }
  return rows;
}

}  // namespace vigil::ingest
