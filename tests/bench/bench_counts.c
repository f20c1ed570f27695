// One update, one action and one step of an environment, for callgrind to count their instructions
// (tests/bench/counts). It counts what `counted` calls.
//
// Sizes of HalfCheetah-v5: 17 observations, 6 actions, two hidden layers of 256, batch 256; one
// thread.

#include "agents/policy.h"
#include "envs/env.h"
#include "sac_workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OBS_DIM = 17, ACT_DIM = 6, WARM_UP = 3 };

static const workload_sizes sizes = {"HalfCheetah-v5", OBS_DIM, ACT_DIM, 256, 256};

/// What is counted.
typedef struct {
    const char *name;
    void (*prepare)(const char *policy);
    void (*work)(void);
} task;

// ---- Updates and actions, by the policy that an agent has

static workload agent;
static double obs[OBS_DIM], action[ACT_DIM];
static float noise[ACT_DIM];

static void prepare_update(const char *policy) {
    agent = workload_new(&sizes, &(workload_choices){.policy = policy, .n_threads = 1});
}

static void update(void) {
    workload_update(&agent);
}

static void prepare_act(const char *policy) {
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    prepare_update(policy);
    workload_check(mr_policy_prepare(mr_agent_policy(agent.agent), 1));
    for (size_t j = 0; j < OBS_DIM; j++)
        obs[j] = mr_random_normal(&random);
    mr_random_fill_normal(&random, ACT_DIM, noise);
}

static void act(void) {
    workload_check(mr_policy_act(mr_agent_policy(agent.agent), obs, noise, action));
}

// ---- Steps

static mr_env *env;

static void prepare_step(const char *policy) {
    const uint64_t seed = 1;
    (void)policy;
    workload_check(mr_env_open(sizes.name, NULL, &env));
    workload_check(mr_env_reset(env, &seed, obs));
    for (size_t j = 0; j < ACT_DIM; j++)
        action[j] = j % 2 == 0 ? 0.5 : -0.5;
}

static void step(void) {
    mr_step result;
    workload_check(mr_env_step(env, action, obs, &result));
}

// ----

static const task tasks[] = {
    {"update", prepare_update, update},
    {"act", prepare_act, act},
    {"step", prepare_step, step},
};

// Callgrind is told this name.
__attribute__((noinline)) static void counted(void (*work)(void)) {
    work();
    __asm__ volatile(""); // no tail call, which would end the counting
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 4 && i < MR_COUNT(tasks); i++)
        if (strcmp(argv[1], tasks[i].name) == 0) {
            tasks[i].prepare(argv[2]);
            for (int k = 0; k < WARM_UP; k++)
                tasks[i].work();
            for (int k = 0; k < atoi(argv[3]); k++)
                counted(tasks[i].work);
            return 0;
        }
    fprintf(stderr, "bench_counts: bench_counts update|act|step POLICY TIMES\n");
    return 2;
}
