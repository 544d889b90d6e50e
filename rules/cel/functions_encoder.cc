// Encodings. Source: cel-go's encoders extension; RFC 4648.
#include <string>

#include <absl/strings/escaping.h>
#include <absl/strings/string_view.h>

#include "rules/cel/functions.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;

absl::string_view View(const Value& value) { return {value.s, value.size}; }

// Padded or not; in both forms strictly of the standard alphabet, without white space.
bool IsBase64(std::string_view text) {
  size_t length = text.size();
  while (length > 0 && text.size() - length < 2 && text[length - 1] == '=') --length;
  if (length != text.size() && text.size() % 4 != 0) return false;
  for (const char c : text.substr(0, length)) {
    const bool known = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '+' || c == '/';
    if (!known) return false;
  }
  return length % 4 != 1;
}

Value Decode(CallContext& context, const Value* args) {
  static constexpr std::string_view kMalformed = "not base64";
  if (!IsBase64(args[0].text())) return Value::Error(kMalformed);
  std::string bytes;
  if (!absl::Base64Unescape(View(args[0]), &bytes)) return Value::Error(kMalformed);
  return Value::Bytes(context.arena.Copy(bytes));
}

Value Encode(CallContext& context, const Value* args) {
  return MakeText(context, absl::Base64Escape(View(args[0])));
}

}  // namespace

std::vector<FunctionRow> EncoderRows() {
  return {
      {"base64.encode(bytes) -> string", "The bytes in base64, padded.", &Encode, Cost::kLinear},
      {"base64.decode(string) -> bytes", "The bytes that base64 stands for, padded or not.",
       &Decode, Cost::kLinear},
  };
}

}  // namespace vigil::rules::cel
