# The precompiled header of the gateway's layers and of their tests.
function(weft_use_pch TARGET)
    if(NOT TARGET weft_pch)
        add_library(weft_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
        target_link_libraries(weft_pch PRIVATE weft_options weft_asio glaze::glaze)
        target_precompile_headers(weft_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.h)
    endif()
    target_link_libraries(${TARGET} PRIVATE weft_asio glaze::glaze)
    target_precompile_headers(${TARGET} REUSE_FROM weft_pch)
endfunction()

# weft_layer(NAME [PCH] [HOT] SOURCES ... HEADERS ... DEPENDS ...): one static library per folder, alias weft::NAME, with the
# options that hold for all our code. Headers form a file set, so that the build can compile each one alone.
# In a unity build up to 24 sources of a layer are compiled as one: a third of the time from nothing, several times that of one
# source for one changed line (the preset dev has no unity build; with sanitizers it is eight, because each source takes far more memory).
# Names in unnamed namespaces are therefore distinct within a folder.
# HOT: its code runs for every token of every step, and is worth -O2 in every preset. Release builds the rest at -O1, which
# takes a quarter less time.
add_library(weft_options INTERFACE)
target_compile_options(weft_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow=local -Wno-missing-field-initializers)
target_include_directories(weft_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
set(weft_sources_at_once 24)
if(WEFT_SANITIZE)
    set(weft_sources_at_once 8)
    string(REPLACE ";" "," weft_sanitizers "${WEFT_SANITIZE}")
    add_compile_options(-fsanitize=${weft_sanitizers} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${weft_sanitizers})
endif()

function(weft_layer NAME)
    cmake_parse_arguments(ARG "PCH;HOT" "" "SOURCES;HEADERS;DEPENDS" ${ARGN})
    if(ARG_SOURCES)
        add_library(weft_${NAME} STATIC ${ARG_SOURCES})
        set(scope PUBLIC)
    else()
        add_library(weft_${NAME} INTERFACE)
        set(scope INTERFACE)
    endif()
    add_library(weft::${NAME} ALIAS weft_${NAME})
    target_sources(weft_${NAME} ${scope} FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src FILES ${ARG_HEADERS})
    target_link_libraries(weft_${NAME} ${scope} weft_options ${ARG_DEPENDS})
    if(ARG_SOURCES)
        set_target_properties(weft_${NAME} PROPERTIES UNITY_BUILD ${WEFT_UNITY} UNITY_BUILD_BATCH_SIZE ${weft_sources_at_once})
        # False alarms of GCC 16 about coroutine frames and std::expected.
        target_compile_options(weft_${NAME} PRIVATE -Wno-maybe-uninitialized -Wno-mismatched-new-delete
                               -Wno-subobject-linkage)
    endif()
    if(ARG_HOT)
        target_compile_options(weft_${NAME} PRIVATE -O2)
    endif()
    if(ARG_PCH)
        weft_use_pch(weft_${NAME})
    endif()
endfunction()

# weft_test(NAME [PCH] SOURCES ... DEPENDS ... [LABELS ...]): one Catch2 program, each test case known to CTest by its title.
function(weft_test NAME)
    cmake_parse_arguments(ARG "PCH" "" "SOURCES;DEPENDS;LABELS" ${ARGN})
    add_executable(${NAME} ${ARG_SOURCES})
    target_link_libraries(${NAME} PRIVATE weft_options ${ARG_DEPENDS} Catch2::Catch2WithMain)
    target_compile_definitions(${NAME} PRIVATE WEFT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    if(ARG_PCH)
        weft_use_pch(${NAME})
    endif()
    if(NOT ARG_LABELS)
        set(ARG_LABELS unit)
    endif()
    # The sanitizers are some ten times slower.
    if(WEFT_SANITIZE)
        set(patience 1800)
    else()
        set(patience 600)
    endif()
    add_test(NAME ${NAME} COMMAND ${NAME})
    set_tests_properties(${NAME} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${patience})
endfunction()
