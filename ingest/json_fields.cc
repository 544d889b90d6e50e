#include "ingest/json_fields.h"

namespace vigil::ingest {

using cep::FieldState;
using cep::Value;
using cep::ValueTag;

JsonFieldWriter::Outcome JsonFieldWriter::WriteSlow(std::string_view text, const cep::Type& type,
                                                    TimeUnit unit, uint32_t row,
                                                    cep::Column* column, Arena* arena) {
  if (text.data() == nullptr) {
    column->SetState(row, FieldState::kAbsent);
    return Outcome::kWritten;
  }
  Value value;
  if (!reader_.Read(text, type, unit, arena, &value)) return Outcome::kMalformed;
  column->Set(row, value);
  return reader_.mismatch() == nullptr ? Outcome::kWritten : Outcome::kMismatch;
}

bool JsonFieldWriter::ReadString(std::string_view text, Arena* arena, std::string_view* out) {
  static const cep::Type kString(cep::TypeKind::kString);
  Value value;
  if (!reader_.Read(text, kString, TimeUnit::kMillis, arena, &value)) return false;
  if (value.tag != ValueTag::kString) return false;
  *out = value.text();
  return true;
}

}  // namespace vigil::ingest
