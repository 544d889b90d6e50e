#include "rules/cel/program.h"

#include <cstddef>

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
  if (context.arena == nullptr) FallbackArena().Reset();
  Arena& arena = context.arena != nullptr ? *context.arena : FallbackArena();
  // Raw memory: every register is written before it is read, none needs construction.
  alignas(cep::Value) std::byte inline_registers[kInlineRegisters * sizeof(cep::Value)];
  auto* registers = reinterpret_cast<cep::Value*>(inline_registers);
  if (register_count_ > kInlineRegisters) registers = arena.New<cep::Value>(register_count_);
  Frame frame{registers, code_.data(),   context,           {arena, meter},
              *this,     kMaxIterations, arena.bytes_used()};
  const Instruction* at = code_.data();
  while (at != nullptr) at = at->run(frame, at);
  return registers[0];
}

}  // namespace vigil::rules::cel
