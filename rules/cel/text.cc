#include "rules/cel/text.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rules/cel/format.h"
#include "rules/cel/functions.h"
#include "rules/cel/parser.h"

namespace vigil::rules::cel {
namespace {

constexpr size_t kShortText = 40;

// Binding strength of what an expression prints as; arguments that bind weaker get parentheses.
enum Strength : uint8_t {
  kConditionalStrength,
  kOrStrength,
  kAndStrength,
  kCompareStrength,
  kAddStrength,
  kMultiplyStrength,
  kUnaryStrength,
  kMemberStrength,  // one more is stronger than all
};

Strength StrengthOfCall(const Expr& expr) {
  if (!IsOperator(expr.name)) return kMemberStrength;
  if (expr.args.size() == 1) return kUnaryStrength;
  return expr.name == "_+_" || expr.name == "_-_" ? kAddStrength : kMultiplyStrength;
}

bool IsNegativeNumber(const cep::Value& value) {
  return (value.tag == cep::ValueTag::kInt && value.i < 0) ||
         (value.tag == cep::ValueTag::kDouble && value.d < 0);
}

Strength StrengthOf(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kConditional:
      return kConditionalStrength;
    case ExprKind::kOr:
      return kOrStrength;
    case ExprKind::kAnd:
      return kAndStrength;
    case ExprKind::kCompare:
      return kCompareStrength;
    case ExprKind::kCall:
      return StrengthOfCall(expr);
    case ExprKind::kLiteral:
      return IsNegativeNumber(expr.literal) ? kUnaryStrength : kMemberStrength;
    default:
      return kMemberStrength;
  }
}

// Whether what it prints as begins with a literal, as `1` and `1.x` do.
bool StartsWithLiteral(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kLiteral:
      return true;
    case ExprKind::kSelect:
    case ExprKind::kIndex:
    case ExprKind::kComprehension:
    case ExprKind::kOptionalMap:
      return !expr.args.empty() && StartsWithLiteral(*expr.args[0]);
    case ExprKind::kCall:
      return expr.is_member && StartsWithLiteral(*expr.args[0]);
    default:
      return expr.ref == RefKind::kInlined && StartsWithLiteral(*expr.args[0]);
  }
}

bool IsPlainName(const std::string& name) {
  const auto plain = [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), plain);
}

class Printer {
 public:
  explicit Printer(size_t limit) : limit_(limit) {}

  std::string Run(const Expr& expr) {
    Print(expr);
    return std::move(out_);
  }

 private:
  void Print(const Expr& expr) {
    if (out_.size() > limit_) return;
    if (expr.ref == RefKind::kInlined) return Print(*expr.args[0]);
    switch (expr.kind) {
      case ExprKind::kError:
        out_ += "?";
        break;
      case ExprKind::kLiteral:
        out_ += FormatLiteral(expr.literal);
        break;
      case ExprKind::kIdent:
        PrintName(expr);
        break;
      case ExprKind::kSelect:
        PrintSelect(expr);
        break;
      case ExprKind::kHas:
        PrintHas(expr);
        break;
      case ExprKind::kIndex:
        PrintIndex(expr);
        break;
      case ExprKind::kCall:
        PrintCall(expr);
        break;
      case ExprKind::kList:
        PrintList(expr);
        break;
      case ExprKind::kMap:
        PrintMap(expr);
        break;
      case ExprKind::kMessage:
        out_ += expr.name + "{}";
        break;
      case ExprKind::kAnd:
        PrintChain(expr, " && ", kAndStrength);
        break;
      case ExprKind::kOr:
        PrintChain(expr, " || ", kOrStrength);
        break;
      case ExprKind::kConditional:
        PrintConditional(expr);
        break;
      case ExprKind::kCompare:
        PrintCompare(expr);
        break;
      case ExprKind::kComprehension:
      case ExprKind::kOptionalMap:
        PrintComprehension(expr);
        break;
      case ExprKind::kBind:
        PrintBind(expr);
        break;
    }
  }

  void PrintAt(const Expr& expr, Strength at_least) {
    const Expr* inner = &expr;
    while (inner->ref == RefKind::kInlined) inner = inner->args[0];
    const bool parentheses = StrengthOf(*inner) < at_least;
    if (parentheses) out_ += '(';
    Print(*inner);
    if (parentheses) out_ += ')';
  }

  // A define put into a macro may name what the macro's variable hides: `.name` does not look at
  // variables.
  void PrintName(const Expr& expr) {
    const bool hidden = expr.ref != RefKind::kLocal && expr.ref != RefKind::kNone &&
                        std::find(bound_.begin(), bound_.end(), expr.name) != bound_.end();
    if (expr.is_absolute || hidden) out_ += '.';
    out_ += expr.name;
  }

  void PrintFieldName(const std::string& name) {
    out_ += IsPlainName(name) ? name : "`" + name + "`";
  }

  void PrintSelect(const Expr& expr) {
    // `event.x` and `x` are the same field, unless the name alone means something else.
    const bool is_field = expr.ref == RefKind::kField;
    if (is_field && !expr.is_absolute && !expr.is_optional && IsPlainName(expr.name) &&
        !IsReservedWord(expr.name)) {
      return PrintName(expr);
    }
    if (is_field) {
      out_ += "event";
    } else {
      PrintAt(*expr.args[0], kMemberStrength);
    }
    out_ += expr.is_optional ? ".?" : ".";
    PrintFieldName(expr.name);
  }

