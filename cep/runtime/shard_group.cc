#include "cep/runtime/shard_group.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace vigil::cep {
namespace {

// Batches under way to a shard: enough to keep it busy, few enough to bound memory.
constexpr size_t kChannelCapacity = 8;
// What a shard writes of a snapshot between two batches: about as long as a batch takes.
constexpr size_t kUnitsASlice = 512;

// Drops repetitions from `records`, which are in order: the same match or timeout at the same
// instant. They need not be neighbours, but are of one rule and key.
void DropRepetitions(std::vector<Record>* records) {
  const auto is_of_group = [](const Record& a, const Record& b) {
    return a.kind == RecordKind::kAlert && b.kind == RecordKind::kAlert && !ComesBefore(a, b);
  };
  std::set<Hash128> seen;
  size_t kept = 0;
  for (size_t i = 0; i < records->size(); ++i) {
    Record& record = (*records)[i];
    if (kept > 0 && is_of_group((*records)[kept - 1], record)) {
      if (seen.empty()) seen.insert((*records)[kept - 1].id);
      if (!seen.insert(record.id).second) continue;
    } else {
      seen.clear();
    }
    if (kept != i) (*records)[kept] = std::move(record);
    ++kept;
  }
  records->resize(kept);
}

}  // namespace

ShardGroup::ShardGroup(const Options& options, const MakeOperator& make_operator,
                       const MakeSink& make_sink, Output output, OnBarrier on_barrier,
                       OnSnapshot on_snapshot)
    : output_(std::move(output)),
      on_barrier_(std::move(on_barrier)),
      on_snapshot_(std::move(on_snapshot)),
      keeps_state_(options.make_packer != nullptr),
      pending_(options.shards),
      saved_(options.shards) {
  for (uint32_t i = 0; i < options.shards; ++i) {
    const ShardOptions shard{.index = i,
                             .count = options.shards,
                             .disorder_ms = options.disorder_ms,
                             .layout = options.layout,
                             .key_exprs = options.key_exprs,
                             .unit_reader = options.unit_reader,
                             .state_bytes = options.state_bytes / options.shards};
    std::unique_ptr<UnitPacker> packer;
    if (options.make_packer) packer = options.make_packer(i);
    shards_.push_back(
        {std::make_unique<Shard>(shard, make_operator(), make_sink(), std::move(packer)),
         nullptr,
         nullptr,
         std::make_unique<Channel<ShardSnapshot>>(kChannelCapacity),
         {}});
  }
  for (ShardThread& shard : shards_) {
    if (options.clock != nullptr) shard.time_use = std::make_unique<TimeUse>(options.clock);
  }
  if (options.shards == 1) return;
  for (ShardThread& shard : shards_) {
    shard.in = std::make_unique<Channel<std::shared_ptr<const RoutedBatch>>>(kChannelCapacity);
    shard.out = std::make_unique<Channel<Answer>>(2 * kChannelCapacity);
    shard.thread =
        std::thread([this, self = &shard, on_result = options.on_result] { Run(self, on_result); });
  }
}

// A shard's thread. While no batch is there it goes on with its snapshot.
void ShardGroup::Run(ShardThread* self, const std::function<void()>& on_result) {
  const auto spent = [use = self->time_use.get()](TimeUse::Part part) {
    if (use != nullptr) use->Spent(part);
  };
  while (true) {
    const bool is_saving = self->shard->is_saving();
    std::optional<std::shared_ptr<const RoutedBatch>> routed =
        is_saving ? self->in->TryPop() : self->in->Pop();
    spent(TimeUse::Part::kIdle);
    if (routed) {
      Answer answer = Apply(self, **routed);
      spent(TimeUse::Part::kBusy);
      self->out->Push(std::move(answer));
      spent(TimeUse::Part::kBackPressured);
      routed.reset();  // before the wait for the next one: its batch may be free now
      if (on_result) on_result();
    } else if (!is_saving) {
      return;  // no other batch will come
    }
    const bool has_saved = Continue(self, kUnitsASlice);
    spent(TimeUse::Part::kBusy);
    if (has_saved && on_result) on_result();
  }
}

