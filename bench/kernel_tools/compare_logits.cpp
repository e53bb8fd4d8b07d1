// Runs one text through one model twice, first without and then with the plug-in, and compares the next-token
// distributions: perplexity of both, mean KL divergence, how often the most likely token is the same.
// usage: compare_logits MODEL TEXT PLUGIN
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

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: compare_logits MODEL TEXT PLUGIN\n");
        return 2;
    }
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    ggml_backend_load_all();
    std::stringstream text;
    text << std::ifstream(argv[2]).rdbuf();
    const Run plain = run(argv[1], text.str());
    if (!ggml_backend_load(argv[3])) return 1;
    const Run ours = run(argv[1], text.str());
    double kl = 0, worst = 0;
    size_t same = 0;
    for (size_t i = 0; i < plain.log_probs.size(); ++i) {
        const auto &p = plain.log_probs[i], &q = ours.log_probs[i];
        double here = 0;
        for (size_t t = 0; t < p.size(); ++t) here += std::exp(double(p[t])) * (double(p[t]) - q[t]);
        kl += here;
        worst = std::max(worst, here);
        same += std::max_element(p.begin(), p.end()) - p.begin() == std::max_element(q.begin(), q.end()) - q.begin();
    }
    const double n = double(plain.log_probs.size());
    std::printf("%zu tokens, perplexity %.4f without, %.4f with; KL mean %.6f worst %.6f; same top token %.2f %%\n",
                plain.tokens.size(), perplexity(plain), perplexity(ours), kl / n, worst, 100.0 * double(same) / n);
}
