// `millrace train`: trains an agent on a task.

#include "agents/train.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"
#include "base/path.h"
#include "cli/command.h"
#include "cli/env_notes.h"
#include "cli/given_once.h"
#include "cli/open_key.h"
#include "cli/progress.h"
#include "cli/run_name.h"
#include "cli/stopping.h"
#include "cli/waiting.h"

// What training is told besides its settings. Files and pairs may be given more than once: they are
// looked up, not stored.
typedef struct {
    mr_auto until_return;     // automatic: never mind
    char resume[MR_MAX_TEXT]; // "": begin a new run
} train_options;

static const mr_setting options[] = {
    {.name = "config",
     .type = MR_SETTING_TEXT,
     .metavar = "FILE.yaml",
     .help = "take settings from a file; a later file overrides it, and so do other options"},
    {.name = "set",
     .type = MR_SETTING_TEXT,
     .metavar = "KEY=VALUE",
     .help = "the same as --KEY VALUE, KEY as in config files"},
    {.name = "until_return",
     .type = MR_SETTING_AUTO,
     .offset = offsetof(train_options, until_return),
     .min = -1e12,
     .max = 1e12,
     .metavar = "X",
     .help = "stop as soon as an evaluation has a mean return of at least X"},
    {.name = "resume",
     .type = MR_SETTING_TEXT,
     .offset = offsetof(train_options, resume),
     .metavar = "RUN_DIR",
     .help = "go on with a run from its last checkpoint; --steps may be given to go further"},
};

static const mr_setting *const config_option = &options[0];
static const mr_setting *const set_option = &options[1];
static const mr_setting *const until_option = &options[2];
static const mr_setting *const resume_option = &options[3];

static void announce(const mr_settings *settings) {
    fprintf(stderr, "training %s (%s) on %s for %zu steps, seed %llu; results go to %s\n",
            settings->agent, mr_settings_policy(settings), settings->env, settings->steps,
            (unsigned long long)settings->seed, settings->out);
    if (settings->steps <= settings->learning_starts)
        fprintf(stderr,
                "note: learning starts after step %zu, so nothing will be learned; lower "
                "--learning-starts or raise --steps\n",
                settings->learning_starts);
}

// What the trainer's watcher looks after.
typedef struct {
    const mr_settings *settings;
    mr_auto until_return;
    mr_progress progress;
    int name_lock;
    bool is_resumed;
    bool has_begun;
} session;

// The first news means that the task, the policy, the run directory and a checkpoint are there.
static void begin(session *s) {
    char last_words[MR_MAX_TEXT + 128];
    if (s->has_begun)
        return;
    snprintf(last_words, sizeof last_words,
             "\nended at once; `millrace train --resume %s` goes on from the last checkpoint\n",
             s->settings->out);
    mr_stop_set_last_words(last_words);
    s->has_begun = true;
    mr_run_name_release(&s->name_lock);
    if (!s->is_resumed)
        announce(s->settings);
    mr_progress_begin(&s->progress, s->settings);
}

static void begun(void *self) {
    begin(self);
}

static void stepped(void *self, const mr_metrics *now) {
    session *s = self;
    mr_progress_step(&s->progress, now);
}

static void evaluated(void *self, const mr_metrics *now, bool best) {
    session *s = self;
    mr_progress_evaluation(&s->progress, now, best);
    if (!s->until_return.automatic && now->eval_mean_reward >= s->until_return.value)
        mr_stop_ask();
}

static void waiting(void *self, const char *endpoint, size_t n_asked) {
    const session *s = self;
    if (s->has_begun)
        mr_progress_clear(&s->progress);
    mr_waiting_tell(NULL, endpoint, n_asked);
}

static void resumed(void *self, const mr_metrics *now, size_t n_lost) {
    session *s = self;
    begin(s);
    s->progress.drawn_step = now->total_timesteps;
    fprintf(stderr, "resuming %s at step %.0f of %zu\n", s->settings->out, now->total_timesteps,
            s->settings->steps);
    if (n_lost > 0)
        fprintf(stderr,
                "warning: %s does not repeat itself, so that %zu unfinished episode%s ended here "
                "as truncated; the run is not the one that an uninterrupted one would have been\n",
                s->settings->env, n_lost, n_lost == 1 ? "" : "s");
}

static void noted(void *self, const char *text) {
    session *s = self;
    begin(s);
    mr_progress_clear(&s->progress);
    fprintf(stderr, "note: %s\n", text);
}

static void warned(void *self, const char *text) {
    session *s = self;
    begin(s);
    mr_progress_clear(&s->progress);
    mr_warning_tell(s->settings->env, text);
}

// Cuts KEY=VALUE up. `where` is what messages call the key.
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

static mr_status store_pair(mr_settings *settings, const char *given) {
    char key[MR_MAX_TEXT], where[MR_MAX_TEXT + 8];
    const char *value = "";
    const mr_status status = split_pair(given, key, where, &value);
    return status == MR_OK ? mr_settings_set(settings, key, value, where) : status;
}

static mr_status store_option(mr_settings *settings, const mr_given *given) {
    char where[MR_OPTION_TEXT_SIZE];
    mr_option_text(given->name, where);
    return mr_settings_set(settings, given->option->name, given->value, where);
}

// The same setting may be given as an option, by --set, and, of the environment, by itself.
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
            if (a.setting == NULL) // said when it is stored
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
    status = mr_check_given_once(n, list);
done:
    free(list);
    return status;
}

