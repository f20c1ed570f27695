// Plays one episode with a saved policy: the library from C, as short as it gets.
//
//     cc example.c $(pkg-config --cflags --libs millrace) -o example
//     ./example runs/a/policy.safetensors

#include <millrace/millrace.h>

#include <stdio.h>
#include <stdlib.h>

static mr_status play(const mr_policy *policy, mr_env *env, double *obs, double *action) {
    const uint64_t seed = 1;
    double episode_return = 0;
    mr_step step = {0};
    mr_status status = mr_env_reset(env, &seed, obs);
    while (status == MR_OK && !step.terminated && !step.truncated) {
        status = mr_policy_act(policy, obs, NULL, action); // no noise: deterministic
        if (status == MR_OK)
            status = mr_env_step(env, action, obs, &step);
        episode_return += step.reward;
    }
    if (status == MR_OK)
        printf("%s: return %.2f\n", mr_policy_get_spec(policy)->env, episode_return);
    return status;
}

static mr_status open_task(const mr_policy *policy, mr_env **env) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    const mr_env_options options = {.set = spec->env_set, .task = spec->task};
    const mr_status status = mr_env_open(spec->env, &options, env);
    return status == MR_OK ? mr_policy_check_env(policy, mr_env_get_spec(*env)) : status;
}

int main(int argc, char **argv) {
    mr_policy *policy = NULL;
    mr_env *env = NULL;
    double *obs = NULL, *action = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: example POLICY_FILE\n");
        return 2;
    }
    mr_status status = mr_init(MR_INIT_ALL);
    if (status == MR_OK)
        status = mr_policy_load(argv[1], &policy);
    if (status == MR_OK)
        status = open_task(policy, &env);
    if (status == MR_OK) {
        obs = calloc(mr_policy_get_spec(policy)->obs_dim, sizeof *obs);
        action = calloc(mr_policy_get_spec(policy)->act_dim, sizeof *action);
        status = play(policy, env, obs, action); // fails if one of them is NULL
    }
    if (status != MR_OK)
        fprintf(stderr, "example: %s\n", mr_error_message());
    mr_env_close(env);
    mr_policy_free(policy);
    free(obs);
    free(action);
    return status == MR_OK ? 0 : 1;
}
