#include "daemon/lifecycle.h"

#include <atomic>
#include <memory>
#include <vector>

#include "cep/base/clock.h"
#include "daemon/admin_api.h"
#include "daemon/config.h"
#include "daemon/formats.h"
#include "daemon/kill_point.h"
#include "daemon/live_engine.h"
#include "daemon/reloader.h"
#include "daemon/rule_files.h"
#include "daemon/rule_topic.h"
#include "daemon/service_manager.h"
#include "daemon/signals.h"
#include "daemon/source_expressions.h"
#include "io/http_server.h"
#include "rules/diagnostic.h"
#include "rules/load.h"
#include "rules/schema_file.h"

namespace vigil::daemon {
namespace {

// What the steps leave to each other.
class Daemon {
 public:
  Daemon(const RunOptions& options, std::ostream& err)
      : options_(options),
        err_(err),
        log_(options.log_format, spdlog::level::from_str(options.log_level)),
        signals_(&log_) {}

  RunResult Run() {
    struct Step {
      const char* name;
      RunResult (Daemon::*run)();
    };
    constexpr Step kSteps[] = {
        {"configuration", &Daemon::ReadConfiguration},
        {"outputs", &Daemon::OpenOutputs},
        {"sources", &Daemon::ConnectSources},
        {"rule files", &Daemon::WatchRules},
        {"http", &Daemon::Listen},
        {"job", &Daemon::RunJob},
    };
    for (const Step& step : kSteps) {
      log_.Info("step", {{"name", step.name}});
      const RunResult result = (this->*step.run)();
      if (result != RunResult::kFine) {
        log_.Error("stopped by a failure", {{"step", step.name}});
        return result;
      }
      if (is_stopped_) break;  // before there was anything to run
    }
    log_.Info("ended");
    return RunResult::kFine;
  }

  bool is_stuck() const {
    return engine_ != nullptr && engine_->durable() != nullptr &&
           engine_->durable()->state()->is_stuck();
  }

 private:
  // Configuration, schema and rules: all that is wrong with any of them, at once.
  RunResult ReadConfiguration();
  RunResult OpenRuleStore();
  RunResult OpenRuleTopic();
  RunResult OpenOutputs();
  RunResult ConnectSources();
  RunResult WatchRules();
  RunResult Listen();
  RunResult RunJob();

  RunResult Fail(RunResult result, const Status& status) {
    log_.Error(std::string(status.message()));
    return result;
  }
  size_t Print(const std::vector<rules::Diagnostic>& diagnostics) {
    for (const rules::Diagnostic& d : diagnostics) err_ << rules::FormatText(d) << "\n";
    err_.flush();
    return rules::HasErrors(diagnostics) ? 1 : 0;
  }

