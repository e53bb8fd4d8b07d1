// Whole graphs through the back end, as llama.cpp hands them over: weights in its buffer, activations in plain memory.
#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>

#include <ggml-alloc.h>

#include "isa/isa.h"
#include "noise.h"
#include "plugin/backend.h"
#include "plugin/device.h"
#include "plugin/settings.h"
#include "plugin/weights.h"

namespace weft::kernels {
namespace {

constexpr int thread_counts[] = {1, 2, 3, 5, 8, 16, 33, 64};

struct FreeContext {
    void operator()(ggml_context* c) const { ggml_free(c); }
};
struct FreeBuffer {
    void operator()(ggml_backend_buffer* b) const { ggml_backend_buffer_free(b); }
};
struct FreeAllocator {
    void operator()(ggml_gallocr* a) const { ggml_gallocr_free(a); }
};
struct FreeBackend {
    void operator()(ggml_backend* b) const { ggml_backend_free(b); }
};

std::unique_ptr<ggml_context, FreeContext> new_context() {
    return std::unique_ptr<ggml_context, FreeContext>(
        ggml_init({.mem_size = 256 * ggml_tensor_overhead() + ggml_graph_overhead(), .mem_buffer = nullptr, .no_alloc = true}));
}

// A few nodes, and the memory of their tensors.
class Graph {
  public:
    Graph() : weights_(new_context()), nodes_(new_context()), graph_(ggml_new_graph(nodes_.get())) {}

    // Normal noise of that type. Thread: the test's.
    ggml_tensor* weight(ggml_type type, int64_t k, int64_t rows, int64_t experts = 1) {
        return ggml_new_tensor_3d(weights_.get(), type, k, rows, experts);
    }
    ggml_tensor* floats(int64_t a, int64_t b, int64_t c = 1) { return ggml_new_tensor_3d(nodes_.get(), GGML_TYPE_F32, a, b, c); }
    ggml_tensor* halves(int64_t a, int64_t b, int64_t c = 1) { return ggml_new_tensor_3d(nodes_.get(), GGML_TYPE_F16, a, b, c); }
    ggml_tensor* numbers(int64_t a, int64_t b = 1) { return ggml_new_tensor_2d(nodes_.get(), GGML_TYPE_I32, a, b); }
    ggml_context* context() const { return nodes_.get(); }
    void add(ggml_tensor* node) { ggml_build_forward_expand(graph_, node); }
    // Both, of which only the first is to be computed.
    void add_branches(ggml_tensor* taken, ggml_tensor* left) {
        ggml_tensor* both[] = {taken, left};
        ggml_build_forward_select(graph_, both, 2, 0);
    }

    // Tensors get memory that others no longer need, as in llama.cpp's graphs; but for inputs and outputs.
    void allocate_sparingly() {
        weight_memory_.reset(ggml_backend_alloc_ctx_tensors_from_buft(weights_.get(), weight_buffer_type()));
        allocator_.reset(ggml_gallocr_new(ggml_backend_cpu_buffer_type()));
        REQUIRE(ggml_gallocr_alloc_graph(allocator_.get(), graph_));
    }

    void allocate() {
        weight_memory_.reset(ggml_backend_alloc_ctx_tensors_from_buft(weights_.get(), weight_buffer_type()));
        node_memory_.reset(ggml_backend_alloc_ctx_tensors_from_buft(nodes_.get(), ggml_backend_cpu_buffer_type()));
    }

    void compute(int threads) const {
        const std::unique_ptr<ggml_backend, FreeBackend> backend(ggml_backend_dev_init(loader_device(), nullptr));
        set_backend_threads(backend.get(), threads);
        REQUIRE(ggml_backend_graph_compute(backend.get(), graph_) == GGML_STATUS_SUCCESS);
    }

