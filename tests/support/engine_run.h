// The engine in-process over a pattern case: rows from memory, results as texts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cep/runtime/shard.h"
#include "tests/support/pattern_case.h"

namespace vigil::testing {

struct EngineOptions {
  uint32_t shards = 1;
  uint32_t batch_rows = cep::kBatchRows;
  int64_t disorder_ms = 0;
};

// What a cep::Job makes of the events, which arrive in the given order: results in their final
// order, each with the instant at which it came out in front.
std::vector<std::string> RunEngine(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                                   const EngineOptions& options);

// The same without instants and order. `dropped`, if given, becomes the number of partial matches
// and matches that the rules' limits cost.
Results EngineResults(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                      uint64_t* dropped = nullptr);

// Makes records whose heads are results' texts; `rules` and `events`, whose places are the rows'
// offsets, outlive it.
std::unique_ptr<cep::RecordSink> MakeTextSink(const rules::RuleSet& rules,
                                              const std::vector<CaseEvent>& events);
// The partition that cases' events are in.
const cep::Partition& CasePartition();
// A batch of events `first` to `end`, which are in time, with their keys' hashes.
cep::RoutedBatch RouteEvents(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                             size_t first, size_t end, int64_t watermark);

// What the operator still holds when time has come to `watermark` after the events, which are in
// order of time and at most one batch.
struct LiveState {
  size_t keys = 0;
  size_t nodes = 0;
};
LiveState StateAt(const LoadedCase& loaded, const std::vector<CaseEvent>& events,
                  int64_t watermark);

}  // namespace vigil::testing