ShardGroup::~ShardGroup() { Stop(); }

void ShardGroup::Stop() {
  for (ShardThread& shard : shards_) {
    if (!shard.thread.joinable()) continue;
    shard.in->Close();
    // A shard may wait for room in its outgoing channel; once it has none left to do, it ends.
    std::thread drain([out = shard.out.get()] {
      while (out->Pop().has_value()) {
      }
    });
    shard.thread.join();
    shard.out->Close();
    drain.join();
  }
}

// The shards' threads wait for their first batch; what is written here they see with it.
Status ShardGroup::Restore(const ReadUnits& read, uint64_t first_sequence) {
  std::vector<Status> statuses(shards_.size());
  std::vector<std::thread> threads;
  for (size_t s = 1; s < shards_.size(); ++s) {
    threads.emplace_back([this, s, &statuses, &read, first_sequence] {
      statuses[s] = shards_[s].shard->Restore(read, first_sequence);
    });
  }
  statuses[0] = shards_[0].shard->Restore(read, first_sequence);
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : statuses) RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

ShardGroup::Answer ShardGroup::Apply(ShardThread* self, const RoutedBatch& routed) const {
  Answer answer = self->shard->Apply(routed);
  if (routed.barrier == 0 || !keeps_state_) return answer;
  Continue(self, SIZE_MAX);  // the one before is complete by now, or nearly so
  self->shard->BeginSnapshot(routed.barrier);
  return answer;
}

// Goes on with the shard's snapshot, if there is one; true if that made it complete.
bool ShardGroup::Continue(ShardThread* self, size_t units) {
  if (!self->shard->is_saving()) return false;
  std::optional<ShardSnapshot> saved = self->shard->ContinueSnapshot(units);
  if (!saved) return false;
  self->saved->Push(*std::move(saved));
  return true;
}

bool ShardGroup::HasRoom() const {
  return std::all_of(shards_.begin(), shards_.end(), [](const ShardThread& shard) {
    return shard.in == nullptr || shard.in->HasRoom();
  });
}

Status ShardGroup::Dispatch(RoutedBatch routed, std::vector<Record> turned_away) {
  UnderWay under_way{std::move(turned_away), routed.barrier};
  if (routed.barrier != 0) unsaved_.push_back(routed.barrier);
  if (shards_.size() == 1) {
    std::vector<Answer> answers;
    TimeUse* const use = shards_[0].time_use.get();
    if (use != nullptr) use->Restart();
    answers.push_back(Apply(&shards_[0], routed));
    if (use != nullptr) use->Spent(TimeUse::Part::kBusy);
    return Finish(std::move(answers), std::move(under_way));
  }
  under_way_.push_back(std::move(under_way));
  const auto shared = std::make_shared<const RoutedBatch>(std::move(routed));
  for (ShardThread& shard : shards_) shard.in->Push(shared);
  return MergeReady(false);
}

Status ShardGroup::MergeReady(bool wait_for_all) {
  while (!under_way_.empty()) {
    for (size_t s = 0; s < shards_.size(); ++s) {
      if (!pending_[s].empty()) continue;
      std::optional<Answer> answer =
          wait_for_all ? shards_[s].out->Pop() : shards_[s].out->TryPop();
      if (!answer.has_value()) return absl::OkStatus();
      pending_[s].push_back(*std::move(answer));
    }
    std::vector<Answer> answers;
    for (std::deque<Answer>& pending : pending_) {
      answers.push_back(std::move(pending.front()));
      pending.pop_front();
    }
    UnderWay under_way = std::move(under_way_.front());
    under_way_.pop_front();
    RETURN_IF_ERROR(Finish(std::move(answers), std::move(under_way)));
  }
  return absl::OkStatus();
}

// One batch has passed all shards.
Status ShardGroup::Finish(std::vector<Answer> answers, UnderWay under_way) {
  std::vector<std::vector<Record>> streams = std::move(answers);
  streams.push_back(std::move(under_way.turned_away));
  RETURN_IF_ERROR(Emit(std::move(streams)));
  if (under_way.barrier == 0) return absl::OkStatus();
  passed_ = under_way.barrier;
  return on_barrier_(under_way.barrier);
}

