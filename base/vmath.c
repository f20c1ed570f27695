// Array forms of the elementary functions, by libmvec.
//
// glibc's <math.h> offers its vector functions to the compiler under -ffast-math only, which would
// give up NaN and infinity in this file. So the file leaves <math.h> out and declares what it uses,
// with the `simd` attribute that names the vector forms; `omp simd` then calls them (vtanh: 1.1 ns
// an element by AVX-512 where tanhf takes 13).

#include "base/vmath.h"

#ifdef MR_REAL_DOUBLE
#define FUNCTION(name) name
#else
#define FUNCTION(name) name##f
#endif

#if defined __x86_64__ && defined __GNUC__ && !defined __clang__
#define VECTOR __attribute__((simd("notinbranch")))
#else
#define VECTOR
#endif

#define DEFINE(name)                                                                               \
    VECTOR mr_real FUNCTION(name)(mr_real);                                                        \
    void mr_v##name(size_t n, const mr_real *x, mr_real *y) {                                      \
        _Pragma("omp simd") for (size_t i = 0; i < n; i++) y[i] = FUNCTION(name)(x[i]);            \
    }

// A macro, because the functions differ only in their names.
DEFINE(exp)
DEFINE(log)
DEFINE(log1p)
DEFINE(tanh)
DEFINE(erf)
DEFINE(sin)
DEFINE(cos)
