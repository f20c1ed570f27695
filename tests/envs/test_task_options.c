// Options of tasks: what they change, and what is refused.

#include "envs/mujoco/simulation.h"

#include "tests/scratch.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// Each option of each task can be set to what it is, and changes nothing by that.
Test(task_options, of_every_task_take_their_own_defaults) {
    for (size_t i = 0; i < mr_env_count(); i++) {
        const char *name = mr_env_at(i).name;
        mr_env *env = NULL, *again = NULL;
        cr_assert_eq(mr_env_open(name, NULL, &env), MR_OK);
        mr_mujoco *mujoco = mr_mujoco_of(env);
        if (mujoco == NULL) {
            mr_env_close(env);
            continue;
        }
        char text[2048] = "";
        mr_option rows[64];
        cr_assert_leq(mr_task_options(&mujoco->task, NULL), MR_COUNT(rows));
        const size_t n = mr_task_options(&mujoco->task, rows);
        for (size_t k = 0, length = 0; k < n; k++) {
            char value[MR_OPTION_MAX_TEXT];
            mr_option_format(&rows[k], NULL, value, sizeof value);
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s=%s",
                                       k == 0 ? "" : ",", rows[k].name, value);
        }
        const mr_env_options options = {.set = text};
        cr_assert_eq(mr_env_open(name, &options, &again), MR_OK, "%s", mr_error_message());
        double obs[512], obs_again[512];
        cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
        cr_assert_eq(mr_env_reset(again, NULL, obs_again), MR_OK);
        cr_expect_arr_eq(obs, obs_again, mr_env_get_spec(env)->obs_dim * sizeof *obs, "%s", name);
        mr_env_close(again);
        mr_env_close(env);
    }
}

static size_t obs_dim_with(const char *name, const char *text) {
    mr_env *env = NULL;
    const mr_env_options options = {.set = text};
    cr_assert_eq(mr_env_open(name, &options, &env), MR_OK, "%s", mr_error_message());
    const size_t dim = mr_env_get_spec(env)->obs_dim;
    mr_env_close(env);
    return dim;
}

// Sizes of Gymnasium's documentation.
Test(task_options, change_what_is_observed) {
    cr_expect_eq(obs_dim_with("Ant-v5", "include_cfrc_ext_in_observation=false"), 27);
    cr_expect_eq(obs_dim_with("Ant-v5", "exclude_current_positions_from_observation=false"), 107);
    cr_expect_eq(obs_dim_with("Swimmer-v5", "exclude_current_positions_from_observation=False"),
                 10);
    cr_expect_eq(obs_dim_with("Humanoid-v5", "include_cinert_in_observation=false"), 218);
    cr_expect_eq(obs_dim_with("Humanoid-v5", "include_qfrc_actuator_in_observation=false"), 331);
}

static mr_status open_with(const char *name, const char *text, const char *task) {
    mr_env *env = NULL;
    const mr_env_options options = {.set = text, .task = task};
    const mr_status status = mr_env_open(name, &options, &env);
    cr_expect((env != NULL) == (status == MR_OK));
    mr_env_close(env);
    return status;
}

static void expect_message(const char *part) {
    cr_expect_not_null(strstr(mr_error_message(), part), "\"%s\" lacks \"%s\"", mr_error_message(),
                       part);
}

Test(task_options, refuses_bodies_and_models_that_are_not_there) {
    cr_expect_eq(open_with("Ant-v5", "main_body=torse", NULL), MR_ERR_INPUT);
    expect_message("no body \"torse\"; did you mean \"torso\"?");
    cr_expect_eq(open_with("Ant-v5", "main_body=14", NULL), MR_ERR_INPUT);
    expect_message("no body \"14\"; it has world, torso");
    cr_expect_eq(open_with("Ant-v5", "xml_file=no_such.xml", NULL), MR_ERR_IO);
    expect_message("no_such.xml: No such file");
    cr_expect_eq(open_with("Reacher-v5", "xml_file=hopper.xml", NULL), MR_ERR_INPUT);
    expect_message("Reacher-v5: the model has no body \"fingertip\"");
}

