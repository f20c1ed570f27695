/// Stopping in good order: Ctrl-C and the system's wish that a process ends.
#pragma once

#include <signal.h>

/// Has SIGINT and SIGTERM noted, each the first time; a second one of its kind ends the process at
/// once. What is returned is 0 until something asks for the end: work looks at it between steps.
const volatile sig_atomic_t *mr_stop_on_signals(void);

/// From now on a signal ends the process at once, also the first: nothing looks at it any more.
void mr_stop_no_more(void);

/// What a second signal writes to stderr before it ends the process: what is lost and what is not.
void mr_stop_set_last_words(const char *text);

/// From now on a second signal is only noted, too: there is something that must be put away.
void mr_stop_outlast_signals(void);

/// Asks for the end as a signal does, but for a good reason.
void mr_stop_ask(void);

/// 128 plus the number of the signal that asked for the end, as in a shell; 0: no signal did.
int mr_stop_exit_code(void);
