#include "rules/cel/parser.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "rules/cel/lexer.h"
#include "rules/cel/literal.h"

namespace vigil::rules::cel {
namespace {

enum class BinaryKind : uint8_t { kOr, kAnd, kCompare, kCall };

struct BinaryRow {
  TokenKind token;
  int precedence;  // higher binds tighter
  BinaryKind kind;
  cep::CompareOp op;      // kCompare
  std::string_view name;  // kCall
};

constexpr int kLowestPrecedence = 1;
constexpr std::array kBinaries = {
    BinaryRow{TokenKind::kOr, 1, BinaryKind::kOr, {}, ""},
    BinaryRow{TokenKind::kAnd, 2, BinaryKind::kAnd, {}, ""},
    BinaryRow{TokenKind::kEqual, 3, BinaryKind::kCompare, cep::CompareOp::kEq, ""},
    BinaryRow{TokenKind::kNotEqual, 3, BinaryKind::kCompare, cep::CompareOp::kNe, ""},
    BinaryRow{TokenKind::kLess, 3, BinaryKind::kCompare, cep::CompareOp::kLt, ""},
    BinaryRow{TokenKind::kLessEqual, 3, BinaryKind::kCompare, cep::CompareOp::kLe, ""},
    BinaryRow{TokenKind::kGreater, 3, BinaryKind::kCompare, cep::CompareOp::kGt, ""},
    BinaryRow{TokenKind::kGreaterEqual, 3, BinaryKind::kCompare, cep::CompareOp::kGe, ""},
    BinaryRow{TokenKind::kIn, 3, BinaryKind::kCompare, cep::CompareOp::kIn, ""},
    BinaryRow{TokenKind::kPlus, 4, BinaryKind::kCall, {}, "_+_"},
    BinaryRow{TokenKind::kMinus, 4, BinaryKind::kCall, {}, "_-_"},
    BinaryRow{TokenKind::kStar, 5, BinaryKind::kCall, {}, "_*_"},
    BinaryRow{TokenKind::kSlash, 5, BinaryKind::kCall, {}, "_/_"},
    BinaryRow{TokenKind::kPercent, 5, BinaryKind::kCall, {}, "_%_"},
};

constexpr std::array<std::string_view, 21> kReservedWords = {
    "as",  "break",  "const", "continue", "else",    "for",       "function",
    "if",  "import", "let",   "loop",     "package", "namespace", "return",
    "var", "void",   "while", "in",       "true",    "false",     "null"};

// A member macro: how many of its arguments name variables, and how many it takes in all.
struct MacroRow {
  std::string_view name;
  Macro macro;
  size_t variables;
  size_t min_args;
  size_t max_args;
};

constexpr std::array kMacros = {
    MacroRow{"all", Macro::kAll, 1, 2, 2},
    MacroRow{"all", Macro::kAll, 2, 3, 3},
    MacroRow{"exists", Macro::kExists, 1, 2, 2},
    MacroRow{"exists", Macro::kExists, 2, 3, 3},
    MacroRow{"exists_one", Macro::kExistsOne, 1, 2, 2},
    MacroRow{"exists_one", Macro::kExistsOne, 2, 3, 3},
    MacroRow{"existsOne", Macro::kExistsOne, 1, 2, 2},
    MacroRow{"existsOne", Macro::kExistsOne, 2, 3, 3},
    MacroRow{"map", Macro::kMap, 1, 2, 3},
    MacroRow{"filter", Macro::kFilter, 1, 2, 2},
    MacroRow{"transformList", Macro::kTransformList, 2, 3, 4},
    MacroRow{"transformMap", Macro::kTransformMap, 2, 3, 4},
    MacroRow{"transformMapEntry", Macro::kTransformMapEntry, 2, 3, 4},
    MacroRow{"sortBy", Macro::kSortBy, 1, 2, 2},
    MacroRow{"optMap", Macro::kOptMap, 1, 2, 2},
    MacroRow{"optFlatMap", Macro::kOptFlatMap, 1, 2, 2},
};

// Words of other languages for what CEL writes as a symbol.
struct ForeignWord {
  std::string_view word;
  std::string_view hint;
};

constexpr std::array kForeignWords = {
    ForeignWord{"and", "did you mean `&&`?"}, ForeignWord{"AND", "did you mean `&&`?"},
    ForeignWord{"or", "did you mean `||`?"},  ForeignWord{"OR", "did you mean `||`?"},
    ForeignWord{"not", "did you mean `!`?"},  ForeignWord{"NOT", "did you mean `!`?"},
};

const BinaryRow* FindBinary(TokenKind kind) {
  for (const BinaryRow& row : kBinaries) {
    if (row.token == kind) return &row;
  }
  return nullptr;
}

bool Opens(TokenKind kind) {
  return kind == TokenKind::kLeftParen || kind == TokenKind::kLeftBracket ||
         kind == TokenKind::kLeftBrace;
}

bool Closes(TokenKind kind) {
  return kind == TokenKind::kRightParen || kind == TokenKind::kRightBracket ||
         kind == TokenKind::kRightBrace;
}

bool IsNumber(TokenKind kind) {
  return kind == TokenKind::kInt || kind == TokenKind::kUint || kind == TokenKind::kDouble;
}

class Parser {
 public:
  Parser(std::string_view text, const ParseOptions& options, Ast& ast, IssueList& issues)
      : text_(text), options_(options), ast_(ast), issues_(issues) {}

