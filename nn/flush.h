/// Denormal numbers (below 1.2e-38) taken as zero, for a stretch of work in the present thread.
///
/// The processor handles them by microcode, some hundred times slower. They are no rarity here:
/// Adam's moments of weights whose gradient vanishes sink through that range, and on HalfCheetah-v5
/// half the time of training went there. A stretch begins and ends in the nets' own work, so that
/// the caller's arithmetic (the simulation) stays as IEEE has it.
#pragma once

#if defined __SSE__
#include <xmmintrin.h>

typedef unsigned mr_flush;

/// Begins a stretch; returns what mr_flush_end needs.
static inline mr_flush mr_flush_begin(void) {
    const mr_flush kept = _mm_getcsr();
    _mm_setcsr(kept | 0x8040); // flush to zero, denormals are zero
    return kept;
}

static inline void mr_flush_end(mr_flush kept) {
    _mm_setcsr(kept);
}
#else
typedef int mr_flush;

static inline mr_flush mr_flush_begin(void) {
    return 0;
}

static inline void mr_flush_end(mr_flush kept) {
    (void)kept;
}
#endif
