// The library as a program of others uses it (include/millrace/), and misuses it.

#include "millrace/millrace.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mujoco/mujoco.h>

#include "base/log.h"
#include "base/status.h"
#include "envs/env.h"
#include "tests/agents/small.h"
#include "tests/scratch.h"

TestSuite(library, .init = scratch_enter, .fini = scratch_leave);

enum { OBS_DIM = 3, ACT_DIM = 2 };

static void expect_ok(mr_status status) {
    cr_assert_eq(status, MR_OK, "%s", mr_error_message());
}

// ---- Acting

static mr_policy *flow_policy(void) {
    mr_policy *policy = small_policy("real_nvp:layers=2,hidden=8", OBS_DIM, ACT_DIM);
    small_bend(policy);
    return policy;
}

Test(library, acts_in_the_tasks_units) {
    mr_policy *policy = flow_policy();
    const double obs[OBS_DIM] = {0.3, -1, 2};
    float noise[ACT_DIM], unit[ACT_DIM];
    double action[ACT_DIM], scaled[ACT_DIM];
    expect_ok(mr_policy_noise(policy, 3, 7, noise));
    expect_ok(mr_policy_act(policy, obs, noise, action)); // nothing was prepared
    expect_ok(mr_policy_act_units(policy, obs, noise, unit));
    mr_policy_scale(policy, 1, unit, scaled);
    cr_expect_arr_eq(action, scaled, sizeof action);
    mr_policy_free(policy);
}

Test(library, draws_noise_by_seed_and_index) {
    mr_policy *policy = flow_policy();
    float a[ACT_DIM], b[ACT_DIM];
    expect_ok(mr_policy_noise(policy, 3, 7, a));
    expect_ok(mr_policy_noise(policy, 3, 7, b));
    cr_expect_arr_eq(a, b, sizeof a);
    expect_ok(mr_policy_noise(policy, 3, 8, b));
    cr_expect_neq(a[0], b[0]);
    expect_ok(mr_policy_noise(policy, 4, 7, b));
    cr_expect_neq(a[0], b[0]);
    mr_policy_free(policy);
}

Test(library, samples_a_batch_up_to_what_was_prepared) {
    enum { N = 5 };
    mr_policy *policy = flow_policy();
    double obs[N * OBS_DIM] = {0}, action[N * ACT_DIM] = {7}, one[ACT_DIM];
    float log_prob[N];
    for (size_t i = 0; i < N * OBS_DIM; i++)
        obs[i] = sin((double)i);
    cr_expect_eq(mr_policy_sample(policy, 1, obs, NULL, action, log_prob), MR_ERR_USAGE);
    expect_ok(mr_policy_prepare(policy, N - 1));
    cr_expect_eq(mr_policy_sample(policy, N, obs, NULL, action, log_prob), MR_ERR_USAGE);
    scratch_expect_message("5 observations at a time, but it is prepared for 4");
    cr_expect_eq(action[0], 7);
    expect_ok(mr_policy_prepare(policy, N));
    expect_ok(mr_policy_sample(policy, N, obs, NULL, action, log_prob));
    expect_ok(mr_policy_act(policy, obs + OBS_DIM, NULL, one));
    for (size_t j = 0; j < ACT_DIM; j++) // as in test_policy.c
        cr_expect_float_eq(action[ACT_DIM + j], one[j], 1e-3);
    mr_policy_free(policy);
}

