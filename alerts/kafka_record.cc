#include "alerts/kafka_record.h"

namespace vigil::alerts {

bool IsRefusedForGood(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
         error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
         error == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

rd_kafka_resp_err_t ProduceRecord(rd_kafka_t* producer, const std::string& topic,
                                  const std::string& boot, Outgoing* record) {
  rd_kafka_headers_t* headers = rd_kafka_headers_new(3);
  const auto add = [headers](const char* name, const std::string& value) {
    if (value.empty()) return;
    rd_kafka_header_add(headers, name, -1, value.data(), static_cast<ssize_t>(value.size()));
  };
  add("vigil-id", record->id);
  add("vigil-boot", boot);
  add("vigil-seq", std::to_string(record->sequence));
  const rd_kafka_resp_err_t error =
      rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic.c_str()),
                        RD_KAFKA_V_VALUE(record->line.data(), record->line.size()),
                        RD_KAFKA_V_KEY(record->has_key ? record->key.data() : nullptr,
                                       record->has_key ? record->key.size() : 0),
                        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                        RD_KAFKA_V_OPAQUE(record), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) rd_kafka_headers_destroy(headers);
  return error;
}

}  // namespace vigil::alerts
