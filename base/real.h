/// The number type of the nets.
///
/// It is float in the library that users get. The tests build the same sources a second time with
/// double (MR_REAL_DOUBLE), so that gradients and Jacobians can be held to tolerances that float32
/// would hide.
#pragma once

#include <math.h>

#ifdef MR_REAL_DOUBLE
typedef double mr_real;
#else
typedef float mr_real;
#endif

static inline mr_real mr_sqrt(mr_real x) {
    return sizeof x == sizeof(float) ? (mr_real)sqrtf((float)x) : (mr_real)sqrt((double)x);
}
