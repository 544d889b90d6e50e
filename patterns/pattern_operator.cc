#include "patterns/pattern_operator.h"

#include <algorithm>
#include <bit>

#include "cep/base/check.h"

namespace vigil::patterns {
namespace {

// Rows ahead at which a key's slot, its entry, its partial matches, the node of the first one and
// that one's event are fetched into the cache.
constexpr size_t kSlotAhead = 24;
constexpr size_t kEntryAhead = 12;
constexpr size_t kRunsAhead = 9;
constexpr size_t kNodeAhead = 6;
constexpr size_t kEventAhead = 3;
constexpr size_t kPrefetchBytes = 512;
constexpr uint32_t kMostNodes = 4;  // of a key
constexpr size_t kReusedBytes = 192;
// The same of keys that are due: an entry so far ahead, the rest so far behind the runs.
constexpr size_t kDueEntryAhead = 16;
constexpr size_t kDueNodeBehind = 4;
constexpr size_t kDueEventBehind = 8;
constexpr size_t kDueBehind = 12;
// How often all keys are looked through within the longest duration of their rules.
constexpr int64_t kSweeps = 8;
constexpr size_t kFetchedKeys = 4096;

// Fetches a text that the key is compared with.
void PrefetchKey(const cep::OrderedBlock& rows, uint32_t row, const cep::KeyExpr& expr) {
  const cep::Column& column = rows.columns[expr[0]];
  if (column.kind() == cep::ColumnKind::kString) __builtin_prefetch(column.strings()[row].data());
}

// Fetches all cache lines of `size` bytes, as far as kPrefetchBytes. Always inline: GCC takes a
// function that only prefetches for one without effect and drops its calls.
[[gnu::always_inline]] inline void PrefetchBytes(const char* bytes, size_t size) {
  size = std::min(size, kPrefetchBytes);
  for (size_t at = 0; at < size; at += 64) __builtin_prefetch(bytes + at);
  if (size > 0) __builtin_prefetch(bytes + size - 1);
}

// Calls f(row) for each bit set, in order.
template <typename F>
void ForEachRow(const cep::RowBits& bits, F f) {
  for (uint32_t w = 0; w < cep::RowBits::kWords; ++w) {
    for (uint64_t word = bits.words[w]; word != 0; word &= word - 1) {
      f(w * 64 + static_cast<uint32_t>(std::countr_zero(word)));
    }
  }
}

}  // namespace

PatternOperator::PatternOperator(std::shared_ptr<const CompiledPatterns> patterns)
    : patterns_(std::move(patterns)), results_(patterns_->predicates) {
  for (const RuleBlock& block : patterns_->blocks) {
    matchers_.push_back(
        std::make_unique<Matcher>(block, *patterns_->predicates, results_, &store_));
  }
  for (const Family& family : patterns_->families) {
    std::vector<Matcher*> members;
    for (uint32_t i = 0; i < family.size; ++i) members.push_back(matchers_[family.first + i].get());
    matchers_.push_back(std::make_unique<Matcher>(patterns_->blocks[family.first],
                                                  *patterns_->predicates, results_, &store_));
    matchers_.back()->StandFor(std::move(members));
  }
  for (uint32_t b = 0; b < patterns_->blocks.size(); ++b) {
    const std::vector<BlockRule>& names = patterns_->blocks[b].names;
    for (uint32_t bit = 0; bit < names.size(); ++bit) {
      by_incarnation_.emplace_back(names[bit].incarnation, RuleRef(b, bit));
    }
  }
  std::sort(by_incarnation_.begin(), by_incarnation_.end());
  spaces_ = std::vector<Space>(patterns_->key_spaces.size());
  for (size_t s = 0; s < spaces_.size(); ++s) {
    Space& space = spaces_[s];
    space.keys = &patterns_->key_spaces[s];
    for (uint32_t f = 0; f < patterns_->families.size(); ++f) {
      const Family& family = patterns_->families[f];
      if (patterns_->blocks[family.first].key_space != s) continue;
      const size_t words = (family.size + 63) / 64;
      space.families.push_back({family.first, family.size,
                                static_cast<uint32_t>(patterns_->blocks.size() + f), words,
                                std::vector<uint64_t>(cep::kBatchRows * words)});
    }
    for (uint32_t b = 0; b < patterns_->blocks.size(); ++b) {
      const RuleBlock& block = patterns_->blocks[b];
      if (block.key_space != s) continue;
      space.blocks.push_back(b);
      if (std::none_of(space.families.begin(), space.families.end(),
                       [b](const SpaceFamily& family) { return family.Has(b); })) {
        space.single_blocks.push_back(b);
      }
      space.longest = std::max({space.longest, block.program.within, block.ttl});
      for (const State& state : block.program.states) {
        space.longest = std::max(space.longest, state.step_within);
      }
    }
    space.due.Span(space.longest);
    space.key_fields = patterns_->key_exprs[space.keys->variants[0]].size();
  }
}

// The rows to look at in this key space, each once per distinct key that it has there: those at
// which a match may start, and those whose key has state, or may get some from an earlier row of
// this block.
void PatternOperator::CollectRows(const cep::OrderedBlock& rows, Space* space) {
  cep::RowBits touched;
  starts_.Clear();
  for (uint32_t b : space->blocks) {
    const cep::RowBits& bits = matchers_[b]->touched_rows();
    const cep::RowBits& starts = matchers_[b]->start_rows();
    for (uint32_t w = 0; w < cep::RowBits::kWords; ++w) {
      touched.words[w] |= bits.words[w];
      starts_.words[w] |= starts.words[w];
    }
  }
  if (space->cold != nullptr && !space->cold->empty()) FetchRows(rows, touched, space);
  keyed_rows_.clear();
  const std::vector<uint32_t>& variants = space->keys->variants;
  if (variants.size() == 1) return CollectSingleKeys(rows, touched, *space);
  ForEachRow(touched, [&](uint32_t row) {
    const size_t first = keyed_rows_.size();
    for (uint32_t v = 0; v < variants.size(); ++v) {
      const uint64_t hash = rows.key_hashes[variants[v]][row];
      if (hash == cep::kNoKey) continue;
      size_t same = first;
      while (same < keyed_rows_.size() && keyed_rows_[same].hash != hash) ++same;
      if (same == keyed_rows_.size()) keyed_rows_.push_back({hash, row, 0, nullptr});
      keyed_rows_[same].variants |= 1u << v;
    }
  });
}

// The usual case of one key per row.
void PatternOperator::CollectSingleKeys(const cep::OrderedBlock& rows, const cep::RowBits& touched,
                                        const Space& space) {
  const uint64_t* hashes = rows.key_hashes[space.keys->variants[0]].get();
  started_.assign(kStartedBits / 64, 0);
  ForEachRow(starts_, [&](uint32_t row) {
    started_[StartedBit(hashes[row]) / 64] |= uint64_t{1} << (StartedBit(hashes[row]) % 64);
  });
  keyed_rows_.resize(cep::kBatchRows + 1);
  size_t kept = 0;
  ForEachRow(touched, [&](uint32_t row) {
    // Which rows are kept is hard to predict: they are all written, and overwritten if not kept.
    const uint64_t hash = hashes[row];
    const bool may_start = (started_[StartedBit(hash) / 64] >> (StartedBit(hash) % 64)) & 1;
    keyed_rows_[kept] = {hash, row, 1, nullptr};
    kept += (hash != cep::kNoKey) & (may_start | space.table.MayContain(hash));
  });
  keyed_rows_.resize(kept);
}

const cep::KeyExpr& PatternOperator::ExprOf(const Space& space, uint32_t variants) const {
  const auto v = static_cast<size_t>(std::countr_zero(variants));
  return patterns_->key_exprs[space.keys->variants[v]];
}

// Sees to it that the key is looked at when something falls due, if that may not wait.
void PatternOperator::QueueDue(KeyEntry* entry, Space* space) {
  if (entry->may_wait) return;
  int64_t at = kNever;
  for (const BlockState& state : entry->blocks) at = std::min(at, state.min_due);
  if (at >= entry->queued_for) return;
  entry->queued_for = at;
  space->due.Add(at, entry);
}

void PatternOperator::RemoveEmpty(KeyEntry* entry, Space* space) {
  const auto kept = std::remove_if(entry->blocks.begin(), entry->blocks.end(),
                                   [](const BlockState& state) { return state.empty(); });
  entry->blocks.erase(kept, entry->blocks.end());
  if (!entry->blocks.empty()) return;
  if (entry->stored != kNothingStored) ForgetKey(entry, space);
  space->table.Erase(entry);
}

void PatternOperator::ProcessBlock(uint32_t block, RowContext* context, Space* space,
                                   KeyEntry** entry, const KeyedRow& keyed, cep::MatchSink* out) {
  Matcher& matcher = *matchers_[block];
  BlockState* state = *entry == nullptr ? nullptr : (*entry)->Find(block);
  const bool starts = matcher.start_rows().Test(context->row);
  if (state == nullptr && !starts) return;
  if (state != nullptr && state->min_due <= context->ts) {
    Touch(*entry, state, space);
    matcher.AdvanceTime(context->ts, (*entry)->key(), state, out);
  }
  if (!matcher.touched_rows().Test(context->row)) return;
  if (state != nullptr) {
    matcher.ProcessRow(context, (*entry)->key(), state, out);
    if (keeps_changes_ && (matcher.has_changed() || matcher.has_ttl())) {
      Touch(*entry, state, space);
    }
    return;
  }
  std::string key;
  if (*entry == nullptr) {
    AppendKey(*context->rows, context->row, ExprOf(*space, keyed.variants), &key);
  }
  fresh_.block = block;
  matcher.ProcessRow(context, *entry == nullptr ? std::string_view(key) : (*entry)->key(), &fresh_,
                     out);
  if (fresh_.empty()) return;
  if (*entry == nullptr) {
    *entry = space->table.Insert(keyed.hash, key);
    if (!space->gone_by_hash.empty()) ComeBack(*entry, space);
  }
  (*entry)->blocks.push_back(std::move(fresh_));
  fresh_ = BlockState();
  Touch(*entry, &(*entry)->blocks.back(), space);
}

// As long as every event has been the same to all rules of a family, one state stands for them all.
// The first event that is not makes a state for each of its blocks; they go on by themselves until
// nothing is left of them.
void PatternOperator::ProcessFamily(const SpaceFamily& family, Space* space, KeyEntry** entry,
                                    const KeyedRow& keyed, cep::MatchSink* out) {
  Matcher& matcher = *matchers_[family.matcher];
  const bool splits = matcher.split_rows().Test(context_.row);
  BlockState* state = *entry == nullptr ? nullptr : (*entry)->Find(family.matcher);
  if (state != nullptr && splits) {
    if (state->min_due <= context_.ts) {
      matcher.AdvanceTime(context_.ts, (*entry)->key(), state, out);
    }
    SplitFamily(family, *entry, space);
  } else if (!splits) {
    const bool is_split =
        state == nullptr && *entry != nullptr &&
        std::any_of((*entry)->blocks.begin(), (*entry)->blocks.end(),
                    [&](const BlockState& other) { return family.Has(other.block); });
    if (!is_split) {
      ProcessBlock(family.matcher, &context_, space, entry, keyed, out);
      state = *entry == nullptr ? nullptr : (*entry)->Find(family.matcher);
      // Many partial matches are grouped, which is each block's business.
      if (state != nullptr && state->runs.size() > matcher.block().group_above) {
        SplitFamily(family, *entry, space);
      }
      return;
    }
  }
  ProcessMembers(family, splits, space, entry, keyed, out);
}

void PatternOperator::ProcessMembers(const SpaceFamily& family, bool splits, Space* space,
                                     KeyEntry** entry, const KeyedRow& keyed, cep::MatchSink* out) {
  if (splits) {
    const uint64_t* starters = family.starters.data() + context_.row * family.words;
    members_.assign(starters, starters + family.words);
  } else {  // all of them may start a match, or none
    const bool starts = matchers_[family.matcher]->start_rows().Test(context_.row);
    members_.assign(family.words, starts ? ~uint64_t{0} : 0);
    if (family.size % 64 != 0) members_.back() &= (uint64_t{1} << (family.size % 64)) - 1;
  }
  if (*entry != nullptr) {
    for (const BlockState& state : (*entry)->blocks) {
      const uint32_t member = state.block - family.first;
      if (member < family.size) members_[member / 64] |= uint64_t{1} << (member % 64);
    }
  }
  for (size_t w = 0; w < family.words; ++w) {
    ForEachBit(members_[w], [&](uint32_t bit) {
      const auto block = static_cast<uint32_t>(family.first + w * 64 + bit);
      ProcessBlock(block, &context_, space, entry, keyed, out);
    });
  }
}

void PatternOperator::FindStarters(SpaceFamily* family) const {
  std::fill(family->starters.begin(), family->starters.end(), 0);
  const cep::RowBits& splits = matchers_[family->matcher]->split_rows();
  for (uint32_t i = 0; i < family->size; ++i) {
    cep::RowBits starts = matchers_[family->first + i]->start_rows();
    for (uint32_t w = 0; w < cep::RowBits::kWords; ++w) starts.words[w] &= splits.words[w];
    uint64_t* words = family->starters.data() + i / 64;
    ForEachRow(starts,
               [&](uint32_t row) { words[row * family->words] |= uint64_t{1} << (i % 64); });
  }
}

void PatternOperator::SplitFamily(const SpaceFamily& family, KeyEntry* entry, Space* space) {
  BlockState* state = entry->Find(family.matcher);
  Touch(entry, state, space);
  matchers_[family.matcher]->Split(state, &split_);
  *state = std::move(entry->blocks.back());
  entry->blocks.pop_back();
  for (uint32_t i = 0; i < family.size; ++i) {
    if (split_[i].empty()) continue;
    split_[i].block = family.first + i;
    entry->blocks.push_back(std::move(split_[i]));
    Touch(entry, &entry->blocks.back(), space);
  }
  split_.clear();
}

void PatternOperator::ProcessKeyedRow(const cep::OrderedBlock& rows, const KeyedRow& keyed,
                                      Space* space, cep::MatchSink* out) {
  const cep::KeyExpr& expr = ExprOf(*space, keyed.variants);
  const auto is_key = [&](std::string_view key) { return KeyEquals(rows, keyed.row, expr, key); };
  KeyEntry* entry = keyed.likely;
  const bool is_found = entry != nullptr && entry->hash == keyed.hash && !entry->blocks.empty() &&
                        is_key(entry->key());
  if (!is_found) entry = space->table.Find(keyed.hash, is_key);
  if (entry == nullptr && !starts_.Test(keyed.row)) return;
  if (entry != nullptr) SaveBefore(entry, space);
  context_.variants = keyed.variants;
  for (uint32_t block : space->single_blocks) {
    ProcessBlock(block, &context_, space, &entry, keyed, out);
  }
  for (const SpaceFamily& family : space->families) {
    ProcessFamily(family, space, &entry, keyed, out);
  }
  if (entry == nullptr) return;
  if (reader_ != nullptr) entry->was_used = 1;
  bool has_empty = entry->blocks.empty();  // split, and nothing was left
  for (const BlockState& state : entry->blocks) has_empty |= state.empty();
  if (has_empty) RemoveEmpty(entry, space);
  if (!entry->blocks.empty()) Schedule(entry, space);
}

// After what has happened to a key: when it is looked at again.
inline void PatternOperator::Schedule(KeyEntry* entry, Space* space) {
  const BlockState& first = entry->blocks[0];
  const Matcher& matcher = *matchers_[first.block];
  // What is stored is to be exact, also of keys that no event comes to.
  entry->may_wait = !keeps_changes_ && entry->blocks.size() == 1 && first.rare == nullptr &&
                    matcher.ends_silently();
  if (entry->may_wait) entry->ends_at = matcher.DueOf(first.runs[first.runs.size() - 1]);
  QueueDue(entry, space);
}

// What going through a key's partial matches, and adding one, will touch.
inline void PatternOperator::PrefetchRuns(const KeyEntry* entry) {
  if (entry == nullptr || entry->blocks.empty()) return;
  const BlockState& state = entry->blocks[0];
  state.runs.Prefetch();
  if (state.rare != nullptr) __builtin_prefetch(state.rare.get());
}

// What is due at `now` and will be dropped, `reused` bytes of which are used again; and what goes
// with a complete match that it has held back.
inline void PatternOperator::PrefetchNodes(const KeyEntry* entry, int64_t now,
                                           size_t reused) const {
  if (entry == nullptr || entry->blocks.empty() || entry->blocks[0].runs.empty()) return;
  const BlockState& state = entry->blocks[0];
  const RunList& runs = state.runs;
  const Matcher& matcher = *matchers_[state.block];
  if (!matcher.ends_silently()) return store_.PrefetchNode(runs.front().node);
  const uint32_t size = std::min(runs.size(), kMostNodes);
  uint32_t due = 0;
  for (; due < size && matcher.DueOf(runs[due]) <= now; ++due) {
    store_.PrefetchNode(runs[due].node, reused);
  }
  if (due == 0 || !state.has_held()) return;
  __builtin_prefetch(state.rare->held.data());
  for (uint32_t i = due; i < size; ++i) store_.PrefetchNode(runs[i].node);
}

inline void PatternOperator::PrefetchEvent(const KeyEntry* entry) const {
  if (entry == nullptr || entry->blocks.empty() || entry->blocks[0].runs.empty()) return;
  const BlockState& state = entry->blocks[0];
  if (state.has_held()) store_.PrefetchNode(state.rare->held.front().node);
  if (!matchers_[state.block]->ends_silently()) store_.PrefetchEvent(state.runs.front().node);
}

void PatternOperator::ProcessRows(const cep::OrderedBlock& rows, cep::MatchSink* out) {
  if (rows.rows == 0) return;
  if (has_restored()) SettleRestored(out);
  results_.Evaluate(rows);
  store_.BeginRows(rows);
  for (const std::unique_ptr<Matcher>& matcher : matchers_) matcher->BeginRows(rows.rows);
  for (Space& space : spaces_) {
    CollectRows(rows, &space);
    for (SpaceFamily& family : space.families) FindStarters(&family);
    const size_t n = keyed_rows_.size();
    context_ = RowContext();
    context_.rows = &rows;
    uint32_t last_row = UINT32_MAX;
    for (size_t i = 0; i < n + kSlotAhead; ++i) {
      const auto row_at = [&](size_t ahead) { return i - (kSlotAhead - ahead); };
      if (i < n) space.table.Prefetch(keyed_rows_[i].hash);
      if (const size_t at = row_at(kEntryAhead); at < n) {
        PrefetchRow(rows, &keyed_rows_[at], space);
      }
      if (const size_t at = row_at(kRunsAhead); at < n) PrefetchRuns(keyed_rows_[at].likely);
      if (const size_t at = row_at(kNodeAhead); at < n) {
        const KeyedRow& ahead = keyed_rows_[at];
        PrefetchNodes(ahead.likely, rows.ts[ahead.row], kReusedBytes);
      }
      if (const size_t at = row_at(kEventAhead); at < n) PrefetchEvent(keyed_rows_[at].likely);
      if (i < kSlotAhead) continue;
      const KeyedRow& keyed = keyed_rows_[row_at(0)];
      if (keyed.row != last_row) {
        store_.Release(context_.captured);
        context_.captured = kNoEvent;
        context_.is_invalid = false;
        last_row = keyed.row;
      }
      context_.row = keyed.row;
      context_.ts = rows.ts[keyed.row];
      context_.seq = kFirstSequence + rows.first_sequence + keyed.row;
      ProcessKeyedRow(rows, keyed, &space, out);
    }
    store_.Release(context_.captured);
    context_.captured = kNoEvent;
  }
}

// Fetches what processing a row a little later will read: its key's entry and, if it may start a
// match and so be captured, the record itself, which was last touched when it was decoded.
void PatternOperator::PrefetchRow(const cep::OrderedBlock& rows, KeyedRow* keyed,
                                  const Space& space) const {
  keyed->likely = space.table.PrefetchEntry(keyed->hash);
  if (!starts_.Test(keyed->row)) {
    if (keyed->likely != nullptr) PrefetchKey(rows, keyed->row, ExprOf(space, keyed->variants));
    return;
  }
  const cep::RowRef ref = rows.refs[keyed->row];
  const std::string_view raw = ref.batch->raw[ref.row];
  PrefetchBytes(raw.data(), raw.size());
  __builtin_prefetch(&ref.batch->value_sizes[ref.row]);
}

void PatternOperator::AdvanceTime(int64_t watermark, cep::MatchSink* out) {
  if (has_restored()) SettleRestored(out);
  watermark_ = watermark;
  for (Space& space : spaces_) {
    FindDue(watermark, &space);
    if (!keeps_changes_) FindOver(watermark, &space);
    ExpireDue(watermark, &space, out);
    // Those that have left memory come back so many at a time.
    cold_units_.clear();
    while (space.cold != nullptr && space.cold->TakeDue(watermark, kFetchedKeys, &cold_units_)) {
      Fetch(cold_units_);
      FindDue(watermark, &space);
      ExpireDue(watermark, &space, out);
      cold_units_.clear();
    }
  }
}

// Expires the keys of due_.
void PatternOperator::ExpireDue(int64_t watermark, Space* space, cep::MatchSink* out) {
  const size_t n = due_.size();
  for (size_t i = 0; i < n + kDueBehind; ++i) {
    if (i < n) {
      PrefetchRuns(due_[i]);
      space->table.Prefetch(due_[i]->hash);
    }
    if (const size_t at = i - kDueNodeBehind; at < n) PrefetchNodes(due_[at], watermark, 64);
    if (const size_t at = i - kDueEventBehind; at < n) PrefetchEvent(due_[at]);
    if (const size_t at = i - kDueBehind; at < n) Expire(due_[at], watermark, space, out);
  }
}

// Fills due_ with the keys that have something due which may not wait.
void PatternOperator::FindDue(int64_t watermark, Space* space) {
  due_.clear();
  taken_.clear();
  space->due.Take(watermark, &taken_);
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (i + kDueEntryAhead < taken_.size()) {
      __builtin_prefetch(taken_[i + kDueEntryAhead].what);
    }
    const auto [at, entry] = taken_[i];
    if (entry->queued_for != at) continue;
    entry->queued_for = kNever;
    if (entry->may_wait) continue;
    KeyTable::PrefetchEntry(entry);
    due_.push_back(entry);
  }
}

