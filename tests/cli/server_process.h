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

enum { ENDPOINT_SIZE = 64 };

/// Waits until the server that was started as `name` says where it serves, and writes the endpoint:
/// with `--bind tcp://127.0.0.1:*`, on the free port that it was given.
static inline void read_endpoint(const char *name, char endpoint[ENDPOINT_SIZE]) {
    char path[64];
    snprintf(path, sizeof path, "%s.err", name);
    for (int i = 0; i < 6000; i++) {
        char *text = access(path, F_OK) == 0 ? scratch_read(path) : strdup("");
        const bool is_there = sscanf(text, "serving %*s at %63[^,;];", endpoint) == 1;
        free(text);
        if (is_there)
            return;
        nap(5);
    }
    cr_assert_fail("%s never said where it serves", name);
}

static inline int port_of(const char *endpoint) {
    return atoi(strrchr(endpoint, ':') + 1);
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
