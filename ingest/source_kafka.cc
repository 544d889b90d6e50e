#include "ingest/source_kafka.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <utility>

#include <absl/strings/str_cat.h>
#include <re2/re2.h>
#include <simdjson.h>

#include "ingest/kafka_resume.h"
#include "ingest/line_reader.h"

namespace vigil::ingest {
namespace {

constexpr int kRequestMs = 5'000;  // for a broker's answer, on the discovering thread
constexpr std::chrono::milliseconds kDecodeAgainLimit{1000};
constexpr int64_t kMinBackoffMs = 100;
constexpr int64_t kMaxBackoffMs = 5'000;
// Queues that told nothing are looked at in any case.
constexpr int64_t kPollAllMs = 200;
// A broker that we fetch from answers every fetch.wait.max.ms; one that has not for longer is not
// there.
constexpr int64_t kQuietBrokerUs = 3'000'000;

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

const io::KafkaProperties& Defaults() {
  static const io::KafkaProperties kDefaults = {
      {"client.id", "vigil"},
      {"isolation.level", "read_committed"},
      {"fetch.wait.max.ms", "100"},
      {"fetch.error.backoff.ms", "200"},
      {"queued.min.messages", "100000"},
      {"queued.max.messages.kbytes", "16384"},  // of one partition: each has its own queue
      {"reconnect.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "2000"},
      {"socket.keepalive.enable", "true"},
      {"topic.metadata.refresh.interval.ms", "10000"},
  };
  return kDefaults;
}

io::KafkaProperties Forced(const KafkaSourceOptions& options) {
  return {
      {"bootstrap.servers", options.brokers}, {"group.id", options.group},
      {"enable.auto.commit", "false"},        {"enable.auto.offset.store", "false"},
      {"enable.partition.eof", "true"},       {"auto.offset.reset", "error"},
      {"allow.auto.create.topics", "false"},  {"statistics.interval.ms", "1000"},
  };
}

int64_t NumberOr(const io::KafkaProperties& properties, const std::string& name, int64_t fallback) {
  const auto it = properties.find(name);
  int64_t value = fallback;
  if (it == properties.end()) return value;
  const std::string& text = it->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : fallback;
}

std::string TopicOf(const rd_kafka_message_t& message) {
  return message.rkt == nullptr ? "" : rd_kafka_topic_name(message.rkt);
}

}  // namespace

struct KafkaSource::TopicPattern {
  explicit TopicPattern(const std::string& pattern) : re(pattern, RE2::Quiet) {}
  RE2 re;
};

StatusOr<std::unique_ptr<KafkaSource>> KafkaSource::Create(KafkaSourceOptions options,
                                                           RecordSourceLog* log) {
  std::unique_ptr<KafkaSource> source(new KafkaSource(std::move(options), log));
  const KafkaSourceOptions& own = source->options_;
  for (const std::string& topic : own.topics) {
    if (topic.empty() || topic[0] != '^') continue;
    source->patterns_.push_back(std::make_unique<TopicPattern>(topic));
    const RE2& re = source->patterns_.back()->re;
    if (!re.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("source ", own.name, ": topic pattern ", topic, ": ", re.error()));
    }
  }
  StatusOr<io::KafkaPtr<rd_kafka_t>> client =
      io::MakeKafkaClient(RD_KAFKA_CONSUMER, Defaults(), own.properties, Forced(own), source.get());
  if (!client.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("source ", own.name, ": ", client.status().message()));
  }
  source->client_ = *std::move(client);
  rd_kafka_poll_set_consumer(source->client_.get());
  return source;
}

