#include "rules/cel/program.h"

#include <cstddef>

#include "rules/cel/emitter.h"

namespace vigil::rules::cel {
namespace {

constexpr uint32_t kInlineRegisters = 32;

}  // namespace

Arena& FallbackArena() {
  thread_local Arena arena;
  return arena;
}

cep::Value Program::Run(const cep::EvalContext& context) const {
  WorkMeter meter{kMaxWork};
  return Run(context, meter);
}

cep::Value Program::Run(const cep::EvalContext& context, WorkMeter& meter) const {
  // A caller's arena lives for a whole block of rows; what a condition makes on its way is not to
  // add up over them.
  const bool scratch = uses_scratch_ || context.arena == nullptr;
  if (scratch) FallbackArena().Reset();
  Arena& arena = scratch ? FallbackArena() : *context.arena;
  // Raw memory: every register is written before it is read, none needs construction.
  alignas(cep::Value) std::byte inline_registers[kInlineRegisters * sizeof(cep::Value)];
  auto* registers = reinterpret_cast<cep::Value*>(inline_registers);
  if (register_count_ > kInlineRegisters) registers = arena.New<cep::Value>(register_count_);
  Frame frame{registers, code_.data(),   context,           {arena, meter},
              *this,     kMaxIterations, arena.bytes_used()};
  const Instruction* at = code_.data();
  while (at != nullptr) at = at->run(frame, at);
  const cep::Value result = registers[0];
  const bool points = result.tag == cep::ValueTag::kError || result.tag > cep::ValueTag::kDouble;
  if (!uses_scratch_ || context.arena == nullptr || !points) return result;
  return CopyValue(result, *context.arena);
}

}  // namespace vigil::rules::cel
