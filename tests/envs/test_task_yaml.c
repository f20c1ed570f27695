// Tasks of the user's own: what a YAML file says is what runs, and its faults are told by line.

#include "envs/mujoco/simulation.h"

#include "arm.h"

#include <math.h>

TestSuite(task_yaml, .init = scratch_enter, .fini = scratch_leave);

#define ROOT MR_TEST_DATA "/../.."
#define CHEETAH "mjcf:" ROOT "/envs/mujoco/models/half_cheetah.xml"
#define HEXAPOD "mjcf:" ROOT "/docs/examples/hexapod.xml"

enum { OBS_DIM = 17, ACT_DIM = 6 };

static mr_env *open_task(const char *name, const char *set, const char *task) {
    mr_env *env = NULL;
    const mr_env_options options = {.set = set, .task = task};
    cr_assert_eq(mr_env_open(name, &options, &env), MR_OK, "%s", mr_error_message());
    return env;
}

static void expect_same_info(const mr_env *a, const mr_env *b) {
    cr_assert_eq(mr_env_info_count(a), mr_env_info_count(b));
    for (size_t i = 0; i < mr_env_info_count(a); i++) {
        cr_expect_str_eq(mr_env_info_name(a, i), mr_env_info_name(b, i));
        cr_expect_eq(mr_env_info(a)[i], mr_env_info(b)[i]);
    }
}

Test(task_yaml, describes_the_half_cheetah_bit_for_bit) {
    mr_env *builtin = open_task("HalfCheetah-v5", NULL, NULL);
    mr_env *described = open_task(CHEETAH, NULL, ROOT "/docs/examples/half_cheetah.yaml");
    cr_assert_eq(mr_env_get_spec(described)->obs_dim, OBS_DIM);
    cr_expect_eq(mr_env_get_spec(described)->max_episode_steps, 1000);
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    double obs_a[OBS_DIM], obs_b[OBS_DIM], action[ACT_DIM];
    mr_step a = {.truncated = true}, b;
    for (int t = 0; t < 1500; t++) {
        if (a.truncated) {
            const uint64_t seed = (uint64_t)t;
            cr_assert_eq(mr_env_reset(builtin, &seed, obs_a), MR_OK);
            cr_assert_eq(mr_env_reset(described, &seed, obs_b), MR_OK);
            cr_assert_arr_eq(obs_a, obs_b, sizeof obs_a);
        }
        for (size_t i = 0; i < ACT_DIM; i++)
            action[i] = mr_random_between(&random, -1.0, 1.0);
        cr_assert_eq(mr_env_step(builtin, action, obs_a, &a), MR_OK);
        cr_assert_eq(mr_env_step(described, action, obs_b, &b), MR_OK);
        cr_assert_arr_eq(obs_a, obs_b, sizeof obs_a, "step %d", t);
        cr_assert_eq(a.reward, b.reward, "step %d", t);
        cr_assert_eq(a.truncated, b.truncated);
        expect_same_info(builtin, described);
    }
    mr_env_close(builtin);
    mr_env_close(described);
}

// The documentation's example of all that starts, places and shapes. Its reward: a gaussian of
// value 0.1 at 0.5 beyond 0.03, and 0.01 for each square of the controls.
Test(task_yaml, reaches_for_a_goal_that_each_episode_puts_elsewhere) {
    mr_env *env =
        open_task("mjcf:" ROOT "/docs/examples/reach.xml", NULL, ROOT "/docs/examples/reach.yaml");
    const mr_mujoco *mujoco = mr_mujoco_of(env);
    const mjtNum *goal = mujoco->data->mocap_pos, *tip = mujoco->data->site_xpos;
    const double action[2] = {1.0, -0.5};
    double obs[8], first[2] = {0.0, 0.0};
    mr_step result;
    cr_assert_eq(mr_env_get_spec(env)->obs_dim, MR_COUNT(obs));
    cr_expect_eq(mr_env_get_spec(env)->act_low[1], -1.0);
    for (uint64_t seed = 1; seed < 5; seed++) {
        cr_assert_eq(mr_env_reset(env, &seed, obs), MR_OK);
        cr_expect(fabs(mujoco->data->qpos[1] - 1.2) <= 0.5); // the keyframe and its noise
        cr_expect(goal[0] != first[0] && fabs(goal[0]) <= 0.35);
        cr_expect(goal[1] != first[1] && fabs(goal[1]) <= 0.35);
        cr_expect_eq(obs[6], 5.0 * (tip[0] - goal[0]));
        memcpy(first, goal, sizeof first);
        cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
        const double distance = hypot(tip[0] - goal[0], tip[1] - goal[1]);
        const double beyond = fmax(distance - 0.03, 0.0) / 0.5;
        cr_expect_float_eq(result.reward, pow(0.1, beyond * beyond) - 0.01 * 1.25, 1e-14);
    }
    mr_env_close(env);
}

