#include "cep/event/record.h"

namespace vigil::cep {

bool ComesBefore(const Record& a, const Record& b) {
  if (a.instant != b.instant) return a.instant < b.instant;
  if (a.has_rule != b.has_rule) return a.has_rule;
  if (!a.has_rule) return false;  // in the order in which the source read them
  if (a.rule != b.rule) return a.rule < b.rule;
  if (a.kind != b.kind) return a.kind < b.kind;
  return a.key < b.key;
}

}  // namespace vigil::cep