  private:
    std::unique_ptr<ggml_context, FreeContext> weights_, nodes_;
    std::unique_ptr<ggml_backend_buffer, FreeBuffer> weight_memory_, node_memory_;
    std::unique_ptr<ggml_gallocr, FreeAllocator> allocator_;
    ggml_cgraph* graph_;
};

// Fills a tensor with noise and returns what it holds, as floats.
std::vector<float> fill(ggml_tensor* t, unsigned seed) {
    auto values = normal_noise(size_t(ggml_nelements(t)), seed);
    std::vector<uint8_t> bytes(ggml_nbytes(t));
    ggml_quantize_chunk(t->type, values.data(), bytes.data(), 0, ggml_nrows(t), t->ne[0], nullptr);
    ggml_backend_tensor_set(t, bytes.data(), 0, bytes.size());
    std::vector<uint8_t> again(bytes.size());
    ggml_backend_tensor_get(t, again.data(), 0, again.size());
    CHECK(bytes == again);
    to_floats(t->type, bytes.data(), values.data(), int64_t(values.size()));
    return values;
}

std::vector<float> result(const ggml_tensor* t) {
    std::vector<float> out(size_t(ggml_nelements(t)));
    ggml_backend_tensor_get(t, out.data(), 0, out.size() * sizeof(float));
    return out;
}

std::vector<float> product(const std::vector<float>& w, const std::vector<float>& x, int64_t k) {
    const int64_t rows = int64_t(w.size()) / k, columns = int64_t(x.size()) / k;
    std::vector<float> out;
    for (int64_t c = 0; c < columns; ++c)
        for (int64_t r = 0; r < rows; ++r) {
            double sum = 0;
            for (int64_t i = 0; i < k; ++i) sum += double(w[size_t(r * k + i)]) * x[size_t(c * k + i)];
            out.push_back(float(sum));
        }
    return out;
}

double difference(const std::vector<float>& want, const std::vector<float>& got) {
    double error = 0, power = 0;
    for (size_t i = 0; i < want.size(); ++i) error += std::pow(double(want[i]) - got[i], 2), power += std::pow(want[i], 2);
    return std::sqrt(error / power);
}

// Some heads of one KV head or two. They see all cells or, with a mask, the first token the last cells only, the second one none,
// others every third.
struct LongContext {
    explicit LongContext(int64_t cells, int64_t tokens, int64_t heads = 2, int64_t kv_heads = 1, bool masked = false, bool with_sinks = false) {
        q = graph.floats(64, tokens, heads), k = graph.halves(64, cells, kv_heads), v = graph.halves(64, cells, kv_heads);
        ggml_tensor* mask = masked ? graph.halves(cells, tokens) : nullptr;
        out = ggml_flash_attn_ext(graph.context(), q, k, v, mask, 0.125f, 0, 0);
        ggml_tensor* sinks = with_sinks ? graph.floats(heads, 1) : nullptr;
        if (with_sinks) ggml_flash_attn_ext_add_sinks(out, sinks);
        graph.add(out);
        graph.allocate();
        fill(q, 1), fill(k, 2), fill(v, 3);
        if (with_sinks) fill(sinks, 4);
        if (!masked) return;
        std::vector<ggml_fp16_t> values;
        for (int64_t t = 0; t < tokens; ++t)
            for (int64_t i = 0; i < cells; ++i) {
                const bool seen = t == 0 ? i >= cells - 20 : t > 1 && i % 3 == 0;
                values.push_back(ggml_fp32_to_fp16(seen ? 0 : -INFINITY));
            }
        ggml_backend_tensor_set(mask, values.data(), 0, values.size() * sizeof values[0]);
    }
    std::vector<float> computed(int threads) const {
        graph.compute(threads);
        return result(out);
    }
    Graph graph;
    ggml_tensor *q, *k, *v, *out;
};

// Three layers of a Llama with biases, as llama.cpp builds them: 4 heads of 64 on 2 KV heads.
class Layers {
  public:
    explicit Layers(int64_t tokens, bool sparingly) : tokens_(tokens) {
        x_ = input(graph_.floats(width, tokens)), norm_ = input(graph_.floats(width, 1));
        positions_ = input(graph_.numbers(tokens)), cells_ = input(ggml_new_tensor_1d(c(), GGML_TYPE_I64, tokens));
        mask_ = input(graph_.halves(cell_count, tokens));
        ggml_tensor* x = x_;
        for (int layer = 0; layer < 3; ++layer) x = feed_forward(ggml_add(c(), attention(normed(x)), x));
        out_ = x;
        ggml_set_output(out_);
        graph_.add(out_);
        if (sparingly) graph_.allocate_sparingly();
        else graph_.allocate();
        for (ggml_tensor* w : weights_) fill(w, unsigned(seed_++));
        fill(norm_, 1);
        std::vector<int32_t> positions;
        std::vector<int64_t> cells;
        for (int64_t t = 0; t < tokens; ++t) positions.push_back(int32_t(t)), cells.push_back((t * 5) % cell_count);
        ggml_backend_tensor_set(positions_, positions.data(), 0, ggml_nbytes(positions_));
        ggml_backend_tensor_set(cells_, cells.data(), 0, ggml_nbytes(cells_));
    }

