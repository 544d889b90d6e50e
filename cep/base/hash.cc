#include "cep/base/hash.h"

namespace vigil {

std::string ToHex(const Hash128& hash) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(32, '0');
  for (int i = 0; i < 16; ++i) {
    text[15 - i] = kDigits[(hash.hi >> (4 * i)) & 15];
    text[31 - i] = kDigits[(hash.lo >> (4 * i)) & 15];
  }
  return text;
}

}  // namespace vigil
