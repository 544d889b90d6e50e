#include "tests/support/cel_reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

namespace vigil::testing {
namespace {

using Kind = CelValue::Kind;
using Eval = std::function<CelValue(const CelScope&, CelLocals&)>;

// An expression under construction: its text, in parentheses where it needs them, and its meaning.
struct Node {
  std::string text;
  Eval eval;
};

constexpr int kMaxDepth = 6;

bool IsNumber(const CelValue& v) { return v.kind == Kind::kInt || v.kind == Kind::kDouble; }

// -1, 0, 1, or 2 where there is no order (NaN). An int and a double as the real numbers they are,
// but that the largest int is equal to 2^63.
int CompareNumbers(const CelValue& a, const CelValue& b) {
  if (a.kind == Kind::kInt && b.kind == Kind::kInt) return a.i < b.i ? -1 : a.i > b.i;
  if (a.kind == Kind::kDouble && b.kind == Kind::kDouble) {
    if (std::isnan(a.d) || std::isnan(b.d)) return 2;
    return a.d < b.d ? -1 : a.d > b.d;
  }
  if (a.kind == Kind::kDouble) {
    const int reversed = CompareNumbers(b, a);
    return reversed == 2 ? 2 : -reversed;
  }
  if (std::isnan(b.d)) return 2;
  if (b.d == 0x1p63 && a.i == std::numeric_limits<int64_t>::max()) return 0;
  const __float128 left = a.i;  // holds every int and every double exactly
  const __float128 right = b.d;
  return left < right ? -1 : left > right;
}

bool Equal(const CelValue& a, const CelValue& b) {
  if (IsNumber(a) && IsNumber(b)) return CompareNumbers(a, b) == 0;
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return a.b == b.b;
    case Kind::kString:
      return a.s == b.s;
    case Kind::kList:
      return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), Equal);
    default:
      return false;
  }
}

// The result of an ordering operator.
CelValue Ordered(const std::string& op, const CelValue& a, const CelValue& b) {
  int order = 0;
  if (IsNumber(a) && IsNumber(b)) {
    order = CompareNumbers(a, b);
    if (order == 2) return CelValue::Bool(false);
  } else if (a.kind == Kind::kString && b.kind == Kind::kString) {
    order = a.s < b.s ? -1 : a.s > b.s;
  } else if (a.kind == Kind::kBool && b.kind == Kind::kBool) {
    order = static_cast<int>(a.b) - static_cast<int>(b.b);
  } else {
    return CelValue::Error();
  }
  if (op == "<") return CelValue::Bool(order < 0);
  if (op == "<=") return CelValue::Bool(order <= 0);
  if (op == ">") return CelValue::Bool(order > 0);
  return CelValue::Bool(order >= 0);
}

CelValue Arithmetic(char op, const CelValue& a, const CelValue& b) {
  if (a.kind == Kind::kDouble && b.kind == Kind::kDouble) {
    switch (op) {
      case '+':
        return CelValue::Double(a.d + b.d);
      case '-':
        return CelValue::Double(a.d - b.d);
      case '*':
        return CelValue::Double(a.d * b.d);
      case '/':
        return CelValue::Double(a.d / b.d);
      default:
        return CelValue::Error();
    }
  }
  if (a.kind != Kind::kInt || b.kind != Kind::kInt) return CelValue::Error();
  __int128 result = 0;
  if ((op == '/' || op == '%') && b.i == 0) return CelValue::Error();
  switch (op) {
    case '+':
      result = static_cast<__int128>(a.i) + b.i;
      break;
    case '-':
      result = static_cast<__int128>(a.i) - b.i;
      break;
    case '*':
      result = static_cast<__int128>(a.i) * b.i;
      break;
    case '/':
      result = static_cast<__int128>(a.i) / b.i;
      break;
    default:
      // The least int by -1 overflows as its quotient does.
      if (a.i == std::numeric_limits<int64_t>::min() && b.i == -1) return CelValue::Error();
      result = static_cast<__int128>(a.i) % b.i;
      break;
  }
  if (result > std::numeric_limits<int64_t>::max() ||
      result < std::numeric_limits<int64_t>::min()) {
    return CelValue::Error();
  }
  return CelValue::Int(static_cast<int64_t>(result));
}

