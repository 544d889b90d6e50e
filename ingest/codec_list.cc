#include "ingest/codec_list.h"

#include <absl/strings/str_cat.h>

namespace vigil::ingest {

// False if the record waits.
bool ListCodec::DecodeOne(const RawRecord& record, cep::Batch* batch) {
  if (record.broken != nullptr) {
    Reject(record, 0, record.broken, batch);
    return true;
  }
  const uint32_t row = batch->rows;
  RawRecord unplaced = record;
  unplaced.line = 0;  // said once, not in every reason
  std::string reasons;
  for (const NamedCodec& named : codecs_) {
    // What a codec that knows one renderer only would not say.
    SetRowRenderer(&named.codec->renderer(), batch);
    if (named.codec->Decode(&unplaced, 1, batch) == 0) {
      pending_ = named.codec->pending();
      return false;
    }
    if (batch->rows > row) return true;
    absl::StrAppend(&reasons, reasons.empty() ? "" : "; ", named.name, ": ",
                    batch->rejected.back().reason);
    batch->rejected.pop_back();
  }
  Reject(record, 0, "no format accepts it: " + reasons, batch);
  return true;
}

size_t ListCodec::Decode(const RawRecord* records, size_t count, cep::Batch* batch) {
  pending_ = nullptr;
  for (size_t i = 0; i < count; ++i) {
    if (!DecodeOne(records[i], batch)) return i;
  }
  return count;
}

}  // namespace vigil::ingest
