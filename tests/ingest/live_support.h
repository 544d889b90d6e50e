// Live sources as tests drive them: records as text, in the order in which they were read.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ingest/formats.h"
#include "ingest/record_source.h"
#include "tests/ingest/support.h"

namespace vigil::ingest {

class SilentLog : public RecordSourceLog {
 public:
  void Write(int, std::string_view, std::string_view, const std::string& text) override {
    const std::lock_guard lock(mutex_);
    lines_.push_back(text);
  }
  bool Has(const std::string& part) {
    const std::lock_guard lock(mutex_);
    for (const std::string& line : lines_) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;  // guarded by mutex_
};

// Fields for a source's codec, and the codec where there are formats.
inline SourceCodec CodecFor(const Fields& fields, std::vector<Format> formats = {{}}) {
  SourceCodec codec;
  auto layout = std::make_shared<cep::Layout>();
  std::vector<cep::Field> declared;
  for (const auto& [name, type] : fields) {
    layout->Add(name, type);
    declared.push_back({name, type});
  }
  codec.options.layout = layout;
  codec.options.schema = std::make_shared<cep::Schema>(declared, cep::Schema::Undeclared::kError);
  codec.options.time.field = "ts";
  if (!formats.empty()) codec.codec = MakeCodec(formats, codec.options).value();
  return codec;
}

// Reads a source as a job would, all of its partitions in turn.
class LiveReader {
 public:
  LiveReader(std::unique_ptr<RecordSource> source, std::shared_ptr<const cep::Layout> layout)
      : source_(std::move(source)), layout_(std::move(layout)) {
    status = source_->Start(&wakeup_);
  }

  // Reads until `enough` says so, or for so many seconds; returns what `enough` said last.
  bool Until(const std::function<bool()>& enough, double seconds = 20) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (!enough()) {
      if (std::chrono::steady_clock::now() > end) return false;
      if (!Round()) wakeup_.Wait(5);
    }
    return true;
  }
  // Reads until there are so many records in all.
  bool UntilRows(size_t count, double seconds = 20) {
    return Until([&] { return rows.size() >= count; }, seconds);
  }
  // Reads what comes in so many milliseconds.
  void For(int ms) {
    Until([] { return false; }, ms / 1000.0);
  }
  RecordSource& source() { return *source_; }
  Wakeup* wakeup() { return &wakeup_; }

  // One row or rejected record each: `PLACE OFFSET@TS: VALUES`, as AppendRows().
  std::vector<std::string> rows;
  std::vector<std::shared_ptr<cep::Batch>> batches;
  Status status;
  size_t max = 128;
  bool holds = false;  // serves, but reads nothing

 private:
  bool Round() {
    if (status.ok()) status = source_->Serve();
    if (!status.ok() || !source_->has_started() || holds) return false;
    bool has_read = false;
    for (size_t p = 0; p < source_->partitions().size(); ++p) {
      if (!source_->partitions()[p].has_rows) continue;
      auto batch = std::make_shared<cep::Batch>(layout_);
      if (source_->Read(p, max, batch.get()) == 0) continue;
      has_read = true;
      std::vector<std::string> texts;
      AppendRows(*batch, &texts);
      for (const std::string& text : texts) {
        rows.push_back(source_->partitions()[p].partition->place + " " + text);
      }
      batches.push_back(std::move(batch));
    }
    return has_read;
  }

  Wakeup wakeup_;
  std::unique_ptr<RecordSource> source_;
  std::shared_ptr<const cep::Layout> layout_;
};

}  // namespace vigil::ingest
