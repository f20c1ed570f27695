// How episodes start: keyframes, noise of joints, goals.

#include "arm.h"

#include "envs/env_ops.h"

#include <math.h>

TestSuite(start, .init = scratch_enter, .fini = scratch_leave);

#define HEAD ARM_RANGE ARM_OBSERVATION ARM_REWARD

enum { N_STARTS = 400 };

static void reset(mr_env *env, uint64_t seed) {
    double obs[ARM_NQ];
    cr_assert_eq(mr_env_reset(env, &seed, obs), MR_OK, "%s", mr_error_message());
}

// The numbers are those of the key in ARM_XML.
static void expect_keyframe(const char *line) {
    char task[512];
    const double qpos[ARM_NQ] = {0.5, 0.1, 5, 6, 5, 1, 0, 0, 0};
    const double qvel[ARM_NV] = {0, 0.2, 0, 0, 0, 1, 0, 0};
    snprintf(task, sizeof task, HEAD "%s", line);
    mr_env *env = arm_open(task);
    reset(env, 1);
    const mjData *data = mr_mujoco_of(env)->data;
    cr_expect_arr_eq(data->qpos, qpos, sizeof qpos);
    cr_expect_arr_eq(data->qvel, qvel, sizeof qvel);
    cr_expect_eq(data->act[0], 0.25);
    mr_env_close(env);
}

Test(start, is_a_keyframe_by_its_name_or_number) {
    expect_keyframe("keyframe: up\n");
    expect_keyframe("keyframe: 1\n");
}

Test(start, adds_noise_to_a_keyframe) {
    mr_env *env = arm_open(HEAD "keyframe: up\nreset_noise: {qpos: {uniform: 0.01}}\n");
    reset(env, 1);
    const mjData *data = mr_mujoco_of(env)->data;
    cr_expect(data->qpos[0] != 0.5 && fabs(data->qpos[0] - 0.5) <= 0.01);
    cr_expect(data->qpos[1] != 0.1 && fabs(data->qpos[1] - 0.1) <= 0.01);
    mr_env_close(env);
}

// A joint's own noise takes the place of the general one, and of nothing else. Uniform: the largest
// of 400 draws is below 0.98 of the bound with probability 0.98^400 = 3e-4. Normal: the deviation
// errs by 1/28 of itself (one sigma); five are allowed.
Test(start, disturbs_each_joint_as_is_said_of_it) {
    mr_env *env = arm_open(HEAD "reset_noise:\n"
                                "  qpos: {uniform: 0.1}\n"
                                "  joints:\n"
                                "    - {joint: hinge, qpos: {uniform: 0.5}, qvel: {normal: 2}}\n"
                                "    - {joint: free, qpos: {uniform: 0}}\n");
    const mjData *data = mr_mujoco_of(env)->data;
    double hinge = 0.0, slide = 0.0, square = 0.0;
    for (uint64_t seed = 0; seed < N_STARTS; seed++) {
        reset(env, seed);
        hinge = fmax(hinge, fabs(data->qpos[0]));
        slide = fmax(slide, fabs(data->qpos[1]));
        square += data->qvel[0] * data->qvel[0] / N_STARTS;
        cr_expect_eq(data->qvel[1], 0.0);
        cr_expect_eq(data->qpos[2], 5.0);
        cr_expect_eq(data->qpos[5], 1.0);
    }
    cr_expect(hinge <= 0.5 && hinge > 0.49, "%g", hinge);
    cr_expect(slide <= 0.1 && slide > 0.098, "%g", slide);
    cr_expect_float_eq(sqrt(square), 2.0, 2.0 * 5.0 / 28.0);
    mr_env_close(env);
}

Test(start, scales_the_general_noise_alone_by_its_option) {
    mr_env *env = arm_open_with(HEAD "reset_noise:\n"
                                     "  qpos: {uniform: 0.1}\n"
                                     "  joints: [{joint: hinge, qpos: {uniform: 0.5}}]\n",
                                "reset_noise_scale=0");
    reset(env, 1);
    cr_expect_neq(mr_mujoco_of(env)->data->qpos[0], 0.0);
    cr_expect_eq(mr_mujoco_of(env)->data->qpos[1], 0.0);
    mr_env_close(env);
}

// Goals

typedef struct {
    double low, high, mean;
} spread;

static void spread_add(spread *s, double x) {
    s->low = fmin(s->low, x);
    s->high = fmax(s->high, x);
    s->mean += x / N_STARTS;
}

