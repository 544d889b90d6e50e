// The instructions of a Program: one small function each.
//
// Which operands an instruction reads is said beside it; r[x] is a register. Strict instructions
// pass on the first error among their operands.
#pragma once

#include "cep/event/expression.h"
#include "rules/cel/program.h"

namespace vigil::rules::cel::instructions {

using Next = const Instruction*;

inline constexpr std::string_view kTooMuchMemory = "more than 64 MiB of memory in one evaluation";

inline bool IsOverMemory(const Frame& frame) {
  return frame.call.arena.bytes_used() - frame.bytes_at_start > kMaxEvaluationBytes;
}

// Why `key` may not be put into `map`: absent, or an error.
cep::Value ProblemOfKey(Frame& frame, const cep::Value& map, const cep::Value& key);

// Loads: r[dst] becomes ...
Next LoadConstant(Frame& frame, Next self);  // *constant
Next LoadField(Frame& frame, Next self);     // the current event's field `slot`, or *error
Next LoadStageField(Frame& frame,
                    Next self);  // field `slot` of the one event of stage `jump`, or *error
Next LoadEventField(Frame& frame, Next self);   // field `slot` of the event in r[a], or *error
Next LoadEvent(Frame& frame, Next self);        // the current event
Next LoadStageEvent(Frame& frame, Next self);   // the one event of stage `jump`
Next LoadStageEvents(Frame& frame, Next self);  // the events of stage `jump`
Next HasField(Frame& frame, Next self);         // whether the current event has field `slot`
Next HasStageField(Frame& frame, Next self);
Next HasEventField(Frame& frame, Next self);
// The value of key *constant in the map r[a], or *error; of an optional map an optional.
Next SelectKey(Frame& frame, Next self);
Next HasKey(Frame& frame, Next self);
Next Index(Frame& frame, Next self);  // r[a][r[b]]
// The same as optionals, none where there is no such field, key or item.
Next OptionalEventField(Frame& frame, Next self);  // field `slot` of the event in r[a]
Next OptionalKey(Frame& frame, Next self);
Next OptionalIndex(Frame& frame, Next self);
Next EventsToMaps(Frame& frame, Next self);  // r[dst] with events replaced by maps of their fields

// Makes: of `count` values from r[dst] on.
Next Splice(Frame& frame, Next self);  // marks the optional r[dst], for the next two
Next MakeList(Frame& frame, Next self);
Next MakeMap(Frame& frame, Next self);  // keys and values in turn

// Calls: arguments r[dst], ... (`count` of them), result r[dst].
Next CallOverload(Frame& frame, Next self);  // *overload
Next CallBinary(Frame& frame, Next self);    // *overload of two arguments of definite types
Next CallFunction(Frame& frame,
                  Next self);              // the first overload of *function that takes the values
Next CallMember(Frame& frame, Next self);  // the same, of member overloads
Next MatchPattern(Frame& frame, Next self);  // r[dst] against *pattern

// Comparisons. The second kind compares a field `slot` with *constant, without loading it where
// columns allow.
Handler CompareRegisters(cep::CompareOp op);  // r[a] op r[b]
Handler CompareFieldToConstant(cep::CompareOp op, cep::ColumnKind kind);

// Control. `&&`: AndFirst on r[dst], then AndNext combines r[dst] with r[a]; both jump when the
// result is settled.
Next AndFirst(Frame& frame, Next self);
Next AndNext(Frame& frame, Next self);
Next OrFirst(Frame& frame, Next self);
Next OrNext(Frame& frame, Next self);
Next Branch(Frame& frame,
            Next self);  // on r[dst]: true goes on, false to `jump`, all else fails to `slot`
Next Jump(Frame& frame, Next self);
// On the optional r[dst]: a value goes to `jump`, none goes on; all else fails to `jump`.
Next UnlessOptional(Frame& frame, Next self);  // the optional stays
Next UnlessValue(Frame& frame, Next self);     // r[dst] becomes the value
// optMap: none goes to `jump`, a value is put into r[dst + 1]; all else fails to `jump`.
Next OptionalMapBegin(Frame& frame, Next self);
Next OptionalMapEnd(Frame& frame, Next self);  // r[dst] becomes an optional of r[a]
Next Copy(Frame& frame, Next self);            // r[dst] becomes r[a]
Next Return(Frame& frame, Next self);

// Loops. Registers from dst on: result, range, position, one or two variables, then the body's
// value.
inline constexpr uint16_t kLoopRange = 1;
inline constexpr uint16_t kLoopPosition = 2;
inline constexpr uint16_t kLoopVariable = 3;
inline constexpr uint16_t kLoopSecond = 4;
inline constexpr uint16_t kLoopBody = 5;
Next LoopOverAll(Frame& frame, Next self);      // begins a loop whose result starts as true
Next LoopOverExists(Frame& frame, Next self);   // as false
Next LoopOverCount(Frame& frame, Next self);    // as 0
Next LoopOverList(Frame& frame, Next self);     // as an empty list; a bad range goes to `slot`
Next LoopOverMap(Frame& frame, Next self);      // as an empty map with room for the range
Next LoopOverEntries(Frame& frame, Next self);  // as an empty map without
Next LoopNext(Frame& frame, Next self);         // the next item, or to `slot` when there is none
Next LoopNextPair(Frame& frame, Next self);     // the next index (or key) and item
// End of the body: back to `jump`, or to `slot` when the result is settled.
Next AllStep(Frame& frame, Next self);
Next ExistsStep(Frame& frame, Next self);
Next CountStep(Frame& frame, Next self);
Next FilterStep(Frame& frame, Next self);
Next MapCondition(Frame& frame,
                  Next self);  // of map with three arguments: false goes back, true goes on
Next MapStep(Frame& frame, Next self);
Next TransformMapStep(Frame& frame, Next self);    // the body's value under the first variable
Next TransformEntryStep(Frame& frame, Next self);  // the entries of the body's value
Next SortByResult(Frame& frame, Next self);        // the range by the keys that the loop collected
Next CountIsOne(Frame& frame, Next self);          // turns the count into exists_one's result

}  // namespace vigil::rules::cel::instructions
