#include "rules/yaml_reader.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <sys/stat.h>
#include <utility>

#include <yaml.h>

#include "rules/text_width.h"
#include "rules/yaml_finish.h"

namespace vigil::rules {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string_view View(const yaml_char_t* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

// libyaml counts characters; this walks along with it in bytes. Marks mostly grow, so the walk is
// linear.
class OffsetCursor {
 public:
  explicit OffsetCursor(std::string_view text) : text_(text) {}

  uint32_t OffsetOf(const yaml_mark_t& mark) {
    while (index_ < mark.index && offset_ < text_.size()) {
      ++offset_;
      while (offset_ < text_.size() && IsContinuation(offset_)) ++offset_;
      ++index_;
    }
    while (index_ > mark.index && offset_ > 0) {
      --offset_;
      while (offset_ > 0 && IsContinuation(offset_)) --offset_;
      --index_;
    }
    return static_cast<uint32_t>(offset_);
  }

 private:
  bool IsContinuation(size_t at) const {
    return (static_cast<unsigned char>(text_[at]) & 0xc0) == 0x80;
  }

  std::string_view text_;
  size_t offset_ = 0;
  size_t index_ = 0;
};

ScalarStyle StyleOf(yaml_scalar_style_t style) {
  switch (style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
      return ScalarStyle::kSingleQuoted;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
      return ScalarStyle::kDoubleQuoted;
    case YAML_LITERAL_SCALAR_STYLE:
      return ScalarStyle::kLiteral;
    case YAML_FOLDED_SCALAR_STYLE:
      return ScalarStyle::kFolded;
    default:
      return ScalarStyle::kPlain;
  }
}

// Turns libyaml's events into a tree, with aliases left for FinishTree().
class TreeBuilder {
 public:
  TreeBuilder(Document* document, Reporter* reporter)
      : document_(*document),
        text_(document->source.text()),
        cursor_(text_),
        reporter_(*reporter) {}

  // Reads the whole text; false after a problem that leaves no tree.
  bool Run();

 private:
  bool Handle(const yaml_event_t& event);
  bool Open(NodeKind kind, const yaml_event_t& event, const yaml_char_t* anchor,
            const yaml_char_t* tag);
  bool Close(const yaml_event_t& event);
  bool AddScalar(const yaml_event_t& event);
  bool AddAlias(const yaml_event_t& event);
  bool AddNode(Node node);
  Node StartNode(NodeKind kind, const yaml_event_t& event, const yaml_char_t* anchor,
                 const yaml_char_t* tag);
  std::string_view Keep(std::string_view value, const Range& range);
  uint32_t SkipAnchor(uint32_t begin) const;
  void ReportSyntax(const yaml_parser_t& parser);

  Place At(Range range) const { return {&document_.source, range}; }
  Range RangeOf(const yaml_event_t& event) {
    const uint32_t begin = cursor_.OffsetOf(event.start_mark);
    return {begin, cursor_.OffsetOf(event.end_mark)};
  }

  Document& document_;
  std::string_view text_;
  OffsetCursor cursor_;
  Reporter& reporter_;
  std::vector<Node> open_;  // lists and mappings being read, outermost first
  std::map<std::string, uint32_t, std::less<>> anchors_;
  uint32_t last_anchor_ = 0;
  size_t nodes_ = 0;
  int documents_ = 0;
};

bool TreeBuilder::Run() {
  yaml_parser_t parser;
  if (yaml_parser_initialize(&parser) == 0) {
    reporter_.Report(Code::kTooMany, At({0, 1}), "there is no memory to read this file");
    return false;
  }
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, reinterpret_cast<const unsigned char*>(text_.data()),
                               text_.size());
  bool ok = true;
  bool at_end = false;
  while (ok && !at_end) {
    yaml_event_t event;
    if (yaml_parser_parse(&parser, &event) == 0) {
      ReportSyntax(parser);
      ok = false;
      break;
    }
    at_end = event.type == YAML_STREAM_END_EVENT;
    ok = Handle(event);
    yaml_event_delete(&event);
  }
  yaml_parser_delete(&parser);
  return ok;
}

bool TreeBuilder::Handle(const yaml_event_t& event) {
  switch (event.type) {
    case YAML_DOCUMENT_START_EVENT:
      if (++documents_ == 1) return true;
      reporter_.Report(Code::kSeveralDocuments, At(RangeOf(event)), "a second document starts here",
                       "one document a file");
      return false;
    case YAML_ALIAS_EVENT:
      return AddAlias(event);
    case YAML_SCALAR_EVENT:
      return AddScalar(event);
    case YAML_SEQUENCE_START_EVENT:
      return Open(NodeKind::kSequence, event, event.data.sequence_start.anchor,
                  event.data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
      return Open(NodeKind::kMapping, event, event.data.mapping_start.anchor,
                  event.data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      return Close(event);
    default:
      return true;
  }
}

// Where the value itself begins: libyaml begins it at its anchor.
uint32_t TreeBuilder::SkipAnchor(uint32_t begin) const {
  if (begin >= text_.size() || text_[begin] != '&') return begin;
  size_t at = text_.find_first_of(" \t\r\n", begin);
  while (at != std::string_view::npos && at < text_.size()) {
    at = text_.find_first_not_of(" \t\r\n", at);
    if (at == std::string_view::npos || text_[at] != '#') break;
    at = text_.find('\n', at);
  }
  return at == std::string_view::npos ? begin : static_cast<uint32_t>(at);
}

Node TreeBuilder::StartNode(NodeKind kind, const yaml_event_t& event, const yaml_char_t* anchor,
                            const yaml_char_t* tag) {
  Node node;
  node.kind = kind;
  node.range = RangeOf(event);
  if (tag != nullptr) {
    const uint32_t begin = SkipAnchor(node.range.begin);
    const size_t end = std::min(text_.find_first_of(" \t\r\n,", begin), text_.size());
    reporter_.Report(Code::kTag, At({begin, static_cast<uint32_t>(end)}),
                     "the tag `" + std::string(text_.substr(begin, end - begin)) + "` is refused",
                     "leave it out; quotes make a value text");
  }
  if (anchor != nullptr) {
    node.range.begin = SkipAnchor(node.range.begin);
    node.range.end = std::max(node.range.begin, node.range.end);
    node.anchor = ++last_anchor_;
    anchors_.insert_or_assign(std::string(View(anchor)), node.anchor);
  }
  return node;
}

bool TreeBuilder::Open(NodeKind kind, const yaml_event_t& event, const yaml_char_t* anchor,
                       const yaml_char_t* tag) {
  Node node = StartNode(kind, event, anchor, tag);
  if (open_.size() == kMaxNesting) {
    reporter_.Report(Code::kTooDeep, At({node.range.begin, node.range.begin + 1}),
                     "lists and mappings are nested deeper than " + std::to_string(kMaxNesting));
    return false;
  }
  open_.push_back(std::move(node));
  return true;
}

bool TreeBuilder::Close(const yaml_event_t& event) {
  Node node = std::move(open_.back());
  open_.pop_back();
  node.range.end = std::max(node.range.begin, cursor_.OffsetOf(event.end_mark));
  return AddNode(std::move(node));
}

// The value as a piece of the text where it is one, else kept beside it.
std::string_view TreeBuilder::Keep(std::string_view value, const Range& range) {
  for (const uint32_t skip : {0u, 1u}) {  // 1: a quote
    const std::string_view there =
        text_.substr(std::min<size_t>(range.begin + skip, text_.size()), value.size());
    if (there == value) return there;
  }
  return document_.values.emplace_back(value);
}

bool TreeBuilder::AddScalar(const yaml_event_t& event) {
  const auto& scalar = event.data.scalar;
  Node node = StartNode(NodeKind::kScalar, event, scalar.anchor, scalar.tag);
  node.style = StyleOf(scalar.style);
  const std::string_view value(reinterpret_cast<const char*>(scalar.value), scalar.length);
  node.value = Keep(value, node.range);
  if (value.find('\0') != std::string_view::npos) {
    reporter_.Report(Code::kNotText, At(node.range), "the text holds a NUL character");
  }
  return AddNode(std::move(node));
}

bool TreeBuilder::AddAlias(const yaml_event_t& event) {
  Node node;
  node.kind = NodeKind::kAlias;
  node.range = RangeOf(event);
  const std::string_view name = View(event.data.alias.anchor);
  const auto it = anchors_.find(name);
  if (it == anchors_.end()) {
    reporter_.Report(Code::kAlias, At(node.range),
                     "there is no anchor `&" + std::string(name) + "` before this alias");
    node.kind = NodeKind::kScalar;
  } else {
    node.anchor = it->second;
  }
  return AddNode(std::move(node));
}

bool TreeBuilder::AddNode(Node node) {
  if (++nodes_ > kMaxNodes) {
    reporter_.Report(Code::kTooMany, At({node.range.begin, node.range.begin + 1}),
                     "a file holds at most " + std::to_string(kMaxNodes) + " values");
    return false;
  }
  if (open_.empty()) {
    document_.root = std::make_unique<Node>(std::move(node));
  } else {
    open_.back().children.push_back(std::move(node));
  }
  return true;
}

// What to do about the syntax errors that people make most, by libyaml's words for them.
struct SyntaxHint {
  std::string_view problem;
  char found;  // at the place; 0: anything
  std::string_view hint;
};
constexpr std::string_view kUnexpectedEnd = "found unexpected end of stream";
constexpr SyntaxHint kSyntaxHints[] = {
    {"found character that cannot start any token", '\t', "indent with spaces, not with TAB"},
    {"found character that cannot start any token", 0, "put the value in quotes"},
    {"mapping values are not allowed in this context", 0,
     "put a value that holds `: ` in quotes, or check the indentation"},
    {"did not find expected key", 0, "check the indentation and the quotes above"},
    {"did not find expected '-' indicator", 0, "check the indentation of this list"},
    {"could not find expected ':'", 0, "a key is followed by `: ` on the same line"},
    {"did not find expected ',' or ']'", 0, "a list that starts with `[` ends with `]`"},
    {"did not find expected ',' or '}'", 0, "a mapping that starts with `{` ends with `}`"},
    {kUnexpectedEnd, 0, "this is not closed"},
    {"found a tab character that violates indentation", 0, "indent with spaces, not with TAB"},
};

void TreeBuilder::ReportSyntax(const yaml_parser_t& parser) {
  if (parser.error == YAML_MEMORY_ERROR) {
    reporter_.Report(Code::kTooMany, At({0, 1}), "there is no memory to read this file");
    return;
  }
  const std::string_view problem = parser.problem == nullptr ? "" : parser.problem;
  // What is never closed is reported where it was opened.
  const bool is_open = problem == kUnexpectedEnd && parser.context != nullptr;
  uint32_t offset = 0;
  if (parser.error == YAML_READER_ERROR) {
    offset = static_cast<uint32_t>(parser.problem_offset);
  } else {
    offset = cursor_.OffsetOf(is_open ? parser.context_mark : parser.problem_mark);
  }
  offset = std::min(offset, static_cast<uint32_t>(text_.size()));
  const char found = offset < text_.size() ? text_[offset] : '\0';
  std::string hint;
  for (const SyntaxHint& row : kSyntaxHints) {
    if (row.problem != problem || (row.found != 0 && row.found != found)) continue;
    hint = row.hint;
    break;
  }
  std::string message = "this is not YAML: " + std::string(problem);
  if (!is_open && parser.context != nullptr &&
      parser.context_mark.index != parser.problem_mark.index) {
    message += ", " + std::string(parser.context) + " of line " +
               std::to_string(parser.context_mark.line + 1);
  }
  reporter_.Report(Code::kNotYaml, At({offset, offset + 1}), std::move(message), std::move(hint));
}

bool CheckBytes(const Document& document, Reporter* reporter) {
  const std::string& text = document.source.text();
  const size_t nul = text.find('\0');
  if (nul != std::string::npos) {
    const uint32_t at = static_cast<uint32_t>(nul);
    reporter->Report(Code::kNotText, {&document.source, {at, at + 1}}, "a NUL byte");
    return false;
  }
  const size_t invalid = FindInvalidUtf8(text);
  if (invalid != std::string_view::npos) {
    const uint32_t at = static_cast<uint32_t>(invalid);
    reporter->Report(Code::kNotText, {&document.source, {at, at + 1}},
                     "this byte is not part of UTF-8 text", "save the file as UTF-8");
    return false;
  }
  return true;
}

void ReportTooLarge(const std::string& name, Reporter* reporter) {
  reporter->ReportFile(Code::kTooLarge, name, "the file has more than 16 MiB",
                       "split it; all files of a folder are loaded together");
}

}  // namespace

std::unique_ptr<Document> ReadYaml(std::string name, std::string text, Reporter* reporter) {
  if (text.size() > kMaxFileBytes) {
    ReportTooLarge(name, reporter);
    return std::make_unique<Document>(SourceText(std::move(name), ""));
  }
  if (text.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0) {
    text.erase(0, kByteOrderMark.size());
  }
  auto document = std::make_unique<Document>(SourceText(std::move(name), std::move(text)));
  const bool ok = CheckBytes(*document, reporter) && TreeBuilder(document.get(), reporter).Run() &&
                  FinishTree(document.get(), reporter);
  if (!ok) document->root.reset();
  return document;
}

std::optional<std::string> ReadFileText(const std::string& path, Reporter* reporter) {
  struct stat info {};
  const bool found = stat(path.c_str(), &info) == 0;
  std::ifstream file;
  if (found && !S_ISDIR(info.st_mode)) file.open(path, std::ios::binary);
  if (!file.is_open()) {
    const std::string why = found && S_ISDIR(info.st_mode) ? "it is a folder" : strerror(errno);
    reporter->ReportFile(Code::kCannotRead, path, "the file cannot be read: " + why);
    return std::nullopt;
  }
  std::string text;
  if (S_ISREG(info.st_mode) && static_cast<size_t>(info.st_size) > kMaxFileBytes) {
    ReportTooLarge(path, reporter);
    return std::nullopt;
  }
  // A file that is no regular one, or grows, is read no further than the limit.
  char buffer[1 << 16];
  while (text.size() <= kMaxFileBytes && (file.read(buffer, sizeof buffer), file.gcount() > 0)) {
    text.append(buffer, static_cast<size_t>(file.gcount()));
  }
  return text;
}

std::unique_ptr<Document> ReadYamlFile(const std::string& path, Reporter* reporter) {
  std::optional<std::string> text = ReadFileText(path, reporter);
  if (!text) return std::make_unique<Document>(SourceText(path, ""));
  return ReadYaml(path, *std::move(text), reporter);
}

}  // namespace vigil::rules
