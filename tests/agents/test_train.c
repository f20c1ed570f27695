#include "agents/train.h"

#include "agents/policy.h"

#include <math.h>
#include <pthread.h>
#include <sys/file.h>

#include <mujoco/mujoco.h>

#include "tests/agents/set.h"
#include "tests/scratch.h"

TestSuite(train, .init = scratch_enter, .fini = scratch_leave);

// ---- Short runs of small nets

static mr_settings settings_of(const char *env, const char *out) {
    mr_settings s;
    mr_settings_init(&s);
    snprintf(s.env, sizeof s.env, "%s", env);
    set(&s, "policy", "real_nvp:layers=2,hidden=8");
    snprintf(s.out, sizeof s.out, "%s", out);
    s.hidden = (mr_widths){.n = 2, .width = {16, 16}};
    s.steps = 240;
    s.threads = 1;
    s.batch_size = 16;
    s.buffer_size = 1000;
    s.learning_starts = 60;
    s.eval_every = 120;
    s.eval_episodes = 2;
    return s;
}

static mr_settings settings_for(const char *out) {
    return settings_of("InvertedPendulum-v5", out);
}

static mr_trainer_result train(const mr_settings *settings) {
    mr_trainer_result result = {0};
    cr_assert_eq(mr_trainer_run(settings, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    return result;
}

static const char *path_of(const char *out, const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", out, name);
    return path;
}

static bool exists(const char *out, const char *name) {
    return access(path_of(out, name), F_OK) == 0;
}

static bool is_same_file(const char *out_a, const char *out_b, const char *name) {
    char *a = NULL, *b = NULL;
    size_t n_a, n_b;
    cr_assert_eq(mr_file_read(path_of(out_a, name), &a, &n_a), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_file_read(path_of(out_b, name), &b, &n_b), MR_OK, "%s", mr_error_message());
    const bool same = n_a == n_b && memcmp(a, b, n_a) == 0;
    free(a);
    free(b);
    return same;
}

static mr_tensors *open_file(const char *out, const char *name) {
    mr_tensors *file = NULL;
    cr_assert_eq(mr_tensors_open(path_of(out, name), &file), MR_OK, "%s", mr_error_message());
    return file;
}

static void expect_finite(const char *out, const char *name) {
    mr_tensors *file = open_file(out, name);
    cr_expect_gt(mr_tensors_count(file), 0);
    for (size_t k = 0; k < mr_tensors_count(file); k++) {
        const mr_tensor t = mr_tensors_at(file, k);
        if (t.dtype != MR_F32) // of a checkpoint: figures that are not known yet are NaN
            continue;
        for (size_t i = 0; i < t.n_bytes / sizeof(float); i++)
            cr_assert(isfinite(((const float *)t.data)[i]), "%s: %s[%zu]", name, t.name, i);
    }
    mr_tensors_close(file);
}

static void expect_note(const char *out, const char *name, const char *key, const char *value) {
    mr_tensors *file = open_file(out, name);
    cr_expect_str_eq(mr_tensors_note(file, key), value);
    mr_tensors_close(file);
}

// ---- Whole runs

Test(train, leaves_a_policy_of_its_task_behind) {
    const mr_settings s = settings_for("a");
    const mr_trainer_result result = train(&s);
    mr_policy *policy = NULL;
    mr_env *env = NULL;
    cr_expect(!result.stopped);
    cr_expect_eq(result.last.total_timesteps, 240);
    cr_assert_eq(mr_policy_load("a/policy.safetensors", &policy), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_env_open(s.env, NULL, &env), MR_OK);
    cr_expect_eq(mr_policy_check_env(policy, mr_env_get_spec(env)), MR_OK);
    mr_env_close(env);
    mr_policy_free(policy);
    cr_expect(exists("a", "best_policy.safetensors"));
    expect_note("a", "policy.safetensors", "steps", "240");
    expect_note("a", "policy.safetensors", "engine", "MuJoCo");
    expect_note("a", "policy.safetensors", "engine_version", mj_versionString());
}

static void train_twice(size_t threads, size_t num_envs) {
    static const char *const outs[] = {"a", "b"};
    for (size_t run = 0; run < 2; run++) {
        mr_settings s = settings_for(outs[run]);
        s.threads = threads;
        s.num_envs = num_envs;
        s.steps = 120;
        train(&s);
    }
    cr_expect(is_same_file("a", "b", "policy.safetensors"));
    cr_expect(is_same_file("a", "b", "best_policy.safetensors"));
    cr_expect(is_same_file("a", "b", "evaluations.csv"));
}

Test(train, the_same_seed_gives_the_same_bytes) {
    train_twice(1, 1);
}

Test(train, the_same_seed_gives_the_same_bytes_with_threads_and_copies) {
    train_twice(2, 3);
}

Test(train, another_seed_gives_another_policy) {
    mr_settings a = settings_for("a"), b = settings_for("b");
    b.seed = a.seed + 1;
    train(&a);
    train(&b);
    cr_expect(!is_same_file("a", "b", "policy.safetensors"));
    cr_expect(!is_same_file("a", "b", "evaluations.csv"));
}

// 60 is the largest multiple of 3 steps that does not go beyond learning_starts.
Test(train, updates_keep_pace_with_steps_however_many_environments) {
    static const struct {
        size_t num_envs, updates_per_step, learning_starts, n_updates;
    } cases[] = {
        {1, 1, 60, 180}, {3, 1, 60, 180}, {3, 1, 62, 180}, {3, 2, 60, 360}, {1, 1, 1000, 0},
    };
    for (size_t k = 0; k < MR_COUNT(cases); k++) {
        char out[16];
        snprintf(out, sizeof out, "run%zu", k);
        mr_settings s = settings_for(out);
        s.num_envs = cases[k].num_envs;
        s.updates_per_step = cases[k].updates_per_step;
        s.learning_starts = cases[k].learning_starts;
        const mr_trainer_result result = train(&s);
        cr_expect_eq(result.last.total_timesteps, 240);
        cr_expect_eq(result.last.n_updates, (double)cases[k].n_updates, "case %zu: %g updates", k,
                     result.last.n_updates);
    }
}

/// What a watcher saw, and when it asks to stop.
typedef struct {
    int n_steps, n_evaluations, n_best;
    double stop_after;
    volatile sig_atomic_t stop;
} witness;

static void saw_step(void *self, const mr_metrics *now) {
    witness *w = self;
    w->n_steps++;
    if (now->total_timesteps == w->stop_after)
        w->stop = 1;
}

static void saw_evaluation(void *self, const mr_metrics *now, bool best) {
    witness *w = self;
    w->n_evaluations++;
    w->n_best += best;
    cr_expect(isfinite(now->eval_mean_reward));
}

Test(train, a_watcher_sees_every_step_and_evaluation) {
    const mr_settings s = settings_for("a");
    witness w = {0};
    const mr_train_watcher watcher = {.self = &w, .stepped = saw_step, .evaluated = saw_evaluation};
    mr_trainer_result result;
    cr_assert_eq(mr_trainer_run(&s, NULL, &watcher, &w.stop, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(w.n_steps, 240);
    cr_expect_eq(w.n_evaluations, 2);
    cr_expect_geq(w.n_best, 1);
    cr_expect(!result.stopped);
    cr_expect_eq(result.best_mean_reward >= result.last.eval_mean_reward, true);
}

// What a run says at its beginning, such as how to go on with it, is then true.
static void saw_beginning(void *self) {
    witness *w = self;
    cr_expect_eq(w->n_steps, 0);
    cr_expect(exists("a", "checkpoint.safetensors"));
    w->n_steps = 1000;
}

Test(train, tells_of_its_beginning_before_its_first_step) {
    const mr_settings s = settings_for("a");
    witness w = {0};
    const mr_train_watcher watcher = {.self = &w, .begun = saw_beginning, .stepped = saw_step};
    mr_trainer_result result;
    cr_assert_eq(mr_trainer_run(&s, NULL, &watcher, &w.stop, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(w.n_steps, 1240);
}

Test(train, stops_when_told_to_with_everything_saved) {
    const mr_settings s = settings_for("a");
    witness w = {.stop_after = 150};
    const mr_train_watcher watcher = {.self = &w, .stepped = saw_step};
    mr_trainer_result result;
    cr_assert_eq(mr_trainer_run(&s, NULL, &watcher, &w.stop, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect(result.stopped);
    cr_expect_eq(result.last.total_timesteps, 150);
    cr_expect_eq(w.n_steps, 150);
    expect_note("a", "policy.safetensors", "steps", "150");
    expect_note("a", "checkpoint.safetensors", "n_updates", "90");
    expect_finite("a", "checkpoint.safetensors");
    char *progress = scratch_read("a/progress.csv");
    scratch_expect_part(progress, "\n150,");
    free(progress);
}

Test(train, a_stop_at_a_row_adds_no_second_one) {
    mr_settings s = settings_for("a");
    witness w = {.stop_after = 1000};
    const mr_train_watcher watcher = {.self = &w, .stepped = saw_step};
    mr_trainer_result result;
    s.steps = 2000;
    s.learning_starts = 990;
    cr_assert_eq(mr_trainer_run(&s, NULL, &watcher, &w.stop, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect(result.stopped);
    char *progress = scratch_read("a/progress.csv");
    size_t n_rows = 0;
    for (const char *c = progress; *c != '\0'; c++)
        n_rows += strncmp(c, "\n1000,", 6) == 0;
    cr_expect_eq(n_rows, 1, "%s", progress);
    free(progress);
}

// The gradient is bad at the first update, before any checkpoint is due.
Test(train, a_checkpoint_is_there_from_the_first_step_on) {
    mr_settings s = settings_for("a");
    mr_trainer_result result;
    sac_options(&s)->critic_lr = 1e10;
    cr_expect_eq(mr_trainer_run(&s, NULL, NULL, NULL, &result), MR_ERR_NUMERIC);
    scratch_expect_message("the last good policy and checkpoint are in a");
    expect_note("a", "checkpoint.safetensors", "n_updates", "0");
    set(&s, "critic_lr", "0.001"); // with which it can go on
    cr_expect_eq(mr_trainer_resume(&s, NULL, NULL, NULL, &result), MR_OK, "%s", mr_error_message());
    cr_expect_eq(result.last.total_timesteps, (double)s.steps);
}

// ---- What cannot begin

Test(train, refuses_a_directory_that_exists_and_leaves_it_alone) {
    const mr_settings s = settings_for("a");
    mr_trainer_result result;
    cr_assert_eq(mr_make_directories("a"), MR_OK);
    scratch_write("a/config.yaml", "precious");
    cr_expect_eq(mr_trainer_run(&s, NULL, NULL, NULL, &result), MR_ERR_USAGE);
    scratch_expect_message("a exists already");
    char *text = scratch_read("a/config.yaml");
    cr_expect_str_eq(text, "precious");
    free(text);
    cr_expect(!exists("a", "policy.safetensors"));
}

Test(train, settings_that_do_not_work_leave_no_directory) {
    static const struct {
        const char *name, *value, *message;
    } cases[] = {{"env", "InvertedPendulm-v5", "InvertedPendulum-v5"},
                 {"policy", "real_nvpp", "real_nvp"},
                 {"batch_size", "2000", "batch_size"}};
    for (size_t k = 0; k < MR_COUNT(cases); k++) {
        mr_settings s = settings_for("a");
        mr_trainer_result result;
        cr_assert_eq(mr_settings_set(&s, cases[k].name, cases[k].value, "x"), MR_OK);
        cr_expect_eq(mr_trainer_run(&s, NULL, NULL, NULL, &result), MR_ERR_USAGE, "%s",
                     cases[k].name);
        scratch_expect_message(cases[k].message);
        cr_expect(access("a", F_OK) != 0, "%s", cases[k].name);
    }
}

// ---- What is not finite

static void expect_stopped(const mr_settings *s, const mr_train_watcher *watcher,
                           const char *quantity) {
    mr_trainer_result result = {.best_mean_reward = 7};
    cr_expect_eq(mr_trainer_run(s, NULL, watcher, NULL, &result), MR_ERR_NUMERIC);
    scratch_expect_message(quantity);
    scratch_expect_message("step ");
    scratch_expect_message("the last good policy and checkpoint are in a");
    cr_expect_null(strchr(mr_error_message(), '\n'));
    cr_expect_eq(result.best_mean_reward, 7); // untouched on failure
    expect_finite("a", "policy.safetensors");
    expect_finite("a", "checkpoint.safetensors");
    mr_policy *policy = NULL;
    cr_expect_eq(mr_policy_load("a/policy.safetensors", &policy), MR_OK, "%s", mr_error_message());
    mr_policy_free(policy);
}

// Adam's steps have the size of the learning rate: after the first, three layers of such weights
// multiply to 1e30, whose gradients Adam cannot square, or to more than float32 holds.
static void check_learning_rate(double critic_lr, const char *quantity) {
    mr_settings s = settings_for("a");
    sac_options(&s)->critic_lr = critic_lr;
    s.checkpoint_every = 50;
    expect_stopped(&s, NULL, quantity);
}

Test(train, a_gradient_that_is_not_finite_stops_it) {
    check_learning_rate(1e10, "the gradient of the actor loss");
}

Test(train, a_loss_that_is_not_finite_stops_it) {
    check_learning_rate(1e20, "the actor loss is ");
}

/// MuJoCo calls this once in each simulation step of HalfCheetah, after all that depends on the
/// positions has been computed. What is written into them in the last of an environment step's five
/// simulation steps goes to the observation and the reward as it is.
static struct {
    bool armed;
    int n_calls;
    int index; // of the position that becomes NaN
} saboteur;

static void sabotage(const mjModel *model, mjData *data) {
    (void)model;
    if (saboteur.armed && ++saboteur.n_calls == 5)
        data->qpos[saboteur.index] = NAN;
}

static void arm_at_100(void *self, const mr_metrics *now) {
    (void)self;
    saboteur.armed = now->total_timesteps == 100;
}

// The episode ends as truncated, and training goes on to its end.
static void check_sabotage(int index) {
    const mr_settings s = settings_of("HalfCheetah-v5", "a");
    const mr_train_watcher watcher = {.stepped = arm_at_100};
    mr_trainer_result result = {0};
    saboteur.index = index;
    mjcb_control = sabotage;
    cr_assert_eq(mr_trainer_run(&s, NULL, &watcher, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    mjcb_control = NULL;
    cr_expect_geq(saboteur.n_calls, 5);
    cr_expect_eq(result.n_diverged, 1);
    cr_expect_eq(result.last.n_diverged, 1);
    cr_expect_eq(result.last.total_timesteps, 240);
    cr_expect_eq(result.last.episodes, 1); // an episode has 1,000 steps
    cr_expect_eq(result.last.ep_len_mean, 101);
    cr_expect(isfinite(result.last.ep_rew_mean));
    expect_finite("a", "policy.safetensors");
}

// The observation begins with position 1, the height.
Test(train, an_observation_that_is_not_finite_ends_the_episode) {
    check_sabotage(1);
}

// Position 0, along the track, is rewarded but not observed.
Test(train, a_reward_that_is_not_finite_ends_the_episode) {
    check_sabotage(0);
}

static void stop_and_resume(const mr_settings *settings, double stop_after) {
    witness w = {.stop_after = stop_after};
    const mr_train_watcher watcher = {.self = &w, .stepped = saw_step};
    mr_trainer_result result;
    cr_assert_eq(mr_trainer_run(settings, NULL, &watcher, &w.stop, &result), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(mr_trainer_resume(settings, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
}

// With a bonus, stopped half-way, three copies on two threads: bit for bit as in one go.
static void check_resumed(const char *agent, size_t n_step, size_t n_others,
                          const char *const (*others)[2]) {
    mr_settings whole = settings_for("a"), parted = settings_for("b");
    mr_settings *const both[] = {&whole, &parted};
    for (size_t k = 0; k < MR_COUNT(both); k++) {
        both[k]->threads = 2;
        both[k]->num_envs = 3;
        snprintf(both[k]->bonus, sizeof both[k]->bonus, "density");
        snprintf(both[k]->agent, sizeof both[k]->agent, "%s", agent);
        both[k]->n_step = n_step;
        both[k]->normalize_reward = n_step > 1;
        for (size_t i = 0; i < n_others; i++)
            set(both[k], others[i][0], others[i][1]);
        memset(both[k]->is_given, 0, sizeof both[k]->is_given); // the policy, which is sac's
    }
    train(&whole);
    stop_and_resume(&parted, 150);
    cr_expect(is_same_file("a", "b", "policy.safetensors"));
    cr_expect(is_same_file("a", "b", "density.safetensors"));
}

// The settings "name=value name=value", alone.
static void check_resumed_with(const char *pairs) {
    mr_settings runs[] = {settings_for("a"), settings_for("b")};
    for (size_t k = 0; k < MR_COUNT(runs); k++) {
        char text[256], *rest = NULL;
        snprintf(text, sizeof text, "%s", pairs);
        for (char *pair = strtok_r(text, " ", &rest); pair; pair = strtok_r(NULL, " ", &rest)) {
            char *value = strchr(pair, '=');
            *value = '\0';
            set(&runs[k], pair, value + 1);
        }
    }
    train(&runs[0]);
    stop_and_resume(&runs[1], 150);
    cr_expect(is_same_file("a", "b", "policy.safetensors"));
    expect_finite("a", "policy.safetensors");
}

Test(train, a_run_with_standardised_observations_and_a_falling_rate_goes_on_with_the_same_bytes) {
    check_resumed_with("normalize_observation=true lr_schedule=cosine num_envs=2");
}

// The statistics have gone on since the best evaluation.
Test(train, the_best_policy_keeps_its_statistics_of_observations_when_a_run_goes_on) {
    mr_settings s = settings_for("a");
    witness w = {.stop_after = 150};
    const mr_train_watcher watcher = {.self = &w, .stepped = saw_step};
    mr_trainer_result result;
    set(&s, "normalize_observation", "true");
    cr_assert_eq(mr_trainer_run(&s, NULL, &watcher, &w.stop, &result), MR_OK, "%s",
                 mr_error_message());
    cr_assert(exists("a", "best_policy.safetensors"));
    cr_assert_eq(system("mkdir b && cp a/best_policy.safetensors b"), 0);
    cr_assert_eq(mr_trainer_resume(&s, NULL, &watcher, &w.stop, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect(result.stopped);
    cr_expect(is_same_file("a", "b", "best_policy.safetensors"));
}

Test(train, a_run_with_repeated_noise_goes_on_with_the_same_bytes) {
    check_resumed_with("noise_repeat=16 num_envs=2");
}

Test(train, a_run_with_prioritised_replay_goes_on_with_the_same_bytes) {
    check_resumed_with("priority_alpha=0.6 num_envs=2");
}

Test(train, a_run_with_bounded_returns_goes_on_with_the_same_bytes) {
    check_resumed_with("normalize_reward=true max_return=5");
}

Test(train, a_run_with_a_bonus_goes_on_with_the_same_bytes_with_threads_and_copies) {
    check_resumed("sac", 1, 0, NULL);
}

Test(train, a_run_with_normalised_returns_of_3_steps_goes_on_with_the_same_bytes) {
    check_resumed("sac", 3, 0, NULL);
}

Test(train, a_run_of_td3_goes_on_with_the_same_bytes_too) {
    check_resumed("td3", 1, 0, NULL);
}

Test(train, a_run_of_meow_goes_on_with_the_same_bytes_too) {
    static const char *const settings[][2] = {{"policy", "[coupling(shift, hidden=8)]*2"},
                                              {"bonus_critic", "shared"}};
    check_resumed("meow", 1, MR_COUNT(settings), settings);
}

Test(train, a_run_with_layer_norm_in_its_critics_goes_on_with_the_same_bytes_too) {
    static const char *const settings[][2] = {{"critic_norm", "layer"},
                                              {"critic_activation", "silu"}};
    check_resumed("sac", 1, MR_COUNT(settings), settings);
}

Test(train, a_run_with_residual_critics_goes_on_with_the_same_bytes_too) {
    static const char *const settings[][2] = {
        {"critic_norm", "rms"}, {"critic_activation", "gelu"}, {"critic_residual", "true"}};
    check_resumed("td3", 1, MR_COUNT(settings), settings);
}

Test(train, a_run_of_crossq_goes_on_with_the_same_bytes_too) {
    static const char *const settings[][2] = {
        {"critic_targets", "none"}, {"critic_norm", "batch_renorm"}, {"actor_norm", "batch_renorm"},
        {"norm_position", "after"}, {"weight_norm", "true"},         {"adam_beta1", "0.5"}};
    check_resumed("sac", 1, MR_COUNT(settings), settings);
}

Test(train, a_run_with_quantiles_of_some_critics_and_dropout_goes_on_with_the_same_bytes_too) {
    static const char *const settings[][2] = {
        {"critics", "4"},          {"critic_target_subset", "2"}, {"critic_head", "quantile"},
        {"critic_dropout", "0.1"}, {"critic_norm", "layer"},      {"actor_value", "mean"},
        {"updates_per_step", "3"}, {"policy_delay", "3"}};
    check_resumed("sac", 1, MR_COUNT(settings), settings);
}

// The joint pass of a batch norm, of some critics, with dropout in it.
Test(train, a_run_with_categories_of_some_critics_goes_on_with_the_same_bytes_too) {
    static const char *const settings[][2] = {
        {"critic_head", "categorical"}, {"normalize_reward", "true"},
        {"initial_alpha", "0.01"},      {"critics", "3"},
        {"critic_target_subset", "2"},  {"critic_dropout", "0.1"},
        {"critic_norm", "batch"}};
    check_resumed("sac", 3, MR_COUNT(settings), settings);
}

// Between the stop and the end, and before.
Test(train, a_run_of_td3_with_quantiles_and_resets_goes_on_with_the_same_bytes_too) {
    static const char *const settings[][2] = {
        {"critic_head", "quantile"}, {"critics", "3"}, {"reset_every", "40"}};
    check_resumed("td3", 1, MR_COUNT(settings), settings);
}

Test(train, a_run_of_sac_with_resets_goes_on_with_the_same_bytes_too) {
    static const char *const settings[][2] = {{"reset_every", "40"}};
    check_resumed("sac", 1, MR_COUNT(settings), settings);
}

// Resets before the stop and after it, and an average that began at the last of them.
Test(train, a_run_that_saves_an_average_of_its_policy_goes_on_with_the_same_bytes_too) {
    static const char *const settings[][2] = {{"policy_ema", "0.99"}, {"reset_every", "40"}};
    check_resumed("sac", 1, MR_COUNT(settings), settings);
}

// How many arrays of a file have other numbers in another one. Their names begin with `first` here,
// and there also with `prefix`.
static size_t count_different(const mr_tensors *file, const char *first, const mr_tensors *other,
                              const char *prefix) {
    size_t n_found = 0, n_different = 0;
    for (size_t k = 0; k < mr_tensors_count(file); k++) {
        char name[256];
        mr_tensor found;
        const mr_tensor t = mr_tensors_at(file, k);
        snprintf(name, sizeof name, "%s%s", prefix, t.name);
        if (strncmp(t.name, first, strlen(first)) != 0 || !mr_tensors_find(other, name, &found))
            continue;
        n_found++;
        n_different += found.n_bytes != t.n_bytes || memcmp(found.data, t.data, t.n_bytes) != 0;
    }
    cr_expect_gt(n_found, 0, "%s", prefix);
    return n_different;
}

// The policy that is saved is the average; what is trained is the same as without.
Test(train, an_average_of_the_policy_is_saved_and_changes_nothing_else) {
    mr_settings plain = settings_for("plain"), averaged = settings_for("averaged");
    set(&averaged, "policy_ema", "0.99");
    const mr_trainer_result a = train(&plain), b = train(&averaged);
    cr_expect_eq(a.last.ep_rew_mean, b.last.ep_rew_mean);
    mr_tensors *policy = open_file("averaged", "policy.safetensors");
    mr_tensors *checkpoint = open_file("averaged", "checkpoint.safetensors");
    mr_tensors *of_plain = open_file("plain", "checkpoint.safetensors");
    cr_expect_eq(count_different(policy, "", checkpoint, "average.policy."), 0);
    cr_expect_gt(count_different(policy, "", checkpoint, "policy."), 0);
    cr_expect_eq(count_different(of_plain, "policy.", checkpoint, ""), 0);
    cr_expect_eq(count_different(of_plain, "critic.", checkpoint, ""), 0);
    mr_tensors_close(policy);
    mr_tensors_close(checkpoint);
    mr_tensors_close(of_plain);
}

// Version 0.1 wrote the numbers 10, 20, ... as 1.0e+01, 2.0e+01, ...
Test(train, a_checkpoint_with_another_text_of_the_same_number_goes_on) {
    mr_settings s = settings_for("a");
    mr_trainer_result result;
    char *bytes;
    size_t n_bytes;
    s.reward_scale = 1000;
    train(&s);
    cr_assert_eq(mr_file_read("a/checkpoint.safetensors", &bytes, &n_bytes), MR_OK);
    const char *key = memmem(bytes, n_bytes, "setting.reward_scale", 20);
    cr_assert_not_null(key);
    char *value = memmem(key, 64, "\"1000\"", 6);
    cr_assert_not_null(value);
    memcpy(value, "\"1e+3\"", 6);
    cr_assert_eq(mr_file_replace("a/checkpoint.safetensors", 1, &(mr_bytes){bytes, n_bytes}),
                 MR_OK);
    free(bytes);
    s.steps = 300;
    cr_assert_eq(mr_trainer_resume(&s, NULL, NULL, NULL, &result), MR_OK, "%s", mr_error_message());
    cr_expect_eq(result.last.total_timesteps, 300);
}

// As if the checkpoint had been written before there was an n_step.
Test(train, a_setting_that_a_checkpoint_does_not_have_is_its_default) {
    mr_settings s = settings_for("a");
    mr_trainer_result result;
    char *bytes;
    size_t n_bytes;
    train(&s);
    cr_assert_eq(mr_file_read("a/checkpoint.safetensors", &bytes, &n_bytes), MR_OK);
    const char name[] = "setting.priority_alpha";
    char *key = memmem(bytes, n_bytes, name, strlen(name));
    cr_assert_not_null(key);
    key[strlen("setting.")] = 'x';
    cr_assert_eq(mr_file_replace("a/checkpoint.safetensors", 1, &(mr_bytes){bytes, n_bytes}),
                 MR_OK);
    free(bytes);
    s.steps = 300;
    s.priority_alpha = 0.5;
    cr_expect_eq(mr_trainer_resume(&s, NULL, NULL, NULL, &result), MR_ERR_USAGE);
    scratch_expect_part(mr_error_message(),
                        "priority_alpha is 0.5, but the run goes on only with the 0");
    s.priority_alpha = 0;
    cr_expect_eq(mr_trainer_resume(&s, NULL, NULL, NULL, &result), MR_OK, "%s", mr_error_message());
}

// ---- Settings that are changed when a run is resumed

// Another value than the present one: the first that settings with it pass their checks with.
static bool change(const mr_setting *setting, mr_settings *s) {
    static const char *const values[] = {"0.5", "true", "0.9", "3", "mean", "linear", "0.001"};
    const mr_settings before = *s;
    for (size_t i = 0; i < MR_COUNT(values); i++) {
        *s = before;
        if (mr_setting_store(setting, s, values[i], setting->name) == MR_OK &&
            !mr_setting_is_same(setting, s, &before) && mr_settings_check(s) == MR_OK)
            return true;
    }
    *s = before;
    return false;
}

static void note_text(void *self, const char *text) {
    snprintf(self, MR_MAX_TEXT, "%s", text);
}

static size_t change_each(const char *agent) {
    size_t n_changed = 0;
    mr_settings begun = settings_for("a");
    memset(begun.is_given, 0, sizeof begun.is_given); // `policy`, which td3 does not have
    set(&begun, "agent", agent);
    set(&begun, "bonus", "density");
    set(&begun, "bonus_flow", "real_nvp:layers=2,hidden=8");
    set(&begun, "priority_alpha", "0.6");
    set(&begun, "normalize_reward", "true");
    begun.steps = 120;
    cr_assert_eq(system("rm -rf a"), 0);
    train(&begun);
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *setting = mr_setting_at(i);
        char told[MR_MAX_TEXT] = "";
        const mr_train_watcher watcher = {.self = told, .noted = note_text};
        mr_settings s = begun;
        mr_trainer_result result;
        snprintf(s.out, sizeof s.out, "b");
        s.steps = 124;
        if (setting->role != MR_ROLE_TUNABLE || !mr_setting_is_used(setting, &s) ||
            !change(setting, &s))
            continue;
        cr_assert_eq(system("rm -rf b && cp -r a b"), 0);
        cr_expect_eq(mr_trainer_resume(&s, NULL, &watcher, NULL, &result), MR_OK, "%s: %s",
                     setting->name, mr_error_message());
        cr_expect_eq(result.last.total_timesteps, 124);
        scratch_expect_part(told, setting->name);
        n_changed++;
    }
    return n_changed;
}

// What is tunable is in no state that a checkpoint has: a run goes on with another value of it.
// Those that are not counted need other settings: critic_drop, lr_final.
Test(train, goes_on_with_another_value_of_each_tunable_setting) {
    cr_expect_geq(change_each("sac"), 26);
    cr_expect_geq(change_each("td3"), 26);
}

// ---- An environment that does not repeat itself

static void disturb(const mjModel *model, mjData *data) {
    (void)model;
    data->qvel[0] += 1e-3;
}

static size_t n_lost_episodes;

static void saw_resumption(void *self, const mr_metrics *now, size_t n_lost) {
    (void)self;
    cr_expect_eq(now->total_timesteps, 150);
    n_lost_episodes = n_lost;
}

// Its unfinished episode counts as one of 150 steps that was truncated.
Test(train, resumed_where_the_environment_differs_begins_the_episode_anew) {
    const mr_settings s = settings_of("HalfCheetah-v5", "a");
    witness w = {.stop_after = 150};
    const mr_train_watcher stopper = {.self = &w, .stepped = saw_step};
    const mr_train_watcher resumer = {.resumed = saw_resumption};
    mr_trainer_result result;
    cr_assert_eq(mr_trainer_run(&s, NULL, &stopper, &w.stop, &result), MR_OK, "%s",
                 mr_error_message());
    mjcb_control = disturb;
    cr_assert_eq(mr_trainer_resume(&s, NULL, &resumer, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    mjcb_control = NULL;
    cr_expect_eq(n_lost_episodes, 1);
    cr_expect_eq(result.last.total_timesteps, 240);
    cr_expect_eq(result.last.episodes, 1);
    cr_expect_eq(result.last.ep_len_mean, 150);
}

Test(train, is_refused_where_another_process_trains) {
    const mr_settings s = settings_for("a");
    mr_trainer_result result;
    train(&s);
    FILE *table = fopen("a/progress.csv", "a");
    cr_assert_eq(flock(fileno(table), LOCK_EX), 0);
    cr_expect_eq(mr_trainer_resume(&s, NULL, NULL, NULL, &result), MR_ERR_USAGE);
    scratch_expect_message("another process trains in a");
    fclose(table);
}

// ---- Asked to stop where a step takes long

/// MuJoCo calls this in each simulation step, of training and of evaluations.
static struct {
    double arm_after; // steps of training
    bool armed;
    int n_calls, stop_at_call;
    volatile sig_atomic_t stop;
} interrupter;

static void interrupt(const mjModel *model, mjData *data) {
    (void)model, (void)data;
    if (interrupter.armed && ++interrupter.n_calls == interrupter.stop_at_call)
        interrupter.stop = 1;
}

static void arm_interrupter(void *self, const mr_metrics *now) {
    (void)self;
    interrupter.armed = interrupter.armed || now->total_timesteps == interrupter.arm_after;
}

static size_t n_lines(const char *path) {
    size_t n = 0;
    char *text = scratch_read(path);
    for (const char *c = text; *c != '\0'; c++)
        n += *c == '\n';
    free(text);
    return n;
}

static void expect_same_runs(const char *a, const char *b) {
    cr_expect(is_same_file(a, b, "policy.safetensors"));
    cr_expect(is_same_file(a, b, "best_policy.safetensors"));
    cr_expect(is_same_file(a, b, "evaluations.csv"));
}

// A step of HalfCheetah takes five calls, and its evaluation's two episodes 10,000.
static void check_stop_in_evaluation(size_t eval_every, double arm_after, double stopped_after) {
    mr_settings whole = settings_of("HalfCheetah-v5", "a");
    mr_settings parted = settings_of("HalfCheetah-v5", "b");
    const mr_train_watcher watcher = {.stepped = arm_interrupter};
    mr_trainer_result result;
    whole.eval_every = parted.eval_every = eval_every;
    whole.steps = parted.steps = 200;
    train(&whole);
    interrupter.arm_after = arm_after;
    interrupter.stop_at_call = 1000;
    mjcb_control = interrupt;
    cr_assert_eq(mr_trainer_run(&parted, NULL, &watcher, &interrupter.stop, &result), MR_OK, "%s",
                 mr_error_message());
    mjcb_control = NULL;
    cr_expect(result.stopped);
    cr_expect_eq(result.last.total_timesteps, stopped_after);
    cr_expect_lt(interrupter.n_calls, 1100, "%d", interrupter.n_calls);
    cr_expect_eq(n_lines("b/evaluations.csv"), 1); // its heading
    cr_expect(exists("b", "policy.safetensors"));
    cr_assert_eq(mr_trainer_resume(&parted, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    expect_same_runs("a", "b");
}

Test(train, stopped_in_an_evaluation_goes_on_with_the_same_bytes) {
    check_stop_in_evaluation(120, 119, 120);
}

Test(train, stopped_in_the_last_evaluation_goes_on_with_the_same_bytes) {
    check_stop_in_evaluation(0, 199, 200);
}

Test(train, stopped_while_episodes_are_played_again_leaves_the_run_as_it_was) {
    const mr_settings whole = settings_of("HalfCheetah-v5", "a");
    const mr_settings parted = settings_of("HalfCheetah-v5", "b");
    witness w = {.stop_after = 150};
    const mr_train_watcher watcher = {.self = &w, .stepped = saw_step};
    mr_trainer_result result;
    train(&whole);
    cr_assert_eq(mr_trainer_run(&parted, NULL, &watcher, &w.stop, &result), MR_OK, "%s",
                 mr_error_message());
    interrupter.armed = true;
    interrupter.stop_at_call = 300;
    mjcb_control = interrupt;
    cr_assert_eq(mr_trainer_resume(&parted, NULL, NULL, &interrupter.stop, &result), MR_OK, "%s",
                 mr_error_message());
    mjcb_control = NULL;
    cr_expect(result.stopped);
    cr_expect_lt(interrupter.n_calls, 310);
    cr_expect_eq(result.last.total_timesteps, 150);
    cr_assert_eq(mr_trainer_resume(&parted, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    expect_same_runs("a", "b");
}

/// Asks to stop a while after the run has begun.
static struct {
    int n_steps; // done by then
    pthread_t thread;
    volatile sig_atomic_t stop;
} delayed;

static void *stop_soon(void *unused) {
    usleep(30000);
    delayed.stop = 1;
    return unused;
}

static void begin_delay(void *self) {
    (void)self;
    cr_assert_eq(pthread_create(&delayed.thread, NULL, stop_soon, NULL), 0);
}

static void count_steps(void *self, const mr_metrics *now) {
    (void)self, (void)now;
    delayed.n_steps++;
}

// With nets of this size a step of 400 updates takes about 0.4 s: long beside the 30 ms, also if
// the thread that asks waits for a core.
Test(train, stopped_between_the_updates_of_a_step_goes_on_with_the_same_bytes) {
    mr_settings whole = settings_for("a"), parted = settings_for("b");
    mr_settings *const both[] = {&whole, &parted};
    const mr_train_watcher watcher = {.begun = begin_delay, .stepped = count_steps};
    mr_trainer_result result;
    for (size_t k = 0; k < MR_COUNT(both); k++) {
        both[k]->steps = 2;
        both[k]->learning_starts = 0;
        both[k]->updates_per_step = 400;
        both[k]->hidden = (mr_widths){.n = 2, .width = {256, 256}};
        both[k]->eval_every = 0;
    }
    train(&whole);
    cr_assert_eq(mr_trainer_run(&parted, NULL, &watcher, &delayed.stop, &result), MR_OK, "%s",
                 mr_error_message());
    pthread_join(delayed.thread, NULL);
    cr_expect(result.stopped);
    cr_expect_eq(delayed.n_steps, 0);
    cr_expect_lt(result.last.n_updates, 400);
    cr_assert_eq(mr_trainer_resume(&parted, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(result.last.n_updates, 800);
    expect_same_runs("a", "b");
}

// ---- Tasks without a time limit

/// What was said of it.
typedef struct {
    size_t n_notes, n_lost;
    char note[512];
    double eval_length;
    double stop_after;
    volatile sig_atomic_t stop;
} endless_witness;

static void heard_note(void *self, const char *text) {
    endless_witness *w = self;
    w->n_notes++;
    snprintf(w->note, sizeof w->note, "%s", text);
}

static void saw_length(void *self, const mr_metrics *now, bool best) {
    endless_witness *w = self;
    (void)best;
    w->eval_length = now->eval_mean_ep_length;
}

static void stop_endless(void *self, const mr_metrics *now) {
    endless_witness *w = self;
    if (now->total_timesteps == w->stop_after)
        w->stop = 1;
}

static void saw_lost(void *self, const mr_metrics *now, size_t n_lost) {
    endless_witness *w = self;
    (void)now;
    w->n_lost = n_lost;
}

static mr_train_watcher watch_endless(endless_witness *w) {
    return (mr_train_watcher){.self = w,
                              .stepped = stop_endless,
                              .evaluated = saw_length,
                              .resumed = saw_lost,
                              .noted = heard_note};
}

static mr_settings endless_settings(const char *out, size_t steps) {
    mr_settings s = settings_of("HalfCheetah-v5", out);
    snprintf(s.env_set, sizeof s.env_set, "max_episode_steps=0");
    s.steps = steps;
    s.learning_starts = 100000;
    s.eval_every = 0;
    s.eval_episodes = 2;
    s.buffer_size = 500;
    return s;
}

Test(train, evaluates_a_task_without_a_time_limit_for_1000_steps_and_says_so_once) {
    mr_settings s = endless_settings("a", 60);
    endless_witness w = {0};
    const mr_train_watcher watcher = watch_endless(&w);
    mr_trainer_result result;
    s.eval_every = 20;
    cr_assert_eq(mr_trainer_run(&s, NULL, &watcher, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(w.eval_length, 1000);
    cr_expect_eq(w.n_notes, 1);
    scratch_expect_part(w.note, "2 of 2 evaluation episodes had not ended after 1000 steps");
    scratch_expect_part(w.note, "--eval-max-steps");
}

static endless_witness train_with_support(const char *out, const char *low, const char *high) {
    mr_settings s = settings_of("Pendulum-v1", out);
    endless_witness w = {0};
    const mr_train_watcher watcher = watch_endless(&w);
    mr_trainer_result result;
    set(&s, "critic_head", "categorical");
    set(&s, "alpha", "0.00001");
    set(&s, "critic_value_min", low);
    set(&s, "critic_value_max", high);
    s.learning_starts = 100;
    s.steps = 2000;
    s.eval_every = 0;
    cr_assert_eq(mr_trainer_run(&s, NULL, &watcher, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    return w;
}

// A step costs up to 16, far more than a support from -0.05 on holds.
Test(train, tells_of_values_at_an_end_of_their_support_once) {
    endless_witness w = train_with_support("a", "-0.05", "0.05");
    cr_expect_eq(w.n_notes, 1);
    scratch_expect_part(w.note, "at an end of their support (critic_value_min -0.05 to "
                                "critic_value_max 0.05)");
    scratch_expect_part(w.note, "set --normalize-reward");
    w = train_with_support("b", "-2000", "2000"); // wide enough
    cr_expect_eq(w.n_notes, 0);
}

Test(train, evaluates_for_as_long_as_it_is_told) {
    mr_settings s = endless_settings("a", 20);
    endless_witness w = {0};
    const mr_train_watcher watcher = watch_endless(&w);
    mr_trainer_result result;
    s.eval_max_steps = 70;
    cr_assert_eq(mr_trainer_run(&s, NULL, &watcher, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(w.eval_length, 70);
    cr_expect_eq(w.n_notes, 0);
}

// The episode is ended, as truncated, by a simulation that breaks down in its step 1,050.
static void arm_at_1049(void *self, const mr_metrics *now) {
    stop_endless(self, now);
    saboteur.armed = now->total_timesteps == 1049;
}

Test(train, evaluates_for_as_long_as_the_longest_episode_also_when_resumed) {
    const mr_settings s = endless_settings("a", 1200);
    endless_witness w = {.stop_after = 1100};
    mr_train_watcher watcher = watch_endless(&w);
    mr_trainer_result result;
    watcher.stepped = arm_at_1049;
    saboteur.index = 1;
    mjcb_control = sabotage;
    cr_assert_eq(mr_trainer_run(&s, NULL, &watcher, &w.stop, &result), MR_OK, "%s",
                 mr_error_message());
    mjcb_control = NULL;
    cr_assert_eq(result.last.ep_len_mean, 1050);
    cr_assert_eq(mr_trainer_resume(&s, NULL, &watcher, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(w.eval_length, 1050);
}

static size_t n_kept_actions(void) {
    mr_tensors *file = open_file("a", "checkpoint.safetensors");
    size_t n = 0;
    for (size_t i = 0; i < mr_tensors_count(file); i++)
        if (strcmp(mr_tensors_at(file, i).name, "episode.0.actions") == 0)
            n = mr_tensors_at(file, i).shape[0];
    mr_tensors_close(file);
    return n;
}

// With a replay buffer of 500, the actions of at most 1,000 steps are kept.
static void check_long_episode(double n_steps, size_t n_kept, size_t n_notes, double n_episodes) {
    mr_settings s = endless_settings("a", 1200);
    endless_witness w = {.stop_after = n_steps};
    const mr_train_watcher watcher = watch_endless(&w);
    mr_trainer_result result;
    s.eval_max_steps = 10;
    cr_assert_eq(mr_trainer_run(&s, NULL, &watcher, &w.stop, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(n_kept_actions(), n_kept);
    cr_assert_eq(mr_trainer_resume(&s, NULL, &watcher, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(w.n_lost, 0);
    cr_expect_eq(w.n_notes, n_notes, "%zu: %s", w.n_notes, w.note);
    cr_expect_eq(result.last.episodes, n_episodes);
    if (n_episodes > 0)
        cr_expect_eq(result.last.ep_len_mean, n_steps);
}

Test(train, plays_an_episode_of_1000_steps_without_an_end_again) {
    check_long_episode(1000, 1000, 0, 0);
}

Test(train, does_not_keep_the_actions_of_an_episode_without_an_end_for_ever) {
    check_long_episode(1001, 0, 1, 1);
}
