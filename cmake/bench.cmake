# Micro benchmarks: one executable vigil_bench from bench/micro/*.cc (google-benchmark). A
# bench/CMakeLists.txt, when there is one, takes over.
if(EXISTS ${PROJECT_SOURCE_DIR}/bench/CMakeLists.txt)
  add_subdirectory(bench)
  return()
endif()
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/micro/*.cc)
if(sources)
  find_package(benchmark CONFIG REQUIRED)
  add_executable(vigil_bench ${sources})
  target_link_libraries(vigil_bench PRIVATE vigil::daemon benchmark::benchmark benchmark::benchmark_main)
endif()
