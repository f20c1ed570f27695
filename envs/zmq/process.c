// Processes by name, as Linux's /proc knows them.

#include "envs/zmq/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HOST_SIZE = 256,
    BOOT_SIZE = 37, // a UUID with the final zero
    PLACE_SIZE = 64,
    STAT_SIZE = 1024,
    START_FIELD = 22, // of /proc/PID/stat, proc(5), where the state is field 3
    STATE_FIELD = 3,
};

// This boot of this machine, and its pid namespace: "BOOT:NAMESPACE". The same pid in another
// namespace, such as a container's, is another process.
static void describe_place(char out[PLACE_SIZE]) {
    char boot[BOOT_SIZE] = "0";
    struct stat pid_namespace = {0};
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL) {
        if (fscanf(file, "%36s", boot) != 1)
            snprintf(boot, sizeof boot, "0");
        fclose(file);
    }
    if (stat("/proc/self/ns/pid", &pid_namespace) != 0)
        pid_namespace.st_ino = 0;
    snprintf(out, PLACE_SIZE, "%s:%llu", boot, (unsigned long long)pid_namespace.st_ino);
}

typedef struct {
    char state; // 'Z': dead, but its parent has not waited for it
    unsigned long long start;
} process_stat;

// The second field is a name in parentheses that may hold anything, parentheses included.
static bool read_stat(pid_t pid, process_stat *out) {
    char path[PLACE_SIZE], text[STAT_SIZE], *rest = NULL;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    char *end_of_name = strrchr(text, ')');
    char *field = end_of_name != NULL ? strtok_r(end_of_name + 1, " ", &rest) : NULL;
    for (int i = STATE_FIELD; field != NULL; i++, field = strtok_r(NULL, " ", &rest)) {
        if (i == STATE_FIELD)
            out->state = field[0];
        if (i == START_FIELD) {
            out->start = strtoull(field, NULL, 10);
            return true;
        }
    }
    return false;
}

void mr_process_name(char out[MR_MESSAGE_TEXT_SIZE]) {
    char host[HOST_SIZE] = "0", place[PLACE_SIZE];
    process_stat self = {0};
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        snprintf(host, sizeof host, "0");
    for (char *colon = host; (colon = strchr(colon, ':')) != NULL;)
        *colon = '-';
    read_stat(getpid(), &self);
    describe_place(place);
    snprintf(out, MR_MESSAGE_TEXT_SIZE, "%s:%ld:%llu:%s", host, (long)getpid(), self.start, place);
}

bool mr_process_has_ended(const char *name) {
    char place[PLACE_SIZE], there[PLACE_SIZE] = "";
    process_stat found;
    long pid = 0;
    unsigned long long start = 0;
    describe_place(place);
    if (sscanf(name, "%*[^:]:%ld:%llu:%63s", &pid, &start, there) != 3)
        return false;
    if (strcmp(there, place) != 0 || strncmp(place, "0:", 2) == 0 || pid <= 0 || start == 0)
        return false;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        return true;
    // A process that exists but can't be read (another user's, under hidepid) counts as alive.
    return read_stat((pid_t)pid, &found) && (found.start != start || found.state == 'Z');
}
