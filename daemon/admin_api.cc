#include "daemon/admin_api.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "alerts/json_writer.h"
#include "alerts/time_text.h"
#include "cep/base/hash.h"
#include "daemon/edit_plan.h"
#include "daemon/json_parts.h"
#include "daemon/metrics_text.h"
#include "rules/diagnostic.h"
#include "rules/rule_edit.h"

namespace vigil::daemon {
namespace {

using alerts::AppendJsonString;
using io::HttpRequest;
using io::HttpResponse;

HttpResponse Error(int status, std::string_view text) {
  HttpResponse response{status, "application/json", "{\"error\":"};
  AppendJsonString(text, &response.body);
  response.body += "}\n";
  return response;
}

// Takes the same time wherever the texts differ, and whatever the token's length: hashes of one
// length are compared.
bool IsToken(std::string_view given, const std::string& token) {
  if (token.empty()) return false;
  const auto digest = [](std::string_view text, unsigned char* out) {
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out);
  };
  unsigned char theirs[SHA256_DIGEST_LENGTH];
  unsigned char ours[SHA256_DIGEST_LENGTH];
  digest(given, theirs);
  digest(token, ours);
  return CRYPTO_memcmp(theirs, ours, sizeof(ours)) == 0;
}

// Whether `path` is of the form `pattern`, whose last part may be in braces.
bool Fits(std::string_view path, std::string_view pattern) {
  const size_t brace = pattern.find('{');
  if (brace == std::string_view::npos) return path == pattern;
  return path.size() > brace && path.substr(0, brace) == pattern.substr(0, brace) &&
         path.find('/', brace) == std::string_view::npos;
}

void AppendTime(std::string_view name, int64_t ms, std::string* out) {
  out->append(",\"").append(name).append("\":");
  if (ms == cep::kMinTime || ms == cep::kMaxTime) {
    out->append("null");
  } else {
    alerts::AppendInt(ms, out);
  }
}

// Why a partition holds the watermark, for people.
std::string WhyHeld(const cep::PartitionPoint& partition) {
  if (partition.watermark == cep::kMinTime) return "no record of it has been read yet";
  const auto next = static_cast<int64_t>(partition.next_offset);
  if (partition.end_offset > next) {
    return std::to_string(partition.end_offset - next) + " of its records are still to be read";
  }
  return "it is read to its end, has the oldest newest event, and is not idle yet";
}

std::string ReportJson(const ReloadReport& report) {
  std::string json = "{\"outcome\":";
  AppendJsonString(NameOf(report.outcome), &json);
  json += ",\"rule_set\":";
  AppendJsonString(report.rule_set, &json);
  if (!report.error.empty()) AppendText("error", report.error, &json);
  json += ",\"verdicts\":[";
  for (size_t i = 0; i < report.verdicts.size(); ++i) {
    const RuleVerdict& verdict = report.verdicts[i];
    json += i > 0 ? ",{\"rule\":" : "{\"rule\":";
    AppendJsonString(verdict.rule, &json);
    AppendText("verdict", NameOf(verdict.verdict), &json);
    if (!verdict.why.empty()) AppendText("why", verdict.why, &json);
    json += '}';
  }
  json += "],\"diagnostics\":" + rules::FormatJson(report.diagnostics);
  while (json.back() == '\n') json.pop_back();
  return json + "}";
}

int HttpStatusOf(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    case absl::StatusCode::kAborted:
      return 412;
    case absl::StatusCode::kResourceExhausted:
      return 507;
    default:
      return 503;
  }
}

std::string_view RuleIdOf(const HttpRequest& request) {
  return std::string_view(request.path).substr(request.path.rfind('/') + 1);
}

HttpResponse Error(const Status& status) {
  return Error(HttpStatusOf(status), std::string(status.message()));
}

// Whether the query has `dry_run`, alone or as `dry_run=true`.
bool IsDryRun(std::string_view query) {
  while (!query.empty()) {
    const std::string_view item = query.substr(0, query.find('&'));
    if (item == "dry_run" || item == "dry_run=true") return true;
    query.remove_prefix(std::min(item.size() + 1, query.size()));
  }
  return false;
}

