// MuJoCo tasks: their simulation, observations, rewards, ends and starts.

#include "envs/mujoco/simulation.h"

#include "rollout.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <string.h>

enum { MAX_DIM = 512 };

static mr_env *open_env(const char *name) {
    mr_env *env = NULL;
    cr_assert_eq(mr_env_open(name, NULL, &env), MR_OK, "%s", mr_error_message());
    double obs[MAX_DIM];
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK, "%s", mr_error_message());
    return env;
}

static void set_state(mr_env *env, const double *qpos, const double *qvel) {
    cr_assert_eq(mr_mujoco_set_state(mr_mujoco_of(env), qpos, qvel), MR_OK, "%s",
                 mr_error_message());
}

static mr_step step(mr_env *env, const double *action, double *obs) {
    mr_step result;
    cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK, "%s", mr_error_message());
    return result;
}

// The model's initial state with one coordinate changed, stepped once without control.
static mr_step step_from(const char *name, size_t coordinate, double value, double *obs) {
    mr_env *env = open_env(name);
    const mjModel *model = mr_mujoco_of(env)->model;
    double qpos[MAX_DIM], qvel[MAX_DIM] = {0}, action[MAX_DIM] = {0};
    memcpy(qpos, model->qpos0, (size_t)model->nq * sizeof *qpos);
    qpos[coordinate] = value;
    set_state(env, qpos, qvel);
    const mr_step result = step(env, action, obs);
    mr_env_close(env);
    return result;
}

// Rollouts: 100 steps of the reference model (rollout.h).

typedef struct {
    char name[32];
} task_case;

static task_case tasks[] = {
    {"Ant-v5"},
    {"HalfCheetah-v5"},
    {"Hopper-v5"},
    {"Humanoid-v5"},
    {"HumanoidStandup-v5"},
    {"InvertedDoublePendulum-v5"},
    {"InvertedPendulum-v5"},
    {"Pusher-v5"},
    {"Reacher-v5"},
    {"Swimmer-v5"},
    {"Walker2d-v5"},
};

ParameterizedTestParameters(task, follows_the_reference_rollout) {
    return cr_make_param_array(task_case, tasks, MR_COUNT(tasks));
}

static bool is_close(double value, double expected, double tolerance) {
    return fabs(value - expected) <= tolerance * fmax(1.0, fabs(expected));
}

static const double rollout_tolerance = 1e-9; // absolute, or relative above 1

static void expect_state(const mjModel *model, const mjData *data, const csv_table *table,
                         size_t t) {
    const double *qpos = &table->rows[t][csv_column(table, "qpos0")];
    const double *qvel = &table->rows[t][csv_column(table, "qvel0")];
    for (int i = 0; i < (int)model->nq; i++)
        cr_expect(is_close(data->qpos[i], qpos[i], rollout_tolerance),
                  "step %zu: qpos[%d] is %.17g, not %.17g", t, i, data->qpos[i], qpos[i]);
    for (int i = 0; i < (int)model->nv; i++)
        cr_expect(is_close(data->qvel[i], qvel[i], rollout_tolerance),
                  "step %zu: qvel[%d] is %.17g, not %.17g", t, i, data->qvel[i], qvel[i]);
}

static void expect_contacts(const mjModel *model, mjData *data, const csv_table *table, size_t t) {
    const double *row = table->rows[t];
    double sum = 0.0;
    mj_rnePostConstraint(model, data); // tasks leave it out where they don't read contact forces
    for (int i = 0; i < 6 * (int)model->nbody; i++)
        sum += data->cfrc_ext[i] * data->cfrc_ext[i];
    cr_expect_eq((int)data->ncon, (int)row[csv_column(table, "ncon")], "step %zu", t);
    cr_expect(is_close(sum, row[csv_column(table, "cfrc_ext_sumsq")], rollout_tolerance),
              "step %zu: cfrc_ext^2 is %.17g", t, sum);
}

