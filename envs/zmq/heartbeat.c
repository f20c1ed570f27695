// Work that is done every so often by a thread of its own.

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

static void *keep(void *heartbeat) {
    mr_heartbeat *k = heartbeat;
    pthread_mutex_lock(&k->lock);
    while (!k->is_stopping) {
        const struct timespec until = in_seconds(k->period_s);
        pthread_cond_timedwait(&k->wake, &k->lock, &until);
        if (!k->is_stopping)
            k->work(k->self);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

static void init_lock(mr_heartbeat *k) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void heartbeat_free(mr_heartbeat *k) {
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

mr_status mr_heartbeat_start(double period_s, mr_heartbeat_work *work, void *self,
                             mr_heartbeat **out) {
    mr_heartbeat *k = calloc(1, sizeof *k);
    if (k == NULL)
        return mr_fail_memory("a thread");
    k->work = work;
    k->self = self;
    k->period_s = period_s;
    init_lock(k);
    if (pthread_create(&k->thread, NULL, keep, k) != 0) {
        heartbeat_free(k);
        return mr_fail(MR_ERR_IO, "the system gives no thread; raise its limit (ulimit -u)");
    }
    *out = k;
    return MR_OK;
}

void mr_heartbeat_stop(mr_heartbeat *k) {
    if (k == NULL)
        return;
    mr_heartbeat_hold(k);
    k->is_stopping = true;
    pthread_cond_signal(&k->wake);
    mr_heartbeat_release(k);
    pthread_join(k->thread, NULL);
    heartbeat_free(k);
}

void mr_heartbeat_hold(mr_heartbeat *k) {
    pthread_mutex_lock(&k->lock);
}

void mr_heartbeat_release(mr_heartbeat *k) {
    pthread_mutex_unlock(&k->lock);
}
