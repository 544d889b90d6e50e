// CEL values as JSON: in the typed notation of `vigil eval --jsonl`, and plain.
//
// Typed: {"null":null} {"bool":true} {"int":"-5"} {"uint":"5"} {"double":1.5} (or "NaN",
// "Infinity", "-Infinity")
// {"string":"x"} {"bytes":BASE64} {"list":[V,...]} {"map":[[K,V],...]} {"type":"int"}
// {"timestamp":{"seconds":"1","nanos":0}} {"duration":{...}}.
#pragma once

#include <string>
#include <string_view>

#include <simdjson.h>

#include "cep/base/arena.h"
#include "cep/event/schema.h"
#include "cep/event/value.h"

namespace vigil::cmd {

// The value that the typed notation writes, in the arena. False, with the reason in `why`, if it is
// none.
bool FromTypedJson(const simdjson::dom::element& json, Arena& arena, cep::Value* value,
                   std::string* why);

// Appends the typed notation of a value that is no error.
void AppendTypedJson(const cep::Value& value, std::string* out);

// The value of ordinary JSON, in the arena: whole numbers are int, others double. Where `type` says
// so, a whole number becomes a double and a text a timestamp or duration.
cep::Value FromPlainJson(const simdjson::dom::element& json, const cep::Type& type, Arena& arena);

// Appends `text`, UTF-8, as a JSON string; bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string_view text, std::string* out);

}  // namespace vigil::cmd