ParameterizedTest(task_case *which, task, follows_the_reference_rollout) {
    const rollout recorded = rollout_load(which->name);
    csv_table *table = recorded.table;
    mr_env *env = open_env(which->name);
    mr_mujoco *mujoco = mr_mujoco_of(env);
    const size_t qpos = csv_column(table, "qpos0"), qvel = csv_column(table, "qvel0");

    set_state(env, &table->rows[0][qpos], &table->rows[0][qvel]);
    cr_assert_eq(table->n_rows, 101);
    for (size_t t = 1; t < table->n_rows; t++) {
        const double *action = &table->rows[t][csv_column(table, "ctrl0")];
        cr_assert_eq(mr_mujoco_simulate(mujoco, action), MR_OK); // goes on where the task would end
        if (!rollout_is_comparable(&recorded, mujoco->data))
            break;
        expect_state(mujoco->model, mujoco->data, table, t);
        expect_contacts(mujoco->model, mujoco->data, table, t);
    }
    mr_env_close(env);
    free(table);
}

// Observations

Test(task, observes_positions_without_the_first_and_then_velocities) {
    double obs[MAX_DIM];
    mr_env *env = open_env("HalfCheetah-v5");
    const mjData *data = mr_mujoco_of(env)->data;
    const double action[6] = {1.0, -1.0, 0.5, 0.0, 0.25, -0.5};
    step(env, action, obs);
    cr_expect_arr_eq(obs, data->qpos + 1, 8 * sizeof *obs);
    cr_expect_arr_eq(obs + 8, data->qvel, 9 * sizeof *obs);
    mr_env_close(env);
}

Test(task, clips_the_velocities_that_hopper_observes) {
    double obs[MAX_DIM];
    mr_env *env = open_env("Hopper-v5");
    const double qpos[6] = {0.0, 1.25}, qvel[6] = {50.0, -50.0, 10.5, 10.0, -9.5, 0.0};
    const double clipped[6] = {10.0, -10.0, 10.0, 10.0, -9.5, 0.0};
    set_state(env, qpos, qvel);
    mr_mujoco_observe(mr_mujoco_of(env), obs);
    cr_expect_arr_eq(obs, qpos + 1, 5 * sizeof *obs);
    cr_expect_arr_eq(obs + 5, clipped, sizeof clipped);
    mr_env_close(env);
}

// Rewards: the formulas of Gymnasium's v5 tasks, with their default weights.

Test(task, rewards_the_half_cheetah_for_speed_less_control) {
    double obs[MAX_DIM];
    mr_env *env = open_env("HalfCheetah-v5");
    const mjData *data = mr_mujoco_of(env)->data;
    const double action[6] = {1.0, -1.0, 0.5, 0.0, 0.25, -0.5};
    const double squares = 1.0 + 1.0 + 0.25 + 0.0 + 0.0625 + 0.25;
    for (int t = 0; t < 20; t++) {
        const double before = data->qpos[0];
        const mr_step result = step(env, action, obs);
        cr_expect_float_eq(result.reward, (data->qpos[0] - before) / 0.05 - 0.1 * squares, 1e-12);
        cr_expect_not(result.terminated);
    }
    mr_env_close(env);
}

Test(task, rewards_the_hopper_for_health_on_top) {
    double obs[MAX_DIM];
    mr_env *env = open_env("Hopper-v5");
    const mjData *data = mr_mujoco_of(env)->data;
    const double action[3] = {0.5, -1.0, 0.25};
    const double before = data->qpos[0];
    const mr_step result = step(env, action, obs);
    const double speed = (data->qpos[0] - before) / 0.008;
    cr_expect_not(result.terminated);
    cr_expect_float_eq(result.reward, speed + 1.0 - 1e-3 * (0.25 + 1.0 + 0.0625), 1e-12);
    mr_env_close(env);
}

// Ends

Test(task, ends_a_fallen_hopper_without_the_reward_for_health) {
    double obs[MAX_DIM];
    const mr_step result = step_from("Hopper-v5", 1, 0.5, obs);
    cr_expect(result.terminated);
    cr_expect_lt(result.reward, 0.5);
}