// A reward of one term is the term: compared with what MuJoCo's data say.
static double reward_of(const char *entry, const char *set, double *before, mr_env **env) {
    char text[1024];
    double obs[64];
    const double action[12] = {1.0, -0.5, 0.25};
    mr_step result;
    snprintf(text, sizeof text,
             "observation: [{field: qvel, joint: root}]\n"
             "reward:\n  - %s\n"
             "healthy:\n  - {term: height, body: thorax, range: [0.1, 1]}\n"
             "terminate_when_unhealthy: false\n"
             "frame_skip: 3\n",
             entry);
    scratch_write("task.yaml", text);
    *env = open_task(HEXAPOD, set, "task.yaml");
    cr_assert_eq(mr_env_get_spec(*env)->obs_dim, 6);
    const mjData *data = mr_mujoco_of(*env)->data;
    cr_assert_eq(mr_env_reset(*env, NULL, obs), MR_OK);
    for (int t = 0; t < 5; t++) {
        memcpy(before, data->xpos + 3, 3 * sizeof *before); // of the first body, the thorax
        cr_assert_eq(mr_env_step(*env, action, obs, &result), MR_OK, "%s", mr_error_message());
        cr_expect_not(result.terminated);
    }
    return result.reward;
}

static double distance_between(const mjtNum *a, const mjtNum *b) {
    const double d[] = {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
    return sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
}

static void expect_reward(const char *entry, const char *set,
                          double (*expected)(const mr_mujoco *mujoco, const double *before)) {
    mr_env *env;
    double before[3];
    const double reward = reward_of(entry, set, before, &env);
    const double value = expected(mr_mujoco_of(env), before);
    cr_expect_float_eq(reward, value, 1e-12 * fmax(1.0, fabs(value)), "%s: %.17g, not %.17g", entry,
                       reward, value);
    cr_expect_neq(value, 0.0, "%s", entry);
    mr_env_close(env);
}

static double speed_along_y(const mr_mujoco *mujoco, const double *before) {
    return 2.0 * (mujoco->data->xpos[4] - before[1]) / 0.012;
}

static double height(const mr_mujoco *mujoco, const double *before) {
    (void)before;
    return mujoco->data->site_xpos[2];
}

static double uprightness(const mr_mujoco *mujoco, const double *before) {
    (void)before;
    return -mujoco->data->xmat[9 + 8];
}

static double distance(const mr_mujoco *mujoco, const double *before) {
    (void)before;
    return -0.5 * distance_between(mujoco->data->site_xpos, mujoco->data->site_xpos + 3);
}

static double one(const mr_mujoco *mujoco, const double *before) {
    (void)mujoco, (void)before;
    return 1.0;
}

static double control(const mr_mujoco *mujoco, const double *before) {
    (void)mujoco, (void)before;
    return -3.0 * (1.0 + 0.25 + 0.0625);
}

static double contacts(const mr_mujoco *mujoco, const double *before) {
    (void)before;
    double sum = 0.0;
    for (int i = 0; i < 6 * (int)mujoco->model->nbody; i++)
        sum += fmin(fmax(mujoco->data->cfrc_ext[i], -1.0), 1.0) *
               fmin(fmax(mujoco->data->cfrc_ext[i], -1.0), 1.0);
    return -fmin(0.1 * sum, 0.05);
}

static double spin(const mr_mujoco *mujoco, const double *before) {
    (void)before;
    return fabs(mujoco->data->qvel[5]);
}

Test(task_yaml, rewards_what_its_terms_say) {
    expect_reward("{term: velocity, body: thorax, axis: y, weight: 2}", NULL, speed_along_y);
    expect_reward("{term: velocity, body: thorax, axis: y}", "velocity_weight=2", speed_along_y);
    expect_reward("{term: height, site: tip_front_left}", NULL, height);
    expect_reward("{term: upright, body: thorax, weight: -1}", NULL, uprightness);
    expect_reward("{term: distance, site: tip_front_left, to: tip_front_right, weight: 0.5}", NULL,
                  distance);
    expect_reward("{term: reached, body: thorax, to: world, radius: 0.5}", NULL, one);
    expect_reward("{term: alive}", NULL, one);
    expect_reward("{term: constant}", NULL, one);
    expect_reward("{term: control_cost, weight: 3}", NULL, control);
    expect_reward("{term: contact_cost, clip: [-1, 1], weight: 0.1, within: [-.inf, 0.05]}", NULL,
                  contacts);
    expect_reward("{term: value, field: qvel, joint: root, first: 5, function: abs}", NULL, spin);
}

Test(task_yaml, does_not_reward_a_goal_that_is_not_reached) {
    mr_env *env;
    double before[3];
    cr_expect_eq(
        reward_of("{term: reached, body: thorax, to: world, radius: 0.1}", NULL, before, &env),
        0.0);
    mr_env_close(env);
}

Test(task_yaml, ends_episodes_out_of_its_ranges) {
    scratch_write("task.yaml", "observation: [{field: qpos}]\nreward: [{term: alive}]\n"
                               "healthy: [{term: height, body: thorax, range: [0.5, 1]}]\n");
    mr_env *env = open_task(HEXAPOD, NULL, "task.yaml");
    double obs[32];
    const double action[12] = {0};
    mr_step result;
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
    cr_expect(result.terminated);
    cr_expect_eq(result.reward, 0.0);
    mr_env_close(env);
}

// Faults

static void expect_refused(const char *name, const char *task, mr_status expected,
                           const char *part) {
    mr_env *env = NULL;
    const mr_env_options options = {.task = task};
    cr_expect_eq(mr_env_open(name, &options, &env), expected, "%s", part);
    cr_expect_null(env);
    scratch_expect_message(part);
    cr_expect_null(strchr(mr_error_message(), '\n'));
    mr_env_close(env);
}

Test(task_yaml, tells_the_line_the_column_and_the_choices_of_its_faults) {
#define OBSERVE "observation: [{field: qpos}]\n"
#define REWARD "reward: [{term: alive}]\n"
    static const struct {
        const char *text, *message;
    } faults[] = {
        {"", "task.yaml: is empty"},
        {"a\n", "task.yaml:1:1: expected lines"},
        {OBSERVE, "task.yaml: has no reward"},
        {OBSERVE "reward: []\n", "task.yaml: has no reward"},
        {OBSERVE "rewad: []\n", "task.yaml:2:1: unknown key \"rewad\"; did you mean \"reward\"?"},
        {OBSERVE REWARD "sky: 1\n", "unknown key \"sky\"; there are summary, frame_skip, "},
        {"\"a\\nb\": 1\n", "task.yaml:1:1: a control character"},
        {OBSERVE "reward: [{term: \"al\\0ive\"}]\n", "a control character"},
        {OBSERVE OBSERVE, "task.yaml:2:1: this key is given twice"},
        {OBSERVE "reward:\n  - {term: velocty, body: thorax}\n",
         "task.yaml:3:12: unknown term \"velocty\"; did you mean \"velocity\"?"},
        {OBSERVE "reward: [{term: xyz}]\n", "there are velocity, height, upright, distance, "},
        {OBSERVE "reward:\n  - {term: velocity, body: thorx}\n",
         "task.yaml:3:28: the model has no body \"thorx\"; did you mean \"thorax\"?"},
        {OBSERVE "reward:\n  - {term: distance, site: tip_front_left, to: x}\n",
         "task.yaml:3:48: the model has no site \"x\"; it has tip_front_left, "},
        {OBSERVE "reward: [{term: velocity}]\n", "velocity needs a body or site or geom or joint"},
        {OBSERVE "reward: [{term: distance, body: thorax}]\n", "distance needs to"},
        {OBSERVE "reward: [{term: reached, body: thorax, to: world}]\n", "needs a radius"},
        {OBSERVE "reward: [{term: upright, body: thorax, axis: x}]\n", "upright has no axis"},
        {OBSERVE "reward: [{term: velocity, joint: root, axis: x}]\n", "of a joint has no axis"},
        {OBSERVE "reward: [{term: alive, radius: 1}]\n", "alive has no radius"},
        {OBSERVE "reward: [{term: upright, site: tip_front_left}]\n", "that kind of object"},
        {OBSERVE "reward: [{term: value}]\n", "value needs a field"},
        {OBSERVE "reward: [{term: alive, term: alive}]\n", "given twice"},
        {OBSERVE "reward: [{weight: 1}]\n", "2:10: a reward needs a term"},
        {OBSERVE "reward: [{term: alive, weight: x}]\n", "2:32: expected a number"},
        {OBSERVE "reward: [{term: alive, weight: .inf}]\n", "2:32: expected a finite number"},
        {OBSERVE "reward: [{term: alive, weight: .nan}]\n", "2:32: expected a number"},
        {OBSERVE "reward: [alive]\n", "expected an entry"},
        {OBSERVE "reward: [{term: alive}\n", "task.yaml:3:1: "},
        {"observation: [{field: qps}]\n" REWARD, "1:23: unknown field \"qps\"; did you mean"},
        {"observation: [{field: qpos, first: 40}]\n" REWARD, "qpos has 19 components here"},
        {"observation: [{field: qpos, first: 4, count: 30}]\n" REWARD,
         "qpos has 19 components here, and not 30 from 4 on"},
        {"observation: [{field: qpos, body: thorax}]\n" REWARD, "qpos"},
        {"observation: [{field: ten_length}]\n" REWARD, "the model has none of these"},
        {"observation: [{field: qvel, clip: [1, 0]}]\n" REWARD, "must be the smaller one"},
        {"observation: [{field: qvel, clip: 1}]\n" REWARD, "expected two numbers"},
        {"observation: [{field: qvel, function: tan}]\n" REWARD, "there are sin, cos, abs"},
        {"observation: [{joint: root}]\n" REWARD, "an observation needs a field"},
        {"observation: [{field: qpos, scale: 0}]\n" REWARD, "1:36: a scale of 0"},
        {OBSERVE "reward: [{term: value, field: qpos, scale: 2}]\n", "unknown key \"scale\""},
        {OBSERVE "reward: [{term: distance, body: thorax, to_site: x}]\n",
         "2:50: the model has no site \"x\"; it has tip_front_left, "},
        {OBSERVE "reward: [{term: distance, body: thorax, to: world, to_site: x}]\n",
         "2:61: a difference is to one object; keep one of them"},
        {"observation: [{field: xquat, body: thorax, to_site: tip_front_left}]\n" REWARD,
         "1:53: xquat has a difference to another of its kind only"},
        {"observation: [{field: act}]\n" REWARD, "1:15: the model has none of these"},
        {"summary: \"\"\n" OBSERVE REWARD, "1:10: expected from 1 to 255 bytes here, not 0"},
        {"observation: [{field: qvel, weight: 2}]\n" REWARD, "unknown key \"weight\""},
        {OBSERVE REWARD "frame_skip: 0\n", "3:13: expected a whole number from 1"},
        {OBSERVE REWARD "frame_skip: 1.5\n", "3:13: expected a whole number from 1"},
        {OBSERVE REWARD "healthy: [{term: velocity, joint: hip_front_left, range: [0, 1]}]\n",
         "can't be a condition"},
        {OBSERVE REWARD "healthy: [{term: height, body: thorax}]\n", "needs a range"},
        {OBSERVE REWARD "terminate_when_unhealthy: yes\n", "true or false"},
        {OBSERVE REWARD "reset_noise: {qps: {uniform: 1}}\n", "did you mean \"qpos\"?"},
        {OBSERVE REWARD "reset_noise: {qpos: {unform: 1}}\n", "did you mean \"uniform\"?"},
        {OBSERVE REWARD "reset_noise: {qpos: {uniform: -1}}\n", "not below 0"},
        {OBSERVE REWARD "reset_noise: {qpos: 1}\n", "expected {uniform: 0.1}"},
        {OBSERVE REWARD "info: [{term: alive}]\n", "an info needs a name"},
    };
    for (size_t i = 0; i < MR_COUNT(faults); i++) {
        scratch_write("task.yaml", faults[i].text);
        expect_refused(HEXAPOD, "task.yaml", MR_ERR_INPUT, faults[i].message);
        scratch_expect_message("task.yaml:");
    }
}

Test(task_yaml, refuses_files_that_are_no_tasks) {
    expect_refused(HEXAPOD, "", MR_ERR_USAGE, "--task FILE.yaml");
    expect_refused(HEXAPOD, "no_such.yaml", MR_ERR_IO, "no_such.yaml");
    expect_refused(HEXAPOD, "task.txt", MR_ERR_USAGE, ".yaml or a .so");
    expect_refused("mjcf:", "task.yaml", MR_ERR_USAGE, "mjcf:robot.xml");
    expect_refused("mjcf:no_such.xml", "task.yaml", MR_ERR_IO, "no_such.xml: No such file");
}

static void expect_model_refused(const char *xml, const char *part) {
    scratch_write("task.yaml", OBSERVE REWARD);
    scratch_write("robot.xml", xml);
    expect_refused("mjcf:robot.xml", "task.yaml", MR_ERR_INPUT, part);
    scratch_expect_message("robot.xml: ");
}

Test(task_yaml, refuses_models_that_cannot_be_trained_on) {
#define BODY "<mujoco>\n<worldbody><body><joint name=\"j\"/><geom size=\"1\"/></body></worldbody>"
    expect_model_refused("<mujoco>\n<worldbody>\n<bdy/></worldbody></mujoco>", "line 3");
    expect_model_refused("<mujoco", "robot.xml");
    expect_model_refused(BODY "</mujoco>", "no actuators");
    expect_model_refused(BODY "<actuator><motor name=\"m\" joint=\"j\"/></actuator></mujoco>",
                         "actuator \"m\" has no range; give it one in the model, as in");
    expect_model_refused(BODY "<actuator><motor joint=\"j\"/></actuator></mujoco>",
                         "actuator 0 has no range");
}

// 13 built-in models have names that users' files have, too.
Test(task_yaml, opens_the_file_even_where_a_built_in_model_has_its_name) {
    scratch_write("hopper.xml", ARM_XML);
    scratch_write("task.yaml", ARM_RANGE OBSERVE REWARD);
    mr_env *env = open_task("mjcf:hopper.xml", NULL, "task.yaml");
    cr_expect_eq(mr_env_get_spec(env)->obs_dim, ARM_NQ);
    mr_env_close(env);
    expect_refused("mjcf:ant.xml", "task.yaml", MR_ERR_IO,
                   "cannot read the model ant.xml: No such file or directory; the built-in model");
}

Test(task_yaml, gives_actuators_without_a_range_the_tasks) {
    mr_env *env = arm_open("default_ctrlrange: [-1, 2]\n" OBSERVE REWARD);
    const mr_env_spec *spec = mr_env_get_spec(env);
    cr_expect(spec->act_low[0] == -1.0 && spec->act_high[0] == 2.0);
    cr_expect(spec->act_low[1] == -3.0 && spec->act_high[1] == 3.0); // has one that is no limit
    mr_env_close(env);
    arm_expect_refused("default_ctrlrange: [1, 1]\n" OBSERVE REWARD, NULL, MR_ERR_INPUT,
                       "task.yaml:1:20: the first of the two numbers must be the smaller one");
    arm_expect_refused(OBSERVE REWARD, NULL, MR_ERR_INPUT,
                       "arm.xml: actuator \"direct\" has no range; give it one in the model");
    scratch_expect_message("default_ctrlrange: [-1, 1]");
}

// As the simulation would be with the range in the model: a control beyond it counts as its end.
Test(task_yaml, makes_the_range_it_gives_a_limit) {
    double obs[ARM_NQ], other[ARM_NQ];
    const double at_the_end[ARM_ACT_DIM] = {1.0, 0.0}, beyond[ARM_ACT_DIM] = {5.0, 0.0};
    mr_step result;
    mr_env *env = arm_open(ARM_RANGE OBSERVE REWARD);
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    cr_assert_eq(mr_env_step(env, at_the_end, obs, &result), MR_OK);
    cr_assert_eq(mr_env_reset(env, NULL, other), MR_OK);
    cr_assert_eq(mr_env_step(env, beyond, other, &result), MR_OK);
    cr_expect_arr_eq(obs, other, sizeof obs);
    mr_env_close(env);
}

// Fields, differences and scales: compared with what MuJoCo's data say.
Test(task_yaml, observes_what_its_fields_say) {
    mr_env *env = arm_open(
        ARM_RANGE "observation:\n"
                  "  - {field: act}\n"
                  "  - {field: act, actuator: slow, scale: -2, offset: 0.5}\n"
                  "  - {field: geom_xpos, geom: mark}\n"
                  "  - {field: site_xmat, site: tip}\n"
                  "  - {field: site_xpos, site: tip, to_body: marker}\n"
                  "  - {field: xpos, body: arm, to_geom: mark, first: 2}\n"
                  "  - {field: qpos, joint: hinge, function: cos, scale: 10, clip: [-1, 1]}\n"
                  "reward: [{term: alive}]\n");
    const mr_mujoco *mujoco = mr_mujoco_of(env);
    const mjData *data = mujoco->data;
    const mjtNum *mark = data->geom_xpos + 3 * mj_name2id(mujoco->model, mjOBJ_GEOM, "mark");
    const int tip = mj_name2id(mujoco->model, mjOBJ_SITE, "tip");
    double obs[32];
    const double action[ARM_ACT_DIM] = {0.5, 1.0};
    mr_step result;
    cr_assert_eq(mr_env_get_spec(env)->obs_dim, 1 + 1 + 3 + 9 + 3 + 1 + 1);
    cr_expect_str_eq(mr_env_get_spec(env)->obs_names[0], "act.slow");
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    for (int t = 0; t < 10; t++)
        cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
    // d act/dt = (1 - act) / 0.1, by ten steps of Euler's method
    cr_expect_float_eq(obs[0], 1.0 - pow(1.0 - 0.002 / 0.1, 10.0), 1e-14);
    cr_expect_float_eq(obs[1], 0.5 - 2.0 * data->act[0], 1e-15);
    cr_expect_arr_eq(obs + 2, mark, 3 * sizeof *obs);
    cr_expect_eq(mark[2], 2.5); // 0.5 above its body
    cr_expect_arr_eq(obs + 5, data->site_xmat + 9 * tip, 9 * sizeof *obs);
    cr_expect_float_eq(obs[5 + 8], cos(acos(-1.0) / 6.0), 1e-15); // 30 degrees about x
    for (int k = 0; k < 3; k++)
        cr_expect_eq(obs[14 + k], data->site_xpos[3 * tip + k] - data->xpos[3 * 3 + k]);
    cr_expect_eq(obs[17], data->xpos[3 + 2] - mark[2]);
    cr_expect_eq(obs[18], 1.0);
    mr_env_close(env);
}

// The tip is at (0.4, 0, 0), the ball at (5, 5, 5), the marker at (0, 0, 2), the mark 0.5 above.
Test(task_yaml, measures_distances_between_any_of_site_body_and_geom) {
    static const struct {
        const char *of;
        double x, y, z;
    } cases[] = {
        {"site: tip, to_body: ball", 4.6, 5, 5},     {"site: tip, to_geom: mark", 0.4, 0, 2.5},
        {"site: tip, to_site: goal", 0.3, 0.2, 0.3}, {"body: ball, to_site: tip", 4.6, 5, 5},
        {"body: marker, to_geom: mark", 0, 0, 0.5},  {"geom: mark, to_body: ball", 5, 5, 2.5},
        {"geom: mark, to: ball", 5, 5, 2.5},         {"geom: mark, to_site: tip", 0.4, 0, 2.5},
        {"body: ball, to: marker", 5, 5, 3},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        char task[256];
        double obs[ARM_NQ];
        const double action[ARM_ACT_DIM] = {0};
        mr_step result;
        snprintf(task, sizeof task, ARM_RANGE OBSERVE "reward: [{term: distance, %s}]\n",
                 cases[i].of);
        mr_env *env = arm_open(task);
        cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
        cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
        cr_expect_float_eq(
            result.reward,
            -sqrt(cases[i].x * cases[i].x + cases[i].y * cases[i].y + cases[i].z * cases[i].z),
            1e-14, "%s", cases[i].of);
        mr_env_close(env);
    }
}

static double info_of(const mr_env *env, const char *name) {
    for (size_t i = 0; i < mr_env_info_count(env); i++)
        if (strcmp(mr_env_info_name(env, i), name) == 0)
            return mr_env_info(env)[i];
    cr_assert_fail("no %s", name);
    return NAN;
}

#define TO_TWO                                                                                     \
    ARM_RANGE OBSERVE "reward:\n"                                                                  \
                      "  - {term: distance, site: tip, to: goal}\n"                                \
                      "  - {term: distance, site: tip, to_body: marker%s}\n"

static void expect_two(const char *name, const char *set, const char *first, double first_weight,
                       const char *second, double second_weight) {
    char task[512];
    double obs[ARM_NQ];
    const double action[ARM_ACT_DIM] = {0};
    mr_step result;
    snprintf(task, sizeof task, TO_TWO, name);
    mr_env *env = arm_open_with(task, set);
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
    cr_expect_float_eq(info_of(env, first), -first_weight * sqrt(0.22), 1e-14);
    cr_expect_float_eq(info_of(env, second), -second_weight * sqrt(0.16 + 4.0), 1e-14);
    mr_env_close(env);
}

Test(task_yaml, gives_terms_of_one_kind_names_and_options_of_their_own) {
    expect_two(", name: far", "distance_weight=2", "distance", 2.0, "far", 1.0);
    expect_two(", name: far", "far_weight=2", "distance", 1.0, "far", 2.0);
    expect_two("", "distance_2_weight=3", "distance_1", 1.0, "distance_2", 3.0);
}

Test(task_yaml, takes_the_option_of_a_kind_for_the_only_term_of_it) {
    mr_env *env = open_task(CHEETAH, "velocity_weight=2", ROOT "/docs/examples/half_cheetah.yaml");
    cr_expect_eq(mr_mujoco_of(env)->task.rewards.rows[0].weight, 2.0);
    mr_env_close(env);
    env = open_task(CHEETAH, "reward_forward_weight=3", ROOT "/docs/examples/half_cheetah.yaml");
    cr_expect_eq(mr_mujoco_of(env)->task.rewards.rows[0].weight, 3.0);
    mr_env_close(env);
}

Test(task_yaml, refuses_names_and_options_that_could_mean_two) {
    char task[512];
    snprintf(task, sizeof task, TO_TWO, "");
    arm_expect_refused(task, "distance_weight=2", MR_ERR_USAGE,
                       "distance_weight could be distance_1_weight or distance_2_weight");
    snprintf(task, sizeof task, TO_TWO, ", name: distance");
    arm_expect_refused(task, NULL, MR_ERR_INPUT,
                       "task.yaml:5:5: another entry is called \"distance\"; give this one a name");
    arm_expect_refused(ARM_RANGE OBSERVE REWARD "info: [{name: alive, field: act}]\n", NULL,
                       MR_ERR_INPUT, "task.yaml:4:8: another entry is called \"alive\"");
    arm_expect_refused(ARM_RANGE OBSERVE REWARD
                       "info: [{name: a, field: qpos}, {name: \"a[1]\", field: act}]\n",
                       NULL, MR_ERR_INPUT, "two numbers of the info are called \"a[1]\"");
}

enum { N_JOINTS = 24, N_ENTRIES = 60 };

// A robot of 24 joints in a row, with a sensor and a motor each.
static void write_robot(void) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    fprintf(file, "<mujoco><worldbody>");
    for (int i = 0; i < N_JOINTS; i++)
        fprintf(file, "<body><joint name=\"j%d\"/><geom size=\"0.1\" contype=\"0\"/>", i);
    for (int i = 0; i < N_JOINTS; i++)
        fprintf(file, "</body>");
    fprintf(file, "</worldbody><actuator>");
    for (int i = 0; i < N_JOINTS; i++)
        fprintf(file, "<motor joint=\"j%d\"/>", i);
    fprintf(file, "</actuator><sensor>");
    for (int i = 0; i < N_JOINTS; i++)
        fprintf(file, "<jointpos name=\"s%d\" joint=\"j%d\"/>", i, i);
    fprintf(file, "</sensor></mujoco>");
    fclose(file);
    scratch_write("robot.xml", text);
    free(text);
}