// Adds the keys that may wait and of which nothing is left. A part of all keys is looked through at
// a time, in the order of memory, so that each has its turn within kSweeps of the longest duration.
void PatternOperator::FindOver(int64_t watermark, Space* space) {
  if (space->swept_at == INT64_MIN) space->swept_at = watermark;
  int64_t passed;
  if (__builtin_sub_overflow(watermark, space->swept_at, &passed)) passed = kNever;
  const int64_t turn = std::max<int64_t>(1, space->longest / kSweeps);
  const size_t places = space->table.places();
  const size_t share =
      passed >= turn ? places
                     : static_cast<size_t>(static_cast<double>(places) *
                                           static_cast<double>(passed) / static_cast<double>(turn));
  if (share == 0) return;
  space->swept_at = watermark;
  space->table.Sweep(share, [&](KeyEntry* entry) {
    if (!entry->may_wait || entry->ends_at > watermark) return;
    KeyTable::PrefetchEntry(entry);
    due_.push_back(entry);
  });
}

// Ends what is due in the key's state, and the key if nothing is left of it.
void PatternOperator::Expire(KeyEntry* entry, int64_t watermark, Space* space,
                             cep::MatchSink* out) {
  SaveBefore(entry, space);
  bool has_empty = false;
  for (BlockState& state : entry->blocks) {
    if (state.min_due <= watermark) {
      Touch(entry, &state, space);
      matchers_[state.block]->AdvanceTime(watermark, entry->key(), &state, out);
    }
    has_empty |= state.empty();
  }
  if (has_empty) RemoveEmpty(entry, space);
  QueueDue(entry, space);
}

