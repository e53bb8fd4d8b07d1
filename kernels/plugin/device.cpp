#include "plugin/device.h"

#include <algorithm>
#include <cstring>

#include "isa/isa.h"
#include "ops/attention.h"
#include "ops/row_ops.h"
#include "plugin/backend.h"
#include "plugin/settings.h"
#include "plugin/weights.h"

namespace weft::kernels {
namespace {

ggml_backend_dev_t compute_device();

bool mul_mat_supported(const ggml_tensor* op) {
    const ggml_tensor *w = op->src[0], *x = op->src[1];
    const bool ours = w->buffer ? lies_in_weight_buffer(w) : settings().harness;
    return ours && repacked_as(w) && w->ne[2] == 1 && x->type == GGML_TYPE_F32 && ggml_is_contiguous(x) &&
           op->type == GGML_TYPE_F32;
}

bool mul_mat_id_supported(const ggml_tensor* op) {
    const ggml_tensor *w = op->src[0], *x = op->src[1], *ids = op->src[2];
    const bool ours = w->buffer ? lies_in_weight_buffer(w) : settings().harness;
    const bool one_or_each = x->ne[1] == 1 || x->ne[1] == ids->ne[0];  // activations for all of a token's experts, or one of each
    return ours && repacked_as(w) && w->ne[1] % strip_rows == 0 && x->type == GGML_TYPE_F32 && x->ne[3] == 1 && one_or_each &&
           x->nb[0] == sizeof(float) && ids->type == GGML_TYPE_I32 && op->type == GGML_TYPE_F32;
}

bool get_rows_supported(const ggml_tensor* op) {
    const ggml_tensor *w = op->src[0], *ids = op->src[1];
    const bool ours = w->buffer ? lies_in_weight_buffer(w) : settings().harness;
    return ours && repacked_as(w) && w->ne[2] == 1 && ids->type == GGML_TYPE_I32 && ggml_is_contiguous(ids) &&
           ggml_nrows(ids) == 1 && op->type == GGML_TYPE_F32 && ggml_is_contiguous(op);
}

// Weights of such ops, a norm's or a bias, are no matrices: they stay in plain memory.
bool rows_supported(const ggml_tensor* op) {
    if (!settings().rows || (settings().harness && !settings().row_harness)) return false;
    // A view has no buffer yet when the scheduler asks.
    const auto plain = [](const ggml_tensor* t) { return !t || settings().row_harness || !lies_in_weight_buffer(t->view_src ? t->view_src : t); };
    return std::ranges::all_of(op->src, plain) && row_op_supported(op);
}

// A MUL_MAT is refused when the weight is loaded or never: refused later, by its batch size say, the scheduler would copy
// the weight for every graph.
bool supports_op(ggml_backend_dev_t, const ggml_tensor* op) {
    switch (op->op) {
        case GGML_OP_NONE:
        case GGML_OP_RESHAPE:
        case GGML_OP_VIEW:
        case GGML_OP_PERMUTE:
        case GGML_OP_TRANSPOSE: return true;
        case GGML_OP_FLASH_ATTN_EXT: return settings().attention && attention_supported(op) && !(op->src[4] && is_packed(op->src[4]));
        case GGML_OP_MUL_MAT: return mul_mat_supported(op);
        case GGML_OP_MUL_MAT_ID: return mul_mat_id_supported(op);
        case GGML_OP_GET_ROWS: return get_rows_supported(op) || rows_supported(op);
        default: return rows_supported(op);
    }
}

bool supports_buffer_type(ggml_backend_dev_t, ggml_backend_buffer_type_t type) {
    return type == weight_buffer_type() || ggml_backend_buft_is_host(type);
}

const char* device_name(ggml_backend_dev_t) { return "WEFT"; }
const char* device_description(ggml_backend_dev_t) { return chosen_isa()->name; }
enum ggml_backend_dev_type device_type(ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_ACCEL; }

void device_props(ggml_backend_dev_t device, ggml_backend_dev_props* props) {
    *props = {};
    props->name = device_name(device);
    props->description = device_description(device);
    props->type = device_type(device);
}

ggml_backend_t init_backend(ggml_backend_dev_t, const char*) {
    return make_backend(settings().harness ? loader_device() : compute_device());
}

constexpr ggml_backend_device_i device_interface(ggml_backend_buffer_type_t (*buffer_type)(ggml_backend_dev_t)) {
    return {.get_name = device_name,
            .get_description = device_description,
            .get_memory = [](ggml_backend_dev_t, size_t* free, size_t* total) { *free = *total = 0; },
            .get_type = device_type,
            .get_props = device_props,
            .init_backend = init_backend,
            .get_buffer_type = buffer_type,
            .get_host_buffer_type = nullptr,
            .buffer_from_host_ptr = nullptr,
            .supports_op = supports_op,
            .supports_buft = supports_buffer_type,
            .offload_op = nullptr,
            .events = {}};
}

ggml_backend_dev_t compute_device() {
    static ggml_backend_device device = {
        .iface = device_interface([](ggml_backend_dev_t) { return ggml_backend_cpu_buffer_type(); }),
        .reg = registration(),
        .context = nullptr};
    return &device;
}

void* proc_address(ggml_backend_reg_t, const char* name) {
    if (std::strcmp(name, "ggml_backend_set_n_threads") == 0) return reinterpret_cast<void*>(set_backend_threads);
    return nullptr;
}

}  // namespace

ggml_backend_dev_t loader_device() {
    static ggml_backend_device device = {
        .iface = device_interface([](ggml_backend_dev_t) { return weight_buffer_type(); }),
        .reg = registration(),
        .context = nullptr};
    return &device;
}

ggml_backend_reg_t registration() {
    static ggml_backend_reg reg = {
        .api_version = plugin_api_version,
        .iface = {.get_name = [](ggml_backend_reg_t) { return "WEFT"; },
                  .get_device_count = [](ggml_backend_reg_t) -> size_t { return 1; },
                  .get_device = [](ggml_backend_reg_t, size_t) { return loader_device(); },
                  .get_proc_address = proc_address},
        .context = nullptr};
    return &reg;
}

}  // namespace weft::kernels