KafkaSource::KafkaSource(KafkaSourceOptions options, RecordSourceLog* log)
    : options_(std::move(options)),
      log_(log),
      discovery_ms_(NumberOr(options_.properties, "topic.metadata.refresh.interval.ms", 10'000)),
      kafka_slot_(options_.layout->Find(kKafkaField)),
      chunks_(LineReader::kChunkBytes) {
  // -1 turns librdkafka's own refreshing off, 0 is no interval.
  if (discovery_ms_ <= 0) discovery_ms_ = 10'000;
}

KafkaSource::~KafkaSource() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  stop_condition_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (PartitionState& state : states_) {
    rd_kafka_queue_cb_event_enable(state.queue.get(), nullptr, nullptr);
    for (size_t i = state.next; i < state.messages.size(); ++i) {
      rd_kafka_message_destroy(state.messages[i]);
    }
    state.queue.reset();
  }
  if (client_ != nullptr) rd_kafka_consumer_close(client_.get());
}

void KafkaSource::Resume(std::vector<cep::ResumeFrom> partitions, bool accepts_loss) {
  is_resumed_ = true;
  accepts_loss_ = accepts_loss;
  resumed_ = std::move(partitions);
}

Status KafkaSource::Start(Wakeup* wakeup) {
  wakeup_ = wakeup;
  thread_ = std::thread([this] { Discover(); });
  return absl::OkStatus();
}

void KafkaSource::Say(int level, const std::string& text, const PartitionState* about) {
  log_->Write(level, options_.name, about == nullptr ? "" : about->id.place, text);
}

// ---- Events of the client ----

void KafkaSource::OnLog(int level, std::string_view text) { Say(level, std::string(text)); }

void KafkaSource::OnError(rd_kafka_resp_err_t error, std::string_view text) {
  if (error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
      error == RD_KAFKA_RESP_ERR__TIMED_OUT) {
    // Which partitions it concerns, the next statistics say.
    for (cep::LivePartition& live : live_) live.is_connected = false;
  }
  Say(4, absl::StrCat(rd_kafka_err2name(error), ": ", Abseil(text)));
}

// Which brokers answer, and where partitions end: librdkafka's STATISTICS.md.
void KafkaSource::OnStatistics(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(json.data(), json.size(), true).get(root) != simdjson::SUCCESS) return;
  const int64_t quiet_us =
      kQuietBrokerUs + 1000 * NumberOr(options_.properties, "fetch.wait.max.ms", 100);
  const int64_t now_ms = options_.clock->SteadyMs();
  std::vector<std::pair<int64_t, int64_t>> answering;  // broker, and when it last answered
  simdjson::dom::object brokers;
  if (root["brokers"].get(brokers) == simdjson::SUCCESS) {
    for (const auto [name, broker] : brokers) {
      std::string_view state;
      int64_t id = -1;
      int64_t idle_us = -1;
      if (broker["state"].get(state) != simdjson::SUCCESS || state != "UP") continue;
      if (broker["nodeid"].get(id) != simdjson::SUCCESS || id < 0) continue;
      if (broker["rxidle"].get(idle_us) == simdjson::SUCCESS && idle_us <= quiet_us) {
        answering.emplace_back(id, now_ms - (idle_us + 999) / 1000);
      }
    }
  }
  for (size_t i = 0; i < live_.size(); ++i) {
    const cep::Partition& id = states_[i].id;
    const simdjson::simdjson_result<simdjson::dom::element> partition =
        root["topics"][id.topic]["partitions"][std::to_string(id.number)];
    int64_t leader = -1;
    int64_t end = -1;
    if (partition["leader"].get(leader) != simdjson::SUCCESS) leader = -1;
    const auto broker = std::find_if(answering.begin(), answering.end(),
                                     [leader](const auto& b) { return b.first == leader; });
    live_[i].is_connected = broker != answering.end();
    if (live_[i].is_connected) live_[i].answered_ms = broker->second;
    // The last stable offset where that is what we read up to, else the high watermark.
    if (partition["ls_offset"].get(end) == simdjson::SUCCESS && end >= 0) {
      live_[i].end_offset = end;
    }
  }
}

// ---- Discovery, on its own thread ----

bool KafkaSource::Sleep(int64_t ms) {
  std::unique_lock lock(mutex_);
  stop_condition_.wait_for(lock, std::chrono::milliseconds(ms),
                           [this] { return is_stopping_ || !deleted_.empty(); });
  return !is_stopping_;
}

// Looks up what brokers still hold of partitions whose next record was deleted; false if they did
// not tell.
bool KafkaSource::FindOldest() {
  std::vector<Deleted> deleted;
  {
    const std::lock_guard lock(mutex_);
    deleted.swap(deleted_);
  }
  std::vector<Deleted> untold;
  for (Deleted& one : deleted) {
    const Status status = io::KafkaStatus(
        rd_kafka_query_watermark_offsets(client_.get(), one.topic.c_str(), one.number, &one.oldest,
                                         &one.end, kRequestMs),
        "oldest record of " + one.topic);
    if (status.ok()) {
      const std::lock_guard lock(mutex_);
      looked_up_.push_back(std::move(one));
      continue;
    }
    Say(4, absl::StrCat(status.message(), "; trying again"));
    untold.push_back(std::move(one));
  }
  if (!deleted.empty()) wakeup_->Notify();
  if (untold.empty()) return true;
  std::unique_lock lock(mutex_);
  stop_condition_.wait_for(lock, std::chrono::milliseconds(kMinBackoffMs),
                           [this] { return is_stopping_; });
  std::move(untold.begin(), untold.end(), std::back_inserter(deleted_));
  return false;
}