  void PrintHas(const Expr& expr) {
    out_ += "has(";
    if (expr.ref == RefKind::kField) {
      out_ += "event";
    } else {
      PrintAt(*expr.args[0], kMemberStrength);
    }
    out_ += '.';
    PrintFieldName(expr.name);
    out_ += ')';
  }

  void PrintIndex(const Expr& expr) {
    PrintAt(*expr.args[0], kMemberStrength);
    out_ += expr.is_optional ? "[?" : "[";
    Print(*expr.args[1]);
    out_ += ']';
  }

  void PrintCall(const Expr& expr) {
    if (!IsOperator(expr.name)) {
      if (expr.is_member) {
        PrintAt(*expr.args[0], kMemberStrength);
        out_ += '.';
      } else if (expr.is_absolute) {
        out_ += '.';  // `.has(x)` is no macro
      }
      out_ += expr.name;
      return PrintArguments("(", expr.args, expr.is_member ? 1 : 0, ")");
    }
    const Strength strength = StrengthOfCall(expr);
    if (expr.args.size() == 1) {
      out_ += OperatorOf(expr.name);
      // `-(-x)` needs its parentheses no less than `-(1)`, which would read back as a literal.
      return PrintAt(*expr.args[0], expr.name == "-_" && StartsWithLiteral(*expr.args[0])
                                        ? static_cast<Strength>(kMemberStrength + 1)
                                        : kUnaryStrength);
    }
    PrintAt(*expr.args[0], strength);
    out_ += ' ';
    out_ += OperatorOf(expr.name);
    out_ += ' ';
    PrintAt(*expr.args[1], static_cast<Strength>(strength + 1));
  }

  void PrintArguments(std::string_view open, const std::vector<Expr*>& args, size_t first,
                      std::string_view close) {
    out_ += open;
    for (size_t i = first; i < args.size(); ++i) {
      if (i > first) out_ += ", ";
      Print(*args[i]);
    }
    out_ += close;
  }

  void PrintList(const Expr& expr) {
    out_ += '[';
    for (size_t i = 0; i < expr.args.size(); ++i) {
      if (i > 0) out_ += ", ";
      if (!expr.splices.empty() && expr.splices[i]) out_ += '?';
      Print(*expr.args[i]);
    }
    out_ += ']';
  }

  void PrintMap(const Expr& expr) {
    out_ += '{';
    for (size_t i = 0; i + 1 < expr.args.size(); i += 2) {
      if (i > 0) out_ += ", ";
      if (!expr.splices.empty() && expr.splices[i + 1]) out_ += '?';
      Print(*expr.args[i]);
      out_ += ": ";
      Print(*expr.args[i + 1]);
    }
    out_ += '}';
  }

  void PrintChain(const Expr& expr, std::string_view separator, Strength strength) {
    // Where others were folded away: alone, the term would not be an error where it is null.
    if (expr.args.size() == 1) {
      out_ += expr.kind == ExprKind::kAnd ? "true" : "false";
      out_ += separator;
    }
    for (size_t i = 0; i < expr.args.size(); ++i) {
      if (i > 0) out_ += separator;
      PrintAt(*expr.args[i], static_cast<Strength>(strength + 1));
    }
  }

  void PrintConditional(const Expr& expr) {
    PrintAt(*expr.args[0], kOrStrength);
    out_ += " ? ";
    PrintAt(*expr.args[1], kOrStrength);
    out_ += " : ";
    Print(*expr.args[2]);
  }

  void PrintCompare(const Expr& expr) {
    PrintAt(*expr.args[0], kCompareStrength);
    out_ += ' ';
    out_ += OperatorText(expr.op);
    out_ += ' ';
    PrintAt(*expr.args[1], kAddStrength);
  }

  void PrintComprehension(const Expr& expr) {
    PrintAt(*expr.args[0], kMemberStrength);
    out_ += '.';
    out_ += MacroName(expr.macro);
    out_ += '(';
    out_ += expr.name;
    bound_.push_back(expr.name);
    if (!expr.second_name.empty()) {
      out_ += ", " + expr.second_name;
      bound_.push_back(expr.second_name);
    }
    for (size_t i = 1; i < expr.args.size(); ++i) {
      out_ += ", ";
      Print(*expr.args[i]);
    }
    if (!expr.second_name.empty()) bound_.pop_back();
    bound_.pop_back();
    out_ += ')';
  }

  void PrintBind(const Expr& expr) {
    out_ += "cel.bind(" + expr.name + ", ";
    Print(*expr.args[0]);
    out_ += ", ";
    bound_.push_back(expr.name);
    Print(*expr.args[1]);
    bound_.pop_back();
    out_ += ')';
  }

  size_t limit_;
  std::string out_;
  std::vector<std::string> bound_;  // variables of the macros around
};

}  // namespace

std::string ToText(const Expr& expr) { return Printer(SIZE_MAX).Run(expr); }

std::string ToShortText(const Expr& expr) {
  std::string text = Printer(kShortText).Run(expr);
  if (text.size() > kShortText) return "...";
  return text;
}

}  // namespace vigil::rules::cel
