#include "rules/cel/emitter.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "rules/cel/instructions.h"
#include "rules/cel/network.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {

using cep::Value;
using cep::ValueTag;
using namespace instructions;  // NOLINT(google-build-using-namespace): this file is about nothing
                               // else

namespace {

// How each macro becomes a loop; in the order of Macro.
struct LoopRow {
  Handler begin;
  Handler step;
};

constexpr std::array<LoopRow, 9> kLoops = {{
    {&LoopOverAll, &AllStep},
    {&LoopOverExists, &ExistsStep},
    {&LoopOverCount, &CountStep},
    {&LoopOverList, &MapStep},
    {&LoopOverList, &FilterStep},
    {&LoopOverList, &MapStep},                // transformList
    {&LoopOverMap, &TransformMapStep},        // transformMap
    {&LoopOverEntries, &TransformEntryStep},  // transformMapEntry
    {&LoopOverList, &MapStep},                // sortBy: of the keys
}};

Value CopyNested(const Value& value, Arena& arena, uint32_t depth) {
  if (depth > kMaxValueNesting) return Value::Error("value nested too deep");
  if (value.tag == kAddressTag || value.tag == kPrefixTag) return CopyNetwork(value, arena);
  if (value.tag == kOptionalTag && value.size > 0) {
    return OptionalOf(CopyNested(*value.list, arena, depth + 1), arena);
  }
  Value copy = value;
  switch (value.tag) {
    case ValueTag::kString:
    case ValueTag::kBytes:
    case ValueTag::kError:
    case ValueTag::kType:
      copy.s = arena.Copy(value.text()).data();
      break;
    case ValueTag::kList: {
      auto* items = arena.New<Value>(value.size);
      for (uint32_t i = 0; i < value.size; ++i) {
        items[i] = CopyNested(value.list[i], arena, depth + 1);
      }
      copy.list = items;
      break;
    }
    case ValueTag::kMap: {
      auto* entries = arena.New<cep::MapEntry>(value.size);
      for (uint32_t i = 0; i < value.size; ++i) {
        entries[i] = {CopyNested(value.map[i].key, arena, depth + 1),
                      CopyNested(value.map[i].value, arena, depth + 1)};
      }
      copy.map = entries;
      break;
    }
    default:
      break;
  }
  return copy;
}

const Expr& SkipInlined(const Expr& expr) {
  const Expr* at = &expr;
  while (at->ref == RefKind::kInlined && !at->as_value) at = at->args[0];
  return *at;
}

// Whether values of the column can be compared with the constant without a conversion.
bool SameKind(cep::ColumnKind kind, ValueTag tag) {
  return (kind == cep::ColumnKind::kInt && tag == ValueTag::kInt) ||
         (kind == cep::ColumnKind::kDouble && tag == ValueTag::kDouble) ||
         (kind == cep::ColumnKind::kString && tag == ValueTag::kString);
}

}  // namespace

Value CopyValue(const Value& value, Arena& arena) { return CopyNested(value, arena, 0); }

class Emitter {
 public:
  explicit Emitter(const cep::Layout* layout) : layout_(layout) {}

  std::shared_ptr<const Program> Run(const Expr& root) {
    Emit(root, 0);
    Add(&Return, 0);
    if (too_large_) return nullptr;
    program_->uses_scratch_ = allocates_ && root.type != nullptr && IsScalar(root.type->tag);
    if (layout_ != nullptr && uses_whole_events_) {
      uint32_t slot = 0;
      for (const cep::Slot& field : layout_->slots()) {
        program_->event_fields_.push_back(
            {Value::String(program_->arena_.Copy(field.name)), slot++});
      }
    }
    return std::move(program_);
  }

 private:
  using EmitFunction = void (Emitter::*)(const Expr&, uint32_t);

