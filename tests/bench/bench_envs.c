// Steps of each built-in environment a second, beside the rate of MuJoCo's simulation alone.
//
// The bare loop is what cannot be saved: the same actions from the same starts, frame_skip times
// mj_step for each, and where ours begins an episode, mj_resetData, the start's state and
// mj_forward. It must arrive at the same state. Both are timed by the processor time that they
// take; copies stepped by one thread and by several, by the clock. All take turns in short rounds,
// so that a machine whose speed drifts changes each; the medians are over the rounds.

#include "envs/mujoco/compat.h"
#include "envs/mujoco/simulation.h"
#include "envs/vec_env.h"

#include "bench.h"

#include <popt.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ROUNDS = 200, MIN_STEPS = 64 };

typedef struct {
    int envs, threads, rounds, round_ms, json, list;
} bench_options;

/// An environment on the bench, with room for one round.
typedef struct {
    const mr_env_spec *spec;
    mr_env *env;
    mr_vec_env *one, *several; // the same copies for one thread and for several
    const mr_mujoco *mujoco;   // NULL: not a MuJoCo task
    mjData *bare;
    mr_random random;
    size_t n_steps;   // of a round, all copies together; a multiple of their number
    double *actions;  // [n_steps x act_dim]
    double *obs;      // [copies x obs_dim]
    mr_step *results; // [copies]
    size_t n_starts;
    size_t *start_steps; // [n_starts] the step that the episode begins with
    double *starts;      // [n_starts x (nq + nv)]
} bench_lab;

/// Steps a second, and the ratio of one rate to another in the same round.
typedef struct {
    double ours[MAX_ROUNDS], bare[MAX_ROUNDS], ratio[MAX_ROUNDS];
    double one[MAX_ROUNDS], several[MAX_ROUNDS], gain[MAX_ROUNDS];
} bench_rates;

static void die(mr_status status) {
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_envs: %s\n", mr_error_message());
    exit(1);
}

static void *allocate(size_t n, size_t size) {
    void *memory = calloc(n, size);
    if (memory == NULL)
        die(mr_fail_memory("a benchmark"));
    return memory;
}

// Ours

static void begin_episode(bench_lab *lab, size_t t) {
    die(mr_env_reset(lab->env, NULL, lab->obs));
    if (lab->mujoco == NULL)
        return;
    const mjModel *model = lab->mujoco->model;
    double *start = lab->starts + lab->n_starts * (size_t)(model->nq + model->nv);
    memcpy(start, lab->mujoco->data->qpos, (size_t)model->nq * sizeof *start);
    memcpy(start + model->nq, lab->mujoco->data->qvel, (size_t)model->nv * sizeof *start);
    lab->start_steps[lab->n_starts++] = t;
}

static double time_ours(bench_lab *lab) {
    mr_step result;
    lab->n_starts = 0;
    const double begun = bench_busy();
    begin_episode(lab, 0);
    for (size_t t = 0; t < lab->n_steps; t++) {
        const double *action = lab->actions + t * lab->spec->act_dim;
        die(mr_env_step(lab->env, action, lab->obs, &result));
        if (t + 1 < lab->n_steps && (result.terminated || result.truncated))
            begin_episode(lab, t + 1);
    }
    return (double)lab->n_steps / (bench_busy() - begun);
}

// MuJoCo alone

static void set_start(const mjModel *model, mjData *data, const double *start) {
    mj_resetData(model, data);
    memcpy(data->qpos, start, (size_t)model->nq * sizeof *start);
    memcpy(data->qvel, start + model->nq, (size_t)model->nv * sizeof *start);
    mj_forward(model, data);
}

// A quaternion that mj_forward has made of length 1 is another in its last bit when it has done so
// twice, so that robots on free joints arrive elsewhere in the end.
static void check_arrival(const bench_lab *lab) {
    const mjData *ours = lab->mujoco->data;
    if (lab->mujoco->model->nq == lab->mujoco->model->nv &&
        memcmp(ours->qpos, lab->bare->qpos, (size_t)lab->mujoco->model->nq * sizeof(double)) != 0)
        die(mr_fail(MR_ERR_NUMERIC, "%s: the bare loop arrived at another state", lab->spec->name));
}

