// Files as a live source: they are followed as they grow, are rotated, or appear.
//
// One thread reads all files of a source and splits them into records; inotify wakes it, and it
// looks four times a second where that says nothing (network file systems). Each path is a
// partition, in order of its bytes. A record's offset is where it begins in its file, in bytes;
// each time the path's file is another one (rotated by rename) or begins anew (truncated, as
// copytruncate does), kGeneration is added, so offsets only grow.
//   - A line without its end waits for it. What is left of one when a file is rotated or truncated
//     is a record.
//   - A file that was renamed is read on until nothing has come for kRotateMs, then the one that is
//     now there. A file that was read under one name is not read again under another.
//   - A file that was truncated and has grown again is known by the bytes before the place reached.
//   - Compressed files, and Avro container files (Framing::kContained), are read once, to their
//     end.
//   - A later run goes on where a former one stood, also if files have been rotated since
//     (tail_resume.h).
// Memory: that of QueuedSource, and one read and one record a file. Tests:
// tests/ingest/source_tail_test.cc, tests/daemon/live_inputs_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <utility>
#include <vector>

#include "ingest/chunk_pool.h"
#include "ingest/queued_source.h"
#include "io/byte_source.h"
#include "io/file_watch.h"

namespace vigil::ingest {

struct TailSourceOptions {
  QueuedSourceOptions source;
  // Files, or patterns of them (glob(7)); relative ones are in `folder`. A partition's topic is its
  // path as matched, without the folder.
  std::string folder;
  std::vector<std::string> paths;
  bool from_end = false;  // files that are there at the start are read from their end
  // Read up to where the files end at the start, and no further. All must be there.
  bool stop_at_end = false;
  SplitOptions split;
};

class TailSource : public QueuedSource {
 public:
  static constexpr uint64_t kGeneration = uint64_t{1} << 40;
  static constexpr size_t kMaxFiles = 1024;  // followed at a time
  static constexpr int64_t kRotateMs = 1000;

  static StatusOr<std::unique_ptr<TailSource>> Create(TailSourceOptions options,
                                                      RecordSourceLog* log);
  ~TailSource() override;

  bool can_seek() const override { return true; }
  void Resume(std::vector<cep::ResumeFrom> partitions, bool accepts_loss) override;

 private:
  using FileId = std::pair<dev_t, ino_t>;
  // One path that is followed.
  struct Tail {
    Tail(const SplitOptions& split, ChunkPool* pool) : splitter(split, pool) {}
    std::string path;
    std::string place;
    size_t partition = 0;
    RecordSplitter splitter;
    int fd = -1;
    std::unique_ptr<io::ByteSource> bytes;  // in place of `fd` where it is read once
    FileId id;
    uint64_t generation = 0;
    uint64_t position = 0;  // in the file
    // Files that were rotated while nobody followed, and are read before the path's own.
    std::deque<std::string> before;
    bool is_own = true;  // it is the path's own that is open
    int64_t stop = -1;
    std::string head;         // the file's first bytes
    std::string last;         // the bytes before `position`
    bool was_at_end = true;   // so it may have been truncated since
    int64_t rotated_ms = -1;  // since when another file has its name
    bool is_failing = false;  // and that has been said
    bool has_ended = false;
  };

  explicit TailSource(TailSourceOptions options, RecordSourceLog* log);
  Status StartProducing() override;
  void OnRoom() override;

  // On the thread of its own.
  void Run();
  Status Scan(bool at_start);
  std::vector<std::string> Find(bool at_start, Status* status) const;
  Status Open(const std::string& path, bool at_start);
  Status OpenResumed(const std::string& path, const cep::ResumeFrom& resumed);
  Status Begin(Tail* tail, const std::string& file, uint64_t position);
  bool IsReadOnce(const std::string& file) const;
  Status SkipTo(Tail* tail, const std::string& file, uint64_t position);
  Status ReadHeader(Tail* tail);
  Status BeginAtEnd(Tail* tail);
  bool Advance(Tail* tail);
  bool ReadFile(Tail* tail);
  bool ReadCompressed(Tail* tail);
  bool IsTruncated(const Tail& tail, const struct stat& now) const;
  bool FollowRotation(Tail* tail);
  bool ReadNext(Tail* tail);
  std::string FullPath(const std::string& path) const;
  void Restart(Tail* tail);
  void Finish(Tail* tail);
  void End(Tail* tail);
  bool IsRead(const FileId& id, const std::string& path);
  void Note(const char* bytes, size_t size, Tail* tail);
  void SayFailing(const std::string& what, Tail* tail);
  std::string HeadOf(const std::string& path) const;
  void Watch();

  const TailSourceOptions options_;
  ChunkPool pool_;
  bool is_resumed_ = false;  // set before the thread starts, as the following
  bool accepts_loss_ = false;
  std::vector<cep::ResumeFrom> resumed_;
  std::unique_ptr<io::FileWatch> watch_;
  std::atomic<bool> is_stopping_ = false;
  std::deque<Tail> tails_;
  // Files that were read to their end and are not open any more, with their heads; at most
  // kMaxFiles.
  std::deque<std::pair<FileId, std::string>> read_;
  bool is_full_ = false;  // of files, said
  std::thread thread_;
};

}  // namespace vigil::ingest