  const RunOptions options_;
  std::ostream& err_;
  Log log_;
  Signals signals_;
  SystemClock clock_;
  ServiceManager manager_;
  Config config_;
  std::atomic<bool> is_stopped_ = false;  // while rules were waited for
  std::shared_ptr<const rules::RuleSet> rules_;
  std::shared_ptr<const cep::Schema> schema_;  // of events, with the field `kafka`
  std::unique_ptr<RuleStore> store_;
  std::unique_ptr<LiveEngine> engine_;
  std::unique_ptr<Reloader> reloader_;  // each goes before what it borrows
  std::unique_ptr<AdminApi> admin_;
  std::unique_ptr<io::HttpServer> http_;
};

RunResult Daemon::ReadConfiguration() {
  ConfigResult loaded = LoadConfig(options_.config_file);
  bool is_config_bad = Print(loaded.diagnostics) > 0;
  if (!loaded.is_read) return RunResult::kBadConfig;
  config_ = std::move(loaded.config);
  if (!is_config_bad) {
    for (const std::string& problem : FindUnsupported(config_)) {
      err_ << "error: " << options_.config_file << ": " << problem << "\n";
      is_config_bad = true;
    }
  }
  bool are_rules_bad = false;
  auto schema = std::make_shared<const cep::Schema>();
  if (config_.schema.empty()) {
    log_.Warn("no schema: every identifier in a rule is taken as a field of any type");
  } else if (IsRecordSchema(config_.schema)) {
    StatusOr<EventSchema> loaded_schema = LoadRecordSchema(config_.schema);
    if (!loaded_schema.ok()) return Fail(RunResult::kBadConfig, loaded_schema.status());
    schema = loaded_schema->schema;
  } else {
    rules::SchemaResult result = rules::LoadSchema(config_.schema);
    are_rules_bad |= Print(result.diagnostics) > 0;
    if (result.schema != nullptr) schema = result.schema;
  }
  rules::LoadOptions load;
  load.outputs = config_.OutputNames();
  load.sources = ExpressionsOf(config_);
  schema_ = WithKafkaField(std::move(schema), config_);
  is_config_bad |= Print(CheckExpressions(config_, *schema_)) > 0;
  rules::RuleTexts kept;
  // A topic is read only if there is nothing else to say.
  if (!config_.rules.empty() || (config_.rule_topic && !is_config_bad && !are_rules_bad)) {
    const RunResult opened = OpenRuleStore();
    if (opened != RunResult::kFine || is_stopped_) return opened;
    kept = store_->Read();
  }
  are_rules_bad |= Print(kept.diagnostics) > 0;
  rules::LoadResult result = rules::LoadRuleTexts(kept.texts, schema_, load);
  are_rules_bad |= Print(result.diagnostics) > 0;
  if (is_config_bad) return RunResult::kBadConfig;
  if (are_rules_bad) return RunResult::kBadRules;
  rules_ = result.rules;
  log_.Info("rules loaded",
            {{"rules", std::to_string(rules_->rules.size())}, {"rule_set", rules_->version}});
  return RunResult::kFine;
}

RunResult Daemon::OpenRuleStore() {
  if (config_.rule_topic) return OpenRuleTopic();
  StatusOr<std::unique_ptr<RuleFiles>> files = RuleFiles::Create(config_.rules);
  if (!files.ok()) return Fail(RunResult::kFailed, files.status());
  store_ = *std::move(files);
  return RunResult::kFine;
}

RunResult Daemon::OpenRuleTopic() {
  RuleTopicOptions options{.topic = config_.rule_topic->topic,
                           .brokers = config_.rule_topic->brokers,
                           .group = config_.name + "-rules",
                           .properties = config_.rule_topic->properties};
  config_.UseSourceAccess(&options.brokers, &options.properties);
  StatusOr<std::unique_ptr<RuleTopic>> topic = RuleTopic::Create(options, &log_);
  if (!topic.ok()) return Fail(RunResult::kBadConfig, topic.status());
  signals_.OnStop([this] { is_stopped_ = true; });
  const Status read = (*topic)->ReadToEnd([this] { return is_stopped_.load(); });
  signals_.OnStop({});
  if (absl::IsCancelled(read)) return RunResult::kFine;
  if (!read.ok()) return Fail(RunResult::kFailed, read);
  store_ = *std::move(topic);
  return RunResult::kFine;
}

RunResult Daemon::OpenOutputs() {
  StatusOr<std::unique_ptr<LiveEngine>> engine =
      LiveEngine::Create(config_, rules_, &log_, &clock_,
                         {.accepts_loss = options_.accepts_loss,
                          .after_rollback = options_.after_rollback,
                          .open_store = {},
                          .kill_point = KillPointOfEnvironment()});
  if (!engine.ok()) {
    return Fail(
        absl::IsInvalidArgument(engine.status()) ? RunResult::kBadConfig : RunResult::kFailed,
        engine.status());
  }
  engine_ = *std::move(engine);
  return RunResult::kFine;
}

RunResult Daemon::ConnectSources() {
  const Status status = engine_->Start();
  if (status.ok()) return RunResult::kFine;
  return Fail(absl::IsInvalidArgument(status) ? RunResult::kBadConfig : RunResult::kFailed, status);
}

RunResult Daemon::WatchRules() {
  reloader_ = std::make_unique<Reloader>(
      ReloaderOptions{.schema = schema_, .outputs = config_.OutputNames()}, store_.get(),
      engine_.get(), &log_);
  reloader_->Watch();
  signals_.OnReload([this] { reloader_->ReloadSoon(); });
  // An edit since the rules were read is not missed.
  reloader_->ReloadSoon();
  return RunResult::kFine;
}

RunResult Daemon::Listen() {
  if (!config_.http) return RunResult::kFine;
  admin_ = std::make_unique<AdminApi>(*config_.http, engine_.get(), reloader_.get());
  const io::HttpServerOptions options{.host = config_.http->host,
                                      .port = config_.http->port,
                                      .loopback_only = !config_.http->allow_public,
                                      .tls = {config_.http->certificate, config_.http->key}};
  StatusOr<std::unique_ptr<io::HttpServer>> server = io::HttpServer::Start(
      options, [this](const io::HttpRequest& request) { return admin_->Answer(request); },
      AdminApi::MayWait);
  if (!server.ok()) return Fail(RunResult::kBadConfig, server.status());
  http_ = *std::move(server);
  signals_.OnReload([this] {
    const Status status = http_->ReloadCertificate();
    if (!status.ok()) log_.Error(std::string(status.message()));
    reloader_->ReloadSoon();
  });
  log_.Info("listening", {{"address", options.host + ":" + std::to_string(http_->port())}});
  return RunResult::kFine;
}

RunResult Daemon::RunJob() {
  manager_.Ready("running " + config_.name);
  signals_.OnStop([this] { engine_->Stop(); });
  const auto alive = [this] { manager_.Alive(clock_.SteadyMs()); };
  const Status status = engine_->Run(alive);
  signals_.OnStop({});
  signals_.OnReload({});
  http_.reset();
  admin_.reset();
  reloader_.reset();
  manager_.Stopping("delivering");
  const bool is_delivered = engine_->Drain(options_.drain_limit, alive);
  if (const auto point = engine_->job()->status()) {
    const cep::Ledger total = point->total();
    log_.Info("done", {{"read", std::to_string(total.read)},
                       {"processed", std::to_string(total.processed)},
                       {"late", std::to_string(total.late)},
                       {"quarantined", std::to_string(total.quarantined)},
                       {"waiting", std::to_string(total.waiting)},
                       {"lost", std::to_string(total.lost)}});
  }
  if (!status.ok()) return Fail(RunResult::kFailed, status);
  if (!is_delivered) {
    return Fail(RunResult::kFailed,
                absl::DeadlineExceededError("not everything was delivered in time"));
  }
  return RunResult::kFine;
}

}  // namespace

RunResult RunDaemon(const RunOptions& options, std::ostream& err) {
  auto daemon = std::make_unique<Daemon>(options, err);
  const RunResult result = daemon->Run();
  if (!daemon->is_stuck()) return result;
  // Its thread cannot be waited for, and goes on to use what is here.
  static_cast<void>(daemon.release());
  return RunResult::kStuck;
}

}  // namespace vigil::daemon
