#include "rules/cel/lexer.h"

#include <array>
#include <string>

namespace vigil::rules::cel {
namespace {

struct SymbolRow {
  std::string_view text;
  TokenKind kind;
};

// Longer symbols come before their prefixes.
constexpr std::array kSymbols = {
    SymbolRow{"&&", TokenKind::kAnd},        SymbolRow{"||", TokenKind::kOr},
    SymbolRow{"==", TokenKind::kEqual},      SymbolRow{"!=", TokenKind::kNotEqual},
    SymbolRow{"<=", TokenKind::kLessEqual},  SymbolRow{">=", TokenKind::kGreaterEqual},
    SymbolRow{"<", TokenKind::kLess},        SymbolRow{">", TokenKind::kGreater},
    SymbolRow{"(", TokenKind::kLeftParen},   SymbolRow{")", TokenKind::kRightParen},
    SymbolRow{"[", TokenKind::kLeftBracket}, SymbolRow{"]", TokenKind::kRightBracket},
    SymbolRow{"{", TokenKind::kLeftBrace},   SymbolRow{"}", TokenKind::kRightBrace},
    SymbolRow{".", TokenKind::kDot},         SymbolRow{",", TokenKind::kComma},
    SymbolRow{":", TokenKind::kColon},       SymbolRow{"?", TokenKind::kQuestion},
    SymbolRow{"+", TokenKind::kPlus},        SymbolRow{"-", TokenKind::kMinus},
    SymbolRow{"*", TokenKind::kStar},        SymbolRow{"/", TokenKind::kSlash},
    SymbolRow{"%", TokenKind::kPercent},     SymbolRow{"!", TokenKind::kNot},
};

// Symbols of other languages, and what CEL writes instead.
struct ForeignSymbol {
  char symbol;
  std::string_view hint;
};

constexpr std::array kForeignSymbols = {
    ForeignSymbol{'=', "did you mean `==`?"},
    ForeignSymbol{'&', "did you mean `&&`?"},
    ForeignSymbol{'|', "did you mean `||`?"},
    ForeignSymbol{';', "an expression has no statements"},
    ForeignSymbol{'$', "names are written without `$`"},
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool IsIdentStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsIdentPart(char c) { return IsIdentStart(c) || IsDigit(c); }
bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

class Lexer {
 public:
  Lexer(std::string_view text, IssueList& issues) : text_(text), issues_(issues) {}

  std::vector<Token> Run() {
    for (SkipSpace(); at_ < text_.size(); SkipSpace()) {
      const size_t begin = at_;
      const TokenKind kind = Next();
      tokens_.push_back({kind, {static_cast<uint32_t>(begin), static_cast<uint32_t>(at_)}});
    }
    const auto end = static_cast<uint32_t>(text_.size());
    tokens_.push_back({TokenKind::kEnd, {end, end}});
    return std::move(tokens_);
  }

 private:
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void SkipSpace() {
    while (at_ < text_.size()) {
      if (IsSpace(text_[at_])) {
        ++at_;
      } else if (text_.substr(at_, 2) == "//") {
        while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
      } else {
        return;
      }
    }
  }

  TokenKind Next() {
    const char c = Peek();
    if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return Number();
    if (const size_t prefix = StringPrefix(); prefix != std::string_view::npos) {
      return String(prefix);
    }
    if (IsIdentStart(c)) return Identifier();
    if (c == '`') return QuotedIdentifier();
    return Symbol();
  }

  // The length of a string literal's prefix (r, b, rb, br in any case), or npos if none starts
  // here.
  size_t StringPrefix() const {
    size_t length = 0;
    bool raw = false;
    bool bytes = false;
    for (;; ++length) {
      const char c = Peek(length);
      if ((c == 'r' || c == 'R') && !raw) {
        raw = true;
      } else if ((c == 'b' || c == 'B') && !bytes) {
        bytes = true;
      } else {
        return c == '"' || c == '\'' ? length : std::string_view::npos;
      }
    }
  }

  TokenKind String(size_t prefix_length) {
    const size_t begin = at_;
    const std::string_view prefix = text_.substr(at_, prefix_length);
    const bool raw = prefix.find_first_of("rR") != std::string_view::npos;
    const bool bytes = prefix.find_first_of("bB") != std::string_view::npos;
    at_ += prefix_length;
    const char quote = Peek();
    const bool triple = Peek(1) == quote && Peek(2) == quote;
    at_ += triple ? 3 : 1;
    if (!SkipToQuote(quote, triple, raw)) {
      Report(
          begin, "unfinished string literal",
          std::string("close it with ") + (triple ? std::string(3, quote) : std::string(1, quote)));
      return TokenKind::kBad;
    }
    return bytes ? TokenKind::kBytes : TokenKind::kString;
  }

  // Moves past the closing quote; false at the end of the text (or of the line, unless triple).
  bool SkipToQuote(char quote, bool triple, bool raw) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (!triple && (c == '\n' || c == '\r')) return false;
      if (c == '\\' && !raw) {
        at_ += 2;
      } else if (c == quote && (!triple || (Peek(1) == quote && Peek(2) == quote))) {
        at_ += triple ? 3 : 1;
        return true;
      } else {
        ++at_;
      }
    }
    at_ = text_.size();
    return false;
  }

