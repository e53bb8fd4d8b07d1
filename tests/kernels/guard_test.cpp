#include "plugin/guard.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <string_view>

#include "isa/isa.h"
#include "plugin/self_test.h"
#include "plugin/settings.h"

namespace weft::kernels {
namespace {

// An instruction set whose products are a little off, as those of a broken processor or compiler would be.
StripKernel broken_kernel(ggml_type type, int columns) {
    static StripKernel real = nullptr;
    real = usable_isas().front()->strip_kernel(type, columns);
    return [](const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t stride) {
        real(strip, panel, k, dst, stride);
        dst[3] += 40;
    };
}

}  // namespace

TEST_CASE("on a processor with kernels, the plug-in has no objection to the ggml it was built with") {
    if (usable_isas().empty()) SKIP("no kernels for this processor");
    CHECK(objection() == nullptr);
}

TEST_CASE("the kernels chosen are the best that the processor runs") {
    // Told by whoever knows the processor: the test on an emulated one.
    const char* expected = std::getenv("WEFT_EXPECT_ISA");
    if (!expected) SKIP("WEFT_EXPECT_ISA is not set");
    REQUIRE(chosen_isa() != nullptr);
    CHECK(std::string_view(chosen_isa()->name) == expected);
}

TEST_CASE("an instruction set is found by its name, and without tiles where they are not wanted") {
    for (const Isa* isa : usable_isas()) CHECK(best_isa(isa->name, true) == isa);
    CHECK(best_isa("sse9", true) == nullptr);
    if (const Isa* best = best_isa("", false)) CHECK(best->tiles == nullptr);
}

TEST_CASE("every instruction set passes the self-test") {
    for (const Isa* isa : usable_isas()) {
        INFO(isa->name);
        CHECK(self_test(*isa) == nullptr);
    }
}

TEST_CASE("the self-test notices a wrong product and a missing kernel") {
    if (usable_isas().empty()) SKIP("no kernels for this processor");
    Isa isa = *usable_isas().front();
    isa.strip_kernel = broken_kernel;
    CHECK(self_test(isa) != nullptr);
    isa.strip_kernel = [](ggml_type, int) -> StripKernel { return nullptr; };
    CHECK(self_test(isa) != nullptr);
}

TEST_CASE("the self-test notices wrong tiles") {
    if (usable_isas().empty() || !usable_isas().front()->tiles) SKIP("this processor has no tiles");
    Isa isa = *usable_isas().front();
    const Tiles idle{.round_panel = isa.tiles->round_panel, .multiply = [](const TileProduct& t) { t.sums[0] = 0; }};
    isa.tiles = &idle;
    CHECK(self_test(isa) != nullptr);
}

TEST_CASE("the self-test notices each op on rows that does nothing") {
    if (usable_isas().empty()) SKIP("no kernels for this processor");
    const RowKernels real = *usable_isas().front()->rows;
    const auto notices = [&](auto kernel, auto idle) {
        RowKernels rows = real;
        rows.*kernel = idle;
        Isa isa = *usable_isas().front();
        isa.rows = &rows;
        return self_test(isa) != nullptr;
    };
    CHECK(notices(&RowKernels::rms_norm, [](const float*, int64_t, float, float*) {}));
    CHECK(notices(&RowKernels::layer_norm, [](const float*, int64_t, float, float*) {}));
    CHECK(notices(&RowKernels::combine, [](Combination, const float*, const float*, bool, int64_t, float*) {}));
    CHECK(notices(&RowKernels::scale, [](const float*, int64_t, float, float, float*) {}));
    CHECK(notices(&RowKernels::sum, [](const float*, int64_t) { return 0.0f; }));
    CHECK(notices(&RowKernels::activate, [](Activation, const float*, int64_t, float*) {}));
    CHECK(notices(&RowKernels::gate, [](Activation, const float*, const float*, int64_t, float*) {}));
    CHECK(notices(&RowKernels::gate_bounded, [](float, float, const float*, const float*, int64_t, float*) {}));
    CHECK(notices(&RowKernels::softmax, [](const float*, int64_t, float*) {}));
    CHECK(notices(&RowKernels::rotate, [](bool, const float*, const float*, int64_t, float*) {}));
    CHECK(notices(&RowKernels::to_halves, [](const float*, int64_t, void*) {}));
}

TEST_CASE("the self-test notices attention that does nothing") {
    if (usable_isas().empty()) SKIP("no kernels for this processor");
    Isa isa = *usable_isas().front();
    isa.attend = [](const AttentionJob&, int64_t, int64_t, int64_t, int64_t, bool, const AttentionScratch&) {};
    CHECK(self_test(isa) != nullptr);
}

}  // namespace weft::kernels
