// A pool of threads. Those that wait spin for a moment and then sleep on a futex.

#include "base/threads.h"

#include <linux/futex.h>
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    MAX_HELPERS = 255,
    PAUSES = 32, // between two looks at the clock
    CACHE_LINE = 64,
};

// How long a thread that waits keeps its core: longer than the serial parts of an update take.
static const double spin_s = 100e-6;

/// What a caller wants to be done. It lies on the caller's stack.
typedef struct {
    mr_task *task;
    void *self;
    size_t n;
    atomic_size_t n_taken; // the next task that nobody has taken; n or more: there is none
} job;

/// A helper's state. A caller moves it from IDLE or ASLEEP to OFFERED and, if the helper has not
/// come, back to IDLE; the helper moves it from OFFERED to WORKING and, without any more tasks to
/// take, to IDLE.
enum {
    IDLE,    // waits for a job, spinning
    ASLEEP,  // waits for a job, sleeping
    OFFERED, // has a job that it has not begun
    WORKING, // or starting
    AWAITED, // works, and the caller sleeps until it has finished
    ENDING,  // is to end its thread
};

/// A thread of the pool. It belongs to the list of idle helpers or to the caller that took it.
typedef struct helper helper;
struct helper {
    alignas(CACHE_LINE) atomic_uint state;
    job *job; // if OFFERED or WORKING
    helper *next;
    pthread_t thread;
};

static helper helpers[MAX_HELPERS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; // of what follows
static int n_helpers;
static helper *idle;

// ---- Waiting

static void futex_wait(atomic_uint *word, unsigned value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void pause_briefly(void) {
#if defined __x86_64__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

// Spins while the word has the value, but not for long. Returns whether it still has it.
static bool spin(atomic_uint *word, unsigned value) {
    const double until = mr_clock_s() + spin_s;
    do {
        for (int i = 0; i < PAUSES; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != value)
                return false;
            pause_briefly();
        }
    } while (mr_clock_s() < until);
    return true;
}

// Waits until the word changes from `value`; `sleeping` stands there while the thread sleeps.
static void wait_for_change(atomic_uint *word, unsigned value, unsigned sleeping) {
    if (!spin(word, value) || !atomic_compare_exchange_strong(word, &value, sleeping))
        return;
    while (atomic_load(word) == sleeping)
        futex_wait(word, sleeping);
}

// ---- Helpers

// Returns how many it has run.
static size_t take_tasks(job *j) {
    size_t n = 0;
    for (size_t i; (i = atomic_fetch_add(&j->n_taken, 1)) < j->n; n++)
        j->task(j->self, i);
    return n;
}

static void finish(helper *h) {
    if (atomic_exchange(&h->state, IDLE) == AWAITED)
        futex_wake(&h->state);
}

static void wait_until_finished(helper *h) {
    wait_for_change(&h->state, WORKING, AWAITED);
}

// A helper is one thread also to libraries that are built with OpenMP. That number is kept in
// memory which OpenMP allocates here, at the thread's start, and not in the first task.
static void *help(void *self) {
    helper *h = self;
    omp_set_num_threads(1);
    finish(h);
    for (;;) {
        unsigned state = OFFERED;
        if (atomic_compare_exchange_strong(&h->state, &state, WORKING)) {
            take_tasks(h->job);
            finish(h);
        } else if (state == ENDING) {
            return NULL;
        }
        wait_for_change(&h->state, IDLE, ASLEEP);
    }
}

static void offer(helper *h, job *j) {
    h->job = j;
    if (atomic_exchange(&h->state, OFFERED) == ASLEEP)
        futex_wake(&h->state);
}

// Returns when the helper has left the job, if it has begun it at all.
static void take_back(helper *h) {
    unsigned state = OFFERED;
    if (!atomic_compare_exchange_strong(&h->state, &state, IDLE) && state == WORKING)
        wait_until_finished(h);
}

// ---- The pool

int mr_threads_cores(void) {
    cpu_set_t cores;
    const long n = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores)
                                                                   : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (int)n;
}

mr_status mr_threads_check(int n_threads) {
    if (n_threads >= 1)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE, "%d threads asked for; ask for at least 1", n_threads);
}

// In a child there are no threads but the one that forked.
static void forget_helpers(void) {
    pthread_mutex_init(&mutex, NULL);
    n_helpers = 0;
    idle = NULL;
}