std::string DoubleText(double d) {
  if (std::isnan(d)) return "double('NaN')";
  if (std::isinf(d)) return d < 0 ? "double('-Infinity')" : "double('Infinity')";
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.17g", d);
  std::string text = buffer;
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

CelValue FieldOf(const CelEvent& event, const std::string& name) {
  const auto at = event.find(name);
  return at == event.end() ? CelValue::Error() : at->second;
}

int64_t CodePoints(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

class Generator {
 public:
  Generator(bool with_stages, Choices& choices) : with_stages_(with_stages), choices_(choices) {}

  Node Make(CelKind kind, int depth) {
    const bool leaf = depth >= kMaxDepth || choices_.exhausted();
    switch (kind) {
      case CelKind::kBool:
        return leaf ? BoolLeaf() : Bool(depth + 1);
      case CelKind::kInt:
        return leaf ? IntLeaf() : Int(depth + 1);
      case CelKind::kDouble:
        return leaf ? DoubleLeaf() : Double(depth + 1);
      case CelKind::kString:
        return leaf ? StringLeaf() : String(depth + 1);
      case CelKind::kInts:
        return leaf ? Field("nums") : List(kind, CelKind::kInt, depth + 1);
      case CelKind::kStrings:
        return leaf ? Field("tags") : List(kind, CelKind::kString, depth + 1);
    }
    return BoolLeaf();
  }

 private:
  template <size_t kCount>
  const char* Pick(const std::array<const char*, kCount>& words) {
    return words[choices_.Next(kCount)];
  }

  static Node Constant(std::string text, CelValue value) {
    return {std::move(text), [value](const CelScope&, CelLocals&) { return value; }};
  }

  // A strict operation: an error of an argument is the result.
  template <typename Operation>
  static Node Strict(std::string text, std::vector<Node> args, Operation operation) {
    return {std::move(text), [args, operation](const CelScope& scope, CelLocals& locals) {
              std::vector<CelValue> values;
              for (const Node& arg : args) values.push_back(arg.eval(scope, locals));
              for (const CelValue& value : values) {
                if (value.is_error()) return value;
              }
              return operation(values);
            }};
  }

  Node Field(const std::string& name) {
    const uint32_t where = choices_.Next(with_stages_ ? 4 : 2);
    if (where == 2) {
      return {"login." + name,
              [name](const CelScope& scope, CelLocals&) { return FieldOf(scope.login, name); }};
    }
    if (where == 3) {
      const auto index = static_cast<size_t>(choices_.Next(3));
      return {"rise[" + std::to_string(index) + "]." + name,
              [name, index](const CelScope& scope, CelLocals&) {
                return index < scope.rise.size() ? FieldOf(scope.rise[index], name)
                                                 : CelValue::Error();
              }};
    }
    const bool hidden = std::any_of(locals_.begin(), locals_.end(),
                                    [&](const auto& local) { return local.first == name; });
    return {where == 0 && !hidden ? name : "event." + name,
            [name](const CelScope& scope, CelLocals&) { return FieldOf(scope.event, name); }};
  }

  // A variable of a macro around, if there is one of the kind.
  bool Local(CelKind kind, Node* node) {
    std::vector<std::string> names;
    for (const auto& [name, local_kind] : locals_) {
      const bool hidden = std::any_of(locals_.rbegin(), locals_.rend(), [&](const auto& local) {
        return local.first == name && local.second != local_kind;
      });
      if (local_kind == kind && !hidden) names.push_back(name);
    }
    if (names.empty() || choices_.Next(2) == 0) return false;
    const std::string name = names[choices_.Next(static_cast<uint32_t>(names.size()))];
    *node = {name, [name](const CelScope&, CelLocals& locals) {
               for (auto at = locals.rbegin(); at != locals.rend(); ++at) {
                 if (at->first == name) return at->second;
               }
               return CelValue::Error();
             }};
    return true;
  }

  Node BoolLeaf() {
    Node local;
    if (Local(CelKind::kBool, &local)) return local;
    switch (choices_.Next(3)) {
      case 0:
        return Field("flag");
      case 1:
        return Constant("true", CelValue::Bool(true));
      default:
        return Constant("false", CelValue::Bool(false));
    }
  }

  Node IntLeaf() {
    static constexpr std::array<int64_t, 10> kInts = {0,  1,  2,         -1,        3,
                                                      10, -7, 1LL << 53, INT64_MAX, INT64_MIN};
    Node local;
    if (Local(CelKind::kInt, &local)) return local;
    if (choices_.Next(2) == 0) return Field("count");
    const int64_t value = kInts[choices_.Next(kInts.size())];
    return Constant(std::to_string(value), CelValue::Int(value));
  }

  Node DoubleLeaf() {
    static const std::array<double, 10> kDoubles = {
        0.0, 1.0, 2.5, -1.0, 0.1, 9007199254740992.0, 0x1p63, 1e300, -0.0, -0x1p63};
    Node local;
    if (Local(CelKind::kDouble, &local)) return local;
    if (choices_.Next(2) == 0) return Field("amount");
    const double value = kDoubles[choices_.Next(kDoubles.size())];
    return Constant(DoubleText(value), CelValue::Double(value));
  }

  Node StringLeaf() {
    static constexpr std::array<const char*, 6> kTexts = {"", "a", "ab", "DE", "\u00e4b", "login"};
    Node local;
    if (Local(CelKind::kString, &local)) return local;
    if (choices_.Next(2) == 0) return Field(choices_.Next(2) == 0 ? "country" : "type");
    const std::string text = Pick(kTexts);
    return Constant("\"" + text + "\"", CelValue::String(text));
  }

  Node Bool(int depth) {
    switch (choices_.Next(12)) {
      case 0:
        return BoolLeaf();
      case 1:
      case 2:
        return Comparison(depth);
      case 3:
        return Logic(true, depth);
      case 4:
        return Logic(false, depth);
      case 5: {
        Node a = Make(CelKind::kBool, depth);
        return Strict("!(" + a.text + ")", {a}, [](const std::vector<CelValue>& v) {
          return v[0].kind == Kind::kBool ? CelValue::Bool(!v[0].b) : CelValue::Error();
        });
      }
      case 6:
        return Conditional(CelKind::kBool, depth);
      case 7:
        return In(depth);
      case 8:
        return Has();
      case 9:
        return Quantifier(depth);
      case 10:
        return TextTest(depth);
      default:
        return Bind(CelKind::kBool, depth);
    }
  }

  Node Comparison(int depth) {
    static constexpr std::array<const char*, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
    const std::string op = Pick(kOperators);
    Node a;
    Node b;
    const uint32_t kinds = choices_.Next(7);
    if (kinds < 4) {
      a = Make((kinds & 1) != 0 ? CelKind::kDouble : CelKind::kInt, depth);
      b = Make((kinds & 2) != 0 ? CelKind::kDouble : CelKind::kInt, depth);
    } else if (kinds == 4) {
      a = Make(CelKind::kString, depth);
      b = Make(CelKind::kString, depth);
    } else if (kinds == 5) {
      a = Field("any");
      b = choices_.Next(2) == 0 ? IntLeaf() : StringLeaf();
    } else {
      a = Field("amount");
      b = op == "==" || op == "!=" ? Constant("null", CelValue::Null()) : DoubleLeaf();
    }
    return Strict("(" + a.text + " " + op + " " + b.text + ")", {a, b},
                  [op](const std::vector<CelValue>& v) {
                    if (op == "==") return CelValue::Bool(Equal(v[0], v[1]));
                    if (op == "!=") return CelValue::Bool(!Equal(v[0], v[1]));
                    return Ordered(op, v[0], v[1]);
                  });
  }

  // && and ||: one side may decide whatever the other is, an error too.
  Node Logic(bool is_and, int depth) {
    const uint32_t count = 2 + choices_.Next(2);
    std::vector<Node> args;
    std::string text;
    for (uint32_t i = 0; i < count; ++i) {
      args.push_back(Make(CelKind::kBool, depth));
      text += (i == 0 ? "(" : is_and ? " && " : " || ") + args.back().text;
    }
    return {text + ")", [args, is_and](const CelScope& scope, CelLocals& locals) {
              bool failed = false;
              for (const Node& arg : args) {
                const CelValue value = arg.eval(scope, locals);
                if (value.kind != Kind::kBool) {
                  failed = true;
                } else if (value.b != is_and) {
                  return value;
                }
              }
              return failed ? CelValue::Error() : CelValue::Bool(is_and);
            }};
  }

  Node Conditional(CelKind kind, int depth) {
    Node condition = Make(CelKind::kBool, depth);
    Node then = Make(kind, depth);
    Node otherwise = Make(kind, depth);
    return {"(" + condition.text + " ? " + then.text + " : " + otherwise.text + ")",
            [condition, then, otherwise](const CelScope& scope, CelLocals& locals) {
              const CelValue value = condition.eval(scope, locals);
              if (value.kind != Kind::kBool) return CelValue::Error();
              return (value.b ? then : otherwise).eval(scope, locals);
            }};
  }

  Node In(int depth) {
    const bool ints = choices_.Next(2) == 0;
    Node item = Make(ints ? CelKind::kInt : CelKind::kString, depth);
    Node list = Make(ints ? CelKind::kInts : CelKind::kStrings, depth);
    return Strict(
        "(" + item.text + " in " + list.text + ")", {item, list},
        [](const std::vector<CelValue>& v) {
          if (v[1].kind != Kind::kList) return CelValue::Error();
          const auto is_item = [&](const CelValue& x) { return Equal(v[0], x); };
          return CelValue::Bool(std::any_of(v[1].items.begin(), v[1].items.end(), is_item));
        });
  }

  Node Has() {
    static constexpr std::array<const char*, 5> kFields = {"amount", "count", "any", "country",
                                                           "tags"};
    const std::string name = Pick(kFields);
    if (with_stages_ && choices_.Next(2) == 1) {
      return {"has(login." + name + ")", [name](const CelScope& scope, CelLocals&) {
                return CelValue::Bool(scope.login.count(name) > 0);
              }};
    }
    return {"has(event." + name + ")", [name](const CelScope& scope, CelLocals&) {
              return CelValue::Bool(scope.event.count(name) > 0);
            }};
  }

  // all, exists and exists_one, over a list or its indices and items.
  Node Quantifier(int depth) {
    static constexpr std::array<const char*, 3> kMacros = {"all", "exists", "exists_one"};
    const std::string macro = Pick(kMacros);
    const bool ints = choices_.Next(2) == 0;
    const bool pair = choices_.Next(2) == 1;
    Node list = Make(ints ? CelKind::kInts : CelKind::kStrings, depth);
    const std::string variable = NewVariable();
    const std::string index = variable + "i";
    const size_t scope_size = locals_.size();
    if (pair) locals_.emplace_back(index, CelKind::kInt);
    locals_.emplace_back(variable, ints ? CelKind::kInt : CelKind::kString);
    Node body = Make(CelKind::kBool, depth);
    locals_.resize(scope_size);
    const std::string names = pair ? index + ", " + variable : variable;
    return {list.text + "." + macro + "(" + names + ", " + body.text + ")",
            [=](const CelScope& scope, CelLocals& locals) {
              const CelValue range = list.eval(scope, locals);
              if (range.kind != Kind::kList) return CelValue::Error();
              int64_t count = 0;
              bool failed = false;
              for (size_t i = 0; i < range.items.size(); ++i) {
                const CelValue value = InScope(
                    body, Variables(pair ? index : "", i, variable, range.items[i]), scope, locals);
                if (value.kind != Kind::kBool) {
                  if (macro == "exists_one") return CelValue::Error();
                  failed = true;
                } else if (macro == "exists_one") {
                  count += value.b ? 1 : 0;
                } else if (value.b == (macro == "exists")) {
                  return value;
                }
              }
              if (macro == "exists_one") return CelValue::Bool(count == 1);
              return failed ? CelValue::Error() : CelValue::Bool(macro == "all");
            }};
  }

  // The variables of one round of a macro; with an index where that has a name.
  static CelLocals Variables(const std::string& index, size_t i, const std::string& variable,
                             const CelValue& item) {
    CelLocals locals;
    if (!index.empty()) locals.emplace_back(index, CelValue::Int(static_cast<int64_t>(i)));
    locals.emplace_back(variable, item);
    return locals;
  }

  static CelValue InScope(const Node& body, const CelLocals& inner, const CelScope& scope,
                          CelLocals& locals) {
    const size_t size = locals.size();
    locals.insert(locals.end(), inner.begin(), inner.end());
    CelValue value = body.eval(scope, locals);
    locals.resize(size);
    return value;
  }

  Node TextTest(int depth) {
    static constexpr std::array<const char*, 3> kTests = {"contains", "startsWith", "endsWith"};
    const std::string test = Pick(kTests);
    Node a = Make(CelKind::kString, depth);
    Node b = Make(CelKind::kString, depth);
    return Strict(a.text + "." + test + "(" + b.text + ")", {a, b},
                  [test](const std::vector<CelValue>& v) {
                    if (v[0].kind != Kind::kString || v[1].kind != Kind::kString) {
                      return CelValue::Error();
                    }
                    const std::string& text = v[0].s;
                    const std::string& part = v[1].s;
                    if (test == "contains") {
                      return CelValue::Bool(text.find(part) != std::string::npos);
                    }
                    if (part.size() > text.size()) return CelValue::Bool(false);
                    const size_t at = test == "startsWith" ? 0 : text.size() - part.size();
                    return CelValue::Bool(text.compare(at, part.size(), part) == 0);
                  });
  }

  // cel.bind: the value is an error only where it is used.
  Node Bind(CelKind kind, int depth) {
    static constexpr std::array<CelKind, 4> kKinds = {CelKind::kInt, CelKind::kBool,
                                                      CelKind::kString, CelKind::kDouble};
    const CelKind bound = kKinds[choices_.Next(kKinds.size())];
    Node value = Make(bound, depth);
    const std::string variable = NewVariable();
    locals_.emplace_back(variable, bound);
    Node body = Make(kind, depth);
    locals_.pop_back();
    return {"cel.bind(" + variable + ", " + value.text + ", " + body.text + ")",
            [=](const CelScope& scope, CelLocals& locals) {
              const CelValue v = value.eval(scope, locals);
              return InScope(body, {{variable, v}}, scope, locals);
            }};
  }

  // event.?name.orValue(other): the other only where the event has no such field.
  Node OrValue(const std::string& name, CelKind kind, int depth) {
    Node other = Make(kind, depth);
    const bool of_login = with_stages_ && choices_.Next(2) == 1;
    return {(of_login ? "login.?" : "event.?") + name + ".orValue(" + other.text + ")",
            [=](const CelScope& scope, CelLocals& locals) {
              const CelEvent& event = of_login ? scope.login : scope.event;
              return event.count(name) > 0 ? FieldOf(event, name) : other.eval(scope, locals);
            }};
  }

  Node BinaryArithmetic(CelKind kind, const char* operators, uint32_t count, int depth) {
    const char op = operators[choices_.Next(count)];
    Node a = Make(kind, depth);
    Node b = Make(kind, depth);
    return Strict("(" + a.text + " " + std::string(1, op) + " " + b.text + ")", {a, b},
                  [op](const std::vector<CelValue>& v) { return Arithmetic(op, v[0], v[1]); });
  }

  Node Int(int depth) {
    switch (choices_.Next(9)) {
      case 0:
        return IntLeaf();
      case 1:
      case 2:
        return BinaryArithmetic(CelKind::kInt, "+-*/%", 5, depth);
      case 3: {
        Node list = Make(choices_.Next(2) == 0 ? CelKind::kInts : CelKind::kStrings, depth);
        return Strict("size(" + list.text + ")", {list}, [](const std::vector<CelValue>& v) {
          return v[0].kind == Kind::kList ? CelValue::Int(static_cast<int64_t>(v[0].items.size()))
                                          : CelValue::Error();
        });
      }
      case 4: {
        Node text = Make(CelKind::kString, depth);
        return Strict("size(" + text.text + ")", {text}, [](const std::vector<CelValue>& v) {
          return v[0].kind == Kind::kString ? CelValue::Int(CodePoints(v[0].s)) : CelValue::Error();
        });
      }
      case 5:
        return Conditional(CelKind::kInt, depth);
      case 6:
        return OrValue("count", CelKind::kInt, depth);
      case 7: {
        Node list = Make(CelKind::kInts, depth);
        Node index = Make(CelKind::kInt, depth);
        return Strict(
            list.text + "[" + index.text + "]", {list, index}, [](const std::vector<CelValue>& v) {
              const bool inside = v[0].kind == Kind::kList && v[1].kind == Kind::kInt &&
                                  v[1].i >= 0 && v[1].i < static_cast<int64_t>(v[0].items.size());
              return inside ? v[0].items[static_cast<size_t>(v[1].i)] : CelValue::Error();
            });
      }
      default: {
        Node number = Make(CelKind::kDouble, depth);
        return Strict("int(" + number.text + ")", {number}, [](const std::vector<CelValue>& v) {
          const bool fits = v[0].kind == Kind::kDouble && v[0].d > -0x1p63 && v[0].d < 0x1p63;
          return fits ? CelValue::Int(static_cast<int64_t>(v[0].d)) : CelValue::Error();
        });
      }
    }
  }

  Node Double(int depth) {
    switch (choices_.Next(6)) {
      case 0:
        return DoubleLeaf();
      case 1:
      case 2:
        return BinaryArithmetic(CelKind::kDouble, "+-*/", 4, depth);
      case 3:
        return Conditional(CelKind::kDouble, depth);
      case 4:
        return OrValue("amount", CelKind::kDouble, depth);
      default: {
        Node number = Make(CelKind::kInt, depth);
        return Strict("double(" + number.text + ")", {number}, [](const std::vector<CelValue>& v) {
          return v[0].kind == Kind::kInt ? CelValue::Double(static_cast<double>(v[0].i))
                                         : CelValue::Error();
        });
      }
    }
  }

  Node String(int depth) {
    switch (choices_.Next(6)) {
      case 0:
        return StringLeaf();
      case 1: {
        Node a = Make(CelKind::kString, depth);
        Node b = Make(CelKind::kString, depth);
        return Strict("(" + a.text + " + " + b.text + ")", {a, b},
                      [](const std::vector<CelValue>& v) {
                        return v[0].kind == Kind::kString && v[1].kind == Kind::kString
                                   ? CelValue::String(v[0].s + v[1].s)
                                   : CelValue::Error();
                      });
      }
      case 2: {
        Node number = Make(CelKind::kInt, depth);
        return Strict("string(" + number.text + ")", {number}, [](const std::vector<CelValue>& v) {
          return v[0].kind == Kind::kInt ? CelValue::String(std::to_string(v[0].i))
                                         : CelValue::Error();
        });
      }
      case 3:
        return Conditional(CelKind::kString, depth);
      case 4:
        return OrValue("country", CelKind::kString, depth);
      default:
        return Bind(CelKind::kString, depth);
    }
  }

  Node List(CelKind kind, CelKind item, int depth) {
    switch (choices_.Next(6)) {
      case 0:
        return Field(kind == CelKind::kInts ? "nums" : "tags");
      case 1:
        return Literal(item, depth);
      case 2: {
        Node a = Make(kind, depth);
        Node b = Make(kind, depth);
        return Strict("(" + a.text + " + " + b.text + ")", {a, b},
                      [](const std::vector<CelValue>& v) {
                        if (v[0].kind != Kind::kList || v[1].kind != Kind::kList) {
                          return CelValue::Error();
                        }
                        CelValue sum = v[0];
                        sum.items.insert(sum.items.end(), v[1].items.begin(), v[1].items.end());
                        return sum;
                      });
      }
      case 3:
        return Map(item, depth);
      case 4:
        return Filter(kind, item, depth);
      default:
        return Conditional(kind, depth);
    }
  }

  Node Literal(CelKind item, int depth) {
    const uint32_t count = choices_.Next(4);
    std::vector<Node> items;
    std::string text = "[";
    for (uint32_t i = 0; i < count; ++i) {
      items.push_back(Make(item, depth));
      text += (i == 0 ? "" : ", ") + items.back().text;
    }
    return Strict(text + "]", items,
                  [](const std::vector<CelValue>& v) { return CelValue::List(v); });
  }

  Node Map(CelKind item, int depth) {
    const bool from_ints = choices_.Next(2) == 0;
    const bool pair = choices_.Next(2) == 1;
    Node list = Make(from_ints ? CelKind::kInts : CelKind::kStrings, depth);
    const std::string variable = NewVariable();
    const std::string index = variable + "i";
    const size_t scope_size = locals_.size();
    if (pair) locals_.emplace_back(index, CelKind::kInt);
    locals_.emplace_back(variable, from_ints ? CelKind::kInt : CelKind::kString);
    Node body = Make(item, depth);
    locals_.resize(scope_size);
    const std::string call =
        pair ? ".transformList(" + index + ", " + variable : ".map(" + variable;
    return {list.text + call + ", " + body.text + ")",
            [=](const CelScope& scope, CelLocals& locals) {
              const CelValue range = list.eval(scope, locals);
              if (range.kind != Kind::kList) return CelValue::Error();
              CelValue out = CelValue::List({});
              for (size_t i = 0; i < range.items.size(); ++i) {
                const CelValue value = InScope(
                    body, Variables(pair ? index : "", i, variable, range.items[i]), scope, locals);
                if (value.is_error()) return value;
                out.items.push_back(value);
              }
              return out;
            }};
  }

  Node Filter(CelKind kind, CelKind item, int depth) {
    Node list = Make(kind, depth);
    const std::string variable = NewVariable();
    locals_.emplace_back(variable, item);
    Node body = Make(CelKind::kBool, depth);
    locals_.pop_back();
    return {list.text + ".filter(" + variable + ", " + body.text + ")",
            [=](const CelScope& scope, CelLocals& locals) {
              const CelValue range = list.eval(scope, locals);
              if (range.kind != Kind::kList) return CelValue::Error();
              CelValue out = CelValue::List({});
              for (const CelValue& x : range.items) {
                const CelValue value = InScope(body, {{variable, x}}, scope, locals);
                if (value.kind != Kind::kBool) return CelValue::Error();
                if (value.b) out.items.push_back(x);
              }
              return out;
            }};
  }

  // One of few names, so that variables hide each other, and fields.
  std::string NewVariable() {
    static constexpr std::array<const char*, 4> kNames = {"x", "y", "z", "count"};
    return Pick(kNames);
  }

  bool with_stages_;
  Choices& choices_;
  std::vector<std::pair<std::string, CelKind>> locals_;
};

}  // namespace

CelValue CelValue::Null() {
  CelValue v;
  v.kind = Kind::kNull;
  return v;
}

CelValue CelValue::Bool(bool b) {
  CelValue v;
  v.kind = Kind::kBool;
  v.b = b;
  return v;
}

CelValue CelValue::Int(int64_t i) {
  CelValue v;
  v.kind = Kind::kInt;
  v.i = i;
  return v;
}

CelValue CelValue::Double(double d) {
  CelValue v;
  v.kind = Kind::kDouble;
  v.d = d;
  return v;
}

CelValue CelValue::String(std::string s) {
  CelValue v;
  v.kind = Kind::kString;
  v.s = std::move(s);
  return v;
}

CelValue CelValue::List(std::vector<CelValue> items) {
  CelValue v;
  v.kind = Kind::kList;
  v.items = std::move(items);
  return v;
}

std::string CelValue::ToString() const {
  switch (kind) {
    case Kind::kError:
      return "error";
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return b ? "true" : "false";
    case Kind::kInt:
      return std::to_string(i);
    case Kind::kDouble:
      return DoubleText(d);
    case Kind::kString:
      return "\"" + s + "\"";
    case Kind::kList:
      break;
  }
  std::string out = "[";
  for (const CelValue& item : items) out += (out.size() > 1 ? ", " : "") + item.ToString();
  return out + "]";
}

bool SameCelValue(const CelValue& a, const CelValue& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == Kind::kError) return true;
  if (a.kind == Kind::kDouble && std::isnan(a.d)) return std::isnan(b.d);
  if (a.kind == Kind::kList) {
    return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), SameCelValue);
  }
  return Equal(a, b);
}

