// Environments stepped together: the same numbers as alone, whatever the number of threads.

#include "envs/env_ops.h"

#include "base/random.h"
#include "tests/scratch.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 5, N_STEPS = 40, OBS_DIM = 11, ACT_DIM = 3 }; // Hopper-v5's sizes

// All that N environments gave over N_STEPS steps.
typedef struct {
    double obs[N_STEPS][N][OBS_DIM];
    mr_step results[N_STEPS][N];
} record;

static void draw_actions(mr_random *random, double actions[N][ACT_DIM]) {
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < ACT_DIM; k++)
            actions[i][k] = mr_random_between(random, -1.0, 1.0);
}

static mr_vec_env *open_vec(int n_threads) {
    mr_vec_env *vec = NULL;
    cr_assert_eq(mr_vec_env_open("Hopper-v5", NULL, N, n_threads, &vec), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(mr_vec_env_n(vec), N);
    cr_assert_eq(mr_vec_env_get_spec(vec)->obs_dim, OBS_DIM);
    cr_assert_eq(mr_vec_env_get_spec(vec)->act_dim, ACT_DIM);
    return vec;
}

static void reset_all(mr_vec_env *vec) {
    for (uint64_t i = 0; i < N; i++) {
        double obs[OBS_DIM];
        cr_assert_eq(mr_vec_env_reset(vec, i, &i, obs), MR_OK);
    }
}

static void play(int n_threads, record *out) {
    mr_vec_env *vec = open_vec(n_threads);
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    double actions[N][ACT_DIM];
    reset_all(vec);
    for (int t = 0; t < N_STEPS; t++) {
        draw_actions(&random, actions);
        cr_assert_eq(mr_vec_env_step(vec, NULL, actions[0], out->obs[t][0], out->results[t]), MR_OK,
                     "%s", mr_error_message());
        for (size_t i = 0; i < N; i++)
            if (out->results[t][i].terminated)
                cr_assert_eq(mr_vec_env_reset(vec, i, NULL, (double[OBS_DIM]){0}), MR_OK);
    }
    mr_vec_env_close(vec);
}

static void play_alone(record *out) {
    for (uint64_t i = 0; i < N; i++) {
        mr_env *env;
        mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
        double actions[N][ACT_DIM], first[OBS_DIM];
        cr_assert_eq(mr_env_open("Hopper-v5", NULL, &env), MR_OK);
        cr_assert_eq(mr_env_reset(env, &i, first), MR_OK);
        for (int t = 0; t < N_STEPS; t++) {
            draw_actions(&random, actions);
            cr_assert_eq(mr_env_step(env, actions[i], out->obs[t][i], &out->results[t][i]), MR_OK);
            if (out->results[t][i].terminated)
                cr_assert_eq(mr_env_reset(env, NULL, first), MR_OK);
        }
        mr_env_close(env);
    }
}

static void expect_same(const record *a, const record *b) {
    cr_expect_arr_eq(a->obs, b->obs, sizeof a->obs);
    for (int t = 0; t < N_STEPS; t++)
        for (size_t i = 0; i < N; i++) {
            cr_expect_eq(a->results[t][i].reward, b->results[t][i].reward);
            cr_expect_eq(a->results[t][i].terminated, b->results[t][i].terminated);
            cr_expect_eq(a->results[t][i].truncated, b->results[t][i].truncated);
        }
}

Test(vec_env, equals_its_environments_stepped_alone) {
    static record together, alone;
    play(1, &together);
    play_alone(&alone);
    expect_same(&together, &alone);
}

Test(vec_env, gives_the_same_numbers_for_one_thread_and_for_two) {
    static record one, two;
    play(1, &one);
    play(2, &two);
    expect_same(&one, &two);
}

Test(vec_env, has_the_info_of_each_environment) {
    mr_vec_env *vec = open_vec(2);
    const size_t n_info = mr_vec_env_get_spec(vec)->n_info;
    double actions[N][ACT_DIM] = {{0}}, obs[N][OBS_DIM], info[N * 16];
    mr_step results[N];
    cr_assert(n_info > 0 && n_info <= 16);
    reset_all(vec);
    for (size_t i = 0; i < N; i++)
        actions[i][0] = 0.1 * (double)i;
    cr_assert_eq(mr_vec_env_step(vec, NULL, actions[0], obs[0], results), MR_OK);
    cr_assert_eq(mr_vec_env_infos(vec, n_info, info), MR_OK);
    for (size_t i = 0; i < N; i++)
        cr_expect_arr_eq(info + i * n_info, mr_env_info(mr_vec_env_at(vec, i)),
                         n_info * sizeof *info);
    cr_expect_neq(info[0], info[n_info]); // each its own x position
    mr_vec_env_close(vec);
}

Test(vec_env, reports_the_first_environment_that_failed_and_steps_the_others) {
    mr_vec_env *vec = open_vec(2);
    double actions[N][ACT_DIM] = {{0}}, obs[N][OBS_DIM];
    mr_step results[N] = {0};
    reset_all(vec);
    actions[2][1] = NAN;
    actions[4][0] = NAN;
    cr_assert_eq(mr_vec_env_step(vec, NULL, actions[0], obs[0], results), MR_ERR_NUMERIC);
    cr_expect_not_null(strstr(mr_error_message(), "environment 2: Hopper-v5: action 1"), "%s",
                       mr_error_message());
    cr_expect_gt(results[0].reward, 0.5); // healthy, at rest
    cr_expect_gt(results[3].reward, 0.5);
    mr_vec_env_close(vec);
}

Test(vec_env, leaves_the_rows_of_inactive_environments_alone) {
    mr_vec_env *vec = open_vec(2);
    double actions[N][ACT_DIM] = {{0}}, obs[N][OBS_DIM] = {{0}};
    mr_step results[N] = {0};
    const bool active[N] = {true, false, true, true, false};
    reset_all(vec);
    actions[1][0] = NAN; // would be refused, were it read
    cr_assert_eq(mr_vec_env_step(vec, active, actions[0], obs[0], results), MR_OK, "%s",
                 mr_error_message());
    for (size_t i = 0; i < N; i++) {
        cr_expect_eq(obs[i][0] != 0.0, active[i]);
        cr_expect_eq(results[i].reward != 0.0, active[i]);
    }
    mr_vec_env_close(vec);
}

Test(vec_env, refuses_no_copies_no_threads_and_unknown_names) {
    mr_vec_env *vec = NULL;
    cr_expect_eq(mr_vec_env_open("Hopper-v5", NULL, 0, 1, &vec), MR_ERR_USAGE);
    cr_expect_eq(mr_vec_env_open("Hopper-v5", NULL, 1, 0, &vec), MR_ERR_USAGE);
    cr_expect_eq(mr_vec_env_open("Hoper-v5", NULL, 2, 1, &vec), MR_ERR_USAGE);
    cr_expect_not_null(strstr(mr_error_message(), "Hopper-v5"));
    cr_expect_null(vec);
    mr_vec_env_close(NULL);
}

Test(vec_env, more_copies_outlive_those_that_they_were_opened_after) {
    mr_vec_env *vec = open_vec(1), *more = NULL;
    double obs[OBS_DIM];
    const uint64_t seed = 3;
    cr_assert_eq(mr_vec_env_open_more(vec, 2, 2, &more), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_vec_env_open_more(vec, 0, 1, &more), MR_ERR_USAGE);
    mr_vec_env_close(vec);
    cr_expect_eq(mr_vec_env_n(more), 2);
    cr_expect_eq(mr_vec_env_reset(more, 1, &seed, obs), MR_OK);
    mr_vec_env_close(more);
}

// ---- Episodes of an environment that has been used, and of its copies

enum { MAX_DIM = 512, N_WILD = 300, N_COMPARED = 40 };

static void act_randomly(const mr_env_spec *spec, mr_random *random, double *action) {
    for (size_t j = 0; j < spec->act_dim; j++)
        action[j] = mr_random_between(random, spec->act_low[j], spec->act_high[j]);
}

// Anything may be left behind by it: contacts, warm starts of the solver, bodies thrown about.
static void play_wildly(mr_env *env) {
    mr_random random = mr_random_stream(2, MR_STREAM_TEST, 0);
    double action[MAX_DIM], obs[MAX_DIM];
    mr_step step = {.truncated = true};
    for (uint64_t t = 0; t < N_WILD; t++) {
        if (step.terminated || step.truncated)
            cr_assert_eq(mr_env_reset(env, &t, obs), MR_OK);
        act_randomly(mr_env_get_spec(env), &random, action);
        cr_assert_eq(mr_env_step(env, action, obs, &step), MR_OK, "%s", mr_error_message());
    }
}

static void expect_same_episode(const char *name, mr_env *used, mr_env *fresh) {
    const mr_env_spec *spec = mr_env_get_spec(used);
    const size_t obs_size = spec->obs_dim * sizeof(double);
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 0);
    double action[MAX_DIM], obs_a[MAX_DIM], obs_b[MAX_DIM];
    const uint64_t seed = 9;
    mr_step a = {0}, b = {0};
    cr_assert_eq(mr_env_reset(used, &seed, obs_a), MR_OK);
    cr_assert_eq(mr_env_reset(fresh, &seed, obs_b), MR_OK);
    for (int t = 0; t < N_COMPARED && !a.terminated && !a.truncated; t++) {
        cr_assert_arr_eq(obs_a, obs_b, obs_size, "%s, step %d", name, t);
        act_randomly(spec, &random, action);
        cr_assert_eq(mr_env_step(used, action, obs_a, &a), MR_OK);
        cr_assert_eq(mr_env_step(fresh, action, obs_b, &b), MR_OK);
        cr_assert_eq(a.reward, b.reward, "%s, step %d", name, t);
        cr_assert(a.terminated == b.terminated && a.truncated == b.truncated);
        if (mr_env_info_count(used) > 0)
            cr_assert_arr_eq(mr_env_info(used), mr_env_info(fresh),
                             mr_env_info_count(used) * sizeof(double), "%s, step %d", name, t);
    }
    cr_assert_arr_eq(obs_a, obs_b, obs_size, "%s", name);
}

