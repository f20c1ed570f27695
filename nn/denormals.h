/// Denormal numbers (below 1.2e-38 in float32) taken as zero, for a while, in the calling thread.
///
/// The processor computes with them by microcode, about a hundred times slower. Adam's moments of
/// weights whose gradient vanishes shrink through that range: on HalfCheetah-v5 they took half the
/// time of training. Only the nets' own work flushes them, so that a caller's arithmetic (the
/// simulation) stays IEEE's.
#pragma once

#if defined __SSE__
#include <xmmintrin.h>

typedef unsigned mr_denormals;

/// Flushes them from here on. Returns the mode before, for mr_denormals_restore.
static inline mr_denormals mr_denormals_flush(void) {
    const mr_denormals kept = _mm_getcsr();
    _mm_setcsr(kept | 0x8040); // flush to zero, denormals are zero
    return kept;
}

static inline void mr_denormals_restore(mr_denormals kept) {
    _mm_setcsr(kept);
}
#else
typedef int mr_denormals;

static inline mr_denormals mr_denormals_flush(void) {
    return 0;
}

static inline void mr_denormals_restore(mr_denormals kept) {
    (void)kept;
}
#endif
