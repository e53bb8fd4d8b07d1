#include "app/gateway.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <csignal>
#include <fstream>

#include "app/engine_factory.h"
#include "app/routes.h"
#include "base/log.h"
#include "http/server.h"
#include "registry/local_registry.h"
#include "services/chat/chat_service.h"
#include "services/embed/embed_service.h"

namespace weft {
namespace asio = boost::asio;
namespace {

constexpr std::size_t worker_threads = 2;

// Owns every part of the gateway, in the order in which they depend on each other. Thread: io.
class Gateway {
  public:
    explicit Gateway(const GatewayOptions& options)
        : options_(options),
          workers_(worker_threads),
          store_(io_.get_executor(), workers_.get_executor(), options.models),
          factory_(io_.get_executor(), options.program, options.engine, options.load_timeout),
          registry_(io_.get_executor(), store_, factory_, options.residency),
          chat_(registry_, io_.get_executor()),
          embed_(registry_),
          ollama_{.registry = registry_, .chat = chat_, .embed = embed_, .clock = clock_,
                  .default_context_tokens = options.residency.context_tokens},
          server_(io_, options.server,
                  make_router(ollama_, {.registry = registry_, .chat = chat_, .embed = embed_, .clock = clock_,
                               .default_context_tokens = options.residency.context_tokens},
                              {.registry = registry_, .chat = chat_, .default_context_tokens = options.residency.context_tokens},
                              registry_, draining_),
                  error_formatter()),
          signals_(io_, SIGINT, SIGTERM) {}

    int run() {
        const auto bound = server_.listen(options_.host, options_.port);
        if (!bound) {
            log_error("cannot_listen", {{"host", options_.host}, {"port", std::to_string(options_.port)},
                                        {"reason", bound.error().message}, {"detail", bound.error().detail}});
            return 1;
        }
        server_.set_middleware({
            // A web page that rebinds its name to 127.0.0.1 still sends its own name.
            http::check_host({.bound_to_loopback = bound->loopback, .extra_hosts = options_.extra_hosts}),
            // Other people's web pages must not use the models of whoever looks at them.
            http::apply_cors({.extra_origins = options_.extra_origins}),
        });
        if (!options_.port_file.empty()) std::ofstream(options_.port_file) << bound->port << '\n';
        log_info("listening", {{"address", bound->address}, {"port", std::to_string(bound->port)},
                               {"models", std::to_string(registry_.list().size())}});
        await_signal();
        io_.run();
        return exit_status_;
    }

  private:
    void await_signal() {
        signals_.async_wait([this](boost::system::error_code error, int signal) {
            if (error) return;
            if (draining_) return end_now();
            drain(signal);
            await_signal();
        });
    }

    void drain(int signal) {
        draining_ = true;
        log_info("draining", {{"signal", std::to_string(signal)},
                              {"connections", std::to_string(server_.connections())}});
        registry_.drain();
        server_.drain(options_.drain_time, [this] {
            // Engines write down their prefixes before they end.
            registry_.stop_all([this] {
                log_info("drained");
                io_.stop();
            });
        });
    }

    void end_now() {
        log_warn("ended_by_second_signal");
        exit_status_ = 1;
        server_.stop();
        io_.stop();
    }

    const GatewayOptions& options_;
    asio::io_context io_{1};  // one thread runs it
    asio::thread_pool workers_;
    SteadyClock clock_;
    ModelStore store_;
    EngineFactory factory_;
    LocalRegistry registry_;
    ChatService chat_;
    EmbedService embed_;
    api::ollama::Services ollama_;
    bool draining_ = false;
    http::Server server_;
    asio::signal_set signals_;
    int exit_status_ = 0;
};

}  // namespace

int run_gateway(const GatewayOptions& options) {
    std::signal(SIGPIPE, SIG_IGN);
    Gateway gateway(options);
    return gateway.run();
}

}  // namespace weft
