#include "rules/cel/functions.h"

#include <algorithm>
#include <utility>

#include "cep/base/check.h"

namespace vigil::rules::cel {
namespace {

struct Signature {
  std::string name;
  bool is_member = false;
  std::vector<std::string_view> parameters;
  std::string_view result;
};

std::string_view TrimSpaces(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// The position of the parenthesis that opens the parameters: the one whose partner ends the text.
size_t ParametersOpen(std::string_view call) {
  int depth = 0;
  for (size_t i = call.size(); i-- > 0;) {
    if (call[i] == ')') ++depth;
    if (call[i] == '(' && --depth == 0) return i;
  }
  return std::string_view::npos;
}

void SplitParameters(std::string_view text, std::vector<std::string_view>& out) {
  int depth = 0;
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '(') ++depth;
    if (i < text.size() && text[i] == ')') --depth;
    if (i < text.size() && (text[i] != ',' || depth > 0)) continue;
    const std::string_view part = TrimSpaces(text.substr(start, i - start));
    if (!part.empty()) out.push_back(part);
    start = i + 1;
  }
}

// A dot after a type makes a member; one after any other word belongs to the name, as in
// `geo.distance_km`.
bool IsTypeText(std::string_view text) {
  if (text.front() == '<' || text.find('(') != std::string_view::npos) return true;
  for (const TypeTag tag : {TypeTag::kString, TypeTag::kBytes, TypeTag::kTimestamp,
                            TypeTag::kDuration, TypeTag::kInt, TypeTag::kDyn}) {
    if (ToString(Simple(tag)) == text) return true;
  }
  return text == "net.IP" || text == "net.CIDR";
}

Signature ParseSignature(std::string_view text) {
  Signature signature;
  const size_t arrow = text.find(" -> ");
  CEP_CHECK(arrow != std::string_view::npos);
  signature.result = text.substr(arrow + 4);
  const std::string_view call = text.substr(0, arrow);
  const size_t open = ParametersOpen(call);
  CEP_CHECK(open != std::string_view::npos);
  std::string_view name = call.substr(0, open);
  const size_t dot = name.rfind('.');
  if (dot != std::string_view::npos && IsTypeText(name.substr(0, dot))) {
    signature.is_member = true;
    signature.parameters.push_back(name.substr(0, dot));
    name = name.substr(dot + 1);
  }
  signature.name = std::string(name);
  SplitParameters(call.substr(open + 1, call.size() - open - 2), signature.parameters);
  return signature;
}

}  // namespace

const FunctionTable& FunctionTable::Get() {
  static const FunctionTable kTable;
  return kTable;
}

FunctionTable::FunctionTable() {
  for (const FunctionTopic& topic : FunctionTopics()) {
    for (const FunctionRow& row : topic.rows()) Add(row, topic.name);
  }
  std::sort(functions_.begin(), functions_.end(),
            [](const Function& a, const Function& b) { return a.name < b.name; });
}

void FunctionTable::Add(const FunctionRow& row, std::string_view topic) {
  const Signature signature = ParseSignature(row.signature);
  Overload overload;
  overload.signature = row.signature;
  overload.doc = row.doc;
  overload.is_member = signature.is_member;
  overload.implementation = row.implementation;
  overload.cost = row.cost;
  overload.topic = topic;
  overload.result = types_.Parse(signature.result);
  CEP_CHECK(overload.result != nullptr && signature.parameters.size() <= kMaxParameters);
  for (const std::string_view text : signature.parameters) {
    const TypeRef type = types_.Parse(text);
    CEP_CHECK(type != nullptr);
    overload.tags[overload.parameters.size()] = RuntimeTag(type);
    overload.parameters.push_back(type);
  }
  auto at = std::find_if(functions_.begin(), functions_.end(),
                         [&](const Function& f) { return f.name == signature.name; });
  if (at == functions_.end()) at = functions_.insert(at, Function{signature.name, {}});
  at->overloads.push_back(std::move(overload));
}

const Function* FunctionTable::Find(std::string_view name) const {
  const auto at =
      std::lower_bound(functions_.begin(), functions_.end(), name,
                       [](const Function& f, std::string_view n) { return f.name < n; });
  return at != functions_.end() && at->name == name ? &*at : nullptr;
}

bool FunctionTable::HasNamespace(std::string_view space) const {
  return std::any_of(functions_.begin(), functions_.end(), [&](const Function& function) {
    const std::string_view name = function.name;
    return name.size() > space.size() && name.substr(0, space.size()) == space &&
           name[space.size()] == '.';
  });
}

