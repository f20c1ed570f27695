// Drives a MuJoCo task by commands on standard input, for envs_gymnasium.py. One line in, one line
// out (%.17g):
//
//   state QPOS... QVEL...  begins an episode in that state    -> the observation, info
//   step ACTION...         one step of the environment        -> observation, info, reward,
//                                                                terminated, truncated
//   reset SEED             begins an episode as by itself     -> qpos, qvel
//   simulate ACTION...     the physics of a step alone       -> the fields of mjData, see below
//   fields                                                   -> the same, of the present state
//   quit
//
// The first line out is: obs_dim act_dim nq nv, MuJoCo's version and the names of what info holds.
// Fields are written as: name, number of components, components.

#include "envs/mujoco/compat.h"
#include "envs/mujoco/simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBERS = 1024, LINE_SIZE = 65536 };

static void fail(const char *message) {
    fprintf(stderr, "env_driver: %s\n", message);
    exit(1);
}

static void check(mr_status status) {
    if (status != MR_OK)
        fail(mr_error_message());
}

static void read_numbers(char *text, size_t n, double *numbers) {
    for (size_t i = 0; i < n; i++) {
        char *end;
        numbers[i] = strtod(text, &end);
        if (end == text)
            fail("too few numbers");
        text = end;
    }
}

static void print_numbers(size_t n, const double *numbers) {
    for (size_t i = 0; i < n; i++)
        printf("%.17g ", numbers[i]);
}

static void begin(mr_env *env, char *text) {
    double state[MAX_NUMBERS], obs[MAX_NUMBERS];
    mr_mujoco *mujoco = mr_mujoco_of(env);
    const size_t nq = (size_t)mujoco->model->nq, nv = (size_t)mujoco->model->nv;
    read_numbers(text, nq + nv, state);
    check(mr_env_reset(env, NULL, obs));
    check(mr_mujoco_set_state(mujoco, state, state + nq));
    mr_mujoco_observe(mujoco, obs);
    print_numbers(mr_env_get_spec(env)->obs_dim, obs);
    print_numbers(mr_env_info_count(env), mr_env_info(env));
    printf("\n");
}

static void step(mr_env *env, char *text) {
    double action[MAX_NUMBERS], obs[MAX_NUMBERS];
    mr_step result;
    read_numbers(text, mr_env_get_spec(env)->act_dim, action);
    check(mr_env_step(env, action, obs, &result));
    print_numbers(mr_env_get_spec(env)->obs_dim, obs);
    print_numbers(mr_env_info_count(env), mr_env_info(env));
    printf("%.17g %d %d\n", result.reward, result.terminated, result.truncated);
}

static void reset(mr_env *env, char *text) {
    double obs[MAX_NUMBERS];
    const uint64_t seed = strtoull(text, NULL, 10);
    const mr_mujoco *mujoco = mr_mujoco_of(env);
    check(mr_env_reset(env, &seed, obs));
    print_numbers((size_t)mujoco->model->nq, mujoco->data->qpos);
    print_numbers((size_t)mujoco->model->nv, mujoco->data->qvel);
    printf("\n");
}

static void print_fields(mr_env *env, char *text) {
    (void)text;
    const mjModel *m = mr_mujoco_of(env)->model;
    const mjData *d = mr_mujoco_of(env)->data;
    const size_t nq = (size_t)m->nq, nv = (size_t)m->nv, nbody = (size_t)m->nbody;
    const struct {
        const char *name;
        size_t n;
        const mjtNum *values;
    } fields[] = {
        {"qpos", nq, d->qpos},
        {"qvel", nv, d->qvel},
        {"qacc_warmstart", nv, d->qacc_warmstart},
        {"ctrl", (size_t)m->nu, d->ctrl},
        {"qfrc_actuator", nv, d->qfrc_actuator},
        {"qfrc_constraint", nv, d->qfrc_constraint},
        {"cinert", 10 * nbody, d->cinert},
        {"cvel", 6 * nbody, d->cvel},
        {"cfrc_ext", 6 * nbody, d->cfrc_ext},
        {"xpos", 3 * nbody, d->xpos},
        {"xipos", 3 * nbody, d->xipos},
        {"site_xpos", 3 * (size_t)m->nsite, d->site_xpos},
        {"ten_length", (size_t)m->ntendon, d->ten_length},
        {"ten_velocity", (size_t)m->ntendon, d->ten_velocity},
    };
    for (size_t i = 0; i < MR_COUNT(fields); i++) {
        printf("%s %zu ", fields[i].name, fields[i].n);
        print_numbers(fields[i].n, fields[i].values);
    }
    printf("\n");
}

static void simulate(mr_env *env, char *text) {
    double action[MAX_NUMBERS];
    read_numbers(text, mr_env_get_spec(env)->act_dim, action);
    check(mr_mujoco_simulate(mr_mujoco_of(env), action));
    print_fields(env, text);
}

static const struct {
    const char *name;
    void (*run)(mr_env *env, char *text);
} commands[] = {{"state ", begin},
                {"step ", step},
                {"reset ", reset},
                {"simulate ", simulate},
                {"fields", print_fields}};

static void obey(mr_env *env, char *line) {
    for (size_t i = 0; i < MR_COUNT(commands); i++) {
        const size_t length = strlen(commands[i].name);
        if (strncmp(line, commands[i].name, length) == 0) {
            commands[i].run(env, line + length);
            return;
        }
    }
    fail("unknown command");
}

static void greet(const mr_env *env) {
    const mr_env_spec *spec = mr_env_get_spec(env);
    const mr_mujoco *mujoco = mr_mujoco_of(env);
    if (mujoco == NULL)
        fail("not a MuJoCo task");
    printf("%zu %zu %d %d %s", spec->obs_dim, spec->act_dim, (int)mujoco->model->nq,
           (int)mujoco->model->nv, mr_mujoco_version());
    for (size_t i = 0; i < mr_env_info_count(env); i++)
        printf(" %s", mr_env_info_name(env, i));
    printf("\n");
}

int main(int argc, char **argv) {
    static char line[LINE_SIZE];
    mr_env *env = NULL;
    if (argc < 2 || argc > 3)
        fail("give the name of one environment, and perhaps its options");
    const mr_env_options options = {.set = argc > 2 ? argv[2] : NULL};
    check(mr_env_open(argv[1], &options, &env));
    greet(env);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
        obey(env, line);
        fflush(stdout);
    }
    mr_env_close(env);
    return 0;
}