static void write_long_task(void) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    fprintf(file, ARM_RANGE "observation:\n");
    for (int i = 0; i < N_ENTRIES; i++)
        fprintf(file, "  - {field: sensordata, sensor: s%d}\n", i % N_JOINTS);
    fprintf(file, "reward:\n");
    for (int i = 0; i < N_ENTRIES; i++)
        fprintf(file, "  - {term: value, field: qpos, joint: j%d, weight: %d, name: r%d}\n",
                i % N_JOINTS, i, i);
    fprintf(file, "info:\n");
    for (int i = 0; i < N_ENTRIES; i++)
        fprintf(file, "  - {name: i%d, field: qvel, joint: j%d}\n", i, i % N_JOINTS);
    fprintf(file, "healthy:\n");
    for (int i = 0; i < N_ENTRIES; i++)
        fprintf(file, "  - {field: qpos, joint: j%d, range: [-9, 9]}\n", i % N_JOINTS);
    fprintf(file, "reset_noise: {qpos: {uniform: 0.1}}\n");
    fclose(file);
    scratch_write("task.yaml", text);
    free(text);
}

Test(task_yaml, has_lists_as_long_as_a_robot_needs) {
    double obs[N_ENTRIES], sum = 0.0;
    const double action[N_JOINTS] = {0.5};
    mr_step result;
    write_robot();
    write_long_task();
    mr_env *env = open_task("mjcf:robot.xml", "r59_weight=100", "task.yaml");
    const mr_mujoco *mujoco = mr_mujoco_of(env);
    cr_assert_eq(mr_env_get_spec(env)->obs_dim, N_ENTRIES);
    cr_assert_eq(mr_env_info_count(env), 2 * N_ENTRIES);
    cr_assert_eq(mujoco->task.healthy.n, N_ENTRIES);
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
    for (int i = 0; i < N_ENTRIES; i++) {
        const double weight = i == 59 ? 100.0 : i;
        cr_expect_eq(obs[i], mujoco->data->sensordata[i % N_JOINTS]);
        cr_expect_float_eq(mr_env_info(env)[i], weight * mujoco->data->qpos[i % N_JOINTS], 1e-15);
        cr_expect_eq(mr_env_info(env)[N_ENTRIES + i], mujoco->data->qvel[i % N_JOINTS]);
        sum += weight * mujoco->data->qpos[i % N_JOINTS];
    }
    cr_expect_float_eq(result.reward, sum, 1e-12);
    cr_expect_not(result.terminated);
    mr_env_close(env);
}