  Expr* Run() {
    if (text_.size() > kMaxTextBytes) {
      issues_.Add(IssueCode::kLimit, {0, 1},
                  "the expression has " + std::to_string(text_.size()) + " bytes, at most " +
                      std::to_string(kMaxTextBytes) + " are allowed",
                  "split it with `define`, or move lists into a table");
      return ast_.New(ExprKind::kError, {}, {});
    }
    tokens_ = Tokenize(text_, issues_);
    Expr* root = ParseExpr();
    // What follows a complete expression is reported once; skipping on may find more.
    while (Kind() != TokenKind::kEnd && !aborted_) {
      ReportUnexpected("the end of the expression");
      Advance();
      Skip();
      if (Kind() == TokenKind::kEnd) break;
      Advance();
      if (Kind() != TokenKind::kEnd) ParseExpr();
    }
    // Half a tree says nothing about names and types.
    return aborted_ ? Error(root->span) : root;
  }

 private:
  // Counts one level of nesting while it lives; the outermost expression is level 0.
  class Nested {
   public:
    explicit Nested(Parser& parser) : parser_(parser) {
      if (++parser_.nesting_ > kMaxNesting + 1) parser_.Abort("nested deeper than", kMaxNesting);
    }
    ~Nested() { --parser_.nesting_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Parser& parser_;
  };

  const Token& Current() const { return tokens_[at_]; }
  TokenKind Kind() const { return tokens_[at_].kind; }
  TokenKind KindAfter() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)].kind; }
  std::string_view TextOf(Span span) const {
    return text_.substr(span.begin, span.end - span.begin);
  }
  std::string_view CurrentText() const { return TextOf(Current().span); }

  void Advance() {
    last_end_ = Current().span.end;
    if (at_ + 1 < tokens_.size()) ++at_;
  }

  bool Accept(TokenKind kind) {
    if (Kind() != kind) return false;
    Advance();
    return true;
  }

  // Expects a closing token; reports what stands there instead, and skips to it if it comes.
  void Expect(TokenKind kind, std::string_view what) {
    if (Accept(kind) || aborted_) return;
    ReportUnexpected(what);
    while (Kind() != TokenKind::kEnd && Kind() != kind) {
      if (Closes(Kind())) return;
      SkipBalanced();
    }
    skipped_to_end_ |= Kind() == TokenKind::kEnd;
    Accept(kind);
  }

  // Moves over one token, or over a whole bracketed part.
  void SkipBalanced() {
    size_t open = 0;
    do {
      if (Opens(Kind())) ++open;
      if (Closes(Kind()) && open > 0) --open;
      Advance();
    } while (open > 0 && Kind() != TokenKind::kEnd);
  }

