// The checkpoint of a training run: a safetensors file.

#include "agents/checkpoint.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_name[] = "millrace.checkpoint";
static const char format_version[] = "3";

// Version 2, of millrace 0.1, has the loop's numbers in one array, which begins with these metrics.
static const char old_version[] = "2";
static const char *const old_metrics[] = {
    "time/total_timesteps", "time/time_elapsed",   "time/fps",
    "time/episodes",        "rollout/ep_rew_mean", "rollout/ep_len_mean",
    "rollout/ep_rew_last",  "rollout/n_diverged",  "train/n_updates",
    "train/actor_loss",     "train/critic_loss",   "train/ent_coef",
    "train/ent_coef_loss",  "train/entropy",       "train/q_mean",
    "eval/mean_reward",     "eval/std_reward",     "eval/mean_ep_length",
    "bonus/state_log_prob", "bonus/mean",          "bonus/std",
    "bonus/beta",           "bonus/coverage",      "bonus/restarts",
};

enum { NAME_SIZE = 64, KEY_SIZE = 80 };

static const double max_exact = 0x1p53; // up to here every whole number is a double

static const struct {
    const char *name;
    size_t offset;
} more_numbers[] = {{"loop.longest_episode", offsetof(mr_loop_more, longest_episode)},
                    {"loop.n_step_updates", offsetof(mr_loop_more, n_step_updates)}};

static const size_t n_rollout = sizeof(mr_rollout) / sizeof(double);
static const size_t n_loop = (sizeof(mr_loop) - sizeof(mr_metrics)) / sizeof(double);
static const size_t one = 1;

mr_status mr_actions_reserve(mr_actions *actions, size_t n, size_t act_dim) {
    if (n <= actions->capacity)
        return MR_OK;
    const size_t capacity = n > 2 * actions->capacity ? n : 2 * actions->capacity;
    double *more = realloc(actions->action, capacity * act_dim * sizeof *more);
    if (!more)
        return mr_fail_memory("the actions of an episode");
    actions->action = more;
    actions->capacity = capacity;
    return MR_OK;
}

void mr_actions_drop(mr_actions *actions) {
    free(actions->action);
    *actions = (mr_actions){0};
}

// ---- Writing

static void name_setting(const mr_setting *setting, char key[KEY_SIZE]) {
    snprintf(key, KEY_SIZE, "setting.%s", setting->name);
}

static mr_status note_settings(const mr_settings *settings, mr_tensors_writer *writer) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < mr_setting_count(); i++) {
        char key[KEY_SIZE], text[MR_MAX_TEXT];
        name_setting(mr_setting_at(i), key);
        mr_setting_format(mr_setting_at(i), settings, text, sizeof text);
        if (!mr_setting_at(i)->own_to_run)
            MR_TRY(mr_tensors_writer_note(writer, key, text));
    }
done:
    return status;
}

static double *value_of(mr_loop *loop, const mr_metric *metric) {
    return (double *)(void *)((char *)&loop->now + metric->offset);
}

// The loop's numbers after the metrics.
static double *rest_of(mr_loop *loop) {
    return (double *)(void *)((char *)loop + sizeof loop->now);
}

static void name_metric(const mr_metric *metric, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "metrics.%s", metric->name);
}

static mr_status add_loop(const mr_checkpoint *c, mr_tensors_writer *writer) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < mr_metric_count(); i++) {
        char name[NAME_SIZE];
        name_metric(mr_metric_at(i), name);
        MR_TRY(mr_tensors_writer_add(writer, name, MR_F64, 1, &one,
                                     value_of(c->loop, mr_metric_at(i))));
    }
    status = mr_tensors_writer_add(writer, "loop", MR_F64, 1, &n_loop, rest_of(c->loop));
done:
    return status;
}

static void name_actions(size_t env, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "episode.%zu.actions", env);
}

static mr_status add_actions(const mr_checkpoint *c, mr_tensors_writer *writer) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < c->n_envs; i++) {
        char name[NAME_SIZE];
        const size_t shape[] = {c->actions[i].n, c->act_dim};
        name_actions(i, name);
        MR_TRY(mr_tensors_writer_add(writer, name, MR_F64, 2, shape, c->actions[i].action));
    }
done:
    return status;
}

static double *more_number(const mr_checkpoint *c, size_t i) {
    return (double *)((char *)c->more + more_numbers[i].offset);
}

static mr_status add_more(const mr_checkpoint *c, mr_tensors_writer *writer) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < MR_COUNT(more_numbers); i++)
        MR_TRY(mr_tensors_writer_add(writer, more_numbers[i].name, MR_F64, 1, &one,
                                     more_number(c, i)));
done:
    return status;
}

