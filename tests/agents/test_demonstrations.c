// Demonstrations: what a run reads of a data set, and what it refuses.

#include "agents/demonstrations.h"

#include <math.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/episodes.h"
#include "base/hdf5.h"
#include "tests/scratch.h"

#define DATA MR_TEST_DATA "/episodes"

enum { OBS_DIM = 4, N_DRAWN = 1000 }; // InvertedPendulum-v5, one action in [-3, 3]

static mr_env *env;
static mr_batch_maker *batches;

static void enter(void) {
    const mr_batch_options options = {
        .batch_size = 1, .n_envs = 1, .n_step = 1, .gamma = 0.5, .reward_scale = 1};
    scratch_enter();
    cr_assert_eq(mr_env_open("InvertedPendulum-v5", NULL, &env), MR_OK);
    cr_assert_eq(mr_batch_maker_new(&options, OBS_DIM, 1, &batches), MR_OK);
}

static void leave(void) {
    mr_env_close(env);
    mr_batch_maker_free(batches);
    scratch_leave();
}

TestSuite(demonstrations, .init = enter, .fini = leave);

static mr_status read_set(const char *path, mr_obs_norm *obs_norm, mr_demonstrations *out) {
    return mr_demonstrations_read(path, mr_env_get_spec(env), batches, obs_norm, out);
}

// ---- A data set that Minari made (tests/oracle/episodes_minari.py), and its numbers

/// A step of minari.csv.
typedef struct {
    double episode, obs[OBS_DIM], action, reward, terminated, next_obs[OBS_DIM];
} recorded_step;

enum { N_STEPS = 18, N_NUMBERS = sizeof(recorded_step) / sizeof(double) };

static void read_steps(recorded_step steps[N_STEPS]) {
    FILE *file = fopen(DATA "/minari.csv", "r");
    cr_assert_not_null(file);
    for (int i = 0; i < N_STEPS; i++)
        for (int j = 0; j < N_NUMBERS; j++)
            cr_assert_eq(fscanf(file, "%lf,", (double *)&steps[i] + j), 1);
    fclose(file);
}

static const recorded_step *find_step(const recorded_step *steps, const mr_real *obs) {
    for (int i = 0; i < N_STEPS; i++)
        if ((float)steps[i].obs[0] == (float)obs[0] && (float)steps[i].obs[3] == (float)obs[3])
            return &steps[i];
    return NULL;
}

Test(demonstrations, are_the_transitions_that_minari_wrote) {
    static mr_real obs[N_DRAWN][OBS_DIM], next_obs[N_DRAWN][OBS_DIM];
    static mr_real act[N_DRAWN], reward[N_DRAWN], discount[N_DRAWN];
    mr_transitions drawn = {
        .obs = obs[0], .act = act, .reward = reward, .discount = discount, .next_obs = next_obs[0]};
    recorded_step steps[N_STEPS];
    bool is_drawn[N_STEPS] = {false};
    mr_demonstrations d;
    read_steps(steps);
    cr_assert_eq(read_set(DATA "/minari", NULL, &d), MR_OK, "%s", mr_error_message());
    cr_expect_eq(d.n_episodes, 3);
    cr_expect_eq(d.n_transitions, N_STEPS);
    cr_expect_eq(mr_replay_size(d.replay), N_STEPS);
    mr_random random = mr_random_stream(1, MR_STREAM_REPLAY, 0);
    mr_replay_sample(d.replay, &random, 0, N_DRAWN, 1, 0.5, &drawn);
    for (int i = 0; i < N_DRAWN; i++) {
        const recorded_step *step = find_step(steps, obs[i]);
        cr_assert_not_null(step);
        is_drawn[step - steps] = true;
        cr_expect_float_eq((double)act[i], step->action / 3, 1e-7);
        cr_expect_eq((double)reward[i], step->reward);
        cr_expect_eq((double)discount[i], step->terminated != 0 ? 0 : 0.5);
        for (int j = 0; j < OBS_DIM; j++)
            cr_expect_eq((float)next_obs[i][j], (float)step->next_obs[j]);
    }
    for (int i = 0; i < N_STEPS; i++) // one is missed with probability 18 e^-57
        cr_expect(is_drawn[i], "step %d", i);
    mr_demonstrations_free(&d);
}

