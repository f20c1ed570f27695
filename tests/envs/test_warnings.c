// MuJoCo's warnings that the physics is not the model's: told with each step, counted, and with the
// remedy.

#include "envs/mujoco/simulation.h"

#include "envs/vec_env.h"

#include "tests/envs/server_thread.h"
#include "tests/scratch.h"

TestSuite(warnings, .init = scratch_enter, .fini = scratch_leave);

static void write_box(const char *size) {
    char xml[1024];
    snprintf(xml, sizeof xml,
             "<mujoco>%s<worldbody><geom type=\"plane\" size=\"5 5 1\"/>"
             "<body pos=\"0 0 0.1\"><freejoint/><geom type=\"box\" size=\"0.1 0.1 0.1\"/></body>"
             "<body pos=\"1 0 1\"><joint name=\"j\"/><geom size=\"0.1\"/></body></worldbody>"
             "<actuator><motor joint=\"j\" ctrllimited=\"true\" ctrlrange=\"-1 1\"/></actuator>"
             "</mujoco>",
             size);
    scratch_write("box.xml", xml);
    scratch_write("box.yaml", "observation: [{field: qpos}]\nreward: [{term: constant}]\n");
}

static mr_env *open_box(void) {
    mr_env *env;
    const mr_env_options options = {.task = "box.yaml"};
    cr_assert_eq(mr_env_open("mjcf:box.xml", &options, &env), MR_OK, "%s", mr_error_message());
    return env;
}

static void reset(mr_env *env) {
    double obs[16];
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK, "%s", mr_error_message());
}

static mr_step step(mr_env *env) {
    double obs[16];
    mr_step result;
    cr_assert_eq(mr_env_step(env, (double[]){0.0}, obs, &result), MR_OK, "%s", mr_error_message());
    return result;
}

// MuJoCo calls this once in each simulation step.
static mjtWarning raised;

static void raise_warning(const mjModel *model, mjData *data) {
    (void)model;
    mj_warning(data, (int)raised, 0);
}

Test(warnings, come_with_each_step_and_are_counted_over_resets) {
    static const struct {
        mjtWarning kind;
        const char *remedy;
    } all[] = {
        {mjWARN_CONTACTFULL, mjVERSION_HEADER < 230 ? "nconmax=" : "memory="},
        {mjWARN_CNSTRFULL, mjVERSION_HEADER < 230 ? "njmax=" : "memory="},
        {mjWARN_BADCTRL, "smaller ranges"},
        {mjWARN_INERTIA, "armature"},
    };
    write_box("");
    for (size_t i = 0; i < MR_COUNT(all); i++) {
        mr_env *env = open_box();
        reset(env);
        cr_expect_null(step(env).warning);
        cr_expect_eq(mr_env_n_warned(env), 0);
        cr_expect_null(mr_env_warning(env));
        raised = all[i].kind;
        mjcb_control = raise_warning;
        for (int episode = 0; episode < 2; episode++) {
            for (int t = 0; t < 3; t++)
                scratch_expect_part(step(env).warning, all[i].remedy);
            reset(env);
        }
        mjcb_control = NULL;
        cr_expect_not_null(step(env).warning); // of the start, which a reset computes too
        cr_expect_null(step(env).warning);
        cr_expect_eq(mr_env_n_warned(env), 7);
        scratch_expect_part(mr_env_warning(env), all[i].remedy);
        mr_env_close(env);
    }
}

Test(warnings, of_a_broken_down_simulation_come_with_the_step_that_ends_the_episode) {
    write_box("");
    mr_env *env = open_box();
    reset(env);
    mr_mujoco_of(env)->data->qvel[0] = 1e11; // MuJoCo's limit is 1e10
    const mr_step result = step(env);
    cr_expect(result.diverged);
    scratch_expect_part(result.warning, "smaller timestep");
    mr_env_close(env);
}

// A box lies on four contacts.
Test(warnings, tell_of_contacts_that_are_left_out) {
    if (mj_version() != 222)
        cr_skip("MuJoCo %s has room as long as it has memory", mj_versionString());
    write_box("<size nconmax=\"2\"/>");
    mr_env *env = open_box();
    reset(env);
    scratch_expect_part(step(env).warning, "<size nconmax=");
    mr_env_close(env);
    write_box("<size nconmax=\"4\"/>");
    env = open_box();
    reset(env);
    cr_expect_null(step(env).warning);
    mr_env_close(env);
}

Test(warnings, of_all_copies_are_counted_together) {
    double obs[3 * 16], actions[3] = {0};
    mr_step results[3];
    mr_vec_env *envs;
    const mr_env_options options = {.task = "box.yaml"};
    const bool active[] = {false, true, true};
    write_box("");
    cr_assert_eq(mr_vec_env_open("mjcf:box.xml", &options, 3, 1, &envs), MR_OK);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(mr_vec_env_reset(envs, i, NULL, obs), MR_OK);
    cr_expect_null(mr_vec_env_warning(envs));
    raised = mjWARN_INERTIA;
    mjcb_control = raise_warning;
    cr_assert_eq(mr_vec_env_step(envs, active, actions, obs, results), MR_OK);
    mjcb_control = NULL;
    cr_expect_eq(mr_vec_env_n_warned(envs), 2);
    scratch_expect_part(mr_vec_env_warning(envs), "armature");
    mr_vec_env_close(envs);
}

static void step_once(mr_vec_env *envs, const bool *active, mr_step *results) {
    double obs[3 * 4], actions[3] = {0};
    cr_assert_eq(mr_vec_env_step(envs, active, actions, obs, results), MR_OK, "%s",
                 mr_error_message());
}

// A trainer learns of its server's, and of which environments they are.
Test(warnings, of_a_server_are_told_and_counted_as_ones_own) {
    double obs[4];
    mr_step results[3];
    mr_vec_env *envs;
    server_thread server;
    char bind[128], name[160];
    snprintf(bind, sizeof bind, "ipc://%s/server", scratch_folder);
    snprintf(name, sizeof name, "zmq:%s", bind);
    server_begin(&server, "InvertedPendulum-v5", 3, 60, &(mr_service_options){.bind = bind});
    cr_assert_eq(mr_vec_env_open(name, NULL, 3, 1, &envs), MR_OK, "%s", mr_error_message());
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(mr_vec_env_reset(envs, i, &(uint64_t){i}, obs), MR_OK);
    step_once(envs, NULL, results);
    cr_expect_null(mr_vec_env_warning(envs));
    raised = mjWARN_INERTIA;
    mjcb_control = raise_warning;
    step_once(envs, (const bool[]){true, false, true}, results);
    mjcb_control = NULL;
    cr_expect_eq(mr_vec_env_n_warned(envs), 2);
    scratch_expect_part(results[0].warning, "armature");
    scratch_expect_part(mr_vec_env_warning(envs), "armature");
    step_once(envs, NULL, results);
    for (size_t i = 0; i < 3; i++)
        cr_expect_null(results[i].warning);
    mr_vec_env_close(envs);
    server_end(&server);
}
