// The checkpoint of a training run: a safetensors file.

#include "agents/checkpoint.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_name[] = "millrace.checkpoint";
static const char format_version[] = "3";

enum { NAME_SIZE = 64, KEY_SIZE = 80, MAX_NUMBERS = 16 + MR_MAX_METRICS + MR_MAX_AGENT_METRICS };

static const double max_exact = 0x1p53; // up to here every whole number is a double

// The loop's own numbers, by name.
static const struct {
    const char *name;
    size_t offset; // in mr_loop
    size_t n;
    bool is_required; // the others may be missing: a new run's stand for them
} loop_numbers[] = {
    {"loop.best_mean_reward", offsetof(mr_loop, best_mean_reward), 1, true},
    {"loop.best_steps", offsetof(mr_loop, best_steps), 1, true},
    {"loop.n_recent", offsetof(mr_loop, n_recent), 1, true},
    {"loop.recent_return", offsetof(mr_loop, recent_return), MR_RECENT_EPISODES, true},
    {"loop.recent_length", offsetof(mr_loop, recent_length), MR_RECENT_EPISODES, true},
    {"loop.n_summed", offsetof(mr_loop, n_summed), 1, true},
    {"loop.step_part", offsetof(mr_loop, step_part), 1, true},
    {"loop.n_bytes.progress", offsetof(mr_loop, n_bytes.progress), 1, true},
    {"loop.n_bytes.evaluations", offsetof(mr_loop, n_bytes.evaluations), 1, true},
    {"loop.n_bytes.events", offsetof(mr_loop, n_bytes.events), 1, true},
    {"loop.longest_episode", offsetof(mr_loop, longest_episode), 1, false},
    {"loop.n_step_updates", offsetof(mr_loop, n_step_updates), 1, false},
};

// Version 2, of millrace 0.1, has all numbers in one array, in this order.
static const char old_version[] = "2";
static const struct {
    const char *name;
    size_t n;
} old_order[] = {
    {"metrics.time/total_timesteps", 1},
    {"metrics.time/time_elapsed", 1},
    {"metrics.time/fps", 1},
    {"metrics.time/episodes", 1},
    {"metrics.rollout/ep_rew_mean", 1},
    {"metrics.rollout/ep_len_mean", 1},
    {"metrics.rollout/ep_rew_last", 1},
    {"metrics.rollout/n_diverged", 1},
    {"metrics.train/n_updates", 1},
    {"metrics.train/actor_loss", 1},
    {"metrics.train/critic_loss", 1},
    {"metrics.train/ent_coef", 1},
    {"metrics.train/ent_coef_loss", 1},
    {"metrics.train/entropy", 1},
    {"metrics.train/q_mean", 1},
    {"metrics.eval/mean_reward", 1},
    {"metrics.eval/std_reward", 1},
    {"metrics.eval/mean_ep_length", 1},
    {"metrics.bonus/state_log_prob", 1},
    {"metrics.bonus/mean", 1},
    {"metrics.bonus/std", 1},
    {"metrics.bonus/beta", 1},
    {"metrics.bonus/coverage", 1},
    {"metrics.bonus/restarts", 1},
    {"loop.best_mean_reward", 1},
    {"loop.best_steps", 1},
    {"loop.n_recent", 1},
    {"loop.recent_return", 100},
    {"loop.recent_length", 100},
    {"loop.n_summed", 1},
    {"sum.train/critic_loss", 1},
    {"sum.train/q_mean", 1},
    {"sum.train/actor_loss", 1},
    {"sum.train/ent_coef", 1},
    {"sum.train/ent_coef_loss", 1},
    {"sum.train/entropy", 1},
    {"loop.step_part", 1},
    {"loop.n_bytes.progress", 1},
    {"loop.n_bytes.evaluations", 1},
    {"loop.n_bytes.events", 1},
};

static const size_t n_rollout = sizeof(mr_rollout) / sizeof(double);

// ---- The actions of an episode

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
        if (!mr_setting_at(i)->own_to_run && mr_setting_is_used(mr_setting_at(i), settings))
            MR_TRY(mr_tensors_writer_note(writer, key, text));
    }
done:
    return status;
}

/// Some numbers of the loop, and what a file calls them.
typedef struct {
    char name[NAME_SIZE];
    double *value;
    size_t n;
    bool is_required;
} number;

static number number_of(const char *kind, const char *name, double *value) {
    number out = {.value = value, .n = 1};
    snprintf(out.name, sizeof out.name, "%s.%s", kind, name);
    return out;
}

