// Runs one text through one model twice, first without and then with the plug-in, and compares the next-token
// distributions: perplexity of both, mean KL divergence, how often the most likely token is the same.
// usage: compare_logits MODEL TEXT PLUGIN [MODEL_IN_F32]: the same weights as 32-bit floats show how far both are from what
// would be computed without rounding activations.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <ggml-backend.h>
#include <llama.h>

namespace {

constexpr int window = 256;

struct Run {
    std::vector<llama_token> tokens;
    std::vector<std::vector<float>> log_probs;  // one row per token
};

std::vector<float> log_softmax(const float* logits, int n) {
    const float top = *std::max_element(logits, logits + n);
    double sum = 0;
    for (int i = 0; i < n; ++i) sum += std::exp(double(logits[i]) - top);
    const float shift = top + float(std::log(sum));
    std::vector<float> out(logits, logits + n);
    for (float& v : out) v -= shift;
    return out;
}

Run run(const char* path, const std::string& text) {
    llama_model* model = llama_model_load_from_file(path, llama_model_default_params());
    llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = window;
    params.n_threads = params.n_threads_batch = 2;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    llama_context* context = llama_init_from_model(model, params);
    const llama_vocab* vocab = llama_model_get_vocab(model);
    Run r;
    r.tokens.resize(text.size() + 8);
    r.tokens.resize(llama_tokenize(vocab, text.data(), int(text.size()), r.tokens.data(), int(r.tokens.size()), true, true));
    r.tokens.resize(r.tokens.size() / window * window);
    llama_batch batch = llama_batch_init(window, 0, 1);
    for (size_t start = 0; start < r.tokens.size(); start += window) {
        llama_memory_clear(llama_get_memory(context), true);
        batch.n_tokens = window;
        for (int i = 0; i < window; ++i) {
            batch.token[i] = r.tokens[start + i];
            batch.pos[i] = i;
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i] = true;
        }
        if (llama_decode(context, batch) != 0) std::abort();
        for (int i = 0; i < window; ++i)
            r.log_probs.push_back(log_softmax(llama_get_logits_ith(context, i), llama_vocab_n_tokens(vocab)));
    }
    llama_batch_free(batch);
    llama_free(context);
    llama_model_free(model);
    return r;
}

double perplexity(const Run& r) {
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i + 1 < r.tokens.size(); ++i)
        if (i % window >= window / 2 && (i + 1) % window != 0) sum -= r.log_probs[i][r.tokens[i + 1]], ++n;
    return std::exp(sum / double(n));
}

struct Distance {
    double mean_kl, worst_kl, same_top;
};

// How far q is from p.
Distance distance(const Run& p, const Run& q) {
    Distance d{};
    for (size_t i = 0; i < p.log_probs.size(); ++i) {
        const auto &a = p.log_probs[i], &b = q.log_probs[i];
        double here = 0;
        for (size_t t = 0; t < a.size(); ++t) here += std::exp(double(a[t])) * (double(a[t]) - b[t]);
        d.mean_kl += here;
        d.worst_kl = std::max(d.worst_kl, here);
        d.same_top += std::max_element(a.begin(), a.end()) - a.begin() == std::max_element(b.begin(), b.end()) - b.begin();
    }
    const double n = double(p.log_probs.size());
    d.mean_kl /= n, d.same_top /= n;
    return d;
}

void print(const char* what, const Distance& d) {
    std::printf("%s: KL mean %.6f worst %.6f; same top token %.2f %%\n", what, d.mean_kl, d.worst_kl, 100 * d.same_top);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4 && argc != 5) {
        std::fprintf(stderr, "usage: compare_logits MODEL TEXT PLUGIN [MODEL_IN_F32]\n");
        return 2;
    }
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    ggml_backend_load_all();
    std::stringstream text;
    text << std::ifstream(argv[2]).rdbuf();
    const Run plain = run(argv[1], text.str());
    const Run exact = argc == 5 ? run(argv[4], text.str()) : Run{};
    if (!ggml_backend_load(argv[3])) return 1;
    const Run ours = run(argv[1], text.str());
    std::printf("%zu tokens, perplexity %.4f without, %.4f with\n", plain.tokens.size(), perplexity(plain), perplexity(ours));
    print("without and with", distance(plain, ours));
    if (argc == 4) return 0;
    std::printf("exactly: perplexity %.4f\n", perplexity(exact));
    print("exactly and without", distance(exact, plain));
    print("exactly and with", distance(exact, ours));
}
