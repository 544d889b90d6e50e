// Ids: what they tell apart, what they do not depend on, and that they stay what they are.

#include "alerts/identity.h"

#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "alerts/match_stages.h"
#include "tests/alerts/fakes.h"

namespace vigil::alerts {
namespace {

std::string IdOf(FakeMatch match, std::string_view rule = "r", size_t stages = 2) {
  MatchStages grouped;
  std::string scratch;
  return ToHex(AlertId(rule, match.get(), grouped.Group(match.get(), stages), &scratch));
}

}  // namespace

TEST_CASE("AlertId: tells apart what differs", "[alerts][unit]") {
  const cep::Partition other{"", "", 0, "other.jsonl"};
  const std::vector<std::string> ids = {
      IdOf(FakeMatch().Add(0, 1).Add(1, 2).Add(1, 3)),
      IdOf(FakeMatch().Add(0, 1).Add(0, 2).Add(1, 3)),
      IdOf(FakeMatch().Add(0, 1).Add(1, 2)),
      IdOf(FakeMatch().Add(0, 1).Add(1, 3).Add(1, 2)),
      IdOf(FakeMatch().Add(0, 1).Add(1, 2).Add(1, 3), "s"),
      IdOf(FakeMatch(TextKey("A2")).Add(0, 1).Add(1, 2).Add(1, 3)),
      IdOf(FakeMatch().Add(0, 1, "{}", other).Add(1, 2).Add(1, 3)),
      IdOf(FakeMatch().Add(0, 1).Add(1, 2).Add(1, 3).TimedOutAt(5)),
      IdOf(FakeMatch().Add(0, 1).Add(1, 2).Add(1, 3).TimedOutAt(6)),
  };
  CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == ids.size());
}

TEST_CASE("AlertId: depends on positions, not on when or how events came", "[alerts][unit]") {
  FakeMatch a;
  a.Add(0, 1, R"({"x":1})").Add(1, 2);
  FakeMatch b;
  b.Add(1, 2).Add(0, 1);  // accepted in another order across stages
  CHECK(IdOf(a) == IdOf(b));
}

TEST_CASE("AlertId: is the hash of the documented bytes", "[alerts][unit]") {
  const std::string place = "in.jsonl";
  std::string bytes;
  bytes += '\x01';
  bytes += std::string("\0\0\0\1r", 5);
  bytes += std::string("\0\0\0\7", 4) + TextKey("A1");
  bytes += std::string("\0\0\0\2", 4);  // stages
  bytes += std::string("\0\0\0\1\0\0\0\x8", 8) + place + std::string("\0\0\0\0\0\0\0\1", 8);
  bytes += std::string("\0\0\0\0", 4);  // none
  CHECK(IdOf(FakeMatch().Add(0, 1)) == ToHex(HashBytes128(bytes)));
}

TEST_CASE("AlertId: an event's own id stands for its position", "[alerts][unit]") {
  FakeMatch at_one;
  at_one.Add(0, 1).Add(1, 2);
  FakeMatch elsewhere;
  elsewhere.Add(0, 7).Add(1, 2);
  const auto id_of = [](FakeMatch& match, const std::vector<EventId>& ids) {
    MatchStages grouped;
    std::string scratch;
    return ToHex(AlertId("r", match.get(), grouped.Group(match.get(), 2), &scratch, ids));
  };
  using cep::Value;
  const EventId none;
  CHECK(id_of(at_one, {none, none}) == IdOf(at_one));
  CHECK(id_of(at_one, {{"s", Value::Int(5)}, none}) ==
        id_of(elsewhere, {{"s", Value::Int(5)}, none}));
  CHECK(id_of(at_one, {{"s", Value::Int(5)}, none}) ==
        id_of(at_one, {{"s", Value::Uint(5)}, none}));
  const std::set<std::string> different = {id_of(at_one, {{"s", Value::Int(5)}, none}),
                                           id_of(at_one, {{"s", Value::String("5")}, none}),
                                           id_of(at_one, {{"s", Value::Bytes("5")}, none}),
                                           id_of(at_one, {{"t", Value::Int(5)}, none}),
                                           id_of(at_one, {none, {"s", Value::Int(5)}}),
                                           id_of(at_one, {})};
  CHECK(different.size() == 6);
}

}  // namespace vigil::alerts
