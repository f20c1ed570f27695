// Playing episodes with a saved policy.

#include "cli/run/playing.h"

#include <stdio.h>

#include "cli/notices.h"

// Episodes that are played in parallel.
enum { MAX_ENVS = 10 };

#define AT(field) offsetof(mr_playing, field)

const mr_setting mr_playing_options[] = {
    {"episodes", MR_SETTING_COUNT, AT(episodes), "10", 1, 1e6, "N",
     "episodes to play; with eval's --video or --frames, 1 unless it is given", false},
    {"max_steps", MR_SETTING_COUNT, AT(max_steps), "0", 0, 1e12, "N",
     "steps after which an episode is cut off; 0: the task's time limit, 1000 if it has none",
     false},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N",
     "seed of the first episode; the next ones count on from it", false},
    {"threads", MR_SETTING_COUNT, AT(threads), "0", 0, 256, "N",
     "threads to simulate with, which change no number; 0: one a core, at most 4", false},
    {"deterministic", MR_SETTING_SWITCH, AT(deterministic), "false", 0, 0, NULL,
     "act without noise, by --deterministic-action (the default)", false},
    {"stochastic", MR_SETTING_SWITCH, AT(stochastic), "false", 0, 0, NULL,
     "sample actions from the policy, as in training", false},
    {"deterministic_action", MR_SETTING_TEXT, AT(deterministic_action), "", 0, 0,
     MR_DETERMINISTIC_WORDS, MR_DETERMINISTIC_HELP, false},
    {"env", MR_SETTING_TEXT, AT(env), "", 0, 0, "ENV",
     "play in this environment instead, for example zmq:tcp://127.0.0.1:5555", false},
    {"env_set", MR_SETTING_PAIRS, AT(env_set), "", 0, 0, "KEY=VALUE",
     "option of the task, in addition to those of training; may be given again", false},
    {"task", MR_SETTING_TEXT, AT(task), "", 0, 0, "FILE",
     "description of the task, instead of the one that the policy was trained with", false},
    {"changed_files", MR_SETTING_CHOICE, AT(changed_files), "refuse", 0, 0, MR_CHANGED_WORDS,
     "if model or task have changed since training: refuse; accept them as they are; use the "
     "run's own copy",
     false},
    {"timeout", MR_SETTING_REAL, AT(timeout), "10", 0.001, 1e6, "S",
     "seconds to wait for a server's reply (zmq:) before the request is sent again", false},
    {"retries", MR_SETTING_COUNT, AT(retries), "5", 0, 1000, "N",
     "how often a request is sent again", false},
    {"curve_server_key", MR_SETTING_TEXT, AT(curve_server_key), "", 0, 0, "FILE",
     "the server's public key, instead of the one that the policy was trained with", false},
    {"curve_secret_key", MR_SETTING_TEXT, AT(curve_secret_key), "", 0, 0, "FILE",
     "your own secret key, instead of the one of training", false},
};

mr_status mr_playing_check(const mr_playing *playing) {
    if (playing->stochastic && playing->deterministic_action[0] != '\0')
        return mr_fail(MR_ERR_USAGE, "--deterministic-action and --stochastic exclude each other; "
                                     "give one of them");
    if (playing->deterministic && playing->stochastic)
        return mr_fail(MR_ERR_USAGE, "--deterministic and --stochastic exclude each other; "
                                     "give one of them");
    return MR_OK;
}

// ---- Opening

// Remote environments are configured by their server, and all of them are used.
static mr_status open_remote(const mr_saved_place *place, const mr_playing *playing,
                             mr_vec_env **out) {
    const mr_env_options opened = {
        .set = playing->env_set, .task = playing->task, .link = &place->link};
    mr_notice_open_key(place->secret_key);
    return mr_vec_env_open(place->env, &opened, 0, 1, out);
}

static mr_status open_envs(const char *run_or_file, const mr_policy_spec *spec,
                           const mr_playing *playing, bool is_drawn,
                           const volatile sig_atomic_t *stop, mr_vec_env **out) {
    mr_saved_place place;
    mr_saved_task task;
    const mr_env_link link = {.timeout_s = playing->timeout,
                              .retries = playing->retries,
                              .curve_server_key = playing->curve_server_key,
                              .curve_secret_key = playing->curve_secret_key,
                              .waiting = mr_notice_waiting,
                              .stop = stop};
    mr_run_place files;
    const mr_status status = mr_saved_files_find(run_or_file, spec, playing->env, playing->task,
                                                 playing->changed_files, &files);
    if (status != MR_OK)
        return status;
    mr_saved_place_choose(&files, playing->env, &link, &place);
    if (mr_env_is_remote(place.env) && is_drawn)
        return mr_fail(MR_ERR_USAGE,
                       "%s is remote, and can't be drawn here; leave out --video and "
                       "--frames, or name a task with --env",
                       place.env);
    if (mr_env_is_remote(place.env))
        return open_remote(&place, playing, out);
    mr_saved_task_choose(&files, playing->env_set, playing->task, &task);
    const size_t most = is_drawn ? 1 : MAX_ENVS;
    return mr_vec_env_open(place.env, &task.opened,
                           playing->episodes < most ? playing->episodes : most,
                           mr_settings_threads(playing->threads), out);
}

mr_status mr_playing_open(const char *run_or_file, const mr_playing *playing, bool is_drawn,
                          const volatile sig_atomic_t *stop, mr_policy **policy,
                          mr_vec_env **envs) {
    mr_status status;
    MR_TRY(mr_saved_policy_load(run_or_file, playing->deterministic_action, policy));
    const mr_policy_spec *spec = mr_policy_get_spec(*policy);
    MR_TRY(open_envs(run_or_file, spec, playing, is_drawn, stop, envs));
    MR_TRY(mr_policy_check_env(*policy, mr_vec_env_get_spec(*envs)));
    mr_notice_env(mr_vec_env_get_spec(*envs));
    mr_notice_engine(spec, mr_vec_env_get_spec(*envs));
    status = mr_policy_prepare(*policy, 1);
done:
    return status;
}

// ---- Playing

mr_eval_options mr_playing_how(const mr_playing *playing, const mr_vec_env *envs,
                               const volatile sig_atomic_t *stop, const mr_eval_watcher *watcher) {
    return (mr_eval_options){
        .seed = playing->seed,
        .deterministic = !playing->stochastic,
        .max_steps = mr_eval_max_steps(mr_vec_env_get_spec(envs), playing->max_steps, 0),
        .stop = stop,
        .watcher = watcher};
}

void mr_playing_warn(const mr_playing *playing, const mr_vec_env *envs, const char *task,
                     const mr_evaluation *evaluation) {
    const size_t n_diverged = mr_vec_env_n_diverged(envs);
    if (n_diverged > 0)
        fprintf(stderr,
                "warning: the simulation broke down in %zu of the episodes, which ended there\n",
                n_diverged);
    if (mr_vec_env_warning(envs) != NULL)
        mr_notice_warning(task, mr_vec_env_warning(envs));
    if (evaluation->n_cut > 0 && playing->max_steps == 0)
        fprintf(stderr,
                "note: %zu of the episodes had not ended after %zu steps and were cut off there; "
                "--max-steps sets how many are played\n",
                evaluation->n_cut, mr_eval_max_steps(mr_vec_env_get_spec(envs), 0, 0));
}
