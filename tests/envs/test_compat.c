// MuJoCo's failures come back as ours, and MuJoCo keeps quiet.

#include "envs/mujoco/compat.h"
#include "envs/mujoco/model.h"
#include "envs/mujoco/simulation.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static mr_status load(const char *xml, mjModel **out) {
    char warnings[MR_MUJOCO_TEXT_SIZE];
    return mr_mujoco_load("test.xml", xml, strlen(xml), warnings, out);
}

Test(compat, compiles_a_model_from_memory) {
    mjModel *model = NULL;
    cr_assert_eq(
        load("<mujoco><worldbody><body><joint/><geom size=\"1\"/></body></worldbody></mujoco>",
             &model),
        MR_OK, "%s", mr_error_message());
    cr_expect_eq((int)model->nq, 1);
    mj_deleteModel(model);
}

static void expect_refused(const char *xml, const char *part) {
    mjModel *model = NULL;
    cr_expect_eq(load(xml, &model), MR_ERR_INPUT);
    cr_expect_null(model);
    cr_expect_not_null(strstr(mr_error_message(), "test.xml"));
    cr_expect_not_null(strstr(mr_error_message(), part), "%s", mr_error_message());
    cr_expect_null(strchr(mr_error_message(), '\n'), "%s", mr_error_message());
}

Test(compat, refuses_what_is_no_model_in_one_line) {
    expect_refused("", "test.xml");
    expect_refused("<mujoco>", "XML");
    expect_refused("<mujoco><worldbody><jelly/></worldbody></mujoco>", "jelly");
    expect_refused("<mujoco><worldbody><body><joint/></body></worldbody></mujoco>", "mass");
}

// The sensor came with MuJoCo 3.2.
Test(compat, names_the_remedy_where_a_model_is_too_new_for_it) {
    static const char xml[] =
        "<mujoco><worldbody><body><joint name=\"j\"/><geom size=\"1\"/></body></worldbody>"
        "<sensor><jointactuatorfrc joint=\"j\"/></sensor></mujoco>";
    mjModel *model = NULL;
    if (mj_version() == 222) {
        expect_refused(xml, "jointactuatorfrc");
        expect_refused(xml, "scripts/setup (without --mujoco debian), then scripts/build");
    } else {
        cr_expect_eq(load(xml, &model), MR_OK, "%s", mr_error_message());
        expect_refused("<mujoco><worldbody><jelly/></worldbody></mujoco>", "jelly");
        cr_expect_null(strstr(mr_error_message(), "scripts/setup"));
    }
    mj_deleteModel(model);
}

// A literal: 2.2.2 takes a text here, later releases a format.
static void fail_fatally(void *argument) {
    (void)argument;
    mju_error("first\nsecond\n");
}

static void nothing(void *argument) {
    (void)argument;
}

Test(compat, returns_a_fatal_error_of_mujoco_in_one_line) {
    cr_expect_eq(mr_mujoco_run("thing", fail_fatally, NULL), MR_ERR_INPUT);
    cr_expect_not_null(strstr(mr_error_message(), "thing: "));
    cr_expect_not_null(strstr(mr_error_message(), "first second"), "%s", mr_error_message());
    cr_expect_eq(mr_mujoco_run("thing", nothing, NULL), MR_OK);
}

static void run_inside(void *argument) {
    mr_status *inner = argument;
    *inner = mr_mujoco_run("inner", fail_fatally, (char[]){"inside"});
    mju_error("outside");
}

Test(compat, lands_where_the_innermost_call_began) {
    mr_status inner = MR_OK;
    cr_expect_eq(mr_mujoco_run("outer", run_inside, &inner), MR_ERR_INPUT);
    cr_expect_eq(inner, MR_ERR_INPUT);
    cr_expect_not_null(strstr(mr_error_message(), "outer: "));
    cr_expect_not_null(strstr(mr_error_message(), "outside"));
}

static void step_from_speed(const char *name, double speed, double *obs, mr_step *result) {
    mr_env *env;
    double qpos[32] = {0}, qvel[32] = {0}, action[32] = {0};
    cr_assert_eq(mr_env_open(name, NULL, &env), MR_OK);
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    qvel[0] = speed;
    cr_assert_eq(mr_mujoco_set_state(mr_mujoco_of(env), qpos, qvel), MR_OK);
    cr_assert_eq(mr_env_step(env, action, obs, result), MR_OK, "%s", mr_error_message());
    mr_env_close(env);
}

// The handlers of a test are installed before the first model is loaded; what is printed and
// written is looked at.
Test(compat, prints_nothing_and_writes_no_log) {
    char folder[] = "/tmp/millrace-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    cr_redirect_stdout();
    cr_redirect_stderr();
    double obs[32];
    mr_step result;
    mjModel *model = NULL;
    step_from_speed("HalfCheetah-v5", 10.0 * mjMAXVAL, obs, &result);
    cr_expect_eq(mr_mujoco_run("thing", fail_fatally, (char[]){"fatal"}), MR_ERR_INPUT);
    cr_expect_eq(load("<mujoco>", &model), MR_ERR_INPUT);
    fflush(stdout);
    fflush(stderr);
    cr_expect_stdout_eq_str("");
    cr_expect_stderr_eq_str("");
    cr_expect_neq(access("MUJOCO_LOG.TXT", F_OK), 0);
    cr_expect_eq(rmdir(folder), 0); // empty
}

#if mjVERSION_HEADER < 230
static void shake(const mjModel *model, mjData *data) {
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    for (int i = 0; i < (int)model->nv; i++)
        data->qvel[i] = mr_random_between(&random, -5.0, 5.0);
    for (int t = 0; t < 400; t++) {
        for (int i = 0; i < (int)model->nu; i++)
            data->ctrl[i] = 5.0 * mr_random_normal(&random);
        mj_step(model, data);
    }
}

// With room for MuJoCo's own 500 constraints as the plain version.
Test(compat, leaves_room_for_all_constraints_and_not_much_more) {
    for (size_t i = 0; i < mr_n_model_files; i++) {
        mjModel *model;
        char warnings[MR_MUJOCO_TEXT_SIZE];
        cr_assert_eq(mr_model_open(mr_model_files[i].name, warnings, &model), MR_OK);
        mjModel *roomy = mj_copyModel(NULL, model);
        roomy->njmax = 500;
        mjData *data = mj_makeData(model), *expected = mj_makeData(roomy);
        cr_expect_lt((int)model->njmax, 500, "%s", mr_model_files[i].name);
        shake(model, data);
        shake(roomy, expected);
        cr_expect_arr_eq(data->qpos, expected->qpos, (size_t)model->nq * sizeof(double), "%s",
                         mr_model_files[i].name);
        cr_expect_eq(data->warning[mjWARN_CNSTRFULL].number, 0, "%s", mr_model_files[i].name);
        mj_deleteData(data), mj_deleteData(expected);
        mj_deleteModel(model), mj_deleteModel(roomy);
    }
}
#endif

Test(compat, tells_the_version_that_runs) {
    cr_expect_str_eq(mr_mujoco_version(), mj_versionString());
}