    std::vector<float> computed(int threads) {
        fill(x_, 2);
        const std::vector<ggml_fp16_t> nothing_hidden(size_t(cell_count * tokens_), 0);
        ggml_backend_tensor_set(mask_, nothing_hidden.data(), 0, ggml_nbytes(mask_));
        for (ggml_tensor* cache : caches_) fill(cache, 3);
        graph_.compute(threads);
        return result(out_);
    }

  private:
    static constexpr int64_t width = 256, kv_width = 128, hidden = 512, size = 64, cell_count = 96;

    [[nodiscard]] ggml_context* c() const { return graph_.context(); }
    ggml_tensor* input(ggml_tensor* t) {
        ggml_set_input(t), ggml_set_output(t);  // neither made nor overwritten
        return t;
    }
    ggml_tensor* times(ggml_type type, int64_t rows, ggml_tensor* x) {
        weights_.push_back(graph_.weight(type, x->ne[0], rows));
        return ggml_mul_mat(c(), weights_.back(), x);
    }
    ggml_tensor* normed(ggml_tensor* x) { return ggml_mul(c(), ggml_rms_norm(c(), x, 1e-5f), norm_); }
    ggml_tensor* rotated(ggml_tensor* x) {
        return ggml_rope_ext(c(), ggml_reshape_3d(c(), x, size, x->ne[0] / size, tokens_), positions_, nullptr, size, GGML_ROPE_TYPE_NEOX, 4096, 10000, 1, 0, 1, 32, 1);
    }
    ggml_tensor* cached(ggml_tensor* x) {
        caches_.push_back(input(graph_.halves(kv_width, cell_count)));
        graph_.add(ggml_set_rows(c(), caches_.back(), ggml_reshape_2d(c(), x, kv_width, tokens_), cells_));
        ggml_tensor* heads = ggml_view_3d(c(), caches_.back(), size, kv_width / size, cell_count, 2 * size, 2 * kv_width, 0);
        return ggml_permute(c(), heads, 0, 2, 1, 3);
    }
    ggml_tensor* attention(ggml_tensor* x) {
        ggml_tensor* q = rotated(ggml_add(c(), times(GGML_TYPE_Q4_K, width, x), norm_));
        ggml_tensor *v = cached(times(GGML_TYPE_Q6_K, kv_width, x)), *k = cached(rotated(times(GGML_TYPE_Q4_K, kv_width, x)));
        ggml_tensor* out = ggml_flash_attn_ext(c(), ggml_permute(c(), q, 0, 2, 1, 3), k, v, mask_, 0.125f, 0, 0);
        return times(GGML_TYPE_Q8_0, width, ggml_reshape_2d(c(), out, width, tokens_));
    }
    ggml_tensor* feed_forward(ggml_tensor* x) {
        ggml_tensor *n = normed(x), *gate = times(GGML_TYPE_Q5_0, hidden, n), *up = times(GGML_TYPE_Q4_0, hidden, n);
        return ggml_add(c(), times(GGML_TYPE_Q6_K, width, ggml_swiglu_split(c(), gate, up)), x);
    }

