// How many tokens a second do several streams decode together?
// batched_decode MODEL STREAMS STEPS THREADS [DEPTH]: prints tokens per second of all streams, the better half of the steps.
#include <ggml-backend.h>
#include <llama.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr int prompt_tokens = 16, runs = 2, most_rows = 512;

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

struct Load {
    int streams, steps, depth;  // depth: tokens that all streams have in common before their own prompts
    [[nodiscard]] int cells() const { return depth + streams * (prompt_tokens + steps + 8); }
};

// Tokens that all streams share are prefilled once.
void prefill(llama_context* context, const Load& load) {
    Batch batch(most_rows);
    for (int at = 0; at < load.depth; at += most_rows) {
        batch.clear();
        for (int i = at; i < std::min(at + most_rows, load.depth); ++i) batch.add(100 + i * 7 % 1000, i, 0, i + 1 == load.depth);
        batch.decode(context);
    }
    for (int s = 1; s < load.streams && load.depth > 0; ++s) llama_memory_seq_cp(llama_get_memory(context), 0, s, 0, load.depth);
    for (int s = 0; s < load.streams; ++s) {
        batch.clear();
        for (int i = 0; i < prompt_tokens; ++i) batch.add(100 + (i * 7 + s) % 1000, load.depth + i, s, i + 1 == prompt_tokens);
        batch.decode(context);
    }
    llama_synchronize(context);
}

double tokens_per_second(llama_context* context, const Load& load, int first_position) {
    Batch batch(load.streams);
    const auto start = std::chrono::steady_clock::now();
    for (int step = 0; step < load.steps / runs; ++step) {
        batch.clear();
        for (int s = 0; s < load.streams; ++s) batch.add(100 + (step * 13 + s) % 1000, first_position + step, s, true);
        batch.decode(context);
        llama_synchronize(context);
    }
    return load.streams * (load.steps / runs) / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5 && argc != 6) {
        std::fprintf(stderr, "usage: batched_decode MODEL STREAMS STEPS THREADS [DEPTH]\n");
        return 2;
    }
    const Load load{.streams = std::atoi(argv[2]), .steps = std::atoi(argv[3]), .depth = argc == 6 ? std::atoi(argv[5]) : 0};
    const int threads = std::atoi(argv[4]);
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    ggml_backend_load_all();
    llama_model* model = llama_model_load_from_file(argv[1], llama_model_default_params());
    if (!model) return 1;
    llama_context_params params = llama_context_default_params();
    params.n_ctx = static_cast<uint32_t>(load.cells());
    params.n_batch = params.n_ubatch = static_cast<uint32_t>(most_rows);
    params.n_seq_max = static_cast<uint32_t>(load.streams);
    params.kv_unified = true;
    params.n_threads = params.n_threads_batch = threads;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    llama_context* context = llama_init_from_model(model, params);
    if (!context) return 1;
    prefill(context, load);
    double best = 0;
    for (int run = 0; run < runs; ++run)
        best = std::max(best, tokens_per_second(context, load, load.depth + prompt_tokens + run * (load.steps / runs)));
    std::printf("%.2f\n", best);
    llama_free(context);
    llama_model_free(model);
}
