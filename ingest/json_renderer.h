// Renderers of JSON records: the record itself, validated.
#pragma once

#include "cep/event/batch.h"

namespace vigil::ingest {

class JsonRenderer : public cep::RecordRenderer {
 public:
  // The one instance there need be.
  static const JsonRenderer& Get();

  // Appends the record without the white space around it; a line break inside, which only a source
  // without lines can deliver, becomes a space.
  bool AppendJson(std::string_view raw, std::string* out, std::string* why) const override;
};

// Of records with positions: without those that `vigil record` has put behind the fields
// (`_source`,
// `_topic`, `_partition`, `_offset`, then perhaps `kafka`), so that an alert shows what it shows
// live. Positions that stand elsewhere stay.
class RecordedJsonRenderer : public cep::RecordRenderer {
 public:
  static const RecordedJsonRenderer& Get();

  bool AppendJson(std::string_view raw, std::string* out, std::string* why) const override;
};

}  // namespace vigil::ingest
