// The plug-in interface of ggml 0.27 (API version 3). Debian's libggml-dev does not install
// ggml-backend-impl.h, so the tables a plug-in fills in are declared here, field for field.
// The offsets below were checked against the accessor functions in libggml-base.so.0.27.
#pragma once

#include <cstddef>
#include <cstdint>

#include <ggml-backend.h>
#include <ggml.h>

inline constexpr int plugin_api_version = 3;

extern "C" {

struct ggml_backend_buffer_type_i {
    const char* (*get_name)(ggml_backend_buffer_type_t);
    ggml_backend_buffer_t (*alloc_buffer)(ggml_backend_buffer_type_t, size_t size);
    ggml_backend_buffer_t (*alloc_buffer_n)(ggml_backend_buffer_type_t, ggml_tensor**, int);  // optional, new in 3
    size_t (*get_alignment)(ggml_backend_buffer_type_t);
    size_t (*get_max_size)(ggml_backend_buffer_type_t);                            // optional
    size_t (*get_alloc_size)(ggml_backend_buffer_type_t, const ggml_tensor*);      // optional
    size_t (*get_alloc_size_n)(ggml_backend_buffer_type_t, ggml_tensor**, int);    // optional, new in 3
    bool (*is_host)(ggml_backend_buffer_type_t);                                   // optional
};

struct ggml_backend_buffer_type {
    ggml_backend_buffer_type_i iface;
    ggml_backend_dev_t device;
    void* context;
};

struct ggml_backend_buffer_i {
    void (*free_buffer)(ggml_backend_buffer_t);
    void* (*get_base)(ggml_backend_buffer_t);
    ggml_status (*init_tensor)(ggml_backend_buffer_t, ggml_tensor*);  // optional
    void (*memset_tensor)(ggml_backend_buffer_t, ggml_tensor*, uint8_t value, size_t offset, size_t size);
    void (*set_tensor)(ggml_backend_buffer_t, ggml_tensor*, const void* data, size_t offset, size_t size);
    void (*get_tensor)(ggml_backend_buffer_t, const ggml_tensor*, void* data, size_t offset, size_t size);
    void* set_tensor_2d;  // optional, unused here
    void* get_tensor_2d;  // optional, unused here
    bool (*cpy_tensor)(ggml_backend_buffer_t, const ggml_tensor* src, ggml_tensor* dst);  // optional
    void (*clear)(ggml_backend_buffer_t, uint8_t value);
    void (*reset)(ggml_backend_buffer_t);  // optional
};

ggml_backend_buffer_t ggml_backend_buffer_init(ggml_backend_buffer_type_t, ggml_backend_buffer_i, void* context,
                                               size_t size);

struct ggml_backend_buffer {
    ggml_backend_buffer_i iface;
    ggml_backend_buffer_type_t buft;
    void* context;
    size_t size;
    ggml_backend_buffer_usage usage;
};

struct ggml_backend_i {
    const char* (*get_name)(ggml_backend_t);
    void (*free)(ggml_backend_t);
    void* async_transfers[5];  // optional: set, get, set_2d, get_2d, copy
    void (*synchronize)(ggml_backend_t);  // optional
    void* graph_plans[4];      // optional: create, free, update, compute
    ggml_status (*graph_compute)(ggml_backend_t, ggml_cgraph*);
    void* events[2];           // optional: record, wait
    void* graph_optimize;      // optional
};

struct ggml_backend {
    ggml_guid_t guid;
    ggml_backend_i iface;
    ggml_backend_dev_t device;
    void* context;
};

struct ggml_backend_device_i {
    const char* (*get_name)(ggml_backend_dev_t);
    const char* (*get_description)(ggml_backend_dev_t);
    void (*get_memory)(ggml_backend_dev_t, size_t* free, size_t* total);
    enum ggml_backend_dev_type (*get_type)(ggml_backend_dev_t);
    void (*get_props)(ggml_backend_dev_t, ggml_backend_dev_props*);
    ggml_backend_t (*init_backend)(ggml_backend_dev_t, const char* params);
    ggml_backend_buffer_type_t (*get_buffer_type)(ggml_backend_dev_t);
    ggml_backend_buffer_type_t (*get_host_buffer_type)(ggml_backend_dev_t);                       // optional
    ggml_backend_buffer_t (*buffer_from_host_ptr)(ggml_backend_dev_t, void*, size_t, size_t);     // optional
    bool (*supports_op)(ggml_backend_dev_t, const ggml_tensor*);
    bool (*supports_buft)(ggml_backend_dev_t, ggml_backend_buffer_type_t);
    bool (*offload_op)(ggml_backend_dev_t, const ggml_tensor*);  // optional
    void* events[3];                                             // optional: new, free, synchronize
};

struct ggml_backend_device {
    ggml_backend_device_i iface;
    ggml_backend_reg_t reg;
    void* context;
};

struct ggml_backend_reg_i {
    const char* (*get_name)(ggml_backend_reg_t);
    size_t (*get_device_count)(ggml_backend_reg_t);
    ggml_backend_dev_t (*get_device)(ggml_backend_reg_t, size_t index);
    void* (*get_proc_address)(ggml_backend_reg_t, const char* name);  // optional
};

struct ggml_backend_reg {
    int api_version;
    ggml_backend_reg_i iface;
    void* context;
};

}  // extern "C"

static_assert(offsetof(ggml_backend_buffer_type, device) == 0x40);
static_assert(offsetof(ggml_backend_buffer, buft) == 0x58 && offsetof(ggml_backend_buffer, usage) == 0x70);
static_assert(offsetof(ggml_backend_i, graph_compute) + offsetof(ggml_backend, iface) == 0x68);
static_assert(offsetof(ggml_backend, device) == 0x88);
static_assert(offsetof(ggml_backend_device_i, supports_op) == 0x48 && offsetof(ggml_backend_device, reg) == 0x78);
static_assert(offsetof(ggml_backend_reg, iface) == 0x08 && offsetof(ggml_backend_reg, context) == 0x28);
