#include "alerts/value_json.h"

#include "alerts/json_writer.h"
#include "alerts/time_text.h"

namespace vigil::alerts {
namespace {

using cep::Value;
using cep::ValueTag;

void AppendAtDepth(const Value& value, uint32_t depth, std::string* out);

void AppendList(const Value& list, uint32_t depth, std::string* out) {
  out->push_back('[');
  for (uint32_t i = 0; i < list.size; ++i) {
    if (i > 0) out->push_back(',');
    AppendAtDepth(list.list[i], depth + 1, out);
  }
  out->push_back(']');
}

// A key that is no text becomes the text of its JSON: 1 → "1", true → "true".
void AppendMapKey(const Value& key, std::string* out) {
  if (key.tag == ValueTag::kString) return AppendJsonString(key.text(), out);
  out->push_back('"');
  AppendAtDepth(key, kMaxValueDepth, out);
  out->push_back('"');
}

void AppendMap(const Value& map, uint32_t depth, std::string* out) {
  out->push_back('{');
  for (uint32_t i = 0; i < map.size; ++i) {
    if (i > 0) out->push_back(',');
    AppendMapKey(map.map[i].key, out);
    out->push_back(':');
    AppendAtDepth(map.map[i].value, depth + 1, out);
  }
  out->push_back('}');
}

// What stands between the quotes of a scalar that JSON has no type for.
void AppendScalarText(const Value& value, std::string* out) {
  if (value.tag == ValueTag::kBytes) AppendBase64(value.text(), out);
  if (value.tag == ValueTag::kTimestamp) AppendTimestamp(value.i, value.nanos(), out);
  if (value.tag == ValueTag::kDuration) AppendDuration(value.i, value.nanos(), out);
}

void AppendAtDepth(const Value& value, uint32_t depth, std::string* out) {
  switch (value.tag) {
    case ValueTag::kAbsent:
    case ValueTag::kError:
    case ValueTag::kNull:
      out->append("null");
      return;
    case ValueTag::kBool:
      out->append(value.b ? "true" : "false");
      return;
    case ValueTag::kInt:
      AppendInt(value.i, out);
      return;
    case ValueTag::kUint:
      AppendUint(value.u, out);
      return;
    case ValueTag::kDouble:
      AppendJsonDouble(value.d, out);
      return;
    case ValueTag::kString:
    case ValueTag::kType:
      AppendJsonString(value.text(), out);
      return;
    case ValueTag::kList:
    case ValueTag::kMap:
      if (depth >= kMaxValueDepth) return void(out->append("null"));
      return value.tag == ValueTag::kList ? AppendList(value, depth, out)
                                          : AppendMap(value, depth, out);
    case ValueTag::kBytes:
    case ValueTag::kTimestamp:
    case ValueTag::kDuration:
      out->push_back('"');
      AppendScalarText(value, out);
      out->push_back('"');
  }
}

}  // namespace

void AppendValueJson(const Value& value, std::string* out) { AppendAtDepth(value, 0, out); }

void AppendValueText(const Value& value, std::string* out) {
  switch (value.tag) {
    case ValueTag::kString:
    case ValueTag::kType:
      out->append(value.text());
      return;
    case ValueTag::kBytes:
    case ValueTag::kTimestamp:
    case ValueTag::kDuration:
      AppendScalarText(value, out);
      return;
    default:
      AppendValueJson(value, out);
  }
}

}  // namespace vigil::alerts
