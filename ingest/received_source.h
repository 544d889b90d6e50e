// A live source whose records are sent to it, and cannot be had again: of the rows that wait a job
// keeps copies, with which a later run begins.
//
// All records are one partition, `SOURCE/TOPIC/0`. A record's offset is its number, counted from
// the time of the start in ms times 2^20, or from where the former run ended if that is later. A
// kept row's bytes: the event's time (signed) | the header of its CSV stream (string; empty: none)
// | the record. Tests: tests/ingest/source_http_test.cc, tests/ingest/source_tcp_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ingest/queued_source.h"

namespace vigil::ingest {

class ReceivedSource : public QueuedSource {
 public:
  bool keeps_rows() const override { return true; }
  void Keep(const cep::Batch& from, uint32_t row, std::string* out) const override;
  void Resume(std::vector<cep::ResumeFrom> partitions, bool accepts_loss) override;

 protected:
  // `topic`: of its partition.
  ReceivedSource(QueuedSourceOptions options, std::string topic, RecordSourceLog* log)
      : QueuedSource(std::move(options), log), topic_(std::move(topic)) {}

  // Adds the partition, with the rows that were kept of it. Returns the offset of the first record
  // that comes. Errors: FAILED_PRECONDITION for partitions of a former run that it does not have.
  StatusOr<uint64_t> Begin();

 private:
  Status GiveAgain(const cep::ResumeFrom& resumed);

  const std::string topic_;
  std::vector<cep::ResumeFrom> resumed_;
  bool accepts_loss_ = false;
};

}  // namespace vigil::ingest