static void watch_forks(void) {
    pthread_atfork(NULL, NULL, forget_helpers);
}

// Signals are for the program's own threads.
static int start_thread(helper *h) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&h->thread, NULL, help, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static mr_status start_locked(int n_wanted) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    for (; n_helpers < n_wanted; n_helpers++) {
        helper *h = &helpers[n_helpers];
        *h = (helper){.state = WORKING, .next = idle};
        const int error = start_thread(h);
        if (error != 0)
            return mr_fail(
                MR_ERR_MEMORY,
                "out of memory for thread %d, or too many threads (%s); raise the limits "
                "(ulimit -v, ulimit -u), free some memory, or use fewer threads",
                n_helpers + 2, strerror(error));
        wait_until_finished(h);
        idle = h;
    }
    return MR_OK;
}

mr_status mr_threads_start(int n_threads) {
    const int n_cores = mr_threads_cores(), n = n_threads < n_cores ? n_threads : n_cores;
    pthread_mutex_lock(&mutex);
    const mr_status status = start_locked(n - 1 < MAX_HELPERS ? n - 1 : MAX_HELPERS);
    pthread_mutex_unlock(&mutex);
    return status;
}

// Takes up to n idle helpers; returns them as a list.
static helper *take_helpers(size_t n) {
    helper *taken = NULL;
    pthread_mutex_lock(&mutex);
    for (; n > 0 && idle != NULL; n--) {
        helper *h = idle;
        idle = h->next;
        h->next = taken;
        taken = h;
    }
    pthread_mutex_unlock(&mutex);
    return taken;
}

static void put_back(helper *taken) {
    pthread_mutex_lock(&mutex);
    while (taken != NULL) {
        helper *h = taken;
        taken = h->next;
        h->next = idle;
        idle = h;
    }
    pthread_mutex_unlock(&mutex);
}

// ---- Running tasks

// When the calling thread may have helpers again, and how long it went without them the last time,
// in runs; 0: the last run gained from them.
static thread_local double alone_until;
static thread_local double n_alone;

// Another program may keep the core of a helper, or of the caller, in the middle of a task, for
// milliseconds. If a run takes about as long as the caller would need for all tasks on a core of
// its own, it goes on without helpers for as long as one such run, then two, four, eight and at
// most 16: a program that only passes by costs little, and what is lost by trying is a small
// fraction, however busy the machine is. Tasks are the same size, or there are many.
static void judge(const job *j, size_t n_own, double own_s, double all_s) {
    const double least_s = 50e-6, fraction = 0.8, most = 16;
    if (all_s <= least_s || n_own == 0 || n_own == j->n)
        return;
    if (all_s > fraction * own_s * (double)j->n / (double)n_own) {
        n_alone = n_alone == 0 ? 1 : fmin(2 * n_alone, most);
        alone_until = mr_clock_s() + n_alone * all_s;
    } else {
        n_alone = 0;
    }
}

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void run_with(helper *taken, job *j) {
    const double begun_s = mr_clock_s(), cpu_before_s = cpu_s();
    for (helper *h = taken; h != NULL; h = h->next)
        offer(h, j);
    const size_t n_own = take_tasks(j);
    const double own_s = cpu_s() - cpu_before_s;
    for (helper *h = taken; h != NULL; h = h->next)
        take_back(h);
    judge(j, n_own, own_s, mr_clock_s() - begun_s);
}

void mr_threads_run(int n_threads, size_t n, mr_task *task, void *self) {
    const size_t n_wanted = n < (size_t)n_threads ? n : (size_t)n_threads;
    const bool is_alone = n_wanted <= 1 || mr_clock_s() < alone_until;
    helper *taken = is_alone ? NULL : take_helpers(n_wanted - 1);
    job j = {.task = task, .self = self, .n = n};
    if (taken == NULL) {
        take_tasks(&j);
    } else {
        run_with(taken, &j);
        put_back(taken);
    }
}

// Code that is unloaded (dlclose) must not have threads in it. Helpers that still work, if a
// program ends in the middle, are left alone.
__attribute__((destructor)) static void end_helpers(void) {
    for (helper *h = take_helpers(MAX_HELPERS); h != NULL; h = h->next) {
        if (atomic_exchange(&h->state, ENDING) == ASLEEP)
            futex_wake(&h->state);
        pthread_join(h->thread, NULL);
    }
}
