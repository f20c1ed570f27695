// Names for runs that nobody named.

#include "cli/run_name.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

static const char parent[] = "runs";

enum { MAX_PART = 60, DATE_SIZE = 32 };

// A task or a flow's text as part of a file name: "real_nvp:layers=2" becomes "real_nvp-layers-2".
static void copy_clean(const char *text, char out[MAX_PART + 1]) {
    size_t n = 0;
    for (; *text != '\0' && n < MAX_PART; text++) {
        const bool plain = isalnum((unsigned char)*text) || strchr("_.-", *text) != NULL;
        out[n++] = plain ? *text : '-';
    }
    out[n] = '\0';
}

static void write_date(char text[DATE_SIZE]) {
    const time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local) == NULL ||
        strftime(text, DATE_SIZE, "%Y%m%d-%H%M%S", &local) == 0)
        snprintf(text, DATE_SIZE, "%lld", (long long)now);
}

mr_status mr_run_name_choose(mr_settings *settings, int *lock) {
    const mr_status status = mr_make_directories(parent);
    if (status != MR_OK)
        return status;
    // File systems without locks go without: two runs would have to start within a millisecond.
    *lock = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock >= 0)
        flock(*lock, LOCK_EX);

    char env[MAX_PART + 1], policy[MAX_PART + 1], date[DATE_SIZE];
    copy_clean(settings->env, env);
    copy_clean(mr_settings_policy(settings), policy);
    write_date(date);
    const int length = snprintf(settings->out, sizeof settings->out, "%s/%s-%s-s%llu-%s", parent,
                                env, policy, (unsigned long long)settings->seed, date);
    for (int i = 2; access(settings->out, F_OK) == 0; i++)
        snprintf(settings->out + length, sizeof settings->out - (size_t)length, "-%d", i);
    return MR_OK;
}

void mr_run_name_release(int *lock) {
    if (*lock < 0)
        return;
    close(*lock);
    *lock = -1;
    rmdir(parent); // goes only where it is empty: nothing came of the run
}
