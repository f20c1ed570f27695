// The pool of threads: every task runs once, whoever else uses the pool, after a fork, and beside
// helpers that do not come.

#include "base/clock.h"
#include "base/threads.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_TASKS = 1000, N_CALLERS = 4, N_RUNS = 200 };

TestSuite(threads, .timeout = 120);

static void start(int n_threads) {
    cr_assert_eq(mr_threads_start(n_threads), MR_OK, "%s", mr_error_message());
}

static void count(void *self, size_t i) {
    atomic_int *n_times = self;
    atomic_fetch_add(&n_times[i], 1);
}

static bool runs_each_once(int n_threads) {
    atomic_int n_times[N_TASKS] = {0};
    bool is_once = true;
    mr_threads_run(n_threads, N_TASKS, count, n_times);
    for (size_t i = 0; i < N_TASKS; i++)
        is_once = is_once && n_times[i] == 1;
    return is_once;
}

Test(threads, run_each_task_once) {
    for (int n_threads = 1; n_threads <= 5; n_threads++) {
        start(n_threads);
        cr_expect(runs_each_once(n_threads), "%d threads", n_threads);
    }
    mr_threads_run(2, 0, count, NULL);
}

Test(threads, run_tasks_that_were_not_started_for) {
    cr_expect(runs_each_once(3), "before any thread has been started");
}

// What tasks write is plain memory: the thread sanitizer would tell if the caller could read it too
// early.
static void square(void *self, size_t i) {
    double *values = self;
    values[i] *= values[i];
}

static void *use(void *self) {
    bool *is_right = self;
    double values[16];
    for (int r = 0; r < N_RUNS; r++) {
        for (size_t i = 0; i < 16; i++)
            values[i] = (double)i;
        mr_threads_run(3, 16, square, values);
        for (size_t i = 0; i < 16; i++)
            *is_right = *is_right && values[i] == (double)(i * i);
    }
    return NULL;
}

Test(threads, serve_several_callers_at_once) {
    pthread_t caller[N_CALLERS];
    bool is_right[N_CALLERS];
    start(3);
    for (int c = 0; c < N_CALLERS; c++) {
        is_right[c] = true;
        cr_assert_eq(pthread_create(&caller[c], NULL, use, &is_right[c]), 0);
    }
    for (int c = 0; c < N_CALLERS; c++) {
        pthread_join(caller[c], NULL);
        cr_expect(is_right[c], "caller %d", c);
    }
}

static void run_inner(void *self, size_t i) {
    double *values = self;
    mr_threads_run(2, 4, square, values + 4 * i);
}

Test(threads, run_tasks_of_tasks) {
    double values[32];
    start(2);
    for (size_t i = 0; i < 32; i++)
        values[i] = (double)i;
    mr_threads_run(2, 8, run_inner, values);
    for (size_t i = 0; i < 32; i++)
        cr_expect_eq(values[i], (double)(i * i));
}

// Each of two tasks waits for the other: one thread could not end this. (The first run of a thread
// has helpers; a later one may go without, so that other tasks must not wait for each other.)
static void meet(void *self, size_t i) {
    atomic_bool *has_come = self;
    atomic_store(&has_come[i], true);
    while (!atomic_load(&has_come[1 - i]))
        sched_yield();
}

Test(threads, two_tasks_run_at_the_same_time) {
    atomic_bool has_come[2] = {false, false};
    start(2);
    if (mr_threads_cores() > 1)
        mr_threads_run(2, 2, meet, has_come);
    cr_expect(mr_threads_cores() == 1 || (has_come[0] && has_come[1]));
}

/// Two tasks, of which the helper's is held up as by another program on its core.
typedef struct {
    pthread_t caller;
    atomic_bool has_come[2];
    double held_up_s, work_s; // that the helper sleeps, and that every task then takes
    atomic_bool was_helped;
} held_up;

static void hold_up(void *self, size_t i) {
    held_up *h = self;
    if (h->held_up_s > 0)
        meet(h->has_come, i);
    if (!pthread_equal(pthread_self(), h->caller)) {
        atomic_store(&h->was_helped, true);
        usleep((useconds_t)(1e6 * h->held_up_s));
    }
    for (const double until = mr_clock_s() + h->work_s; mr_clock_s() < until;)
        ;
}

// The caller goes without helpers for as long as the run that gained nothing, 0.1 s, and not for 16
// times as long, as it would if run after run gained nothing.
Test(threads, one_that_was_held_up_once_is_soon_back) {
    held_up h = {.caller = pthread_self(), .held_up_s = 0.1, .work_s = 1e-3};
    if (mr_threads_cores() == 1)
        cr_skip("one core has no helpers");
    start(2);
    mr_threads_run(2, 2, hold_up, &h);
    cr_assert(h.was_helped);
    h.held_up_s = 0;
    h.was_helped = false;
    const double begun_s = mr_clock_s();
    while (!h.was_helped && mr_clock_s() < begun_s + 2)
        mr_threads_run(2, 2, hold_up, &h);
    cr_expect_lt(mr_clock_s() - begun_s, 0.8);
}

/// A task that keeps the pool's threads until it is told to end.
typedef struct {
    atomic_int n_begun;
    atomic_bool may_end;
} occupation;

static void occupy(void *self, size_t i) {
    occupation *o = self;
    (void)i;
    atomic_fetch_add(&o->n_begun, 1);
    while (!atomic_load(&o->may_end))
        sched_yield();
}

static void *occupy_all(void *self) {
    mr_threads_run(mr_threads_cores(), (size_t)mr_threads_cores(), occupy, self);
    return NULL;
}

Test(threads, nobody_waits_for_threads_that_are_busy_elsewhere) {
    occupation o = {.n_begun = 0};
    pthread_t other;
    start(mr_threads_cores());
    cr_assert_eq(pthread_create(&other, NULL, occupy_all, &o), 0);
    while (atomic_load(&o.n_begun) < mr_threads_cores())
        sched_yield();
    cr_expect(runs_each_once(2));
    atomic_store(&o.may_end, true);
    pthread_join(other, NULL);
}

static int in_child(void) {
    const bool runs_alone = runs_each_once(2); // the parent's threads are not here
    if (mr_threads_start(2) != MR_OK)
        return 2;
    return runs_alone && runs_each_once(2) ? 0 : 1;
}

Test(threads, a_child_starts_its_own) {
    int ended;
    start(2);
    cr_expect(runs_each_once(2));
    const pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(in_child());
    cr_assert_eq(waitpid(pid, &ended, 0), pid);
    cr_expect(WIFEXITED(ended) && WEXITSTATUS(ended) == 0, "status %d", ended);
    cr_expect(runs_each_once(2), "the parent's go on");
}

Test(threads, fewer_than_one_is_refused) {
    cr_expect_eq(mr_threads_check(1), MR_OK);
    cr_expect_eq(mr_threads_check(0), MR_ERR_USAGE);
}