  // Moves to where parsing may go on.
  void Skip() {
    while (Kind() != TokenKind::kEnd && Kind() != TokenKind::kComma && Kind() != TokenKind::kAnd &&
           Kind() != TokenKind::kOr && !Closes(Kind())) {
      SkipBalanced();
    }
  }

  // Moves to the end of an item of a list.
  void SkipItem() {
    while (Kind() != TokenKind::kEnd && Kind() != TokenKind::kComma && !Closes(Kind())) {
      SkipBalanced();
    }
  }

  // Nothing after this is parsed: a limit was exceeded, going on would cost without telling more.
  void Abort(std::string_view what, uint32_t bound) {
    if (aborted_) return;
    aborted_ = true;
    issues_.Add(IssueCode::kLimit, Current().span,
                "the expression is " + std::string(what) + " " + std::to_string(bound) + " levels",
                "split it with `define`");
    at_ = tokens_.size() - 1;
  }

  void Report(IssueCode code, Span span, std::string message, std::string hint = "") {
    if (!aborted_) issues_.Add(code, span, std::move(message), std::move(hint));
  }

  void ReportUnexpected(std::string_view expected) {
    if (Kind() == TokenKind::kBad) return;
    if (Kind() == TokenKind::kEnd) {
      if (skipped_to_end_) return;  // what is missing may have been skipped
      Report(IssueCode::kSyntax, Current().span,
             "the expression ends where " + std::string(expected) + " is expected");
      return;
    }
    std::string hint;
    for (const ForeignWord& row : kForeignWords) {
      if (row.word == CurrentText()) hint = row.hint;
    }
    Report(IssueCode::kSyntax, Current().span,
           "unexpected " + Quoted(CurrentText()) + ", expected " + std::string(expected),
           std::move(hint));
  }

  Expr* Error(Span span) { return ast_.New(ExprKind::kError, span, span); }

  // Closes a node: its span ends at the last token read, its depth follows from its arguments.
  Expr* Finish(Expr* expr) {
    expr->span.end = last_end_;
    for (const Expr* arg : expr->args) expr->depth = std::max(expr->depth, arg->depth + 1);
    if (expr->depth > kMaxDepth) Abort("a chain of more than", kMaxDepth);
    return expr;
  }

  Expr* Make(ExprKind kind, uint32_t begin, Span token, std::vector<Expr*> args) {
    Expr* expr = ast_.New(kind, {begin, token.end}, token);
    expr->args = std::move(args);
    return Finish(expr);
  }

  Expr* Call(std::string_view name, uint32_t begin, Span token, std::vector<Expr*> args) {
    Expr* expr = Make(ExprKind::kCall, begin, token, std::move(args));
    expr->name = std::string(name);
    return expr;
  }

  Expr* ParseExpr() {
    Nested nested(*this);
    Expr* condition = ParseBinary(kLowestPrecedence);
    if (Kind() != TokenKind::kQuestion) return condition;
    const Span token = Current().span;
    Advance();
    Expr* then = ParseBinary(kLowestPrecedence);
    Expect(TokenKind::kColon, "`:` of a conditional `? :`");
    Expr* otherwise = ParseExpr();
    return Make(ExprKind::kConditional, condition->span.begin, token, {condition, then, otherwise});
  }

  Expr* ParseBinary(int precedence) {
    Expr* left = ParseUnary();
    Expr* chain = nullptr;  // `left`, where it is an && or || node that this loop made
    for (;;) {
      const BinaryRow* row = FindBinary(Kind());
      if (row == nullptr || row->precedence < precedence) return left;
      const Span token = Current().span;
      Advance();
      Expr* right = ParseBinary(row->precedence + 1);
      left = MakeBinary(*row, token, left, right, chain);
    }
  }

