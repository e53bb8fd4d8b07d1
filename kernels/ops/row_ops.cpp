#include "ops/row_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "ops/parameters.h"

namespace weft::kernels {
namespace {

// Below so many numbers a node is not divided: nor are its neighbours, and one thread computes all of them.
constexpr int64_t alone_below = 8 * 1024;

// Where ggml keeps ROPE's parameters.
enum RopeParameter { rope_dims = 1, rope_mode = 2, rope_context = 4, rope_base = 5, rope_scale, rope_ext, rope_attn, rope_fast, rope_slow,
                     rope_others, rope_end = GGML_MAX_OP_PARAMS / sizeof(int32_t) };

bool floats_in_rows(const ggml_tensor* t) { return t->type == GGML_TYPE_F32 && t->nb[0] == sizeof(float); }
bool ids(const ggml_tensor* t) { return t->type == GGML_TYPE_I32 || t->type == GGML_TYPE_I64; }

// --- which nodes ---

bool combination_supported(const ggml_tensor* op) {
    const ggml_tensor *a = op->src[0], *b = op->src[1];
    const bool number = b->ne[0] == 1 && b->type == GGML_TYPE_F32;
    return floats_in_rows(a) && (floats_in_rows(b) || number) && floats_in_rows(op) && (b->ne[0] == a->ne[0] || number);
}

bool known_activation(ggml_unary_op op) {
    return op == GGML_UNARY_OP_SILU || op == GGML_UNARY_OP_GELU || op == GGML_UNARY_OP_GELU_QUICK || op == GGML_UNARY_OP_SIGMOID ||
           op == GGML_UNARY_OP_TANH || op == GGML_UNARY_OP_RELU;
}
Activation activation_of(ggml_unary_op op) {
    switch (op) {
        case GGML_UNARY_OP_GELU: return Activation::gelu;
        case GGML_UNARY_OP_GELU_QUICK: return Activation::gelu_quick;
        case GGML_UNARY_OP_SIGMOID: return Activation::sigmoid;
        case GGML_UNARY_OP_TANH: return Activation::tanh;
        case GGML_UNARY_OP_RELU: return Activation::relu;
        default: return Activation::silu;
    }
}

bool known_gate(ggml_glu_op op) {
    return op == GGML_GLU_OP_SWIGLU || op == GGML_GLU_OP_SWIGLU_OAI || op == GGML_GLU_OP_GEGLU || op == GGML_GLU_OP_REGLU || op == GGML_GLU_OP_GEGLU_QUICK;
}
Activation gate_of(ggml_glu_op op) {
    switch (op) {
        case GGML_GLU_OP_GEGLU: return Activation::gelu;
        case GGML_GLU_OP_GEGLU_QUICK: return Activation::gelu_quick;
        case GGML_GLU_OP_REGLU: return Activation::relu;
        default: return Activation::silu;
    }
}

bool gate_supported(const ggml_tensor* op) {
    return known_gate(ggml_get_glu_op(op)) && floats_in_rows(op) && floats_in_rows(op->src[0]) && (!op->src[1] || floats_in_rows(op->src[1]));
}

// What a graph is given, as opposed to what it computes.
bool is_input(const ggml_tensor* t) { return t->op == GGML_OP_NONE || (t->op == GGML_OP_VIEW && is_input(t->src[0])); }

// Every token's rotation by one position, from the beginning of the head.
bool rope_supported(const ggml_tensor* op) {
    const int mode = op->op_params[rope_mode], dims = op->op_params[rope_dims];
    for (int i = rope_others; i < rope_end; ++i)
        if (op->op_params[i] != 0) return false;
    return (mode == GGML_ROPE_TYPE_NORMAL || mode == GGML_ROPE_TYPE_NEOX) && floats_in_rows(op) && floats_in_rows(op->src[0]) &&
           dims % 2 == 0 && op->src[1]->type == GGML_TYPE_I32 && ggml_is_contiguous(op->src[1]) && op->ne[3] == 1 &&
           is_input(op->src[1]) && (!op->src[2] || (is_input(op->src[2]) && floats_in_rows(op->src[2]) && op->src[2]->ne[0] >= dims / 2));
}

bool softmax_supported(const ggml_tensor* op) {
    return !op->src[1] && !op->src[2] && float_param(op, 0) == 1.0f && float_param(op, 1) == 0.0f && floats_in_rows(op) &&
           floats_in_rows(op->src[0]);
}

bool writable(const ggml_tensor* t) {
    return (t->type == GGML_TYPE_F32 || t->type == GGML_TYPE_F16 || (t->type == GGML_TYPE_Q8_0 && t->ne[0] % 32 == 0)) &&
           t->nb[0] == ggml_type_size(t->type);
}

bool copy_supported(const ggml_tensor* op) {
    return floats_in_rows(op->src[0]) && writable(op) && op->type != GGML_TYPE_Q8_0 && ggml_are_same_shape(op, op->src[0]);
}

bool set_rows_supported(const ggml_tensor* op) { return floats_in_rows(op->src[0]) && ids(op->src[1]) && writable(op); }

bool add_id_supported(const ggml_tensor* op) {
    return floats_in_rows(op) && floats_in_rows(op->src[0]) && floats_in_rows(op->src[1]) && op->src[2]->type == GGML_TYPE_I32;
}

bool get_rows_supported(const ggml_tensor* op) {
    return floats_in_rows(op->src[0]) && op->src[1]->type == GGML_TYPE_I32 && floats_in_rows(op);
}

constexpr int64_t most_sorted = 1024;  // experts

bool argsort_supported(const ggml_tensor* op) {
    return floats_in_rows(op->src[0]) && op->type == GGML_TYPE_I32 && op->nb[0] == sizeof(int32_t) && op->ne[0] <= most_sorted;
}

// --- slices ---

// The dimension along which a node is divided: its tokens, the last one; two streams of KV cache would be too few. Rotations have
// one position for each index of dimension 2.
int sliced_dimension(const ggml_tensor* op) {
    if (op->op == GGML_OP_ROPE) return 2;
    if (op->ne[3] > 1 && op->ne[3] >= op->ne[2]) return 3;
    return op->ne[2] > 1 ? 2 : 1;
}

// What the rows of a node are counted by: its own, or those it reads.
const ggml_tensor* shape_of(const ggml_tensor* op) {
    return op->op == GGML_OP_SET_ROWS || op->op == GGML_OP_SUM_ROWS ? op->src[0] : op;
}

struct Range {
    int64_t first, end;
};

using Index = std::array<int64_t, 4>;

const char* row(const ggml_tensor* t, const Index& i) {
    return static_cast<const char*>(t->data) + i[1] * int64_t(t->nb[1]) + i[2] * int64_t(t->nb[2]) + i[3] * int64_t(t->nb[3]);
}
// The same row where a tensor repeats.
const char* repeated_row(const ggml_tensor* t, const Index& i) { return row(t, {0, i[1] % t->ne[1], i[2] % t->ne[2], i[3] % t->ne[3]}); }
const float* floats(const char* p) { return reinterpret_cast<const float*>(p); }
char* written(const char* p) { return const_cast<char*>(p); }
float* result(const ggml_tensor* op, const Index& i) { return reinterpret_cast<float*>(written(row(op, i))); }

// f(index) for every row in these slices.
template <class F>
void each_row(const ggml_tensor* shape, int sliced, const Range& slices, F f) {
    Range along[4] = {{0, 1}, {0, shape->ne[1]}, {0, shape->ne[2]}, {0, shape->ne[3]}};
    along[sliced] = slices;
    Index i{};
    for (i[3] = along[3].first; i[3] < along[3].end; ++i[3])
        for (i[2] = along[2].first; i[2] < along[2].end; ++i[2])
            for (i[1] = along[1].first; i[1] < along[1].end; ++i[1]) f(i);
}

int64_t id_at(const ggml_tensor* t, int64_t a, int64_t b, int64_t c) {
    const char* p = static_cast<const char*>(t->data) + a * int64_t(t->nb[0]) + b * int64_t(t->nb[1]) + c * int64_t(t->nb[2]);
    if (t->type == GGML_TYPE_I32) return *reinterpret_cast<const int32_t*>(p);
    return *reinterpret_cast<const int64_t*>(p);
}

// --- what is done with a row ---

void write_row(const RowKernels& rows, ggml_type type, const float* x, int64_t n, char* out) {
    if (type == GGML_TYPE_F16) rows.to_halves(x, n, out);
    else if (type == GGML_TYPE_Q8_0) rows.to_q8_0(x, n, out);
    else std::memmove(out, x, size_t(n) * sizeof(float));
}

Combination combination_of(ggml_op op) {
    switch (op) {
        case GGML_OP_SUB: return Combination::sub;
        case GGML_OP_MUL: return Combination::mul;
        case GGML_OP_DIV: return Combination::div;
        default: return Combination::add;
    }
}

void gate_row(const RowKernels& rows, const ggml_tensor* op, const Index& i) {
    const float* a = floats(row(op->src[0], i));
    const float* b = op->src[1] ? floats(row(op->src[1], i)) : a + op->ne[0];
    if (!op->src[1] && op->op_params[1] != 0) std::swap(a, b);  // swapped
    if (ggml_get_glu_op(op) == GGML_GLU_OP_SWIGLU_OAI)
        return rows.gate_bounded(float_param(op, 2), float_param(op, 3), a, b, op->ne[0], result(op, i));
    rows.gate(gate_of(ggml_get_glu_op(op)), a, b, op->ne[0], result(op, i));
}

void rotate_row(const RowKernels& rows, const ggml_tensor* op, const Index& i, const float* factors) {
    const int dims = op->op_params[rope_dims];
    const float* x = floats(row(op->src[0], i));
    float* out = result(op, i);
    rows.rotate(op->op_params[rope_mode] == GGML_ROPE_TYPE_NEOX, x, factors, dims, out);
    if (out != x) std::copy(x + dims, x + op->ne[0], out + dims);
}

// A row that does not exist is not written.
void set_row(const RowKernels& rows, const ggml_tensor* op, const Index& i) {
    const ggml_tensor *x = op->src[0], *where = op->src[1];
    const int64_t to = id_at(where, i[1], i[2] % where->ne[1], i[3] % where->ne[2]);
    if (to >= 0 && to < op->ne[1]) write_row(rows, op->type, floats(row(x, i)), x->ne[0], written(row(op, {0, to, i[2], i[3]})));
}

// One that does not exist comes out as zeros, see get_rows.h.
void get_row(const ggml_tensor* op, const Index& i) {
    const ggml_tensor* x = op->src[0];
    const int64_t from = id_at(op->src[1], i[1], i[2], i[3]);
    if (from < 0 || from >= x->ne[1]) std::fill_n(result(op, i), op->ne[0], 0.0f);
    else std::copy_n(floats(row(x, {0, from, i[2], i[3]})), op->ne[0], result(op, i));
}

// Numbers that are none come last.
void sort_row(const float* x, int64_t n, bool descending, int32_t* order) {
    const auto key = [&](int32_t i) { return std::isnan(x[i]) ? std::numeric_limits<float>::infinity() : descending ? -x[i] : x[i]; };
    for (int64_t i = 0; i < n; ++i) order[i] = int32_t(i);
    std::stable_sort(order, order + n, [&](int32_t a, int32_t b) { return key(a) < key(b); });
}

void clamp_row(const float* x, int64_t n, float least, float most, float* out) {
    for (int64_t i = 0; i < n; ++i) out[i] = std::min(std::max(x[i], least), most);
}

// An expert that does not exist adds nothing.
void add_row_of(const RowKernels& rows, const ggml_tensor* op, const Index& i) {
    const ggml_tensor *a = op->src[0], *b = op->src[1];
    const int64_t id = id_at(op->src[2], i[1], i[2], 0);
    if (id >= 0 && id < b->ne[1]) rows.combine(Combination::add, floats(row(a, i)), floats(row(b, {0, id, 0, 0})), false, op->ne[0], result(op, i));
    else std::copy_n(floats(row(a, i)), op->ne[0], result(op, i));
}

void compute_row(const RowKernels& rows, const ggml_tensor* op, const Index& i) {
    const ggml_tensor *a = op->src[0], *b = op->src[1];
    const int64_t n = op->ne[0];
    switch (op->op) {
        case GGML_OP_RMS_NORM: return rows.rms_norm(floats(row(a, i)), n, float_param(op, 0), result(op, i));
        case GGML_OP_NORM: return rows.layer_norm(floats(row(a, i)), n, float_param(op, 0), result(op, i));
        case GGML_OP_ADD:
        case GGML_OP_SUB:
        case GGML_OP_MUL:
        case GGML_OP_DIV:
            return rows.combine(combination_of(op->op), floats(row(a, i)), floats(repeated_row(b, i)), b->ne[0] == 1, n, result(op, i));
        case GGML_OP_SCALE: return rows.scale(floats(row(a, i)), n, float_param(op, 0), float_param(op, 1), result(op, i));
        case GGML_OP_UNARY: return rows.activate(activation_of(ggml_get_unary_op(op)), floats(row(a, i)), n, result(op, i));
        case GGML_OP_GLU: return gate_row(rows, op, i);
        case GGML_OP_SOFT_MAX: return rows.softmax(floats(row(a, i)), n, result(op, i));
        case GGML_OP_SUM_ROWS: *result(op, i) = rows.sum(floats(row(a, i)), a->ne[0]); return;
        case GGML_OP_CLAMP: return clamp_row(floats(row(a, i)), n, float_param(op, 0), float_param(op, 1), result(op, i));
        case GGML_OP_ARGSORT:
            return sort_row(floats(row(a, i)), n, op->op_params[0] == GGML_SORT_ORDER_DESC, reinterpret_cast<int32_t*>(written(row(op, i))));
        case GGML_OP_CPY:
        case GGML_OP_CONT:
        case GGML_OP_DUP: return write_row(rows, op->type, floats(row(a, i)), n, written(row(op, i)));
        case GGML_OP_ADD_ID: return add_row_of(rows, op, i);
        case GGML_OP_SET_ROWS: return set_row(rows, op, i);
        case GGML_OP_GET_ROWS: return get_row(op, i);
        default: return;
    }
}

// The angle of pair i, and how much longer the pair becomes. YaRN: slow pairs are interpolated, fast ones are not.
struct Rotation {
    float angle, length;
};

class AngleRule {
  public:
    explicit AngleRule(const ggml_tensor* rope)
        : scale_(float_param(rope, rope_scale)), ext_(float_param(rope, rope_ext)), length_(float_param(rope, rope_attn)) {
        if (ext_ == 0) return;
        ggml_rope_yarn_corr_dims(rope->op_params[rope_dims], rope->op_params[rope_context], float_param(rope, rope_base),
                                 float_param(rope, rope_fast), float_param(rope, rope_slow), ends_);
        length_ *= 1.0f + 0.1f * std::log(1.0f / scale_);
    }