// Ends what has only been waiting for its key's next event.
void PatternOperator::ExpireWaiting() {
  for (Space& space : spaces_) {
    space.table.ForEach([&](KeyEntry* entry) {
      if (entry->may_wait) Expire(entry, watermark_, &space, nullptr);
    });
  }
}

void PatternOperator::Retire(const std::vector<uint32_t>& rules) {
  CEP_CHECK(writer_ == nullptr);
  FetchRules(rules);
  bool is_any = false;
  const size_t blocks = patterns_->blocks.size();
  const std::vector<uint64_t> retired = MasksOf(rules);
  for (size_t b = 0; b < blocks; ++b) {
    if (retired[b] == 0) continue;
    matchers_[b]->Retire(retired[b]);
    is_any = true;
  }
  if (!is_any) return;
  // What stands for all blocks of a family goes with the last of its rules. Until then what is
  // stored of it changes.
  for (size_t f = 0; f < patterns_->families.size(); ++f) {
    const Family& family = patterns_->families[f];
    bool is_live = false;
    for (uint32_t i = 0; i < family.size; ++i) {
      is_live |= matchers_[family.first + i]->live() != 0;
    }
    if (!is_live) matchers_[blocks + f]->Retire(~uint64_t{0});
  }
  for (Space& space : spaces_) {
    space.table.ForEach([&](KeyEntry* entry) {
      bool has_empty = false;
      for (BlockState& state : entry->blocks) {
        const bool has_dropped = matchers_[state.block]->DropRetired(&state);
        if (has_dropped || state.block >= blocks) Touch(entry, &state, &space);
        has_empty |= state.empty();
      }
      if (has_empty) RemoveEmpty(entry, &space);
    });
  }
}