Test(task_yaml, finds_what_a_model_includes_beside_it) {
    cr_assert_eq(mr_make_directories("robots"), MR_OK);
    scratch_write("robots/body.xml", "<mujocoinclude><body><joint name=\"j\"/><geom size=\"1\"/>"
                                     "</body></mujocoinclude>");
    scratch_write(
        "robots/robot.xml",
        "<mujoco><worldbody><include file=\"body.xml\"/></worldbody><actuator>"
        "<motor joint=\"j\" ctrllimited=\"true\" ctrlrange=\"-1 2\"/></actuator></mujoco>");
    scratch_write("task.yaml", OBSERVE REWARD);
    mr_env *env = open_task("mjcf:robots/robot.xml", NULL, "task.yaml");
    cr_expect_eq(mr_env_get_spec(env)->act_high[0], 2.0);
    cr_expect_str_eq(mr_env_get_spec(env)->name, "mjcf:robots/robot.xml");
    mr_env_close(env);
}

Test(task_yaml, is_described_as_built_in_tasks_are) {
    char text[16384];
    const mr_env_options options = {.set = "alive_weight=0.5",
                                    .task = ROOT "/docs/examples/hexapod.yaml"};
    cr_assert_eq(mr_env_describe(HEXAPOD, &options, text, sizeof text), MR_OK, "%s",
                 mr_error_message());
    scratch_expect_part(text, "a six-legged robot learns to walk forward");
    scratch_expect_part(text, "alive = 0.5 x ");
    scratch_expect_part(text, "0.5  (default 0.1)");
}
