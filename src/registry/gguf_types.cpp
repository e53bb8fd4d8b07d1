#include "registry/gguf_types.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weft {
namespace {

// ggml 0.27; the gaps are types that were withdrawn. A test compares this table with the library's own.
constexpr std::array ggml_types{
    GgmlType{0, "F32", 1, 4},        GgmlType{1, "F16", 1, 2},        GgmlType{2, "Q4_0", 32, 18},
    GgmlType{3, "Q4_1", 32, 20},     GgmlType{6, "Q5_0", 32, 22},     GgmlType{7, "Q5_1", 32, 24},
    GgmlType{8, "Q8_0", 32, 34},     GgmlType{9, "Q8_1", 32, 36},     GgmlType{10, "Q2_K", 256, 84},
    GgmlType{11, "Q3_K", 256, 110},  GgmlType{12, "Q4_K", 256, 144},  GgmlType{13, "Q5_K", 256, 176},
    GgmlType{14, "Q6_K", 256, 210},  GgmlType{15, "Q8_K", 256, 292},  GgmlType{16, "IQ2_XXS", 256, 66},
    GgmlType{17, "IQ2_XS", 256, 74}, GgmlType{18, "IQ3_XXS", 256, 98}, GgmlType{19, "IQ1_S", 256, 50},
    GgmlType{20, "IQ4_NL", 32, 18},  GgmlType{21, "IQ3_S", 256, 110}, GgmlType{22, "IQ2_S", 256, 82},
    GgmlType{23, "IQ4_XS", 256, 136}, GgmlType{24, "I8", 1, 1},       GgmlType{25, "I16", 1, 2},
    GgmlType{26, "I32", 1, 4},       GgmlType{27, "I64", 1, 8},       GgmlType{28, "F64", 1, 8},
    GgmlType{29, "IQ1_M", 256, 56},  GgmlType{30, "BF16", 1, 2},      GgmlType{34, "TQ1_0", 256, 54},
    GgmlType{35, "TQ2_0", 256, 66},  GgmlType{39, "MXFP4", 32, 17},   GgmlType{40, "NVFP4", 64, 36},
    GgmlType{41, "Q1_0", 128, 18},   GgmlType{42, "Q2_0", 64, 18},
};

constexpr std::array<std::pair<std::uint32_t, std::string_view>, 36> file_types{{
    {0, "F32"},     {1, "F16"},     {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},    {8, "Q5_0"},
    {9, "Q5_1"},    {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"}, {13, "Q3_K_L"}, {14, "Q4_K_S"},
    {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"}, {18, "Q6_K"},   {19, "IQ2_XXS"}, {20, "IQ2_XS"},
    {21, "Q2_K_S"}, {22, "IQ3_XS"}, {23, "IQ3_XXS"}, {24, "IQ1_S"}, {25, "IQ4_NL"}, {26, "IQ3_S"},
    {27, "IQ3_M"},  {28, "IQ2_S"},  {29, "IQ2_M"},  {30, "IQ4_XS"}, {31, "IQ1_M"},  {32, "BF16"},
    {36, "TQ1_0"},  {37, "TQ2_0"},  {38, "MXFP4"},  {39, "NVFP4"},  {40, "Q1_0"},   {41, "Q2_0"},
}};

}  // namespace

std::string_view name_of(GgufType type) {
    switch (type) {
        case GgufType::u8: return "u8";
        case GgufType::i8: return "i8";
        case GgufType::u16: return "u16";
        case GgufType::i16: return "i16";
        case GgufType::u32: return "u32";
        case GgufType::i32: return "i32";
        case GgufType::f32: return "f32";
        case GgufType::boolean: return "bool";
        case GgufType::string: return "string";
        case GgufType::array: return "array";
        case GgufType::u64: return "u64";
        case GgufType::i64: return "i64";
        case GgufType::f64: return "f64";
    }
    return "unknown";
}

std::uint32_t fixed_size_of(GgufType type) {
    switch (type) {
        case GgufType::u8:
        case GgufType::i8:
        case GgufType::boolean: return 1;
        case GgufType::u16:
        case GgufType::i16: return 2;
        case GgufType::u32:
        case GgufType::i32:
        case GgufType::f32: return 4;
        case GgufType::u64:
        case GgufType::i64:
        case GgufType::f64: return 8;
        case GgufType::string:
        case GgufType::array: return 0;
    }
    return 0;
}

std::optional<GgmlType> ggml_type(std::uint32_t id) {
    const auto it = std::ranges::find(ggml_types, id, &GgmlType::id);
    if (it == ggml_types.end()) return std::nullopt;
    return *it;
}

std::string_view quantization_name(std::uint64_t file_type) {
    for (const auto& [number, name] : file_types)
        if (number == file_type) return name;
    return {};
}

}  // namespace weft
