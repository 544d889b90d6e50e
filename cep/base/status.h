// Status and StatusOr: how an operation that can fail says so.
//
// Abseil's types under the project's own name, with the two macros that pass an error up. For
// broken rule files use Diagnostic (rules/diagnostic.h); a failed CEL expression is a value, not a
// Status.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace vigil {

using absl::Status;
using absl::StatusOr;

}  // namespace vigil

#define VIGIL_STATUS_CONCAT_INNER_(a, b) a##b
#define VIGIL_STATUS_CONCAT_(a, b) VIGIL_STATUS_CONCAT_INNER_(a, b)

// Returns the status of `expr` from the calling function unless it is OK.
#define RETURN_IF_ERROR(expr)                                            \
  do {                                                                   \
    if (::vigil::Status status_ = (expr); !status_.ok()) return status_; \
  } while (false)

// Assigns the value of the StatusOr `expr` to `lhs`, or returns its error.
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL_(VIGIL_STATUS_CONCAT_(status_or_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                           \
  if (!tmp.ok()) return tmp.status();          \
  lhs = *std::move(tmp)
