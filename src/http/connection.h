#pragma once

#include <boost/asio/awaitable.hpp>
#include <list>
#include <memory>
#include <string>

#include "base/clock.h"
#include "http/request_parser.h"
#include "http/server_core.h"
#include "http/server_exchange.h"
#include "http/wire.h"

namespace weft::http {

// One client connection: reads requests, lets middleware and a handler answer them, until either side has enough.
// Thread: io.
class Connection : public std::enable_shared_from_this<Connection> {
  public:
    enum class Purpose {
        serve,
        refuse,  // there are too many connections: the first request is answered 503, then it is closed
    };
    // Adds a connection to core's list and starts it.
    static void start(std::shared_ptr<ServerCore> core, Socket socket, std::string peer, Purpose purpose);

    void sweep(TimePoint now) { wire_->sweep(now); }
    // Draining: one that waits for its next request ends; one that is answering ends by itself afterwards.
    void close_if_idle();
    // Ends now: the running handler hears that the client is gone.
    void close();

    Connection(std::shared_ptr<ServerCore> core, Socket socket, std::string peer, Purpose purpose);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

  private:
    [[nodiscard]] boost::asio::awaitable<void> run();
    [[nodiscard]] boost::asio::awaitable<bool> serve_next();
    // One request and its answer. The connection can go on when turn.keep_alive is still set afterwards.
    [[nodiscard]] boost::asio::awaitable<void> take_turn(Turn& turn);
    [[nodiscard]] boost::asio::awaitable<bool> read_head(Turn& turn, RequestParser& parser);
    [[nodiscard]] boost::asio::awaitable<bool> read_body(Turn& turn, RequestParser& parser);
    [[nodiscard]] boost::asio::awaitable<bool> fill_body(Turn& turn, RequestParser& parser);
    [[nodiscard]] boost::asio::awaitable<void> handle(Turn& turn);
    [[nodiscard]] boost::asio::awaitable<void> answer_early(Turn& turn, RequestParser& parser, Answer answer);
    [[nodiscard]] boost::asio::awaitable<void> refuse(Turn& turn, Refusal refusal);

    [[nodiscard]] std::optional<Answer> early_answer(Turn& turn, const HeadFacts& facts) const;
    [[nodiscard]] Response render(const Turn& turn, Refusal refusal) const;
    void end();
    void leave_list();

    std::shared_ptr<ServerCore> core_;
    std::shared_ptr<Wire> wire_;
    std::string peer_;
    Purpose purpose_;
    std::list<Connection*>::iterator place_;
    bool listed_ = true;
    unsigned requests_ = 0;
    bool idle_ = true;  // no byte of a request has arrived
};

}  // namespace weft::http
