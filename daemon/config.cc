#include "daemon/config.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>

#include "daemon/config_outputs.h"
#include "daemon/config_sources.h"
#include "daemon/config_table.h"
#include "daemon/config_values.h"
#include "daemon/substitution.h"
#include "io/kafka_client.h"
#include "rules/section_reader.h"
#include "rules/yaml_reader.h"

namespace vigil::daemon {
namespace {

using rules::Code;
using rules::Node;
using rules::SectionReader;
using S = ConfigSection;

// A commit alone may bring half of it.
constexpr uint64_t kLeastOutboxBytes = uint64_t{64} << 20;
constexpr uint64_t kLeastBufferBytes = uint64_t{1} << 20;
constexpr const char* kBuiltInOutputs[] = {"alerts", "late", "errors", "audit", "metrics"};

// The path that `node` names, or empty, after a report, if it leads nowhere.
std::string ExistingPath(const SectionReader& file, std::string_view path,
                         const rules::Place& place, const std::string& folder) {
  std::string resolved = ResolvePath(folder, path);
  std::error_code error;
  if (std::filesystem::exists(resolved, error)) return resolved;
  file.reporter().Report(Code::kCannotRead, place, "there is no such file or folder");
  return "";
}

StateConfig ReadState(const SectionReader& file, const Node& node, const std::string& folder) {
  const SectionReader section = Inner(S::kState, file, node);
  StateConfig state;
  state.path = ResolvePath(folder, ReadText(section, "path"));
  state.commit_interval_ms =
      section.DurationMs("commit_interval").value_or(state.commit_interval_ms);
  state.memory_bytes = ReadBytes(section, "memory");
  state.min_pause_ms = section.DurationMs("min_pause").value_or(state.min_pause_ms);
  state.commit_timeout_ms = section.DurationMs("commit_timeout").value_or(state.commit_timeout_ms);
  state.outbox_bytes =
      std::max(ReadBytes(section, "outbox").value_or(state.outbox_bytes), kLeastOutboxBytes);
  if (const Node* inner = section.Get("rocksdb")) {
    const SectionReader rocksdb = Inner(S::kRocksDb, section, *inner);
    state.cache_bytes = ReadBytes(rocksdb, "cache").value_or(state.cache_bytes);
    state.write_buffer_bytes = std::max(
        ReadBytes(rocksdb, "write_buffer").value_or(state.write_buffer_bytes), kLeastBufferBytes);
    state.compression = static_cast<StateConfig::Compression>(
        rocksdb.Word("compression").value_or(static_cast<size_t>(state.compression)));
  }
  if (const Node* inner = section.Get("checkpoints")) {
    const SectionReader checkpoints = Inner(S::kCheckpoints, section, *inner);
    state.checkpoint_every_ms = checkpoints.DurationMs("every").value_or(state.checkpoint_every_ms);
    state.checkpoints_kept =
        static_cast<uint32_t>(checkpoints.Count("keep").value_or(state.checkpoints_kept));
  }
  return state;
}

void ReadFile(const SectionReader& file, const std::string& folder, Config* config) {
  if (file.Has("name")) {
    config->name = ReadText(file, "name");
    if (const Node* name = file.Get("name")) CheckName(file, *name, "job");
  }
  if (const Node* node = file.Get("rules"); node != nullptr && node->is_mapping()) {
    const SectionReader topic = Inner(S::kRuleTopic, file, *node);
    config->rule_topic = {ReadText(topic, "topic"), ReadBrokers(topic), ReadProperties(topic)};
  }
  for (const rules::PlacedName& path : file.Names("rules")) {
    std::string found = ExistingPath(file, path.name, path.place, folder);
    if (!found.empty()) config->rules.push_back(std::move(found));
  }
  if (const std::string path = ReadText(file, "schema"); !path.empty()) {
    const size_t hash = std::min(path.rfind('#'), path.size());
    const bool is_url = path.find("://") != std::string::npos;
    config->schema =
        is_url ? path
               : ExistingPath(file, path.substr(0, hash), file.PlaceOfValue("schema"), folder);
    if (!is_url && !config->schema.empty()) config->schema += path.substr(hash);
  }
  config->sources = ReadSources(file, folder);
  config->outputs = ReadOutputs(file, folder);
  if (const Node* node = file.Get("state")) config->state = ReadState(file, *node, folder);
  if (const Node* node = file.Get("http")) {
    const SectionReader http = Inner(S::kHttp, file, *node);
    config->http = ReadAddress(http, "listen");
    if (config->http) {
      config->http->allow_public = http.Bool("allow_public").value_or(false);
      if (http.Has("read_token")) config->http->read_token = ReadText(http, "read_token");
      if (http.Has("operate_token")) config->http->operate_token = ReadText(http, "operate_token");
      if (const Node* inner = http.Get("tls")) {
        const SectionReader tls = Inner(S::kTls, http, *inner);
        const auto path = [&](std::string_view key) {
          const std::string given = ReadText(tls, key);
          return given.empty() ? "" : ExistingPath(tls, given, tls.PlaceOfValue(key), folder);
        };
        config->http->certificate = path("certificate");
        config->http->key = path("key");
      }
    }
  }
  if (const std::optional<int64_t> shards = file.Count("shards")) {
    config->shards = static_cast<uint32_t>(*shards);
  }
}

}  // namespace

std::vector<std::string> Config::OutputNames() const {
  std::set<std::string> names(std::begin(kBuiltInOutputs), std::end(kBuiltInOutputs));
  for (const auto& [name, sinks] : outputs) names.insert(name);
  return {names.begin(), names.end()};
}

void Config::UseSourceAccess(std::string* brokers,
                             std::map<std::string, std::string>* properties) const {
  if (!brokers->empty()) return;
  for (const SourceConfig& source : sources) {
    if (!source.kafka) continue;
    *brokers = source.kafka->brokers;
    for (const auto& [name, value] : source.kafka->properties) {
      if (io::IsKafkaAccess(name)) properties->emplace(name, value);
    }
    return;
  }
}

ConfigResult LoadConfig(const std::string& path) {
  rules::Reporter reporter;
  ConfigResult result;
  const std::shared_ptr<rules::Document> document = rules::ReadYamlFile(path, &reporter);
  const std::string folder = std::filesystem::path(path).parent_path().string();
  Substitute(folder, document.get(), &reporter);
  result.is_read = document->root != nullptr;
  result.config.document = document;
  if (result.is_read && !document->root->is_null()) {
    const SectionReader file(ConfigLanguage(), S::kFile, document->source, *document->root,
                             &reporter);
    ReadFile(file, folder, &result.config);
  }
  result.diagnostics = reporter.Take();
  return result;
}

}  // namespace vigil::daemon
