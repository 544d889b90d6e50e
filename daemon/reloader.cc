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

Reloader::Reloader(ReloaderOptions options, RuleStore* store, RuleTarget* target, Log* log)
    : options_(std::move(options)), store_(store), target_(target), log_(log) {}

Reloader::~Reloader() {
  is_stopping_ = true;
  store_->Wake();
  if (thread_.joinable()) thread_.join();
}

void Reloader::Watch() {
  store_->Rewatch();
  thread_ = std::thread([this] { Run(); });
}

void Reloader::ReloadSoon() { store_->Wake(); }

void Reloader::Run() {
  using Change = RuleStore::Change;
  while (!is_stopping_) {
    const Change change = store_->Wait(-1);
    if (is_stopping_) return;
    if (change == Change::kNone) continue;
    // Several files, or one in several steps: wait until it is quiet.
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kMaxSettleMs);
    while (change == Change::kKept && store_->Wait(options_.settle_ms) == Change::kKept &&
           std::chrono::steady_clock::now() < end) {
    }
    if (is_stopping_) return;
    // What changes from here on is a change again: it is watched before it is read, and read until
    // nothing is new.
    do {
      store_->Rewatch();
    } while (Reload().outcome == Outcome::kActivated && !is_stopping_);
  }
}

StatusOr<std::shared_ptr<const RunningRules>> Reloader::Judge(const rules::RuleTexts& kept,
                                                              ReloadReport* report) {
  const std::shared_ptr<const RunningRules> running = target_->rules();
  rules::LoadOptions load;
  load.outputs = options_.outputs;
  load.layout = running->rules->layout;
  load.sources = running->rules->source_texts;
  rules::LoadResult loaded = rules::LoadRuleTexts(kept.texts, options_.schema, load);
  report->diagnostics = kept.diagnostics;
  for (rules::Diagnostic& d : loaded.diagnostics) report->diagnostics.push_back(std::move(d));
  if (rules::HasErrors(report->diagnostics)) {
    return absl::InvalidArgumentError("the rules have errors");
  }
  report->rule_set = loaded.rules->version;
  ASSIGN_OR_RETURN(std::shared_ptr<const RunningRules> next,
                   FollowRules(running.get(), std::move(loaded.rules)));
  report->verdicts = next->verdicts;
  return next;
}

// Unless it is what runs.
Status Reloader::Activate(const std::shared_ptr<const RunningRules>& next, ReloadReport* report) {
  if (report->rule_set == target_->rules()->rules->version) {
    report->outcome = Outcome::kUnchanged;
    report->verdicts.clear();
    return absl::OkStatus();
  }
  for (const RuleVerdict& verdict : report->verdicts) {
    log_->Info("rule", {{"rule", verdict.rule},
                        {"verdict", std::string(NameOf(verdict.verdict))},
                        {"why", verdict.why}});
  }
  RETURN_IF_ERROR(target_->Activate(next, kSwapLimit));
  report->outcome = Outcome::kActivated;
  return absl::OkStatus();
}

// `status`: of loading and activating.
void Reloader::Finish(const Status& status, ReloadReport* report) {
  if (!status.ok()) {
    report->outcome = Outcome::kRefused;
    report->error = std::string(status.message());
  }
  Tell(*report);
  const std::lock_guard lock(mutex_);
  report_ = *report;
}

ReloadReport Reloader::Reload() {
  const std::lock_guard one(reload_mutex_);
  ReloadReport report;
  const StatusOr<std::shared_ptr<const RunningRules>> next = Judge(store_->Read(), &report);
  Finish(next.ok() ? Activate(*next, &report) : next.status(), &report);
  return report;
}

StatusOr<ReloadReport> Reloader::Edit(const Plan& plan, bool is_dry_run) {
  const std::lock_guard one(reload_mutex_);
  if (!is_dry_run) RETURN_IF_ERROR(store_->CanEdit());
  rules::RuleTexts kept = store_->Read();
  ASSIGN_OR_RETURN(const PlannedEdit planned, plan(kept.texts, *store_));
  kept.texts = Edited(std::move(kept.texts), planned.edit);
  ReloadReport report;
  report.tag = planned.tag;
  const StatusOr<std::shared_ptr<const RunningRules>> next = Judge(kept, &report);
  ShowAsGiven(planned.given, &report.diagnostics);
  if (is_dry_run || !next.ok()) {
    report.outcome = next.ok() ? Outcome::kAccepted : Outcome::kRefused;
    report.error = std::string(next.status().message());
    return report;
  }
  RETURN_IF_ERROR(store_->Stage(planned.edit));
  Status status = Activate(*next, &report);
  // What was staged and runs gets to its place now, or with the next look.
  const Status finished = status.ok() ? store_->Finish() : store_->Drop();
  if (!finished.ok()) {
    log_->Error("an edit of the rules cannot be finished yet",
                {{"error", std::string(finished.message())}});
  }
  Finish(status, &report);
  return report;
}

rules::RuleTexts Reloader::Kept() {
  const std::lock_guard one(reload_mutex_);
  return store_->Read();
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
      target_->TellRefused(report.error);
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
  const auto next = Judge({texts, {}}, &report);
  report.outcome = next.ok() ? Outcome::kAccepted : Outcome::kRefused;
  if (!next.ok()) report.error = std::string(next.status().message());
  return report;
}

ReloadReport Reloader::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace vigil::daemon