Test(demonstrations, begin_the_statistics_of_observations) {
    recorded_step steps[N_STEPS];
    mr_demonstrations d;
    mr_obs_norm *norm;
    read_steps(steps);
    cr_assert_eq(mr_obs_norm_new(OBS_DIM, &norm), MR_OK);
    cr_assert_eq(read_set(DATA "/minari", norm, &d), MR_OK, "%s", mr_error_message());
    for (int j = 0; j < OBS_DIM; j++) {
        double mean = 0;
        for (int i = 0; i < N_STEPS; i++)
            mean += steps[i].next_obs[j] / N_STEPS;
        cr_expect_float_eq(mr_obs_norm_mean(norm)[j], mean, 1e-14);
    }
    mr_obs_norm_free(norm);
    mr_demonstrations_free(&d);
}

// ---- What is refused

static void expect_refused(const char *path, const char *part) {
    mr_demonstrations d;
    cr_expect_neq(read_set(path, NULL, &d), MR_OK, "%s", path);
    scratch_expect_message(part);
    mr_demonstrations_free(&d);
}

/// A data set of one episode of two steps, all 0 but for what is given.
typedef struct {
    size_t obs_dim, act_dim, n_episodes;
    double last_obs, first_action, last_reward;
    const char *task;
    const char *message;
} faulty_set;

static void write_set(const char *path, const faulty_set *set) {
    const double low[2] = {-3, -3}, high[2] = {3, 3};
    const mr_episodes_shape shape = {
        .obs_dim = set->obs_dim, .act_dim = set->act_dim, .act_low = low, .act_high = high};
    double obs[3 * (OBS_DIM + 1)] = {0}, action[4] = {set->first_action};
    const double reward[2] = {0, set->last_reward};
    const signed char terminated[2] = {0, 0}, truncated[2] = {0, 1};
    const mr_episode_data e = {2, obs, action, reward, terminated, truncated};
    mr_episodes_writer *writer;
    obs[3 * set->obs_dim - 1] = set->last_obs;
    cr_assert_eq(mr_episodes_writer_new(path, &shape, &writer), MR_OK, "%s", mr_error_message());
    for (size_t i = 0; i < set->n_episodes; i++)
        cr_assert_eq(mr_episodes_writer_add(writer, i, 0, &e, NULL), MR_OK);
    json_t *metadata = json_pack("{s:s}", "env", set->task);
    cr_assert_eq(mr_episodes_writer_keep(writer, metadata), MR_OK, "%s", mr_error_message());
    json_decref(metadata);
    mr_episodes_writer_close(writer);
}

#define OURS "InvertedPendulum-v5"