Test(task, ends_a_fallen_pendulum_without_reward) {
    double obs[MAX_DIM];
    mr_step result = step_from("InvertedPendulum-v5", 1, -0.3, obs);
    cr_expect(result.terminated);
    cr_expect_eq(result.reward, 0.0);
    result = step_from("InvertedPendulum-v5", 1, 0.1, obs);
    cr_expect_not(result.terminated);
    cr_expect_eq(result.reward, 1.0);
}

Test(task, never_ends_the_half_cheetah_by_its_state) {
    double obs[MAX_DIM];
    const mr_step result = step_from("HalfCheetah-v5", 2, 3.0, obs); // on its back
    cr_expect_not(result.terminated);
}

// A coordinate of (qpos, qvel), the last healthy value and, next to it, the first unhealthy one.
typedef struct {
    const char *name;
    size_t coordinate;
    double healthy, unhealthy;
} threshold;

static bool is_healthy_at(mr_env *env, size_t coordinate, double value) {
    const mr_mujoco *mujoco = mr_mujoco_of(env);
    const size_t nq = (size_t)mujoco->model->nq;
    double state[2 * MAX_DIM] = {0};
    memcpy(state, mujoco->model->qpos0, nq * sizeof *state);
    state[coordinate] = value;
    set_state(env, state, state + nq);
    return mujoco->healthy;
}

Test(task, holds_the_state_for_healthy_exactly_within_its_ranges) {
    const double below_100 = nextafter(100.0, 0.0), below_0_2 = nextafter(0.2, 0.0);
    const threshold thresholds[] = {
        {"Hopper-v5", 1, nextafter(0.7, 1.0), 0.7},
        {"Hopper-v5", 2, below_0_2, 0.2},
        {"Hopper-v5", 2, -below_0_2, -0.2},
        {"Hopper-v5", 3, below_100, 100.0},
        {"Hopper-v5", 5, -below_100, -100.0},
        {"Hopper-v5", 6, below_100, 100.0},
        {"Hopper-v5", 11, -below_100, -100.0},
        {"InvertedPendulum-v5", 1, 0.2, nextafter(0.2, 1.0)},
        {"InvertedPendulum-v5", 1, -0.2, nextafter(-0.2, -1.0)},
    };
    for (size_t i = 0; i < MR_COUNT(thresholds); i++) {
        const threshold *at = &thresholds[i];
        mr_env *env = open_env(at->name);
        cr_expect(is_healthy_at(env, at->coordinate, at->healthy), "%s: %zu at %.17g", at->name,
                  at->coordinate, at->healthy);
        cr_expect_not(is_healthy_at(env, at->coordinate, at->unhealthy), "%s: %zu at %.17g",
                      at->name, at->coordinate, at->unhealthy);
        mr_env_close(env);
    }
}

Test(task, sets_no_bound_to_the_height_and_place_of_a_hopper) {
    mr_env *env = open_env("Hopper-v5");
    cr_expect(is_healthy_at(env, 0, 1000.0));
    cr_expect(is_healthy_at(env, 1, 1000.0));
    mr_env_close(env);
}

// Divergence. mj_checkVel takes anything above mjMAXVAL for a divergence and starts over from the
// initial state.

static void diverge(mr_env *env, double *obs, mr_step *result) {
    const double action[6] = {0};
    mr_mujoco_of(env)->data->qvel[0] = 10.0 * mjMAXVAL;
    cr_assert_eq(mr_env_step(env, action, obs, result), MR_OK, "%s", mr_error_message());
}

Test(task, truncates_a_diverging_episode_with_its_last_good_observation_and_counts_it) {
    double before[MAX_DIM], obs[MAX_DIM];
    const double action[6] = {0.5, 0.5};
    mr_step result;
    mr_env *env = open_env("HalfCheetah-v5");
    for (size_t episode = 0; episode < 2; episode++) {
        cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
        step(env, action, before);
        diverge(env, obs, &result);
        cr_expect(result.truncated);
        cr_expect(result.diverged);
        cr_expect_not(result.terminated);
        cr_expect_eq(result.reward, 0.0);
        cr_expect_arr_eq(obs, before, 17 * sizeof *obs);
        cr_expect_eq(mr_env_info(env)[0], 0.0);
        cr_expect_eq(mr_env_step(env, action, obs, &result), MR_ERR_USAGE); // it is over
        cr_expect_eq(mr_env_n_diverged(env), episode + 1);
    }
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    cr_expect_not(step(env, action, obs).truncated); // and the next one is as any
    mr_env_close(env);
}