// In a folder that has a file of a built-in model's name.
Test(task_options, asks_which_model_is_meant_where_a_file_has_a_built_in_ones_name,
     .init = scratch_enter, .fini = scratch_leave) {
    mr_env *env = NULL;
    scratch_write("hopper.xml", "<mujoco><worldbody><body><joint name=\"a\"/><joint name=\"b\" "
                                "type=\"slide\"/><joint name=\"c\" axis=\"1 0 0\"/><geom "
                                "size=\"1\"/></body></worldbody><actuator><motor joint=\"a\" "
                                "ctrllimited=\"true\" ctrlrange=\"-1 1\"/></actuator></mujoco>");
    cr_expect_eq(open_with("Hopper-v5", NULL, NULL), MR_OK); // nobody has chosen
    cr_expect_eq(open_with("Hopper-v5", "xml_file=hopper.xml", NULL), MR_ERR_USAGE);
    expect_message("hopper.xml is the name of a built-in model and of a file in this folder; write "
                   "xml_file=builtin:hopper.xml for the built-in model, xml_file=./hopper.xml for "
                   "the file");
    cr_expect_eq(open_with("Hopper-v5", "xml_file=walker2d.xml", NULL), MR_OK); // no such file
    const mr_env_options builtin = {.set = "xml_file=builtin:hopper.xml"};
    cr_assert_eq(mr_env_open("Hopper-v5", &builtin, &env), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_env_get_spec(env)->act_dim, 3);
    mr_env_close(env);
    const mr_env_options file = {.set = "xml_file=./hopper.xml"};
    cr_assert_eq(mr_env_open("Hopper-v5", &file, &env), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_env_get_spec(env)->act_dim, 1);
    mr_env_close(env);
    cr_expect_eq(open_with("Hopper-v5", "xml_file=builtin:hoper.xml", NULL), MR_ERR_USAGE);
    expect_message("no built-in model \"hoper.xml\"; did you mean \"hopper.xml\"?");
}

Test(task_options, refuses_a_task_file_for_a_built_in_task) {
    cr_expect_eq(open_with("Ant-v5", NULL, "task.yaml"), MR_ERR_USAGE);
    expect_message("Ant-v5 has its own task");
}

Test(task_options, end_an_episode_earlier) {
    mr_env *env = NULL;
    const mr_env_options options = {.set = "max_episode_steps=3"};
    cr_assert_eq(mr_env_open("HalfCheetah-v5", &options, &env), MR_OK);
    double obs[17];
    const double action[6] = {0};
    mr_step result = {0};
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    for (int t = 1; t <= 3; t++) {
        cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
        cr_expect_eq(result.truncated, t == 3);
    }
    mr_env_close(env);
}

Test(task_options, are_told_by_the_description_with_their_defaults) {
    char text[16384];
    const mr_env_options options = {.set = "frame_skip=2,healthy_z_range=0.5:inf"};
    cr_assert_eq(mr_env_describe("Hopper-v5", &options, text, sizeof text), MR_OK);
    cr_expect_not_null(strstr(text, "(2 x 0.002 s)"), "%s", text);
    cr_expect_not_null(strstr(text, "2  (default 4)"));
    cr_expect_not_null(strstr(text, "0.5:inf  (default 0.7:inf)"));
}

static bool is_called_gymnasiums(const char *name, const char *set) {
    char text[16384];
    const mr_env_options options = {.set = set};
    cr_assert_eq(mr_env_describe(name, &options, text, sizeof text), MR_OK, "%s",
                 mr_error_message());
    return strstr(text, "Equals Gymnasium's task") != NULL;
}

Test(task_options, other_than_gymnasiums_make_another_task) {
    cr_expect(is_called_gymnasiums("Hopper-v5", NULL));
    cr_expect(is_called_gymnasiums("Hopper-v5", "frame_skip=4")); // is the default
    cr_expect_not(is_called_gymnasiums("Hopper-v5", "frame_skip=2"));
    cr_expect_not(is_called_gymnasiums("Hopper-v5", "healthy_z_range=0.6:inf"));
    cr_expect(is_called_gymnasiums("HumanoidStandup-v5", "uph_cost_weight=2")); // without effect
    cr_expect_not(is_called_gymnasiums("SparseHopper-v0", NULL));
    cr_expect(is_called_gymnasiums("Pendulum-v1", NULL));
    cr_expect_not(is_called_gymnasiums("Pendulum-v1", "g=9.81"));
    cr_expect(is_called_gymnasiums("MountainCarContinuous-v0", NULL));
    cr_expect_not(is_called_gymnasiums("MountainCarContinuous-v0", "goal_velocity=0.01"));
}