void KafkaSource::Discover() {
  bool at_start = true;
  int64_t backoff_ms = kMinBackoffMs;
  while (true) {
    FindOldest();
    if ((options_.stop_at_end && !at_start) || Look(at_start)) {
      at_start = false;
      backoff_ms = kMinBackoffMs;
      if (!Sleep(discovery_ms_)) return;
    } else {
      if (!Sleep(backoff_ms)) return;
      backoff_ms = std::min(2 * backoff_ms, kMaxBackoffMs);
    }
  }
}

// Looks for partitions once; false if brokers did not tell.
bool KafkaSource::Look(bool at_start) {
  StatusOr<std::vector<Found>> found = FindNew();
  Status status = found.status();
  if (status.ok()) status = Resolve(&*found, at_start);
  if (absl::IsNotFound(status) || absl::IsFailedPrecondition(status)) {
    const std::lock_guard lock(mutex_);
    failure_ = status;
    is_stopping_ = true;
    wakeup_->Notify();
    return false;
  }
  if (!status.ok()) {
    Say(4, absl::StrCat("cannot list partitions: ", status.message(), "; trying again"));
    return false;
  }
  for (Found& f : *found) {
    f.at_start = at_start;
    known_.emplace_back(f.topic, f.number);
  }
  std::sort(known_.begin(), known_.end());
  {
    const std::lock_guard lock(mutex_);
    std::move(found->begin(), found->end(), std::back_inserter(found_));
    is_first_look_done_ = true;
  }
  wakeup_->Notify();
  return true;
}

// Topics of ours with their numbers of partitions.
StatusOr<std::vector<std::pair<std::string, int>>> KafkaSource::ListTopics() {
  std::vector<std::pair<std::string, int>> topics;
  const auto add = [&topics](const rd_kafka_metadata_topic_t& topic) {
    if (topic.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      topics.emplace_back(topic.topic, topic.partition_cnt);
    }
    return topic.err;
  };
  if (!patterns_.empty()) {
    const rd_kafka_metadata_t* raw = nullptr;
    RETURN_IF_ERROR(io::KafkaStatus(rd_kafka_metadata(client_.get(), 1, nullptr, &raw, kRequestMs),
                                    "metadata"));
    const io::KafkaPtr<const rd_kafka_metadata_t> metadata(raw);
    for (int i = 0; i < metadata->topic_cnt; ++i) {
      const std::string name = metadata->topics[i].topic;
      // Kafka's own topics are only read by their names.
      if (name.substr(0, 2) == "__") continue;
      const bool matches = std::any_of(patterns_.begin(), patterns_.end(), [&name](const auto& p) {
        return RE2::PartialMatch(name, p->re);
      });
      if (matches) add(metadata->topics[i]);
    }
  }
  for (const std::string& name : options_.topics) {
    if (name.empty() || name[0] == '^') continue;
    const bool is_listed = std::any_of(topics.begin(), topics.end(),
                                       [&name](const auto& t) { return t.first == name; });
    if (is_listed) continue;
    const io::KafkaPtr<rd_kafka_topic_t> topic(
        rd_kafka_topic_new(client_.get(), name.c_str(), nullptr));
    const rd_kafka_metadata_t* raw = nullptr;
    RETURN_IF_ERROR(io::KafkaStatus(
        rd_kafka_metadata(client_.get(), 0, topic.get(), &raw, kRequestMs), "metadata"));
    const io::KafkaPtr<const rd_kafka_metadata_t> metadata(raw);
    for (int i = 0; i < metadata->topic_cnt; ++i) {
      const rd_kafka_resp_err_t error = add(metadata->topics[i]);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      const std::string text = absl::StrCat("topic ", name, ": ", rd_kafka_err2str(error));
      const bool is_absent = error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
      // A bounded run has nothing to wait for.
      if (options_.stop_at_end && is_absent) return absl::NotFoundError(text);
      if (!is_absent) return absl::UnavailableError(text);
      Say(4, text);
    }
  }
  return topics;
}

StatusOr<std::vector<KafkaSource::Found>> KafkaSource::FindNew() {
  std::vector<std::pair<std::string, int>> topics;
  ASSIGN_OR_RETURN(topics, ListTopics());
  std::sort(topics.begin(), topics.end());
  std::vector<Found> found;
  for (const auto& [topic, count] : topics) {
    for (int32_t number = 0; number < count; ++number) {
      if (std::binary_search(known_.begin(), known_.end(), std::make_pair(topic, number))) continue;
      Found& f = found.emplace_back();
      f.topic = topic;
      f.number = number;
      f.start = RD_KAFKA_OFFSET_BEGINNING;
    }
  }
  return found;
}