// An action is rounded to float32 in the task's units, a part in 2^24 of at most 6 units, which the
// inverse of tanh amplifies by 1 / (1 - a^2) and the bent flow by less than 100.
Test(library, gives_the_log_density_of_given_actions_that_sampling_gave) {
    enum { N = 16 };
    mr_policy *policy = flow_policy();
    double obs[N * OBS_DIM], action[N * ACT_DIM];
    float noise[N * ACT_DIM], sampled[N], given[N] = {7};
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    for (size_t i = 0; i < N * OBS_DIM; i++)
        obs[i] = sin((double)i);
    for (size_t i = 0; i < N; i++)
        expect_ok(mr_policy_noise(policy, 1, i, noise + i * ACT_DIM));
    cr_expect_eq(mr_policy_log_prob(policy, 1, obs, action, given), MR_ERR_USAGE);
    expect_ok(mr_policy_prepare(policy, N));
    expect_ok(mr_policy_sample(policy, N, obs, noise, action, sampled));
    expect_ok(mr_policy_log_prob(policy, N, obs, action, given));
    for (size_t i = 0; i < N; i++) {
        double slope = 1;
        for (size_t j = 0; j < ACT_DIM; j++) {
            const double low = spec->act_low[j], high = spec->act_high[j];
            const double a = (action[i * ACT_DIM + j] - low) / (high - low) * 2 - 1;
            slope = fmin(slope, 1 - a * a);
        }
        if (slope > 2e-5) // an action nearer to its bound counts as another one
            cr_expect_float_eq(given[i], sampled[i], 6 * 0x1p-24 * 100 / slope,
                               "row %zu: %g, not %g", i, (double)given[i], (double)sampled[i]);
    }
    action[3 * ACT_DIM + 1] = 3.5;
    cr_expect_eq(mr_policy_log_prob(policy, N, obs, action, given), MR_ERR_INPUT);
    scratch_expect_message("action 1 of row 3 is 3.5, outside of its bounds [-2, 3]");
    action[3 * ACT_DIM + 1] = (double)NAN;
    cr_expect_eq(mr_policy_log_prob(policy, N, obs, action, given), MR_ERR_INPUT);
    mr_policy_free(policy);
}

// float32 has no 0.4, Humanoid's bound: a saturated action is rounded to 0.4000000059604645.
Test(library, gives_the_log_density_of_actions_that_rounding_puts_outside_of_the_bounds) {
    static const double low[] = {-0.4, -0.4}, high[] = {0.4, 0.4};
    const double obs[OBS_DIM] = {0};
    const float noise[ACT_DIM] = {1000, -1000};
    double action[ACT_DIM];
    float sampled, given, at_bounds;
    mr_policy *policy;
    mr_policy_spec spec = small_spec("real_nvp:layers=2,hidden=8", OBS_DIM, ACT_DIM);
    spec.act_low = low;
    spec.act_high = high;
    expect_ok(mr_policy_new(&spec, 3, &policy));
    expect_ok(mr_policy_prepare(policy, 1));
    expect_ok(mr_policy_sample(policy, 1, obs, noise, action, &sampled));
    cr_assert_gt(action[0], high[0]);
    cr_assert_lt(action[1], low[1]);
    expect_ok(mr_policy_log_prob(policy, 1, obs, action, &given));
    expect_ok(mr_policy_log_prob(policy, 1, obs, (double[]){0.4, -0.4}, &at_bounds));
    cr_expect_eq(given, at_bounds);
    action[1] = -0.40001;
    cr_expect_eq(mr_policy_log_prob(policy, 1, obs, action, &given), MR_ERR_INPUT);
    scratch_expect_message("action 1 of row 0 is -0.40001, outside of its bounds [-0.4, 0.4]");
    mr_policy_free(policy);
}

Test(library, a_deterministic_policy_has_no_density_of_actions) {
    mr_policy *policy = small_policy("deterministic", OBS_DIM, ACT_DIM);
    const double obs[OBS_DIM] = {0}, action[ACT_DIM] = {0};
    float log_prob;
    expect_ok(mr_policy_prepare(policy, 1));
    cr_expect_eq(mr_policy_log_prob(policy, 1, obs, action, &log_prob), MR_ERR_USAGE);
    scratch_expect_message("a deterministic policy has no density");
    mr_policy_free(policy);
}

enum { N_THREADS = 4, N_ACTIONS = 200 };

/// One of several who act on one policy at the same time.
typedef struct {
    const mr_policy *policy;
    pthread_t thread;
    double action[N_ACTIONS][ACT_DIM];
    mr_status status;
} actor;

static void *act_often(void *argument) {
    actor *a = argument;
    for (size_t k = 0; k < N_ACTIONS && a->status == MR_OK; k++) {
        float noise[ACT_DIM];
        const double obs[OBS_DIM] = {sin((double)k), cos((double)k), 0.1};
        mr_policy_noise(a->policy, 1, k, noise);
        a->status = k % 2 == 0
                        ? mr_policy_act(a->policy, obs, k % 4 == 0 ? NULL : noise, a->action[k])
                        : mr_policy_sample(a->policy, 1, obs, noise, a->action[k], NULL);
    }
    return NULL;
}

