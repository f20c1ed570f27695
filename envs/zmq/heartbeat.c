// Work that a thread of its own repeats.

#include "envs/zmq/heartbeat.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct mr_heartbeat {
    mr_heartbeat_work *work;
    void *self;
    double period_s;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping;
};

static struct timespec in_seconds(double seconds) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    const double whole = floor(seconds);
    at.tv_sec += (time_t)whole;
    at.tv_nsec += (long)(1e9 * (seconds - whole));
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static void *run(void *self) {
    mr_heartbeat *heartbeat = self;
    pthread_mutex_lock(&heartbeat->lock);
    while (!heartbeat->is_stopping) {
        const struct timespec until = in_seconds(heartbeat->period_s);
        pthread_cond_timedwait(&heartbeat->wake, &heartbeat->lock, &until);
        if (!heartbeat->is_stopping)
            heartbeat->work(heartbeat->self);
    }
    pthread_mutex_unlock(&heartbeat->lock);
    return NULL;
}

static void init_lock(mr_heartbeat *heartbeat) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&heartbeat->lock, NULL);
    pthread_cond_init(&heartbeat->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void heartbeat_free(mr_heartbeat *heartbeat) {
    pthread_cond_destroy(&heartbeat->wake);
    pthread_mutex_destroy(&heartbeat->lock);
    free(heartbeat);
}

mr_status mr_heartbeat_start(double period_s, mr_heartbeat_work *work, void *self,
                             mr_heartbeat **out) {
    mr_heartbeat *heartbeat = calloc(1, sizeof *heartbeat);
    if (heartbeat == NULL)
        return mr_fail_memory("a thread");
    heartbeat->work = work;
    heartbeat->self = self;
    heartbeat->period_s = period_s;
    init_lock(heartbeat);
    if (pthread_create(&heartbeat->thread, NULL, run, heartbeat) != 0) {
        heartbeat_free(heartbeat);
        return mr_fail(MR_ERR_IO, "the system gives no thread; raise its limit (ulimit -u)");
    }
    *out = heartbeat;
    return MR_OK;
}

void mr_heartbeat_stop(mr_heartbeat *heartbeat) {
    if (heartbeat == NULL)
        return;
    mr_heartbeat_hold(heartbeat);
    heartbeat->is_stopping = true;
    pthread_cond_signal(&heartbeat->wake);
    mr_heartbeat_release(heartbeat);
    pthread_join(heartbeat->thread, NULL);
    heartbeat_free(heartbeat);
}

void mr_heartbeat_hold(mr_heartbeat *heartbeat) {
    pthread_mutex_lock(&heartbeat->lock);
}

void mr_heartbeat_release(mr_heartbeat *heartbeat) {
    pthread_mutex_unlock(&heartbeat->lock);
}
