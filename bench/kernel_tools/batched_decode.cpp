// How many tokens a second do several streams decode together?
// batched_decode MODEL STREAMS STEPS THREADS: prints tokens per second of all streams, best of three runs.
#include <ggml-backend.h>
#include <llama.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr int prompt_tokens = 64, runs = 3;

class Batch {
  public:
    explicit Batch(int capacity) : batch_(llama_batch_init(capacity, 0, 1)) {}
    ~Batch() { llama_batch_free(batch_); }
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    void clear() { batch_.n_tokens = 0; }
    void add(int token, int position, int stream, bool logits) {
        const int i = batch_.n_tokens++;
        batch_.token[i] = token;
        batch_.pos[i] = position;
        batch_.n_seq_id[i] = 1;
        batch_.seq_id[i][0] = stream;
        batch_.logits[i] = logits;
    }
    void decode(llama_context* context) {
        if (llama_decode(context, batch_) == 0) return;
        std::fprintf(stderr, "batched_decode: llama_decode failed\n");
        std::exit(1);
    }

  private:
    llama_batch batch_;
};

double tokens_per_second(llama_context* context, int streams, int steps) {
    llama_memory_clear(llama_get_memory(context), true);
    Batch batch(std::max(streams, prompt_tokens));
    for (int s = 0; s < streams; ++s) {
        batch.clear();
        for (int i = 0; i < prompt_tokens; ++i) batch.add(100 + (i * 7 + s) % 1000, i, s, i + 1 == prompt_tokens);
        batch.decode(context);
    }
    llama_synchronize(context);
    const auto start = std::chrono::steady_clock::now();
    for (int step = 0; step < steps; ++step) {
        batch.clear();
        for (int s = 0; s < streams; ++s) batch.add(100 + (step * 13 + s) % 1000, prompt_tokens + step, s, true);
        batch.decode(context);
        llama_synchronize(context);
    }
    return streams * steps / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: batched_decode MODEL STREAMS STEPS THREADS\n");
        return 2;
    }
    const int streams = std::atoi(argv[2]), steps = std::atoi(argv[3]), threads = std::atoi(argv[4]);
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    ggml_backend_load_all();
    llama_model* model = llama_model_load_from_file(argv[1], llama_model_default_params());
    if (!model) return 1;
    llama_context_params params = llama_context_default_params();
    params.n_ctx = static_cast<uint32_t>(streams * (prompt_tokens + steps + 8));
    params.n_batch = params.n_ubatch = static_cast<uint32_t>(std::max(streams, prompt_tokens));
    params.n_seq_max = static_cast<uint32_t>(streams);
    params.kv_unified = true;
    params.n_threads = params.n_threads_batch = threads;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    llama_context* context = llama_init_from_model(model, params);
    if (!context) return 1;
    double best = 0;
    for (int run = 0; run < runs; ++run) best = std::max(best, tokens_per_second(context, streams, steps));
    std::printf("%.2f\n", best);
    llama_free(context);
    llama_model_free(model);
}
