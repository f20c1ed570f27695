/// Stopping on SIGINT (Ctrl-C), SIGTERM and SIGUSR1.
#pragma once

#include <signal.h>
#include <stddef.h>

/// From now on the first SIGINT, SIGTERM or SIGUSR1 sets the flag that is returned, at which work
/// looks between steps. A second SIGINT ends the process at once.
const volatile sig_atomic_t *mr_stop_on_signals(void);

/// From now on the first signal ends the process at once, too.
void mr_stop_no_more(void);

/// The text that a second SIGINT writes to stderr before it ends the process.
void mr_stop_set_last_words(const char *text);

/// From now on a second SIGINT does not end the process either: something must be cleaned up.
void mr_stop_outlast_signals(void);

/// Sets the flag as a signal does, for a reason that is not a failure.
void mr_stop_ask(void);

/// 128 plus the number of the signal that asked for the end, as in a shell; 0: no signal did.
int mr_stop_exit_code(void);

/// Says on stderr in which epoch a fit was stopped, and from which checkpoint the same command goes
/// on.
void mr_stop_report_fit(size_t epoch, const char *checkpoint);
