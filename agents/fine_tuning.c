// Fine-tuning: what a new run takes from its source.

#include "agents/fine_tuning.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/checkpoint.h"
#include "agents/presets.h"
#include "base/number.h"

enum { PATH_SIZE = MR_MAX_TEXT + 32, NUMBER_SIZE = 64 };

static bool has_source(const mr_settings *settings) {
    return settings->from[0] != '\0';
}

static mr_status find_source(const mr_settings *settings, bool *is_run) {
    struct stat found;
    if (stat(settings->from, &found) != 0)
        return mr_fail(MR_ERR_USAGE,
                       "cannot begin with the nets of %s: %s; give from the directory of a run or "
                       "a policy file",
                       settings->from, strerror(errno));
    *is_run = S_ISDIR(found.st_mode);
    if (settings->from_replay && !*is_run)
        return mr_fail(MR_ERR_USAGE,
                       "%s is a policy file, which has no replay buffer; give from the directory "
                       "of its run, or leave from_replay out",
                       settings->from);
    return MR_OK;
}

// ---- Settings

// The settings of the run in a directory.
static mr_status read_run(const char *dir, mr_settings *source) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    if (access(path, R_OK) != 0)
        return mr_fail(MR_ERR_USAGE,
                       "cannot read %s: %s; give from the directory of a run or a policy file",
                       path, strerror(errno));
    const mr_status status = mr_settings_read(source, path);
    for (size_t i = 0; i < mr_setting_count(); i++) // what an older file does not name is a default
        source->is_given[i] = true;
    source->critic_hidden = mr_settings_critic(source).hidden; // also where none were named
    return status;
}

// The agent that trains policies of that text; an agent with a text of its own is the only one.
static const char *agent_of(const char *flow, const mr_settings *defaults) {
    for (size_t i = 0; i < mr_agent_count(); i++) {
        const mr_agent_ops *agent = mr_agent_at(i);
        if (strcmp(agent->policy(defaults->agent_options[i].bytes), flow) == 0)
            return agent->name;
    }
    return NULL;
}

// What a policy file says of the settings. A policy that is not an agent's default may be of any
// agent that takes flows.
static mr_status read_policy(const char *path, mr_settings *source) {
    mr_status status;
    mr_policy *policy = NULL;
    char hidden[MR_MAX_TEXT], low[NUMBER_SIZE], high[NUMBER_SIZE];
    MR_TRY(mr_policy_load(path, &policy));
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    const bool is_flow = mr_policy_is_stochastic(policy);
    const bool is_normalised = strcmp(spec->norm, "none") != 0; // else it has no position
    mr_widths_format(&spec->hidden, ',', hidden, sizeof hidden);
    mr_number_write(low, sizeof low, spec->log_std_low);
    mr_number_write(high, sizeof high, spec->log_std_high);
    const struct {
        const char *name, *value;
    } known[] = {
        {is_flow ? "policy" : "agent", is_flow ? spec->flow : agent_of(spec->flow, source)},
        {"hidden", hidden},
        {"actor_norm", spec->norm},
        {"norm_position", !is_normalised    ? NULL
                          : spec->norm_last ? "after"
                                            : "before"},
        {"log_std_min", low},
        {"log_std_max", high},
        {"normalize_observation", spec->obs_mean ? "true" : "false"}};
    for (size_t i = 0; i < MR_COUNT(known); i++)
        if (known[i].value)
            MR_TRY(mr_settings_set(source, known[i].name, known[i].value, path));
done:
    mr_policy_free(policy);
    return status;
}

// Settings that a replay buffer depends on.
static bool is_of_replay(const mr_setting *setting) {
    static const size_t offsets[] = {offsetof(mr_settings, buffer_size),
                                     offsetof(mr_settings, num_envs),
                                     offsetof(mr_settings, priority_alpha)};
    for (size_t i = 0; i < MR_COUNT(offsets); i++)
        if (setting->offset == offsets[i])
            return true;
    return false;
}

static bool is_taken(const mr_setting *setting, const mr_settings *settings,
                     const mr_settings *source) {
    const bool is_known =
        mr_setting_is_given(setting, source) && mr_setting_is_used(setting, settings);
    return is_known &&
           (setting->role == MR_ROLE_OF_NETS || (settings->from_replay && is_of_replay(setting)));
}

