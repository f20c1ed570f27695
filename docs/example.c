// Plays one episode with a saved policy: the library from C, as short as it gets.
//
//     cc example.c $(pkg-config --cflags --libs millrace) -o example
//     ./example runs/a/policy.safetensors

#include "agents/policy.h"
#include "envs/env.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    mr_status status = MR_OK;
    mr_policy *policy = NULL;
    mr_env *env = NULL;
    double *obs = NULL, *action = NULL;
    mr_real *act = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: example POLICY_FILE\n");
        return 2;
    }

    MR_TRY(mr_policy_load(argv[1], &policy));
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    const mr_env_options options = {.set = spec->env_set, .task = spec->task};
    MR_TRY(mr_env_open(spec->env, &options, &env));
    MR_TRY(mr_policy_check_env(policy, mr_env_get_spec(env)));
    MR_TRY(mr_policy_prepare(policy, 1));
    obs = calloc(spec->obs_dim, sizeof *obs);
    act = calloc(spec->act_dim, sizeof *act);
    action = calloc(spec->act_dim, sizeof *action);
    if (!obs || !act || !action)
        MR_TRY(mr_fail_memory("the episode"));

    const uint64_t seed = 1;
    double episode_return = 0;
    mr_step step = {0};
    MR_TRY(mr_env_reset(env, &seed, obs));
    while (!step.terminated && !step.truncated) {
        MR_TRY(mr_policy_act(policy, obs, NULL, act)); // no noise: deterministic
        mr_policy_scale(policy, 1, act, action);
        MR_TRY(mr_env_step(env, action, obs, &step));
        episode_return += step.reward;
    }
    printf("%s: return %.2f\n", spec->env, episode_return);
done:
    if (status != MR_OK)
        fprintf(stderr, "example: %s\n", mr_error_message());
    mr_env_close(env);
    mr_policy_free(policy);
    free(obs);
    free(act);
    free(action);
    return status == MR_OK ? 0 : 1;
}
