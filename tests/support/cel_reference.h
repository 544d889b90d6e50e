// CEL by another way: random typed expressions, and an evaluator that walks their tree.
//
// The evaluator shares nothing with rules/cel but the language: it knows no programs, columns or
// arenas, evaluates each node where it stands and copies every value. Slow and plain on purpose.
// It covers what is compiled in ways of its own: scalars, comparisons, logic, conditionals, fields
// that may be absent or null, earlier stages, lists, macros, bindings, optional fields.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vigil::testing {

// A value; `kind` says which member counts.
struct CelValue {
  enum class Kind : uint8_t { kError, kNull, kBool, kInt, kDouble, kString, kList };
  Kind kind = Kind::kError;
  bool b = false;
  int64_t i = 0;
  double d = 0;
  std::string s;
  std::vector<CelValue> items;

  static CelValue Error() { return {}; }
  static CelValue Null();
  static CelValue Bool(bool v);
  static CelValue Int(int64_t v);
  static CelValue Double(double v);
  static CelValue String(std::string v);
  static CelValue List(std::vector<CelValue> v);

  bool is_error() const { return kind == Kind::kError; }
  // For messages; NaN is `NaN`, errors are `error`.
  std::string ToString() const;
};

// Same kind and value; NaN is the same as NaN.
bool SameCelValue(const CelValue& a, const CelValue& b);

// The fields of an event that are there.
using CelEvent = std::map<std::string, CelValue>;

// What an expression is evaluated over: the event at hand, the one of stage `login`, those of stage
// `rise`. Fields: flag bool, count int, amount double, country and type string, any dyn, tags
// list(string), nums list(int).
struct CelScope {
  CelEvent event;
  CelEvent login;
  std::vector<CelEvent> rise;
};

enum class CelKind : uint8_t { kBool, kInt, kDouble, kString, kInts, kStrings };

// The variables of macros, the innermost last.
using CelLocals = std::vector<std::pair<std::string, CelValue>>;

// Decisions that a generator takes, one after the other. Where they run out, each is 0, the
// simplest: fewer and smaller decisions make a simpler expression.
class Choices {
 public:
  explicit Choices(std::vector<uint16_t> values) : values_(std::move(values)) {}

  // In [0, count).
  uint32_t Next(uint32_t count) { return at_ < values_.size() ? values_[at_++] % count : 0; }
  bool exhausted() const { return at_ >= values_.size(); }

 private:
  std::vector<uint16_t> values_;
  size_t at_ = 0;
};

// A random expression of one kind.
class CelCase {
 public:
  CelCase(CelKind kind, bool with_stages, Choices& choices);

  const std::string& text() const { return text_; }
  CelValue Evaluate(const CelScope& scope) const;

 private:
  std::function<CelValue(const CelScope&, CelLocals&)> root_;
  std::string text_;
};

// A random event: any field may be absent, some may be null, `any` has values of several types.
CelEvent RandomCelEvent(Choices& choices);

}  // namespace vigil::testing
