#include "daemon/replayed_sources.h"

#include <memory>
#include <utility>

#include "cep/base/wakeup.h"
#include "cep/event/batch.h"

namespace vigil::daemon {
namespace {

constexpr int64_t kSleepMs = 100;

// A live source that all its partitions share.
struct Shared {
  FormatMaker formats;
  Wakeup wakeup;
  std::unique_ptr<cep::LiveSource> source;  // goes first
};

class PartitionSource : public cep::Source {
 public:
  PartitionSource(std::shared_ptr<Shared> shared, size_t partition)
      : shared_(std::move(shared)), partition_(partition) {}

  Status Read(cep::Batch* batch, bool* end) override {
    batch->Clear();
    cep::LiveSource& source = *shared_->source;
    while (true) {
      RETURN_IF_ERROR(source.Serve());
      size_t taken = batch->rows + batch->rejected.size();
      while (taken < cep::kBatchRows && live().has_rows) {
        const size_t count = source.Read(partition_, cep::kBatchRows - taken, batch);
        if (count == 0) break;
        taken += count;
      }
      *end = live().has_ended && !live().has_rows;
      if (taken > 0 || *end) return absl::OkStatus();
      shared_->wakeup.Wait(kSleepMs);
    }
  }

 private:
  const cep::LivePartition& live() const { return shared_->source->partitions()[partition_]; }

  std::shared_ptr<Shared> shared_;
  size_t partition_;
};

Status MakeBounded(SourceConfig* source) {
  using Kind = EventTimeConfig::Kind;
  if (source->event_time.kind == Kind::kProcessing || source->event_time.kind == Kind::kIngestion) {
    return absl::InvalidArgumentError("source " + source->name +
                                      " takes the time of its events from the clock: what it gave "
                                      "cannot be given again");
  }
  if (source->kafka) {
    source->kafka->stop_at_end = true;
  } else if (source->file) {
    source->file->stop_at_end = true;
    source->file->from_end = false;
  } else {
    return absl::InvalidArgumentError("source " + source->name +
                                      " cannot be read again: a replay needs a recording of it");
  }
  return absl::OkStatus();
}

// Of a partition that is another one under the same name, nothing that was read is there.
void BeginAnew(const cep::Partition& partition, cep::JobResume* resume) {
  for (cep::ResumedPartition& p : resume->partitions) {
    if (cep::PlaceOf(p.source, p.topic, p.number) != partition.place) continue;
    p.waiting.clear();
    p.next_offset = 0;
  }
}

}  // namespace

StatusOr<std::vector<cep::JobSource>> OpenReplayedSources(
    const Config& config, const rules::RuleSet& rules, SourceLog* log, const Clock* clock,
    const std::function<bool(const std::string& place)>& knows_place, cep::JobResume* resume,
    std::vector<std::string>* left_out) {
  std::vector<cep::JobSource> sources;
  for (const SourceConfig& source : config.sources) {
    Config only = config;
    only.sources = {source};
    RETURN_IF_ERROR(MakeBounded(&only.sources.front()));
    const auto shared = std::make_shared<Shared>();
    ASSIGN_OR_RETURN(std::vector<cep::LiveInput> inputs,
                     MakeLiveInputs(only, rules, log, clock, &shared->formats));
    shared->source = std::move(inputs.front().source);
    cep::LiveSource& live = *shared->source;
    std::vector<cep::ResumeFrom> from;
    for (const cep::ResumedPartition& p : resume->partitions) {
      if (p.source != source.name) continue;
      const uint64_t first = p.waiting.empty() ? p.next_offset : p.waiting.front();
      from.push_back({p.topic, p.number, first, p.next_offset, p.last});
    }
    live.Resume(std::move(from), resume->accepts_loss);
    RETURN_IF_ERROR(live.Start(&shared->wakeup));
    RETURN_IF_ERROR(live.Serve());
    while (!live.has_started()) {
      shared->wakeup.Wait(kSleepMs);
      RETURN_IF_ERROR(live.Serve());
    }
    for (size_t i = 0; i < live.partitions().size(); ++i) {
      const cep::LivePartition& partition = live.partitions()[i];
      const std::string& place = partition.partition->place;
      if (!knows_place(place)) {
        left_out->push_back(place);
        continue;
      }
      if (partition.is_replaced) BeginAnew(*partition.partition, resume);
      cep::JobSource& added = sources.emplace_back();
      added.source = std::make_unique<PartitionSource>(shared, i);
      added.partitions.push_back({.place = place, .source = source.name});
    }
  }
  return sources;
}

}  // namespace vigil::daemon
