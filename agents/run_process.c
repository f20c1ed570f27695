// The process that trains in a run directory.

#include "agents/run_process.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/growing_file.h"
#include "base/json_memory.h"
#include "base/path.h"

static const char file_name[] = "trainer.json", format_name[] = "millrace.trainer";
static const char locked_name[] = "progress.csv";

enum { FRESH_S = 15 * 60 }; // how old the files of a run on another host may be

static const char *const names[] = {[MR_RUN_TRAINING] = "training",
                                    [MR_RUN_FINISHED] = "finished",
                                    [MR_RUN_INTERRUPTED] = "interrupted",
                                    [MR_RUN_FAILED] = "failed"};

const char *mr_run_state_name(mr_run_state state) {
    return names[state];
}

/// A text of the file, and where it is stored.
typedef struct {
    const char *key;
    size_t offset, size;
} text_row;

#define TEXT(field)                                                                                \
    { #field, offsetof(mr_run_process, field), sizeof((mr_run_process *)0)->field }

static const text_row texts[] = {TEXT(host),  TEXT(version), TEXT(engine), TEXT(engine_version),
                                 TEXT(began), TEXT(ended),   TEXT(message)};

static void write_time(char *text, size_t size) {
    const time_t now = time(NULL);
    struct tm utc;
    text[0] = '\0';
    if (gmtime_r(&now, &utc) != NULL)
        strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static void read_host(char *text, size_t size) {
    if (gethostname(text, size) != 0)
        text[0] = '\0';
    text[size - 1] = '\0';
}

void mr_run_process_begin(mr_run_process *process) {
    *process = (mr_run_process){.state = MR_RUN_TRAINING, .pid = (long)getpid()};
    read_host(process->host, sizeof process->host);
    snprintf(process->version, sizeof process->version, "%s", MR_VERSION);
    write_time(process->began, sizeof process->began);
}

void mr_run_process_end(mr_run_process *process, mr_run_state state, const char *message) {
    process->state = state;
    snprintf(process->message, sizeof process->message, "%s", message);
    write_time(process->ended, sizeof process->ended);
}

// ---- Writing

static json_t *object_of(const mr_run_process *process) {
    json_t *object = json_pack("{s:s, s:i, s:s, s:I}", "format", format_name, "format_version", 1,
                               "state", names[process->state], "pid", (json_int_t)process->pid);
    for (size_t i = 0; i < MR_COUNT(texts) && object != NULL; i++)
        json_object_set_new(object, texts[i].key,
                            mr_json_text((const char *)process + texts[i].offset));
    return object;
}

mr_status mr_run_process_write(const char *dir, const mr_run_process *process) {
    mr_json_watch();
    json_t *object = object_of(process);
    char *text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
    char *path = mr_path_join(dir, file_name);
    const bool is_whole = text != NULL && path != NULL && !mr_json_is_out_of_memory();
    const mr_status status = is_whole ? mr_file_replace(path, 1, &(mr_bytes){text, strlen(text)})
                                      : mr_fail_memory("the state of a run");
    json_decref(object);
    free(text);
    free(path);
    return status;
}

// ---- Reading

static mr_status fail_damaged(const char *path) {
    return mr_fail(MR_ERR_INPUT, "%s is damaged; take another copy of it, or remove it", path);
}

static mr_status take_object(const json_t *object, const char *path, mr_run_process *out) {
    const char *format = json_string_value(json_object_get(object, "format"));
    const char *state = json_string_value(json_object_get(object, "state"));
    size_t i = 0;
    if (format == NULL || strcmp(format, format_name) != 0 || state == NULL)
        return fail_damaged(path);
    while (i < MR_COUNT(names) && strcmp(names[i], state) != 0)
        i++;
    if (i == MR_COUNT(names))
        return fail_damaged(path);
    out->state = (mr_run_state)i;
    out->pid = (long)json_integer_value(json_object_get(object, "pid"));
    for (size_t k = 0; k < MR_COUNT(texts); k++) {
        const char *text = json_string_value(json_object_get(object, texts[k].key));
        snprintf((char *)out + texts[k].offset, texts[k].size, "%s", text != NULL ? text : "");
    }
    return MR_OK;
}

static mr_status read_file(const char *path, mr_run_process *out) {
    mr_status status;
    char *text = NULL;
    size_t n_bytes;
    json_t *object = NULL;
    MR_TRY(mr_file_read(path, &text, &n_bytes));
    mr_json_watch();
    object = json_loadb(text, n_bytes, 0, NULL);
    if (mr_json_is_out_of_memory())
        status = mr_fail_memory("the state of a run");
    else
        status = take_object(object, path, out);
done:
    json_decref(object);
    free(text);
    return status;
}

static bool is_fresh(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && time(NULL) - info.st_mtime < FRESH_S;
}

// `locked`: the path of the file that the trainer has locked.
static mr_run_state present_state(const mr_run_process *read, const char *locked) {
    char host[sizeof read->host];
    if (mr_growing_file_is_locked(locked))
        return MR_RUN_TRAINING;
    if (read->state != MR_RUN_TRAINING)
        return read->state;
    read_host(host, sizeof host);
    const bool is_elsewhere = read->host[0] != '\0' && strcmp(read->host, host) != 0;
    return is_elsewhere && is_fresh(locked) ? MR_RUN_TRAINING : MR_RUN_INTERRUPTED;
}

mr_status mr_run_process_read(const char *dir, mr_run_process *out) {
    mr_status status = MR_OK;
    mr_run_process read = {.state = MR_RUN_INTERRUPTED};
    char *path = mr_path_join(dir, file_name), *locked = mr_path_join(dir, locked_name);
    if (path == NULL || locked == NULL) {
        status = mr_fail_memory("a file name");
        goto done;
    }
    if (mr_file_is_there(path))
        MR_TRY(read_file(path, &read));
    read.state = present_state(&read, locked);
    *out = read;
done:
    free(path);
    free(locked);
    return status;
}