// Finds where the partitions begin and end.
Status KafkaSource::Resolve(std::vector<Found>* found, bool at_start) {
  if (!at_start) return absl::OkStatus();
  if (is_resumed_) {
    RETURN_IF_ERROR(ResolveResumed(found));
    for (Found& f : *found) RETURN_IF_ERROR(ResolveStart(&f));
    return absl::OkStatus();
  }
  if (found->empty()) return absl::OkStatus();
  using Kind = KafkaStart::Kind;
  const Kind kind = options_.start.kind;
  if (kind == Kind::kCommitted || kind == Kind::kTimestamp) {
    const io::KafkaPtr<rd_kafka_topic_partition_list_t> list(
        rd_kafka_topic_partition_list_new(static_cast<int>(found->size())));
    for (const Found& f : *found) {
      rd_kafka_topic_partition_list_add(list.get(), f.topic.c_str(), f.number)->offset =
          kind == Kind::kTimestamp ? options_.start.timestamp_ms : RD_KAFKA_OFFSET_INVALID;
    }
    const rd_kafka_resp_err_t error =
        kind == Kind::kTimestamp ? rd_kafka_offsets_for_times(client_.get(), list.get(), kRequestMs)
                                 : rd_kafka_committed(client_.get(), list.get(), kRequestMs);
    RETURN_IF_ERROR(io::KafkaStatus(error, "offsets"));
    for (int i = 0; i < list->cnt; ++i) {
      const rd_kafka_topic_partition_t& element = list->elems[i];
      RETURN_IF_ERROR(io::KafkaStatus(element.err, "offset of " + std::string(element.topic)));
      Found& f = (*found)[static_cast<size_t>(i)];
      if (element.offset >= 0) {
        f.start = element.offset;
      } else if (kind == Kind::kTimestamp) {
        f.start = RD_KAFKA_OFFSET_END;  // nothing is that new
      }
    }
  }
  for (Found& f : *found) RETURN_IF_ERROR(ResolveStart(&f));
  return absl::OkStatus();
}

// Partitions that a former run read go on where it stood; others are read from their beginning.
Status KafkaSource::ResolveResumed(std::vector<Found>* found) {
  std::vector<cep::ResumeFrom> there;
  std::vector<Found*> places;
  std::string absent;
  for (const cep::ResumeFrom& resumed : resumed_) {
    const auto place = std::find_if(found->begin(), found->end(), [&resumed](const Found& f) {
      return f.topic == resumed.topic && f.number == static_cast<int32_t>(resumed.number);
    });
    if (place == found->end()) {
      absl::StrAppend(&absent, " ", resumed.topic, "/", resumed.number);
      continue;
    }
    there.push_back(resumed);
    places.push_back(&*place);
  }
  if (!absent.empty()) {
    const std::string text =
        absl::StrCat("source ", options_.name, ": what was read before is not there:", absent);
    if (!accepts_loss_) {
      return absl::FailedPreconditionError(text + "; --accept-loss gives it up and goes on");
    }
    Say(4, text + "; accepted as lost");
  }
  const KafkaResumeOptions options{.source = options_.name,
                                   .defaults = Defaults(),
                                   .properties = options_.properties,
                                   .forced = Forced(options_),
                                   .request_ms = kRequestMs,
                                   .accepts_loss = accepts_loss_,
                                   .is_stopping =
                                       [this] {
                                         const std::lock_guard lock(mutex_);
                                         return is_stopping_;
                                       },
                                   .warn = [this](const std::string& text) { Say(4, text); }};
  std::vector<bool> replaced;
  RETURN_IF_ERROR(CheckResume(client_.get(), options, &there, &replaced));
  for (size_t i = 0; i < there.size(); ++i) {
    places[i]->start = static_cast<int64_t>(there[i].from);
    places[i]->is_replaced = replaced[i];
  }
  return absl::OkStatus();
}

// Turns logical offsets into numbers, where the start or a bounded run needs them.
Status KafkaSource::ResolveStart(Found* found) {
  const bool is_latest = options_.start.kind == KafkaStart::Kind::kLatest && !is_resumed_;
  if (!options_.stop_at_end && !is_latest && found->start != RD_KAFKA_OFFSET_END) {
    return absl::OkStatus();
  }
  int64_t low = 0;
  int64_t high = 0;
  RETURN_IF_ERROR(
      io::KafkaStatus(rd_kafka_query_watermark_offsets(client_.get(), found->topic.c_str(),
                                                       found->number, &low, &high, kRequestMs),
                      "end of " + found->topic));
  if (is_latest || found->start == RD_KAFKA_OFFSET_END) found->start = high;
  if (options_.stop_at_end) {
    if (found->start == RD_KAFKA_OFFSET_BEGINNING) found->start = low;
    found->stop = high;
  }
  return absl::OkStatus();
}

