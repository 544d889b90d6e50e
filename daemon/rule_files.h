// Rules kept in files: read and watched where the configuration's `rules` lead, and edited.
//
// An edit of several files is one: it is written to `.vigil-edit.json` first, in the folder of
// rules (beside the first file, where there is none), synced, and the files follow from it. Whoever
// reads finishes an edit that a crash has left. Its paths must be ones that `rules` stands for.
// Tests: tests/daemon/rule_files_test.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/rule_store.h"
#include "io/file_watch.h"

namespace vigil::daemon {

class RuleFiles : public RuleStore {
 public:
  // `paths`: of files and folders; not empty. Errors: FileWatch::Create()'s.
  static StatusOr<std::unique_ptr<RuleFiles>> Create(std::vector<std::string> paths);

  rules::RuleTexts Read() override;
  Change Wait(int limit_ms) override;
  void Wake() override { watch_->Wake(); }
  void Rewatch() override { watch_->Set(paths_); }
  StatusOr<std::string> FileFor(std::string_view name) const override;
  Status Stage(const RuleEdit& edit) override;
  Status Finish() override;
  Status Drop() override;

 private:
  RuleFiles(std::vector<std::string> paths, std::unique_ptr<io::FileWatch> watch);
  bool IsOurs(const std::string& path) const;

  const std::vector<std::string> paths_;
  const std::unique_ptr<io::FileWatch> watch_;
  std::string folder_;  // the first of the paths that is one; empty: none
  std::string staged_;  // the path of a staged edit
};

}  // namespace vigil::daemon