  void SkipDigits() {
    while (IsDigit(Peek())) ++at_;
  }

  TokenKind Number() {
    const size_t begin = at_;
    TokenKind kind = TokenKind::kInt;
    if (Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X') && IsHexDigit(Peek(2))) {
      at_ += 2;
      while (IsHexDigit(Peek())) ++at_;
    } else {
      kind = DecimalNumber();
    }
    if (kind == TokenKind::kInt && (Peek() == 'u' || Peek() == 'U')) {
      ++at_;
      kind = TokenKind::kUint;
    }
    if (!IsIdentPart(Peek())) return kind;
    while (IsIdentPart(Peek())) ++at_;
    Report(begin, "malformed number " + Quoted(text_.substr(begin, at_ - begin)),
           "a name does not start with a digit; units are written as duration(\"5m\")");
    return TokenKind::kBad;
  }

  TokenKind DecimalNumber() {
    TokenKind kind = TokenKind::kInt;
    SkipDigits();
    if (Peek() == '.' && IsDigit(Peek(1))) {
      ++at_;
      SkipDigits();
      kind = TokenKind::kDouble;
    }
    if (Peek() == 'e' || Peek() == 'E') {
      const size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 1 : 0;
      if (IsDigit(Peek(1 + sign))) {
        at_ += 1 + sign;
        SkipDigits();
        kind = TokenKind::kDouble;
      }
    }
    return kind;
  }

  TokenKind Identifier() {
    const size_t begin = at_;
    while (IsIdentPart(Peek())) ++at_;
    return text_.substr(begin, at_ - begin) == "in" ? TokenKind::kIn : TokenKind::kIdent;
  }

  TokenKind QuotedIdentifier() {
    const size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != '`' && text_[at_] != '\n') ++at_;
    if (Peek() != '`' || at_ == begin + 1) {
      Report(begin, "unfinished quoted field name", "close it with a backtick");
      return TokenKind::kBad;
    }
    ++at_;
    return TokenKind::kQuotedIdent;
  }

  TokenKind Symbol() {
    for (const SymbolRow& row : kSymbols) {
      if (text_.substr(at_, row.text.size()) == row.text) {
        at_ += row.text.size();
        return row.kind;
      }
    }
    const size_t begin = at_++;
    while (at_ < text_.size() && (text_[at_] & 0xC0) == 0x80) ++at_;  // the rest of a character
    std::string hint;
    for (const ForeignSymbol& row : kForeignSymbols) {
      if (row.symbol == text_[begin]) hint = row.hint;
    }
    Report(begin, "unexpected character " + Quoted(text_.substr(begin, at_ - begin)),
           std::move(hint));
    return TokenKind::kBad;
  }

  void Report(size_t begin, std::string message, std::string hint) {
    issues_.Add(IssueCode::kSyntax, {static_cast<uint32_t>(begin), static_cast<uint32_t>(at_)},
                std::move(message), std::move(hint));
  }

  std::string_view text_;
  IssueList& issues_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> Tokenize(std::string_view text, IssueList& issues) {
  return Lexer(text, issues).Run();
}

}  // namespace vigil::rules::cel
