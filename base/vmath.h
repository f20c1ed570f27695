/// exp, log, tanh and their like over arrays, by the vector functions of glibc's libmvec.
///
/// Each maps `x[n]` to `y[n]`; `y` may be `x`. Errors stay below 4 units in the last place (glibc's
/// bound for libmvec); infinities and NaN go through as in <math.h>. Without a vector form in the
/// compiler or the C library, the scalar one is used.
#pragma once

#include "base/real.h"

#include <stddef.h>

void mr_vexp(size_t n, const mr_real *x, mr_real *y);
void mr_vlog(size_t n, const mr_real *x, mr_real *y);
void mr_vlog1p(size_t n, const mr_real *x, mr_real *y);
void mr_vtanh(size_t n, const mr_real *x, mr_real *y);
void mr_verf(size_t n, const mr_real *x, mr_real *y);
void mr_vsin(size_t n, const mr_real *x, mr_real *y);
void mr_vcos(size_t n, const mr_real *x, mr_real *y);