Test(library, lets_several_threads_act_on_one_policy) {
    static actor alone, actors[N_THREADS];
    mr_policy *policy = flow_policy();
    expect_ok(mr_policy_prepare(policy, 1));
    expect_ok(mr_policy_set_deterministic(policy, "mean"));
    alone.policy = policy;
    act_often(&alone);
    expect_ok(alone.status);
    for (size_t i = 0; i < N_THREADS; i++) {
        actors[i].policy = policy;
        cr_assert_eq(pthread_create(&actors[i].thread, NULL, act_often, &actors[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        pthread_join(actors[i].thread, NULL);
        cr_assert_eq(actors[i].status, MR_OK);
        cr_expect_arr_eq(actors[i].action, alone.action, sizeof alone.action);
    }
    mr_policy_free(policy);
}

/// One who acts until told to stop.
typedef struct {
    const mr_policy *policy;
    const atomic_bool *is_over;
} restless;

enum { N_BATCH = 64 };
static const double some_obs[N_BATCH * OBS_DIM] = {0.3, -1, 2};

static mr_status act_both_ways(const mr_policy *policy, double *one, double *batch) {
    const mr_status status = mr_policy_act(policy, some_obs, NULL, one);
    return status == MR_OK ? mr_policy_sample(policy, N_BATCH, some_obs, NULL, batch, NULL)
                           : status;
}

static void *act_until_it_is_over(void *argument) {
    const restless *r = argument;
    double one[ACT_DIM], batch[N_BATCH * ACT_DIM];
    while (!atomic_load(r->is_over))
        act_both_ways(r->policy, one, batch);
    return NULL;
}

// A fork may come while other threads, which its child lacks, take workspaces from the pools and
// are in OpenBLAS. A child that waits for them is ended by SIGALRM.
Test(library, acts_in_a_child_that_was_forked_while_other_threads_acted, .timeout = 120) {
    enum { N_FORKS = 500 };
    pthread_t thread[N_THREADS];
    atomic_bool is_over = false;
    mr_policy *policy = flow_policy();
    restless others = {policy, &is_over};
    double expected[ACT_DIM], one[ACT_DIM], batch[N_BATCH * ACT_DIM];
    expect_ok(mr_policy_prepare(policy, N_BATCH));
    expect_ok(act_both_ways(policy, expected, batch));
    for (size_t i = 0; i < N_THREADS; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, act_until_it_is_over, &others), 0);
    int ended = 0;
    for (size_t i = 0; i < N_FORKS && ended == 0; i++) {
        const pid_t child = fork();
        cr_assert_geq(child, 0);
        if (child == 0) {
            alarm(20);
            const mr_status status = act_both_ways(policy, one, batch);
            _exit(status != MR_OK || memcmp(one, expected, sizeof one) != 0);
        }
        cr_assert_eq(waitpid(child, &ended, 0), child);
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(thread[i], NULL);
    cr_expect_eq(ended, 0, "a child ended with status %d", ended);
    mr_policy_free(policy);
}

// ---- Models from memory

static char *bytes_of(const char *path, size_t *n_bytes) {
    char *bytes;
    expect_ok(mr_file_read(path, &bytes, n_bytes));
    return bytes;
}

Test(library, loads_a_policy_from_memory) {
    size_t n_bytes;
    mr_policy *saved = flow_policy(), *loaded = NULL;
    expect_ok(mr_policy_save(saved, "policy.safetensors", 0, NULL));
    char *bytes = bytes_of("policy.safetensors", &n_bytes);
    for (size_t n = 0; n < n_bytes; n += n < 1000 ? 37 : 400) {
        cr_expect_eq(mr_policy_load_memory(bytes, n, &loaded), MR_ERR_INPUT, "%zu bytes", n);
        scratch_expect_message("policy in memory: ");
        cr_assert_null(loaded);
    }
    expect_ok(mr_policy_load_memory(bytes, n_bytes, &loaded));
    free(bytes);
    const double obs[OBS_DIM] = {1, 2, 3};
    double a[ACT_DIM], b[ACT_DIM];
    expect_ok(mr_policy_act(saved, obs, NULL, a));
    expect_ok(mr_policy_act(loaded, obs, NULL, b));
    cr_expect_arr_eq(a, b, sizeof a);
    mr_policy_free(saved);
    mr_policy_free(loaded);
}

Test(library, loads_a_density_from_memory) {
    size_t n_bytes;
    const double x[2] = {0.5, -1};
    double a, b;
    mr_density *saved = NULL, *loaded = NULL;
    expect_ok(mr_density_new("maf:layers=1,hidden=8", MR_FLOW_TO_SCORE, 2, 5, &saved));
    expect_ok(mr_density_save(saved, "density.safetensors"));
    char *bytes = bytes_of("density.safetensors", &n_bytes);
    cr_expect_eq(mr_density_load_memory(bytes, n_bytes / 2, &loaded), MR_ERR_INPUT);
    expect_ok(mr_density_load_memory(bytes, n_bytes, &loaded));
    free(bytes);
    expect_ok(mr_density_log_prob(saved, 1, 1, x, &a));
    expect_ok(mr_density_log_prob(loaded, 1, 1, x, &b));
    cr_expect_eq(a, b);
    mr_density_free(saved);
    mr_density_free(loaded);
}

// ---- Variational inference with a function

static const double centre[2] = {3, -2};

static void gaussian(void *self, size_t n, size_t dim, const float *x, float *log_prob,
                     float *gradient) {
    (void)self;
    for (size_t i = 0; i < n; i++) {
        log_prob[i] = 0;
        for (size_t j = 0; j < dim; j++) {
            const float d = x[i * dim + j] - (float)centre[j];
            log_prob[i] -= d * d / 2;
            gradient[i * dim + j] = -d;
        }
    }
}

// exp(-|x - centre|^2 / 2) integrates to 2 pi; 1,000 steps come within a hundredth.
Test(library, fits_a_density_to_a_function) {
    mr_density *density = NULL;
    mr_vi_options options = mr_vi_defaults();
    mr_vi_result result;
    const mr_vi_target target = {.dim = 2, .log_density = gaussian};
    options.n_steps = 1000;
    options.lr = 0.05;
    expect_ok(mr_density_new("gaussian", MR_FLOW_TO_SAMPLE, 2, 1, &density));
    expect_ok(mr_vi_fit(density, &target, &options, NULL, NULL, NULL, &result));
    cr_expect_float_eq(result.elbo, log(2 * 3.14159265), 0.01, "%g", result.elbo);
    options.batch_size = 0;
    cr_expect_eq(mr_vi_fit(density, &target, &options, NULL, NULL, NULL, &result), MR_ERR_USAGE);
    mr_density_free(density);
}

// ---- Environments of one's own

enum { N_ENVS = 2 };

/// A built-in task behind callbacks, as if it were somebody's own.
typedef struct {
    mr_env *env[N_ENVS];
    size_t n_closed;
} own;

static mr_status own_reset(void *self, size_t i, const uint64_t *seed, double *obs) {
    return mr_env_reset(((own *)self)->env[i], seed, obs);
}

static mr_status own_step(void *self, size_t i, const double *action, double *obs,
                          mr_step *result) {
    return mr_env_step(((own *)self)->env[i], action, obs, result);
}

static void own_close(void *self) {
    own *o = self;
    for (size_t i = 0; i < N_ENVS; i++)
        mr_env_close(o->env[i]);
    o->n_closed++;
}

static mr_vec_env *wrap(own *o) {
    static const mr_env_callbacks callbacks = {
        .reset = own_reset, .step = own_step, .close = own_close};
    mr_vec_env *envs = NULL;
    for (size_t i = 0; i < N_ENVS; i++)
        expect_ok(mr_env_open("InvertedPendulum-v5", NULL, &o->env[i]));
    expect_ok(mr_vec_env_new(&callbacks, o, mr_env_get_spec(o->env[0]), N_ENVS, 1, &envs));
    return envs;
}

static mr_train_result train(const char *out, mr_vec_env *envs, mr_vec_env *eval_envs) {
    const mr_train_setting settings[] = {
        {"out", out},
        {"steps", "240"},
        {"threads", "1"},
        {"num_envs", "2"},
        {"learning_starts", "60"},
        {"batch_size", "16"},
        {"hidden", "16"},
        {"eval_every", "120"},
        {"eval_episodes", "2"},
        {"policy", "gaussian"},
        {"seed", "9"},
        {"env", "InvertedPendulum-v5"},
    };
    const mr_train_options options = {.settings = settings,
                                      .n_settings = MR_COUNT(settings),
                                      .envs = envs,
                                      .eval_envs = eval_envs};
    mr_train_result result;
    expect_ok(mr_train(&options, &result));
    cr_expect_eq(result.last.total_timesteps, 240);
    cr_expect(isfinite(result.last.eval_mean_reward));
    return result;
}

static void expect_same_file(const char *a, const char *b) {
    size_t n_a, n_b;
    char *bytes_a = bytes_of(a, &n_a), *bytes_b = bytes_of(b, &n_b);
    cr_expect(n_a == n_b && memcmp(bytes_a, bytes_b, n_a) == 0, "%s and %s differ", a, b);
    free(bytes_a);
    free(bytes_b);
}

// With and without environments for evaluations: without, these interrupt the episodes of training.
Test(library, trains_on_environments_of_ones_own_as_on_those_of_a_name) {
    own training = {0}, evaluating = {0};
    mr_vec_env *envs = wrap(&training), *eval_envs = wrap(&evaluating);
    train("named", NULL, NULL);
    train("own", envs, eval_envs);
    train("shared", envs, NULL);
    expect_same_file("named/policy.safetensors", "own/policy.safetensors");
    expect_same_file("named/policy.safetensors", "shared/policy.safetensors");
    expect_same_file("named/evaluations.csv", "own/evaluations.csv");
    expect_same_file("named/evaluations.csv", "shared/evaluations.csv");
    cr_expect_eq(training.n_closed, 0, "training borrows the environments");
    mr_vec_env_close(envs);
    mr_vec_env_close(eval_envs);
    cr_expect_eq(training.n_closed, 1);
}

/// What the callback of updates was told.
typedef struct {
    size_t n, last_update;
    bool has_loss;
} updates;

static void count_update(void *self, const mr_train_progress *now, size_t n_metrics,
                         const mr_train_metric *metrics) {
    updates *u = self;
    u->n++;
    u->last_update = now->n_updates;
    for (size_t i = 0; i < n_metrics; i++)
        if (strcmp(metrics[i].name, "train/critic_loss") == 0)
            u->has_loss = isfinite(metrics[i].value) && metrics[i].value > 0;
}

Test(library, tells_of_each_update) {
    const mr_train_setting settings[] = {
        {"out", "run"},         {"env", "InvertedPendulum-v5"},
        {"steps", "50"},        {"learning_starts", "40"},
        {"batch_size", "16"},   {"hidden", "16"},
        {"eval_episodes", "1"}, {"threads", "1"},
    };
    updates told = {0};
    const mr_train_options options = {.settings = settings,
                                      .n_settings = MR_COUNT(settings),
                                      .self = &told,
                                      .updated = count_update};
    mr_train_result result;
    expect_ok(mr_train(&options, &result));
    cr_expect_eq(told.n, 10);
    cr_expect_eq(told.last_update, 10);
    cr_expect(told.has_loss);
}

Test(library, goes_on_with_a_run_on_environments_of_ones_own) {
    own o = {0};
    mr_vec_env *envs = wrap(&o);
    train("run", envs, NULL);
    const mr_train_setting more = {"steps", "300"};
    const mr_train_options options = {.settings = &more, .n_settings = 1, .envs = envs};
    mr_train_result result;
    expect_ok(mr_train_resume("run", &options, &result));
    cr_expect_eq(result.last.total_timesteps, 300);
    mr_vec_env_close(envs);
}

static mr_status failing_step(void *self, size_t i, const double *action, double *obs,
                              mr_step *result) {
    (void)self, (void)action, (void)obs, (void)result;
    return mr_fail(MR_ERR_IO, "the robot %zu is out of power", i);
}

static mr_status zero_reset(void *self, size_t i, const uint64_t *seed, double *obs) {
    (void)self, (void)i, (void)seed;
    obs[0] = 0;
    return MR_OK;
}

static mr_env_spec line_spec(void) {
    static const double low = -1, high = 1;
    return (mr_env_spec){
        .name = "line", .obs_dim = 1, .act_dim = 1, .act_low = &low, .act_high = &high};
}

Test(library, says_which_environment_of_ones_own_failed) {
    const mr_env_callbacks callbacks = {.reset = zero_reset, .step = failing_step};
    const mr_env_spec spec = line_spec();
    mr_vec_env *envs = NULL;
    double obs[2], action[2] = {0};
    mr_step steps[2];
    expect_ok(mr_vec_env_new(&callbacks, NULL, &spec, 2, 1, &envs));
    cr_expect_eq(mr_vec_env_step(envs, NULL, action, obs, steps), MR_ERR_USAGE, "before a reset");
    for (size_t i = 0; i < 2; i++)
        expect_ok(mr_vec_env_reset(envs, i, NULL, obs + i));
    cr_expect_eq(mr_vec_env_step(envs, NULL, action, obs, steps), MR_ERR_IO);
    scratch_expect_message("environment 0: the robot 0 is out of power");
    mr_vec_env_close(envs);
}

Test(library, refuses_a_spec_that_makes_no_sense) {
    const mr_env_callbacks callbacks = {.reset = zero_reset, .step = failing_step};
    static const double same = 1, infinite = INFINITY;
    mr_vec_env *envs = NULL;
    mr_env_spec spec[8];
    for (size_t i = 0; i < MR_COUNT(spec); i++)
        spec[i] = line_spec();
    spec[0].name = NULL;
    spec[1].name = "zmq:tcp";
    spec[2].obs_dim = 0;
    spec[3].act_dim = 0;
    spec[4].act_dim = SIZE_MAX;
    spec[5].act_low = &same;
    spec[6].act_high = &infinite;
    spec[7].n_info = 1;
    for (size_t i = 0; i < MR_COUNT(spec); i++)
        cr_expect_eq(mr_vec_env_new(&callbacks, NULL, &spec[i], 1, 1, &envs), MR_ERR_USAGE,
                     "spec %zu", i);
    spec[0] = line_spec();
    cr_expect_eq(mr_vec_env_new(&callbacks, NULL, &spec[0], 0, 1, &envs), MR_ERR_USAGE);
    cr_expect_eq(mr_vec_env_new(&callbacks, NULL, &spec[0], 1, 0, &envs), MR_ERR_USAGE);
    cr_expect_null(envs);
}

Test(library, refuses_infos_that_several_threads_would_write) {
    static const char *const names[] = {"speed"};
    static double speed;
    const mr_env_callbacks callbacks = {.reset = zero_reset, .step = failing_step};
    mr_vec_env *envs = NULL;
    mr_env_spec spec = line_spec();
    spec.n_info = 1;
    spec.info_names = names;
    spec.info = &speed;
    cr_expect_eq(mr_vec_env_new(&callbacks, NULL, &spec, 8, 4, &envs), MR_ERR_USAGE);
    scratch_expect_message("line: its environments share one array of infos, which 4 threads");
    cr_assert_null(envs);
    expect_ok(mr_vec_env_new(&callbacks, NULL, &spec, 8, 1, &envs));
    mr_vec_env_close(envs);
}

// ---- Misuse

#define EXPECT_REFUSED(call)                                                                       \
    do {                                                                                           \
        mr_fail(MR_OK, "nothing");                                                                 \
        cr_expect_eq((call), MR_ERR_USAGE, "%s", #call);                                           \
        cr_expect_str_neq(mr_error_message(), "nothing", "%s", #call);                             \
    } while (0)

Test(library, refuses_null) {
    mr_policy *policy = flow_policy(), *no_policy = NULL;
    mr_density *density = NULL, *no_density = NULL;
    mr_env *env = NULL, *no_env = NULL;
    mr_vec_env *no_envs = NULL;
    mr_evaluation *no_evaluation = NULL;
    mr_fit_progress fitted;
    mr_train_result trained;
    double numbers[64] = {0};
    float floats[8] = {0};
    size_t n;
    mr_step step;
    const mr_eval_options how = {0};
    const mr_train_options run = {0};
    expect_ok(mr_density_new("gaussian", MR_FLOW_TO_SCORE, 2, 1, &density));
    expect_ok(mr_env_open("InvertedPendulum-v5", NULL, &env));

    EXPECT_REFUSED(mr_policy_load(NULL, &no_policy));
    EXPECT_REFUSED(mr_policy_load("x", NULL));
    EXPECT_REFUSED(mr_policy_load_memory(NULL, 8, &no_policy));
    EXPECT_REFUSED(mr_policy_save(NULL, "x", 0, NULL));
    EXPECT_REFUSED(mr_policy_save(policy, NULL, 0, NULL));
    EXPECT_REFUSED(mr_policy_save(policy, "x", 1, NULL));
    EXPECT_REFUSED(mr_policy_check_env(NULL, mr_env_get_spec(env)));
    EXPECT_REFUSED(mr_policy_check_env(policy, NULL));
    EXPECT_REFUSED(mr_policy_set_deterministic(NULL, "base"));
    EXPECT_REFUSED(mr_policy_set_deterministic(policy, NULL));
    EXPECT_REFUSED(mr_policy_act(NULL, numbers, NULL, numbers));
    EXPECT_REFUSED(mr_policy_act(policy, NULL, NULL, numbers));
    EXPECT_REFUSED(mr_policy_act(policy, numbers, NULL, NULL));
    EXPECT_REFUSED(mr_policy_sample(NULL, 1, numbers, NULL, numbers, NULL));
    EXPECT_REFUSED(mr_policy_log_prob(NULL, 1, numbers, numbers, floats));
    EXPECT_REFUSED(mr_policy_log_prob(policy, 1, NULL, numbers, floats));
    EXPECT_REFUSED(mr_policy_log_prob(policy, 1, numbers, NULL, floats));
    EXPECT_REFUSED(mr_policy_log_prob(policy, 1, numbers, numbers, NULL));
    EXPECT_REFUSED(mr_policy_noise(policy, 1, 1, NULL));
    EXPECT_REFUSED(mr_policy_noise(NULL, 1, 1, floats));
    EXPECT_REFUSED(mr_policy_prepare(NULL, 1));
    EXPECT_REFUSED(mr_policy_prepare(policy, 0));
    EXPECT_REFUSED(mr_env_open(NULL, NULL, &no_env));
    EXPECT_REFUSED(mr_env_open("Ant-v5", NULL, NULL));
    EXPECT_REFUSED(mr_env_reset(NULL, NULL, numbers));
    EXPECT_REFUSED(mr_env_reset(env, NULL, NULL));
    EXPECT_REFUSED(mr_env_step(NULL, numbers, numbers, &step));
    EXPECT_REFUSED(mr_env_step(env, numbers, numbers, NULL));
    EXPECT_REFUSED(mr_env_describe(NULL, NULL, (char *)numbers, sizeof numbers));
    EXPECT_REFUSED(mr_vec_env_open(NULL, NULL, 1, 1, &no_envs));
    EXPECT_REFUSED(mr_vec_env_new(NULL, NULL, mr_env_get_spec(env), 1, 1, &no_envs));
    EXPECT_REFUSED(mr_vec_env_infos(NULL, 1, numbers));
    EXPECT_REFUSED(mr_vec_env_add_info(NULL, "speed"));
    EXPECT_REFUSED(mr_vec_env_reset(NULL, 0, NULL, numbers));
    EXPECT_REFUSED(mr_vec_env_step(NULL, NULL, numbers, numbers, &step));
    EXPECT_REFUSED(mr_evaluation_new(0, &no_evaluation));
    EXPECT_REFUSED(mr_evaluate(policy, NULL, &how, no_evaluation));
    EXPECT_REFUSED(mr_density_new(NULL, MR_FLOW_TO_SCORE, 2, 1, &no_density));
    EXPECT_REFUSED(mr_density_new("gaussian", MR_FLOW_TO_SCORE, 0, 1, &no_density));
    EXPECT_REFUSED(mr_density_load(NULL, &no_density));
    EXPECT_REFUSED(mr_density_load_memory(NULL, 8, &no_density));
    EXPECT_REFUSED(mr_density_save(NULL, "x"));
    EXPECT_REFUSED(mr_density_log_prob(density, 0, 1, numbers, numbers));
    EXPECT_REFUSED(mr_density_score(density, 1, 1, NULL, numbers, &n));
    EXPECT_REFUSED(mr_density_sample(density, 1, 1, 2, NULL, NULL));
    EXPECT_REFUSED(mr_density_set_columns(density, 2, (const size_t[]){1, 0}));
    EXPECT_REFUSED(mr_fit(NULL, 2, numbers, NULL, NULL, NULL, NULL, &fitted));
    EXPECT_REFUSED(mr_fit(density, 2, numbers, &(mr_fit_options){0}, NULL, NULL, NULL, &fitted));
    EXPECT_REFUSED(mr_vi_fit(density, NULL, NULL, NULL, NULL, NULL, NULL));
    EXPECT_REFUSED(mr_train(NULL, &trained));
    EXPECT_REFUSED(mr_train(&run, NULL));
    EXPECT_REFUSED(mr_train(&run, &trained));
    EXPECT_REFUSED(mr_train_resume(NULL, &run, &trained));
    EXPECT_REFUSED(mr_init(1u << 10));
    cr_expect(!no_policy && !no_density && !no_env && !no_envs && !no_evaluation);

    mr_policy_free(policy);
    mr_density_free(density);
    mr_env_close(env);
    mr_policy_free(NULL);
    mr_density_free(NULL);
    mr_env_close(NULL);
    mr_vec_env_close(NULL);
    mr_evaluation_free(NULL);
}

Test(library, answers_for_null_what_is_asked_without_a_status) {
    size_t n;
    cr_expect_null(mr_policy_get_spec(NULL));
    cr_expect_not(mr_policy_is_stochastic(NULL));
    cr_expect_null(mr_env_get_spec(NULL));
    cr_expect_null(mr_env_info(NULL));
    cr_expect_null(mr_env_info_name(NULL, 0));
    cr_expect_null(mr_env_warning(NULL));
    cr_expect_eq(mr_env_info_count(NULL) + mr_env_n_diverged(NULL) + mr_env_n_warned(NULL), 0);
    cr_expect_null(mr_env_at(mr_env_count()).name);
    cr_expect_null(mr_env_scheme_at(mr_env_scheme_count()).name);
    cr_expect_null(mr_vec_env_get_spec(NULL));
    cr_expect_eq(mr_vec_env_n(NULL) + mr_vec_env_n_diverged(NULL) + mr_vec_env_n_warned(NULL), 0);
    cr_expect_null(mr_density_flow(NULL));
    cr_expect_null(mr_density_columns(NULL, &n));
    cr_expect_eq(mr_density_dim(NULL), 0);
    mr_density_shape(NULL, NULL, NULL, NULL);
}

Test(library, refuses_an_evaluation_on_another_task) {
    mr_policy *policy = flow_policy();
    mr_vec_env *envs = NULL;
    mr_evaluation *evaluation = NULL;
    const mr_eval_options how = {0};
    expect_ok(mr_vec_env_open("HalfCheetah-v5", NULL, 1, 1, &envs));
    expect_ok(mr_evaluation_new(1, &evaluation));
    cr_expect_eq(mr_evaluate(policy, envs, &how, evaluation), MR_ERR_INPUT);
    mr_evaluation_free(evaluation);
    mr_vec_env_close(envs);
    mr_policy_free(policy);
}

// ---- The process

Test(library, has_the_version_of_its_header) {
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", MR_VERSION_MAJOR, MR_VERSION_MINOR,
             MR_VERSION_PATCH);
    cr_expect_str_eq(mr_version(), expected);
}

static char told[256];
static mr_log_level told_level;

static void keep_line(void *self, mr_log_level level, const char *text) {
    told_level = level;
    snprintf(self, sizeof told, "%s", text);
}

Test(library, logs_to_whoever_was_named) {
    mr_tell(MR_LOG_NOTE, "to nobody");
    mr_log_to(keep_line, told);
    mr_tell(MR_LOG_WARNING, "a warning");
    cr_expect_str_eq(told, "a warning");
    cr_expect_eq(told_level, MR_LOG_WARNING);
    mr_log_to(NULL, NULL);
    mr_tell(MR_LOG_NOTE, "to nobody again");
    cr_expect_str_eq(told, "a warning");
}

Test(library, logs_mujocos_warnings_to_the_host) {
    mr_log_to(keep_line, told);
    mju_warning("the host's own");
    cr_expect_str_eq(told, "the host's own");
}

static void note_error(const char *text) {
    snprintf(told, sizeof told, "%s", text);
}

Test(library, hands_the_hosts_mujoco_errors_to_the_hosts_handler) {
    mr_env *env = NULL;
    mju_user_error = note_error; // before the library takes the handlers
    mr_env_take_mujoco_errors();
    mju_error("the host's own");
    cr_expect_str_eq(told, "the host's own");
    // An error in a call of the library does not reach it.
    told[0] = '\0';
    scratch_write("bad.xml", "<mujoco><worldbody><body><geom/></body></worldbody></mujoco>");
    cr_expect_eq(mr_env_open("mjcf:bad.xml", NULL, &env), MR_ERR_INPUT);
    cr_expect_str_eq(told, "");
}

// MuJoCo's own way: it prints the text and ends the process; version 2 waits for a key before that.
Test(library, lets_mujoco_print_the_hosts_errors_if_the_host_has_no_handler, .exit_code = 1) {
    cr_assert_not_null(freopen("/dev/null", "r", stdin));
    mju_error("nobody handles it");
}