static double time_bare(bench_lab *lab) {
    const mjModel *model = lab->mujoco->model;
    const size_t state_dim = (size_t)(model->nq + model->nv), act_dim = (size_t)model->nu;
    const size_t frame_skip = lab->mujoco->task.frame_skip;
    size_t next = 0;
    const double begun = bench_busy();
    for (size_t t = 0; t < lab->n_steps; t++) {
        if (next < lab->n_starts && lab->start_steps[next] == t)
            set_start(model, lab->bare, lab->starts + next++ * state_dim);
        memcpy(lab->bare->ctrl, lab->actions + t * act_dim, act_dim * sizeof(double));
        for (size_t i = 0; i < frame_skip; i++)
            mj_step(model, lab->bare);
    }
    const double rate = (double)lab->n_steps / (bench_busy() - begun);
    check_arrival(lab);
    return rate;
}

// Several copies

static void begin_all(const bench_lab *lab, mr_vec_env *vec) {
    for (size_t i = 0; i < mr_vec_env_n(vec); i++) {
        const uint64_t seed = i;
        die(mr_vec_env_reset(vec, i, &seed, lab->obs + i * lab->spec->obs_dim));
    }
}

static double time_copies(const bench_lab *lab, mr_vec_env *vec) {
    const size_t n = mr_vec_env_n(vec);
    begin_all(lab, vec);
    const double begun = mr_clock_s();
    for (size_t t = 0; t < lab->n_steps; t += n) {
        const double *actions = lab->actions + t * lab->spec->act_dim;
        die(mr_vec_env_step(vec, NULL, actions, lab->obs, lab->results));
        for (size_t i = 0; i < n; i++)
            if (lab->results[i].terminated || lab->results[i].truncated)
                die(mr_vec_env_reset(vec, i, NULL, lab->obs + i * lab->spec->obs_dim));
    }
    return (double)lab->n_steps / (mr_clock_s() - begun);
}

// Rounds

static void draw_actions(bench_lab *lab) {
    const mr_env_spec *spec = lab->spec;
    for (size_t i = 0; i < lab->n_steps * spec->act_dim; i++) {
        const size_t k = i % spec->act_dim;
        lab->actions[i] = mr_random_between(&lab->random, spec->act_low[k], spec->act_high[k]);
    }
}

static void make_room(bench_lab *lab, size_t n_steps) {
    free(lab->actions), free(lab->start_steps), free(lab->starts);
    lab->n_steps = n_steps;
    lab->actions = allocate(n_steps * lab->spec->act_dim, sizeof(double));
    lab->start_steps = allocate(n_steps, sizeof(size_t));
    if (lab->mujoco != NULL) {
        const mjModel *model = lab->mujoco->model;
        lab->starts = allocate(n_steps * (size_t)(model->nq + model->nv), sizeof(double));
    }
}

// As many steps as fill a round; the first ones warm up.
static void fit_round(bench_lab *lab, const bench_options *o) {
    const size_t n = (size_t)o->envs;
    make_room(lab, n * (MIN_STEPS + n - 1) / n);
    draw_actions(lab);
    time_ours(lab);
    const double steps = time_ours(lab) * 1e-3 * o->round_ms;
    make_room(lab, n * ((size_t)steps / n + 1));
}

static void open_lab(const char *name, const bench_options *o, bench_lab *lab) {
    const size_t n = (size_t)o->envs;
    die(mr_env_open(name, NULL, &lab->env));
    die(mr_vec_env_open(name, NULL, n, 1, &lab->one));
    die(mr_vec_env_open(name, NULL, n, o->threads, &lab->several));
    lab->spec = mr_env_get_spec(lab->env);
    lab->mujoco = mr_mujoco_of(lab->env);
    lab->bare = lab->mujoco != NULL ? mj_makeData(lab->mujoco->model) : NULL;
    lab->random = mr_random_stream(1, MR_STREAM_TEST, 0);
    lab->obs = allocate(n * lab->spec->obs_dim, sizeof *lab->obs);
    lab->results = allocate(n, sizeof *lab->results);
    fit_round(lab, o);
}

static void close_lab(bench_lab *lab) {
    mr_env_close(lab->env);
    mr_vec_env_close(lab->one);
    mr_vec_env_close(lab->several);
    mj_deleteData(lab->bare);
    free(lab->actions), free(lab->start_steps), free(lab->starts);
    free(lab->obs), free(lab->results);
}

