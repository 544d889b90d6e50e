// The renderer of JSON records: the record itself, validated.
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

}  // namespace vigil::ingest
