# Compiler and linker flags of every target, and the compiler cache.

# Haswell (AVX2, BMI, 2013) is the oldest processor that the binary runs on; it says so at start on an older one.
# Never -march=native: the binary must run on another machine than the one that built it.
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  message(FATAL_ERROR "Vigil is built for x86-64 (AVX2), this machine is ${CMAKE_SYSTEM_PROCESSOR}.")
endif()
add_compile_options(-march=haswell)
add_compile_options(-Wall -Wextra -fno-omit-frame-pointer)
if(VIGIL_WERROR)
  add_compile_options(-Werror)
endif()
# Options structs are set by designated initializers, which leave the other fields to their defaults.
add_compile_options(-Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 raises these on correct standard library code once it has inlined it: the first is pure
  # noise (GCC PR105651), the others are worth reading but not worth a broken build.
  add_compile_options(-Wno-restrict)
  foreach(name maybe-uninitialized array-bounds stringop-overflow stringop-overread dangling-pointer
               free-nonheap-object)
    add_compile_options(-Wno-error=${name})
  endforeach()
endif()
# __FILE__ and debug information name files from the repository root: no machine's paths in a binary.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
# Libraries a binary calls nothing of are not loaded with it.
add_link_options(-Wl,--as-needed)

set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g")  # no NDEBUG: assertions stay

if(VIGIL_SANITIZE)
  add_compile_options(-fsanitize=${VIGIL_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${VIGIL_SANITIZE})
  if(VIGIL_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # atomic_thread_fence: known to be invisible to it
  endif()
endif()

# The edge counters that libFuzzer steers by, everywhere; tests/fuzz.cmake links its main().
if(VIGIL_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()

# Objects carry both machine code and the optimiser's form. Only the shipped binary links the latter;
# tests link the former and stay quick to build.
if(VIGIL_LTO)
  add_compile_options(-flto=auto -ffat-lto-objects)
  add_link_options(-fno-lto)
endif()
function(vigil_link_as_release target)
  if(VIGIL_LTO)
    target_link_options(${target} PRIVATE -flto=auto -O3)
  endif()
endfunction()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness lets it cache translation units that use a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${CCACHE_PROGRAM})
endif()