Test(task, truncates_where_numbers_are_not_finite) {
    double obs[MAX_DIM];
    const double action[8] = {0};
    mr_step result;
    mr_env *env = open_env("Ant-v5"); // would be terminated as unhealthy
    mr_mujoco_of(env)->data->qpos[7] = NAN;
    cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK, "%s", mr_error_message());
    cr_expect(result.truncated && result.diverged && !result.terminated);
    for (size_t i = 0; i < mr_env_get_spec(env)->obs_dim; i++)
        cr_expect(isfinite(obs[i]));
    mr_env_close(env);
}

// Info

static double info_of(const mr_env *env, const char *name) {
    for (size_t i = 0; i < mr_env_info_count(env); i++)
        if (strcmp(mr_env_info_name(env, i), name) == 0)
            return mr_env_info(env)[i];
    cr_assert_fail("no %s", name);
    return NAN;
}

Test(task, tells_the_parts_of_the_reward_and_where_the_robot_is) {
    double obs[MAX_DIM];
    const double action[3] = {0.5, -1.0, 0.25};
    mr_env *env = open_env("Hopper-v5");
    const mr_mujoco *mujoco = mr_mujoco_of(env);
    cr_expect_eq(info_of(env, "x_position"), mujoco->data->qpos[0]); // after a reset, too
    cr_expect_eq(info_of(env, "x_velocity"), 0.0);
    const mr_step result = step(env, action, obs);
    cr_expect_eq(info_of(env, "reward_survive"), 1.0);
    cr_expect_float_eq(info_of(env, "reward_ctrl"), -1e-3 * (0.25 + 1.0 + 0.0625), 1e-15);
    cr_expect_eq(info_of(env, "x_position"), mujoco->data->qpos[0]);
    cr_expect_eq(info_of(env, "z_distance_from_origin"),
                 mujoco->data->qpos[1] - mujoco->model->qpos0[1]);
    cr_expect_eq(info_of(env, "x_velocity"), info_of(env, "reward_forward"));
    cr_expect_float_eq(result.reward,
                       info_of(env, "reward_forward") + info_of(env, "reward_survive") +
                           info_of(env, "reward_ctrl"),
                       1e-12);
    mr_env_close(env);
}

// Starts

enum { N_STARTS = 1000 };

// Moments of what resets add to some coordinates of the initial state.
typedef struct {
    double mean, deviation, largest, kurtosis;
} moments;

static moments moments_of(size_t n, const double *x) {
    moments m = {0};
    for (size_t i = 0; i < n; i++)
        m.mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double square = (x[i] - m.mean) * (x[i] - m.mean);
        m.deviation += square / (double)n;
        m.kurtosis += square * square / (double)n;
        m.largest = fmax(m.largest, fabs(x[i]));
    }
    m.kurtosis /= m.deviation * m.deviation;
    m.deviation = sqrt(m.deviation);
    return m;
}

static bool is_quaternion(const mjModel *model, int i) {
    return model->jnt_type[0] == mjJNT_FREE && i >= 3 && i < 7;
}

static void collect_starts(const char *name, moments *of_qpos, moments *of_qvel) {
    static double qpos[N_STARTS * MAX_DIM], qvel[N_STARTS * MAX_DIM];
    mr_env *env = open_env(name);
    const mjModel *model = mr_mujoco_of(env)->model;
    const mjData *data = mr_mujoco_of(env)->data;
    size_t n_qpos = 0, n_qvel = 0;
    for (uint64_t seed = 0; seed < N_STARTS; seed++) {
        double obs[MAX_DIM];
        cr_assert_eq(mr_env_reset(env, &seed, obs), MR_OK);
        for (int i = 0; i < (int)model->nq; i++)
            if (!is_quaternion(model, i)) // MuJoCo has made its length 1
                qpos[n_qpos++] = data->qpos[i] - model->qpos0[i];
        for (int i = 0; i < (int)model->nv; i++)
            qvel[n_qvel++] = data->qvel[i];
    }
    mr_env_close(env);
    *of_qpos = moments_of(n_qpos, qpos);
    *of_qvel = moments_of(n_qvel, qvel);
}

