// Signals that stop the command.

#include "cli/stopping.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ASKED = -1 }; // not by a signal

static volatile sig_atomic_t cause;
static volatile sig_atomic_t outlasts_signals;
static volatile sig_atomic_t n_last_words; // set after the text is complete
static char last_words[1536];

// Runs in a signal handler, so that it calls async-signal-safe functions only. The raised signal is
// blocked until the handler returns, and then ends the process.
static void end_at_once(int number) {
    const ssize_t n_written = write(STDERR_FILENO, last_words, (size_t)n_last_words);
    (void)n_written; // nothing can be done about a failure
    signal(number, SIG_DFL);
    raise(number);
}

// Only a person is in a hurry. Schedulers and process managers send SIGTERM several times: Slurm
// does when it preempts a job, to each process and to its group.
static void note_signal(int number) {
    static volatile sig_atomic_t is_interrupted;
    if (number == SIGINT && is_interrupted && !outlasts_signals)
        end_at_once(number);
    is_interrupted |= number == SIGINT;
    cause = number;
}

const volatile sig_atomic_t *mr_stop_on_signals(void) {
    struct sigaction action = {.sa_handler = note_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL); // Slurm's notice that the time of a job is nearly over
    return &cause;
}

void mr_stop_no_more(void) {
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
}

void mr_stop_set_last_words(const char *text) {
    n_last_words = 0;
    snprintf(last_words, sizeof last_words, "%s", text);
    n_last_words = (sig_atomic_t)strlen(last_words);
}

void mr_stop_outlast_signals(void) {
    outlasts_signals = 1;
}

void mr_stop_ask(void) {
    cause = ASKED;
}

int mr_stop_exit_code(void) {
    return cause > 0 ? 128 + cause : 0;
}

void mr_stop_report_fit(size_t epoch, const char *checkpoint) {
    fprintf(stderr, "stopped in epoch %zu; the same command goes on from there (%s)\n", epoch,
            checkpoint);
}