    int64_t tokens_;
    Graph graph_{};
    ggml_tensor *x_, *norm_, *positions_, *cells_, *mask_, *out_;
    std::vector<ggml_tensor*> weights_{}, caches_{};
    int seed_ = 10;
};

}  // namespace

TEST_CASE("layers come to the same on 1 to 64 threads, in memory of their own or one that is used again and again", "[threads]") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    for (const int64_t tokens : {1, 7, 33, 90}) {
        Layers layers(tokens, false), sparing(tokens, true);
        const auto alone = layers.computed(1);
        CHECK(std::ranges::all_of(alone, [](float x) { return std::isfinite(x); }));
        for (const int threads : thread_counts) {
            INFO(tokens << " tokens on " << threads << " threads");
            const auto together = layers.computed(threads);
            // A context is cut into as many parts as there are threads for, which is another order of sums.
            CHECK(difference(alone, together) < 1e-3);
            CHECK(sparing.computed(threads) == together);
        }
    }
}

TEST_CASE("a graph comes to the same on 1 to 64 threads", "[threads]") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    for (const int64_t columns : {1, 3, 21, 70}) {
        Graph graph;
        ggml_tensor *first = graph.weight(GGML_TYPE_Q4_K, 512, 768), *second = graph.weight(GGML_TYPE_Q6_K, 768, 500);
        ggml_tensor* x = graph.floats(512, columns);
        ggml_tensor* hidden = ggml_mul_mat(graph.context(), first, x);
        ggml_tensor* out = ggml_mul_mat(graph.context(), second, hidden);
        graph.add(out);
        graph.allocate();
        const auto w1 = fill(first, 1), w2 = fill(second, 2), xs = fill(x, 3);
        graph.compute(1);
        const auto alone = result(out);
        CHECK(difference(product(w2, product(w1, xs, 512), 768), alone) < 0.02);
        for (const int threads : thread_counts) {
            INFO(columns << " columns on " << threads << " threads");
            graph.compute(threads);
            CHECK(result(out) == alone);
        }
    }
}

TEST_CASE("activations that lie where others lay are rounded anew") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    for (const int64_t columns : {1, 40}) {
        Graph graph;
        ggml_tensor *first = graph.weight(GGML_TYPE_Q8_0, 512, 64), *second = graph.weight(GGML_TYPE_Q8_0, 512, 64), *x = graph.floats(512, columns);
        ggml_tensor *before = ggml_mul_mat(graph.context(), first, x), *doubled = ggml_scale_inplace(graph.context(), x, 2);
        ggml_tensor* after = ggml_mul_mat(graph.context(), second, doubled);
        graph.add(before), graph.add(after);
        graph.allocate();
        const auto w1 = fill(first, 1), w2 = fill(second, 2);
        auto xs = fill(x, 3);
        graph.compute(2);
        CHECK(difference(product(w1, xs, 512), result(before)) < 0.02);
        for (float& value : xs) value *= 2;
        CHECK(difference(product(w2, xs, 512), result(after)) < 0.02);
    }
}

