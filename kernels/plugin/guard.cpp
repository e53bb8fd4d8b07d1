#include "plugin/guard.h"

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "abi/ggml_abi.h"
#include "isa/isa.h"
#include "plugin/self_test.h"
#include "plugin/settings.h"

namespace weft::kernels {
namespace {

// Version 0.27.x: tables may change with the second number.
bool version_agrees() {
    const std::string_view built = WEFT_GGML_VERSION, running = ggml_version();
    const auto minor_end = built.find('.', built.find('.') + 1);
    return running.substr(0, minor_end + 1) == built.substr(0, minor_end + 1);
}

// --- do ggml's accessors find our tables' entries where we put them? ---------------------------------------------------
// Every entry of a table is a function that returns the entry's number, so that nothing worse than a wrong number comes of
// a table that has changed.

constexpr uintptr_t first_number = 0x10000;

template <size_t I>
uintptr_t number() {
    return first_number + I;
}

template <class Table>
Table numbered_table() {
    constexpr size_t entries = sizeof(Table) / sizeof(void*);
    using Entry = uintptr_t (*)();
    const auto make = []<size_t... I>(std::index_sequence<I...>) {
        Table table;
        const Entry all[] = {number<I>...};
        static_assert(sizeof all == sizeof table);
        std::memcpy(&table, all, sizeof table);
        return table;
    };
    return make(std::make_index_sequence<entries>{});
}

constexpr uintptr_t number_at(size_t offset) { return first_number + offset / sizeof(void*); }

bool is_number(const void* answer, size_t offset) { return reinterpret_cast<uintptr_t>(answer) == number_at(offset); }

bool registration_agrees() {
    ggml_backend_reg reg{.api_version = plugin_api_version, .iface = numbered_table<ggml_backend_reg_i>(), .context = nullptr};
    return is_number(ggml_backend_reg_name(&reg), offsetof(ggml_backend_reg_i, get_name)) &&
           ggml_backend_reg_dev_count(&reg) == number_at(offsetof(ggml_backend_reg_i, get_device_count)) &&
           is_number(ggml_backend_reg_get_proc_address(&reg, ""), offsetof(ggml_backend_reg_i, get_proc_address));
}

bool device_agrees() {
    using Table = ggml_backend_device_i;
    int anything = 0;
    ggml_backend_device device{.iface = numbered_table<Table>(),
                               .reg = reinterpret_cast<ggml_backend_reg_t>(&anything),
                               .context = nullptr};
    return is_number(ggml_backend_dev_name(&device), offsetof(Table, get_name)) &&
           is_number(ggml_backend_dev_description(&device), offsetof(Table, get_description)) &&
           uintptr_t(ggml_backend_dev_type(&device)) == number_at(offsetof(Table, get_type)) &&
           is_number(ggml_backend_dev_init(&device, nullptr), offsetof(Table, init_backend)) &&
           is_number(ggml_backend_dev_buffer_type(&device), offsetof(Table, get_buffer_type)) &&
           is_number(ggml_backend_dev_host_buffer_type(&device), offsetof(Table, get_host_buffer_type)) &&
           ggml_backend_dev_backend_reg(&device) == device.reg;
}

bool buffer_type_agrees() {
    using Table = ggml_backend_buffer_type_i;
    int anything = 0;
    ggml_backend_buffer_type type{.iface = numbered_table<Table>(),
                                  .device = reinterpret_cast<ggml_backend_dev_t>(&anything),
                                  .context = nullptr};
    return is_number(ggml_backend_buft_name(&type), offsetof(Table, get_name)) &&
           is_number(ggml_backend_buft_alloc_buffer(&type, 64), offsetof(Table, alloc_buffer)) &&
           ggml_backend_buft_get_alignment(&type) == number_at(offsetof(Table, get_alignment)) &&
           ggml_backend_buft_get_max_size(&type) == number_at(offsetof(Table, get_max_size)) &&
           ggml_backend_buft_get_device(&type) == type.device;
}

bool buffer_agrees() {
    using Table = ggml_backend_buffer_i;
    int anything = 0;
    auto* type = reinterpret_cast<ggml_backend_buffer_type_t>(&anything);
    ggml_backend_buffer buffer{.iface = numbered_table<Table>(), .buft = type, .context = nullptr, .size = 4096,
                               .usage = GGML_BACKEND_BUFFER_USAGE_WEIGHTS};
    return is_number(ggml_backend_buffer_get_base(&buffer), offsetof(Table, get_base)) &&
           ggml_backend_buffer_get_size(&buffer) == buffer.size && ggml_backend_buffer_get_type(&buffer) == type &&
           ggml_backend_buffer_get_usage(&buffer) == buffer.usage;
}

bool backend_agrees() {
    using Table = ggml_backend_i;
    int anything = 0;
    ggml_backend backend{.guid = nullptr, .iface = numbered_table<Table>(),
                         .device = reinterpret_cast<ggml_backend_dev_t>(&anything), .context = nullptr};
    return is_number(ggml_backend_name(&backend), offsetof(Table, get_name)) &&
           uintptr_t(uint32_t(ggml_backend_graph_compute_async(&backend, nullptr))) ==
               number_at(offsetof(Table, graph_compute)) &&
           ggml_backend_get_device(&backend) == backend.device;
}

bool tensors_agree() {
    struct Object { size_t offset, size; void* next; int type; char padding[4]; };  // ggml_object
    constexpr std::pair<ggml_op, std::string_view> ops[] = {
        {GGML_OP_MUL_MAT, "MUL_MAT"}, {GGML_OP_MUL_MAT_ID, "MUL_MAT_ID"}, {GGML_OP_FLASH_ATTN_EXT, "FLASH_ATTN_EXT"},
        {GGML_OP_VIEW, "VIEW"}, {GGML_OP_TRANSPOSE, "TRANSPOSE"}, {GGML_OP_GET_ROWS, "GET_ROWS"}, {GGML_OP_ADD, "ADD"}, {GGML_OP_SUB, "SUB"},
        {GGML_OP_MUL, "MUL"}, {GGML_OP_DIV, "DIV"}, {GGML_OP_RMS_NORM, "RMS_NORM"}, {GGML_OP_NORM, "NORM"}, {GGML_OP_SCALE, "SCALE"},
        {GGML_OP_UNARY, "UNARY"}, {GGML_OP_GLU, "GLU"}, {GGML_OP_SOFT_MAX, "SOFT_MAX"}, {GGML_OP_SUM_ROWS, "SUM_ROWS"}, {GGML_OP_CLAMP, "CLAMP"},
        {GGML_OP_ARGSORT, "ARGSORT"}, {GGML_OP_ADD_ID, "ADD_ID"}, {GGML_OP_ROPE, "ROPE"}, {GGML_OP_CPY, "CPY"}, {GGML_OP_CONT, "CONT"},
        {GGML_OP_DUP, "DUP"}, {GGML_OP_SET_ROWS, "SET_ROWS"}};
    for (const auto& [op, name] : ops)
        if (ggml_op_name(op) != name) return false;
    for (const Format& f : all_formats())
        if (ggml_row_size(f.type, f.strip_k) != f.row_block_bytes) return false;
    return ggml_tensor_overhead() == sizeof(ggml_tensor) + sizeof(Object);
}

const char* find_objection() {
    if (!settings().on) return "switched off";
    if (!version_agrees()) return "made for another version of ggml (" WEFT_GGML_VERSION ")";
    if (!registration_agrees() || !device_agrees() || !buffer_type_agrees() || !buffer_agrees() || !backend_agrees() ||
        !tensors_agree())
        return "ggml's interface is not the one they were made for";
    const Isa* isa = chosen_isa();
    if (!isa) {
        if (usable_isas().empty()) return "no kernels for this processor";
        return settings().deterministic ? "WEFT_KERNELS_ISA names none that can run here, or one that is not deterministic (amx)"
                                        : "WEFT_KERNELS_ISA names no instruction set that can run here";
    }
    return self_test(*isa);
}

}  // namespace

const char* objection() {
    static const char* const found = find_objection();
    return found;
}

}  // namespace weft::kernels
