// Drives a classic task by commands on standard input, for classic_gymnasium.py; as env_driver.c
// does for MuJoCo's. One line in, one line out (%.17g):
//
//   reset         begins an episode                -> state and observation
//   step ACTION   one step                         -> observation, reward, terminated, truncated
//   time N        N steps of no action, timed      -> steps a second
//
// The first line out is: obs_dim act_dim 2 0, and the version.

#include "envs/classic/classic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { MAX_DIM = 3, LINE_SIZE = 1024 };

static void fail(const char *message) {
    fprintf(stderr, "classic_driver: %s\n", message);
    exit(1);
}

static void check(mr_status status) {
    if (status != MR_OK)
        fail(mr_error_message());
}

static double *state_of(const mr_env *env) {
    double *state = mr_classic_state(env);
    if (state == NULL)
        fail("not a classic task");
    return state;
}

static void print_numbers(size_t n, const double *numbers) {
    for (size_t i = 0; i < n; i++)
        printf("%.17g ", numbers[i]);
}

static void reset(mr_env *env, double unused) {
    double obs[MAX_DIM];
    (void)unused;
    check(mr_env_reset(env, NULL, obs));
    print_numbers(2, state_of(env));
    print_numbers(mr_env_get_spec(env)->obs_dim, obs);
    printf("\n");
}

static void step(mr_env *env, double action) {
    double obs[MAX_DIM];
    mr_step result;
    check(mr_env_step(env, &action, obs, &result));
    print_numbers(mr_env_get_spec(env)->obs_dim, obs);
    printf("%.17g %d %d\n", result.reward, result.terminated, result.truncated);
}

static void time_steps(mr_env *env, double n) {
    double obs[MAX_DIM];
    const double action[1] = {0.0}, start = mr_clock_s();
    mr_step result = {.truncated = true};
    for (int t = 0; t < (int)n; t++) {
        if (result.terminated || result.truncated)
            check(mr_env_reset(env, NULL, obs));
        check(mr_env_step(env, action, obs, &result));
    }
    printf("%.17g\n", n / (mr_clock_s() - start));
}

static const struct {
    const char *name;
    void (*run)(mr_env *env, double number);
} commands[] = {{"reset", reset}, {"step", step}, {"time", time_steps}};

static void obey(mr_env *env, const char *line) {
    char name[16];
    double number = 0.0;
    if (sscanf(line, "%15s %lf", name, &number) < 1)
        fail("no command");
    for (size_t i = 0; i < MR_COUNT(commands); i++)
        if (strcmp(name, commands[i].name) == 0) {
            commands[i].run(env, number);
            return;
        }
    fail("unknown command");
}

int main(int argc, char **argv) {
    char line[LINE_SIZE];
    mr_env *env = NULL;
    if (argc != 2)
        fail("give the name of one environment");
    check(mr_env_open(argv[1], NULL, &env));
    const mr_env_spec *spec = mr_env_get_spec(env);
    printf("%zu %zu 2 0 %s\n", spec->obs_dim, spec->act_dim, spec->engine_version);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
        obey(env, line);
        fflush(stdout);
    }
    mr_env_close(env);
    return 0;
}