  Instruction& Add(Handler run, uint32_t dst) {
    Instruction& added = program_->code_.emplace_back();
    added.run = run;
    added.dst = static_cast<uint16_t>(dst);
    program_->register_count_ = std::max(program_->register_count_, dst + kLoopBody + 2);
    return added;
  }
  uint32_t Here() const { return static_cast<uint32_t>(program_->code_.size()); }
  Instruction& At(uint32_t index) { return program_->code_[index]; }

  const Value* Constant(const Value& value) {
    program_->makes_special_values_ |= HoldsSpecial(value);
    program_->constants_.push_back(CopyValue(value, program_->arena_));
    return &program_->constants_.back();
  }
  const Value* MissingField(std::string_view name) {
    return Constant(Value::Error("no such field `" + std::string(name) + "`"));
  }

  void Emit(const Expr& expr, uint32_t dst) {
    static constexpr std::array<EmitFunction, 17> kEmitters = {
        &Emitter::EmitError,          // kError
        &Emitter::EmitLiteral,        // kLiteral
        &Emitter::EmitName,           // kIdent
        &Emitter::EmitSelect,         // kSelect
        &Emitter::EmitSelect,         // kHas
        &Emitter::EmitIndex,          // kIndex
        &Emitter::EmitCall,           // kCall
        &Emitter::EmitList,           // kList
        &Emitter::EmitList,           // kMap
        &Emitter::EmitError,          // kMessage
        &Emitter::EmitLogic,          // kAnd
        &Emitter::EmitLogic,          // kOr
        &Emitter::EmitConditional,    // kConditional
        &Emitter::EmitCompare,        // kCompare
        &Emitter::EmitComprehension,  // kComprehension
        &Emitter::EmitBind,           // kBind
        &Emitter::EmitOptionalMap,    // kOptionalMap
    };
    if (dst > kMaxRegisters) {
      too_large_ = true;
      return;
    }
    allocates_ |= Allocates(expr);
    const bool is_special = expr.type != nullptr && expr.type->tag == TypeTag::kAbstract;
    program_->makes_special_values_ |= is_special || expr.is_optional;
    if (!expr.failure.empty()) {
      EmitError(expr, dst);
    } else {
      (this->*kEmitters[static_cast<size_t>(expr.kind)])(expr, dst);
    }
    if (!expr.as_value) return;
    uses_whole_events_ = true;
    Add(&EventsToMaps, dst);
  }

  // Whether the part's own instructions may take memory from the arena.
  static bool Allocates(const Expr& expr) {
    switch (expr.kind) {
      case ExprKind::kList:
      case ExprKind::kMap:
      case ExprKind::kComprehension:
      case ExprKind::kOptionalMap:
        return true;
      case ExprKind::kCall:
        return !IsOperator(expr.name) || expr.overload == nullptr ||
               expr.overload->cost != Cost::kConstant;
      default:
        return expr.as_value || expr.is_optional;
    }
  }

  static bool IsScalar(TypeTag tag) { return tag >= TypeTag::kBool && tag <= TypeTag::kDouble; }

  void EmitError(const Expr& expr, uint32_t dst) {
    const Value* error = Constant(
        Value::Error(expr.failure.empty() ? std::string_view("invalid expression") : expr.failure));
    Add(&LoadConstant, dst).constant = error;
  }

  void EmitLiteral(const Expr& expr, uint32_t dst) {
    const Value* constant = Constant(expr.literal);
    Add(&LoadConstant, dst).constant = constant;
  }

  void EmitName(const Expr& expr, uint32_t dst) {
    switch (expr.ref) {
      case RefKind::kLocal:
        EmitLocal(expr, dst);
        break;
      case RefKind::kConstant:
        EmitLiteral(expr, dst);
        break;
      case RefKind::kField:
        EmitField(expr, dst);
        break;
      case RefKind::kEvent:
        Add(&LoadEvent, dst);
        break;
      case RefKind::kStage:
        EmitStage(expr, dst);
        break;
      case RefKind::kInlined:
        EmitInlined(expr, dst);
        break;
      default:
        EmitError(expr, dst);
        break;
    }
  }