TEST_CASE("a mixture is routed anew where other choices lie in the same memory") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    constexpr int64_t k = 256, rows = 64, experts = 8, slots = 2;
    for (const int64_t tokens : {1, 200}) {
        Graph graph;
        ggml_context* c = graph.context();
        ggml_tensor* x = graph.floats(k, 1, tokens);
        ggml_tensor* w[] = {graph.weight(GGML_TYPE_Q8_0, k, rows, experts), graph.weight(GGML_TYPE_Q8_0, k, rows, experts)};
        ggml_tensor* scores[] = {graph.floats(experts, tokens), graph.floats(experts, tokens)};
        ggml_tensor* out[2];
        ggml_set_input(x), ggml_set_output(x);
        for (int i = 0; i < 2; ++i) {
            ggml_set_input(scores[i]), ggml_set_output(scores[i]);
            out[i] = ggml_mul_mat_id(c, w[i], x, ggml_argsort_top_k(c, scores[i], slots));
            ggml_set_output(out[i]);
            graph.add(out[i]);
        }
        graph.allocate_sparingly();
        REQUIRE(out[0]->src[2]->data == out[1]->src[2]->data);
        const auto xs = fill(x, 1);
        for (int i = 0; i < 2; ++i) {
            const auto ws = fill(w[i], unsigned(2 + i));
            // The first choice of the one mixture is the last of the other.
            std::vector<float> values;
            for (int64_t t = 0; t < tokens; ++t)
                for (int64_t e = 0; e < experts; ++e) values.push_back(float(i == 0 ? e : -e));
            ggml_backend_tensor_set(scores[i], values.data(), 0, ggml_nbytes(scores[i]));
            if (i == 0) continue;
            graph.compute(2);
            std::vector<float> want;
            for (int64_t t = 0; t < tokens; ++t)
                for (int64_t s = 0; s < slots; ++s) {
                    const auto one = product({ws.begin() + s * k * rows, ws.begin() + (s + 1) * k * rows}, {xs.begin() + t * k, xs.begin() + (t + 1) * k}, k);
                    want.insert(want.end(), one.begin(), one.end());
                }
            CHECK(difference(want, result(out[1])) < 0.02);
        }
    }
}

TEST_CASE("a branch that a graph does not take is not computed") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    Graph graph;
    ggml_tensor *w = graph.weight(GGML_TYPE_Q4_0, 64, 16), *x = graph.floats(64, 1), *unset = graph.floats(64, 1);
    ggml_tensor *taken = ggml_mul_mat(graph.context(), w, x), *left = ggml_mul_mat(graph.context(), w, unset);
    graph.add_branches(taken, left);
    graph.allocate();
    const auto ws = fill(w, 1), xs = fill(x, 2), before = fill(left, 3);
    graph.compute(1);
    CHECK(difference(product(ws, xs, 64), result(taken)) < 0.02);
    CHECK(result(left) == before);
}

TEST_CASE("a mixture of experts comes to the same on 1 to 64 threads, for one token and for many", "[threads]") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    constexpr int64_t k = 512, rows = 96, experts = 7, slots = 3;
    for (const int64_t tokens : {1, 2, 50}) {
        Graph graph;
        ggml_tensor *w = graph.weight(GGML_TYPE_Q4_K, k, rows, experts), *x = graph.floats(k, 1, tokens), *ids = graph.numbers(slots, tokens);
        ggml_tensor* out = ggml_mul_mat_id(graph.context(), w, x, ids);
        graph.add(out);
        graph.allocate();
        const auto ws = fill(w, 1), xs = fill(x, 2);
        std::vector<int32_t> chosen;
        std::vector<float> want;
        for (int64_t t = 0; t < tokens; ++t)
            for (int64_t s = 0; s < slots; ++s) {
                chosen.push_back(int32_t((t * 5 + s * 2) % experts));
                const auto matrix = ws.begin() + chosen.back() * k * rows;
                const auto one = product({matrix, matrix + k * rows}, {xs.begin() + t * k, xs.begin() + (t + 1) * k}, k);
                want.insert(want.end(), one.begin(), one.end());
            }
        ggml_backend_tensor_set(ids, chosen.data(), 0, chosen.size() * sizeof(int32_t));
        graph.compute(1);
        const auto alone = result(out);
        CHECK(difference(want, alone) < 0.012);
        for (const int threads : thread_counts) {
            INFO(tokens << " tokens on " << threads << " threads");
            graph.compute(threads);
            CHECK(result(out) == alone);
        }
    }
}

