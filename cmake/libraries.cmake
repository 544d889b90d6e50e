# The libraries Vigil stands on, all from the distribution (scripts/packages.txt). Those that ship a
# CMake package are found by it, the others by pkg-config.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(fmt CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(simdjson CONFIG REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Protobuf REQUIRED)
find_package(OpenSSL REQUIRED)     # TLS of the schema registry's client
find_package(Snappy CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)  # core: the text format of /metrics
find_package(Boost 1.74 REQUIRED)  # headers only: Asio, Beast
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka)
pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)
pkg_check_modules(rocksdb REQUIRED IMPORTED_TARGET rocksdb)

# The parts of Abseil in use, as one name. Debian's is built as C++14: absl::string_view is its own
# type, not std::string_view, so Abseil calls need a conversion (CONTRIBUTING.md, "Abseil").
add_library(vigil_absl INTERFACE)
target_link_libraries(vigil_absl INTERFACE
  absl::status absl::statusor absl::strings absl::str_format absl::cord absl::flat_hash_map
  absl::flat_hash_set absl::btree absl::node_hash_map absl::hash absl::inlined_vector absl::span
  absl::int128 absl::time absl::cleanup absl::base)
