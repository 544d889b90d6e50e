#include "daemon/metrics_text.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace vigil::daemon {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

// Families in the order in which they are first named.
class Families {
 public:
  // The family to which Add() adds from now on.
  Families& Counter(const char* name, const char* help) {
    return Begin(name, help, prometheus::MetricType::Counter);
  }
  Families& Gauge(const char* name, const char* help) {
    return Begin(name, help, prometheus::MetricType::Gauge);
  }
  // Of what was counted by bucket, in milliseconds; a metric of seconds.
  Families& Histogram(const char* name, const char* help, const Pauses::Counts& counts) {
    Begin(name, help, prometheus::MetricType::Histogram);
    prometheus::ClientMetric metric;
    uint64_t cumulative = 0;
    for (size_t i = 0; i < counts.by_bucket.size(); ++i) {
      cumulative += counts.by_bucket[i];
      const bool is_last = i == Pauses::kBoundsMs.size();
      metric.histogram.bucket.push_back({cumulative, is_last
                                                         ? std::numeric_limits<double>::infinity()
                                                         : Pauses::kBoundsMs[i] / 1e3});
    }
    metric.histogram.sample_count = cumulative;
    metric.histogram.sample_sum = counts.sum_ms / 1e3;
    families_.back().metric.push_back(std::move(metric));
    return *this;
  }
  void Add(double value, Labels labels = {}) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = metric.counter.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  Families& Begin(const char* name, const char* help, prometheus::MetricType type) {
    prometheus::MetricFamily& family = families_.emplace_back();
    family.name = name;
    family.help = help;
    family.type = type;
    return *this;
  }

  std::vector<prometheus::MetricFamily> families_;
};

bool IsTime(int64_t ms) { return ms != cep::kMinTime && ms != cep::kMaxTime; }

void AddPartitions(const cep::CommitPoint& point, Families* out) {
  const auto labels = [](const cep::PartitionPoint& p) {
    return Labels{{"partition", p.partition->place}};
  };
  out->Gauge("vigil_partition_watermark_ms", "Event time up to which a partition is complete.");
  for (const auto& p : point.partitions) {
    if (IsTime(p.watermark)) out->Add(static_cast<double>(p.watermark), labels(p));
  }
  out->Gauge("vigil_partition_idle", "1 while a partition holds nobody back.");
  for (const auto& p : point.partitions) out->Add(p.is_idle ? 1 : 0, labels(p));
  out->Gauge("vigil_records_lag", "Records in a partition that are not read.");
  for (const auto& p : point.partitions) {
    const auto next = static_cast<int64_t>(p.next_offset);
    if (p.end_offset >= 0) {
      out->Add(static_cast<double>(std::max<int64_t>(p.end_offset - next, 0)), labels(p));
    }
  }
  // The ledger: read = processed + late + quarantined + rate limited + waiting +
  // lost.
  struct Column {
    const char* name;
    const char* help;
    uint64_t cep::Ledger::*count;
  };
  constexpr Column kColumns[] = {
      {"vigil_num_records_in_total", "Records read.", &cep::Ledger::read},
      {"vigil_records_processed_total", "Records that rules have seen.", &cep::Ledger::processed},
      {"vigil_num_late_records_dropped_total", "Records behind their partition's watermark.",
       &cep::Ledger::late},
      {"vigil_records_quarantined_total", "Records that are no events.", &cep::Ledger::quarantined},
      {"vigil_records_lost_total", "Records that were deleted before they were read.",
       &cep::Ledger::lost},
      {"vigil_records_rate_limited_total", "Records beyond a rate.", &cep::Ledger::rate_limited},
  };
  for (const Column& column : kColumns) {
    out->Counter(column.name, column.help);
    for (const auto& p : point.partitions) {
      out->Add(static_cast<double>(p.ledger.*column.count), labels(p));
    }
  }
  out->Gauge("vigil_records_waiting", "Accepted records that wait for the watermark.");
  for (const auto& p : point.partitions) {
    out->Add(static_cast<double>(p.ledger.waiting), labels(p));
  }
}