TEST_CASE("an adapter's small matrices are multiplied where they lie, whatever its rank") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16})
        for (const int64_t rank : {1, 4, 8, 24, 64})
            for (const int64_t columns : {1, 5, 40}) {
                INFO(ggml_type_name(type) << ", rank " << rank << ", " << columns << " columns");
                Graph graph;
                ggml_tensor *a = graph.weight(type, 256, rank), *b = graph.weight(type, rank, 300);
                ggml_tensor* x = graph.floats(256, columns);
                ggml_tensor* low = ggml_mul_mat(graph.context(), a, x);
                ggml_tensor* out = ggml_mul_mat(graph.context(), b, low);
                graph.add(out);
                graph.allocate();
                const auto as = fill(a, 1), bs = fill(b, 2), xs = fill(x, 3);
                CHECK(ggml_backend_dev_supports_op(loader_device(), low));
                CHECK(ggml_backend_dev_supports_op(loader_device(), out));
                graph.compute(2);
                CHECK(difference(product(bs, product(as, xs, 256), rank), result(out)) < (type == GGML_TYPE_F32 ? 1e-6 : 6e-3));
            }
}

TEST_CASE("rows are read from packed matrices of every type") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    for (const Format& f : all_formats()) {
        INFO(ggml_type_name(f.type));
        const int64_t k = f.pads ? 300 : 512;
        Graph graph;
        ggml_tensor *w = graph.weight(f.type, k, 37), *ids = graph.numbers(4);
        ggml_tensor* out = ggml_get_rows(graph.context(), w, ids);
        graph.add(out);
        graph.allocate();
        const auto ws = fill(w, 1);
        const int32_t wanted[] = {36, 0, 17, 36};
        ggml_backend_tensor_set(ids, wanted, 0, sizeof wanted);
        graph.compute(3);
        const auto got = result(out);
        for (size_t i = 0; i < 4; ++i) CHECK(std::equal(got.begin() + int64_t(i) * k, got.begin() + int64_t(i + 1) * k, ws.begin() + wanted[i] * k));
    }
}

TEST_CASE("a view of a packed matrix holds what the matrix holds") {
    for (const Format& f : all_formats()) {
        INFO(ggml_type_name(f.type));
        const int64_t k = f.pads ? 300 : 512, rows = 37;
        Graph graph;
        ggml_tensor* w = graph.weight(f.type, k, rows);
        ggml_tensor* row = ggml_view_1d(graph.context(), w, k, 20 * ggml_row_size(f.type, k));
        graph.add(ggml_add(graph.context(), graph.floats(k, 1), graph.floats(k, 1)));  // nodes of their own, as graphs have
        ggml_tensor* some = ggml_view_2d(graph.context(), w, k, 7, ggml_row_size(f.type, k), 30 * ggml_row_size(f.type, k));
        graph.allocate();
        fill(w, 1);
        std::vector<uint8_t> whole(ggml_nbytes(w));
        ggml_backend_tensor_get(w, whole.data(), 0, whole.size());
        const auto holds = [&](const ggml_tensor* view, int64_t first_row) {
            std::vector<uint8_t> part(ggml_nbytes(view));
            ggml_backend_tensor_get(view, part.data(), 0, part.size());
            return std::equal(part.begin(), part.end(), whole.begin() + first_row * int64_t(ggml_row_size(f.type, k)));
        };
        CHECK(holds(row, 20));
        CHECK(holds(some, 30));
        std::vector<uint8_t> middle(100);
        ggml_backend_tensor_get(w, middle.data(), 1001, middle.size());
        CHECK(std::equal(middle.begin(), middle.end(), whole.begin() + 1001));
    }
}