void AppendRule(const rules::CompiledRule& rule, std::string* out) {
  out->append("{\"rule\":");
  AppendJsonString(rule.info.id, out);
  out->append(",\"description\":");
  AppendJsonString(rule.info.description, out);
  out->append(rule.mode == rules::Mode::kShadow ? ",\"mode\":\"shadow\"" : ",\"mode\":\"live\"");
  const auto append_names = [out](std::string_view name, const std::vector<std::string>& texts) {
    out->append(",\"").append(name).append("\":[");
    for (size_t i = 0; i < texts.size(); ++i) {
      if (i > 0) out->push_back(',');
      AppendJsonString(texts[i], out);
    }
    out->push_back(']');
  };
  append_names("key", rule.info.key_names);
  append_names("stages", rule.info.stage_names);
  append_names("tags", rule.info.tags);
  append_names("outputs", rule.info.on_match.outputs);
  out->append(",\"content\":\"").append(ToHex(rule.content)).append("\"}");
}

// Former versions of rules, and how many partial matches each has still to finish.
void AppendDraining(const JobCounters& counters, std::string* out) {
  const std::vector<rules::CompiledRule>& rules = counters.rules->rules->rules;
  bool is_first = true;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (!IsDraining(rules[i])) continue;
    out->append(std::exchange(is_first, false) ? "{\"rule\":" : ",{\"rule\":");
    AppendJsonString(rules[i].info.id, out);
    AppendText("rule_set", rules[i].info.rule_set, out);
    AppendCount("partial_matches", static_cast<uint64_t>(counters.load.partial_matches[i]), out);
    out->push_back('}');
  }
}

}  // namespace

const std::vector<AdminApi::Route>& AdminApi::Routes() {
  static const std::vector<Route> kRoutes = {
      {"GET", "/healthz", Role::kOpen, &AdminApi::Health},
      {"GET", "/readyz", Role::kOpen, &AdminApi::Ready},
      {"GET", "/metrics", Role::kRead, &AdminApi::Metrics},
      {"GET", "/v1/status", Role::kRead, &AdminApi::Status},
      {"GET", "/v1/rules", Role::kRead, &AdminApi::ListRules},
      {"GET", "/v1/rules/{rule}", Role::kRead, &AdminApi::GetRule},
      {"PUT", "/v1/rules/{rule}", Role::kOperate, &AdminApi::PutRule},
      {"DELETE", "/v1/rules/{rule}", Role::kOperate, &AdminApi::DeleteRule},
      {"GET", "/v1/rule-set", Role::kRead, &AdminApi::GetRuleSet},
      {"PUT", "/v1/rule-set", Role::kOperate, &AdminApi::PutRuleSet},
      {"POST", "/v1/dry-run", Role::kOperate, &AdminApi::DryRun},
      {"POST", "/v1/reload", Role::kOperate, &AdminApi::Reload},
      {"POST", "/v1/pause", Role::kOperate, &AdminApi::Pause},
      {"POST", "/v1/resume", Role::kOperate, &AdminApi::Resume},
      {"POST", "/v1/drain", Role::kOperate, &AdminApi::Drain},
      {"POST", "/v1/checkpoint", Role::kOperate, &AdminApi::Checkpoint},
  };
  return kRoutes;
}

bool AdminApi::MayWait(const HttpRequest& request) {
  return request.path != "/healthz" && request.path != "/readyz";
}

bool AdminApi::IsAllowed(const HttpRequest& request, Role role) const {
  if (role == Role::kOpen) return true;
  if (role == Role::kRead && config_.read_token.empty()) return true;
  constexpr std::string_view kBearer = "Bearer ";
  std::string_view given = request.authorization;
  if (given.substr(0, kBearer.size()) != kBearer) return false;
  given.remove_prefix(kBearer.size());
  if (IsToken(given, config_.operate_token)) return true;
  return role == Role::kRead && IsToken(given, config_.read_token);
}

HttpResponse AdminApi::Answer(const HttpRequest& request) {
  bool is_path = false;
  for (const Route& route : Routes()) {
    if (!Fits(request.path, route.path)) continue;
    is_path = true;
    if (request.method != route.method) continue;
    if (route.role == Role::kOperate && config_.operate_token.empty()) {
      return Error(403, "operating is off: the configuration has no `http.operate_token`");
    }
    if (!IsAllowed(request, route.role)) {
      return Error(401, route.role == Role::kOperate ? "this needs the operate token"
                                                     : "this needs a token");
    }
    return (this->*route.answer)(request);
  }
  return is_path ? Error(405, "not with this method") : Error(404, "no such path");
}