  Expr* MakeBinary(const BinaryRow& row, Span token, Expr* left, Expr* right, Expr*& chain) {
    const uint32_t begin = left->span.begin;
    if (row.kind == BinaryKind::kCall) return Call(row.name, begin, token, {left, right});
    if (row.kind == BinaryKind::kCompare) {
      Expr* expr = Make(ExprKind::kCompare, begin, token, {left, right});
      expr->op = row.op;
      return expr;
    }
    const ExprKind kind = row.kind == BinaryKind::kAnd ? ExprKind::kAnd : ExprKind::kOr;
    if (left == chain && left->kind == kind) {
      left->args.push_back(right);
      return Finish(left);
    }
    chain = Make(kind, begin, token, {left, right});
    return chain;
  }

  Expr* ParseUnary() {
    const Span token = Current().span;
    if (Kind() == TokenKind::kNot || (Kind() == TokenKind::kMinus && !IsNumber(KindAfter()))) {
      Nested nested(*this);
      const bool is_not = Kind() == TokenKind::kNot;
      if (!aborted_) Advance();
      Expr* operand = aborted_ ? Error(token) : ParseUnary();
      return Call(is_not ? "!_" : "-_", token.begin, token, {operand});
    }
    return ParseMember();
  }

  Expr* ParseMember() {
    Expr* expr = ParsePrimary();
    for (;;) {
      if (Kind() == TokenKind::kDot) {
        expr = ParseSelector(expr);
      } else if (Kind() == TokenKind::kLeftBracket) {
        expr = ParseIndex(expr);
      } else if (Kind() == TokenKind::kLeftBrace) {
        expr = ParseMessage(expr);
      } else {
        return expr;
      }
    }
  }

  Expr* ParseSelector(Expr* operand) {
    Advance();
    const bool optional = Accept(TokenKind::kQuestion);
    const Span token = Current().span;
    if (Kind() == TokenKind::kQuotedIdent) {
      Advance();
      return Select(operand, token, TextOf({token.begin + 1, token.end - 1}), optional);
    }
    if (Kind() != TokenKind::kIdent && Kind() != TokenKind::kIn) {
      ReportUnexpected("a field or function name");
      if (!Closes(Kind()) && Kind() != TokenKind::kEnd) Skip();
      return Error(token);
    }
    const std::string_view name = CurrentText();
    Advance();
    if (Kind() != TokenKind::kLeftParen || optional) return Select(operand, token, name, optional);
    std::vector<Expr*> args = ParseArguments();
    if (Expr* macro = TryMacro(operand, name, token, args)) return macro;
    if (Expr* macro = TryNamespaceMacro(operand, name, token, args)) return macro;
    args.insert(args.begin(), operand);
    Expr* call = Call(name, operand->span.begin, token, std::move(args));
    call->is_member = true;
    return call;
  }

  Expr* Select(Expr* operand, Span token, std::string_view name, bool optional) {
    Expr* expr = Make(ExprKind::kSelect, operand->span.begin, token, {operand});
    expr->name = std::string(name);
    expr->is_optional = optional;
    return expr;
  }

  // Whether `arg` can name a macro's variable; reports it if not.
  bool IsVariable(const Expr* arg, std::string_view macro, std::string_view example) {
    if (arg->kind == ExprKind::kIdent && !arg->is_absolute) return true;
    if (arg->kind == ExprKind::kError) return false;
    Report(IssueCode::kMacro, arg->span,
           "the first argument of " + Quoted(macro) + " must be the name of a variable",
           "as in `" + std::string(example) + "`");
    return false;
  }

  // cel.bind() and the functions of `math` that take any number of arguments.
  Expr* TryNamespaceMacro(Expr* space, std::string_view name, Span token,
                          const std::vector<Expr*>& args) {
    if (!options_.macros || space->kind != ExprKind::kIdent || space->is_absolute) return nullptr;
    if (space->name == "cel" && name == "bind" && args.size() == 3) {
      if (!IsVariable(args[0], "cel.bind", "cel.bind(x, size(list), x > 1 && x < 9)")) {
        return Error(token);
      }
      Expr* expr = Make(ExprKind::kBind, space->span.begin, token, {args[1], args[2]});
      expr->name = args[0]->name;
      return expr;
    }
    const bool variadic = space->name == "math" && (name == "greatest" || name == "least");
    if (!variadic || args.size() < 3) return nullptr;
    Expr* list = Make(ExprKind::kList, args[0]->span.begin, token, args);
    Expr* call = Call(name, space->span.begin, token, {space, list});
    call->is_member = true;
    return call;
  }