// At least 2,000 numbers: the mean errs by deviation / 45, the deviation by 1/63 of itself (normal)
// or less, one sigma; five of them are allowed. Fourth moments: 1.8 when uniform, 3 when normal.
static void expect_uniform(const moments *m, double scale) {
    cr_expect_leq(m->largest, scale);
    cr_expect_gt(m->largest, 0.99 * scale);
    cr_expect_float_eq(m->mean, 0.0, 5.0 * m->deviation / 45.0);
    cr_expect_float_eq(m->deviation, scale / sqrt(3.0), 5.0 / 63.0 * scale);
    cr_expect_float_eq(m->kurtosis, 1.8, 0.2);
}

static void expect_normal(const moments *m, double scale) {
    cr_expect_gt(m->largest, 3.0 * scale);
    cr_expect_float_eq(m->mean, 0.0, 5.0 * m->deviation / 45.0);
    cr_expect_float_eq(m->deviation, scale, 5.0 / 63.0 * scale);
    cr_expect_float_eq(m->kurtosis, 3.0, 0.4);
}

typedef struct {
    char name[32];
    double scale;
    bool normal; // qvel; qpos is always uniform
} start_case;

ParameterizedTestParameters(task, starts_episodes_near_the_initial_state) {
    static start_case cases[] = {
        {"Ant-v5", 0.1, true},
        {"HalfCheetah-v5", 0.1, true},
        {"Hopper-v5", 5e-3, false},
        {"Humanoid-v5", 0.01, false},
        {"HumanoidStandup-v5", 0.01, false},
        {"InvertedDoublePendulum-v5", 0.1, true},
        {"InvertedPendulum-v5", 0.01, false},
        {"Swimmer-v5", 0.1, false},
        {"Walker2d-v5", 5e-3, false},
    };
    return cr_make_param_array(start_case, cases, MR_COUNT(cases));
}

ParameterizedTest(start_case *which, task, starts_episodes_near_the_initial_state) {
    moments qpos, qvel;
    collect_starts(which->name, &qpos, &qvel);
    expect_uniform(&qpos, which->scale);
    if (which->normal)
        expect_normal(&qvel, which->scale);
    else
        expect_uniform(&qvel, which->scale);
}

// Starts of one coordinate of qpos or qvel.
static void collect_coordinate(const char *name, bool of_qvel, size_t coordinate, double *x) {
    mr_env *env = open_env(name);
    const mjData *data = mr_mujoco_of(env)->data;
    for (uint64_t seed = 0; seed < N_STARTS; seed++) {
        double obs[MAX_DIM];
        cr_assert_eq(mr_env_reset(env, &seed, obs), MR_OK);
        x[seed] = of_qvel ? data->qvel[coordinate] : data->qpos[coordinate];
    }
    mr_env_close(env);
}

static void expect_at_rest(const char *name, bool of_qvel, size_t coordinate) {
    double x[N_STARTS];
    collect_coordinate(name, of_qvel, coordinate, x);
    for (size_t i = 0; i < N_STARTS; i++)
        cr_assert_eq(x[i], 0.0, "%s: %zu", name, coordinate);
}

