// mr_train: a run from settings as texts, with or without environments of the caller's own.

#include "agents/train.h"

#include <stdio.h>
#include <string.h>

#include "agents/fine_tuning.h"
#include "base/log.h"

enum { LINE_SIZE = 1536 };

// ---- Callbacks

/// What the trainer's watcher needs.
typedef struct {
    const mr_train_options *options;
    const char *env;
} listener;

static mr_train_progress progress_of(const mr_metrics *now) {
    return (mr_train_progress){.total_timesteps = (size_t)now->total_timesteps,
                               .time_elapsed = now->time_elapsed,
                               .episodes = (size_t)now->episodes,
                               .ep_rew_mean = now->ep_rew_mean,
                               .ep_len_mean = now->ep_len_mean,
                               .n_updates = (size_t)now->n_updates,
                               .eval_mean_reward = now->eval_mean_reward,
                               .eval_std_reward = now->eval_std_reward,
                               .eval_mean_ep_length = now->eval_mean_ep_length};
}

static void stepped(void *self, const mr_metrics *now) {
    const mr_train_options *options = ((listener *)self)->options;
    const mr_train_progress progress = progress_of(now);
    options->stepped(options->self, &progress);
}

static void evaluated(void *self, const mr_metrics *now, bool best) {
    const mr_train_options *options = ((listener *)self)->options;
    const mr_train_progress progress = progress_of(now);
    options->evaluated(options->self, &progress, best);
}

static void updated(void *self, const mr_metrics *now, size_t n_metrics,
                    const mr_train_metric *metrics) {
    const mr_train_options *options = ((listener *)self)->options;
    const mr_train_progress progress = progress_of(now);
    options->updated(options->self, &progress, n_metrics, metrics);
}

static void resumed(void *self, const mr_metrics *now, size_t n_lost) {
    char line[LINE_SIZE];
    (void)now;
    if (n_lost == 0)
        return;
    snprintf(
        line, sizeof line,
        "%s does not repeat itself, so that %zu unfinished episodes ended as truncated; results "
        "differ from those of an uninterrupted run",
        ((const listener *)self)->env, n_lost);
    mr_tell(MR_LOG_WARNING, line);
}

static void waiting(void *self, const char *endpoint, size_t n_asked) {
    char line[LINE_SIZE];
    (void)self;
    snprintf(line, sizeof line, "%s has not answered, asked %zu times; waiting", endpoint, n_asked);
    mr_tell(MR_LOG_WARNING, line);
}

static void warned(void *self, const char *text) {
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "%s: %s", ((const listener *)self)->env, text);
    mr_tell(MR_LOG_WARNING, line);
}

static void noted(void *self, const char *text) {
    (void)self;
    mr_tell(MR_LOG_NOTE, text);
}

// ---- Settings

static mr_status store(const mr_train_options *options, mr_settings *settings) {
    mr_status status = MR_OK;
    char where[LINE_SIZE];
    for (size_t i = 0; i < options->n_settings; i++) {
        const mr_train_setting *given = &options->settings[i];
        if (given->name == NULL || given->value == NULL)
            return mr_fail(MR_ERR_USAGE, "setting %zu has no name or no value (NULL)", i);
        snprintf(where, sizeof where, "setting %.100s", given->name);
        MR_TRY(mr_settings_set(settings, given->name, given->value, where));
    }
done:
    return status;
}

// The environments' name and number are what the settings say of them.
static mr_status describe_envs(const mr_train_options *options, mr_settings *settings) {
    mr_status status;
    char n[32];
    const char *name = mr_vec_env_get_spec(options->envs)->name;
    if (settings->env[0] != '\0' && strcmp(settings->env, name) != 0)
        return mr_fail(
            MR_ERR_USAGE,
            "the setting env is %.200s, but the environments that were given are %.200s; "
            "leave the setting out, or give no environments",
            settings->env, name);
    snprintf(n, sizeof n, "%zu", mr_vec_env_n(options->envs));
    MR_TRY(mr_settings_set(settings, "env", name, "the environments' name"));
    MR_TRY(mr_settings_set(settings, "num_envs", n, "the number of environments"));
done:
    return status;
}