  // The comprehension, if this call is one; else null.
  Expr* TryMacro(Expr* range, std::string_view name, Span token, const std::vector<Expr*>& args) {
    if (!options_.macros) return nullptr;
    for (const MacroRow& row : kMacros) {
      if (row.name != name || args.size() < row.min_args || args.size() > row.max_args) continue;
      for (size_t i = 0; i < row.variables; ++i) {
        const std::string variables = row.variables == 2 ? "(k, v, k > v)`" : "(x, x > 0)`";
        if (args[i]->kind == ExprKind::kIdent && !args[i]->is_absolute) continue;
        const std::string which = row.variables == 1 ? "first argument of "
                                  : i == 0           ? "first argument of two-variable "
                                                     : "second argument of ";
        Report(IssueCode::kMacro, args[i]->span,
               "the " + which + Quoted(name) + " must be the name of a variable",
               "as in `list." + std::string(name) + variables);
        return Error(token);
      }
      if (row.variables == 2 && args[0]->name == args[1]->name) {
        Report(IssueCode::kMacro, args[1]->span,
               "the two variables of " + Quoted(name) + " have the same name " +
                   Quoted(args[1]->name));
        return Error(token);
      }
      return MakeMacro(row, range, token, args);
    }
    return nullptr;
  }

  Expr* MakeMacro(const MacroRow& row, Expr* range, Span token, const std::vector<Expr*>& args) {
    const bool optional = row.macro == Macro::kOptMap || row.macro == Macro::kOptFlatMap;
    Expr* expr =
        ast_.New(optional ? ExprKind::kOptionalMap : ExprKind::kComprehension, range->span, token);
    expr->macro = row.macro;
    expr->name = args[0]->name;
    if (row.variables == 2) expr->second_name = args[1]->name;
    expr->args.push_back(range);
    expr->args.insert(expr->args.end(), args.begin() + static_cast<std::ptrdiff_t>(row.variables),
                      args.end());
    return Finish(expr);
  }

  Expr* TryHas(Span token, const std::vector<Expr*>& args) {
    if (args.size() != 1 || args[0]->kind != ExprKind::kSelect || args[0]->is_optional) {
      if (args.size() == 1 && args[0]->kind == ExprKind::kError) return args[0];
      const bool is_name = args.size() == 1 && args[0]->kind == ExprKind::kIdent;
      Report(IssueCode::kMacro, token, "`has` takes one field selection",
             is_name ? "write `has(event." + args[0]->name + ")`"
                     : "as in `has(event.x)` or `has(x.y)`");
      return Error(token);
    }
    Expr* expr = Make(ExprKind::kHas, token.begin, args[0]->token, {args[0]->args[0]});
    expr->name = args[0]->name;
    return expr;
  }

  Expr* ParseIndex(Expr* operand) {
    const Span token = Current().span;
    Advance();
    const bool optional = Accept(TokenKind::kQuestion);
    Expr* index = ParseExpr();
    Expect(TokenKind::kRightBracket, "`]`");
    Expr* expr = Make(ExprKind::kIndex, operand->span.begin, token, {operand, index});
    expr->is_optional = optional;
    return expr;
  }

  // `Name{field: value}`: read whole, so that the rest of the expression is still looked at.
  Expr* ParseMessage(Expr* name) {
    const Span token = Current().span;
    const bool is_name = name->kind == ExprKind::kIdent || name->kind == ExprKind::kSelect;
    if (!is_name || TextOf(name->span).find_first_of("()[]{}?") != std::string_view::npos) {
      ReportUnexpected("an operator or the end of the expression");
      SkipBalanced();
      return Error(token);
    }
    Nested nested(*this);
    SkipBalanced();
    Expr* expr = Make(ExprKind::kMessage, name->span.begin, name->span, {});
    expr->name = std::string(TextOf(name->span));
    return expr;
  }