// ---- The job's thread ----

Status KafkaSource::Serve() {
  while (rd_kafka_message_t* message = rd_kafka_consumer_poll(client_.get(), 0)) {
    for (size_t i = 0; i < states_.size(); ++i) {
      if (states_[i].id.topic == TopicOf(*message) &&
          static_cast<int32_t>(states_[i].id.number) == message->partition) {
        NoteError(*message, &states_[i], &live_[i]);
      }
    }
    rd_kafka_message_destroy(message);
  }
  AddFound();
  RETURN_IF_ERROR(GoOnWithOldest());
  const int64_t now = options_.clock->SteadyMs();
  const bool look_at_all = now - last_poll_all_ms_ >= kPollAllMs;
  if (look_at_all) last_poll_all_ms_ = now;
  for (size_t i = 0; i < states_.size(); ++i) {
    PartitionState& state = states_[i];
    if (look_at_all && !live_[i].has_ended && !state.has_news &&
        state.next == state.messages.size()) {
      Refill(&state, &live_[i]);
    }
    UpdateRows(&state, &live_[i]);
  }
  const std::lock_guard lock(mutex_);
  return failure_;
}

void KafkaSource::AddFound() {
  std::vector<Found> found;
  {
    const std::lock_guard lock(mutex_);
    if (!is_first_look_done_) return;
    found.swap(found_);
  }
  has_started_ = true;
  if (found.empty()) return;
  const io::KafkaPtr<rd_kafka_topic_partition_list_t> list(
      rd_kafka_topic_partition_list_new(static_cast<int>(found.size())));
  for (const Found& f : found) {
    PartitionState& state = states_.emplace_back();
    state.id = {options_.name, f.topic, static_cast<uint32_t>(f.number),
                absl::StrCat(options_.name, "/", f.topic, "/", f.number)};
    state.source = this;
    state.start = f.start;
    state.stop = f.stop;
    state.next_offset = std::max<int64_t>(f.start, 0);
    cep::LivePartition& live = live_.emplace_back();
    live.partition = &state.id;
    live.at_start = f.at_start;
    live.next_offset = static_cast<uint64_t>(state.next_offset);
    live.end_offset = f.stop;
    live.is_replaced = f.is_replaced;
    // Off the common queue before it is assigned, so that nothing ever goes there.
    state.queue.reset(rd_kafka_queue_get_partition(client_.get(), f.topic.c_str(), f.number));
    rd_kafka_queue_forward(state.queue.get(), nullptr);
    rd_kafka_queue_cb_event_enable(state.queue.get(), OnQueueNews, &state);
    if (f.stop >= 0 && f.start >= f.stop) {
      live.has_ended = true;
      continue;
    }
    rd_kafka_topic_partition_list_add(list.get(), f.topic.c_str(), f.number)->offset = f.start;
  }
  Say(6, absl::StrCat("reads ", found.size(), " more partitions, ", states_.size(), " in all"));
  const io::KafkaPtr<rd_kafka_error_t> error(
      rd_kafka_incremental_assign(client_.get(), list.get()));
  if (error == nullptr) return;
  const std::lock_guard lock(mutex_);
  failure_ = absl::InternalError(absl::StrCat(
      "source ", options_.name, ": cannot assign: ", rd_kafka_error_string(error.get())));
}

void KafkaSource::OnQueueNews(rd_kafka_t*, void* opaque) {
  auto* state = static_cast<PartitionState*>(opaque);
  state->has_news = true;
  state->source->wakeup_->Notify();
}

bool KafkaSource::has_ended() const {
  return has_started_ && options_.stop_at_end &&
         std::all_of(live_.begin(), live_.end(),
                     [](const cep::LivePartition& live) { return live.has_ended; });
}

void KafkaSource::UpdateRows(PartitionState* state, cep::LivePartition* live) {
  if (state->pending != nullptr && state->pending->ready()) state->pending.reset();
  live->has_rows = !live->has_ended && state->pending == nullptr &&
                   (state->next < state->messages.size() || state->has_news);
}

// Takes what the partition's queue holds.
void KafkaSource::Refill(PartitionState* state, cep::LivePartition* live) {
  state->messages.resize(kFetch);
  state->next = 0;
  state->has_news = false;  // before we look, so that what comes after it is told again
  const ssize_t n =
      rd_kafka_consume_batch_queue(state->queue.get(), 0, state->messages.data(), kFetch);
  state->messages.resize(n > 0 ? static_cast<size_t>(n) : 0);
  if (state->messages.size() == kFetch) state->has_news = true;
  UpdateRows(state, live);
}

