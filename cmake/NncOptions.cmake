# Warnings, sanitizers and ccache for every target of the project.
option(NNC_WERROR "treat warnings as errors" ON)
option(NNC_ASAN "build with address and undefined-behaviour sanitizers" OFF)
option(NNC_FUZZ "build the libFuzzer entry points (clang only)" OFF)

add_library(nnc_options INTERFACE)
target_include_directories(nnc_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(nnc_options INTERFACE _GNU_SOURCE)
target_compile_options(nnc_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-sign-conversion
  $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>   # false alarms across inlined calls at -O3
  $<$<BOOL:${NNC_WERROR}>:-Werror> -fno-strict-aliasing -ffp-contract=off)
if(CMAKE_C_COMPILER_ID MATCHES Clang)     # "xyz" + 1, a & b of truth values, assert(!"text") and constants from enums are meant
  target_compile_options(nnc_options INTERFACE -Wno-string-plus-int -Wno-bitwise-instead-of-logical -Wno-string-conversion
    -Wno-enum-float-conversion)
endif()

set(sanitize "")
if(NNC_ASAN)
  set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_compile_options(nnc_options INTERFACE -fno-omit-frame-pointer)
endif()
if(NNC_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "NNC_FUZZ needs clang: cmake --preset fuzz, or -DCMAKE_C_COMPILER=clang-19")
  endif()
  list(APPEND sanitize -fsanitize=fuzzer-no-link)
endif()
if(sanitize)
  target_compile_options(nnc_options INTERFACE ${sanitize})
  target_link_options(nnc_options INTERFACE ${sanitize})
endif()

find_program(NNC_CCACHE ccache)
if(NNC_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${NNC_CCACHE})
endif()

# nnc_folder(name deps...): a static library of every .c file below the current folder.
function(nnc_folder name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC nnc_options ${ARGN})
endfunction()
