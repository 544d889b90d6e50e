#include "daemon/job_load.h"

#include <algorithm>

namespace vigil::daemon {

JobLoad LoadMeter::Measure(const cep::LiveJob& job, const RunningRules& rules, int64_t now_us) {
  JobLoad load;
  const bool is_first = last_us_ == 0;
  const auto seconds = static_cast<double>(std::max<int64_t>(now_us - last_us_, 1)) / 1e6;
  last_us_ = now_us;
  double shards_busy = 0;
  for (const cep::NamedTimeUse& use : job.time_uses()) {
    cep::TimeUse::Totals& last = last_times_[use.thread];
    std::array<double, 3> per_second = {};
    for (size_t part = 0; part < per_second.size(); ++part) {
      per_second[part] = static_cast<double>(use.totals[part] - last[part]) / 1e3 / seconds;
    }
    last = use.totals;
    if (is_first) continue;
    load.threads.push_back({use.thread, per_second[0], per_second[1], per_second[2]});
    if (use.thread != "job") shards_busy += per_second[0];
  }

  const std::vector<rules::CompiledRule>& all = rules.rules->rules;
  std::vector<patterns::RuleLoad> by_rule(all.size());
  for (const cep::Operator* op : job.operators()) {
    load.all_partial_matches +=
        static_cast<const patterns::RunningOperator*>(op)->AddLoad(&by_rule);
  }
  std::map<std::pair<uint64_t, uint64_t>, double> steps;
  std::vector<double> made(all.size());
  double all_made = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const std::pair<uint64_t, uint64_t> name = {rules.incarnations[i], all[i].matching.lo};
    const auto last = last_steps_.find(name);
    made[i] = by_rule[i].steps - (last == last_steps_.end() ? 0 : last->second);
    // A rule that came back as it had been before counts from nothing.
    if (made[i] < 0) made[i] = by_rule[i].steps;
    all_made += made[i];
    steps.emplace(name, by_rule[i].steps);
    load.partial_matches.push_back(by_rule[i].partial_matches);
  }
  last_steps_ = std::move(steps);
  for (const double own : made) {
    load.cost.push_back(all_made > 0 ? shards_busy * own / all_made : 0);
  }
  return load;
}

void Pauses::Add(double ms) {
  const auto bucket = static_cast<size_t>(std::lower_bound(kBoundsMs.begin(), kBoundsMs.end(), ms) -
                                          kBoundsMs.begin());
  const std::lock_guard lock(mutex_);
  ++counts_.by_bucket[bucket];
  counts_.sum_ms += ms;
}

Pauses::Counts Pauses::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace vigil::daemon
