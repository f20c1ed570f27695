// Work that is done every so often by a thread of its own.

#include "envs/zmq/keeper.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct mr_keeper {
    mr_keeper_work *work;
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

static void *keep(void *keeper) {
    mr_keeper *k = keeper;
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

static void init_lock(mr_keeper *k) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void keeper_free(mr_keeper *k) {
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

mr_status mr_keeper_start(double period_s, mr_keeper_work *work, void *self, mr_keeper **out) {
    mr_keeper *k = calloc(1, sizeof *k);
    if (k == NULL)
        return mr_fail_memory("a thread");
    k->work = work;
    k->self = self;
    k->period_s = period_s;
    init_lock(k);
    if (pthread_create(&k->thread, NULL, keep, k) != 0) {
        keeper_free(k);
        return mr_fail(MR_ERR_IO, "the system gives no thread; raise its limit (ulimit -u)");
    }
    *out = k;
    return MR_OK;
}

void mr_keeper_stop(mr_keeper *k) {
    if (k == NULL)
        return;
    mr_keeper_hold(k);
    k->is_stopping = true;
    pthread_cond_signal(&k->wake);
    mr_keeper_release(k);
    pthread_join(k->thread, NULL);
    keeper_free(k);
}

void mr_keeper_hold(mr_keeper *k) {
    pthread_mutex_lock(&k->lock);
}

void mr_keeper_release(mr_keeper *k) {
    pthread_mutex_unlock(&k->lock);
}
