// Work on several threads at once, through the OpenMP runtime that ggml's CPU library uses: a pool of our own would fight with
// its spinning workers for the cores.
#pragma once

#include <omp.h>

#if defined(__SANITIZE_THREAD__)
extern "C" void __tsan_acquire(void* sync);
extern "C" void __tsan_release(void* sync);
#endif

namespace weft::kernels {

// libgomp is not built for the thread sanitizer, which is told here what forking and joining put in order.
#if defined(__SANITIZE_THREAD__)
inline void tsan_acquire(void* sync) { __tsan_acquire(sync); }
inline void tsan_release(void* sync) { __tsan_release(sync); }
#else
inline void tsan_acquire(void*) {}
inline void tsan_release(void*) {}
#endif

// Runs work(thread, threads) on up to `threads` threads, the caller's among them, and returns when all are done. Fewer than
// asked for may come; each is told how many there are. One thread is the caller alone, without OpenMP.
template <typename Work>
[[gnu::no_sanitize_thread]] void fork_join(int threads, const Work& work) {
    if (threads <= 1) return work(0, 1);
    char sync = 0;
    tsan_release(&sync);
#pragma omp parallel num_threads(threads)
    {
        tsan_acquire(&sync);
        work(omp_get_thread_num(), omp_get_num_threads());
        tsan_release(&sync);
    }
    tsan_acquire(&sync);
}

}  // namespace weft::kernels