  void EmitLocal(const Expr& expr, uint32_t dst) {
    const Value* unbound = Constant(Value::Error("variable out of scope"));
    Instruction& load = Add(expr.index < locals_.size() ? &Copy : &LoadConstant, dst);
    if (expr.index < locals_.size()) load.a = locals_[expr.index];
    load.constant = unbound;
  }

  // Defines are checked outside the scope of their use: their variables count from 0.
  void EmitInlined(const Expr& expr, uint32_t dst) {
    std::vector<uint16_t> locals;
    locals.swap(locals_);
    Emit(*expr.args[0], dst);
    locals.swap(locals_);
  }

  void EmitStage(const Expr& expr, uint32_t dst) {
    Add(expr.type->tag == TypeTag::kEvent || IsSingle(expr) ? &LoadStageEvent : &LoadStageEvents,
        dst)
        .jump = expr.index;
  }

  // A stage that became a map rather than a list of maps.
  static bool IsSingle(const Expr& expr) {
    return expr.as_value && expr.type->tag == TypeTag::kMap;
  }

  void EmitField(const Expr& expr, uint32_t dst) {
    if (expr.is_optional) {
      Add(&LoadEvent, dst);
      Instruction& load = Add(&OptionalEventField, dst);
      load.a = static_cast<uint16_t>(dst);
      load.slot = expr.index;
      return;
    }
    const Value* error = MissingField(expr.name);
    Instruction& load = Add(expr.kind == ExprKind::kHas ? &HasField : &LoadField, dst);
    load.slot = expr.index;
    load.error = error;
  }

  void EmitSelect(const Expr& expr, uint32_t dst) {
    if (expr.ref == RefKind::kConstant) return EmitLiteral(expr, dst);
    if (expr.ref == RefKind::kField) return EmitField(expr, dst);
    const bool is_test = expr.kind == ExprKind::kHas;
    const Value* error = MissingField(expr.name);
    const Expr& operand = SkipInlined(*expr.args[0]);
    if (expr.ref == RefKind::kEventField && operand.ref == RefKind::kStage && !expr.is_optional) {
      Instruction& load = Add(is_test ? &HasStageField : &LoadStageField, dst);
      load.jump = operand.index;
      load.slot = expr.index;
      load.error = error;
      return;
    }
    Emit(*expr.args[0], dst);
    if (expr.ref == RefKind::kEventField) {
      Instruction& load = Add(is_test            ? &HasEventField
                              : expr.is_optional ? &OptionalEventField
                                                 : &LoadEventField,
                              dst);
      load.a = static_cast<uint16_t>(dst);
      load.slot = expr.index;
      load.error = error;
      return;
    }
    const Value* key = Constant(Value::String(expr.name));
    Instruction& select = Add(is_test            ? &HasKey
                              : expr.is_optional ? &OptionalKey
                                                 : &SelectKey,
                              dst);
    select.a = static_cast<uint16_t>(dst);
    select.constant = key;
    select.error = error;
  }

  void EmitIndex(const Expr& expr, uint32_t dst) {
    Emit(*expr.args[0], dst);
    Emit(*expr.args[1], dst + 1);
    Instruction& index = Add(expr.is_optional ? &OptionalIndex : &Index, dst);
    index.a = static_cast<uint16_t>(dst);
    index.b = static_cast<uint16_t>(dst + 1);
  }

  void EmitArguments(const Expr& expr, uint32_t dst) {
    for (uint32_t i = 0; i < expr.args.size(); ++i) {
      Emit(*expr.args[i], dst + i);
      if (!expr.splices.empty() && expr.splices[i]) Add(&Splice, dst + i);
    }
  }

