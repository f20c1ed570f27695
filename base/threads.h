/// Threads that share out work: a pool for the whole process.
///
/// Whoever has tasks runs them itself, and threads of the pool that have nothing to do take some of
/// them. Nobody waits for a thread that has not begun: beside other programs, which keep a thread
/// of the pool from its core, the caller does its tasks alone. So any number of threads may call
/// mr_threads_run at once, and a task may call it too.
#pragma once

#include "base/status.h"

/// Task `i` of a run. Which thread runs it is not known.
typedef void mr_task(void *self, size_t i);

/// The cores that this process may use.
int mr_threads_cores(void);

/// Fails with MR_ERR_USAGE if `n_threads`, which a caller of the library chose, is below 1.
mr_status mr_threads_check(int n_threads);

/// Lets mr_threads_run use `n_threads` threads, the caller's among them, but no more than there are
/// cores: starts what the pool lacks. They wait for work until the library is unloaded; after a
/// fork the child starts its own. Fails with MR_ERR_MEMORY if the system gives no more threads.
mr_status mr_threads_start(int n_threads);

/// Calls task(self, i) once for each i in [0, n), by up to `n_threads` threads at a time, the
/// calling one among them; they must not wait for each other. Returns when all are done; what they
/// wrote is then visible to the caller. Allocates nothing.
void mr_threads_run(int n_threads, size_t n, mr_task *task, void *self);
