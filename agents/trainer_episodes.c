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

typedef enum { REPLAY_SAME, REPLAY_OVER, REPLAY_OTHER } replay_end;

// Plays the actions of environment `i`'s episode again. `*end`: that led to where it was, there
// with the episode's end, or elsewhere. What begins otherwise already (a robot, say) is not moved.
static mr_status replay_episode(mr_trainer *t, size_t i, replay_end *end) {
    const mr_rollout *r = &t->rollout[i];
    const size_t n = (size_t)r->episode_length;
    const uint64_t seed = seed_of_episode(t, i, r->n_episodes - 1);
    mr_status status = mr_vec_env_reset(t->envs, i, &seed, t->next_obs + i * t->obs_dim);
    const bool begins_same = !t->has_first_obs[i] || is_same_obs(t, i, t->first_obs);
    bool ended = false;
    size_t k = 0;
    for (; k < n && status == MR_OK && begins_same && !ended; k++)
        status = step_again(t, i, t->actions[i].action + k * t->act_dim, &ended);
    const bool same = begins_same && k == n && is_same_obs(t, i, t->obs);
    *end = !same ? REPLAY_OTHER : ended ? REPLAY_OVER : REPLAY_SAME;
    return status;
}

// An episode that cannot go on ends here, as truncated.
mr_status mr_trainer_resume_episodes(mr_trainer *t, size_t *n_lost) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < t->n_envs; i++) {
        replay_end end;
        MR_TRY(replay_episode(t, i, &end));
        if (end == REPLAY_SAME)
            continue;
        if (end == REPLAY_OTHER && t->rollout[i].episode_length > 0)
            mr_trainer_note_episode(t, &t->rollout[i]);
        *n_lost += end == REPLAY_OTHER;
        MR_TRY(mr_trainer_begin_episode(t, i));
    }
done:
    return status;
}
