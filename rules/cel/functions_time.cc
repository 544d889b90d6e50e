// Parts of timestamps and durations. Without a zone a timestamp's parts are those in UTC.
#include <algorithm>
#include <cctype>
#include <functional>
#include <mutex>
#include <set>
#include <string>

#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include "rules/cel/functions.h"
#include "rules/cel/time.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;

// Names that can be those of the time zone database: no paths.
bool MayBeName(std::string_view name) {
  constexpr size_t kMaxName = 64;
  if (name.empty() || name.size() > kMaxName || name.front() == '/' || name.front() == '.') {
    return false;
  }
  return name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '/' || c == '_' || c == '-' || c == '+';
         });
}

// A zone of the database. Abseil keeps every name it is asked for, found or not, for good: names
// come from events, so no more than kMaxNames are ever passed on. Thread safe.
bool LoadZone(std::string_view name, absl::TimeZone* zone) {
  constexpr size_t kMaxNames = 2000;  // the database has about 600
  if (!MayBeName(name)) return false;
  thread_local std::string last_name;
  thread_local absl::TimeZone last_zone;
  if (name == last_name) {
    *zone = last_zone;
    return true;
  }
  static std::mutex mutex;
  static std::set<std::string, std::less<>> asked;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (asked.find(name) == asked.end()) {
      if (asked.size() >= kMaxNames) return false;
      asked.emplace(name);
    }
  }
  if (!absl::LoadTimeZone(absl::string_view(name.data(), name.size()), zone)) return false;
  last_name = name;
  last_zone = *zone;
  return true;
}

// `Europe/Paris`, `UTC`, `+02:00`, `-02:30`, `02:00`.
bool FindZone(std::string_view name, absl::TimeZone* zone) {
  std::string_view rest = name;
  const bool negative = !rest.empty() && rest.front() == '-';
  if (!rest.empty() && (negative || rest.front() == '+')) rest.remove_prefix(1);
  const auto digit = [&](size_t i) { return rest[i] >= '0' && rest[i] <= '9'; };
  if (rest.size() == 5 && rest[2] == ':' && digit(0) && digit(1) && digit(3) && digit(4)) {
    const int hours = (rest[0] - '0') * 10 + (rest[1] - '0');
    const int minutes = (rest[3] - '0') * 10 + (rest[4] - '0');
    if (hours > 14 || minutes > 59) return false;
    *zone = absl::FixedTimeZone((hours * 60 + minutes) * 60 * (negative ? -1 : 1));
    return true;
  }
  return LoadZone(name, zone);
}

using CivilPart = int64_t (*)(const absl::CivilSecond& time);

int64_t FullYear(const absl::CivilSecond& t) { return t.year(); }
int64_t Month(const absl::CivilSecond& t) { return t.month() - 1; }
int64_t DayOfMonth(const absl::CivilSecond& t) { return t.day() - 1; }
int64_t Date(const absl::CivilSecond& t) { return t.day(); }
int64_t DayOfYear(const absl::CivilSecond& t) { return absl::GetYearDay(absl::CivilDay(t)) - 1; }
int64_t DayOfWeek(const absl::CivilSecond& t) {
  return (static_cast<int64_t>(absl::GetWeekday(absl::CivilDay(t))) + 1) % 7;  // Sunday is 0
}
int64_t Hours(const absl::CivilSecond& t) { return t.hour(); }
int64_t Minutes(const absl::CivilSecond& t) { return t.minute(); }
int64_t Seconds(const absl::CivilSecond& t) { return t.second(); }

template <CivilPart kPart>
Value InUtc(CallContext&, const Value* args) {
  return Value::Int(kPart(absl::CivilSecond(1970, 1, 1) + args[0].i));
}

template <CivilPart kPart>
Value InZone(CallContext& context, const Value* args) {
  absl::TimeZone zone;
  if (!FindZone(args[1].text(), &zone)) {
    return MakeError(context.arena, "unknown time zone `" + std::string(args[1].text()) + "`");
  }
  return Value::Int(kPart(zone.At(absl::FromUnixSeconds(args[0].i)).cs));
}

Value Milliseconds(CallContext&, const Value* args) {
  return Value::Int(args[0].nanos() / 1'000'000);
}

template <int64_t kSecondsPerUnit>
Value WholeUnits(CallContext&, const Value* args) {
  return Value::Int(args[0].i / kSecondsPerUnit);
}

}  // namespace

bool IsTimeZone(std::string_view name) {
  absl::TimeZone zone;
  return FindZone(name, &zone);
}

std::vector<FunctionRow> TimeRows() {
  return {
      {"timestamp.getFullYear() -> int", "The year.", &InUtc<FullYear>},
      {"timestamp.getFullYear(string) -> int", "The same in a time zone.", &InZone<FullYear>},
      {"timestamp.getMonth() -> int", "The month, from 0.", &InUtc<Month>},
      {"timestamp.getMonth(string) -> int", "The same in a time zone.", &InZone<Month>},
      {"timestamp.getDayOfMonth() -> int", "The day of the month, from 0.", &InUtc<DayOfMonth>},
      {"timestamp.getDayOfMonth(string) -> int", "The same in a time zone.", &InZone<DayOfMonth>},
      {"timestamp.getDate() -> int", "The day of the month, from 1.", &InUtc<Date>},
      {"timestamp.getDate(string) -> int", "The same in a time zone.", &InZone<Date>},
      {"timestamp.getDayOfYear() -> int", "The day of the year, from 0.", &InUtc<DayOfYear>},
      {"timestamp.getDayOfYear(string) -> int", "The same in a time zone.", &InZone<DayOfYear>},
      {"timestamp.getDayOfWeek() -> int", "The day of the week, Sunday 0.", &InUtc<DayOfWeek>},
      {"timestamp.getDayOfWeek(string) -> int", "The same in a time zone.", &InZone<DayOfWeek>},
      {"timestamp.getHours() -> int", "The hour.", &InUtc<Hours>},
      {"timestamp.getHours(string) -> int", "The same in a time zone.", &InZone<Hours>},
      {"timestamp.getMinutes() -> int", "The minute.", &InUtc<Minutes>},
      {"timestamp.getMinutes(string) -> int", "The same in a time zone.", &InZone<Minutes>},
      {"timestamp.getSeconds() -> int", "The second.", &InUtc<Seconds>},
      {"timestamp.getSeconds(string) -> int", "The same in a time zone.", &InZone<Seconds>},
      {"timestamp.getMilliseconds() -> int", "The milliseconds.", &Milliseconds},
      {"timestamp.getMilliseconds(string) -> int", "The same in a time zone.", &Milliseconds},
      {"duration.getHours() -> int", "All of it in whole hours.", &WholeUnits<3600>},
      {"duration.getMinutes() -> int", "All of it in whole minutes.", &WholeUnits<60>},
      {"duration.getSeconds() -> int", "All of it in whole seconds.", &WholeUnits<1>},
      {"duration.getMilliseconds() -> int", "The milliseconds past the whole seconds.",
       &Milliseconds},
  };
}

}  // namespace vigil::rules::cel
