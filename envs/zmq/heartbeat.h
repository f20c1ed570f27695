/// A thread that does the same piece of work every so often, beside its owner, and the lock that
/// keeps the two apart.
#pragma once

#include "base/status.h"

typedef struct mr_heartbeat mr_heartbeat;
typedef void mr_heartbeat_work(void *self);

/// Starts the thread: `work(self)` every `period_s` seconds, with the lock held. The caller stops
/// it. Fails with MR_ERR_IO where the system gives no thread.
mr_status mr_heartbeat_start(double period_s, mr_heartbeat_work *work, void *self,
                             mr_heartbeat **out);

/// Ends the thread, after the work that it may be doing. NULL is fine.
void mr_heartbeat_stop(mr_heartbeat *heartbeat);

/// Between these no work is done.
void mr_heartbeat_hold(mr_heartbeat *heartbeat);
void mr_heartbeat_release(mr_heartbeat *heartbeat);
