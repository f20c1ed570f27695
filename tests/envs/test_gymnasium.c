// Transitions that Gymnasium recorded, made again one by one.
//
// tests/data/envs/gymnasium/ is written by tests/oracle/envs_gymnasium.py: the state that each step
// started from (with the solver's warm start), the action, and what Gymnasium's task gave, on
// MuJoCo 4.0.0. Where 2.2.2 moves otherwise, it has files of its own: it turns free bodies in
// another way (Ant, the Humanoids), and takes the larger of the margins of two geoms that touch
// instead of their sum (Hopper).

#include "envs/mujoco/simulation.h"

#include "csv.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <string.h>

enum { MAX_DIM = 512 };

static const double tolerance = 1e-9; // absolute, or relative above 1

typedef struct {
    char name[32];
    bool depends_on_release; // so that other releases than those recorded can't be compared
} recorded_task;

static bool is_close(double value, double expected) {
    return fabs(value - expected) <= tolerance * fmax(1.0, fabs(expected));
}

static const double *at(const csv_table *table, size_t t, const char *column) {
    return &table->rows[t][csv_column(table, column)];
}

// Within an episode, positions of bodies are those that the step before has left, which belong to
// the state before its last integration; only qpos and qvel are put right, so that errors don't
// grow.
static void go_on_at(mr_mujoco *mujoco, const csv_table *table, size_t t) {
    memcpy(mujoco->data->qpos, at(table, t, "qpos0"), (size_t)mujoco->model->nq * sizeof(double));
    memcpy(mujoco->data->qvel, at(table, t, "qvel0"), (size_t)mujoco->model->nv * sizeof(double));
}

static void begin_at(mr_env *env, const csv_table *table, size_t t) {
    double obs[MAX_DIM];
    mr_mujoco *mujoco = mr_mujoco_of(env);
    const bool is_start =
        t == 0 || *at(table, t - 1, "terminated") != 0.0 || *at(table, t - 1, "truncated") != 0.0;
    if (is_start) {
        cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
        cr_assert_eq(mr_mujoco_set_state(mujoco, at(table, t, "qpos0"), at(table, t, "qvel0")),
                     MR_OK);
    } else {
        go_on_at(mujoco, table, t);
    }
    memcpy(mujoco->data->qacc_warmstart, at(table, t, "warmstart0"),
           (size_t)mujoco->model->nv * sizeof(double));
}

static void expect_result(const mr_env *env, const csv_table *table, size_t t, const double *obs,
                          mr_step result) {
    const double *expected = at(table, t, "obs0");
    for (size_t i = 0; i < mr_env_get_spec(env)->obs_dim; i++)
        cr_expect(is_close(obs[i], expected[i]), "step %zu: obs[%zu] is %.17g, not %.17g", t, i,
                  obs[i], expected[i]);
    cr_expect(is_close(result.reward, *at(table, t, "reward")),
              "step %zu: reward is %.17g, not %.17g", t, result.reward, *at(table, t, "reward"));
    cr_expect_eq(result.terminated, *at(table, t, "terminated") != 0.0, "step %zu", t);
}

// All that Gymnasium's info holds, and nothing else.
static void expect_info(const mr_env *env, const csv_table *table, size_t t) {
    const size_t first = csv_column(table, "truncated") + 1;
    cr_assert_eq(mr_env_info_count(env), table->n_columns - first);
    for (size_t i = 0; i < mr_env_info_count(env); i++) {
        char column[80];
        const double value = mr_env_info(env)[i];
        snprintf(column, sizeof column, "info:%s", mr_env_info_name(env, i));
        cr_expect(is_close(value, *at(table, t, column)), "step %zu: %s is %.17g, not %.17g", t,
                  column, value, *at(table, t, column));
    }
}

static void expect_transition(mr_env *env, const csv_table *table, size_t t) {
    double obs[MAX_DIM];
    mr_step result;
    begin_at(env, table, t);
    cr_assert_eq(mr_env_step(env, at(table, t, "action0"), obs, &result), MR_OK);
    expect_result(env, table, t, obs, result);
    expect_info(env, table, t);
}

ParameterizedTestParameters(gymnasium, gives_the_same_transitions) {
    static recorded_task tasks[] = {
        {"Ant-v5", true},
        {"HalfCheetah-v5", false},
        {"Hopper-v5", true},
        {"Humanoid-v5", true},
        {"HumanoidStandup-v5", true},
        {"InvertedDoublePendulum-v5", false},
        {"InvertedPendulum-v5", false},
        {"Pusher-v5", false},
        {"Reacher-v5", false},
        {"Swimmer-v5", false},
        {"Walker2d-v5", false},
    };
    return cr_make_param_array(recorded_task, tasks, MR_COUNT(tasks));
}

ParameterizedTest(recorded_task *which, gymnasium, gives_the_same_transitions) {
    char path[64];
    mr_env *env;
    const bool is_old = mj_version() == 222;
    if (which->depends_on_release && !is_old && strcmp(mj_versionString(), "4.0.0") != 0)
        cr_skip("%s moves in its own way on MuJoCo %s", which->name, mj_versionString());
    snprintf(path, sizeof path, "envs/gymnasium/%s%s.csv", which->name,
             which->depends_on_release && is_old ? "-2.2.2" : "");
    csv_table *table = csv_load(path);
    cr_assert_eq(mr_env_open(which->name, NULL, &env), MR_OK);
    for (size_t t = 0; t < table->n_rows; t++)
        expect_transition(env, table, t);
    mr_env_close(env);
    free(table);
}
