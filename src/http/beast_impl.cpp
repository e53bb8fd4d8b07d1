// The one translation unit that compiles Asio's and Beast's own code (see cmake/deps.cmake).
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