// A run that is resumed has its own settings for defaults.
static mr_status read_run(const mr_command_line *line, mr_settings *settings, train_options *own) {
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

static mr_status place_run(mr_settings *settings, const train_options *own) {
    if (own->resume[0] == '\0')
        return MR_OK;
    if (settings->out[0] != '\0' && !mr_path_is_same(settings->out, own->resume))
        return mr_fail(MR_ERR_USAGE,
                       "out is %.200s, but a run goes on in its own directory, %.200s; leave --out "
                       "away",
                       settings->out, own->resume);
    snprintf(settings->out, sizeof settings->out, "%s", own->resume);
    return MR_OK;
}

// Defaults, then files, then the rest of the command line in its order.
static mr_status read_settings(const mr_command_line *line, mr_settings *settings,
                               train_options *own) {
    mr_status status;
    MR_TRY(check_given_once(line));
    mr_settings_init(settings);
    MR_TRY(read_run(line, settings, own));
    for (size_t i = 0; i < line->n_given; i++)
        if (line->given[i].option == config_option)
            MR_TRY(mr_settings_read(settings, line->given[i].value));
    for (size_t i = 0; i < line->n_given; i++) {
        const mr_given *given = &line->given[i];
        if (given->option == set_option)
            MR_TRY(store_pair(settings, given->value));
        else if (given->option == until_option)
            MR_TRY(mr_given_store(given, own));
        else if (given->option != config_option && given->option != resume_option)
            MR_TRY(store_option(settings, given));
    }
    if (line->n_arguments > 0)
        MR_TRY(mr_settings_set(settings, "env", line->arguments[0], "ENV"));
    MR_TRY(place_run(settings, own));
    status = mr_settings_check(settings);
done:
    return status;
}

// The directory as a shell takes it: in quotation marks where it has more than plain letters.
static void print_word(const char *word) {
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
    if (word[strspn(word, plain)] == '\0') {
        fputs(word, stdout);
        return;
    }
    putchar('\'');
    for (; *word != '\0'; word++)
        fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, stdout);
    putchar('\'');
}

// The command that goes on with a run that was stopped.
static void print_resumption(const mr_settings *settings, const mr_auto *until_return) {
    char value[64];
    fputs("go on with: millrace train --resume ", stdout);
    print_word(settings->out);
    if (!until_return->automatic) {
        mr_number_write(value, sizeof value, until_return->value);
        printf(" --until-return %s", value);
    }
    if (strcmp(settings->changed_files, "copy") == 0)
        fputs(" --changed-files copy", stdout);
    putchar('\n');
}

static void print_result(const mr_settings *settings, const mr_auto *until_return,
                         const mr_train_result *result, bool interrupted) {
    const mr_metrics *last = &result->last;
    printf("%s after %.0f steps in %.0f s", interrupted ? "stopped" : "finished",
           last->total_timesteps, last->time_elapsed);
    if (isfinite(last->eval_mean_reward))
        printf("; mean return %.2f ± %.2f, at best %.2f", last->eval_mean_reward,
               last->eval_std_reward, result->best_mean_reward);
    printf("; results are in %s\n", settings->out);
    if (interrupted)
        print_resumption(settings, until_return);
    if (result->n_diverged > 0)
        fprintf(stderr,
                "warning: the simulation of %s broke down in %zu episode%s, which ended there as "
                "truncated; a smaller timestep or weaker actuators make it steadier\n",
                settings->env, result->n_diverged, result->n_diverged == 1 ? "" : "s");
}

static mr_status run_train(const mr_command_line *line, int *exit_code) {
    mr_status status;
    mr_settings settings;
    train_options own = {.until_return.automatic = true};
    mr_train_result result;
    session s = {.settings = &settings, .name_lock = -1};
    const mr_train_watcher watcher = {.self = &s,
                                      .begun = begun,
                                      .stepped = stepped,
                                      .evaluated = evaluated,
                                      .resumed = resumed,
                                      .waiting = waiting,
                                      .noted = noted,
                                      .warned = warned};

    MR_TRY(read_settings(line, &settings, &own));
    if (settings.out[0] == '\0')
        MR_TRY(mr_run_name_choose(&settings, &s.name_lock));
    if (access(settings.out, F_OK) != 0) // what is there already is refused for that
        MR_TRY(mr_directory_check_writable(settings.out));
    s.until_return = own.until_return;
    const volatile sig_atomic_t *stop = mr_stop_on_signals();
    signal(SIGPIPE, SIG_IGN); // training outlives whoever reads its progress
    s.is_resumed = own.resume[0] != '\0';
    mr_open_key_tell(settings.curve_secret_key);
    status = s.is_resumed ? mr_train_resume(&settings, &watcher, stop, &result)
                          : mr_train(&settings, &watcher, stop, &result);
    mr_progress_clear(&s.progress);
    if (status == MR_OK) {
        *exit_code = result.stopped ? mr_stop_exit_code() : 0;
        print_result(&settings, &own.until_return, &result, *exit_code != 0);
    }
done:
    mr_run_name_release(&s.name_lock);
    return status;
}

const mr_command mr_command_train = {
    .name = "train",
    .usage = "ENV [options] | --resume RUN_DIR [options]",
    .summary = "train an agent on a task",
    .details = "Trains an agent (soft actor-critic, unless --agent names another) on a task\n"
               "(`millrace envs` lists them), and leaves in a directory of its own: config.yaml,\n"
               "progress.csv, evaluations.csv, events for TensorBoard, policy.safetensors (the\n"
               "latest) and best_policy.safetensors.\n\n"
               "The defaults are overridden by --config FILE, and that by --set and the other\n"
               "options; the same setting given twice with different values is refused. Ctrl-C\n"
               "stops in good order, and --resume RUN_DIR goes on with a run that was stopped or\n"
               "killed, as if it had never been.",
    .max_arguments = 1,
    .takes_settings = true,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_train,
};