    [[nodiscard]] Rotation operator()(float angle, int64_t pair) const {
        const float slow = scale_ * angle;
        if (ext_ == 0) return {slow, length_};
        const float along = (float(pair) - ends_[0]) / std::max(0.001f, ends_[1] - ends_[0]);
        const float mix = (1 - std::clamp(along, 0.0f, 1.0f)) * ext_;
        return {slow * (1 - mix) + angle * mix, length_};
    }

  private:
    float scale_, ext_, length_;
    float ends_[2] = {};
};

}  // namespace

bool rotate_alike(const ggml_tensor* a, const ggml_tensor* b) {
    return a->src[1] == b->src[1] && a->src[2] == b->src[2] && a->ne[2] == b->ne[2] &&
           std::memcmp(a->op_params, b->op_params, sizeof a->op_params) == 0;
}

size_t rotation_floats(const ggml_tensor* rope) { return size_t(rope->ne[2]) * 2 * size_t(rope->op_params[rope_dims]); }

void make_rotations(const ggml_tensor* rope, Part part, float* factors) {
    const int64_t dims = rope->op_params[rope_dims];
    const bool halves = rope->op_params[rope_mode] == GGML_ROPE_TYPE_NEOX;
    const auto* positions = static_cast<const int32_t*>(rope->src[1]->data);
    const auto* divisors = rope->src[2] ? static_cast<const float*>(rope->src[2]->data) : nullptr;
    const float step = std::pow(float_param(rope, rope_base), -2.0f / float(dims));
    const AngleRule rule(rope);
    for (int64_t token = part.first(rope->ne[2]); token < part.end(rope->ne[2]); ++token) {
        float* out = factors + token * 2 * dims;
        auto angle = float(positions[token]);
        for (int64_t pair = 0; pair < dims / 2; ++pair, angle *= step) {
            const Rotation rotation = rule(divisors ? angle / divisors[pair] : angle, pair);
            const float cosine = std::cos(rotation.angle) * rotation.length, sine = std::sin(rotation.angle) * rotation.length;
            const int64_t a = halves ? pair : 2 * pair, b = halves ? pair + dims / 2 : a + 1;
            out[a] = out[b] = cosine;
            out[dims + a] = -sine, out[dims + b] = sine;
        }
    }
}

int64_t row_op_slices(const ggml_tensor* op) {
    const ggml_tensor* shape = shape_of(op);
    return ggml_nelements(shape) < alone_below ? 1 : shape->ne[sliced_dimension(shape)];
}

bool is_row_op(const ggml_tensor* op) {
    switch (op->op) {
        case GGML_OP_ADD:
        case GGML_OP_SUB:
        case GGML_OP_MUL:
        case GGML_OP_DIV:
        case GGML_OP_RMS_NORM:
        case GGML_OP_NORM:
        case GGML_OP_SCALE:
        case GGML_OP_UNARY:
        case GGML_OP_GLU:
        case GGML_OP_SOFT_MAX:
        case GGML_OP_SUM_ROWS:
        case GGML_OP_CLAMP:
        case GGML_OP_ARGSORT:
        case GGML_OP_ADD_ID:
        case GGML_OP_ROPE:
        case GGML_OP_CPY:
        case GGML_OP_CONT:
        case GGML_OP_DUP:
        case GGML_OP_SET_ROWS:
        case GGML_OP_GET_ROWS: return true;
        default: return false;
    }
}

bool row_op_supported(const ggml_tensor* op) {
    switch (op->op) {
        case GGML_OP_ADD:
        case GGML_OP_SUB:
        case GGML_OP_MUL:
        case GGML_OP_DIV: return combination_supported(op);
        case GGML_OP_RMS_NORM:
        case GGML_OP_NORM:
        case GGML_OP_SCALE:
        case GGML_OP_SUM_ROWS:
        case GGML_OP_CLAMP: return floats_in_rows(op) && floats_in_rows(op->src[0]);
        case GGML_OP_ARGSORT: return argsort_supported(op);
        case GGML_OP_UNARY: return known_activation(ggml_get_unary_op(op)) && floats_in_rows(op) && floats_in_rows(op->src[0]);
        case GGML_OP_GLU: return gate_supported(op);
        case GGML_OP_SOFT_MAX: return softmax_supported(op);
        case GGML_OP_ROPE: return rope_supported(op);
        case GGML_OP_CPY:
        case GGML_OP_CONT:
        case GGML_OP_DUP: return copy_supported(op);
        case GGML_OP_ADD_ID: return add_id_supported(op);
        case GGML_OP_SET_ROWS: return set_rows_supported(op);
        case GGML_OP_GET_ROWS: return get_rows_supported(op);
        default: return false;
    }
}

void row_op_part(const Isa& isa, const ggml_tensor* op, Part part, const float* rotations) {
    const ggml_tensor* shape = shape_of(op);
    const int sliced = sliced_dimension(shape);
    const Range slices{part.first(shape->ne[sliced]), part.end(shape->ne[sliced])};
    if (op->op != GGML_OP_ROPE) return each_row(shape, sliced, slices, [&](const Index& i) { compute_row(*isa.rows, op, i); });
    const int64_t of_token = 2 * op->op_params[rope_dims];
    each_row(shape, sliced, slices, [&](const Index& i) { rotate_row(*isa.rows, op, i, rotations + i[2] * of_token); });
}

bool Touch::conflicts(const Touch& other) const {
    if ((!writes && !other.writes) || end <= other.begin || other.end <= begin) return false;
    const bool undivided = slices == 1 && other.slices == 1;
    const bool same_slices = slices > 1 && slices == other.slices && stride == other.stride && begin == other.begin;
    return !undivided && !same_slices;
}

namespace {

// From the first byte of one slice to its last.
size_t slice_bytes(const ggml_tensor* t, int sliced) {
    size_t bytes = ggml_type_size(t->type);
    for (int d = 0; d < GGML_MAX_DIMS; ++d) {
        const int64_t n = d == 0 ? t->ne[0] / ggml_blck_size(t->type) : d == sliced ? 1 : t->ne[d];
        bytes += size_t(n - 1) * t->nb[d];
    }
    return bytes;
}

}  // namespace

void add_touches(const ggml_tensor* op, std::vector<Touch>& touches) {
    const int64_t slices = row_op_slices(op);
    const int sliced = sliced_dimension(shape_of(op));
    const auto add = [&](const ggml_tensor* t, bool writes, bool in_slices) {
        const auto* begin = static_cast<const char*>(t->data);
        const bool alone = slices == 1, along = in_slices && t->ne[sliced] == slices && slice_bytes(t, sliced) <= t->nb[sliced];
        touches.push_back({.begin = begin, .end = begin + ggml_nbytes(t), .writes = writes, .slices = alone ? 1 : along ? slices : 0,
                           .stride = t->nb[sliced]});
    };
    add(op, true, op->op != GGML_OP_SET_ROWS);
    add(op->src[0], false, op->op != GGML_OP_GET_ROWS);
    // SET_ROWS and CPY name the tensor they write to as a source, too.
    for (int i = 1; i < GGML_MAX_SRC; ++i)
        if (op->src[i] && op->src[i]->data != op->data) add(op->src[i], false, true);
}

}  // namespace weft::kernels