  std::vector<Expr*> ParseArguments() {
    Advance();
    std::vector<Expr*> args = ParseList(TokenKind::kRightParen, /*trailing_comma=*/false);
    Expect(TokenKind::kRightParen, "`,` or `)`");
    return args;
  }

  // `splices`, where items may be written ?x, gets a mark for each.
  std::vector<Expr*> ParseList(TokenKind close, bool trailing_comma,
                               std::vector<bool>* splices = nullptr) {
    std::vector<Expr*> items;
    if (Kind() == close) return items;
    if (trailing_comma && Accept(TokenKind::kComma)) return items;  // `[,]` is a list
    do {
      if (trailing_comma && !items.empty() && Kind() == close) break;
      if (splices != nullptr) splices->push_back(Accept(TokenKind::kQuestion));
      items.push_back(ParseExpr());
      if (Kind() != TokenKind::kComma && !Closes(Kind()) && Kind() != TokenKind::kEnd) {
        ReportUnexpected(close == TokenKind::kRightParen ? "`,` or `)`" : "`,` or `]`");
        SkipItem();
      }
    } while (Accept(TokenKind::kComma) && !aborted_);
    return items;
  }

  Expr* ParsePrimary() {
    const Token token = Current();
    switch (token.kind) {
      case TokenKind::kInt:
      case TokenKind::kUint:
      case TokenKind::kDouble:
      case TokenKind::kMinus:
        return ParseNumber();
      case TokenKind::kString:
      case TokenKind::kBytes:
        return ParseText();
      case TokenKind::kLeftParen:
        return ParseParentheses();
      case TokenKind::kLeftBracket:
        return ParseListLiteral();
      case TokenKind::kLeftBrace:
        return ParseMapLiteral();
      case TokenKind::kDot:
      case TokenKind::kIdent:
        return ParseName();
      default:
        break;
    }
    ReportUnexpected("an expression");
    if (token.kind == TokenKind::kBad) Advance();
    Skip();
    return Error(token.span);
  }

  Expr* Literal(Span span, cep::Value value) {
    Expr* expr = ast_.New(ExprKind::kLiteral, span, span);
    expr->literal = value;
    return expr;
  }

  Expr* ParseNumber() {
    const uint32_t begin = Current().span.begin;
    const bool negative = Accept(TokenKind::kMinus);
    const Token token = Current();
    Advance();
    const Span span = {begin, token.span.end};
    const std::optional<cep::Value> value = NumberValue(token, negative);
    if (value) return Literal(span, *value);
    Report(IssueCode::kLiteral, span, Quoted(TextOf(span)) + " is out of range",
           token.kind == TokenKind::kUint     ? "uint holds 0 to 18446744073709551615"
           : token.kind == TokenKind::kDouble ? "double holds up to 1.797e308"
                                              : "int holds 64 bits; a double is written with a "
                                                "point: 1.0");
    return Error(span);
  }

  std::optional<cep::Value> NumberValue(const Token& token, bool negative) const {
    std::string_view text = TextOf(token.span);
    if (token.kind == TokenKind::kInt) {
      const std::optional<int64_t> value = DecodeInt(text, negative);
      if (value) return cep::Value::Int(*value);
    } else if (token.kind == TokenKind::kUint) {
      text.remove_suffix(1);
      const std::optional<uint64_t> value = DecodeUint(text);
      if (value && !(negative && *value != 0)) return cep::Value::Uint(*value);
    } else if (const std::optional<double> value = DecodeDouble(text)) {
      return cep::Value::Double(negative ? -*value : *value);
    }
    return std::nullopt;
  }