  void EmitCall(const Expr& expr, uint32_t dst) {
    if (EmitMatches(expr, dst) || EmitAlternative(expr, dst)) return;
    EmitArguments(expr, dst);
    const auto count = static_cast<uint16_t>(expr.args.size());
    if (expr.overload == nullptr) {
      Instruction& call = Add(expr.is_member ? &CallMember : &CallFunction, dst);
      call.function = expr.function;
      call.count = count;
      return;
    }
    if (expr.overload->implementation == nullptr) return EmitError(expr, dst);
    const auto& tags = expr.overload->tags;
    const bool definite =
        count == 2 && tags[0] != ValueTag::kAbsent && tags[1] != ValueTag::kAbsent;
    Instruction& call = Add(definite ? &CallBinary : &CallOverload, dst);
    call.overload = expr.overload;
    call.count = count;
  }

  // A pattern that is constant is compiled once.
  bool EmitMatches(const Expr& expr, uint32_t dst) {
    if (expr.name != "matches" || expr.args.size() != 2) return false;
    const Expr& pattern = SkipInlined(*expr.args[1]);
    if (pattern.kind != ExprKind::kLiteral || pattern.literal.tag != ValueTag::kString)
      return false;
    std::string why;
    Pattern compiled = CompilePattern(pattern.literal.text(), &why);
    if (compiled == nullptr) return false;
    Emit(*expr.args[0], dst);
    Add(&MatchPattern, dst).pattern = compiled.get();
    program_->patterns_.push_back(std::move(compiled));
    return true;
  }

  // `or` and `orValue`: the second operand only if the first holds no value.
  bool EmitAlternative(const Expr& expr, uint32_t dst) {
    const bool is_or = expr.name == "or";
    if (!is_or && expr.name != "orValue") return false;
    if (!expr.is_member || expr.args.size() != 2 ||
        expr.function != FunctionTable::Get().Find(expr.name)) {
      return false;
    }
    Emit(*expr.args[0], dst);
    const uint32_t leave = Here();
    Add(is_or ? &UnlessOptional : &UnlessValue, dst);
    Emit(*expr.args[1], dst);
    At(leave).jump = Here();
    return true;
  }

  void EmitBind(const Expr& expr, uint32_t dst) {
    Emit(*expr.args[0], dst);
    locals_.resize(expr.index);
    locals_.push_back(static_cast<uint16_t>(dst));
    Emit(*expr.args[1], dst + 1);
    locals_.pop_back();
    Add(&Copy, dst).a = static_cast<uint16_t>(dst + 1);
  }

  void EmitOptionalMap(const Expr& expr, uint32_t dst) {
    Emit(*expr.args[0], dst);
    const uint32_t leave = Here();
    Add(&OptionalMapBegin, dst);
    locals_.resize(expr.index);
    locals_.push_back(static_cast<uint16_t>(dst + 1));
    Emit(*expr.args[1], dst + 2);
    locals_.pop_back();
    Add(expr.macro == Macro::kOptMap ? &OptionalMapEnd : &Copy, dst).a =
        static_cast<uint16_t>(dst + 2);
    At(leave).jump = Here();
  }

  void EmitList(const Expr& expr, uint32_t dst) {
    EmitArguments(expr, dst);
    Instruction& make = Add(expr.kind == ExprKind::kList ? &MakeList : &MakeMap, dst);
    make.count = static_cast<uint16_t>(expr.args.size());
  }

  void EmitLogic(const Expr& expr, uint32_t dst) {
    const bool is_and = expr.kind == ExprKind::kAnd;
    std::vector<uint32_t> exits;
    for (size_t i = 0; i < expr.args.size(); ++i) {
      Emit(*expr.args[i], i == 0 ? dst : dst + 1);
      exits.push_back(Here());
      Handler handler = is_and ? &AndNext : &OrNext;
      if (i == 0) handler = is_and ? &AndFirst : &OrFirst;
      Add(handler, dst).a = static_cast<uint16_t>(dst + 1);
    }
    for (const uint32_t exit : exits) At(exit).jump = Here();
  }

