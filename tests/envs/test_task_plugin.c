// Tasks as C plug-ins: the example of the documentation, and what is refused.

#include "envs/mujoco/simulation.h"

#include "tests/scratch.h"

#include <math.h>

TestSuite(task_plugin, .init = scratch_enter, .fini = scratch_leave);

#define MODEL "mjcf:" MR_TEST_DATA "/../../docs/examples/balance.xml"

enum { OBS_DIM = 8 };

static const double tray_radius = 0.3; // balance.c's

static mr_env *open_example(const char *set) {
    mr_env *env = NULL;
    const mr_env_options options = {.set = set, .task = MR_TEST_PLUGIN};
    cr_assert_eq(mr_env_open(MODEL, &options, &env), MR_OK, "%s", mr_error_message());
    return env;
}

Test(task_plugin, says_what_is_observed_rewarded_and_told) {
    mr_env *env = open_example(NULL);
    const mjData *data = mr_mujoco_of(env)->data;
    double obs[OBS_DIM];
    const double action[2] = {0.2, -0.1};
    mr_step result = {0};
    cr_assert_eq(mr_env_get_spec(env)->obs_dim, OBS_DIM);
    cr_assert_eq(mr_env_get_spec(env)->max_episode_steps, 250);
    cr_assert_eq(mr_env_info_count(env), 3);
    cr_expect_str_eq(mr_env_info_name(env, 1), "distance");
    cr_expect_str_eq(mr_env_info_name(env, 2), "distance_velocity");
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    for (int t = 0; t < 10; t++) {
        const double before = hypot(data->qpos[2], data->qpos[3]);
        cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK, "%s", mr_error_message());
        const double now = hypot(data->qpos[2], data->qpos[3]);
        const double share = now / tray_radius;
        cr_expect_arr_eq(obs, data->qpos, 4 * sizeof *obs);
        cr_expect_arr_eq(obs + 4, data->qvel, 4 * sizeof *obs);
        cr_expect_float_eq(result.reward, 1.0 - share * share, 1e-12);
        cr_expect_eq(mr_env_info(env)[0], result.reward);
        cr_expect_eq(mr_env_info(env)[1], now);
        cr_expect_float_eq(mr_env_info(env)[2], (now - before) / 0.02, 1e-9);
        cr_expect_eq(result.terminated, now > tray_radius);
        if (result.terminated)
            break;
    }
    mr_env_close(env);
}

Test(task_plugin, ends_an_episode) {
    mr_env *env = open_example(NULL);
    double obs[OBS_DIM];
    const double action[2] = {0}, qpos[4] = {0.0, 0.0, 0.31, 0.0}, qvel[4] = {0};
    mr_step result;
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    cr_assert_eq(mr_mujoco_set_state(mr_mujoco_of(env), qpos, qvel), MR_OK);
    cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
    cr_expect(result.terminated);
    mr_env_close(env);
}

Test(task_plugin, begins_episodes_by_the_seed) {
    mr_env *env = open_example("max_episode_steps=3");
    double first[OBS_DIM], again[OBS_DIM], other[OBS_DIM];
    const uint64_t seed = 4;
    cr_assert_eq(mr_env_reset(env, &seed, first), MR_OK);
    cr_assert_eq(mr_env_reset(env, NULL, other), MR_OK);
    cr_assert_eq(mr_env_reset(env, &seed, again), MR_OK);
    cr_expect_arr_eq(first, again, sizeof first);
    cr_expect_arr_neq(first, other, sizeof first);
    cr_expect(first[0] == 0.0 && first[2] != 0.0 && fabs(first[2]) <= 0.1);
    mr_env_close(env);
}

static void expect_refused(const char *task, mr_status expected, const char *part) {
    mr_env *env = NULL;
    const mr_env_options options = {.task = task};
    cr_expect_eq(mr_env_open(MODEL, &options, &env), expected, "%s", task);
    cr_expect_null(env);
    scratch_expect_message(part);
    cr_expect_null(strchr(mr_error_message(), '\n'));
    mr_env_close(env);
}

Test(task_plugin, refuses_plug_ins_of_other_versions_and_with_parts_missing) {
    static const struct {
        const char *fault, *message;
    } faults[] = {
        {"ABI", "version 2 of the plug-in interface, this millrace has 1; build it again"},
        {"MUJOCO", "this millrace runs on"},
        {"SYMBOL", "defines no millrace_task"},
        {"SKIP", "frame_skip"},
        {"KEEP", "there is no keep"},
        {"INFO", "n_info is not 0, but there are no info_names"},
        {"REWARD", "observe and reward must be given"},
    };
    for (size_t i = 0; i < MR_COUNT(faults); i++) {
        char path[512];
        snprintf(path, sizeof path, MR_TEST_BAD_PLUGINS "/bad_plugin_%s.so", faults[i].fault);
        expect_refused(path, MR_ERR_INPUT, faults[i].message);
        scratch_expect_message(path);
    }
}

Test(task_plugin, refuses_what_is_no_shared_object) {
    scratch_write("task.so", "not one");
    expect_refused("task.so", MR_ERR_IO, "cannot load the task: ./task.so: ");
    expect_refused("no_such.so", MR_ERR_IO, "no_such.so");
}