  Expr* ParseText() {
    const Token token = Current();
    Advance();
    const std::optional<std::string> decoded =
        DecodeString(TextOf(token.span), token.span.begin, issues_);
    if (!decoded) return Error(token.span);
    const std::string_view kept = ast_.Keep(*decoded);
    return Literal(token.span, token.kind == TokenKind::kBytes ? cep::Value::Bytes(kept)
                                                               : cep::Value::String(kept));
  }

  Expr* ParseParentheses() {
    Advance();
    Expr* inner = ParseExpr();
    Expect(TokenKind::kRightParen, "`)`");
    return inner;
  }

  Expr* ParseListLiteral() {
    const Span token = Current().span;
    Advance();
    std::vector<bool> splices;
    std::vector<Expr*> items =
        ParseList(TokenKind::kRightBracket, /*trailing_comma=*/true, &splices);
    Expect(TokenKind::kRightBracket, "`,` or `]`");
    Expr* expr = Make(ExprKind::kList, token.begin, token, std::move(items));
    SetSplices(expr, std::move(splices));
    return expr;
  }

  static void SetSplices(Expr* expr, std::vector<bool> splices) {
    const bool any = std::find(splices.begin(), splices.end(), true) != splices.end();
    if (any) expr->splices = std::move(splices);
  }

  Expr* ParseMapLiteral() {
    const Span token = Current().span;
    Advance();
    std::vector<Expr*> entries;
    std::vector<bool> splices;
    const bool only_comma = Accept(TokenKind::kComma);  // `{,}` is a map
    while (!only_comma && Kind() != TokenKind::kRightBrace && !aborted_) {
      splices.push_back(false);
      splices.push_back(Accept(TokenKind::kQuestion));
      entries.push_back(ParseExpr());
      Expect(TokenKind::kColon, "`:` after a map's key");
      entries.push_back(ParseExpr());
      if (!Accept(TokenKind::kComma)) break;
    }
    Expect(TokenKind::kRightBrace, "`,` or `}`");
    Expr* expr = Make(ExprKind::kMap, token.begin, token, std::move(entries));
    SetSplices(expr, std::move(splices));
    return expr;
  }

  Expr* ParseName() {
    const uint32_t begin = Current().span.begin;
    const bool absolute = Accept(TokenKind::kDot);
    const Span token = Current().span;
    if (Kind() != TokenKind::kIdent) {
      ReportUnexpected("a name");
      Skip();
      return Error(token);
    }
    const std::string_view name = CurrentText();
    Advance();
    if (Expr* literal = WordLiteral(name, token)) return literal;
    if (IsReservedWord(name)) {
      Report(IssueCode::kReservedWord, token, Quoted(name) + " is a reserved word",
             "a field of this name is reached as `event." + std::string(name) + "`");
      if (Kind() == TokenKind::kLeftParen) ParseArguments();
      return Error(token);
    }
    if (Kind() != TokenKind::kLeftParen) {
      Expr* expr = Make(ExprKind::kIdent, begin, token, {});
      expr->name = std::string(name);
      expr->is_absolute = absolute;
      return expr;
    }
    std::vector<Expr*> args = ParseArguments();
    if (name == "has" && options_.macros && !absolute) return TryHas(token, args);
    Expr* call = Call(name, begin, token, std::move(args));
    call->is_absolute = absolute;
    return call;
  }

  Expr* WordLiteral(std::string_view name, Span span) {
    if (name == "true" || name == "false") return Literal(span, cep::Value::Bool(name == "true"));
    if (name == "null") return Literal(span, cep::Value::Null());
    return nullptr;
  }

  std::string_view text_;
  const ParseOptions& options_;
  Ast& ast_;
  IssueList& issues_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  uint32_t last_end_ = 0;
  uint32_t nesting_ = 0;
  bool aborted_ = false;
  bool skipped_to_end_ = false;
};

}  // namespace

bool IsReservedWord(std::string_view word) {
  return std::find(kReservedWords.begin(), kReservedWords.end(), word) != kReservedWords.end();
}

Expr* Parse(std::string_view text, const ParseOptions& options, Ast& ast, IssueList& issues) {
  return Parser(text, options, ast, issues).Run();
}

}  // namespace vigil::rules::cel