Status ShardGroup::Save(bool wait_for_all) {
  if (shards_.size() == 1) {
    TimeUse* const use = shards_[0].time_use.get();
    if (use != nullptr) use->Restart();
    Continue(&shards_[0], wait_for_all ? SIZE_MAX : kUnitsASlice);
    if (use != nullptr) use->Spent(TimeUse::Part::kBusy);
  }
  while (!unsaved_.empty() && unsaved_.front() <= passed_) {
    std::vector<ShardChanges> changes;
    for (size_t s = 0; keeps_state_ && s < shards_.size(); ++s) {
      if (!saved_[s].empty()) continue;
      std::optional<ShardSnapshot> saved =
          wait_for_all ? shards_[s].saved->Pop() : shards_[s].saved->TryPop();
      if (!saved) return absl::OkStatus();
      saved_[s].push_back(*std::move(saved));
    }
    for (size_t s = 0; keeps_state_ && s < shards_.size(); ++s) {
      ShardSnapshot saved = std::move(saved_[s].front());
      saved_[s].pop_front();
      RETURN_IF_ERROR(saved.status);
      if (saved.chunks.empty()) continue;
      changes.push_back({static_cast<uint32_t>(s), std::move(saved.chunks)});
    }
    const uint64_t barrier = unsaved_.front();
    unsaved_.pop_front();
    RETURN_IF_ERROR(on_snapshot_(barrier, std::move(changes)));
  }
  return absl::OkStatus();
}

// Merges streams that are each in order.
Status ShardGroup::Emit(std::vector<std::vector<Record>> streams) {
  std::vector<Record> merged;
  for (std::vector<Record>& stream : streams) {
    const auto middle = static_cast<ptrdiff_t>(merged.size());
    std::move(stream.begin(), stream.end(), std::back_inserter(merged));
    std::inplace_merge(merged.begin(), merged.begin() + middle, merged.end(), ComesBefore);
  }
  if (merged.empty()) return absl::OkStatus();
  DropRepetitions(&merged);
  return output_(std::move(merged));
}

std::vector<HeldRow> ShardGroup::WaitingRows() const {
  CEP_CHECK(IsDrained());
  std::vector<HeldRow> rows;
  for (const ShardThread& shard : shards_) shard.shard->AppendWaitingRows(&rows);
  // By partition, in no particular order of these, and offset.
  const auto position = [](const HeldRow& held) {
    return std::pair(held.batch->partitions[held.row], held.batch->offsets[held.row]);
  };
  std::sort(rows.begin(), rows.end(),
            [&](const HeldRow& a, const HeldRow& b) { return position(a) < position(b); });
  rows.erase(
      std::unique(rows.begin(), rows.end(),
                  [&](const HeldRow& a, const HeldRow& b) { return position(a) == position(b); }),
      rows.end());
  return rows;
}

// The shards' threads wait for their channels; what is written here they see with the next batch.
void ShardGroup::Swap(const RemakeOperator& remake, const MakeSink& make_sink,
                      const std::shared_ptr<const Layout>& layout, size_t key_exprs,
                      bool forgets_rows) {
  CEP_CHECK(IsDrained());
  for (ShardThread& shard : shards_) {
    shard.shard->Swap(remake, make_sink(), layout, key_exprs, forgets_rows);
  }
}

std::vector<NamedTimeUse> ShardGroup::time_uses() const {
  std::vector<NamedTimeUse> uses;
  for (size_t s = 0; s < shards_.size(); ++s) {
    if (shards_[s].time_use == nullptr) continue;
    uses.push_back({"shard-" + std::to_string(s), shards_[s].time_use->totals()});
  }
  return uses;
}

std::vector<const Operator*> ShardGroup::operators() const {
  std::vector<const Operator*> operators;
  for (const ShardThread& shard : shards_) operators.push_back(&shard.shard->op());
  return operators;
}

}  // namespace vigil::cep
