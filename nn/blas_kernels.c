// The second choice of OpenBLAS's kernels.

#include "nn/blas_kernels.h"

#include <cblas.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char variable[] = "OPENBLAS_CORETYPE";

// What OpenBLAS chooses with when it is loaded. cblas.h does not have them, and a library that is
// built for one processor has no choice.
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

// The best that 0.3.21 has for a processor; NULL where its own choice may be right.
static const char *best_core(void) {
#ifdef __x86_64__
    const bool has_avx512 = __builtin_cpu_supports("avx512vl") &&
                            __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512dq");
    if (has_avx512)
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#endif
    return NULL;
}

static void choose(void) {
    const char *core = best_core();
    const bool is_fallback = strcmp(openblas_get_corename(), "Prescott") == 0;
    if (!core || !is_fallback || getenv(variable) || !gotoblas_dynamic_init)
        return;
    if (setenv(variable, core, 1) != 0)
        return;
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
    unsetenv(variable);
}

void mr_blas_choose_kernels(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
}