  void EmitConditional(const Expr& expr, uint32_t dst) {
    Emit(*expr.args[0], dst);
    const uint32_t branch = Here();
    Add(&Branch, dst);
    Emit(*expr.args[1], dst);
    const uint32_t leave = Here();
    Add(&Jump, dst);
    At(branch).jump = Here();
    Emit(*expr.args[2], dst);
    At(leave).jump = Here();
    At(branch).slot = Here();
  }

  void EmitCompare(const Expr& expr, uint32_t dst) {
    if (EmitFieldCompare(expr, *expr.args[0], *expr.args[1], expr.op, dst)) return;
    if (expr.op != cep::CompareOp::kIn &&
        EmitFieldCompare(expr, *expr.args[1], *expr.args[0], Mirrored(expr.op), dst)) {
      return;
    }
    Emit(*expr.args[0], dst);
    Emit(*expr.args[1], dst + 1);
    Instruction& compare = Add(CompareRegisters(expr.op), dst);
    compare.a = static_cast<uint16_t>(dst);
    compare.b = static_cast<uint16_t>(dst + 1);
  }

  bool EmitFieldCompare(const Expr&, const Expr& left, const Expr& right, cep::CompareOp op,
                        uint32_t dst) {
    const Expr& field = SkipInlined(left);
    const Expr& constant = SkipInlined(right);
    if (layout_ == nullptr || field.ref != RefKind::kField || field.kind == ExprKind::kHas ||
        field.is_optional || constant.kind != ExprKind::kLiteral) {
      return false;
    }
    const cep::ColumnKind kind = layout_->slots()[field.index].kind;
    const Handler handler =
        SameKind(kind, constant.literal.tag) ? CompareFieldToConstant(op, kind) : nullptr;
    if (handler == nullptr) return false;
    const Value* value = Constant(constant.literal);
    const Value* error = MissingField(field.name);
    Instruction& compare = Add(handler, dst);
    compare.slot = field.index;
    compare.constant = value;
    compare.error = error;
    return true;
  }

  void EmitComprehension(const Expr& expr, uint32_t dst) {
    const LoopRow& row = kLoops[static_cast<size_t>(expr.macro)];
    Emit(*expr.args[0], dst + kLoopRange);
    std::vector<uint32_t> exits = {Here()};
    Add(row.begin, dst);
    const uint32_t next = Here();
    exits.push_back(next);
    const bool is_pair = !expr.second_name.empty();
    Add(is_pair ? &LoopNextPair : &LoopNext, dst);
    locals_.resize(expr.index);
    locals_.push_back(static_cast<uint16_t>(dst + kLoopVariable));
    if (is_pair) locals_.push_back(static_cast<uint16_t>(dst + kLoopSecond));
    for (size_t i = 1; i < expr.args.size(); ++i) {
      Emit(*expr.args[i], dst + kLoopBody);
      const bool is_condition = i + 1 < expr.args.size();  // of those that transform
      exits.push_back(Here());
      Add(is_condition ? &MapCondition : row.step, dst).jump = next;
    }
    locals_.resize(expr.index);
    for (const uint32_t exit : exits) At(exit).slot = Here();
    if (expr.macro == Macro::kExistsOne) Add(&CountIsOne, dst);
    if (expr.macro == Macro::kSortBy) Add(&SortByResult, dst);
  }

  const cep::Layout* layout_;
  std::shared_ptr<Program> program_ = std::make_shared<Program>();
  std::vector<uint16_t> locals_;  // the register of each comprehension variable, by level
  bool uses_whole_events_ = false;
  bool allocates_ = false;
  bool too_large_ = false;
};

std::shared_ptr<const Program> EmitProgram(const Expr& root, const cep::Layout* layout) {
  return Emitter(layout).Run(root);
}

}  // namespace vigil::rules::cel