TEST_CASE("activations are read anew when rows have been written where they lay") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    Graph graph;
    ggml_tensor *w = graph.weight(GGML_TYPE_Q8_0, 256, 64), *table = graph.weight(GGML_TYPE_F32, 256, 9), *ids = graph.numbers(40);
    ggml_tensor* x = graph.floats(256, 40);
    ggml_tensor* first = ggml_mul_mat(graph.context(), w, x);
    ggml_tensor* rows = ggml_get_rows(graph.context(), table, ids);
    ggml_tensor* second = ggml_mul_mat(graph.context(), w, rows);
    graph.add(first), graph.add(rows), graph.add(second);
    graph.allocate();
    rows->data = x->data;  // as an allocator does that sees x for the last time
    const auto ws = fill(w, 1), entries = fill(table, 2);
    fill(x, 3);
    std::vector<int32_t> wanted(40);
    std::vector<float> xs;
    for (int i = 0; i < 40; ++i) {
        wanted[size_t(i)] = i % 9;
        xs.insert(xs.end(), entries.begin() + i % 9 * 256, entries.begin() + (i % 9 + 1) * 256);
    }
    ggml_backend_tensor_set(ids, wanted.data(), 0, wanted.size() * sizeof(int32_t));
    graph.compute(2);
    CHECK(difference(product(ws, xs, 256), result(second)) < 0.02);
}

TEST_CASE("rows that do not exist come out as zeros") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    Graph graph;
    ggml_tensor *w = graph.weight(GGML_TYPE_Q8_0, 64, 5), *ids = graph.numbers(4);
    ggml_tensor* out = ggml_get_rows(graph.context(), w, ids);
    graph.add(out);
    graph.allocate();
    fill(w, 1);
    const int32_t none[] = {5, -1, 1855488, INT32_MIN};
    ggml_backend_tensor_set(ids, none, 0, sizeof none);
    graph.compute(1);
    CHECK(result(out) == std::vector<float>(4 * 64, 0.0f));
}

TEST_CASE("a long context is shared among threads, and the parts put together come to the whole", "[threads]") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    for (const int64_t cells : {33, 1000, 5000})
        for (const int64_t tokens : {1, 3}) {
            const LongContext context(cells, tokens);
            const auto alone = context.computed(1);
            for (const int threads : thread_counts) {
                INFO(cells << " cells, " << tokens << " tokens on " << threads << " threads");
                CHECK(difference(alone, context.computed(threads)) < 1e-5);
            }
        }
}

TEST_CASE("a long context in parts keeps each row to the cells that it sees", "[threads]") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    for (const auto& [tokens, heads, kv_heads] : {std::array<int64_t, 3>{1, 4, 2}, {3, 4, 2}, {5, 6, 2}, {30, 8, 2}}) {
        for (const bool with_sinks : {false, true}) {
            const LongContext context(3000, tokens, heads, kv_heads, true, with_sinks);
            const auto alone = context.computed(1);
            // [token][head][64]
            if (tokens > 1)
                for (int64_t i = heads * 64; i < 2 * heads * 64; ++i) CHECK(alone[size_t(i)] == 0);
            for (const int threads : thread_counts) {
                INFO(tokens << " tokens, " << heads << " heads on " << threads << " threads, sinks: " << with_sinks);
                CHECK(difference(alone, context.computed(threads)) < 1e-5);
            }
        }
    }
}

TEST_CASE("a deterministic graph gives a row the same result alone and among others, on any number of threads", "[deterministic]") {
    if (!chosen_isa()) SKIP("no kernels for this processor");
    if (!settings().deterministic) SKIP("WEFT_KERNELS_DETERMINISTIC is not 1");
    const auto columns_of = [](int64_t columns, int threads) {
        Graph graph;
        ggml_tensor *w = graph.weight(GGML_TYPE_Q4_K, 512, 300), *x = graph.floats(512, columns);
        ggml_tensor* out = ggml_mul_mat(graph.context(), w, x);
        graph.add(out);
        graph.allocate();
        fill(w, 1), fill(x, 2);
        graph.compute(threads);
        return result(out);
    };
    const auto all = columns_of(80, 2);
    for (const int64_t columns : {1, 2, 17, 33, 64}) {
        const auto some = columns_of(columns, int(columns) % 7 + 1);
        CHECK(std::equal(some.begin(), some.end(), all.begin()));
    }
    const LongContext one(3000, 1), many(3000, 4);
    const auto whole = one.computed(1);
    for (const int threads : thread_counts) CHECK(one.computed(threads) == whole);
    for (const int threads : thread_counts) CHECK(many.computed(threads) == many.computed(1));
}

}  // namespace weft::kernels