// Environments that have played, and copies of them, play the same episode as new ones.
static void check_episodes(const char *name, const mr_env_options *options) {
    mr_env *used, *fresh, *copy;
    cr_assert_eq(mr_env_open(name, options, &used), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_env_open(name, options, &fresh), MR_OK);
    cr_assert(mr_env_get_spec(used)->obs_dim <= MAX_DIM);
    play_wildly(used);
    cr_assert_eq(mr_env_copy(used, &copy), MR_OK, "%s", mr_error_message());
    cr_assert_str_eq(mr_env_get_spec(copy)->name, name);
    expect_same_episode(name, used, fresh);
    mr_env_close(used);
    expect_same_episode(name, copy, fresh);
    mr_env_close(copy);
    mr_env_close(fresh);
}

Test(vec_env, an_episode_depends_neither_on_earlier_ones_nor_on_being_a_copys) {
    for (size_t i = 0; i < mr_env_count(); i++)
        check_episodes(mr_env_at(i).name, NULL);
}

// Actuators with a state of their own, a warm start, a body that follows a mocap body, a tendon.
Test(vec_env, an_episode_of_a_model_with_states_of_its_own_does_not_either, .init = scratch_enter,
     .fini = scratch_leave) {
    scratch_write("arm.xml",
                  "<mujoco><option timestep=\"0.01\"/><worldbody>"
                  "<geom type=\"plane\" size=\"5 5 .1\"/>"
                  "<body name=\"goal\" mocap=\"true\" pos=\"0 0 .5\"><geom size=\".05\" "
                  "contype=\"0\" conaffinity=\"0\"/></body>"
                  "<body name=\"ball\" pos=\"0 0 .5\"><freejoint/><geom size=\".1\"/></body>"
                  "<body pos=\"1 0 1\"><joint name=\"a\" axis=\"0 1 0\"/><geom type=\"capsule\" "
                  "fromto=\"0 0 0 .5 0 0\" size=\".05\"/></body></worldbody>"
                  "<equality><weld body1=\"goal\" body2=\"ball\"/></equality>"
                  "<tendon><fixed name=\"t\"><joint joint=\"a\" coef=\"1\"/></fixed></tendon>"
                  "<actuator><general joint=\"a\" dyntype=\"integrator\" gainprm=\"5\" "
                  "ctrllimited=\"true\" ctrlrange=\"-1 1\"/><general tendon=\"t\" "
                  "dyntype=\"filter\" dynprm=\".3\" "
                  "gainprm=\"2\" ctrllimited=\"true\" ctrlrange=\"-1 1\"/></actuator></mujoco>");
    scratch_write(
        "arm.yaml",
        "frame_skip: 3\nobservation: [{field: qpos}, {field: qvel}, {field: qacc}, {field: "
        "actuator_force}, {field: xpos}]\nreward: [{term: control_cost}]\nreset_noise: "
        "{qvel: {normal: 0.1}}\n");
    check_episodes("mjcf:arm.xml", &(mr_env_options){.task = "arm.yaml"});
}
