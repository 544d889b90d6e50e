// How diagnostics are written: as text with the line and a caret under the token, and as JSON.

#include "rules/diagnostic.h"

#include <algorithm>

#include "rules/text_width.h"

namespace vigil::rules {
namespace {

// A line longer than this is shown clipped, around the caret.
constexpr uint32_t kMaxExcerpt = 200;
constexpr uint32_t kContextBeforeCaret = 80;
constexpr std::string_view kEllipsis = "…";

// The excerpt as it is printed, and what goes below it.
struct Excerpt {
  std::string line;
  std::string carets;
};

// Appends one character of the excerpt; control characters, which could drive a terminal, become
// U+FFFD.
void AppendShown(std::string_view bytes, uint32_t c, std::string* out) {
  const bool is_control = (c < 0x20 && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0xfffd;
  if (is_control) {
    *out += "\xef\xbf\xbd";
  } else {
    *out += bytes;
  }
}

Excerpt Draw(const Diagnostic& d) {
  Excerpt drawn;
  const uint32_t caret = d.excerpt_column != 0 ? d.excerpt_column : d.column;
  const bool clipped = d.excerpt.size() > kMaxExcerpt;
  const uint32_t first = clipped && caret > kContextBeforeCaret ? caret - kContextBeforeCaret : 1;
  uint32_t column = 1;
  uint32_t carets = 0;
  if (first > 1) {
    drawn.line += kEllipsis;
    drawn.carets += ' ';
  }
  for (size_t at = 0; at < d.excerpt.size(); ++column) {
    const size_t begin = at;
    const uint32_t c = NextCodePoint(d.excerpt, &at);
    if (column < first) continue;
    if (clipped && drawn.line.size() > kMaxExcerpt) {
      drawn.line += kEllipsis;
      break;
    }
    AppendShown(std::string_view(d.excerpt).substr(begin, at - begin), c, &drawn.line);
    const size_t width = static_cast<size_t>(DisplayWidth(c));
    if (column < caret) {
      // A TAB is repeated, so that both lines advance alike whatever the terminal's tab stops are.
      drawn.carets += c == '\t' ? "\t" : std::string(width, ' ');
    } else if (column < caret + d.length) {
      drawn.carets += std::string(std::max<size_t>(width, 1), '^');
      ++carets;
    }
  }
  if (carets == 0) drawn.carets += '^';  // past the end of the line
  return drawn;
}

void AppendJsonString(std::string_view text, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  *out += '"';
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const uint32_t c = NextCodePoint(text, &at);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += static_cast<char>(c);
    } else if (c < 0x20) {
      *out += "\\u00";
      *out += kHex[c >> 4];
      *out += kHex[c & 15];
    } else if (c == 0xfffd) {
      *out += "\xef\xbf\xbd";
    } else {
      *out += text.substr(begin, at - begin);
    }
  }
  *out += '"';
}

void AppendMember(std::string_view name, std::string_view value, std::string* out) {
  AppendJsonString(name, out);
  *out += ": ";
  AppendJsonString(value, out);
  *out += ", ";
}

std::string_view NameOf(Level level) { return level == Level::kError ? "error" : "warning"; }

}  // namespace

std::string FormatText(const Diagnostic& d) {
  std::string out = std::string(NameOf(d.level)) + "[" + d.code + "]: " + d.message + "\n";
  const std::string number = std::to_string(d.line);
  const std::string margin(d.line == 0 ? 1 : number.size(), ' ');
  if (!d.file.empty()) {
    out += margin + "--> " + d.file;
    if (d.line != 0) out += ":" + number + ":" + std::to_string(d.column);
    out += "\n";
  }
  if (d.line == 0) {
    if (!d.hint.empty()) out += margin + " = " + d.hint + "\n";
    return out;
  }
  const Excerpt drawn = Draw(d);
  out += margin + " |\n";
  out += number + " | " + drawn.line + "\n";
  out += margin + " | " + drawn.carets;
  if (!d.hint.empty()) out += " " + d.hint;
  out += "\n";
  return out;
}

std::string FormatJson(const std::vector<Diagnostic>& diagnostics) {
  std::string out = "[";
  for (const Diagnostic& d : diagnostics) {
    out += out.size() == 1 ? "\n  {" : ",\n  {";
    AppendMember("level", NameOf(d.level), &out);
    AppendMember("code", d.code, &out);
    AppendMember("message", d.message, &out);
    AppendMember("file", d.file, &out);
    out += "\"line\": " + std::to_string(d.line) + ", \"column\": " + std::to_string(d.column);
    out += ", \"length\": " + std::to_string(d.length) + ", ";
    AppendMember("excerpt", d.excerpt, &out);
    AppendMember("hint", d.hint, &out);
    out.resize(out.size() - 2);
    out += "}";
  }
  out += out.size() == 1 ? "]\n" : "\n]\n";
  return out;
}

}  // namespace vigil::rules