static size_t list_numbers(const mr_checkpoint *c, number out[MAX_NUMBERS]) {
    size_t n = 0;
    const mr_agent_ops *agent = mr_agent_get_ops(c->agent);
    mr_metric_list metrics;
    mr_metric_list_of(agent, &metrics);
    for (size_t i = 0; i < metrics.n; i++)
        out[n++] = number_of("metrics", metrics.at[i].name,
                             mr_metric_value(&metrics.at[i], &c->loop->now));
    for (size_t i = 0; i < agent->n_metrics; i++)
        out[n++] = number_of("sum", agent->metrics[i].name, &c->loop->sum[i]);
    for (size_t i = 0; i < MR_COUNT(loop_numbers); i++) {
        number *own = &out[n++];
        *own = (number){.value = (double *)(void *)((char *)c->loop + loop_numbers[i].offset),
                        .n = loop_numbers[i].n,
                        .is_required = loop_numbers[i].is_required};
        snprintf(own->name, sizeof own->name, "%s", loop_numbers[i].name);
    }
    return n;
}

static mr_status add_loop(const mr_checkpoint *c, mr_tensors_writer *writer) {
    mr_status status = MR_OK;
    number numbers[MAX_NUMBERS];
    const size_t n = list_numbers(c, numbers);
    for (size_t i = 0; i < n; i++)
        MR_TRY(mr_tensors_writer_add(writer, numbers[i].name, MR_F64, 1, &numbers[i].n,
                                     numbers[i].value));
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
    MR_TRY(mr_agent_write(c->agent, writer));
    MR_TRY(mr_params_write(c->best, mr_params_read(c->best), "best.", writer));
    MR_TRY(mr_replay_write(c->replay, writer));
    if (c->bonus)
        MR_TRY(mr_bonus_write(c->bonus, writer));
    MR_TRY(add_loop(c, writer));
    MR_TRY(mr_tensors_writer_add(writer, "rollouts", MR_F64, 2, rollouts_shape, c->rollouts));
    MR_TRY(mr_tensors_writer_add(writer, "obs", MR_F64, 2, obs_shape, c->obs));
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
        if (!saved || !mr_setting_is_used(setting, settings) ||
            is_same_value(setting, saved, text) || mr_setting_may_change(setting, settings))
            continue;
        return mr_fail(MR_ERR_USAGE,
                       "%s is %.200s, but the run goes on only with the %.200s that it was begun "
                       "with; leave it as it was or begin a new run",
                       setting->name, text, saved);
    }
    return MR_OK;
}

static bool is_count(double x) {
    return x >= 0 && x <= max_exact && x == floor(x);
}

static mr_status check_numbers(const mr_tensors *file, const mr_checkpoint *c) {
    const mr_loop *l = c->loop;
    bool is_whole = is_count(l->now.total_timesteps) && is_count(l->best_steps) &&
                    is_count(l->n_recent) && is_count(l->n_summed) &&
                    is_count(l->n_bytes.progress) && is_count(l->n_bytes.evaluations) &&
                    is_count(l->n_bytes.events) && is_count(l->longest_episode) &&
                    is_count(l->n_step_updates);
    for (size_t i = 0; i < c->n_envs; i++)
        is_whole = is_whole && is_count(c->rollouts[i].n_episodes) &&
                   c->rollouts[i].n_episodes >= 1 && is_count(c->rollouts[i].episode_length);
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

static mr_status read_old_loop(const mr_tensors *file, size_t n, const number *numbers) {
    const void *data;
    size_t n_all = 0;
    for (size_t i = 0; i < MR_COUNT(old_order); i++)
        n_all += old_order[i].n;
    const mr_status status = mr_tensors_get(file, "loop", MR_F64, 1, &n_all, &data);
    if (status != MR_OK)
        return status;
    const double *at = data;
    for (size_t i = 0; i < MR_COUNT(old_order); at += old_order[i++].n)
        for (size_t k = 0; k < n; k++)
            if (strcmp(numbers[k].name, old_order[i].name) == 0)
                memcpy(numbers[k].value, at, numbers[k].n * sizeof *at);
    return MR_OK;
}

static mr_status read_loop(const mr_tensors *file, const mr_checkpoint *c) {
    mr_status status = MR_OK;
    number numbers[MAX_NUMBERS];
    mr_tensor unused;
    const size_t n = list_numbers(c, numbers);
    if (strcmp(mr_tensors_note(file, "format_version"), old_version) == 0)
        return read_old_loop(file, n, numbers);
    for (size_t i = 0; i < n; i++)
        if (numbers[i].is_required || mr_tensors_find(file, numbers[i].name, &unused))
            MR_TRY(read_reals(file, numbers[i].name, 1, &numbers[i].n, numbers[i].value));
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
    MR_TRY(mr_agent_read(c->agent, file));
    MR_TRY(mr_params_load(c->best, file, "best.", mr_params_value(c->best)));
    MR_TRY(mr_replay_read(c->replay, file));
    if (c->bonus)
        MR_TRY(mr_bonus_read(c->bonus, file));
    read_engine(file, c->engine);
    MR_TRY(read_loop(file, c));
    MR_TRY(read_reals(file, "rollouts", 2, rollouts_shape, (double *)c->rollouts));
    MR_TRY(read_reals(file, "obs", 2, obs_shape, c->obs));
    MR_TRY(check_numbers(file, c));
    for (size_t i = 0; i < c->n_envs; i++)
        MR_TRY(read_actions(file, c, i));
done:
    mr_tensors_close(file);
    return status;
}
