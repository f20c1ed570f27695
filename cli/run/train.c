// `millrace train`: trains an agent on a task.

#include "agents/train.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/presets.h"
#include "base/file.h"
#include "base/number.h"
#include "cli/notices.h"
#include "cli/run/progress.h"
#include "cli/run/train_settings.h"
#include "cli/shell_word.h"
#include "cli/stopping.h"

static void announce(const mr_settings *settings) {
    const bool is_fine_tuned = settings->from[0] != '\0';
    const bool has_preset = mr_settings_has_preset(settings);
    fprintf(stderr, "training %s (%s%s%s) on %s for %zu steps, seed %llu%s%s; results go to %s\n",
            settings->agent, mr_settings_policy(settings), has_preset ? ", preset " : "",
            has_preset ? settings->preset : "", settings->env, settings->steps,
            (unsigned long long)settings->seed, is_fine_tuned ? ", from the nets of " : "",
            settings->from, settings->out);
    if (settings->steps <= settings->learning_starts)
        fprintf(stderr,
                "note: learning starts after step %zu, so that nothing will be learned; lower "
                "--learning-starts or raise --steps\n",
                settings->learning_starts);
}

// The state of the trainer's watcher.
typedef struct {
    const mr_settings *settings;
    mr_auto until_return;
    mr_progress progress;
    int name_lock;
    bool is_resumed;
    bool has_begun;
} session;

// At the first report, the task, the policy, the run directory and a checkpoint exist.
static void begin(session *s) {
    char last_words[2 * MR_MAX_TEXT + 128];
    if (s->has_begun)
        return;
    snprintf(last_words, sizeof last_words,
             "\nended at once; `%s train --resume %s` goes on from the last checkpoint\n",
             program_invocation_name, s->settings->out);
    mr_stop_set_last_words(last_words);
    s->has_begun = true;
    mr_run_dir_release(&s->name_lock);
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
    mr_notice_waiting(NULL, endpoint, n_asked);
}

static void resumed(void *self, const mr_metrics *now, size_t n_lost) {
    session *s = self;
    begin(s);
    s->progress.drawn_step = now->total_timesteps;
    fprintf(stderr, "resuming %s at step %.0f of %zu\n", s->settings->out, now->total_timesteps,
            s->settings->steps);
    if (n_lost > 0)
        fprintf(stderr,
                "warning: %s is not deterministic, so that %zu unfinished episode%s ended here "
                "as truncated; the run differs from one that was not interrupted\n",
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
    mr_notice_warning(s->settings->env, text);
}

// The command that resumes the run, with the program as the user called it.
static void print_resumption(const mr_settings *settings, const mr_auto *until_return) {
    char value[64];
    fputs("go on with: ", stdout);
    mr_shell_word_write(program_invocation_name, stdout);
    fputs(" train --resume ", stdout);
    mr_shell_word_write(settings->out, stdout);
    if (!until_return->automatic) {
        mr_number_write(value, sizeof value, until_return->value);
        printf(" --until-return %s", value);
    }
    if (strcmp(settings->changed_files, "copy") == 0)
        fputs(" --changed-files copy", stdout);
    putchar('\n');
}

static void print_result(const mr_settings *settings, const mr_auto *until_return,
                         const mr_trainer_result *result, bool interrupted) {
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
    mr_train_command own = {.until_return.automatic = true};
    mr_trainer_result result;
    session s = {.settings = &settings, .name_lock = -1};
    const mr_train_watcher watcher = {.self = &s,
                                      .begun = begun,
                                      .stepped = stepped,
                                      .evaluated = evaluated,
                                      .resumed = resumed,
                                      .waiting = waiting,
                                      .noted = noted,
                                      .warned = warned};

    MR_TRY(mr_train_settings_read(line, &settings, &own));
    if (settings.out[0] == '\0')
        MR_TRY(mr_run_dir_choose(&settings, &s.name_lock));
    if (access(settings.out, F_OK) != 0) // an existing one is refused later
        MR_TRY(mr_directory_check_writable(settings.out));
    s.until_return = own.until_return;
    const volatile sig_atomic_t *stop = mr_stop_on_signals();
    signal(SIGPIPE, SIG_IGN); // training goes on if the reader of its progress ends
    s.is_resumed = own.resume[0] != '\0';
    mr_notice_open_key(settings.curve_secret_key);
    status = s.is_resumed ? mr_trainer_resume(&settings, NULL, &watcher, stop, &result)
                          : mr_trainer_run(&settings, NULL, &watcher, stop, &result);
    mr_progress_clear(&s.progress);
    if (status == MR_OK) {
        *exit_code = result.stopped ? mr_stop_exit_code() : 0;
        print_result(&settings, &own.until_return, &result, *exit_code != 0);
    }
done:
    mr_run_dir_release(&s.name_lock);
    return status;
}

const mr_command mr_command_train = {
    .name = "train",
    .usage = "ENV [options] | --resume RUN_DIR [options]",
    .summary = "train an agent on a task",
    .details = "Trains an agent on a task (`millrace envs` lists tasks), and writes to a new\n"
               "directory: config.yaml, progress.csv, evaluations.csv, events for TensorBoard,\n"
               "policy.safetensors (the latest) and best_policy.safetensors.\n\n"
               "The agent is that of the preset best (`millrace presets best` shows it), or of\n"
               "another one (--preset PRESET). --agent AGENT, in place of a preset, trains that\n"
               "algorithm; the defaults below are those of such a run.\n\n"
               "A preset is overridden by --config FILE, and that by --set and other options;\n"
               "the same setting given twice with different values is refused. Ctrl-C saves\n"
               "and stops; --resume RUN_DIR continues a run that was stopped or killed, with\n"
               "the same numbers as without the interruption.",
    .max_arguments = 1,
    .takes_settings = true,
    .options = mr_train_option_table,
    .n_options = MR_N_TRAIN_OPTIONS,
    .run = run_train,
};
