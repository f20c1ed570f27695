/// A thread that does the same piece of work every so often, beside its owner, and the lock that
/// keeps the two apart.
#pragma once

#include "base/status.h"

typedef struct mr_keeper mr_keeper;
typedef void mr_keeper_work(void *self);

/// Starts the thread: `work(self)` every `period_s` seconds, with the lock held. The caller stops
/// it. Fails with MR_ERR_IO where the system gives no thread.
mr_status mr_keeper_start(double period_s, mr_keeper_work *work, void *self, mr_keeper **out);

/// Ends the thread, after the work that it may be doing. NULL is fine.
void mr_keeper_stop(mr_keeper *keeper);

/// Between these no work is done.
void mr_keeper_hold(mr_keeper *keeper);
void mr_keeper_release(mr_keeper *keeper);