static mr_status check_eval_envs(const mr_train_options *options) {
    const mr_env_spec *eval = mr_vec_env_get_spec(options->eval_envs);
    const mr_env_spec *spec = mr_vec_env_get_spec(options->envs);
    if (options->eval_envs == NULL)
        return MR_OK;
    if (options->envs == NULL)
        return mr_fail(MR_ERR_USAGE, "eval_envs without envs; give both, or none");
    if (eval->obs_dim == spec->obs_dim && eval->act_dim == spec->act_dim)
        return MR_OK;
    return mr_fail(
        MR_ERR_USAGE,
        "eval_envs have %zu observations and %zu actions, envs %zu and %zu; they must be "
        "of one kind",
        eval->obs_dim, eval->act_dim, spec->obs_dim, spec->act_dim);
}

// ---- Training

/// mr_trainer_run or mr_trainer_resume.
typedef mr_status start(const mr_settings *settings, const mr_train_envs *envs,
                        const mr_train_watcher *watcher, const volatile sig_atomic_t *stop,
                        mr_trainer_result *result);

static mr_status train(const mr_train_options *options, mr_settings *settings, start *run,
                       mr_train_result *result) {
    mr_status status;
    mr_trainer_result ended;
    listener l = {.options = options, .env = settings->env};
    const mr_train_watcher watcher = {.self = &l,
                                      .stepped = options->stepped ? stepped : NULL,
                                      .evaluated = options->evaluated ? evaluated : NULL,
                                      .updated = options->updated ? updated : NULL,
                                      .resumed = resumed,
                                      .waiting = waiting,
                                      .warned = warned,
                                      .noted = noted};
    const mr_train_envs envs = {.envs = options->envs, .eval_envs = options->eval_envs};
    MR_TRY(store(options, settings));
    MR_TRY(check_eval_envs(options));
    if (options->envs)
        MR_TRY(describe_envs(options, settings));
    if (run == mr_trainer_run)
        MR_TRY(mr_settings_complete(settings));
    if (settings->out[0] == '\0')
        MR_TRY(mr_fail(MR_ERR_USAGE, "the setting out is missing; give the directory that the run "
                                     "is to be kept in, which must not exist"));
    MR_TRY(run(settings, options->envs ? &envs : NULL, &watcher, options->stop, &ended));
    *result = (mr_train_result){.stopped = ended.stopped,
                                .last = progress_of(&ended.last),
                                .best_mean_reward = ended.best_mean_reward,
                                .n_diverged = ended.n_diverged};
done:
    return status;
}

static mr_status check_options(const mr_train_options *options, const mr_train_result *result) {
    MR_REQUIRE(options);
    MR_REQUIRE(result);
    if (options->n_settings > 0)
        MR_REQUIRE(options->settings);
    return MR_OK;
}

mr_status mr_train(const mr_train_options *options, mr_train_result *result) {
    mr_settings settings;
    const mr_status status = check_options(options, result);
    if (status != MR_OK)
        return status;
    mr_settings_init(&settings);
    return train(options, &settings, mr_trainer_run, result);
}

mr_status mr_train_resume(const char *run_dir, const mr_train_options *options,
                          mr_train_result *result) {
    mr_status status;
    mr_settings settings;
    char path[MR_MAX_TEXT + sizeof "/config.yaml"];
    MR_REQUIRE(run_dir);
    MR_TRY(check_options(options, result));
    mr_settings_init(&settings);
    snprintf(path, sizeof path, "%s/config.yaml", run_dir);
    MR_TRY(mr_settings_read(&settings, path));
    MR_TRY(mr_settings_set(&settings, "out", run_dir, "the run's directory"));
    MR_TRY(train(options, &settings, mr_trainer_resume, result));
done:
    return status;
}