void AddRules(const JobCounters& counters, Families* out) {
  out->Counter("vigil_rule_matches_total", "Alerts that a rule raised, of every kind.");
  for (const auto& [rule, count] : counters.alerts) {
    out->Add(static_cast<double>(count), {{"rule", rule}});
  }
  struct Column {
    const char* name;
    const char* help;
    uint64_t patterns::RuleCounters::*count;
  };
  using C = patterns::RuleCounters;
  constexpr Column kColumns[] = {
      {"vigil_rule_evaluation_errors_total", "Conditions that could not be evaluated.",
       &C::evaluation_errors},
      {"vigil_rule_invalid_events_total", "Events that turned out invalid when a rule wanted them.",
       &C::invalid_events},
      {"vigil_rule_dropped_partial_matches_total", "Beyond `partial_matches_per_key`.",
       &C::dropped_partials},
      {"vigil_rule_dropped_long_matches_total", "Beyond `events_per_match`.",
       &C::dropped_long_partials},
      {"vigil_rule_dropped_matches_total", "Beyond `matches_per_event`.", &C::dropped_matches},
  };
  const auto& rules = counters.rules->rules->rules;
  for (const Column& column : kColumns) {
    out->Counter(column.name, column.help);
    std::map<std::string_view, uint64_t> counts;  // of all versions that run
    for (size_t i = 0; i < rules.size(); ++i) {
      counts[rules[i].info.id] += counters.by_rule[i].*column.count;
    }
    for (const auto& [rule, count] : counts) {
      out->Add(static_cast<double>(count), {{"rule", std::string(rule)}});
    }
  }
  out->Counter("vigil_rule_records_without_key_total", "Records that lack the rule's key.");
  for (size_t i = 0; i < rules.size(); ++i) {
    if (IsDraining(rules[i])) continue;
    out->Add(static_cast<double>(counters.no_key[i]), {{"rule", rules[i].info.id}});
  }
  out->Gauge("vigil_live_keys", "Keys with partial matches, over all key spaces.")
      .Add(static_cast<double>(counters.live_keys));
  out->Gauge("vigil_cold_keys", "Those of them that are on disk only (state: {memory}).")
      .Add(static_cast<double>(counters.cold_keys));
  out->Gauge("vigil_state_memory_bytes", "Memory of partial matches and their events, by count.")
      .Add(static_cast<double>(counters.state_bytes));
  out->Gauge("vigil_live_events", "Events that partial matches in memory hold.")
      .Add(static_cast<double>(counters.live_events));
}

// How far each source's watermark is behind the clock.
void AddSourceLag(const cep::CommitPoint& point, int64_t wall_ms, Families* out) {
  std::map<std::string, int64_t> slowest;
  for (const auto& p : point.partitions) {
    if (p.is_idle || !IsTime(p.watermark)) continue;
    const auto [at, is_new] = slowest.emplace(p.partition->source, p.watermark);
    if (!is_new) at->second = std::min(at->second, p.watermark);
  }
  out->Gauge("vigil_source_watermark_lag_ms",
             "How far the slowest partition of a source that is not idle is behind the clock.");
  for (const auto& [source, watermark] : slowest) {
    out->Add(static_cast<double>(wall_ms - watermark), {{"source", source}});
  }
}

void AddLoad(const JobCounters& counters, Families* out) {
  struct Column {
    const char* name;
    const char* help;
    double ThreadLoad::*ms;
  };
  constexpr Column kColumns[] = {
      {"vigil_busy_time_ms_per_second", "Of each second, what a thread works.", &ThreadLoad::busy},
      {"vigil_idle_time_ms_per_second", "Of each second, what a thread has nothing to do.",
       &ThreadLoad::idle},
      {"vigil_back_pressured_time_ms_per_second",
       "Of each second, what a thread waits for room behind it.", &ThreadLoad::back_pressured},
  };
  for (const Column& column : kColumns) {
    out->Gauge(column.name, column.help);
    for (const ThreadLoad& thread : counters.load.threads) {
      out->Add(thread.*column.ms, {{"thread", thread.thread}});
    }
  }
  const auto& rules = counters.rules->rules->rules;
  // Of rules, or of former versions of them that drain.
  const auto add_by_rule = [&](const std::vector<double>& values, bool draining) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (IsDraining(rules[i]) != draining) continue;
      Labels labels = {{"rule", rules[i].info.id}};
      if (draining) labels.push_back({"rule_set", rules[i].info.rule_set});
      out->Add(values[i], std::move(labels));
    }
  };
  out->Gauge("vigil_rule_cost_ms_per_second",
             "Busy time of shards, shared out by the partial matches that were looked at.");
  add_by_rule(counters.load.cost, false);
  out->Gauge("vigil_rule_partial_matches",
             "Partial matches held for a rule; of many keys an estimate from some.");
  add_by_rule(counters.load.partial_matches, false);
  out->Gauge("vigil_rule_draining_cost_ms_per_second",
             "The same, of a former version that finishes what it began.");
  add_by_rule(counters.load.cost, true);
  out->Gauge("vigil_rule_draining_partial_matches",
             "Partial matches that a former version has still to finish.");
  add_by_rule(counters.load.partial_matches, true);
  out->Gauge("vigil_live_partial_matches",
             "Partial matches held, each once for all the rules for which it stands.")
      .Add(counters.load.all_partial_matches);
}

