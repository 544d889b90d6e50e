// Avro records and files for tests: pieces by hand, and whole files by libavro, an independent
// writer.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <zstd.h>

extern "C" {
#include <avro.h>
}

#include "cep/base/check.h"
#include "tests/support/process.h"

namespace vigil::ingest {

inline std::string AvroLong(int64_t n) {
  uint64_t zigzag = (static_cast<uint64_t>(n) << 1) ^ static_cast<uint64_t>(n >> 63);
  std::string out;
  for (; zigzag >= 0x80; zigzag >>= 7) out += static_cast<char>(zigzag | 0x80);
  return out + static_cast<char>(zigzag);
}

inline std::string AvroText(std::string_view text) {
  return AvroLong(static_cast<int64_t>(text.size())) + std::string(text);
}

template <typename T>
std::string AvroRaw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline std::string Zstd(const std::string& content) {
  std::string out(ZSTD_compressBound(content.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), content.data(), content.size(), 3));
  return out;
}

inline std::string AvroHeader(const std::string& schema, const std::string& codec,
                              const std::string& sync) {
  return "Obj\x01" + AvroLong(2) + AvroText("avro.schema") + AvroText(schema) +
         AvroText("avro.codec") + AvroText(codec) + AvroLong(0) + sync;
}

// A file of records {ts: 1000 + i, account: "A" i % 7, amount: null for every fifth, else i / 4}.
// Empty if libavro does not have the codec.
inline std::string WriteAvroFile(const std::string& schema_text, const char* codec, int records) {
  const testing::TempDir folder;
  const std::string path = folder.Path("x.avro");
  avro_schema_t schema = nullptr;
  CEP_CHECK(avro_schema_from_json_length(schema_text.data(), schema_text.size(), &schema) == 0);
  avro_file_writer_t writer = nullptr;
  if (avro_file_writer_create_with_codec(path.c_str(), schema, &writer, codec, 4096) != 0) {
    avro_schema_decref(schema);
    return "";
  }
  avro_value_iface_t* iface = avro_generic_class_from_schema(schema);
  avro_value_t value;
  avro_generic_value_new(iface, &value);
  for (int i = 0; i < records; ++i) {
    avro_value_t field;
    avro_value_t branch;
    avro_value_reset(&value);
    avro_value_get_by_name(&value, "ts", &field, nullptr);
    avro_value_set_long(&field, 1000 + i);
    avro_value_get_by_name(&value, "account", &field, nullptr);
    avro_value_set_string(&field, ("A" + std::to_string(i % 7)).c_str());
    avro_value_get_by_name(&value, "amount", &field, nullptr);
    avro_value_set_branch(&field, i % 5 == 0 ? 0 : 1, &branch);
    if (i % 5 == 0) {
      avro_value_set_null(&branch);
    } else {
      avro_value_set_double(&branch, i / 4.0);
    }
    CEP_CHECK(avro_file_writer_append_value(writer, &value) == 0);
  }
  avro_file_writer_close(writer);
  avro_value_decref(&value);
  avro_value_iface_decref(iface);
  avro_schema_decref(schema);
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace vigil::ingest