CelCase::CelCase(CelKind kind, bool with_stages, Choices& choices) {
  Node node = Generator(with_stages, choices).Make(kind, 0);
  root_ = std::move(node.eval);
  text_ = std::move(node.text);
}

CelValue CelCase::Evaluate(const CelScope& scope) const {
  CelLocals locals;
  return root_(scope, locals);
}

CelEvent RandomCelEvent(Choices& choices) {
  static const std::array<double, 6> kDoubles = {1.5, 0.0, -1.0, 1e300, 0x1p63, 2.0};
  static constexpr std::array<int64_t, 6> kInts = {1, 0, -3, 7, INT64_MAX, 1LL << 53};
  static constexpr std::array<const char*, 4> kTexts = {"DE", "a", "login", "\u00e4b"};
  CelEvent event;
  // Absent once in four times, null once in eight.
  const auto put = [&](const char* name, const std::function<CelValue()>& make) {
    const uint32_t how = choices.Next(8);
    CelValue value = make();
    if (how == 6 || how == 7) return;
    event[name] = how == 5 ? CelValue::Null() : std::move(value);
  };
  const auto text = [&] { return CelValue::String(kTexts[choices.Next(kTexts.size())]); };
  const auto number = [&] { return CelValue::Int(kInts[choices.Next(kInts.size())]); };
  put("flag", [&] { return CelValue::Bool(choices.Next(2) == 0); });
  put("count", number);
  put("amount", [&] { return CelValue::Double(kDoubles[choices.Next(kDoubles.size())]); });
  put("country", text);
  put("type", text);
  put("any", [&]() -> CelValue {
    switch (choices.Next(4)) {
      case 0:
        return number();
      case 1:
        return text();
      case 2:
        return CelValue::Bool(true);
      default:
        return CelValue::List({number()});
    }
  });
  put("tags", [&] {
    CelValue list = CelValue::List({});
    for (uint32_t i = choices.Next(4); i > 0; --i) list.items.push_back(text());
    return list;
  });
  put("nums", [&] {
    CelValue list = CelValue::List({});
    for (uint32_t i = choices.Next(4); i > 0; --i) list.items.push_back(number());
    return list;
  });
  return event;
}

}  // namespace vigil::testing
