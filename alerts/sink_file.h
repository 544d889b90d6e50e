// A LineSink that writes to a file or to standard output.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "alerts/line_sink.h"
#include "cep/base/status.h"

namespace vigil::alerts {

// Thread safety: none. The destructor writes what waits as Flush() does, but has no way to say that
// it failed.
class FileSink : public LineSink {
 public:
  // Creates or truncates the file at `path`; `-` is standard output.
  // Errors: as open(2), naming the path.
  static StatusOr<std::unique_ptr<FileSink>> Open(const std::string& path);
  ~FileSink() override;

  Status Write(std::string_view lines) override;
  Status Flush() override;

 private:
  struct Closer {
    void operator()(std::FILE* file) const;
  };

  FileSink(std::string name, std::FILE* file);
  Status WriteBuffer();
  Status Failed(int error) const;

  std::string name_;  // as messages name it
  std::unique_ptr<std::FILE, Closer> file_;
  std::string buffer_;
};

}  // namespace vigil::alerts