void PatternOperator::StartNothing() {
  for (const std::unique_ptr<Matcher>& matcher : matchers_) matcher->StartNothing();
}

void PatternOperator::MarkOpen(std::vector<bool>* open) {
  ExpireWaiting();
  for (Space& space : spaces_) {
    size_t left = 0;
    for (const uint32_t block : space.blocks) {
      left += static_cast<size_t>(std::popcount(matchers_[block]->live()));
    }
    const auto mark = [&](uint32_t block, uint64_t rules) {
      ForEachBit(rules, [&](uint32_t bit) {
        std::vector<bool>::reference is_open = (*open)[patterns_->blocks[block].rules[bit]];
        left -= is_open ? 0 : 1;
        is_open = true;
      });
    };
    // Of a unit that is not in memory: all rules that may be in it.
    const auto mark_cold = [&](const ColdKeys::Unit& unit) {
      const uint32_t block = unit.rule / kRulesPerBlock;
      const SpaceFamily* family = FamilyOf(block, space);
      const uint32_t first = family == nullptr ? block : family->first;
      const uint32_t size = family == nullptr ? 1 : family->size;
      for (uint32_t b = first; left > 0 && b < first + size; ++b) mark(b, matchers_[b]->live());
    };
    if (space.cold != nullptr) space.cold->ForEachUnit(mark_cold);
    space.table.ForEach([&](KeyEntry* entry) {
      if (left == 0) return;
      for (const BlockState& state : entry->blocks) {
        const Share share = WholeOf(state, space);
        for (uint32_t i = 0; i < share.masks.size(); ++i) {
          mark(share.first + i, state.empty() ? 0 : share.masks[i]);
        }
      }
    });
  }
}

void PatternOperator::AddCounters(std::vector<RuleCounters>* by_rule) const {
  for (const std::unique_ptr<Matcher>& matcher : matchers_) {
    for (size_t bit = 0; bit < matcher->counters().size(); ++bit) {
      (*by_rule)[matcher->block().rules[bit]].Add(matcher->counters()[bit]);
    }
  }
}

size_t PatternOperator::live_keys() const {
  size_t keys = 0;
  for (const Space& space : spaces_) keys += space.table.size();
  return keys + cold_keys();
}

}  // namespace vigil::patterns