mr_status mr_checkpoint_save(const mr_checkpoint *c, const char *path) {
    mr_status status;
    mr_tensors_writer *writer = NULL;
    const size_t rollouts_shape[] = {c->n_envs, n_rollout}, obs_shape[] = {c->n_envs, c->obs_dim};
    MR_TRY(mr_tensors_writer_new(&writer));
    MR_TRY(mr_tensors_writer_note(writer, "format", format_name));
    MR_TRY(mr_tensors_writer_note(writer, "format_version", format_version));
    MR_TRY(note_settings(c->settings, writer));
    MR_TRY(mr_tensors_writer_note(writer, "engine", c->engine->name));
    MR_TRY(mr_tensors_writer_note(writer, "engine_version", c->engine->version));
    MR_TRY(mr_sac_write(c->sac, writer));
    MR_TRY(mr_params_write(c->best, mr_params_read(c->best), "best.", writer));
    MR_TRY(mr_replay_write(c->replay, writer));
    if (c->bonus)
        MR_TRY(mr_bonus_write(c->bonus, writer));
    MR_TRY(add_loop(c, writer));
    MR_TRY(mr_tensors_writer_add(writer, "rollouts", MR_F64, 2, rollouts_shape, c->rollouts));
    MR_TRY(mr_tensors_writer_add(writer, "obs", MR_F64, 2, obs_shape, c->obs));
    MR_TRY(add_more(c, writer));
    MR_TRY(add_actions(c, writer));
    MR_TRY(mr_tensors_writer_write(writer, path));
done:
    mr_tensors_writer_free(writer);
    return status;
}

// ---- Reading

static mr_status fail_damaged(const mr_tensors *file, const char *what) {
    return mr_fail(MR_ERR_INPUT, "%s: %s; the file is damaged, take another copy",
                   mr_tensors_path(file), what);
}

static mr_status check_format(const mr_tensors *file) {
    const char *format = mr_tensors_note(file, "format");
    const char *version = mr_tensors_note(file, "format_version");
    if (!format || strcmp(format, format_name) != 0 || !version)
        return mr_fail(MR_ERR_INPUT,
                       "%s is not a checkpoint that training can go on from; begin a new run",
                       mr_tensors_path(file));
    if (strcmp(version, format_version) != 0 && strcmp(version, old_version) != 0)
        return mr_fail(
            MR_ERR_INPUT,
            "%s is a checkpoint of version %.20s, and this millrace reads version %s; go "
            "on with the millrace that wrote it",
            mr_tensors_path(file), version, format_version);
    return MR_OK;
}

// Two texts of a value: earlier versions wrote 10 as 1.0e+01.
static bool is_same_value(const mr_setting *setting, const char *saved, const char *text) {
    mr_settings read = {0};
    char saved_now[MR_MAX_TEXT];
    if (strcmp(saved, text) == 0)
        return true;
    if (mr_setting_store(setting, &read, saved, setting->name) != MR_OK)
        return false;
    mr_setting_format(setting, &read, saved_now, sizeof saved_now);
    return strcmp(saved_now, text) == 0;
}

static mr_status check_settings(const mr_tensors *file, const mr_settings *settings) {
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *setting = mr_setting_at(i);
        char key[KEY_SIZE], text[MR_MAX_TEXT];
        name_setting(setting, key);
        mr_setting_format(setting, settings, text, sizeof text);
        const char *saved = mr_tensors_note(file, key);
        if (!saved || is_same_value(setting, saved, text) ||
            mr_setting_may_change(setting, settings))
            continue;
        return mr_fail(MR_ERR_USAGE,
                       "%s is %.200s, but the run goes on only with the %.200s that it was begun "
                       "with; leave it as it was or begin a new run",
                       setting->name, text, saved);
    }
    return MR_OK;
}

static bool is_count(double number) {
    return number >= 0 && number <= max_exact && number == floor(number);
}

static mr_status check_numbers(const mr_tensors *file, const mr_checkpoint *c) {
    const mr_loop *l = c->loop;
    bool is_whole = is_count(l->now.total_timesteps) && is_count(l->best_steps) &&
                    is_count(l->n_recent) && is_count(l->n_summed) &&
                    is_count(l->n_bytes.progress) && is_count(l->n_bytes.evaluations) &&
                    is_count(l->n_bytes.events);
    for (size_t i = 0; i < c->n_envs; i++)
        is_whole = is_whole && is_count(c->rollouts[i].n_episodes) &&
                   c->rollouts[i].n_episodes >= 1 && is_count(c->rollouts[i].episode_length);
    for (size_t i = 0; i < MR_COUNT(more_numbers); i++)
        is_whole = is_whole && is_count(*more_number(c, i));
    return is_whole ? MR_OK : fail_damaged(file, "a count is not a whole number");
}

static mr_status read_reals(const mr_tensors *file, const char *name, size_t n_dims,
                            const size_t *shape, double *out) {
    const void *data;
    const mr_status status = mr_tensors_get(file, name, MR_F64, n_dims, shape, &data);
    if (status == MR_OK)
        memcpy(out, data, (n_dims == 2 ? shape[0] * shape[1] : shape[0]) * sizeof *out);
    return status;
}

