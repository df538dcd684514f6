# Files that become part of a program: their bytes and their gzip form, found by name through embedded.hpp.
#
#     seqrec_embed(TARGET NAME=FILE…)
#
# The assembler's .incbin takes them in as they are, so a large file costs no compile time. The second half of this
# file runs while building, whenever one of the files has changed.

function(seqrec_embed target)
    set(folder ${CMAKE_CURRENT_BINARY_DIR}/embedded)
    set(outputs ${folder}/embedded.S ${folder}/embedded.cpp)
    set(inputs ${ARGN})
    list(TRANSFORM inputs REPLACE "^[^=]*=" "")
    add_custom_command(
        OUTPUT ${outputs}
        COMMAND ${CMAKE_COMMAND} "-DENTRIES=${ARGN}" -DFOLDER=${folder} -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
        DEPENDS ${inputs} ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
        COMMENT "Embedding files"
        VERBATIM)
    target_sources(${target} PRIVATE ${outputs})
    target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
endfunction()

if(NOT CMAKE_SCRIPT_MODE_FILE)
    return()
endif()

set(assembler "    .section .note.GNU-stack,\"\",%progbits\n    .section .rodata\n")
set(declarations "")
set(table "")
set(number 0)

macro(take_in symbol file)
    string(APPEND assembler "    .balign 16\n    .global ${symbol}\n${symbol}:\n    .incbin \"${file}\"\n    .byte 0\n")
    string(APPEND declarations "extern \"C\" const char ${symbol}[];\n")
    file(SIZE ${file} ${symbol})
endmacro()

file(MAKE_DIRECTORY ${FOLDER})
foreach(entry IN LISTS ENTRIES)
    string(FIND ${entry} "=" split)
    math(EXPR after "${split} + 1")
    string(SUBSTRING ${entry} 0 ${split} name)
    string(SUBSTRING ${entry} ${after} -1 file)
    set(plain seqrec_embedded_${number})
    set(packed ${plain}_gzip)
    execute_process(COMMAND gzip -9 -n -c ${file} OUTPUT_FILE ${FOLDER}/${number}.gz COMMAND_ERROR_IS_FATAL ANY)
    take_in(${plain} ${file})
    take_in(${packed} ${FOLDER}/${number}.gz)
    file(SHA256 ${file} digest)
    string(APPEND table "    {\"${name}\", {${plain}, ${${plain}}}, {${packed}, ${${packed}}}, \"${digest}\"},\n")
    math(EXPR number "${number} + 1")
endforeach()

file(WRITE ${FOLDER}/embedded.S "${assembler}")
file(WRITE ${FOLDER}/embedded.cpp "// Written by embed.cmake.
#include \"embedded.hpp\"

#include <stdexcept>

${declarations}
namespace seqrec::sidecar {

static constexpr EmbeddedFile kFiles[] = {
${table}};

std::span<const EmbeddedFile> embedded_files() { return kFiles; }

const EmbeddedFile& embedded_file(std::string_view name) {
    for (const auto& file : kFiles)
        if (file.name == name) return file;
    throw std::out_of_range(\"no embedded file \" + std::string(name));
}

}  // namespace seqrec::sidecar
")
