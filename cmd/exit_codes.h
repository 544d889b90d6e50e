// What a command's exit code says; scripts rely on it.
#pragma once

namespace vigil::cmd {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFindings = 1;  // bad rules, failed tests
inline constexpr int kExitUsage = 2;     // usage or configuration
inline constexpr int kExitIo = 3;        // input or output failed

}  // namespace vigil::cmd
