// What signals do to the command, seen from a process that does nothing else.

#include "cli/stopping.h"

#include "tests/sanitized.h"
#include "tests/cli/command_runner.h"

TestSuite(stopping, .init = scratch_enter, .fini = scratch_leave);

// Runs `body` in a process of its own; what it says on stderr goes to child.err.
static outcome in_child(void (*body)(void)) {
#ifdef SANITIZED_THREADS // and there is no second thread in these tests
    cr_skip_test("the thread sanitizer calls no signal handler in a forked process");
#endif
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        const int err = open("child.err", O_WRONLY | O_CREAT | O_TRUNC, 0666);
        dup2(err, STDERR_FILENO);
        body();
        _exit(0);
    }
    return finish(child, "child");
}

static void hear_sigterm_twice_and_sigint_once(void) {
    const volatile sig_atomic_t *stop = mr_stop_on_signals();
    mr_stop_set_last_words("what is lost\n");
    raise(SIGTERM);
    raise(SIGTERM);
    raise(SIGINT);
    _exit(*stop == SIGINT ? mr_stop_exit_code() : 1);
}

Test(stopping, notes_sigterm_however_often_it_comes) {
    outcome o = in_child(hear_sigterm_twice_and_sigint_once);
    cr_expect_eq(o.code, 128 + SIGINT);
    cr_expect_str_eq(o.err, "");
    outcome_free(&o);
}

static void hear_twice(void) {
    mr_stop_on_signals();
    mr_stop_set_last_words("what is lost\n");
    raise(SIGINT);
    raise(SIGINT);
}

Test(stopping, a_second_sigint_ends_the_process_and_says_what_is_lost) {
    outcome o = in_child(hear_twice);
    cr_expect_eq(o.code, 128 + SIGINT);
    cr_expect_str_eq(o.err, "what is lost\n");
    outcome_free(&o);
}

static void hear_none(void) {
    mr_stop_on_signals();
    mr_stop_no_more();
    raise(SIGTERM);
}

Test(stopping, a_first_signal_ends_the_process_where_nothing_looks_at_it) {
    outcome o = in_child(hear_none);
    cr_expect_eq(o.code, 128 + SIGTERM);
    outcome_free(&o);
}

static void outlast(void) {
    const volatile sig_atomic_t *stop = mr_stop_on_signals();
    mr_stop_outlast_signals();
    raise(SIGINT);
    raise(SIGINT);
    _exit(*stop == SIGINT ? 7 : 1);
}

Test(stopping, can_outlast_a_second_sigint) {
    outcome o = in_child(outlast);
    cr_expect_eq(o.code, 7);
    outcome_free(&o);
}
