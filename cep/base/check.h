// CEP_CHECK and CEP_DCHECK: for this program's own bugs only.
//
// Input, peers and disks can never trigger one: they get a Status, a Diagnostic or a dead-letter
// record.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CEP_CHECK(condition)                                                               \
  do {                                                                                     \
    if (!(condition)) [[unlikely]] {                                                       \
      std::fprintf(stderr, "%s:%d: internal error: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                        \
    }                                                                                      \
  } while (false)

#ifdef NDEBUG
#define CEP_DCHECK(condition) \
  do {                        \
    (void)sizeof(condition);  \
  } while (false)
#else
#define CEP_DCHECK(condition) CEP_CHECK(condition)
#endif