Test(demonstrations, that_do_not_fit_are_refused_by_name) {
    const faulty_set cases[] = {
        {4, 1, 1, 0, 0, 0, "Hopper-v5", "f.h5 has episodes of Hopper-v5, and this run's task is"},
        {5, 1, 1, 0, 0, 0, OURS, "f.h5: episode_0/observations has 5 columns, and the task has 4"},
        {4, 2, 1, 0, 0, 0, OURS, "f.h5: episode_0/actions has 2 columns, and the task has 1"},
        {4, 1, 0, 0, 0, 0, OURS, "f.h5 has no episodes"},
        {4, 1, 1, NAN, 0, 0, OURS, "episode_0/observations is not finite in row 2, column 3"},
        {4, 1, 1, 0, 0, INFINITY, OURS, "episode_0/rewards is not finite in row 1, column 0"},
        {4, 1, 1, 0, NAN, 0, OURS, "episode_0/actions is not finite in row 0, column 0"},
        {4, 1, 1, 0, 3.01, 0, OURS, "episode_0/actions is 3.01 in row 0, column 0, from 0, and"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        write_set("f.h5", &cases[i]);
        expect_refused("f.h5", cases[i].message);
    }
}

Test(demonstrations, of_a_task_fit_gymnasiums_environment_of_the_same_name) {
    const faulty_set set = {4, 1, 1, 0, 0, 0, OURS, NULL};
    mr_env_spec spec = *mr_env_get_spec(env);
    mr_demonstrations d;
    spec.name = "gymnasium/" OURS;
    write_set("f.h5", &set);
    cr_assert_eq(mr_demonstrations_read("f.h5", &spec, batches, NULL, &d), MR_OK, "%s",
                 mr_error_message());
    mr_demonstrations_free(&d);
}

Test(demonstrations, that_are_incomplete_are_refused_by_name) {
    expect_refused(DATA "/no_actions.h5", "no_actions.h5: episode_0/actions is missing");
    expect_refused(DATA "/dictionary.h5", "dictionary.h5: episode_0/observations is not one array");
    expect_refused(DATA "/short.h5", "short.h5: episode_0/observations has 2 rows instead of 3");
    expect_refused(DATA "/text.h5", "text.h5: episode_0/rewards holds no numbers");
    expect_refused(DATA "/minari.csv", "minari.csv is not an HDF5 file, or it is damaged");
    expect_refused(DATA, "episodes has no main_data.hdf5");
    expect_refused("none.h5", "cannot read none.h5: No such file");
}

// Cut off anywhere, a file is refused, or misses nothing that is read.
Test(demonstrations, a_file_that_was_cut_off_is_refused) {
    char *bytes;
    size_t n_bytes;
    cr_assert_eq(mr_file_read(DATA "/minari/main_data.hdf5", &bytes, &n_bytes), MR_OK);
    for (size_t n = 0; n < n_bytes; n += 997) {
        mr_demonstrations d;
        cr_assert_eq(mr_file_replace("cut.h5", 1, &(mr_bytes){bytes, n}), MR_OK);
        cr_expect_neq(read_set("cut.h5", NULL, &d), MR_OK, "%zu bytes", n);
        scratch_expect_message("cut.h5");
        mr_demonstrations_free(&d);
    }
    free(bytes);
}

// Rounding to float32 may leave the bounds by a little.
Test(demonstrations, an_action_at_the_bounds_is_taken) {
    mr_demonstrations d;
    write_set("f.h5", &(faulty_set){4, 1, 1, 0, 3.000001, 0, OURS, NULL});
    cr_assert_eq(read_set("f.h5", NULL, &d), MR_OK, "%s", mr_error_message());
    mr_demonstrations_free(&d);
}

static herr_t print_nothing(hid_t stack, void *self) {
    (void)stack;
    (void)self;
    return 0;
}

Test(demonstrations, reading_them_leaves_a_program_its_printing_of_hdf5_errors) {
    const mr_hdf5 *h5;
    H5E_auto2_t function = NULL;
    void *self = NULL;
    mr_demonstrations d;
    cr_assert_eq(mr_hdf5_load(false, &h5), MR_OK, "%s", mr_error_message());
    mr_hdf5_release(h5);
    h5->H5Eset_auto2(H5E_DEFAULT, print_nothing, &d);
    cr_expect_neq(read_set(DATA "/text.h5", NULL, &d), MR_OK);
    mr_demonstrations_free(&d);
    cr_assert_eq(read_set(DATA "/minari", NULL, &d), MR_OK, "%s", mr_error_message());
    mr_demonstrations_free(&d);
    cr_expect_geq(h5->H5Eget_auto2(H5E_DEFAULT, &function, &self), 0);
    cr_expect(function == print_nothing && self == &d);
}

// A program that leaves a file of its own open at its end.
static _Noreturn void leave_file_open(void) {
    const mr_hdf5 *h5;
    mr_demonstrations d;
    if (read_set(DATA "/minari", NULL, &d) != MR_OK || mr_hdf5_load(false, &h5) != MR_OK)
        _exit(1);
    const hid_t file = h5->H5Fcreate("own.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    h5->H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    exit(0);
}

Test(demonstrations, reading_them_leaves_hdf5_its_clean_up_at_the_end_of_a_program) {
    const mr_hdf5 *h5;
    int exit_status;
    const pid_t child = fork();
    if (child == 0)
        leave_file_open();
    cr_assert_eq(waitpid(child, &exit_status, 0), child);
    cr_assert_eq(exit_status, 0);
    cr_assert_eq(mr_hdf5_load(false, &h5), MR_OK, "%s", mr_error_message());
    const hid_t file = h5->H5Fopen("own.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    cr_assert_geq(file, 0);
    cr_expect_gt(h5->H5Lexists(file, "group", H5P_DEFAULT), 0);
    h5->H5Fclose(file);
    mr_hdf5_release(h5);
}

// ---- Their hash

Test(demonstrations, another_number_makes_another_hash) {
    const faulty_set cases[] = {
        {4, 1, 1, 0, 0, 0, OURS, NULL}, {4, 1, 1, 0, 0, 1e-9, OURS, NULL},
        {4, 1, 1, 1, 0, 0, OURS, NULL}, {4, 1, 1, 0, 1, 0, OURS, NULL},
        {4, 1, 2, 0, 0, 0, OURS, NULL},
    };
    char hash[MR_COUNT(cases)][MR_DEMONSTRATIONS_HASH_SIZE];
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_demonstrations d;
        write_set("f.h5", &cases[i]);
        cr_assert_eq(read_set("f.h5", NULL, &d), MR_OK, "%s", mr_error_message());
        memcpy(hash[i], d.hash, sizeof hash[i]);
        mr_demonstrations_free(&d);
        for (size_t k = 0; k < i; k++)
            cr_expect_str_neq(hash[i], hash[k]);
    }
}