void KafkaSource::DropMessages(PartitionState* state) {
  for (size_t i = state->next; i < state->messages.size(); ++i) {
    rd_kafka_message_destroy(state->messages[i]);
  }
  state->messages.clear();
  state->next = 0;
}

void KafkaSource::MarkEnd(PartitionState* state, cep::LivePartition* live) {
  live->has_ended = true;
  DropMessages(state);
  const io::KafkaPtr<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), state->id.topic.c_str(),
                                    static_cast<int32_t>(state->id.number));
  const io::KafkaPtr<rd_kafka_error_t> ignored(
      rd_kafka_incremental_unassign(client_.get(), list.get()));
}

void KafkaSource::NoteError(const rd_kafka_message_t& message, PartitionState* state,
                            cep::LivePartition* live) {
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    live->is_at_end = true;
    live->end_offset = message.offset;
    // Control records of transactions take offsets, too.
    state->next_offset = std::max(state->next_offset, message.offset);
    live->next_offset = static_cast<uint64_t>(state->next_offset);
    if (state->stop >= 0 && message.offset >= state->stop) MarkEnd(state, live);
    return;
  }
  live->is_at_end = false;
  Say(3, absl::StrCat(rd_kafka_err2name(message.err), ": ", rd_kafka_message_errstr(&message)),
      state);
  if (message.err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) return;
  // What we wanted to read is not there any more; what is, the discovering thread finds out.
  if (std::exchange(state->is_deleted, true)) return;
  {
    const std::lock_guard lock(mutex_);
    deleted_.push_back({static_cast<size_t>(live - live_.data()), state->id.topic,
                        static_cast<int32_t>(state->id.number), 0, 0});
  }
  stop_condition_.notify_all();
}

// Reads the partition from here on.
void KafkaSource::Assign(PartitionState* state, int64_t offset) {
  DropMessages(state);
  const io::KafkaPtr<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), state->id.topic.c_str(),
                                    static_cast<int32_t>(state->id.number))
      ->offset = offset;
  io::KafkaPtr<rd_kafka_error_t> ignored(rd_kafka_incremental_unassign(client_.get(), list.get()));
  ignored.reset(rd_kafka_incremental_assign(client_.get(), list.get()));
}

// Partitions whose next record was deleted go on with the oldest that there is; what lies between
// is lost. Errors: DATA_LOSS where a partition ends before that record: it is another one now, and
// its offsets mean other records.
Status KafkaSource::GoOnWithOldest() {
  std::vector<Deleted> looked_up;
  {
    const std::lock_guard lock(mutex_);
    looked_up.swap(looked_up_);
  }
  for (const Deleted& now : looked_up) {
    PartitionState& state = states_[now.partition];
    cep::LivePartition& live = live_[now.partition];
    state.is_deleted = false;
    if (state.start < 0 && state.next_offset == 0) {
      // Nothing of it was read or asked for by its number yet.
      Assign(&state, state.start);
      continue;
    }
    if (now.end < state.next_offset) {
      return absl::DataLossError(absl::StrCat(
          "source ", options_.name, ": ", state.id.place, " ends at ", now.end,
          ", but it was read up to ", state.next_offset,
          ": the topic was made anew or cut short, and its offsets are not those of before"));
    }
    const int64_t stop = state.stop >= 0 ? std::min(state.stop, now.oldest) : now.oldest;
    if (stop > state.next_offset) {
      const int64_t lost = stop - state.next_offset;
      Say(3,
          absl::StrCat("lost: the records from ", state.next_offset, " to ", stop - 1,
                       " were deleted before they were read; going on with ", now.oldest),
          &state);
      live.lost += static_cast<uint64_t>(lost);
      state.next_offset = stop;
      live.next_offset = static_cast<uint64_t>(stop);
    }
    if (state.stop >= 0 && state.next_offset >= state.stop) {
      MarkEnd(&state, &live);
    } else {
      Assign(&state, state.next_offset);
    }
  }
  return absl::OkStatus();
}

