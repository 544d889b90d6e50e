#include "daemon/reloader.h"

#include <chrono>
#include <utility>

namespace vigil::daemon {
namespace {

using Outcome = ReloadReport::Outcome;

// An editor or a deployment that goes on writing is waited for no longer than this.
constexpr int kMaxSettleMs = 2'000;
constexpr std::chrono::seconds kSwapLimit{10};

}  // namespace

std::string_view NameOf(ReloadReport::Outcome outcome) {
  constexpr std::string_view kNames[] = {"none", "unchanged", "activated", "accepted", "refused"};
  return kNames[static_cast<size_t>(outcome)];
}

Reloader::Reloader(ReloaderOptions options, RuleTarget* target, Log* log)
    : options_(std::move(options)), target_(target), log_(log) {}

Reloader::~Reloader() {
  is_stopping_ = true;
  if (watch_ != nullptr) watch_->Wake();
  if (thread_.joinable()) thread_.join();
}

Status Reloader::Watch() {
  ASSIGN_OR_RETURN(watch_, io::FileWatch::Create());
  watch_->Set(options_.paths);
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void Reloader::ReloadSoon() {
  if (watch_ != nullptr) watch_->Wake();
}

void Reloader::Run() {
  using Change = io::FileWatch::Outcome;
  while (!is_stopping_) {
    const Change change = watch_->Wait(-1);
    if (is_stopping_) return;
    if (change == Change::kQuiet) continue;
    // Several files, or one in several steps: wait until it is quiet.
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kMaxSettleMs);
    while (change == Change::kChanged && watch_->Wait(options_.settle_ms) == Change::kChanged &&
           std::chrono::steady_clock::now() < end) {
    }
    if (is_stopping_) return;
    // What changes from here on is a change again: it is watched before it is read, and read until
    // nothing is new.
    do {
      watch_->Set(options_.paths);
    } while (Reload().outcome == Outcome::kActivated && !is_stopping_);
  }
}

StatusOr<std::shared_ptr<const RunningRules>> Reloader::Judge(rules::LoadResult loaded,
                                                              ReloadReport* report) {
  report->diagnostics = std::move(loaded.diagnostics);
  if (loaded.rules == nullptr) return absl::InvalidArgumentError("the rules have errors");
  report->rule_set = loaded.rules->version;
  ASSIGN_OR_RETURN(std::shared_ptr<const RunningRules> next,
                   FollowRules(target_->rules().get(), std::move(loaded.rules)));
  report->verdicts = next->verdicts;
  return next;
}

ReloadReport Reloader::Reload() {
  const std::lock_guard one(reload_mutex_);
  const std::shared_ptr<const RunningRules> running = target_->rules();
  rules::LoadOptions load;
  load.outputs = options_.outputs;
  load.layout = running->rules->layout;
  load.sources = running->rules->source_texts;
  ReloadReport report;
  StatusOr<std::shared_ptr<const RunningRules>> next =
      Judge(rules::LoadRules(options_.paths, options_.schema, load), &report);
  Status status = next.status();
  if (status.ok() && report.rule_set == running->rules->version) {
    report.outcome = Outcome::kUnchanged;
    report.verdicts.clear();
  } else if (status.ok()) {
    for (const RuleVerdict& verdict : report.verdicts) {
      log_->Info("rule", {{"rule", verdict.rule},
                          {"verdict", std::string(NameOf(verdict.verdict))},
                          {"why", verdict.why}});
    }
    status = target_->Activate(*next, kSwapLimit);
    if (status.ok()) report.outcome = Outcome::kActivated;
  }
  if (!status.ok()) {
    report.outcome = Outcome::kRefused;
    report.error = std::string(status.message());
  }
  Tell(report);
  const std::lock_guard lock(mutex_);
  report_ = report;
  return report;
}

void Reloader::Tell(const ReloadReport& report) {
  switch (report.outcome) {
    case Outcome::kActivated:
      ++reloads_;
      log_->Info("rules reloaded", {{"rule_set", report.rule_set}});
      break;
    case Outcome::kRefused:
      ++refusals_;
      log_->Error("rules refused, the running ones go on", {{"error", report.error}});
      for (const rules::Diagnostic& d : report.diagnostics) {
        if (d.level == rules::Level::kError) log_->Error(rules::FormatText(d));
      }
      break;
    default:
      log_->Info("rules are as they were");
      break;
  }
}

ReloadReport Reloader::DryRun(const std::vector<rules::NamedText>& texts) {
  ReloadReport report;
  rules::LoadOptions load;
  load.outputs = options_.outputs;
  load.layout = target_->rules()->rules->layout;
  load.sources = target_->rules()->rules->source_texts;
  const auto next = Judge(rules::LoadRuleTexts(texts, options_.schema, load), &report);
  report.outcome = next.ok() ? Outcome::kAccepted : Outcome::kRefused;
  if (!next.ok()) report.error = std::string(next.status().message());
  return report;
}

ReloadReport Reloader::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace vigil::daemon
