// Trains on an environment of one's own, and acts with what was learned: a point on a line is to be
// pushed to 0.
//
//     cc example_train.c $(pkg-config --cflags --libs millrace) -lm -o example_train
//     ./example_train RUN_DIR

#include <millrace/millrace.h>

#include <math.h>
#include <stdio.h>

enum { N_STEPS = 20 }; // of an episode

typedef struct {
    uint64_t seed;
    double position;
} line;

static mr_status reset(void *self, size_t i, const uint64_t *seed, double *obs) {
    line *l = (line *)self + i;
    l->seed = seed != NULL ? *seed : l->seed + 1;
    l->position = cos((double)(l->seed % 1000)); // where an episode starts follows from its seed
    obs[0] = l->position;
    return MR_OK;
}

static mr_status step(void *self, size_t i, const double *action, double *obs, mr_step *result) {
    line *l = (line *)self + i;
    l->position += 0.2 * action[0];
    obs[0] = l->position;
    result->reward = -l->position * l->position;
    return MR_OK;
}

static void told(void *self, const mr_train_progress *now, bool is_best) {
    (void)self;
    printf("step %zu: mean return %.2f%s\n", now->total_timesteps, now->eval_mean_reward,
           is_best ? ", the best so far" : "");
}

static mr_status train(const char *run_dir, mr_vec_env *envs, mr_train_result *result) {
    const mr_train_setting settings[] = {
        {"out", run_dir},     {"agent", "td3"},           {"steps", "1000"}, {"hidden", "32,32"},
        {"batch_size", "64"}, {"learning_starts", "200"}, {"threads", "1"},  {"eval_every", "500"},
    };
    const mr_train_options options = {.settings = settings,
                                      .n_settings = sizeof settings / sizeof *settings,
                                      .envs = envs,
                                      .evaluated = told};
    return mr_train(&options, result);
}

static mr_status act(const char *run_dir, double position, double *push) {
    char path[1024];
    mr_policy *policy = NULL;
    snprintf(path, sizeof path, "%s/best_policy.safetensors", run_dir);
    mr_status status = mr_policy_load(path, &policy);
    if (status == MR_OK)
        status = mr_policy_act(policy, &position, NULL, push);
    mr_policy_free(policy);
    return status;
}

int main(int argc, char **argv) {
    static const double low = -1, high = 1;
    const mr_env_callbacks callbacks = {.reset = reset, .step = step};
    const mr_env_spec spec = {.name = "line",
                              .obs_dim = 1,
                              .act_dim = 1,
                              .act_low = &low,
                              .act_high = &high,
                              .max_episode_steps = N_STEPS};
    line lines[2] = {{0}};
    mr_vec_env *envs = NULL;
    mr_train_result result;
    double push = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: example_train RUN_DIR\n");
        return 2;
    }
    mr_status status = mr_init(MR_INIT_ALL);
    if (status == MR_OK)
        status = mr_vec_env_new(&callbacks, lines, &spec, 2, 1, &envs);
    if (status == MR_OK)
        status = train(argv[1], envs, &result);
    if (status == MR_OK)
        status = act(argv[1], 0.5, &push);
    if (status == MR_OK)
        printf("at 0.5 it pushes %s\n", push < 0 ? "back" : "on");
    else
        fprintf(stderr, "example_train: %s\n", mr_error_message());
    mr_vec_env_close(envs);
    return status == MR_OK ? 0 : 1;
}
