// Runs a program and collects what it prints.
#pragma once

#include <string>
#include <vector>

namespace vigil::testing {

struct ProcessResult {
  int exit_code = -1;  // or 128 + signal
  std::string out;
  std::string err;
};

// Runs `argv` with `input` on standard input and waits for it.
ProcessResult RunProcess(const std::vector<std::string>& argv, const std::string& input = "");

// A program that runs beside the test; killed at the end if it still does.
class BackgroundProcess {
 public:
  // Standard output and standard error go to files.
  BackgroundProcess(const std::vector<std::string>& argv, const std::string& out_path,
                    const std::string& err_path);
  ~BackgroundProcess();
  BackgroundProcess(const BackgroundProcess&) = delete;
  BackgroundProcess& operator=(const BackgroundProcess&) = delete;

  void Signal(int signal) const;
  // Its exit code, or 128 + signal, once it has ended; -1 if it has not after so many seconds.
  int Wait(double seconds);
  int pid() const { return pid_; }

 private:
  int pid_ = -1;
  bool has_ended_ = false;
  int exit_code_ = -1;
};

// The `vigil` binary under test: $VIGIL_BINARY, which ctest sets.
std::string VigilBinary();

// A folder that is removed with its contents at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  // Writes a file and returns its path.
  std::string Write(const std::string& name, const std::string& contents) const;
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);

}  // namespace vigil::testing