// Uniform on [low, high]: the ends are neared to 2 % (all but 3e-4 of the time), the mean errs by
// (high - low) / sqrt(12 x 400), one sigma; five are allowed.
static void expect_uniform(const spread *s, double low, double high) {
    const double width = high - low;
    cr_expect(s->low >= low && s->low < low + 0.02 * width, "%g", s->low);
    cr_expect(s->high <= high && s->high > high - 0.02 * width, "%g", s->high);
    cr_expect_float_eq(s->mean, 0.5 * (low + high), 5.0 * width / sqrt(12.0 * N_STARTS));
}

Test(start, draws_goals_anywhere_in_their_boxes) {
    mr_env *env = arm_open(HEAD "goals:\n"
                                "  - {body: ball, x: [1, 2], z: [2, 4]}\n"
                                "  - {body: marker, x: [-1, 1], y: [-2, 2], z: [0, 1]}\n"
                                "  - {body: post, y: [3, 4]}\n"
                                "  - {site: goal, z: [0, 1]}\n"
                                "  - {joint: hinge, range: [-1.5, 1.5]}\n"
                                "reset_noise: {qpos: {uniform: 0.1}, qvel: {normal: 1}}\n");
    const mr_mujoco *mujoco = mr_mujoco_of(env);
    const mjModel *model = mujoco->model;
    const mjData *data = mujoco->data;
    const int ball = mj_name2id(model, mjOBJ_BODY, "ball");
    const int marker = mj_name2id(model, mjOBJ_BODY, "marker");
    const int post = mj_name2id(model, mjOBJ_BODY, "post");
    const int lamp = mj_name2id(model, mjOBJ_BODY, "lamp");
    const int goal = mj_name2id(model, mjOBJ_SITE, "goal");
    spread s[8];
    for (size_t i = 0; i < MR_COUNT(s); i++)
        s[i] = (spread){.low = INFINITY, .high = -INFINITY};
    for (uint64_t seed = 0; seed < N_STARTS; seed++) {
        reset(env, seed);
        spread_add(&s[0], data->xpos[3 * ball]);
        spread_add(&s[1], data->xpos[3 * ball + 2]);
        for (int k = 0; k < 3; k++)
            spread_add(&s[2 + k], data->xpos[3 * marker + k]);
        spread_add(&s[5], data->xpos[3 * post + 1]);
        spread_add(&s[6], data->site_xpos[3 * goal + 2]);
        spread_add(&s[7], data->qpos[0]);
        cr_expect(fabs(data->xpos[3 * ball + 1] - 5.0) <=
                  0.1); // not drawn: the model's, with noise
        cr_expect_eq(data->xpos[3 * post], 0.0);
        cr_expect_eq(data->xpos[3 * lamp + 1],
                     data->xpos[3 * post + 1]); // what hangs on it follows
        cr_expect_eq(data->site_xpos[3 * goal], 0.1);
        for (int k = 2; k < 8; k++) // the ball is at rest, as is the hinge
            cr_expect_eq(data->qvel[k], 0.0);
        cr_expect_eq(data->qvel[0], 0.0);
        cr_expect_neq(data->qvel[1], 0.0);
    }
    expect_uniform(&s[0], 1.0, 2.0);
    expect_uniform(&s[1], 2.0, 4.0);
    expect_uniform(&s[2], -1.0, 1.0);
    expect_uniform(&s[3], -2.0, 2.0);
    expect_uniform(&s[4], 0.0, 1.0);
    expect_uniform(&s[5], 3.0, 4.0);
    expect_uniform(&s[6], 0.0, 1.0);
    expect_uniform(&s[7], -1.5, 1.5);
    mr_env_close(env);
}

// Without noise, the first number of the stream is x, the next one z.
Test(start, draws_goals_from_the_random_stream_of_the_episode) {
    mr_env *env = arm_open(HEAD "goals: [{site: goal, x: [1, 2], z: [0, 1]}]\n");
    const mjData *data = mr_mujoco_of(env)->data;
    const mjtNum *goal =
        data->site_xpos + 3 * mj_name2id(mr_mujoco_of(env)->model, mjOBJ_SITE, "goal");
    mr_random random = mr_random_stream(7, MR_STREAM_ENV, 0);
    const double x = mr_random_between(&random, 1.0, 2.0), z = mr_random_between(&random, 0.0, 1.0);
    reset(env, 3);
    reset(env, 7);
    cr_expect_eq(goal[0], x);
    cr_expect_eq(goal[1], 0.2);
    cr_expect_eq(goal[2], z);
    mr_env_close(env);
}

