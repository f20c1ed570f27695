// What `millrace train` is told, and a directory for its run.

#include "cli/run/train_settings.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "agents/fine_tuning.h"
#include "base/file.h"
#include "base/path.h"
#include "cli/conflicts.h"

// Files and pairs may be given more than once: they are not stored in mr_train_command.
const mr_setting mr_train_option_table[MR_N_TRAIN_OPTIONS] = {
    {.name = "config",
     .type = MR_SETTING_TEXT,
     .metavar = "FILE.yaml",
     .help = "take settings from a file; a later file overrides it, and so do other options"},
    {.name = "set",
     .type = MR_SETTING_TEXT,
     .metavar = "KEY=VALUE",
     .help =
         "the same as --KEY VALUE, KEY as in config files; with --resume it may change settings "
         "such as actor_lr"},
    {.name = "until_return",
     .type = MR_SETTING_AUTO,
     .offset = offsetof(mr_train_command, until_return),
     .min = -1e12,
     .max = 1e12,
     .metavar = "X",
     .help = "stop as soon as an evaluation has a mean return of at least X"},
    {.name = "resume",
     .type = MR_SETTING_TEXT,
     .offset = offsetof(mr_train_command, resume),
     .metavar = "RUN_DIR",
     .help =
         "continue a run from its last checkpoint; a larger --steps extends it (--set steps=N if "
         "anything decays over the run)"},
};

static const mr_setting *const config_option = &mr_train_option_table[0];
static const mr_setting *const set_option = &mr_train_option_table[1];
static const mr_setting *const until_option = &mr_train_option_table[2];
static const mr_setting *const resume_option = &mr_train_option_table[3];

// ---- Settings

// Splits KEY=VALUE. `where` is what messages call the key.
static mr_status split_pair(const char *given, char key[MR_MAX_TEXT], char where[MR_MAX_TEXT + 8],
                            const char **value) {
    const char *equals = strchr(given, '=');
    const size_t length = equals != NULL ? (size_t)(equals - given) : 0;
    if (length == 0 || length >= MR_MAX_TEXT)
        return mr_fail(MR_ERR_USAGE, "--set needs KEY=VALUE, as in batch_size=512, not '%.60s'",
                       given);
    memcpy(key, given, length);
    key[length] = '\0';
    snprintf(where, MR_MAX_TEXT + 8, "--set %s", key);
    *value = equals + 1;
    return MR_OK;
}

// Settings that --set names, by row.
typedef struct {
    bool row[MR_MAX_SETTINGS];
} named_settings;

static void add_name(named_settings *named, const char *key) {
    const char *name = mr_setting_find(key)->name;
    for (size_t i = 0; i < mr_setting_count(); i++) // agents may have options of the same name
        named->row[i] |= strcmp(mr_setting_at(i)->name, name) == 0;
}

static mr_status store_pair(mr_settings *settings, const char *given, named_settings *named) {
    char key[MR_MAX_TEXT], where[MR_MAX_TEXT + 8];
    const char *value = "";
    mr_status status;
    MR_TRY(split_pair(given, key, where, &value));
    MR_TRY(mr_settings_set(settings, key, value, where));
    add_name(named, key);
done:
    return status;
}

static mr_status store_option(mr_settings *settings, const mr_given *given) {
    char where[MR_OPTION_TEXT_SIZE];
    mr_option_text(given->name, where);
    return mr_settings_set(settings, given->option->name, given->value, where);
}

// A setting may be given as an option or by --set, and the environment as the argument.
static mr_status list_assignments(const mr_command_line *line, mr_assignment *list, size_t *n) {
    char key[MR_MAX_TEXT], where[MR_MAX_TEXT + 8];
    mr_status status = MR_OK;
    *n = 0;
    if (line->n_arguments > 0)
        list[(*n)++] =
            (mr_assignment){.setting = mr_setting_find("env"), .value = line->arguments[0]};
    for (size_t i = 0; i < line->n_given; i++) {
        const mr_given *given = &line->given[i];
        mr_assignment a = mr_assignment_of(given);
        if (given->option == config_option) // the next one overrides it
            continue;
        if (given->option == set_option) {
            MR_TRY(split_pair(given->value, key, where, &a.value));
            a.setting = mr_setting_find(key);
            if (a.setting == NULL) // reported when it is stored
                continue;
            for (char *c = strchr(key, '-'); c != NULL; c = strchr(c, '-'))
                *c = '_';
            snprintf(a.before, sizeof a.before, "--set %.*s=", MR_OPTION_NAME_SIZE, key);
        }
        list[(*n)++] = a;
    }
done:
    return status;
}

static mr_status check_given_once(const mr_command_line *line) {
    mr_status status;
    size_t n;
    mr_assignment *list = calloc(line->n_given + 1, sizeof *list);
    if (list == NULL)
        return mr_fail_memory("the options");
    MR_TRY(list_assignments(line, list, &n));
    status = mr_check_conflicts(n, list);
done:
    free(list);
    return status;
}

