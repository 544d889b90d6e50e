#include "patterns/state_encoder.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "cep/base/check.h"
#include "cep/base/encoding.h"
#include "cep/base/hash.h"
#include "patterns/stored_state.h"

namespace vigil::patterns {

ListedRules ListRules(std::span<const RuleBlock* const> blocks, std::span<const uint64_t> masks) {
  struct Listed {
    uint64_t incarnation;
    uint32_t bit;
  };
  std::vector<std::pair<const std::vector<std::string>*, std::vector<Listed>>> namings;
  for (size_t b = 0; b < blocks.size(); ++b) {
    ForEachBit(masks[b], [&](uint32_t bit) {
      const BlockRule& rule = blocks[b]->names[bit];
      const std::vector<std::string>& stages = blocks[b]->stage_names[rule.stage_names];
      auto naming = std::find_if(namings.begin(), namings.end(),
                                 [&](const auto& known) { return *known.first == stages; });
      if (naming == namings.end()) {
        namings.push_back({&stages, {}});
        naming = std::prev(namings.end());
      }
      naming->second.push_back({rule.incarnation, bit});
    });
  }
  ListedRules listed;
  if (blocks.size() == 1) listed.places.resize(blocks[0]->names.size());
  PutVarint(namings.size(), &listed.bytes);
  for (auto& [stages, rules] : namings) {
    const size_t plain = blocks[0]->program.stage_count;
    PutVarint(plain, &listed.bytes);
    for (size_t i = 0; i < plain; ++i) PutBytes((*stages)[i], &listed.bytes);
    PutVarint(stages->size() - plain, &listed.bytes);
    for (size_t i = plain; i < stages->size(); ++i) PutBytes((*stages)[i], &listed.bytes);
    std::sort(rules.begin(), rules.end(),
              [](const Listed& a, const Listed& b) { return a.incarnation < b.incarnation; });
    std::vector<uint64_t> incarnations;
    for (const Listed& rule : rules) {
      incarnations.push_back(rule.incarnation);
      if (!listed.places.empty()) listed.places[rule.bit] = listed.count;
      ++listed.count;
    }
    PutRanges(incarnations, &listed.bytes);
  }
  return listed;
}

void StateEncoder::UseLayout(const cep::Layout& layout) {
  slots_.clear();
  fields_.clear();
  std::vector<std::string_view> names;
  for (uint32_t s = 0; s < layout.slots().size(); ++s) {
    if (!layout.slots()[s].is_kept) continue;
    slots_.push_back(s);
    names.push_back(layout.slots()[s].name);
  }
  PutVarint(names.size(), &fields_);
  for (const std::string_view name : names) PutBytes(name, &fields_);
  capture_layout_ = CaptureLayoutOf(names);
}

std::span<const std::string_view> StateEncoder::Encode(const BlockState& state,
                                                       const RuleBlock& block, uint64_t mask,
                                                       const ListedRules& rules) {
  Forget();
  const GroupedRuns* grouped = state.grouped();
  std::span<const Run> runs = {state.runs.begin(), state.runs.size()};
  std::span<const Run> held;
  if (grouped != nullptr) {
    runs = grouped->groups();
    CollectGraph(*grouped, mask);
  } else {
    if (state.rare != nullptr) held = state.rare->held;
    for (const std::span<const Run>& list : {runs, held}) {
      for (const Run& run : list) {
        if ((run.rules & mask) != 0) CollectPath(run.node);
      }
    }
  }
  PutEvents();
  bytes_ += rules.bytes;
  PutSetsAndStates(runs, held, block, mask, rules);
  bytes_.push_back(grouped != nullptr ? 1 : 0);
  if (grouped != nullptr) {
    PutGraph(*grouped);
    PutRuns(runs, mask, false);
    PutVarint(static_cast<uint64_t>(block.program.within), &bytes_);
    const GroupedRuns::Counts counts = grouped->counts();
    PutVarint(counts.accepted, &bytes_);
    PutVarint(counts.size, &bytes_);
    PutVarint(counts.swept_size, &bytes_);
  } else {
    PutNodes();
    PutRuns(runs, mask, false);
    PutRuns(held, mask, true);
  }
  if (block.ttl > 0 && state.rare != nullptr) PutSigned(state.rare->last_seen, &bytes_);
  segments_.clear();
  cuts_.push_back(bytes_.size());
  size_t begin = 0;
  for (const size_t end : cuts_) {
    // The first ones are cut between events; what is behind the last cut is cut by size.
    const size_t step = end == bytes_.size() ? kSegment : end - begin;
    do {
      segments_.push_back(std::string_view(bytes_).substr(begin, std::min(step, end - begin)));
      begin += segments_.back().size();
    } while (begin < end);
  }
  return segments_;
}

void StateEncoder::Forget() {
  node_place_.Clear();
  event_place_.Clear();
  nodes_.clear();
  events_.clear();
  bytes_.clear();
  cuts_.clear();
}

void StateEncoder::Places::Add(uint32_t name, uint32_t place) {
  if (many_.empty() && few_.size() < kFew) {
    few_.emplace_back(name, place);
    return;
  }
  many_.insert(few_.begin(), few_.end());
  few_.clear();
  many_.emplace(name, place);
}

uint32_t* StateEncoder::Places::Find(uint32_t name) {
  if (!many_.empty()) {
    const auto known = many_.find(name);
    return known == many_.end() ? nullptr : &known->second;
  }
  for (auto& [known, place] : few_) {
    if (known == name) return &place;
  }
  return nullptr;
}

void StateEncoder::Places::Clear() {
  few_.clear();
  many_.clear();
}

// Events get their places later, when all are known.
void StateEncoder::CollectPath(uint32_t node) {
  path_.clear();
  for (; node != kNoNode && node_place_.Find(node) == nullptr; node = store_.node(node).parent) {
    path_.push_back(node);
  }
  for (; !path_.empty(); path_.pop_back()) {
    node_place_.Add(path_.back(), static_cast<uint32_t>(nodes_.size()));
    nodes_.push_back(path_.back());
    const uint32_t event = store_.node(path_.back()).event;
    if (event_place_.Find(event) != nullptr) continue;
    event_place_.Add(event, 0);
    events_.push_back(event);
  }
}

// The graph's nodes that can be reached, in their order.
void StateEncoder::CollectGraph(const GroupedRuns& grouped, uint64_t mask) {
  std::vector<bool> is_reached(grouped.nodes().size());
  for (const Run& group : grouped.groups()) {
    if ((group.rules & mask) != 0) is_reached[group.node] = true;
  }
  for (size_t i = is_reached.size(); i-- > 0;) {
    if (!is_reached[i]) continue;
    const GroupedRuns::Node& node = grouped.nodes()[i];
    if (node.is_union()) is_reached[node.a] = true;
    if (node.b != kNoNode) is_reached[node.b] = true;
  }
  for (uint32_t i = 0; i < is_reached.size(); ++i) {
    if (!is_reached[i]) continue;
    node_place_.Add(i, static_cast<uint32_t>(nodes_.size()));
    nodes_.push_back(i);
    const GroupedRuns::Node& node = grouped.nodes()[i];
    if (node.is_union() || event_place_.Find(node.a) != nullptr) continue;
    event_place_.Add(node.a, 0);
    events_.push_back(node.a);
  }
}

uint32_t StateEncoder::PlaceOf(const cep::Partition& partition) const {
  const auto place =
      std::find_if(partitions_.begin(), partitions_.end(), [&](const cep::Partition* p) {
        return p == &partition || (!(*p < partition) && !(partition < *p));
      });
  return static_cast<uint32_t>(place - partitions_.begin());
}

void StateEncoder::PutFieldsAndPlaces() {
  PutVarint(kBodyFormat, &bytes_);
  bytes_ += fields_;
  partitions_.clear();
  const cep::Partition* last = nullptr;
  for (const uint32_t event : events_) {
    const cep::Partition* partition = store_.event(event).partition();
    if (partition == last) continue;
    last = partition;
    if (PlaceOf(*partition) == partitions_.size()) partitions_.push_back(partition);
  }
  std::sort(partitions_.begin(), partitions_.end(),
            [](const cep::Partition* a, const cep::Partition* b) { return *a < *b; });
  PutVarint(partitions_.size(), &bytes_);
  for (const cep::Partition* partition : partitions_) {
    PutBytes(partition->source, &bytes_);
    PutBytes(partition->topic, &bytes_);
    PutVarint(partition->number, &bytes_);
    const bool is_derived =
        partition->place == cep::PlaceOf(partition->source, partition->topic, partition->number);
    PutBytes(is_derived ? std::string_view() : std::string_view(partition->place), &bytes_);
  }
}

void StateEncoder::PutEvents() {
  std::sort(events_.begin(), events_.end(),
            [this](uint32_t a, uint32_t b) { return store_.event(a).seq < store_.event(b).seq; });
  // An event that came back with units of several rules may be there more than once, with one
  // number.
  const auto is_again = [this](size_t i) {
    return i > 0 && store_.event(events_[i]).seq == store_.event(events_[i - 1]).seq;
  };
  size_t size = 0;
  uint32_t place = 0;
  for (size_t i = 0; i < events_.size(); ++i) {
    if (i > 0 && !is_again(i)) ++place;
    event_place_.Set(events_[i], place);
    if (!is_again(i)) size += store_.event(events_[i]).json_size() + 32;
  }
  PutFieldsAndPlaces();
  const size_t segments = size <= kEventSegment ? 1 : std::bit_ceil(size / kEventSegment);
  buckets_.clear();
  for (size_t i = 0; i < events_.size(); ++i) {
    if (is_again(i)) continue;
    const uint64_t hash = Mix64(store_.event(events_[i]).offset);
    buckets_.emplace_back(static_cast<uint32_t>(hash & (segments - 1)), events_[i]);
  }
  if (segments > 1) {
    std::stable_sort(buckets_.begin(), buckets_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  uint32_t segment = 0;
  for (const auto& [bucket, event] : buckets_) {
    for (; segment < bucket; ++segment) cuts_.push_back(bytes_.size());
    PutEvent(store_.event(event));
  }
  for (; segment + 1 < segments; ++segment) cuts_.push_back(bytes_.size());
  if (segments > 1) cuts_.push_back(bytes_.size());
  PutVarint(0, &bytes_);
}

void StateEncoder::PutEvent(const cep::CapturedEvent& event) {
  PutVarint(uint64_t{1} + PlaceOf(*event.partition()), &bytes_);
  PutSigned(event.ts, &bytes_);
  PutVarint(event.offset, &bytes_);
  for (const uint32_t slot : slots_) PutValue(event.Get(slot), &bytes_);
  PutVarint(event.json_size(), &bytes_);
  event.AppendJson(&bytes_);
}

uint32_t StateEncoder::SetOf(uint64_t rules) const {
  return static_cast<uint32_t>(std::find(sets_.begin(), sets_.end(), rules) - sets_.begin());
}

void StateEncoder::PutSetsAndStates(std::span<const Run> runs, std::span<const Run> held,
                                    const RuleBlock& block, uint64_t mask,
                                    const ListedRules& rules) {
  sets_.clear();
  states_.clear();
  const auto add_set = [&](uint64_t set) {
    if (set != 0 && SetOf(set) == sets_.size()) sets_.push_back(set);
  };
  for (const Run& run : runs) {
    if ((run.rules & mask) == 0) continue;
    add_set(run.rules & mask);
    if (std::find(states_.begin(), states_.end(), run.state) == states_.end()) {
      states_.push_back(run.state);
    }
  }
  for (const Run& run : held) add_set(run.rules & mask);
  PutVarint(sets_.size(), &bytes_);
  for (const uint64_t set : sets_) {
    std::vector<uint64_t> places;
    if (rules.places.empty()) {  // all of them
      PutVarint(1, &bytes_);
      PutVarint(0, &bytes_);
      PutVarint(rules.count - 1, &bytes_);
      continue;
    }
    ForEachBit(set, [&](uint32_t bit) { places.push_back(rules.places[bit]); });
    std::sort(places.begin(), places.end());
    PutRanges(places, &bytes_);
  }
  PutVarint(states_.size(), &bytes_);
  for (const uint16_t s : states_) {
    const State& state = block.program.states[s];
    PutVarint(StagePlaceOf(block, state), &bytes_);
    PutBytes(RoleOf(state), &bytes_);
  }
}

void StateEncoder::PutNodes() {
  PutVarint(nodes_.size(), &bytes_);
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    const PathNode node = store_.node(nodes_[i]);
    PutVarint(node.stage, &bytes_);
    PutVarint(event_place_.Of(node.event), &bytes_);
    PutVarint(node.parent == kNoNode ? 0 : i - node_place_.Of(node.parent), &bytes_);
  }
}

void StateEncoder::PutGraph(const GroupedRuns& grouped) {
  PutVarint(nodes_.size(), &bytes_);
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    const GroupedRuns::Node& node = grouped.nodes()[nodes_[i]];
    PutVarint(node.is_union() ? 0 : uint64_t{node.stage} + 1, &bytes_);
    PutVarint(node.is_union() ? i - node_place_.Of(node.a) : event_place_.Of(node.a), &bytes_);
    PutVarint(node.b == kNoNode ? 0 : i - node_place_.Of(node.b), &bytes_);
  }
}

void StateEncoder::PutRuns(std::span<const Run> runs, uint64_t mask, bool are_held) {
  const auto count = std::count_if(runs.begin(), runs.end(),
                                   [mask](const Run& run) { return (run.rules & mask) != 0; });
  PutVarint(static_cast<uint64_t>(count), &bytes_);
  for (const Run& run : runs) {
    if ((run.rules & mask) == 0) continue;
    if (!are_held) {
      const auto state = std::find(states_.begin(), states_.end(), run.state);
      PutVarint(static_cast<uint64_t>(state - states_.begin()), &bytes_);
    }
    PutVarint(SetOf(run.rules & mask), &bytes_);
    PutVarint(node_place_.Of(run.node), &bytes_);
    if (!are_held) continue;
    const bool is_by_time = (run.known & Run::kCompletedByTime) != 0;
    bytes_.push_back(is_by_time ? 1 : 0);
    if (is_by_time) PutSigned(std::bit_cast<int64_t>(run.operands[0]), &bytes_);
  }
}

}  // namespace vigil::patterns
