// The signals that ask for the end.

#include "scripts/stopping.h"

enum { ASKED = -1 }; // by no signal

static volatile sig_atomic_t cause;

static void note_signal(int number) {
    cause = number;
}

const volatile sig_atomic_t *mr_stop_on_signals(void) {
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &cause;
}

void mr_stop_ask(void) {
    cause = ASKED;
}

int mr_stop_exit_code(void) {
    return cause > 0 ? 128 + cause : 0;
}
