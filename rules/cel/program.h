// A compiled expression: a flat list of instructions over a file of registers.
//
// Made by EmitProgram() (emitter.h). Every part of the expression has its register fixed when
// compiled: arguments lie in a row, as functions take them. An instruction is a small function
// (instructions.cc) with its operands; it returns the next one. Constants, patterns and names are
// owned by the program; functions are those of the static table. Invariants:  (1) Immutable once
// made; any number of threads may run it.
//              (2) Registers and jump targets are in range; jumps go back only in loops, which are
//              counted. (3) A register never holds kAbsent; an error is a value like any other.
// Scalar expressions allocate nothing; texts and lists made by an evaluation are in the context's
// arena. What an evaluation may take is bounded: kMaxIterations, kMaxWork (functions.h) and
// kMaxEvaluationBytes; beyond them it fails.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "cep/base/arena.h"
#include "cep/event/expression.h"
#include "cep/event/value.h"
#include "rules/cel/functions.h"
#include "rules/cel/regex.h"

namespace vigil::rules::cel {

inline constexpr uint32_t kMaxIterations = 100'000;           // of all macros in one evaluation
inline constexpr uint64_t kMaxEvaluationBytes = 64ull << 20;  // of arena memory in one evaluation
inline constexpr uint32_t kMaxRegisters = 65'000;

struct Instruction;

// The state of one evaluation.
struct Frame {
  cep::Value* registers;
  const Instruction* code;
  const cep::EvalContext& context;
  CallContext call;
  const class Program& program;
  uint32_t iterations_left = kMaxIterations;
  uint64_t bytes_at_start = 0;
};

using Handler = const Instruction* (*)(Frame& frame, const Instruction* self);

struct Instruction {
  Handler run = nullptr;  // returns the next instruction, null at the end
  uint16_t dst = 0;       // registers
  uint16_t a = 0;
  uint16_t b = 0;
  uint16_t count = 0;  // of arguments or items from `dst` on
  uint32_t slot = 0;   // of the layout; in loops: where to go when done
  uint32_t jump = 0;   // index of an instruction; in stage loads: the stage
  union {
    const cep::Value* constant = nullptr;
    const Overload* overload;
    const Function* function;
    const re2::RE2* pattern;
  };
  const cep::Value* error = nullptr;  // what a missing field gives
};

// The thread's memory for evaluations whose caller gave none; Run() empties it first.
Arena& FallbackArena();

class Program {
 public:
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // The value, or one whose tag is kError. The result may point into the program and into
  // context.arena (without one, into memory that the thread's next evaluation reuses).
  cep::Value Run(const cep::EvalContext& context) const;
  // The same for at most the work that `meter` allows, and less what the evaluation took.
  cep::Value Run(const cep::EvalContext& context, WorkMeter& meter) const;

  // Whether the result may be, or hold, what Plain() turns into something else.
  bool makes_special_values() const { return makes_special_values_; }

  // Fields that an event used as a whole consists of, by name and slot.
  struct EventField {
    cep::Value name;
    uint32_t slot;
  };
  const std::vector<EventField>& event_fields() const { return event_fields_; }

 private:
  friend class Emitter;

  std::vector<Instruction> code_;
  uint32_t register_count_ = 1;
  bool makes_special_values_ = false;
  bool uses_scratch_ = false;  // makes values on its way to a scalar: they go before the next row
  std::deque<cep::Value> constants_;
  std::vector<Pattern> patterns_;
  std::vector<EventField> event_fields_;
  Arena arena_;  // what constants point to
};

}  // namespace vigil::rules::cel