HttpResponse AdminApi::Health(const HttpRequest&) {
  if (!job_->is_alive()) return Error(503, "the job has not gone round for 30 s");
  return {200, "application/json", "{\"status\":\"alive\"}\n"};
}

HttpResponse AdminApi::Ready(const HttpRequest&) {
  const auto point = job_->status();
  if (point == nullptr || point->partitions.empty())
    return Error(503, "the partitions are not known yet");
  if (point->is_final) return Error(503, "ending");
  return {200, "application/json", "{\"status\":\"ready\"}\n"};
}

HttpResponse AdminApi::Metrics(const HttpRequest&) {
  return {200, "text/plain; version=0.0.4; charset=utf-8", MetricsText(job_, *reloader_)};
}

HttpResponse AdminApi::Status(const HttpRequest&) {
  std::string json = "{\"job\":";
  AppendJsonString(job_->name(), &json);
  json += ",\"rule_set\":";
  AppendJsonString(job_->rules()->rules->version, &json);
  json += job_->is_paused() ? ",\"paused\":true" : ",\"paused\":false";
  json += ",\"last_reload\":" + ReportJson(reloader_->report());
  const auto point = job_->status();
  if (point == nullptr) return {200, "application/json", json + "}\n"};
  AppendCount("barrier", point->number, &json);
  AppendTime("watermark", point->watermark, &json);
  AppendLedger(point->total(), &json);
  if (point->holder >= 0) {
    const cep::PartitionPoint& holder = point->partitions[static_cast<size_t>(point->holder)];
    json += ",\"held_by\":{\"partition\":";
    AppendJsonString(holder.partition->place, &json);
    json += ",\"why\":";
    AppendJsonString(WhyHeld(holder), &json);
    json += '}';
  }
  json += ",\"partitions\":[";
  for (size_t i = 0; i < point->partitions.size(); ++i) {
    const cep::PartitionPoint& partition = point->partitions[i];
    json += i > 0 ? ",{\"partition\":" : "{\"partition\":";
    AppendJsonString(partition.partition->place, &json);
    AppendTime("watermark", partition.watermark, &json);
    json += partition.is_idle ? ",\"idle\":true" : ",\"idle\":false";
    AppendCount("next_offset", partition.next_offset, &json);
    if (partition.end_offset >= 0) {
      AppendCount("end_offset", static_cast<uint64_t>(partition.end_offset), &json);
    }
    AppendLedger(partition.ledger, &json);
    json += '}';
  }
  return {200, "application/json", json + "]}\n"};
}

HttpResponse AdminApi::ListRules(const HttpRequest&) {
  const auto running = job_->rules();
  std::string json = "{\"rule_set\":";
  AppendJsonString(running->rules->version, &json);
  json += ",\"rules\":[";
  bool is_first = true;
  for (const rules::CompiledRule& rule : running->rules->rules) {
    if (IsDraining(rule)) continue;
    if (!std::exchange(is_first, false)) json += ',';
    AppendRule(rule, &json);
  }
  json += "],\"draining\":[";
  // Counting waits for a barrier.
  const auto counters =
      CountDraining(*running->rules) > 0 ? job_->Counters() : std::shared_ptr<const JobCounters>();
  if (counters != nullptr) AppendDraining(*counters, &json);
  return {200, "application/json", json + "]}\n"};
}

