#include "alerts/text.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "alerts/json_writer.h"
#include "alerts/time_text.h"
#include "alerts/utf8.h"
#include "alerts/value_json.h"

namespace vigil::alerts {
namespace {

// An event is shown in at least this many columns, however long its position is.
constexpr uint32_t kMinEventColumns = 40;

struct CodeRange {
  uint32_t first, last;
};

// What does not print as itself: controls, and format characters by which text can pose as another.
constexpr CodeRange kUnprintable[] = {
    {0x00, 0x1F},     {0x7F, 0x9F},     {0xAD, 0xAD},     {0x61C, 0x61C},   {0x200B, 0x200F},
    {0x2028, 0x202E}, {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};

bool IsPrintable(uint32_t code) {
  if (code >= 0x20 && code < 0x7F) return true;
  return std::none_of(std::begin(kUnprintable), std::end(kUnprintable),
                      [code](CodeRange r) { return code >= r.first && code <= r.last; });
}

// `\u001b`, or `\u{e0001}` beyond four digits.
void AppendEscape(uint32_t code, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const bool is_long = code > 0xFFFF;
  out->append(is_long ? "\\u{" : "\\u");
  for (int shift = is_long ? 16 : 12; shift >= 0; shift -= 4) {
    out->push_back(kDigits[(code >> shift) & 15]);
  }
  if (is_long) out->push_back('}');
}

// SGR codes by severity, from info to critical.
constexpr std::string_view kColours[] = {"2", "36", "33", "31", "1;31"};

void AppendSeverity(Severity severity, bool colour, std::string* out) {
  std::string name(SeverityName(severity));
  for (char& c : name) c = static_cast<char>(c - 'a' + 'A');
  name.resize(8, ' ');
  if (colour) out->append("\x1b[").append(kColours[static_cast<size_t>(severity)]).append("m");
  out->append(name);
  if (colour) out->append("\x1b[0m");
}

void AppendKeyText(const Alert& alert, std::string* out) {
  std::string value;
  for (size_t k = 0; k < alert.key.size(); ++k) {
    value.clear();
    AppendValueText(alert.key[k], &value);
    out->append(k == 0 ? "  " : ",").append(alert.rule.key_names[k]).push_back('=');
    AppendPrintable(value, kNoLimit, out);
  }
}

void AppendHeadline(const Alert& alert, const AlertContext& context, std::string* out) {
  AppendTimeMs(alert.match.at, out);
  out->append("  ");
  AppendSeverity(SeverityOf(alert.rule), context.colour, out);
  out->append("  ").append(alert.rule.id);
  if (alert.match.kind == cep::MatchKind::kTimeout) out->append(" (timed out)");
  AppendKeyText(alert, out);
  const std::string_view summary =
      alert.spec.summary.empty() ? std::string_view(alert.rule.description) : alert.summary;
  if (summary.empty()) return;
  out->append("  ");
  AppendPrintable(summary, kNoLimit, out);
}

void AppendEventLine(std::string_view stage, size_t stage_width, const cep::CapturedEvent& event,
                     const Alert& alert, const AlertContext& context, std::string* out) {
  const size_t begin = out->size();
  out->append("\n    ").append(stage).append(stage_width - stage.size() + 2, ' ');
  AppendTimeMs(event.ts, out);
  out->append("  ");
  AppendPrintable(event.partition()->place, kNoLimit, out);
  out->push_back('/');
  AppendUint(event.offset, out);
  if (alert.spec.evidence == Evidence::kRefs) return;
  out->append("  ");
  const size_t used = out->size() - begin - 1;
  const uint32_t width = context.text_width;
  const uint32_t room = width > used ? static_cast<uint32_t>(width - used) : 0;
  AppendPrintable(event.Json(), std::max(room, kMinEventColumns), out);
}

}  // namespace

uint32_t AppendPrintable(std::string_view text, uint32_t columns, std::string* out) {
  uint32_t used = 0;
  size_t cut = out->size();  // where `…` goes if the rest does not fit
  uint32_t cut_used = 0;
  while (!text.empty()) {
    const Utf8Char c = DecodeUtf8(text);
    const bool printable = IsPrintable(c.code);
    const uint32_t size = printable ? 1 : c.code > 0xFFFF ? 9 : 6;
    if (size > columns - used) {
      out->resize(cut);
      if (columns == 0) return 0;
      out->append("…");
      return cut_used + 1;
    }
    if (!printable) {
      AppendEscape(c.code, out);
    } else {
      out->append(c.valid ? text.substr(0, c.size) : std::string_view("\xEF\xBF\xBD"));
    }
    used += size;
    if (used < columns) {
      cut = out->size();
      cut_used = used;
    }
    text.remove_prefix(c.size);
  }
  return used;
}

void AppendAlertText(const Alert& alert, const AlertContext& context, std::string* out) {
  AppendHeadline(alert, context, out);
  size_t stage_width = 0;
  for (size_t s = 0; s < alert.stages.size(); ++s) {
    if (alert.stages[s].count > 0) {
      stage_width = std::max(stage_width, alert.rule.stage_names[s].size());
    }
  }
  for (size_t s = 0; s < alert.stages.size(); ++s) {
    for (uint32_t i = 0; i < alert.stages[s].count; ++i) {
      AppendEventLine(alert.rule.stage_names[s], stage_width, *alert.stages[s].events[i], alert,
                      context, out);
    }
  }
}

void AppendProblemText(std::string_view what, std::string_view position, std::string_view about,
                       std::string_view reason, std::string_view event, const AlertContext& context,
                       std::string* out) {
  std::string text(position);
  text.append(": ");
  if (!about.empty()) text.append(about).append(": ");
  text.append(reason);
  if (!event.empty()) text.append("  ").append(event);
  out->append(what).append(what.size() < 8 ? 8 - what.size() : 1, ' ');
  const uint32_t width = std::max(context.text_width, 8 + kMinEventColumns);
  AppendPrintable(text, width - 8, out);
}

}  // namespace vigil::alerts
