# Fuzz targets: each tests/fuzz/X.cc (or fuzz_X.cc, X_fuzz.cc) defines LLVMFuzzerTestOneInput and
# becomes the executable fuzz_X. In the fuzz preset libFuzzer drives it; elsewhere replay_main.cc runs
# tests/fuzz/corpus/X and mutations of it, as a ctest with the label fuzz.
file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*.cc)
list(REMOVE_ITEM files ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/replay_main.cc)
set(matcher_support)  # the engine and the reference matcher over made-up cases
foreach(name compare_case engine_run pattern_case random_case reference_matcher reference_places
        reference_run snapshot_run)
  list(APPEND matcher_support ${CMAKE_CURRENT_SOURCE_DIR}/support/${name}.cc)
endforeach()

foreach(file ${files})
  cmake_path(GET file STEM name)
  string(REGEX REPLACE "^fuzz_|_fuzz$" "" name ${name})
  set(target fuzz_${name})
  add_executable(${target} ${file})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE vigil::daemon)
  if(name MATCHES "^(matcher|unit)$")
    target_sources(${target} PRIVATE ${matcher_support})
    target_link_libraries(${target} PRIVATE simdjson::simdjson fmt::fmt)
  endif()
  if(VIGIL_FUZZ)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    continue()
  endif()
  target_sources(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/replay_main.cc)
  if(IS_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
    add_test(NAME ${target} COMMAND ${launcher} $<TARGET_FILE:${target}> tests/fuzz/corpus/${name}
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${target} PROPERTIES LABELS fuzz TIMEOUT ${timeout})
  endif()
endforeach()
