// Asio's own code, compiled once. Not taken from weft's http layer: the load generator shares nothing with what it measures.
#include <boost/asio/impl/src.hpp>