static mr_status refuse(const mr_setting *setting, const mr_settings *settings, bool was_given,
                        const char *now, const char *of_source) {
    const char *what = is_of_replay(setting) ? "replay buffer" : "nets";
    if (was_given)
        return mr_fail(MR_ERR_USAGE,
                       "%s is %.200s, but %s has %.200s, whose %s this run begins with; leave "
                       "%s out or begin without from",
                       setting->name, now, settings->from, of_source, what, setting->name);
    return mr_fail(MR_ERR_USAGE,
                   "the preset %.60s has %s %.200s, but %s has %.200s, whose %s this run begins "
                   "with; leave preset out or begin without from",
                   settings->preset, setting->name, now, settings->from, of_source, what);
}

static mr_status take(const mr_setting *setting, const mr_settings *source, mr_settings *settings) {
    char now[MR_MAX_TEXT], of_source[MR_MAX_TEXT];
    bool *is_given = &settings->is_given[setting - mr_setting_at(0)];
    mr_setting_format(setting, settings, now, sizeof now);
    mr_setting_format(setting, source, of_source, sizeof of_source);
    const bool was_given = *is_given;
    *is_given = true; // a preset leaves it alone
    if (strcmp(now, of_source) == 0)
        return MR_OK;
    if (was_given || strcmp(now, setting->initial) != 0) // by name or by the preset
        return refuse(setting, settings, was_given, now, of_source);
    return mr_setting_store(setting, settings, of_source, setting->name);
}

static mr_status take_nets(const mr_settings *source, mr_settings *settings) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < mr_setting_count(); i++) // the agent comes before its options
        if (is_taken(mr_setting_at(i), settings, source))
            MR_TRY(take(mr_setting_at(i), source, settings));
done:
    return status;
}

// The task of the source's run. Where its settings have a server's address, its policy knows more.
static void find_task(const char *dir, const mr_settings *source, char task[MR_MAX_TEXT]) {
    char path[PATH_SIZE];
    mr_policy *policy = NULL;
    snprintf(task, MR_MAX_TEXT, "%s", source->env);
    snprintf(path, sizeof path, "%s/policy.safetensors", dir);
    if (!mr_env_is_remote(source->env) || mr_policy_load(path, &policy) != MR_OK)
        return;
    snprintf(task, MR_MAX_TEXT, "%s", mr_policy_get_spec(policy)->env);
    mr_policy_free(policy);
}

// A preset that is named must agree with the nets. The source's own gives way to them, and so does
// the default beside a policy file. As hyperparameters go with nets, a preset has its values for
// the task of the source's run.
static mr_status complete_by_source(mr_settings *settings) {
    mr_status status;
    bool is_run = false;
    mr_settings source;
    char task[MR_MAX_TEXT];
    const bool is_named = mr_settings_have_choice(settings);
    snprintf(task, sizeof task, "%s", settings->env);
    mr_settings_init(&source);
    MR_TRY(find_source(settings, &is_run));
    MR_TRY(is_run ? read_run(settings->from, &source) : read_policy(settings->from, &source));
    if (is_run)
        find_task(settings->from, &source, task);
    if (is_named)
        MR_TRY(mr_settings_apply_preset(settings, task));
    MR_TRY(take_nets(&source, settings));
    if (!is_named && is_run)
        snprintf(settings->preset, sizeof settings->preset, "%s",
                 mr_settings_has_preset(&source) ? source.preset : "none");
    status = is_named ? MR_OK : mr_settings_apply_preset(settings, task);
done:
    return status;
}

mr_status mr_settings_complete(mr_settings *settings) {
    mr_status status;
    if (!has_source(settings) && settings->from_replay)
        return mr_fail(MR_ERR_USAGE, "from_replay without from: name the run whose replay buffer "
                                     "this run begins with");
    MR_TRY(has_source(settings) ? complete_by_source(settings)
                                : mr_settings_apply_preset(settings, settings->env));
    status = mr_settings_settle(settings);
done:
    return status;
}

mr_status mr_settings_complete_for(mr_settings *settings, const char *task) {
    mr_status status;
    if (mr_settings_begin_with_run(settings) || !mr_settings_has_preset(settings))
        return MR_OK;
    MR_TRY(mr_settings_apply_preset(settings, task));
    status = mr_settings_settle(settings);
done:
    return status;
}

