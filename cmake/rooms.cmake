# vigil_room(NAME DEPS... [EXCEPT FILE...]): the static library vigil_NAME (alias vigil::NAME) from
# all NAME/**/*.cc, with the repository root as include folder. A room without a .cc is an INTERFACE
# library, so that what depends on it configures from the first day. The room `proto` is generated
# from proto/*.proto and included as "proto/x.pb.h".
function(vigil_room name)
  cmake_parse_arguments(arg "" "" "EXCEPT" ${ARGN})
  set(target vigil_${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.cc)
  foreach(file ${arg_EXCEPT})
    list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/${file})
  endforeach()
  file(GLOB protos CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.proto)
  if(name STREQUAL "proto" AND protos)
    vigil_generate_protobuf(sources ${protos})
  endif()

  if(sources)
    add_library(${target} STATIC ${sources})
    set(visibility PUBLIC)
  else()
    add_library(${target} INTERFACE)
    set(visibility INTERFACE)
  endif()
  add_library(vigil::${name} ALIAS ${target})
  target_include_directories(${target} ${visibility} ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} ${visibility} ${arg_UNPARSED_ARGUMENTS})
  if(name STREQUAL "proto" AND protos)
    target_include_directories(${target} SYSTEM PUBLIC ${PROJECT_BINARY_DIR}/generated)
    target_compile_options(${target} PRIVATE -w)
  endif()
endfunction()

# Sets `out` to the .pb.cc files that protoc makes of the given files below build/generated.
function(vigil_generate_protobuf out)
  set(folder ${PROJECT_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${folder})
  set(made)
  foreach(proto ${ARGN})
    cmake_path(RELATIVE_PATH proto BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE relative)
    cmake_path(REMOVE_EXTENSION relative OUTPUT_VARIABLE stem)
    add_custom_command(
      OUTPUT ${folder}/${stem}.pb.cc ${folder}/${stem}.pb.h
      COMMAND protobuf::protoc --proto_path=${PROJECT_SOURCE_DIR} --cpp_out=${folder} ${relative}
      DEPENDS ${proto}
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
      COMMENT "protoc ${relative}"
      VERBATIM)
    list(APPEND made ${folder}/${stem}.pb.cc)
  endforeach()
  set(${out} ${made} PARENT_SCOPE)
endfunction()
