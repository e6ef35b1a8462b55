# embed: compiles every Lua file of lualib/ and scripts/, and Debian's
# argparse, into the program. A new file needs no edit here.
#
# One assembler file includes them all byte for byte and holds the table that
# modules.c reads: name, first byte, end; a null name ends it.
find_file(ARGPARSE_LUA argparse.lua
  PATHS /usr/share/lua/5.4 /usr/local/share/lua/5.4 REQUIRED)

set(embed_files)  # pairs: name in the program, file
foreach(folder lualib scripts)
  file(GLOB_RECURSE found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.lua)
  list(SORT found)
  foreach(file IN LISTS found)
    # Definitions: those of scripts, which `godwit init` hands out; the others
    # are for who works on the library.
    if(file MATCHES "/lualib/godwit/meta/[^/]*$")
      continue()
    endif()
    if(folder STREQUAL lualib)
      file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR}/lualib ${file})
    else()
      file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR} ${file})
    endif()
    list(APPEND embed_files ${name} ${file})
  endforeach()
endforeach()
list(APPEND embed_files argparse.lua ${ARGPARSE_LUA})

set(data "")
set(table "")
set(depends "")
set(i 0)
while(embed_files)
  list(POP_FRONT embed_files name file)
  string(APPEND data ".Ln${i}: .asciz \"${name}\"\n")
  string(APPEND data ".Lb${i}: .incbin \"${file}\"\n.Le${i}: .byte 0\n")
  string(APPEND table "  .quad .Ln${i}, .Lb${i}, .Le${i}\n")
  list(APPEND depends ${file})
  math(EXPR i "${i} + 1")
endwhile()

set(embed_s ${CMAKE_CURRENT_BINARY_DIR}/embed.S)
file(GENERATE OUTPUT ${embed_s} CONTENT "\
/* Made by runtime/lua/embed.cmake. */
.section .rodata
${data}
.section .data.rel.ro, \"aw\"
.balign 8
.globl gw_embedded
gw_embedded:
${table}  .quad 0, 0, 0
.section .note.GNU-stack, \"\", %progbits
")
set_source_files_properties(${embed_s} TARGET_DIRECTORY godwit_core PROPERTIES
  GENERATED TRUE LANGUAGE ASM OBJECT_DEPENDS "${depends}")
target_sources(godwit_core PRIVATE ${embed_s})
