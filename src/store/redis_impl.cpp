// The one translation unit that compiles Boost.Redis's own code, and what Asio has for TLS (see cmake/deps.cmake).
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/redis/src.hpp>
