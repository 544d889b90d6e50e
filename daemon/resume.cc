#include "daemon/resume.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

namespace vigil::daemon {
namespace {

cep::ResumedPartition PartitionOf(const state::PartitionPosition& position, bool is_drained) {
  cep::ResumedPartition partition;
  partition.source = position.source;
  partition.topic = position.topic;
  partition.number = static_cast<uint32_t>(position.partition);
  partition.next_offset = static_cast<uint64_t>(position.next_offset);
  for (const state::OffsetRuns::Run& run : position.waiting.runs()) {
    for (int64_t i = 0; i < run.count; ++i) {
      partition.waiting.push_back(static_cast<uint64_t>(run.first + i));
    }
  }
  if (!is_drained) {
    partition.watermark = position.watermark.value_or(cep::kMinTime);
    partition.is_idle = position.is_idle;
  }
  if (position.fingerprint) {
    partition.last = {true, static_cast<uint64_t>(position.fingerprint_offset),
                      *position.fingerprint};
  }
  const state::PartitionLedger& ledger = position.ledger;
  partition.ledger.read = ledger.read;
  partition.ledger.processed = ledger.processed;
  partition.ledger.late = ledger.late;
  partition.ledger.quarantined = ledger.quarantined;
  partition.ledger.rate_limited = ledger.rate_limited;
  partition.ledger.lost = ledger.lost;
  return partition;
}

}  // namespace

StatusOr<cep::JobResume> MakeResume(const state::CommitHead& head, std::vector<state::KeptRow> rows,
                                    const std::vector<std::string>& sources, bool accepts_loss,
                                    std::vector<std::string>* given_up) {
  cep::JobResume resume;
  resume.accepts_loss = accepts_loss;
  if (!head.is_drained) {
    resume.watermark = head.watermark.value_or(cep::kMinTime);
    resume.newest_ts = head.newest_ts.value_or(cep::kMinTime);
  }
  for (const state::PartitionPosition& position : head.positions) {
    RETURN_IF_ERROR(position.Check());
    if (std::find(sources.begin(), sources.end(), position.source) == sources.end()) {
      given_up->push_back(absl::StrCat(position.source, "/", position.topic, "/",
                                       position.partition, " at offset ", position.next_offset));
      continue;
    }
    cep::ResumedPartition& partition =
        resume.partitions.emplace_back(PartitionOf(position, head.is_drained));
    for (state::KeptRow& row : rows) {
      if (row.source != position.source || row.topic != position.topic ||
          row.partition != position.partition) {
        continue;
      }
      partition.kept.push_back({static_cast<uint64_t>(row.offset), std::move(row.bytes)});
    }
  }
  if (!given_up->empty() && !accepts_loss) {
    return absl::FailedPreconditionError(
        absl::StrCat("the state has positions of sources that the configuration does not have: ",
                     absl::StrJoin(*given_up, ", "), "; --accept-loss gives them up"));
  }
  return resume;
}

}  // namespace vigil::daemon