size_t KafkaSource::Read(size_t partition, size_t max, cep::Batch* batch) {
  PartitionState& state = states_[partition];
  cep::LivePartition& live = live_[partition];
  append_times_.clear();
  batch->renderer = &options_.codec->renderer();
  if (state.next == state.messages.size()) Refill(&state, &live);
  // Up to the next event that is no record.
  size_t count = 0;
  const size_t begin = state.next;
  bool has_stopped = false;
  while (begin + count < state.messages.size() && count < max) {
    const rd_kafka_message_t& message = *state.messages[begin + count];
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) break;
    if (state.stop >= 0 && message.offset >= state.stop) {
      has_stopped = true;
      break;
    }
    ++count;
  }
  if (count > 0) {
    live.is_at_end = false;
    const size_t taken = Decode(&state.messages[begin], count, &state, batch);
    if (taken < count) has_stopped = false;
    count = taken;
    if (state.pending != nullptr) NotePending(&state);
  }
  if (count > 0) {
    const rd_kafka_message_t& last = *state.messages[begin + count - 1];
    state.next_offset = last.offset + 1;
    live.last = {true, static_cast<uint64_t>(last.offset), FingerprintOf(last)};
    live.next_offset = static_cast<uint64_t>(state.next_offset);
    for (size_t i = begin; i < begin + count; ++i) rd_kafka_message_destroy(state.messages[i]);
    state.next += count;
    has_stopped = has_stopped || (state.stop >= 0 && state.next_offset >= state.stop);
  }
  while (!has_stopped && state.pending == nullptr && state.next < state.messages.size() &&
         state.messages[state.next]->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_message_t* message = state.messages[state.next++];
    NoteError(*message, &state, &live);  // may end the partition, which clears the messages
    rd_kafka_message_destroy(message);
  }
  if (has_stopped) MarkEnd(&state, &live);
  UpdateRows(&state, &live);
  return count;
}

void KafkaSource::NotePending(PartitionState* state) {
  Say(4, "waits for " + state->pending->Describe(), state);
}

std::vector<std::unique_ptr<Codec>> KafkaSource::SetCodec(SourceCodec codec) {
  std::vector<std::unique_ptr<Codec>> former;
  former.push_back(std::exchange(options_.codec, std::move(codec.codec)));
  options_.layout = codec.options.layout;
  kafka_slot_ = options_.layout->Find(kKafkaField);
  return former;
}

void KafkaSource::DecodeAgain(const cep::Batch& from, const uint32_t* rows, size_t count,
                              cep::Batch* to) {
  to->renderer = &options_.codec->renderer();
  records_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    records_[i] = {.bytes = from.raw[rows[i]],
                   .partition = from.partitions[rows[i]],
                   .offset = from.offsets[rows[i]],
                   .line = 0,
                   .broken = nullptr};
  }
  // Its schema was there when it was decoded first; a registry may have forgotten it since.
  for (size_t done = 0; done < count;) {
    done += options_.codec->Decode(&records_[done], count - done, to);
    if (done == count || options_.codec->pending()->Wait(kDecodeAgainLimit)) continue;
    Reject(records_[done++], 0, options_.codec->pending()->Describe(), to);
  }
  const int from_slot = from.layout->Find(kKafkaField);
  size_t i = 0;
  for (uint32_t row = 0; row < to->rows; ++row) {
    while (from.offsets[rows[i]] != to->offsets[row]) ++i;
    to->ts[row] = from.ts[rows[i]];
    if (kafka_slot_ < 0 || from_slot < 0) continue;
    to->columns[static_cast<size_t>(kafka_slot_)].values()[row] =
        from.columns[static_cast<size_t>(from_slot)].values()[rows[i]];
  }
}

// The record's bytes in a chunk that the batch holds, padded as codecs want it.
std::string_view KafkaSource::Copy(const rd_kafka_message_t& message, cep::Batch* batch) {
  const size_t need = message.len + ChunkPool::kPadding;
  if (chunk_ == nullptr || chunk_->size + need > chunks_.capacity()) chunk_ = chunks_.Get(need);
  if (batch->chunks.empty() || batch->chunks.back() != chunk_) batch->chunks.push_back(chunk_);
  char* to = chunk_->data.get() + chunk_->size;
  if (message.len > 0) std::memcpy(to, message.payload, message.len);
  chunk_->size += message.len;
  return {to, message.len};
}

