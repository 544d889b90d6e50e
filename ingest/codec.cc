#include "ingest/codec.h"

#include <string>
#include <utility>

#include <absl/strings/str_cat.h>

namespace vigil::ingest {

void SetRowRenderer(const cep::RecordRenderer* renderer, cep::Batch* batch) {
  if (batch->renderers.empty()) batch->renderers.resize(cep::kBatchRows, batch->renderer);
  batch->renderers[batch->rows] = renderer;
}

void Reject(const RawRecord& record, uint64_t byte, std::string_view what, cep::Batch* batch) {
  std::string place;
  if (record.line > 0) absl::StrAppend(&place, "line ", record.line);
  if (byte > 0) absl::StrAppend(&place, place.empty() ? "byte " : ", byte ", byte);
  if (!place.empty()) place += ": ";
  cep::Rejected rejected;
  rejected.partition = record.partition;
  rejected.offset = record.offset;
  rejected.before_row = batch->rows;
  rejected.reason = std::move(place);
  rejected.reason += what;
  rejected.bytes = record.bytes.substr(0, kRejectedBytes);
  batch->rejected.push_back(std::move(rejected));
}

}  // namespace vigil::ingest