bool IsOperator(std::string_view name) {
  constexpr std::string_view kOperators = "+-*/%!";
  if (name.size() < 2 || name.back() != '_') return false;
  const std::string_view spelling = OperatorOf(name);  // a name like `t_` has letters there
  return spelling.size() == 1 && kOperators.find(spelling) != std::string_view::npos;
}

std::string_view OperatorOf(std::string_view name) {
  if (name.front() == '_') name.remove_prefix(1);
  if (name.back() == '_') name.remove_suffix(1);
  return name;
}

const std::vector<FunctionTopic>& FunctionTopics() {
  static const std::vector<FunctionTopic> kTopics = {
      {"Operators", &ArithmeticRows},
      {"Sizes", &CollectionRows},
      {"Conversions", &ConversionRows},
      {"Strings", &StringRows},
      {"Formatting", &StringFormatRows},
      {"Regular expressions", &RegexRows},
      {"Times", &TimeRows},
      {"Numbers", &MathRows},
      {"Lists", &ListRows},
      {"Sets", &SetRows},
      {"Optional values", &OptionalRows},
      {"Encodings", &EncoderRows},
      {"Addresses", &NetworkRows},
      {"Places", &GeoRows},
  };
  return kTopics;
}

const std::vector<MacroDoc>& MacroDocs() {
  static const std::vector<MacroDoc> kMacros = {
      {"has(x.f)", "Whether the map or event x has the field f."},
      {"list.all(v, condition)", "Whether the condition holds for every item (key of a map)."},
      {"list.exists(v, condition)", "Whether it holds for some."},
      {"list.exists_one(v, condition)", "Whether it holds for exactly one; also `existsOne`."},
      {"list.filter(v, condition)", "The items (keys) for which it holds."},
      {"list.map(v, value)", "The list of the value for each item (key)."},
      {"list.map(v, condition, value)", "The same, of the items for which the condition holds."},
      {"list.all(i, v, condition)",
       "With two variables: index and item of a list, key and value of a map; likewise `exists` "
       "and `exists_one`."},
      {"list.transformList(i, v, value)",
       "The list of the value for each item; a condition may stand before the value."},
      {"map.transformMap(k, v, value)",
       "The map with the same keys (of a list, indices) and the value for each; a condition may "
       "stand before the value."},
      {"map.transformMapEntry(k, v, {key: value})",
       "The map of the entries made for each; a repeated key is an error; a condition may stand "
       "before the entry."},
      {"list.sortBy(v, key)", "The items in the order of their keys; equal keys keep their order."},
      {"cel.bind(v, value, expression)", "The expression, in which v stands for the value."},
      {"optional.optMap(v, value)", "The optional of the value made from the one held, if any."},
      {"optional.optFlatMap(v, optional)", "The optional made from the value held, if any."},
      {"x.?f", "The optional field f of x, which may be optional itself; none if there is none."},
      {"x[?i]", "The optional item i of the list or map x; none if there is none."},
      {"[?x, ...]", "A list with what the optional x holds, if anything."},
      {"{?key: x, ...}", "A map with the entry if the optional x holds a value."},
  };
  return kMacros;
}

std::string_view CostText(Cost cost) {
  static constexpr std::array<std::string_view, 5> kTexts = {"1", "n", "n × m", "n²", "n, pattern"};
  return kTexts[static_cast<size_t>(cost)];
}

uint64_t StepsOf(Cost cost, const cep::Value* args, size_t count) {
  constexpr uint64_t kBytesPerStep = 16;
  uint64_t sum = 1;
  uint64_t product = 1;
  for (size_t i = 0; i < count; ++i) {
    const cep::ValueTag tag = args[i].tag;
    uint64_t size = 1;
    if (tag == cep::ValueTag::kString || tag == cep::ValueTag::kBytes) {
      size += args[i].size / kBytesPerStep;
    } else if (tag == cep::ValueTag::kList || tag == cep::ValueTag::kMap) {
      size += args[i].size;
    }
    sum += size;
    product = size > kMaxWork || product > kMaxWork ? kMaxWork + 1 : product * size;
  }
  if (cost == Cost::kProduct) return product;
  if (cost == Cost::kSquare) return sum > kMaxWork ? sum : sum * sum;
  return cost == Cost::kConstant ? 0 : sum;
}

cep::Value MakeText(CallContext& context, std::string_view text) {
  if (text.size() > kMaxTextSize) return cep::Value::Error(kTextTooLong);
  return cep::Value::String(context.arena.Copy(text));
}

cep::Value MakeError(Arena& arena, std::string_view text) {
  return cep::Value::Error(arena.Copy(text));
}

}  // namespace vigil::rules::cel
