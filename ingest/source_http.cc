#include "ingest/source_http.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <absl/strings/str_cat.h>

namespace vigil::ingest {
namespace {

constexpr size_t kPoolChunk = 256 << 10;
constexpr int kRetryAfterS = 1;

io::HttpResponse Refusal(int status, const std::string& why, int retry_after_s = 0) {
  io::HttpResponse response;
  response.status = status;
  response.body = absl::StrCat("{\"error\":\"", why, "\"}\n");
  response.retry_after_s = retry_after_s;
  return response;
}

io::HttpResponse Counts(const cep::Verdicts& verdicts) {
  io::HttpResponse response;
  response.body =
      absl::StrCat("{\"read\":", verdicts.read,
                   ",\"accepted\":", verdicts.read - verdicts.late - verdicts.quarantined,
                   ",\"late\":", verdicts.late, ",\"quarantined\":", verdicts.quarantined, "}\n");
  return response;
}

// Takes the same time wherever they differ.
bool AreEqual(const std::string& a, const std::string& b) {
  unsigned different = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    different |= static_cast<unsigned char>(a[i]) ^
                 static_cast<unsigned char>(b.empty() ? '\0' : b[i % b.size()]);
  }
  return different == 0;
}

}  // namespace

HttpSource::HttpSource(HttpSourceOptions options, RecordSourceLog* log)
    : ReceivedSource(std::move(options.source), "http", log),
      options_(std::move(options)),
      pool_(kPoolChunk) {}

HttpSource::~HttpSource() {
  std::deque<Waiting> waiting;
  {
    const std::lock_guard lock(waiting_mutex_);
    is_stopping_ = true;
    waiting.swap(waiting_);
  }
  for (Waiting& request : waiting) {
    request.respond(
        Refusal(503, "stopping before it was done with: it may have been accepted", kRetryAfterS));
  }
  waiting.clear();
  server_.reset();
}

Status HttpSource::StartProducing() {
  ASSIGN_OR_RETURN(next_offset_, Begin());
  ASSIGN_OR_RETURN(server_, io::HttpServer::Start(options_.server,
                                                  [this](io::HttpRequest request, Respond respond) {
                                                    Answer(std::move(request), std::move(respond));
                                                  }));
  Say(6, absl::StrCat("listens on ", options_.server.host, ":", server_->port()));
  return absl::OkStatus();
}

bool HttpSource::IsAllowed(const std::string& authorization) const {
  return options_.token.empty() || AreEqual(authorization, "Bearer " + options_.token);
}

void HttpSource::Answer(io::HttpRequest request, Respond respond) {
  if (!IsAllowed(request.authorization)) return respond(Refusal(401, "a token is needed"));
  if (request.path != kPath) {
    return respond(Refusal(404, absl::StrCat("events go to POST ", kPath)));
  }
  if (request.method != "POST") return respond(Refusal(405, "events are posted"));
  if (!HasRoom(0)) {
    return respond(Refusal(429, "too much waits to be read: nothing was taken", kRetryAfterS));
  }
  Take(request.body, std::move(respond));
}

void HttpSource::Take(const std::string& body, Respond respond) {
  RecordSplitter splitter(options_.split, &pool_);
  splitter.Reset(0);
  std::memcpy(splitter.Room(body.size()), body.data(), body.size());
  splitter.Added(body.size());
  RecordBlock blocks[2];
  splitter.Take(&blocks[0]);
  splitter.Finish(&blocks[1]);
  Waiting waiting;
  for (RecordBlock& block : blocks) {
    for (SplitRecord& record : block.records) record.offset = next_offset_++;
    block.next_offset = next_offset_;
    waiting.unread += block.records.size();
  }
  if (waiting.unread == 0) return respond(Counts({}));
  waiting.end = next_offset_;
  waiting.since_ms = clock().SteadyMs();
  {
    const std::lock_guard lock(waiting_mutex_);
    // Nobody would answer it any more.
    if (is_stopping_) return respond(Refusal(503, "stopping", kRetryAfterS));
    waiting.respond = std::move(respond);
    waiting_.push_back(std::move(waiting));
  }
  for (RecordBlock& block : blocks) {
    if (!block.records.empty()) Push(0, std::move(block));
  }
}

Status HttpSource::Serve() {
  SetEnd(0, true, true, -1);
  const int64_t now = clock().SteadyMs();
  std::vector<Respond> late;
  {
    const std::lock_guard lock(waiting_mutex_);
    for (Waiting& request : waiting_) {
      if (now - request.since_ms < kAnswerMs) break;
      if (request.respond != nullptr) late.push_back(std::exchange(request.respond, nullptr));
    }
  }
  for (Respond& respond : late) {
    respond(Refusal(503, "not done with in time: it may have been accepted", kRetryAfterS));
  }
  return QueuedSource::Serve();
}

// Records are read in the order of the requests, and one Read() never spans two.
void HttpSource::NoteVerdicts(size_t, const cep::Verdicts& verdicts) {
  const std::lock_guard lock(waiting_mutex_);
  const auto reading = std::find_if(waiting_.begin(), waiting_.end(),
                                    [](const Waiting& request) { return request.unread > 0; });
  if (reading == waiting_.end()) return;
  reading->unread -= verdicts.read;
  reading->verdicts.read += verdicts.read;
  reading->verdicts.late += verdicts.late;
  reading->verdicts.quarantined += verdicts.quarantined;
}

void HttpSource::Publish(const std::vector<uint64_t>& next_offsets) {
  std::vector<Waiting> done;
  {
    const std::lock_guard lock(waiting_mutex_);
    while (!waiting_.empty() && waiting_.front().end <= next_offsets[0]) {
      done.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
  }
  for (Waiting& request : done) {
    if (request.respond != nullptr) request.respond(Counts(request.verdicts));
  }
}

}  // namespace vigil::ingest
