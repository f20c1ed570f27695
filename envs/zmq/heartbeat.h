/// A thread that repeats a piece of work, and the lock that keeps it apart from its owner's.
#pragma once

#include "base/status.h"

typedef struct mr_heartbeat mr_heartbeat;
typedef void mr_heartbeat_work(void *self);

/// Starts the thread: `work(self)` every `period_s` seconds, with the lock held. The caller stops
/// it. Fails with MR_ERR_IO if the system gives no thread.
mr_status mr_heartbeat_start(double period_s, mr_heartbeat_work *work, void *self,
                             mr_heartbeat **out);

/// Ends the thread, after work that it has begun. NULL is fine.
void mr_heartbeat_stop(mr_heartbeat *heartbeat);

/// No work is done between these two.
void mr_heartbeat_hold(mr_heartbeat *heartbeat);
void mr_heartbeat_release(mr_heartbeat *heartbeat);
