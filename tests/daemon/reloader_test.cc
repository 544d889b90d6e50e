// Rules reloaded as their files change: editors, links that are turned, bad sets.
#include "daemon/reloader.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include <catch2/catch.hpp>
#include <spdlog/sinks/ostream_sink.h>

#include "daemon/rule_files.h"
#include "tests/support/process.h"

namespace vigil::daemon {
namespace {

namespace fs = std::filesystem;
using Outcome = ReloadReport::Outcome;

std::string RuleText(const std::string& id, const std::string& type) {
  return "version: 1\nrules:\n  - rule: " + id +
         "\n    key: [account]\n    pattern: [{ begin: a, where: type == '" + type +
         "' }]\n    within: 1m\n";
}

class FakeTarget : public RuleTarget {
 public:
  std::shared_ptr<const RunningRules> rules() const override {
    const std::lock_guard lock(mutex_);
    return rules_;
  }
  Status Activate(std::shared_ptr<const RunningRules> next, std::chrono::milliseconds) override {
    const std::lock_guard lock(mutex_);
    rules_ = std::move(next);
    return absl::OkStatus();
  }
  void TellRefused(const std::string& why) override { refused = why; }
  std::string refused;
  std::string Ids() const {
    std::string ids;
    const std::shared_ptr<const RunningRules> running = rules();
    for (const auto& rule : running->rules->rules) ids += rule.info.id + " ";
    return ids;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const RunningRules> rules_;
};

struct Setup {
  explicit Setup(const std::vector<std::string>& paths) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text);
    log = std::make_unique<Log>(LogFormat::kText, std::make_shared<spdlog::logger>("t", sink));
    const auto schema = std::make_shared<cep::Schema>();
    const rules::LoadResult loaded = rules::LoadRules(paths, schema);
    REQUIRE(loaded.rules != nullptr);
    REQUIRE(target.Activate(*FollowRules(nullptr, loaded.rules), {}).ok());
    store = *RuleFiles::Create(paths);
    reloader = std::make_unique<Reloader>(
        ReloaderOptions{.schema = schema, .outputs = {"alerts"}, .settle_ms = 50}, store.get(),
        &target, log.get());
  }
  bool Becomes(const std::string& ids) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (target.Ids() != ids && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return target.Ids() == ids;
  }

  std::ostringstream text;
  std::unique_ptr<Log> log;
  FakeTarget target;
  std::unique_ptr<RuleStore> store;
  std::unique_ptr<Reloader> reloader;
};

TEST_CASE("Reloader: a bad set is refused whole, and an equal one changes nothing",
          "[daemon][unit]") {
  const testing::TempDir dir;
  const std::string a = dir.Write("a.yaml", RuleText("a", "x"));
  Setup setup({a});
  CHECK(setup.reloader->Reload().outcome == Outcome::kUnchanged);
  dir.Write("a.yaml", RuleText("b", "x") + "  - rule: c\n");
  const ReloadReport bad = setup.reloader->Reload();
  CHECK(bad.outcome == Outcome::kRefused);
  CHECK(rules::HasErrors(bad.diagnostics));
  CHECK(setup.target.Ids() == "a ");
  CHECK(setup.reloader->refusals() == 1);
  CHECK(setup.target.refused == "the rules have errors");
  CHECK(setup.text.str().find("the running ones go on") != std::string::npos);
  const ReloadReport dry = setup.reloader->DryRun({{"t", RuleText("a", "y")}});
  CHECK(dry.outcome == Outcome::kAccepted);
  REQUIRE(dry.verdicts.size() == 1);
  CHECK(dry.verdicts[0].verdict == Verdict::kCompatible);
  CHECK(setup.target.Ids() == "a ");
  dir.Write("a.yaml", RuleText("b", "x"));
  CHECK(setup.reloader->Reload().outcome == Outcome::kActivated);
  CHECK(setup.target.Ids() == "b ");
  CHECK(setup.reloader->reloads() == 1);
}

TEST_CASE("Reloader: files that editors replace, several at once, new folders", "[daemon][unit]") {
  const testing::TempDir dir;
  fs::create_directory(dir.Path("rules"));
  dir.Write("rules/a.yaml", RuleText("a", "x"));
  Setup setup({dir.Path("rules")});
  setup.reloader->Watch();
  // vi: the new text under another name, then a rename over the old one.
  dir.Write("rules/a.tmp", RuleText("a2", "x"));
  fs::rename(dir.Path("rules/a.tmp"), dir.Path("rules/a.yaml"));
  CHECK(setup.Becomes("a2 "));
  for (const char* name : {"b", "c", "d"}) {
    dir.Write(std::string("rules/") + name + ".yaml", RuleText(name, "x"));
  }
  CHECK(setup.Becomes("a2 b c d "));
  fs::create_directory(dir.Path("rules/more"));
  dir.Write("rules/more/e.yaml", RuleText("e", "x"));
  CHECK(setup.Becomes("a2 b c d e "));
  dir.Write("rules/more/e.yaml", RuleText("f", "x"));
  CHECK(setup.Becomes("a2 b c d f "));
  fs::remove_all(dir.Path("rules/more"));
  CHECK(setup.Becomes("a2 b c d "));
}

TEST_CASE("Reloader: a link that is turned to another folder, as ConfigMaps are",
          "[daemon][unit]") {
  const testing::TempDir dir;
  fs::create_directories(dir.Path("mount/..1"));
  fs::create_directories(dir.Path("mount/..2"));
  dir.Write("mount/..1/a.yaml", RuleText("one", "x"));
  dir.Write("mount/..2/a.yaml", RuleText("two", "x"));
  fs::create_symlink("..1", dir.Path("mount/..data"));
  fs::create_symlink("..data/a.yaml", dir.Path("mount/a.yaml"));
  Setup setup({dir.Path("mount/a.yaml")});
  setup.reloader->Watch();
  CHECK(setup.target.Ids() == "one ");
  fs::create_symlink("..2", dir.Path("mount/..tmp"));
  fs::rename(dir.Path("mount/..tmp"), dir.Path("mount/..data"));
  CHECK(setup.Becomes("two "));
}

TEST_CASE("Reloader: asked to, it looks without a change of files", "[daemon][unit]") {
  const testing::TempDir dir;
  const std::string a = dir.Write("a.yaml", RuleText("a", "x"));
  Setup setup({a});
  dir.Write("a.yaml", RuleText("b", "x"));
  setup.reloader->Watch();  // too late to see that change
  setup.reloader->ReloadSoon();
  CHECK(setup.Becomes("b "));
}

}  // namespace
}  // namespace vigil::daemon