static void run_round(bench_lab *lab, size_t r, bench_rates *rates) {
    draw_actions(lab);
    rates->ours[r] = time_ours(lab);
    if (lab->mujoco != NULL) {
        rates->bare[r] = time_bare(lab);
        rates->ratio[r] = rates->ours[r] / rates->bare[r];
    }
    rates->one[r] = time_copies(lab, lab->one);
    rates->several[r] = time_copies(lab, lab->several);
    rates->gain[r] = rates->several[r] / rates->one[r];
}

// Reports

static void report_text(const bench_options *o, const bench_lab *lab, size_t n,
                        bench_rates *rates) {
    printf("%s: %.0f steps/s", lab->spec->name, bench_median(n, rates->ours));
    if (lab->mujoco != NULL)
        printf("; MuJoCo alone %.0f/s; ratio %.3f", bench_median(n, rates->bare),
               bench_median(n, rates->ratio));
    printf("; %d copies by 1 thread %.0f/s, by %d threads %.0f/s, %.2f times\n", o->envs,
           bench_median(n, rates->one), o->threads, bench_median(n, rates->several),
           bench_median(n, rates->gain));
}

static void report_json(const bench_options *o, const bench_lab *lab, size_t n,
                        bench_rates *rates) {
    printf("{\"task\": \"%s\", \"steps_per_s\": %.1f", lab->spec->name,
           bench_median(n, rates->ours));
    if (lab->mujoco != NULL)
        printf(", \"mujoco\": \"%s\", \"mujoco_steps_per_s\": %.1f, \"ratio_to_mujoco\": %.4f",
               mr_mujoco_version(), bench_median(n, rates->bare), bench_median(n, rates->ratio));
    printf(", \"copies\": %d, \"threads\": %d, \"one_thread_steps_per_s\": %.1f, "
           "\"threads_steps_per_s\": %.1f, \"gain_by_threads\": %.3f}\n",
           o->envs, o->threads, bench_median(n, rates->one), bench_median(n, rates->several),
           bench_median(n, rates->gain));
}

static void bench(const char *name, const bench_options *o) {
    static bench_rates rates;
    bench_lab lab = {0};
    open_lab(name, o, &lab);
    for (size_t r = 0; r < (size_t)o->rounds; r++)
        run_round(&lab, r, &rates);
    (o->json ? report_json : report_text)(o, &lab, (size_t)o->rounds, &rates);
    fflush(stdout);
    close_lab(&lab);
}

static void list(const char *name, const bench_options *o) {
    (void)o;
    puts(name);
}

static bool is_sound(const bench_options *o) {
    return o->envs >= 1 && o->threads >= 1 && o->rounds >= 1 && o->rounds <= MAX_ROUNDS &&
           o->round_ms >= 1;
}

int main(int argc, const char **argv) {
    bench_options o = {.envs = 16, .threads = 2, .rounds = 31, .round_ms = 50};
    const struct poptOption table[] = {
        {"envs", 0, POPT_ARG_INT, &o.envs, 0, "copies for the threads (default 16)", "N"},
        {"threads", 0, POPT_ARG_INT, &o.threads, 0, "threads for the copies (default 2)", "N"},
        {"rounds", 0, POPT_ARG_INT, &o.rounds, 0, "rounds of each (default 31, at most 200)", "N"},
        {"round-ms", 0, POPT_ARG_INT, &o.round_ms, 0, "length of a round (default 50)", "MS"},
        {"json", 0, POPT_ARG_NONE, &o.json, 0, "print one JSON object a line", NULL},
        {"list", 0, POPT_ARG_NONE, &o.list, 0, "name the tasks and measure nothing", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_envs", argc, argv, table, 0);
    poptSetOtherOptionHelp(context, "[OPTION...] [TASK...]");
    const int rc = poptGetNextOpt(context);
    if (rc < -1 || !is_sound(&o)) {
        fprintf(stderr, "bench_envs: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "a number is out of range");
        return 2;
    }
    void (*const run)(const char *, const bench_options *) = o.list ? list : bench;
    const char *name = poptGetArg(context);
    for (size_t i = 0; name == NULL && i < mr_env_count(); i++)
        run(mr_env_at(i).name, &o);
    for (; name != NULL; name = poptGetArg(context))
        run(name, &o);
    poptFreeContext(context);
    return 0;
}
