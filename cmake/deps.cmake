# Everything the project links, from Debian forky (packages/*.txt). Versions are those the code was written against.
find_package(Threads REQUIRED)
find_package(Boost 1.92 REQUIRED CONFIG COMPONENTS url)
find_package(glaze REQUIRED)
find_package(CLI11 2.6 REQUIRED)
find_package(spdlog 1.15 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(llama REQUIRED)

# Beast and Asio are heavy: their implementation is compiled once, in src/http/beast_impl.cpp.
add_library(weft_asio INTERFACE)
target_link_libraries(weft_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(weft_asio INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
                           BOOST_ASIO_NO_DEPRECATED)
if(WEFT_TESTS)
    find_package(Catch2 3 REQUIRED)
endif()

# Metrics: the core library alone; the package's own CMake files ask for a web server and curl, too.
find_library(PROMETHEUS_CORE prometheus-cpp-core REQUIRED)
find_path(PROMETHEUS_INCLUDE prometheus/text_serializer.h REQUIRED)
add_library(prometheus_core INTERFACE)
target_link_libraries(prometheus_core INTERFACE ${PROMETHEUS_CORE})
target_include_directories(prometheus_core SYSTEM INTERFACE ${PROMETHEUS_INCLUDE})
