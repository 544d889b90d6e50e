// Several formats tried in order: how versions of an event are read while producers move from one
// to the next.
//
// Each codec maps its own fields to the same layout by name. Rows of different formats stand side
// by side in a batch; each has its own renderer. A record that no format accepts is rejected with
// the reason of each. While one waits for a schema the record waits, since an earlier format goes
// before a later one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ingest/codec.h"

namespace vigil::ingest {

struct NamedCodec {
  std::string name;  // in reasons
  std::unique_ptr<Codec> codec;
};

// Thread safety: none.
class ListCodec : public Codec {
 public:
  explicit ListCodec(std::vector<NamedCodec> codecs) : codecs_(std::move(codecs)) {}

  size_t Decode(const RawRecord* records, size_t count, cep::Batch* batch) override;
  std::shared_ptr<const Pending> pending() const override { return pending_; }
  const cep::RecordRenderer& renderer() const override { return codecs_.front().codec->renderer(); }

 private:
  bool DecodeOne(const RawRecord& record, cep::Batch* batch);

  const std::vector<NamedCodec> codecs_;
  std::shared_ptr<const Pending> pending_;
};

}  // namespace vigil::ingest
