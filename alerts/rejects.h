// What became no alert, as records: late rows, records that are no events, and errors of rules.
//
//   late      {"output":"late","kind":"late","place":"PLACE/OFFSET","watermark": ms,
//              "at": ms,"reason","event"}
//             `event` is the original as a JSON object; a string if it turns out not to be one
//   rejected  {"output":"errors","kind":"error","place","reason","bytes","bytes_base64"}
//             `bytes_base64` only if the bytes are not UTF-8 (which `bytes` shows as U+FFFD)
//   rule      see builder.h
// If the partition has a source, "_source","_topic","_partition","_offset" follow, so that the
// output can be replayed with the positions of the original. Scheme of head and tail as in
// builder.h.
//
// Tests: tests/alerts/rejects_test.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "alerts/context.h"
#include "cep/event/match.h"
#include "cep/event/record.h"
#include "cep/runtime/job.h"

namespace vigil::alerts {

class Rejects : public cep::RejectRenderer {
 public:
  explicit Rejects(std::shared_ptr<const AlertContext> context);

  cep::Record RenderLate(const cep::Batch& batch, uint32_t row, int64_t watermark) override;
  cep::Record RenderRejected(const cep::Rejected& rejected, int64_t watermark) override;

 private:
  std::shared_ptr<const AlertContext> context_;
};

// Sets `head` and `tail`.
void RenderRuleError(std::string_view rule, const cep::RuleError& error,
                     const AlertContext& context, cep::Record* record);

}  // namespace vigil::alerts
