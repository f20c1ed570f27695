// Samples, log-densities and training rows a second of every kind of flow.
//
// Each kind at 6 and 64 features and batches of 256 and 4096, with its default layers and nets, or
// as --flow says. `sample` draws and gives the log-densities too, with the flow turned for
// sampling; `log_prob` and `train` (gradients and an Adam step) have it turned for scoring. The
// best of a few rounds is reported, since noise only ever slows.

#include "bench.h"
#include "flows/density.h"
#include "flows/flow.h"
#include "nn/optim.h"

#include <jansson.h>
#include <popt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 5, MAX_FLOWS = 32 };

static const double round_seconds = 0.1;
static const size_t dims[] = {6, 64};
static const size_t batches[] = {256, 4096};

typedef struct {
    const char *flow;
    int threads, json;
} bench_options;

/// A flow under test, and what one call of its work needs.
typedef struct {
    mr_density *density;
    mr_graph *graph;
    mr_node *in;
    mr_adam adam;
    size_t batch;
    int n_threads;
    mr_random random;
} subject;

/// What is timed.
typedef struct {
    const char *name;
    mr_flow_use use;
    bool trains;
    void (*work)(subject *s);
} task;

static void die(mr_status status) {
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_flows: %s\n", mr_error_message());
    exit(1);
}

static void fill(subject *s) {
    mr_random_fill_normal(&s->random, s->batch * mr_node_cols(s->in), mr_node_value(s->in));
}

static void sample(subject *s) {
    fill(s);
    mr_graph_run(s->graph, s->batch);
}

static void log_prob(subject *s) {
    mr_graph_run(s->graph, s->batch);
}

static void train(subject *s) {
    mr_graph_run(s->graph, s->batch);
    mr_adam_step(&s->adam, mr_density_params(s->density), s->n_threads);
}

static const task tasks[] = {
    {"sample", MR_FLOW_TO_SAMPLE, false, sample},
    {"log_prob", MR_FLOW_TO_SCORE, false, log_prob},
    {"train", MR_FLOW_TO_SCORE, true, train},
};

static void plan(subject *s, const task *t) {
    mr_params *trained = mr_density_params(s->density);
    mr_node *log_prob_node = NULL;
    s->in = mr_input(s->graph, mr_density_dim(s->density), false);
    if (t->use == MR_FLOW_TO_SAMPLE)
        mr_keep(mr_density_build_sample(s->density, s->in, &log_prob_node));
    else
        log_prob_node = mr_density_build_log_prob(s->density, s->in);
    mr_keep(log_prob_node);
    if (t->trains)
        die(mr_graph_plan(s->graph, mr_affine(log_prob_node, -1, 0), 1, &trained));
    else
        die(mr_graph_plan(s->graph, NULL, 0, NULL));
}

static double rate_of(subject *s, const task *t) {
    double best = 0;
    t->work(s);
    for (int r = 0; r < ROUNDS; r++) {
        const double begun = mr_clock_s();
        double seconds = 0;
        size_t n = 0;
        while (seconds < round_seconds) {
            t->work(s);
            n++;
            seconds = mr_clock_s() - begun;
        }
        const double rate = (double)(n * s->batch) / seconds;
        best = rate > best ? rate : best;
    }
    return best;
}

// "real_nvp:layers=4,hidden=64": the value of an option, or "" where the kind has none.
static void option_of(const char *text, const char *name, char *value, size_t size) {
    const char *at = strstr(text, name);
    const size_t n = at ? strcspn(at + strlen(name), ",") : 0;
    snprintf(value, size, "%.*s", (int)n, at ? at + strlen(name) : "");
}

static json_t *bench_one(const bench_options *o, const char *flow, const task *t, size_t dim,
                         size_t batch) {
    char layers[32], hidden[64];
    subject s = {.adam = mr_adam_new(1e-4),
                 .batch = batch,
                 .n_threads = o->threads,
                 .random = mr_random_stream(1, MR_STREAM_TEST, 0)};
    die(mr_density_new(flow, t->use, dim, 1, &s.density));
    die(mr_graph_new(batch, o->threads, &s.graph));
    plan(&s, t);
    fill(&s);
    const double rate = rate_of(&s, t);
    option_of(mr_density_flow(s.density), "layers=", layers, sizeof layers);
    option_of(mr_density_flow(s.density), "hidden=", hidden, sizeof hidden);
    if (!o->json)
        printf("%-40s d = %-3zu batch %-5zu %-9s %10.0f rows/s\n", mr_density_flow(s.density), dim,
               batch, t->name, rate);
    json_t *row = json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:f}", "flow", flow, "dim",
                            (json_int_t)dim, "batch", (json_int_t)batch, "what", t->name, "layers",
                            layers, "hidden", hidden, "rows_per_s", rate);
    mr_graph_free(s.graph);
    mr_density_free(s.density);
    return row;
}

static void bench(const bench_options *o, const char *flow, json_t *rows) {
    for (size_t d = 0; d < MR_COUNT(dims); d++)
        for (size_t b = 0; b < MR_COUNT(batches); b++)
            for (size_t t = 0; t < MR_COUNT(tasks); t++)
                json_array_append_new(rows, bench_one(o, flow, &tasks[t], dims[d], batches[b]));
}

int main(int argc, const char **argv) {
    bench_options o = {.threads = 2};
    const struct poptOption table[] = {
        {"flow", 0, POPT_ARG_STRING, &o.flow, 0, "one flow (default: every kind)", "SPEC"},
        {"threads", 0, POPT_ARG_INT, &o.threads, 0, "threads (default 2)", "N"},
        {"json", 0, POPT_ARG_NONE, &o.json, 0, "print one JSON object", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_flows", argc, argv, table, 0);
    const int rc = poptGetNextOpt(context);
    if (rc < -1 || o.threads < 1) {
        fprintf(stderr, "bench_flows: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "a number is out of range");
        return 2;
    }
    json_t *rows = json_array();
    for (size_t i = 0; i < mr_flow_count() && !o.flow; i++)
        bench(&o, mr_flow_at(i).name, rows);
    if (o.flow)
        bench(&o, o.flow, rows);
    json_t *result = json_pack("{s:i, s:o}", "threads", o.threads, "rows", rows);
    if (o.json) {
        json_dumpf(result, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(result);
    poptFreeContext(context);
    return 0;
}
