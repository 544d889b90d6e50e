// Rules kept in files: edits of several files that a crash cuts off anywhere, and what may not be
// written.
#include "daemon/rule_files.h"

#include <filesystem>

#include <catch2/catch.hpp>

#include "tests/support/process.h"

namespace vigil::daemon {
namespace {

namespace fs = std::filesystem;

constexpr char kStaged[] = "rules/.vigil-edit.json";

struct Setup {
  Setup() {
    fs::create_directory(dir.Path("rules"));
    dir.Write("rules/a.yaml", "a");
    dir.Write("rules/b.yaml", "b");
    Open();
  }
  void Open() { files = *RuleFiles::Create({dir.Path("rules"), dir.Path("one.yaml")}); }
  std::string Read() const {
    std::string all;
    for (const rules::NamedText& text : files->Read().texts) {
      all += fs::path(text.name).filename().string() + "=" + text.text + " ";
    }
    return all;
  }

  testing::TempDir dir;
  std::unique_ptr<RuleFiles> files;
};

TEST_CASE("RuleFiles: an edit that is staged is there whole, whenever it is cut off",
          "[daemon][unit]") {
  Setup setup;
  setup.dir.Write("one.yaml", "1");
  const RuleEdit edit{{{setup.dir.Path("rules/a.yaml"), "A \"quoted\"\n\xC3\xA9"},
                       {setup.dir.Path("rules/more/c.yaml"), "c"}},
                      {setup.dir.Path("rules/b.yaml")}};
  REQUIRE(setup.files->Stage(edit).ok());
  const std::string staged = testing::ReadFile(setup.dir.Path(kStaged));
  const std::string after = "a.yaml=A \"quoted\"\n\xC3\xA9 c.yaml=c one.yaml=1 ";
  // Nothing done, some of it done, all done but not forgotten: the next look finishes it.
  for (int done = 0; done < 4; ++done) {
    INFO(done);
    setup.dir.Write("rules/a.yaml", done > 0 ? edit.write[0].text : "a");
    fs::remove_all(setup.dir.Path("rules/more"));
    if (done > 1) {
      fs::create_directory(setup.dir.Path("rules/more"));
      setup.dir.Write("rules/more/c.yaml", "c");
    }
    if (done < 3) setup.dir.Write("rules/b.yaml", "b");
    setup.dir.Write(kStaged, staged);
    setup.Open();
    CHECK(setup.Read() == after);
    CHECK_FALSE(fs::exists(setup.dir.Path(kStaged)));
  }
  // Dropped: as if it had not been.
  REQUIRE(setup.files->Stage({{{setup.dir.Path("rules/a.yaml"), "x"}}, {}}).ok());
  REQUIRE(setup.files->Drop().ok());
  CHECK(setup.Read() == after);
}

TEST_CASE("RuleFiles: a staged edit that is damaged or leads elsewhere is an error, not done",
          "[daemon][unit]") {
  Setup setup;
  setup.dir.Write("one.yaml", "1");
  setup.dir.Write("other.yaml", "o");
  const std::string elsewhere = setup.dir.Path("other.yaml");
  for (const std::string& json :
       {std::string("{\"write\":["), std::string("[]"),
        "{\"write\":[{\"file\":\"" + elsewhere + "\",\"text\":\"x\"}],\"remove\":[]}",
        "{\"write\":[],\"remove\":[\"" + setup.dir.Path("rules/../other.yaml") + "\"]}",
        "{\"write\":[{\"file\":\"" + setup.dir.Path("rules/a.yaml") +
            "\",\"text\":\"x\"}],\"remove\":[\"" + elsewhere + "\"]}"}) {
    INFO(json);
    setup.dir.Write(kStaged, json);
    const rules::RuleTexts read = setup.files->Read();
    CHECK(rules::HasErrors(read.diagnostics));
    CHECK(testing::ReadFile(elsewhere) == "o");
    CHECK(testing::ReadFile(setup.dir.Path("rules/a.yaml")) == "a");
  }
}

TEST_CASE("RuleFiles: names of new files", "[daemon][unit]") {
  Setup setup;
  const auto file = [&](const std::string& name) { return setup.files->FileFor(name); };
  CHECK(*file("c.yaml") == setup.dir.Path("rules/c.yaml"));
  CHECK(*file("more/c.json") == setup.dir.Path("rules/more/c.json"));
  CHECK(*file(setup.dir.Path("one.yaml")) == setup.dir.Path("one.yaml"));
  for (const std::string& name :
       {std::string(), std::string("c.txt"), std::string("c.test.yaml"), std::string("../c.yaml"),
        std::string("more/../../c.yaml"), std::string("/etc/c.yaml"), setup.dir.Path("c.yaml"),
        std::string("c\0.yaml", 7)}) {
    INFO(name);
    CHECK(absl::IsInvalidArgument(file(name).status()));
  }
  const auto only = *RuleFiles::Create({setup.dir.Path("one.yaml")});
  CHECK(absl::IsFailedPrecondition(only->FileFor("c.yaml").status()));
}

TEST_CASE("RuleFiles: what a link leads to is written, the link stays", "[daemon][unit]") {
  Setup setup;
  setup.dir.Write("real.yaml", "r");
  fs::create_symlink("../real.yaml", setup.dir.Path("rules/l.yaml"));
  REQUIRE(setup.files->Stage({{{setup.dir.Path("rules/l.yaml"), "new"}}, {}}).ok());
  REQUIRE(setup.files->Finish().ok());
  CHECK(fs::is_symlink(setup.dir.Path("rules/l.yaml")));
  CHECK(testing::ReadFile(setup.dir.Path("real.yaml")) == "new");
}

}  // namespace
}  // namespace vigil::daemon
