#include "rules/cel/reference.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "rules/cel/functions.h"

namespace vigil::rules::cel {
namespace {

struct Line {
  std::string usage;
  std::string_view doc;
  std::string_view cost;  // empty for macros
};

struct Section {
  std::string_view name;
  std::vector<Line> lines;
};

// Comparison and logic are part of the language; they have no rows of their own.
std::vector<Line> BuiltInLines() {
  return {
      {"x == y, x != y", "Equality; numbers of different types by value.", "n"},
      {"x < y, x <= y, x > y, x >= y", "Order of numbers, texts, bytes, bools, times.", "1"},
      {"x in list, key in map", "Whether the list has the item, or the map the key.", "n"},
      {"a && b, a || b", "An error on one side counts only if the other does not decide.", "1"},
      {"condition ? x : y", "Only the branch that is chosen is evaluated.", "1"},
  };
}

std::vector<Section> Sections() {
  std::vector<Section> sections = {{"Macros", {}}};
  for (const MacroDoc& macro : MacroDocs()) {
    sections[0].lines.push_back({std::string(macro.usage), macro.doc, ""});
  }
  for (const FunctionTopic& topic : FunctionTopics()) {
    Section section{topic.name, {}};
    for (const FunctionRow& row : topic.rows()) {
      section.lines.push_back({ReadableSignature(row.signature), row.doc, CostText(row.cost)});
    }
    if (topic.name == "Operators") {
      for (Line& line : BuiltInLines()) section.lines.push_back(std::move(line));
    }
    sections.push_back(std::move(section));
  }
  return sections;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// In a table a bar would end the cell.
std::string Cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string ReadableSignature(std::string_view signature) {
  std::string out;
  for (size_t i = 0; i < signature.size(); ++i) {
    const bool arrow = signature.substr(i, 2) == "->";
    if (arrow) {
      out += "->";
      ++i;
    } else if (signature[i] != '<' && signature[i] != '>') {
      out += signature[i];
    }
  }
  const size_t open = out.find('(');
  const std::string name = out.substr(0, open);
  if (!IsOperator(name)) return out;
  const std::string symbol(OperatorOf(name));
  const size_t close = out.find(") -> ");
  const std::string arguments = out.substr(open + 1, close - open - 1);
  const std::string result = out.substr(close + 1);
  // The comma between two operands is the one outside of parentheses.
  int depth = 0;
  for (size_t i = 0; i < arguments.size(); ++i) {
    depth += arguments[i] == '(' ? 1 : arguments[i] == ')' ? -1 : 0;
    if (arguments[i] == ',' && depth == 0) {
      return arguments.substr(0, i) + " " + symbol + arguments.substr(i + 1) + result;
    }
  }
  return symbol + arguments + result;
}

std::string FunctionReferenceMarkdown() {
  std::string out;
  for (const Section& section : Sections()) {
    const bool macros = section.name == "Macros";
    out += "## " + std::string(section.name) + "\n\n";
    out +=
        macros ? "| usage | gives |\n|---|---|\n" : "| function | gives | cost |\n|---|---|---|\n";
    for (const Line& line : section.lines) {
      out += "| `" + Cell(line.usage) + "` | " + Cell(line.doc) + " |";
      out += macros ? "\n" : " " + std::string(line.cost) + " |\n";
    }
    out += "\n";
  }
  out.pop_back();
  return out;
}

std::string FunctionReferenceText(std::string_view word) {
  const std::string wanted = Lower(word);
  std::string out;
  for (const Section& section : Sections()) {
    std::string lines;
    for (const Line& line : section.lines) {
      const std::string text = "  " + line.usage + "\n      " + std::string(line.doc) + "\n";
      if (Lower(text).find(wanted) != std::string::npos) lines += text;
    }
    if (lines.empty()) continue;
    out += (out.empty() ? "" : "\n") + std::string(section.name) + "\n" + lines;
  }
  return out;
}

}  // namespace vigil::rules::cel