// A resumed run has its own settings as defaults.
static mr_status read_run(const mr_command_line *line, mr_settings *settings,
                          mr_train_command *own) {
    mr_status status = MR_OK;
    char path[MR_MAX_TEXT + sizeof "/config.yaml"];
    for (size_t i = 0; i < line->n_given; i++)
        if (line->given[i].option == resume_option)
            MR_TRY(mr_given_store(&line->given[i], own));
    if (own->resume[0] == '\0')
        goto done;
    snprintf(path, sizeof path, "%s/config.yaml", own->resume);
    if (access(path, R_OK) != 0) {
        status = mr_fail(MR_ERR_USAGE, "cannot read %s: %s; give --resume the directory of a run",
                         path, strerror(errno));
        goto done;
    }
    status = mr_settings_read(settings, path);
done:
    return status;
}

static mr_status place_run(mr_settings *settings, const mr_train_command *own) {
    if (own->resume[0] == '\0')
        return MR_OK;
    if (settings->out[0] != '\0' && !mr_path_is_same(settings->out, own->resume))
        return mr_fail(
            MR_ERR_USAGE,
            "out is %.200s, but a run is resumed in its own directory, %.200s; leave --out "
            "out",
            settings->out, own->resume);
    snprintf(settings->out, sizeof settings->out, "%s", own->resume);
    return MR_OK;
}

// A file that names its preset, as a run's config.yaml does, has that preset's values, which
// another preset does not override.
static mr_status check_preset(const mr_settings *of_files, const mr_settings *settings) {
    // A file that names none has auto.
    if (strcmp(of_files->preset, "auto") == 0 || strcmp(of_files->preset, settings->preset) == 0)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "preset is %.60s, but the settings of --config are those of the preset %.60s; "
                   "leave one of them out",
                   settings->preset, of_files->preset);
}

// Settings that make a resumed run another one are changed on purpose only: by --set.
static mr_status check_changes(const mr_settings *of_run, const mr_settings *settings,
                               const named_settings *named) {
    for (size_t i = 0; i < mr_setting_count(); i++) {
        char before[MR_MAX_TEXT], now[MR_MAX_TEXT];
        const mr_setting *row = mr_setting_at(i);
        if (mr_setting_role_of(row, settings) != MR_ROLE_TUNABLE || named->row[i] ||
            !mr_setting_is_used(row, settings) || mr_setting_is_same(row, of_run, settings))
            continue;
        mr_setting_format(row, of_run, before, sizeof before);
        mr_setting_format(row, settings, now, sizeof now);
        return mr_fail(MR_ERR_USAGE,
                       "%s is %.200s, but the run goes on only with the %.200s that it was begun "
                       "with; leave it as it was, or make another run of it on purpose with --set "
                       "%s=%.200s",
                       row->name, now, before, row->name, now);
    }
    return MR_OK;
}

mr_status mr_train_settings_read(const mr_command_line *line, mr_settings *settings,
                                 mr_train_command *own) {
    mr_status status;
    named_settings named = {0};
    MR_TRY(check_given_once(line));
    mr_settings_init(settings);
    MR_TRY(read_run(line, settings, own));
    const mr_settings of_run = *settings;
    for (size_t i = 0; i < line->n_given; i++)
        if (line->given[i].option == config_option)
            MR_TRY(mr_settings_read(settings, line->given[i].value));
    const mr_settings of_files = *settings;
    for (size_t i = 0; i < line->n_given; i++) {
        const mr_given *given = &line->given[i];
        if (given->option == set_option)
            MR_TRY(store_pair(settings, given->value, &named));
        else if (given->option == until_option)
            MR_TRY(mr_given_store(given, own));
        else if (given->option != config_option && given->option != resume_option)
            MR_TRY(store_option(settings, given));
    }
    if (line->n_arguments > 0)
        MR_TRY(mr_settings_set(settings, "env", line->arguments[0], "ENV"));
    MR_TRY(place_run(settings, own));
    if (own->resume[0] == '\0') {
        MR_TRY(check_preset(&of_files, settings));
        MR_TRY(mr_settings_complete(settings));
    } else {
        MR_TRY(check_changes(&of_run, settings, &named));
    }
    status = mr_settings_check(settings);
done:
    return status;
}

// ---- The directory

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

mr_status mr_run_dir_choose(mr_settings *settings, int *lock) {
    const mr_status status = mr_make_directories(parent);
    if (status != MR_OK)
        return status;
    // Without locks on the file system, two runs that start within a millisecond may collide.
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

void mr_run_dir_release(int *lock) {
    if (*lock < 0)
        return;
    close(*lock);
    *lock = -1;
    rmdir(parent); // succeeds only if it is empty: the run was not made
}
