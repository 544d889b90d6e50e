#include "ingest/registry.h"

#include <algorithm>
#include <set>

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <simdjson.h>

namespace vigil::ingest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kSchemaNotFound = 40403;
constexpr int kMaxReferenceDepth = 16;

// What the registry's error body says: `40403: Schema not found`.
int64_t ErrorCode(const HttpAnswer& answer, std::string* text) {
  simdjson::dom::parser parser;
  simdjson::dom::element body;
  int64_t code = 0;
  std::string_view message;
  if (parser.parse(answer.body.data(), answer.body.size()).get(body) != simdjson::SUCCESS) return 0;
  if (body["error_code"].get(code) != simdjson::SUCCESS) return 0;
  if (body["message"].get(message) == simdjson::SUCCESS) {
    *text = absl::StrCat(" (", std::string(message.substr(0, 200)), ")");
  }
  return code;
}

std::string EscapePath(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (is_plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

// Fetches one schema with what it refers to.
class Fetcher {
 public:
  Fetcher(const RegistryHttp& http, const std::atomic<bool>& stop) : http_(http), stop_(stop) {}

  // NOT_FOUND: the registry says that there is none.
  Status Fetch(const std::string& path, int64_t not_found, RegisteredSchema* out) {
    std::string text;
    RETURN_IF_ERROR(Load(path, not_found, &out->kind, &text, 1));
    out->text = std::move(text);
    out->references = std::move(references_);
    return absl::OkStatus();
  }

 private:
  // Recursion is bounded by kMaxReferenceDepth.
  Status Load(const std::string& path, int64_t not_found, RegisteredSchema::Kind* kind,
              std::string* text, int depth) {
    ASSIGN_OR_RETURN(const HttpAnswer answer, http_.Get(path, stop_));
    std::string why;
    if (answer.status == 404) {
      const int64_t code = ErrorCode(answer, &why);
      if (code != 0 && (not_found == 0 || code == not_found)) {
        return absl::NotFoundError(absl::StrCat("no such schema", why));
      }
    }
    if (answer.status != 200) {
      ErrorCode(answer, &why);
      return absl::UnavailableError(
          absl::StrCat("GET ", path, " answered ", answer.status, why,
                       answer.status == 404 ? ": is the URL right?" : ""));
    }
    simdjson::dom::parser parser;
    simdjson::dom::element body;
    std::string_view schema;
    std::string_view type = "AVRO";
    if (parser.parse(answer.body.data(), answer.body.size()).get(body) != simdjson::SUCCESS ||
        body["schema"].get(schema) != simdjson::SUCCESS) {
      return absl::UnavailableError(
          absl::StrCat("GET ", path, " did not answer with a schema: is the URL right?"));
    }
    if (body["schemaType"].get(type) != simdjson::SUCCESS) type = "AVRO";
    *kind = type == "AVRO"       ? RegisteredSchema::Kind::kAvro
            : type == "PROTOBUF" ? RegisteredSchema::Kind::kProtobuf
                                 : RegisteredSchema::Kind::kOther;
    *text = std::string(schema);
    simdjson::dom::array references;
    if (body["references"].get(references) != simdjson::SUCCESS) return absl::OkStatus();
    for (const simdjson::dom::element reference : references) {
      std::string_view name;
      std::string_view subject;
      int64_t version = 0;
      if (reference["name"].get(name) != simdjson::SUCCESS ||
          reference["subject"].get(subject) != simdjson::SUCCESS ||
          reference["version"].get(version) != simdjson::SUCCESS) {
        return absl::UnavailableError(absl::StrCat("GET ", path, ": a malformed reference"));
      }
      const std::string key(name);
      if (!known_.insert(key).second) continue;
      if (depth > kMaxReferenceDepth || known_.size() > SchemaRegistry::kMaxReferences) {
        return absl::UnavailableError("a schema with too many references");
      }
      RegisteredSchema::Kind ignored{};
      std::string inner;
      const Status status =
          Load(absl::StrCat("/subjects/", EscapePath(subject), "/versions/", version), 0, &ignored,
               &inner, depth + 1);
      if (!status.ok()) {
        return absl::UnavailableError(absl::StrCat("reference `", key, "`: ", status.message()));
      }
      references_.push_back({key, std::move(inner)});
    }
    return absl::OkStatus();
  }

  const RegistryHttp& http_;
  const std::atomic<bool>& stop_;
  std::set<std::string> known_;
  std::vector<RegisteredSchema::Reference> references_;
};

}  // namespace

// One id. Fields but `is_settled` are guarded by `mutex`.
struct SchemaRegistry::Entry {
  std::atomic<bool> is_settled = false;
  std::mutex mutex;
  std::condition_variable settled;
  std::shared_ptr<const RegisteredSchema> schema;
  std::string last_error;
  uint64_t tries = 0;
  Clock::time_point missing_until;
  std::chrono::milliseconds missing_for{0};
};

class SchemaRegistry::Waiter : public Pending {
 public:
  Waiter(std::string what, std::shared_ptr<Entry> entry)
      : what_(std::move(what)), entry_(std::move(entry)) {}

  bool ready() const override { return entry_->is_settled.load(std::memory_order_acquire); }

  bool Wait(std::chrono::milliseconds limit) const override {
    std::unique_lock<std::mutex> lock(entry_->mutex);
    return entry_->settled.wait_for(lock, limit, [this] { return ready(); });
  }

  std::string Describe() const override {
    const std::lock_guard<std::mutex> lock(entry_->mutex);
    if (entry_->tries == 0) return what_;
    return absl::StrCat(what_, ": ", entry_->last_error, " (", entry_->tries,
                        entry_->tries == 1 ? " try)" : " tries)");
  }

 private:
  const std::string what_;
  const std::shared_ptr<Entry> entry_;
};

StatusOr<std::shared_ptr<SchemaRegistry>> SchemaRegistry::Create(const RegistryOptions& options) {
  ASSIGN_OR_RETURN(RegistryHttp http, RegistryHttp::Create(options));
  return std::shared_ptr<SchemaRegistry>(new SchemaRegistry(options, std::move(http)));
}

SchemaRegistry::SchemaRegistry(const RegistryOptions& options, RegistryHttp http)
    : options_(options), http_(std::move(http)), thread_([this] { Run(); }) {}

SchemaRegistry::~SchemaRegistry() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

SchemaRegistry::Answer SchemaRegistry::Get(uint32_t id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::shared_ptr<Entry>& entry = entries_[id];
  const bool is_new = entry == nullptr;
  if (is_new) entry = std::make_shared<Entry>();
  bool is_wanted = is_new;
  {
    const std::lock_guard<std::mutex> entry_lock(entry->mutex);
    if (entry->schema != nullptr) return {entry->schema, nullptr};
    if (entry->is_settled) {
      if (Clock::now() < entry->missing_until) return {};
      entry->is_settled = false;
      is_wanted = true;
    }
  }
  if (is_wanted) {
    queue_.push_back(id);
    wake_.notify_all();
  }
  return {nullptr,
          std::make_shared<Waiter>(absl::StrCat("schema ", id, " of ", http_.url()), entry)};
}

void SchemaRegistry::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    if (queue_.empty()) {
      wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
      continue;
    }
    if (Clock::now() < next_try_) {
      wake_.wait_until(lock, next_try_, [this] { return stop_.load(); });
      continue;
    }
    const uint32_t id = queue_.front();
    const std::shared_ptr<Entry> entry = entries_[id];
    lock.unlock();
    Fetch(id, entry);
    lock.lock();
    Forget();
  }
}