Test(start, leaves_goals_where_they_are_for_the_episode) {
    mr_env *env = arm_open(HEAD "goals: [{body: marker, x: [-1, 1]}, {body: post, y: [3, 4]}]\n");
    const mr_mujoco *mujoco = mr_mujoco_of(env);
    const size_t size = 3 * (size_t)mujoco->model->nbody * sizeof(mjtNum);
    mjtNum *before = malloc(size);
    double obs[ARM_NQ];
    const double action[ARM_ACT_DIM] = {0};
    mr_step result;
    reset(env, 1);
    memcpy(before, mujoco->data->xpos, size);
    for (int t = 0; t < 5; t++)
        cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
    cr_expect_arr_eq(mujoco->data->xpos, before, size); // nothing else moves either
    free(before);
    mr_env_close(env);
}

// Places of bodies and sites are in the model: a copy that shared it would move another's goal.
Test(start, draws_goals_of_copies_apart) {
    mr_env *copy, *env = arm_open(HEAD "goals: [{body: post, y: [3, 4]}]\n");
    cr_assert_eq(mr_env_copy(env, &copy), MR_OK, "%s", mr_error_message());
    const mr_mujoco *a = mr_mujoco_of(env), *b = mr_mujoco_of(copy);
    const int y = 3 * mj_name2id(a->model, mjOBJ_BODY, "post") + 1;
    reset(env, 1);
    const double before = a->model->body_pos[y];
    reset(copy, 2);
    cr_expect_neq(b->model->body_pos[y], before);
    cr_expect_eq(a->model->body_pos[y], before);
    mr_env_close(env);
    mr_env_close(copy);
}

// Places of mocap bodies and joints are in the state.
Test(start, shares_the_model_of_copies_whose_goals_are_in_the_state) {
    mr_env *copy, *env = arm_open(HEAD "goals: [{body: marker, x: [-1, 1]}]\n");
    cr_assert_eq(mr_env_copy(env, &copy), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_mujoco_of(env)->model, mr_mujoco_of(copy)->model);
    mr_env_close(env);
    mr_env_close(copy);
}

Test(start, refuses_what_cannot_be_placed_or_started_from) {
    static const struct {
        const char *line, *message;
    } faults[] = {
        {"keyframe: dwn\n", "task.yaml:4:11: the model has no keyframe \"dwn\"; it has away, up"},
        {"keyframe: 2\n", "task.yaml:4:11: the model has no keyframe \"2\""},
        {"goals: [{body: lamp, x: [0, 1]}]\n",
         "4:16: body \"lamp\" belongs to another body, and only bodies of the world can be placed"},
        {"goals: [{body: world, x: [0, 1]}]\n", "4:16: the world itself can't be placed"},
        {"goals: [{body: bal, x: [0, 1]}]\n", "4:16: the model has no body \"bal\"; did you mean"},
        {"goals: [{joint: free, range: [0, 1]}]\n", "4:17: joint \"free\" has more than one"},
        {"goals: [{joint: hinge, x: [0, 1]}]\n", "the goal of a joint has a range"},
        {"goals: [{joint: hinge, range: [0, .inf]}]\n", "a goal's range is finite"},
        {"goals: [{body: post, range: [0, 1]}]\n", "the goal of a body or site has a box"},
        {"goals: [{x: [0, 1]}]\n", "a goal needs a body, site or joint"},
        {"goals: [{site: goal, x: [0, .inf]}]\n", "4:25: expected two finite numbers"},
        {"goals: [{geom: link, x: [0, 1]}]\n", "unknown key \"geom\"; there are body, site, joint"},
        {"reset_noise: {joints: [{joint: hing, qpos: {uniform: 1}}]}\n",
         "4:32: the model has no joint \"hing\"; did you mean \"hinge\"?"},
        {"reset_noise: {joints: [{qpos: {uniform: 1}}]}\n", "expected a joint, as in"},
        {"reset_noise: {joints: 3}\n", "4:23: expected a list"},
        {"reset_noise: {joints: [{joint: hinge, qpos: {unform: 1}}]}\n",
         "did you mean \"uniform\"?"},
    };
    for (size_t i = 0; i < MR_COUNT(faults); i++) {
        char task[512];
        snprintf(task, sizeof task, HEAD "%s", faults[i].line);
        arm_expect_refused(task, NULL, MR_ERR_INPUT, faults[i].message);
        scratch_expect_message("task.yaml:4:");
    }
}

Test(start, is_told_by_the_description) {
    char text[16384];
    const mr_env_options options = {.task = "task.yaml"};
    mr_env_close(arm_open(HEAD "keyframe: up\ngoals: [{body: marker, x: [-1, 1]}]\n"
                               "reset_noise: {joints: [{joint: hinge, qvel: {normal: 2}}]}\n"));
    cr_assert_eq(mr_env_describe("mjcf:arm.xml", &options, text, sizeof text), MR_OK);
    scratch_expect_part(text, "Reset: the model's keyframe up\n"
                              "  qvel(hinge) + normal noise of deviation 2\n"
                              "  body marker at rest, x in [-1, 1]\n");
}
