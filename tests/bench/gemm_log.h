/// The matrix products of a piece of code, recorded and played again bare: the limit that its speed
/// is held against.
///
/// Benchmarks are linked with --wrap=cblas_sgemm, so that every product that the library asks
/// OpenBLAS for comes through here. A replay makes the same calls with the same operands, each on
/// one thread, and nothing else.
#pragma once

/// Starts to record, forgetting what was recorded before.
void gemm_log_start(void);

/// Stops recording.
void gemm_log_stop(void);

/// Floating-point operations of what was recorded.
double gemm_log_flops(void);

/// Plays what was recorded once, by `n_threads` threads that take the next product when they have
/// finished one. Results go to memory of the log's own.
void gemm_log_play(int n_threads);