// Asks once, and settles the entry if that was answered.
void SchemaRegistry::Fetch(uint32_t id, const std::shared_ptr<Entry>& entry) {
  auto schema = std::make_shared<RegisteredSchema>();
  const Status status =
      Fetcher(http_, stop_).Fetch(absl::StrCat("/schemas/ids/", id), kSchemaNotFound, schema.get());
  const bool is_missing = status.code() == absl::StatusCode::kNotFound;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (status.ok() || is_missing) {
    queue_.pop_front();
    backoff_ = std::chrono::milliseconds(0);
    if (is_missing) missing_.push_back(id);
  } else {
    backoff_ = std::clamp(backoff_ * 2, options_.min_backoff, options_.max_backoff);
    next_try_ = Clock::now() + backoff_;
  }
  {
    const std::lock_guard<std::mutex> entry_lock(entry->mutex);
    if (status.ok()) {
      entry->schema = std::move(schema);
    } else if (is_missing) {
      entry->missing_for = std::clamp(entry->missing_for * 2, options_.missing_for,
                                      std::max(options_.missing_for, options_.max_backoff));
      entry->missing_until = Clock::now() + entry->missing_for;
    } else {
      ++entry->tries;
      entry->last_error = std::string(status.message());
      return;
    }
    entry->is_settled.store(true, std::memory_order_release);
  }
  entry->settled.notify_all();
}

// Forgets the oldest ids without a schema; a producer of nonsense may name four billion of them.
void SchemaRegistry::Forget() {
  while (missing_.size() > kMaxMissing) {
    const auto found = entries_.find(missing_.front());
    const bool is_queued =
        std::find(queue_.begin(), queue_.end(), missing_.front()) != queue_.end();
    missing_.pop_front();
    if (found != entries_.end() && !is_queued && found->second->is_settled) {
      const std::lock_guard<std::mutex> entry_lock(found->second->mutex);
      if (found->second->schema != nullptr) continue;
    } else {
      continue;
    }
    entries_.erase(found);
  }
}

StatusOr<RegisteredSchema> SchemaRegistry::FetchVersion(RegistryOptions options) {
  const size_t subjects = options.url.find("/subjects/");
  if (subjects == std::string::npos ||
      options.url.find("/versions/", subjects) == std::string::npos) {
    return absl::InvalidArgumentError(
        "a schema's URL ends with /subjects/SUBJECT/versions/VERSION");
  }
  const std::string path = options.url.substr(subjects);
  options.url.resize(subjects);
  ASSIGN_OR_RETURN(const RegistryHttp http, RegistryHttp::Create(options));
  const std::atomic<bool> stop = false;
  RegisteredSchema schema;
  const Status status = Fetcher(http, stop).Fetch(path, 0, &schema);
  if (status.ok()) return schema;
  return Status(status.code(), absl::StrCat(http.url(), path, ": ", status.message()));
}

}  // namespace vigil::ingest
