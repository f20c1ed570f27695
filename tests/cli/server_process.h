/// Servers as processes of their own, and what they hold.
#pragma once

#include <dirent.h>
#include <time.h>

#include "tests/cli/command_runner.h"

/// Ends it as a user would, and expects it to end well.
static inline void stop(pid_t server, const char *name) {
    kill(server, SIGTERM);
    outcome o = finish(server, name);
    expect_success(&o);
    scratch_expect_part(o.out, "served ");
    outcome_free(&o);
}

static inline void nap(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static inline size_t n_open_files(pid_t process) {
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", process);
    DIR *dir = opendir(path);
    while (dir != NULL && readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}
