// What an opened task says of itself.

#include "envs/env.h"

#include "arm.h"
#include "tests/comma_locale.h"

TestSuite(notes, .init = scratch_enter, .fini = scratch_leave);

#define HEAD ARM_RANGE ARM_OBSERVATION
#define UNHEALTHY "healthy: [{term: height, body: arm, range: [0.5, 1]}]\n" // it lies at 0

static void expect_notes(mr_env *env, size_t n, const char *part) {
    const mr_env_spec *spec = mr_env_get_spec(env);
    cr_assert_eq(spec->n_notes, n, "%zu", spec->n_notes);
    if (n > 0)
        scratch_expect_part(spec->notes[0], part);
    mr_env_close(env);
}

static mr_env *open_builtin(const char *name, const char *set) {
    mr_env *env = NULL;
    const mr_env_options options = {.set = set};
    cr_assert_eq(mr_env_open(name, &options, &env), MR_OK, "%s", mr_error_message());
    return env;
}

Test(notes, tell_of_effort_that_is_rewarded) {
    expect_notes(arm_open(HEAD "reward: [{term: control_cost, weight: -0.1}]\n"), 1,
                 "control_cost is rewarded, not penalised: its weight is -0.1");
    expect_notes(arm_open(HEAD "reward: [{term: squares, field: ctrl}]\n"), 1,
                 "squares is rewarded, not penalised: it is an effort of weight 1");
    expect_notes(open_builtin("Hopper-v5", "ctrl_cost_weight=-1"), 1, "reward_ctrl is rewarded");
}

Test(notes, are_silent_about_effort_that_is_penalised) {
    expect_notes(arm_open(HEAD "reward: [{term: control_cost, weight: 0.1}]\n"), 0, NULL);
    expect_notes(arm_open(HEAD "reward: [{term: control_cost, weight: 0}]\n"), 0, NULL);
    expect_notes(arm_open(HEAD "reward: [{term: squares, field: ctrl, weight: -1}]\n"), 0, NULL);
    expect_notes(arm_open(HEAD "reward: [{term: control_cost, shape: {exp: 1}}]\n"), 0, NULL);
}

Test(notes, have_points_in_numbers_whatever_the_locale) {
    comma_locale_enter();
    expect_notes(open_builtin("Hopper-v5", "ctrl_cost_weight=-0.5"), 1, "its weight is -0.5,");
}

Test(notes, tell_of_a_start_that_is_not_healthy) {
    expect_notes(arm_open(HEAD ARM_REWARD UNHEALTHY), 1,
                 "every episode ends after one step, because its start isn't healthy: xpos(arm)[2] "
                 "isn't in (0.5, 1); change what is healthy, or where episodes start");
    expect_notes(open_builtin("Hopper-v5", "healthy_z_range=3:4"), 1, "change healthy_z_range");
}

Test(notes, are_silent_about_starts_that_do_not_end_at_once) {
    expect_notes(arm_open(HEAD ARM_REWARD UNHEALTHY "terminate_when_unhealthy: false\n"), 0, NULL);
    // where the noise may take it
    expect_notes(arm_open(HEAD ARM_REWARD "healthy: [{field: qpos, joint: hinge, range: [0, 9]}]\n"
                                          "reset_noise: {qpos: {uniform: 1}}\n"),
                 0, NULL);
    for (size_t i = 0; i < mr_env_count(); i++)
        expect_notes(open_builtin(mr_env_at(i).name, NULL), 0, NULL);
}

// 4.0.0 has such warnings, and 2.2.2 none.
Test(notes, tell_of_what_mujoco_warns_of_in_a_model) {
    static const char xml[] =
        "<mujoco><compiler settotalmass=\"5\"/><statistic meaninertia=\"3\"/><worldbody><body>"
        "<joint name=\"slide\" type=\"slide\"/><geom size=\"0.1\"/></body></worldbody>"
        "<actuator><motor joint=\"slide\"/></actuator></mujoco>\n";
    const bool warns = mj_version() != 222;
    mr_env *env = NULL;
    const mr_env_options options = {.task = "task.yaml"};
    scratch_write("robot.xml", xml);
    scratch_write("task.yaml", HEAD ARM_REWARD);
    cr_assert_eq(mr_env_open("mjcf:robot.xml", &options, &env), MR_OK, "%s", mr_error_message());
    const mr_env_spec *spec = mr_env_get_spec(env);
    cr_assert_eq(spec->n_notes, warns ? 2 : 0, "%zu", spec->n_notes);
    for (size_t i = 0; i < spec->n_notes; i++)
        scratch_expect_part(spec->notes[i], "MuJoCo warns of the model: ");
    if (warns) {
        scratch_expect_part(spec->notes[0], "'meaninertia' is deprecated");
        scratch_expect_part(spec->notes[1], "'settotalmass' is deprecated");
        cr_expect_null(strchr(spec->notes[0], '\n'));
    }
    mr_env_close(env);
    // of the model alone that is a file's: half_cheetah.xml sets its total mass too
    expect_notes(open_builtin("HalfCheetah-v5", "xml_file=builtin:half_cheetah.xml"), 0, NULL);
}

// Trying where episodes start takes nothing from the random numbers of the first one.
Test(notes, leave_the_first_episode_as_it_would_be) {
    double first[ARM_NQ], again[ARM_NQ];
    const uint64_t seed = 0; // an environment that was given none starts as if given 0
    mr_env *env = arm_open(HEAD ARM_REWARD UNHEALTHY "reset_noise: {qpos: {uniform: 1}}\n");
    cr_assert_eq(mr_env_reset(env, NULL, first), MR_OK);
    cr_assert_eq(mr_env_reset(env, &seed, again), MR_OK);
    cr_expect_arr_eq(first, again, sizeof first);
    mr_env_close(env);
}

Test(notes, are_part_of_the_description) {
    char text[16384];
    const mr_env_options options = {.task = "task.yaml"};
    mr_env_close(arm_open(HEAD ARM_REWARD UNHEALTHY));
    cr_assert_eq(mr_env_describe("mjcf:arm.xml", &options, text, sizeof text), MR_OK);
    scratch_expect_part(text, "\nNote: every episode ends after one step");
}
