#include "io/kafka_client.h"

#include <absl/strings/str_cat.h>

namespace vigil::io {
namespace {

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

KafkaEvents* EventsOf(void* opaque) { return static_cast<KafkaEvents*>(opaque); }

void OnLog(const rd_kafka_t* client, int level, const char* /*facility*/, const char* text) {
  if (void* opaque = rd_kafka_opaque(client)) EventsOf(opaque)->OnLog(level, text);
}

void OnError(rd_kafka_t* client, int error, const char* reason, void* opaque) {
  auto code = static_cast<rd_kafka_resp_err_t>(error);
  char fatal[512];
  if (code == RD_KAFKA_RESP_ERR__FATAL) {
    const rd_kafka_resp_err_t cause = rd_kafka_fatal_error(client, fatal, sizeof fatal);
    if (cause != RD_KAFKA_RESP_ERR_NO_ERROR) reason = fatal;
  }
  EventsOf(opaque)->OnError(code, reason);
}

int OnStatistics(rd_kafka_t*, char* json, size_t size, void* opaque) {
  EventsOf(opaque)->OnStatistics({json, size});
  return 0;  // librdkafka frees it
}

void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  EventsOf(opaque)->OnDelivery(*message);
}

Status Set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  char why[512];
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why, sizeof why) == RD_KAFKA_CONF_OK) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("kafka property ", name, ": ", why));
}

}  // namespace

StatusOr<KafkaPtr<rd_kafka_t>> MakeKafkaClient(rd_kafka_type_t type,
                                               const KafkaProperties& defaults,
                                               const KafkaProperties& properties,
                                               const KafkaProperties& forced, KafkaEvents* events) {
  KafkaPtr<rd_kafka_conf_t> conf(rd_kafka_conf_new());
  for (const auto& [name, value] : defaults) RETURN_IF_ERROR(Set(conf.get(), name, value));
  for (const auto& [name, value] : properties) {
    const auto ours = forced.find(name);
    if (ours != forced.end() && ours->second != value) {
      return absl::InvalidArgumentError(absl::StrCat("kafka property ", name, ": vigil sets it to ",
                                                     ours->second, ", it cannot be ", value));
    }
    RETURN_IF_ERROR(Set(conf.get(), name, value));
  }
  for (const auto& [name, value] : forced) RETURN_IF_ERROR(Set(conf.get(), name, value));
  rd_kafka_conf_set_opaque(conf.get(), events);
  rd_kafka_conf_set_log_cb(conf.get(), OnLog);
  rd_kafka_conf_set_error_cb(conf.get(), OnError);
  rd_kafka_conf_set_stats_cb(conf.get(), OnStatistics);
  if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_dr_msg_cb(conf.get(), OnDelivery);
  char why[512];
  KafkaPtr<rd_kafka_t> client(rd_kafka_new(type, conf.get(), why, sizeof why));
  if (client == nullptr) return absl::InvalidArgumentError(absl::StrCat("kafka client: ", why));
  conf.release();  // the client owns it now
  return client;
}

bool IsKafkaAccess(std::string_view property) {
  return property.starts_with("security.") || property.starts_with("sasl.") ||
         property.starts_with("ssl.");
}

Status KafkaStatus(rd_kafka_resp_err_t error, std::string_view what) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(Abseil(what), ": ", rd_kafka_err2str(error)));
}

}  // namespace vigil::io
