// Plays stochastic episodes of MultiGoal-v0 with saved policies, counts which goals they end at,
// and writes the paths.
//
//     goal_counts POLICY.safetensors PATHS.csv [EPISODES]
//
// PATHS.csv has the columns episode, x, y. What docs/results.md says of MultiGoal comes from here.

#include "agents/policy.h"
#include "envs/env.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIM = 2, N_GOALS = 4 };

static const double goals[N_GOALS][DIM] = {{5, 0}, {-5, 0}, {0, 5}, {0, -5}};
static const char *const names[N_GOALS] = {"east", "west", "north", "south"};

static void check(mr_status status) {
    if (status == MR_OK)
        return;
    fprintf(stderr, "goal_counts: %s\n", mr_error_message());
    exit(1);
}

// The goal that (x, y) is within 1 of; N_GOALS: none.
static size_t goal_at(const double *obs) {
    size_t g = 0;
    while (g < N_GOALS && hypot(obs[0] - goals[g][0], obs[1] - goals[g][1]) > 1)
        g++;
    return g;
}

static void act(mr_policy *policy, mr_random *random, const double *obs, double *action) {
    mr_real noise[DIM], squashed[DIM];
    mr_random_fill_normal(random, DIM, noise);
    check(mr_policy_sample_units(policy, 1, obs, noise, squashed, NULL));
    mr_policy_scale(policy, 1, squashed, action);
}

// Plays one episode from the stream's next start; gives the goal that it ends at.
static size_t play(mr_policy *policy, mr_env *env, mr_random *random, size_t episode, FILE *paths) {
    double obs[DIM], action[DIM];
    mr_step step = {0};
    check(mr_env_reset(env, NULL, obs));
    fprintf(paths, "%zu,%.4f,%.4f\n", episode, obs[0], obs[1]);
    while (!step.terminated && !step.truncated) {
        act(policy, random, obs, action);
        check(mr_env_step(env, action, obs, &step));
        fprintf(paths, "%zu,%.4f,%.4f\n", episode, obs[0], obs[1]);
    }
    return goal_at(obs);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: goal_counts POLICY.safetensors PATHS.csv [EPISODES]\n");
        return 2;
    }
    const size_t n_episodes = argc > 3 ? strtoul(argv[3], NULL, 10) : 100;
    mr_policy *policy;
    mr_env *env;
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    size_t count[N_GOALS + 1] = {0};
    FILE *paths = fopen(argv[2], "w");
    if (!paths) {
        fprintf(stderr, "goal_counts: %s cannot be written\n", argv[2]);
        return 1;
    }
    check(mr_policy_load(argv[1], &policy));
    check(mr_policy_prepare(policy, 1));
    check(mr_env_open("MultiGoal-v0", NULL, &env));
    fprintf(paths, "episode,x,y\n");
    for (size_t i = 0; i < n_episodes; i++)
        count[play(policy, env, &random, i, paths)]++;
    for (size_t g = 0; g < N_GOALS; g++)
        printf("%s %zu  ", names[g], count[g]);
    printf("none %zu\n", count[N_GOALS]);
    fclose(paths);
    mr_env_close(env);
    mr_policy_free(policy);
}