// What runs of it, with its text as it is kept.
HttpResponse AdminApi::GetRule(const HttpRequest& request) {
  const std::string_view id = RuleIdOf(request);
  const auto running = job_->rules();
  std::string json;
  for (const rules::CompiledRule& rule : running->rules->rules) {
    if (rule.info.id == id && !IsDraining(rule)) AppendRule(rule, &json);
  }
  const bool is_running = !json.empty();
  if (is_running) {
    json.pop_back();
  } else {
    json = "{\"rule\":";
    AppendJsonString(id, &json);
  }
  json += is_running ? ",\"running\":true" : ",\"running\":false";
  HttpResponse response;
  const rules::RuleTexts kept = reloader_->Kept();
  const rules::NamedText* file = FindRule(kept.texts, id);
  if (file == nullptr && !is_running) return Error(404, "no such rule");
  if (file != nullptr) {
    const StatusOr<std::string> text = rules::RuleText(*file, id);
    if (!text.ok()) return Error(text.status());
    response.etag = TagOf(*text);
    if (request.accept.find("yaml") != std::string::npos) {
      response.content_type = "application/yaml";
      response.body = *text;
      return response;
    }
    AppendText("file", file->name, &json);
    AppendText("text", *text, &json);
  }
  response.body = json + "}\n";
  return response;
}

HttpResponse AdminApi::Edit(const HttpRequest& request, const Reloader::Plan& plan) {
  const StatusOr<ReloadReport> report = reloader_->Edit(plan, IsDryRun(request.query));
  if (!report.ok()) return Error(report.status());
  const bool is_refused = report->outcome == ReloadReport::Outcome::kRefused;
  return {is_refused ? 422 : 200, "application/json", ReportJson(*report) + "\n",
          is_refused ? "" : report->tag};
}

HttpResponse AdminApi::PutRule(const HttpRequest& request) {
  return Edit(request, [&request](const auto& texts, const RuleStore& store) {
    return PlanPut(texts, store, RuleIdOf(request), request.body,
                   {request.if_match, request.if_none_match});
  });
}

HttpResponse AdminApi::DeleteRule(const HttpRequest& request) {
  return Edit(request, [&request](const auto& texts, const RuleStore&) {
    return PlanDelete(texts, RuleIdOf(request), {request.if_match, request.if_none_match});
  });
}

HttpResponse AdminApi::GetRuleSet(const HttpRequest&) {
  const rules::RuleTexts kept = reloader_->Kept();
  std::string json = "{\"rule_set\":";
  AppendJsonString(job_->rules()->rules->version, &json);
  json += ",\"files\":[";
  for (size_t i = 0; i < kept.texts.size(); ++i) {
    json += i > 0 ? ",{\"file\":" : "{\"file\":";
    AppendJsonString(kept.texts[i].name, &json);
    AppendText("text", kept.texts[i].text, &json);
    json += '}';
  }
  return {200, "application/json", json + "]}\n", TagOf(kept.texts)};
}

HttpResponse AdminApi::PutRuleSet(const HttpRequest& request) {
  return Edit(request, [&request](const auto& texts, const RuleStore& store) {
    return PlanPutAll(texts, store, request.body, {request.if_match, request.if_none_match});
  });
}

HttpResponse AdminApi::DryRun(const HttpRequest& request) {
  const ReloadReport report = reloader_->DryRun({{"request", request.body}});
  const int status = report.outcome == ReloadReport::Outcome::kRefused ? 422 : 200;
  return {status, "application/json", ReportJson(report) + "\n"};
}

HttpResponse AdminApi::Reload(const HttpRequest&) {
  const ReloadReport report = reloader_->Reload();
  const int status = report.outcome == ReloadReport::Outcome::kRefused ? 422 : 200;
  return {status, "application/json", ReportJson(report) + "\n"};
}

HttpResponse AdminApi::Pause(const HttpRequest&) {
  job_->Pause(true);
  return {200, "application/json", "{\"paused\":true}\n"};
}

HttpResponse AdminApi::Resume(const HttpRequest&) {
  job_->Pause(false);
  return {200, "application/json", "{\"paused\":false}\n"};
}

HttpResponse AdminApi::Checkpoint(const HttpRequest&) {
  const StatusOr<std::string> path = job_->Checkpoint();
  std::string body = path.ok() ? "{\"path\":" : "{\"error\":";
  alerts::AppendJsonString(path.ok() ? *path : std::string(path.status().message()), &body);
  body.append("}\n");
  const int status = path.ok() ? 200 : absl::IsFailedPrecondition(path.status()) ? 409 : 503;
  return {status, "application/json", std::move(body)};
}

HttpResponse AdminApi::Drain(const HttpRequest&) {
  job_->Stop();
  return {202, "application/json", "{\"status\":\"draining\"}\n"};
}

}  // namespace vigil::daemon