// ---- Nets, statistics and replay buffer

static mr_status check_sizes(const mr_updater *u, const mr_env_spec *env, const char *task,
                             size_t obs_dim, size_t act_dim) {
    if (obs_dim == env->obs_dim && act_dim == env->act_dim)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "%s was trained on %s with %zu observations and %zu actions, and %s has %zu and "
                   "%zu; nets fit only tasks of the same sizes",
                   u->settings->from, task, obs_dim, act_dim, u->settings->env, env->obs_dim,
                   env->act_dim);
}

// The sizes of a run's task are those of its replay buffer.
static mr_status check_run(const mr_updater *u, const mr_tensors *file, const mr_env_spec *env) {
    mr_status status;
    mr_tensor obs, act;
    MR_TRY(mr_checkpoint_check(file));
    const char *task = mr_tensors_note(file, "setting.env");
    if (!mr_tensors_find(file, "replay.0.obs", &obs) || obs.n_dims != 2 ||
        !mr_tensors_find(file, "replay.0.act", &act) || act.n_dims != 2)
        return mr_numbers_fail_damaged(file, "replay");
    status = check_sizes(u, env, task ? task : "a task", obs.shape[1], act.shape[1]);
done:
    return status;
}

static mr_status take_run(mr_updater *u, const mr_env_spec *env) {
    mr_status status;
    mr_tensors *file = NULL;
    char path[PATH_SIZE];
    const char *dir = u->settings->from;
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", dir);
    if (access(path, R_OK) != 0)
        return mr_fail(MR_ERR_USAGE,
                       "cannot read %s: %s; to begin with its policy alone, give from "
                       "%s/policy.safetensors",
                       path, strerror(errno), dir);
    MR_TRY(mr_tensors_open(path, &file));
    MR_TRY(check_run(u, file, env));
    MR_TRY(mr_agent_read_nets(u->agent, file));
    MR_TRY(mr_batch_read_statistics(u->batches, file));
    if (u->obs_norm)
        MR_TRY(mr_obs_norm_read(u->obs_norm, file));
    if (u->settings->from_replay)
        MR_TRY(mr_replay_read(u->replay, file));
done:
    mr_tensors_close(file);
    return status;
}

// The statistics of a policy file count as many observations as the policy's run had steps.
static mr_status take_obs_stats(mr_updater *u, const mr_policy_spec *spec) {
    mr_status status;
    mr_tensors *file = NULL;
    uint64_t n_steps;
    MR_TRY(mr_tensors_open(u->settings->from, &file));
    MR_TRY(mr_tensors_get_count(file, "steps", &n_steps));
    mr_obs_norm_set(u->obs_norm, fmax((double)n_steps, 1), spec->obs_mean, spec->obs_std);
done:
    mr_tensors_close(file);
    return status;
}

static mr_status take_policy(mr_updater *u, const mr_env_spec *env) {
    mr_status status;
    mr_policy *policy = NULL;
    mr_learner *learner = mr_agent_learner_of(u->agent, "policy");
    MR_TRY(mr_policy_load(u->settings->from, &policy));
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    const mr_params *params = mr_policy_params(policy);
    MR_TRY(check_sizes(u, env, spec->env, spec->obs_dim, spec->act_dim));
    if (mr_params_size(params) != mr_params_size(learner->params)) {
        status =
            mr_fail(MR_ERR_USAGE,
                    "the policy of %s has %zu numbers, and that of this run has %zu; choose "
                    "the agent and the policy that it was trained with",
                    u->settings->from, mr_params_size(params), mr_params_size(learner->params));
        goto done;
    }
    mr_learner_set(learner, mr_params_read(params));
    if (u->obs_norm)
        MR_TRY(take_obs_stats(u, spec));
done:
    mr_policy_free(policy);
    return status;
}

mr_status mr_fine_tuning_take_state(mr_updater *u, const mr_env_spec *env) {
    mr_status status;
    bool is_run = false;
    if (!has_source(u->settings))
        return MR_OK;
    MR_TRY(find_source(u->settings, &is_run));
    MR_TRY(is_run ? take_run(u, env) : take_policy(u, env));
    if (u->obs_norm)
        mr_updater_renew_policy_stats(u);
done:
    return status;
}