void AddSinks(const std::map<std::string, alerts::SinkCounters>& sinks, Families* out) {
  struct Column {
    const char* name;
    const char* help;
    uint64_t alerts::SinkCounters::*count;
  };
  using S = alerts::SinkCounters;
  constexpr Column kColumns[] = {
      {"vigil_sink_num_records_out_total", "Records delivered.", &S::delivered},
      {"vigil_sink_dropped_total", "Records dropped for want of room.", &S::dropped},
      {"vigil_sink_refused_total", "Records that the target refused.", &S::refused},
      {"vigil_sink_failures_total", "Attempts that failed.", &S::failures},
  };
  for (const Column& column : kColumns) {
    out->Counter(column.name, column.help);
    for (const auto& [name, counters] : sinks) {
      out->Add(static_cast<double>(counters.*column.count), {{"sink", name}});
    }
  }
  out->Gauge("vigil_sink_queued_bytes", "Bytes that wait for a sink.");
  for (const auto& [name, counters] : sinks) {
    out->Add(static_cast<double>(counters.queued_bytes), {{"sink", name}});
  }
}

void AddState(const StateCounters& state, Families* out) {
  out->Counter("vigil_commits_total", "Commits made durable since the start.")
      .Add(static_cast<double>(state.commits));
  out->Gauge("vigil_last_commit_seconds", "How long the last commit took to be written.")
      .Add(static_cast<double>(state.last_commit_ms) / 1e3);
  out->Gauge("vigil_last_commit_bytes",
             "What had changed of the state, as the last commit wrote it.")
      .Add(static_cast<double>(state.last_commit_bytes));
  out->Counter("vigil_checkpoints_total", "Checkpoints made since the start.")
      .Add(static_cast<double>(state.checkpoints));
  out->Gauge("vigil_state_live_bytes", "What partial matches take in the state.")
      .Add(static_cast<double>(state.live_bytes));
  out->Gauge("vigil_state_chunk_bytes",
             "What they take on disk, with what is to be cleaned up; checkpoints not included.")
      .Add(static_cast<double>(state.chunk_bytes));
  out->Gauge("vigil_outbox_bytes", "Records that some sink has not taken yet.")
      .Add(static_cast<double>(state.outbox_bytes));
}

}  // namespace

std::string MetricsText(JobView* job, const Reloader& reloader) {
  Families out;
  if (const auto point = job->status()) {
    out.Gauge("vigil_current_watermark_ms", "Event time up to which everything is complete.");
    if (IsTime(point->watermark)) out.Add(static_cast<double>(point->watermark));
    AddPartitions(*point, &out);
    AddSourceLag(*point, job->wall_ms(), &out);
  }
  if (const auto counters = job->Counters()) {
    AddRules(*counters, &out);
    AddLoad(*counters, &out);
  }
  AddSinks(job->sinks(), &out);
  if (const auto state = job->state_counters()) AddState(*state, &out);
  out.Gauge("vigil_rule_set_info", "The rule set that runs.")
      .Add(1, {{"version", job->rules()->rules->version}});
  out.Counter("vigil_rule_reloads_total", "Rule sets that were activated.")
      .Add(static_cast<double>(reloader.reloads()));
  out.Counter("vigil_rule_reloads_refused_total", "Rule sets that were refused.")
      .Add(static_cast<double>(reloader.refusals()));
  out.Histogram("vigil_rule_swap_seconds",
                "How long the job stood still to take a rule set, at its barrier.", job->swaps());
  out.Gauge("vigil_paused", "1 while nothing is read because an operator said so.")
      .Add(job->is_paused() ? 1 : 0);
  return out.Text();
}

}  // namespace vigil::daemon
