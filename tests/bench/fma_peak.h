/// What the machine's processors can compute at most: the limit that whole updates are held
/// against.
#pragma once

/// float32 operations a second of `n_threads` threads that do nothing but multiply and add in
/// registers, over a few milliseconds.
double fma_peak(int n_threads);