static mr_status read_old_loop(const mr_tensors *file, mr_loop *loop) {
    const void *data;
    const size_t n = MR_COUNT(old_metrics) + n_loop;
    const mr_status status = mr_tensors_get(file, "loop", MR_F64, 1, &n, &data);
    if (status != MR_OK)
        return status;
    const double *numbers = data;
    for (size_t i = 0; i < MR_COUNT(old_metrics); i++) {
        const mr_metric *metric = mr_metric_find(old_metrics[i]);
        if (metric != NULL)
            *value_of(loop, metric) = numbers[i];
    }
    memcpy(rest_of(loop), numbers + MR_COUNT(old_metrics), n_loop * sizeof *numbers);
    return MR_OK;
}

static bool is_old(const mr_metric *metric) {
    for (size_t i = 0; i < MR_COUNT(old_metrics); i++)
        if (strcmp(old_metrics[i], metric->name) == 0)
            return true;
    return false;
}

// A later metric, which the file may not know, then stays as a new run has it.
static mr_status read_loop(const mr_tensors *file, mr_loop *loop) {
    mr_status status = MR_OK;
    if (strcmp(mr_tensors_note(file, "format_version"), old_version) == 0)
        return read_old_loop(file, loop);
    for (size_t i = 0; i < mr_metric_count(); i++) {
        char name[NAME_SIZE];
        mr_tensor unused;
        name_metric(mr_metric_at(i), name);
        if (is_old(mr_metric_at(i)) || mr_tensors_find(file, name, &unused))
            MR_TRY(read_reals(file, name, 1, &one, value_of(loop, mr_metric_at(i))));
    }
    status = read_reals(file, "loop", 1, &n_loop, rest_of(loop));
done:
    return status;
}

// All of the episode's, or none.
static mr_status read_actions(const mr_tensors *file, mr_checkpoint *c, size_t env) {
    mr_status status;
    char name[NAME_SIZE];
    const void *data;
    mr_tensor found;
    name_actions(env, name);
    const bool has_none =
        mr_tensors_find(file, name, &found) && found.n_dims == 2 && found.shape[0] == 0;
    const size_t n = has_none ? 0 : (size_t)c->rollouts[env].episode_length;
    const size_t shape[] = {n, c->act_dim};
    MR_TRY(mr_tensors_get(file, name, MR_F64, 2, shape, &data)); // so there are as many as it says
    MR_TRY(mr_actions_reserve(&c->actions[env], n, c->act_dim));
    if (n > 0)
        memcpy(c->actions[env].action, data, n * c->act_dim * sizeof(double));
    c->actions[env].n = n;
done:
    return status;
}

static mr_status read_more(const mr_tensors *file, mr_checkpoint *c) {
    mr_status status = MR_OK;
    mr_tensor found;
    *c->more = (mr_loop_more){0};
    for (size_t i = 0; i < MR_COUNT(more_numbers); i++)
        if (mr_tensors_find(file, more_numbers[i].name, &found))
            MR_TRY(read_reals(file, more_numbers[i].name, 1, &one, more_number(c, i)));
done:
    return status;
}

static void read_engine(const mr_tensors *file, mr_engine *engine) {
    const char *name = mr_tensors_note(file, "engine");
    const char *version = mr_tensors_note(file, "engine_version");
    snprintf(engine->name, sizeof engine->name, "%s", name ? name : "");
    snprintf(engine->version, sizeof engine->version, "%s", version ? version : "");
}

mr_status mr_checkpoint_load(mr_checkpoint *c, const char *path) {
    mr_status status;
    mr_tensors *file = NULL;
    const size_t rollouts_shape[] = {c->n_envs, n_rollout}, obs_shape[] = {c->n_envs, c->obs_dim};
    MR_TRY(mr_tensors_open(path, &file));
    MR_TRY(check_format(file));
    MR_TRY(check_settings(file, c->settings));
    MR_TRY(mr_sac_read(c->sac, file));
    MR_TRY(mr_params_load(c->best, file, "best.", mr_params_value(c->best)));
    MR_TRY(mr_replay_read(c->replay, file));
    if (c->bonus)
        MR_TRY(mr_bonus_read(c->bonus, file));
    read_engine(file, c->engine);
    MR_TRY(read_loop(file, c->loop));
    MR_TRY(read_reals(file, "rollouts", 2, rollouts_shape, (double *)c->rollouts));
    MR_TRY(read_reals(file, "obs", 2, obs_shape, c->obs));
    MR_TRY(read_more(file, c));
    MR_TRY(check_numbers(file, c));
    for (size_t i = 0; i < c->n_envs; i++)
        MR_TRY(read_actions(file, c, i));
done:
    mr_tensors_close(file);
    return status;
}
