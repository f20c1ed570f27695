// The episodes of a training run: begun by seeds of their own, so that they can be played again.

#include "agents/trainer.h"

#include <stdio.h>
#include <string.h>

// Every episode is begun with a seed of its own, so that it does not depend on what came before.
static uint64_t seed_of_episode(const mr_trainer *t, size_t i, double episode) {
    mr_random seeds =
        mr_random_stream(t->settings->seed, MR_STREAM_SEEDS, (uint64_t)i << 40 | (uint64_t)episode);
    return mr_random_u32(&seeds);
}

mr_status mr_trainer_begin_episode(mr_trainer *t, size_t i) {
    mr_rollout *r = &t->rollout[i];
    const uint64_t seed = seed_of_episode(t, i, r->n_episodes);
    double *obs = t->obs + i * t->obs_dim;
    const mr_status status = mr_vec_env_reset(t->envs, i, &seed, obs);
    if (status != MR_OK)
        return status;
    *r = (mr_rollout){.n_episodes = r->n_episodes + 1};
    t->actions[i].n = 0;
    mr_replay_begin(t->replay, i, obs);
    memcpy(t->first_obs + i * t->obs_dim, obs, t->obs_dim * sizeof *obs);
    t->has_first_obs[i] = true;
    return MR_OK;
}

// Within a step. What can't be reached ends the training, but not before the step was taken with
// all environments, so that it can be gone on from; the episode stays as it ended.
mr_status mr_trainer_begin_next(mr_trainer *t, size_t i) {
    if (t->reset_failure != MR_OK)
        return MR_OK;
    const mr_status status = mr_trainer_begin_episode(t, i);
    if (status != MR_ERR_IO)
        return status;
    t->reset_failure = status;
    snprintf(t->reset_message, sizeof t->reset_message, "%s", mr_error_message());
    return MR_OK;
}

static bool has_all_actions(const mr_trainer *t, size_t i) {
    return t->actions[i].n == (size_t)t->rollout[i].episode_length;
}

mr_status mr_trainer_reserve_actions(mr_trainer *t) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < t->n_envs; i++)
        if (has_all_actions(t, i) && t->actions[i].n < t->max_kept_actions)
            MR_TRY(mr_actions_reserve(&t->actions[i], t->actions[i].n + 1, t->act_dim));
done:
    return status;
}

void mr_trainer_keep_action(mr_trainer *t, size_t i) {
    mr_actions *kept = &t->actions[i];
    if (!has_all_actions(t, i))
        return;
    if (kept->n < t->max_kept_actions)
        memcpy(kept->action + kept->n++ * t->act_dim, t->action + i * t->act_dim,
               t->act_dim * sizeof *t->action);
    else
        mr_actions_drop(kept);
}

// One environment's step, of an episode that was played before.
static mr_status step_again(mr_trainer *t, size_t i, const double *action, bool *ended) {
    memset(t->active, 0, t->n_envs * sizeof *t->active);
    t->active[i] = true;
    memcpy(t->action + i * t->act_dim, action, t->act_dim * sizeof *action);
    const mr_status status = mr_vec_env_step(t->envs, t->active, t->action, t->next_obs, t->step);
    *ended = status == MR_OK && (t->step[i].terminated || t->step[i].truncated);
    return status;
}

static bool is_same_obs(const mr_trainer *t, size_t i, const double *all) {
    const size_t at = i * t->obs_dim;
    return memcmp(t->next_obs + at, all + at, t->obs_dim * sizeof *all) == 0;
}

typedef enum { REPLAY_SAME, REPLAY_OVER, REPLAY_OTHER, REPLAY_TOO_LONG } replay_end;

// Plays the actions of environment `i`'s episode again. `*end`: that led to where it was, there
// with the episode's end, or elsewhere, or is not known any more. What begins otherwise already (a
// robot, say) is not moved.
static mr_status replay_episode(mr_trainer *t, size_t i, replay_end *end) {
    const mr_rollout *r = &t->rollout[i];
    const size_t n = (size_t)r->episode_length;
    const uint64_t seed = seed_of_episode(t, i, r->n_episodes - 1);
    *end = REPLAY_TOO_LONG;
    if (!has_all_actions(t, i))
        return MR_OK;
    mr_status status = mr_vec_env_reset(t->envs, i, &seed, t->next_obs + i * t->obs_dim);
    const bool begins_same = !t->has_first_obs[i] || is_same_obs(t, i, t->first_obs);
    bool ended = false;
    size_t k = 0;
    for (; k < n && status == MR_OK && begins_same && !ended; k++)
        status = mr_trainer_is_stopped(t)
                     ? MR_STOPPED
                     : step_again(t, i, t->actions[i].action + k * t->act_dim, &ended);
    const bool same = begins_same && k == n && is_same_obs(t, i, t->obs);
    *end = !same ? REPLAY_OTHER : ended ? REPLAY_OVER : REPLAY_SAME;
    return status;
}

static void tell_too_long(mr_trainer *t, size_t n_steps) {
    char text[256];
    if (t->has_told_long)
        return;
    t->has_told_long = true;
    snprintf(text, sizeof text,
             "an episode of %.100s has gone on for %zu steps, more than the %zu that can be played "
             "again, and ended here as truncated",
             t->settings->env, n_steps, t->max_kept_actions);
    mr_trainer_tell(t, text);
}

// An episode that cannot go on ends here, as truncated.
mr_status mr_trainer_resume_episodes(mr_trainer *t, size_t *n_lost) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < t->n_envs; i++) {
        replay_end end;
        if (mr_trainer_is_stopped(t)) // a reset may take long
            return MR_STOPPED;
        MR_TRY(replay_episode(t, i, &end));
        if (end == REPLAY_SAME)
            continue;
        if (end == REPLAY_TOO_LONG)
            tell_too_long(t, (size_t)t->rollout[i].episode_length);
        if (end != REPLAY_OVER && t->rollout[i].episode_length > 0)
            mr_trainer_note_episode(t, &t->rollout[i]);
        *n_lost += end == REPLAY_OTHER;
        MR_TRY(mr_trainer_begin_episode(t, i));
    }
done:
    return status;
}
