// CEL text to tokens.
//
// All of the text is read at once; bad characters and unfinished literals are reported and skipped,
// so that the parser can go on. Literals are decoded later (literal.h): a token is only a kind and
// a place.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "rules/cel/issues.h"

namespace vigil::rules::cel {

enum class TokenKind : uint8_t {
  kEnd,
  kIdent,
  kQuotedIdent,  // `a-b`, as a field name only
  kInt,
  kUint,
  kDouble,
  kString,
  kBytes,
  kBad,  // already reported
  kLeftParen,
  kRightParen,
  kLeftBracket,
  kRightBracket,
  kLeftBrace,
  kRightBrace,
  kDot,
  kComma,
  kColon,
  kQuestion,
  kPlus,
  kMinus,
  kStar,
  kSlash,
  kPercent,
  kNot,
  kAnd,
  kOr,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Span span;
};

// The tokens of `text`, the last one kEnd. `text` is at most 4 GiB - 1.
std::vector<Token> Tokenize(std::string_view text, IssueList& issues);

}  // namespace vigil::rules::cel
