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
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka)
pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)

# The parts of Abseil in use, as one name. Debian's is built as C++14: absl::string_view is its own
# type, not std::string_view, so Abseil calls need a conversion (CONTRIBUTING.md, "Abseil").
add_library(vigil_absl INTERFACE)
target_link_libraries(vigil_absl INTERFACE
  absl::status absl::statusor absl::strings absl::str_format absl::cord absl::flat_hash_map
  absl::flat_hash_set absl::btree absl::node_hash_map absl::hash absl::inlined_vector absl::span
  absl::int128 absl::time absl::cleanup absl::base)

# The archives of Abseil, RE2 and RocksDB are linked in. As shared libraries they are forty, and
# resolving their symbols took half of the time until `vigil` reads its first byte. Protobuf is not:
# of an archive the well-known types would be missing, which codecs look up by name.
get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
foreach(target ${imported})
  if(target MATCHES "^absl::")
    get_target_property(location ${target} IMPORTED_LOCATION_NONE)
    string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${location}")
    if(EXISTS "${archive}")
      set_target_properties(${target} PROPERTIES IMPORTED_LOCATION_NONE "${archive}" IMPORTED_SONAME_NONE "")
    endif()
  endif()
endforeach()
# RocksDB's CMake package does not find its own dependencies on Debian 12; RE2 has none there.
function(vigil_archive name header)
  find_library(VIGIL_${name}_ARCHIVE lib${name}.a REQUIRED)
  find_path(VIGIL_${name}_INCLUDE ${header} REQUIRED)
  add_library(vigil_${name} STATIC IMPORTED GLOBAL)
  set_target_properties(vigil_${name} PROPERTIES IMPORTED_LOCATION "${VIGIL_${name}_ARCHIVE}"
    INTERFACE_INCLUDE_DIRECTORIES "${VIGIL_${name}_INCLUDE}" INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()
vigil_archive(re2 re2/re2.h Threads::Threads)
vigil_archive(rocksdb rocksdb/db.h Snappy::snappy ZLIB::ZLIB PkgConfig::zstd lz4 bz2 Threads::Threads ${CMAKE_DL_LIBS})