// Returns how many records were taken; fewer than `count` if one must wait.
size_t KafkaSource::Decode(const rd_kafka_message_t* const* messages, size_t count,
                           PartitionState* state, cep::Batch* batch) {
  records_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_message_t& message = *messages[i];
    RawRecord& record = records_[i];
    record = {.bytes = {},
              .partition = &state->id,
              .offset = static_cast<uint64_t>(message.offset),
              .line = 0,
              .broken = nullptr};
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    if (options_.event_time == KafkaEventTime::kKafka &&
        rd_kafka_message_timestamp(&message, &type) < 0) {
      record.broken = "the record has no timestamp";
    } else if (message.payload == nullptr) {
      record.broken = "the record has no value (a tombstone)";
    } else if (message.len > LineReader::kMaxLine) {
      record.broken = "the record is longer than 16 MiB";
    } else {
      record.bytes = Copy(message, batch);
    }
  }
  const uint32_t first_row = batch->rows;
  const size_t taken = options_.codec->Decode(records_.data(), count, batch);
  if (taken < count) state->pending = options_.codec->pending();
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  rd_kafka_message_timestamp(messages[0], &type);
  const bool has_append_times = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
  if (!has_append_times && kafka_slot_ < 0 && options_.event_time == KafkaEventTime::kRecord) {
    return taken;
  }
  // Records that were rejected have no row.
  size_t i = 0;
  const int64_t wall_ms = options_.clock->WallMs();
  for (uint32_t row = first_row; row < batch->rows; ++row) {
    while (static_cast<uint64_t>(messages[i]->offset) != batch->offsets[row]) ++i;
    const int64_t timestamp = rd_kafka_message_timestamp(messages[i], &type);
    if (options_.event_time == KafkaEventTime::kKafka) batch->ts[row] = timestamp;
    if (options_.event_time == KafkaEventTime::kWallClock) batch->ts[row] = wall_ms;
    if (has_append_times) append_times_.push_back(timestamp);
    if (kafka_slot_ >= 0) SetKafkaField(*messages[i], row, batch);
  }
  return taken;
}

void KafkaSource::SetKafkaField(const rd_kafka_message_t& message, uint32_t row,
                                cep::Batch* batch) {
  using cep::MapEntry;
  using cep::Value;
  Arena& arena = batch->arena;
  const auto text = [&arena](const void* bytes, size_t size) {
    return arena.Copy({static_cast<const char*>(bytes), size});
  };
  // Keys and headers are bytes; those that are UTF-8 are texts.
  const auto value_of = [&text](const void* bytes, size_t size) {
    const bool is_text = simdjson::validate_utf8(static_cast<const char*>(bytes), size);
    return is_text ? Value::String(text(bytes, size)) : Value::Bytes(text(bytes, size));
  };
  rd_kafka_timestamp_type_t type;
  const int64_t ms = rd_kafka_message_timestamp(&message, &type);
  std::vector<MapEntry> headers;
  rd_kafka_headers_t* raw = nullptr;
  if (rd_kafka_message_headers(&message, &raw) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t i = 0;
         rd_kafka_header_get_all(raw, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      const std::string_view key = text(name, std::strlen(name));
      const Value v = value == nullptr ? Value::Null() : value_of(value, size);
      const auto same = std::find_if(headers.begin(), headers.end(),
                                     [key](const MapEntry& e) { return e.key.text() == key; });
      // Of a header that comes twice the last one counts, as of a field.
      if (same != headers.end()) {
        same->value = v;
      } else {
        headers.push_back({Value::String(key), v});
      }
    }
  }
  const auto map = [&arena](const std::vector<MapEntry>& entries) {
    auto* copy = static_cast<MapEntry*>(
        arena.Allocate(std::max<size_t>(1, entries.size()) * sizeof(MapEntry)));
    std::uninitialized_copy(entries.begin(), entries.end(), copy);
    return Value::Map(copy, static_cast<uint32_t>(entries.size()));
  };
  std::vector<MapEntry> fields;
  const auto add = [&fields](std::string_view name, Value value) {
    fields.push_back({Value::String(name), value});
  };
  if (message.key != nullptr) add("key", value_of(message.key, message.key_len));
  if (ms >= 0) {
    add("timestamp", Value::Time(cep::ValueTag::kTimestamp, ms / 1000,
                                 static_cast<int32_t>(ms % 1000) * 1'000'000));
  }
  add("headers", map(headers));
  const std::string topic = TopicOf(message);
  add("topic", Value::String(text(topic.data(), topic.size())));
  add("partition", Value::Int(message.partition));
  add("offset", Value::Int(message.offset));
  batch->columns[static_cast<size_t>(kafka_slot_)].values()[row] = map(fields);
}

void KafkaSource::Publish(const std::vector<uint64_t>& next_offsets) {
  const io::KafkaPtr<rd_kafka_topic_partition_list_t> list(
      rd_kafka_topic_partition_list_new(static_cast<int>(next_offsets.size())));
  for (size_t i = 0; i < next_offsets.size(); ++i) {
    const auto offset = static_cast<int64_t>(next_offsets[i]);
    PartitionState& state = states_[i];
    // Before anything of it was read its start may be a logical one, which is no position.
    if (offset == state.published || (offset == 0 && state.next_offset == 0)) continue;
    state.published = offset;
    rd_kafka_topic_partition_list_add(list.get(), state.id.topic.c_str(),
                                      static_cast<int32_t>(state.id.number))
        ->offset = offset;
  }
  if (list->cnt > 0) rd_kafka_commit(client_.get(), list.get(), 1);
}

}  // namespace vigil::ingest
