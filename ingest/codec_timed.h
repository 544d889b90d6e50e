// A codec whose events' time is an expression of their fields (`event_time: {cel}`).
#pragma once

#include <memory>
#include <string>

#include "cep/event/expression.h"
#include "ingest/codec.h"

namespace vigil::ingest {

// Decodes with `inner`, which reads no time, and then evaluates the time of each row: an int or
// double of milliseconds since the Unix epoch, or a timestamp. A record for which that fails, or
// that is outside the years 0001 to 9999, is rejected.
class TimedCodec : public Codec {
 public:
  TimedCodec(std::unique_ptr<Codec> inner, std::shared_ptr<const cep::Expression> time)
      : inner_(std::move(inner)), time_(std::move(time)) {}

  size_t Decode(const RawRecord* records, size_t count, cep::Batch* batch) override;
  std::shared_ptr<const Pending> pending() const override { return inner_->pending(); }
  const cep::RecordRenderer& renderer() const override { return inner_->renderer(); }

 private:
  uint32_t SetTimes(uint32_t row, cep::Batch* batch);
  bool TimeOf(const cep::Value& value, int64_t* ms);

  std::unique_ptr<Codec> inner_;
  std::shared_ptr<const cep::Expression> time_;
  Arena arena_;
  std::string why_;
};

}  // namespace vigil::ingest
