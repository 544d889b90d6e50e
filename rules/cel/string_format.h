// string.format(): its clauses, for evaluation and for the checker.
//
// A clause is %[.precision]conversion. Source: google/cel-spec doc/extensions/strings.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "rules/cel/functions.h"
#include "rules/cel/types.h"

namespace vigil::rules::cel {

inline constexpr int kMaxPrecision = 100;  // digits after the point

// A piece of a format: plain text, or a clause that takes the next argument.
struct FormatPiece {
  std::string_view text;
  char conversion = '\0';  // of a clause: s d f e b o x X
  int precision = 6;
};

// Takes the next piece off `format`. False where none is left, or it is malformed: then `why` says
// so.
bool TakeFormatPiece(std::string_view* format, FormatPiece* piece, std::string* why);

// Whether a clause takes values of the type; dyn fits all.
bool ClauseTakes(char conversion, TypeRef type);
// What a clause takes, for messages: `int or uint`.
std::string_view ClauseWants(char conversion);

}  // namespace vigil::rules::cel