// Uniform in the disc of radius R: each coordinate's variance is R^2 / 4, and half of the goals lie
// within R / sqrt(2). 1,000 draws: the deviation errs by 2 %, the share by 1.6 %, one sigma.
Test(task, places_the_target_of_the_reacher_anywhere_in_its_reach) {
    double x[N_STARTS], y[N_STARTS], square = 0.0, largest = 0.0;
    size_t n_inner = 0;
    collect_coordinate("Reacher-v5", false, 2, x);
    collect_coordinate("Reacher-v5", false, 3, y);
    for (size_t i = 0; i < N_STARTS; i++) {
        const double distance = hypot(x[i], y[i]);
        square += x[i] * x[i] / N_STARTS;
        largest = fmax(largest, distance);
        n_inner += distance < 0.2 / sqrt(2.0);
    }
    cr_expect_lt(largest, 0.2);
    cr_expect_gt(largest, 0.198);
    cr_expect_float_eq(sqrt(square), 0.1, 0.1 * 0.1);
    cr_expect_float_eq((double)n_inner / N_STARTS, 0.5, 5 * 0.016);
    cr_expect_float_eq(moments_of(N_STARTS, x).mean, 0.0, 5 * 0.1 / sqrt(N_STARTS));
    expect_at_rest("Reacher-v5", true, 2);
    expect_at_rest("Reacher-v5", true, 3);
    double joint[N_STARTS];
    collect_coordinate("Reacher-v5", false, 0, joint);
    cr_expect_leq(moments_of(N_STARTS, joint).largest, 0.1);
    collect_coordinate("Reacher-v5", true, 1, joint);
    cr_expect_leq(moments_of(N_STARTS, joint).largest, 0.005);
    cr_expect_float_eq(moments_of(N_STARTS, joint).deviation, 0.005 / sqrt(3.0), 5e-4);
}

Test(task, places_the_cylinder_of_the_pusher_off_its_goal) {
    double x[N_STARTS], y[N_STARTS], least = 1.0, lowest_x = 0.0;
    collect_coordinate("Pusher-v5", false, 7, x);
    collect_coordinate("Pusher-v5", false, 8, y);
    for (size_t i = 0; i < N_STARTS; i++) {
        cr_assert(x[i] >= -0.3 && x[i] <= 0.0 && fabs(y[i]) <= 0.2);
        least = fmin(least, hypot(x[i], y[i]));
        lowest_x = fmin(lowest_x, x[i]);
    }
    cr_expect_gt(least, 0.17);
    cr_expect_lt(least, 0.175);
    cr_expect_lt(lowest_x, -0.295);
    // The rectangle less the half disc: mean x is (-0.12 0.15 + 2/3 0.17^3) / (0.12 - pi/2 0.17^2).
    const double mean_x =
        (-0.12 * 0.15 + 2.0 / 3.0 * pow(0.17, 3)) / (0.12 - acos(-1.0) / 2.0 * 0.17 * 0.17);
    cr_expect_float_eq(moments_of(N_STARTS, x).mean, mean_x, 5 * 0.08 / sqrt(N_STARTS));
    cr_expect_float_eq(moments_of(N_STARTS, y).mean, 0.0, 5 * 0.13 / sqrt(N_STARTS));
    for (size_t i = 0; i < 7; i++)
        expect_at_rest("Pusher-v5", false, i);
    expect_at_rest("Pusher-v5", false, 9);
    for (size_t i = 7; i < 11; i++)
        expect_at_rest("Pusher-v5", true, i);
    double joint[N_STARTS];
    collect_coordinate("Pusher-v5", true, 0, joint);
    cr_expect_leq(moments_of(N_STARTS, joint).largest, 0.005);
}

Test(task, forgets_the_episode_before) {
    double first[MAX_DIM], again[MAX_DIM], obs[MAX_DIM];
    const double action[3] = {1.0, 1.0, 1.0};
    const uint64_t seed = 5;
    mr_env *env = open_env("Hopper-v5");
    cr_assert_eq(mr_env_reset(env, &seed, obs), MR_OK);
    step(env, action, first);
    for (int t = 0; t < 10;
         t++) // falls, in contact with the floor: the solver's warm start is not 0
        cr_assert_eq(mr_mujoco_simulate(mr_mujoco_of(env), action), MR_OK);
    cr_assert_eq(mr_env_reset(env, &seed, obs), MR_OK);
    step(env, action, again);
    cr_expect_arr_eq(first, again, 11 * sizeof *first);
    mr_env_close(env);
}
