// Convolutions of Glow's sizes, forward and backward, against the bare matrix products that they
// are made of; and images a second of Glow's whole training step, with the memory that it takes.
//
// The convolutions are those of one coupling at the three levels of images of 3 x 32 x 32, batch
// 64. `bench_conv --flow TEXT --image CxHxW` times a step of another flow. Medians over rounds in
// which convolution and products take turns; tests/bench/conv_torch.py times the same with PyTorch
// and normflows.

#include "bench.h"
#include "flows/density.h"
#include "gemm_log.h"
#include "nn/optim.h"

#include <popt.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { ROUNDS = 9, BATCH = 64 };

typedef struct {
    size_t n_in, n_out, kernel, size;
} convolution;

static const convolution convolutions[] = {
    {6, 128, 3, 16}, {128, 128, 1, 16}, {128, 12, 3, 16}, {12, 128, 3, 8}, {128, 128, 1, 8},
    {128, 24, 3, 8}, {24, 128, 3, 4},   {128, 128, 1, 4}, {128, 48, 3, 4},
};

typedef struct {
    const char *flow, *image;
    int threads, batch;
} bench_options;

static void die(mr_status status) {
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_conv: %s\n", mr_error_message());
    exit(1);
}

// Of one thread the time that it has had a processor, which others on the machine hardly change.
static double now(const bench_options *o) {
    return o->threads == 1 ? bench_busy() : mr_clock_s();
}

static double seconds_of_run(const bench_options *o, mr_graph *graph) {
    const double begun = now(o);
    mr_graph_run(graph, (size_t)o->batch);
    return now(o) - begun;
}

static double seconds_of_products(const bench_options *o) {
    const double begun = now(o);
    gemm_log_play(o->threads);
    return now(o) - begun;
}

// ---- One convolution

static mr_graph *build(const bench_options *o, const convolution *c, mr_params *params,
                       mr_random *random) {
    mr_graph *graph;
    mr_node *x;
    const size_t n_weights = c->n_in * c->kernel * c->kernel;
    const mr_param weight =
        mr_params_add(params, "weight", c->n_out, n_weights, MR_INIT_FAN_IN, n_weights, NULL);
    const mr_param bias =
        mr_params_add(params, "bias", 1, c->n_out, MR_INIT_FAN_IN, n_weights, NULL);
    die(mr_params_alloc(params, random));
    die(mr_graph_new((size_t)o->batch, o->threads, &graph));
    x = mr_input_image(graph, (mr_shape){c->n_in, c->size, c->size}, true);
    mr_node *y = mr_conv2d(
        x, NULL, params, weight, bias,
        (mr_conv2d_options){
            .kernel = c->kernel, .stride = 1, .padding = c->kernel / 2, .relu = c->n_out == 128});
    die(mr_graph_plan(graph, mr_row_sum(y), 1, &params));
    mr_random_fill_normal(random, (size_t)o->batch * mr_node_cols(x), mr_node_value(x));
    return graph;
}

static void bench_convolution(const bench_options *o, const convolution *c) {
    double seconds[ROUNDS], products[ROUNDS];
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    mr_params *params;
    die(mr_params_new(&params));
    mr_graph *graph = build(o, c, params, &random);
    gemm_log_start();
    mr_graph_run(graph, (size_t)o->batch);
    gemm_log_stop();
    for (int r = 0; r < ROUNDS; r++) {
        seconds[r] = seconds_of_run(o, graph);
        products[r] = seconds_of_products(o);
    }
    const double median = bench_median(ROUNDS, seconds);
    const double bare = bench_median(ROUNDS, products);
    printf(
        "%3zu to %3zu, %zu x %zu on %2zu x %-2zu  %7.3f ms  %6.1f GFLOP/s  products alone %6.1f: "
        "%.2f of them\n",
        c->n_in, c->n_out, c->kernel, c->kernel, c->size, c->size, 1e3 * median,
        1e-9 * gemm_log_flops() / median, 1e-9 * gemm_log_flops() / bare, bare / median);
    mr_graph_free(graph);
    mr_params_free(params);
}

// ---- A training step

static size_t peak_bytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

static void bench_step(const bench_options *o) {
    double seconds[ROUNDS];
    mr_density *density;
    mr_graph *graph;
    size_t c, h, w;
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    mr_adam adam = mr_adam_new(1e-4);
    if (sscanf(o->image, "%zux%zux%zu", &c, &h, &w) != 3) {
        fprintf(stderr, "bench_conv: --image is channels x height x width, as in 3x32x32\n");
        exit(2);
    }
    const mr_density_spec spec = {.flow = o->flow,
                                  .use = MR_FLOW_TO_SCORE,
                                  .dim = c * h * w,
                                  .channels = c,
                                  .height = h,
                                  .width = w};
    die(mr_density_create(&spec, 1, &density));
    mr_params *trained = mr_density_params(density);
    die(mr_graph_new((size_t)o->batch, o->threads, &graph));
    mr_node *u = mr_input(graph, spec.dim, false);
    mr_node *loss = mr_affine(mr_density_build_log_prob(density, u), -1, 0);
    die(mr_graph_plan(graph, loss, 1, &trained));
    mr_random_fill_normal(&random, (size_t)o->batch * spec.dim, mr_node_value(u));
    mr_graph_run(graph, (size_t)o->batch);
    for (int r = 0; r < ROUNDS; r++) {
        seconds[r] = seconds_of_run(o, graph);
        const double begun = now(o);
        mr_adam_step(&adam, trained, o->threads);
        seconds[r] += now(o) - begun;
    }
    const double median = bench_median(ROUNDS, seconds);
    printf("%s on %s, batch %d: %.1f ms a step, %.1f images/s; %zu parameters, %.0f MB at most\n",
           mr_density_flow(density), o->image, o->batch, 1e3 * median, o->batch / median,
           mr_params_count(trained), 1e-6 * (double)peak_bytes());
    mr_graph_free(graph);
    mr_density_free(density);
}

int main(int argc, const char **argv) {
    bench_options o = {.threads = 2, .batch = BATCH, .image = "3x32x32"};
    const struct poptOption table[] = {
        {"flow", 0, POPT_ARG_STRING, &o.flow, 0, "time a training step of this flow alone", "TEXT"},
        {"image", 0, POPT_ARG_STRING, &o.image, 0, "its images (default 3x32x32)", "CxHxW"},
        {"batch", 0, POPT_ARG_INT, &o.batch, 0, "images of a step (default 64)", "N"},
        {"threads", 0, POPT_ARG_INT, &o.threads, 0, "threads (default 2)", "N"},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_conv", argc, argv, table, 0);
    const int rc = poptGetNextOpt(context);
    if (rc < -1 || o.threads < 1 || o.batch < 1) {
        fprintf(stderr, "bench_conv: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "a number is out of range");
        return 2;
    }
    for (size_t i = 0; i < MR_COUNT(convolutions) && !o.flow; i++)
        bench_convolution(&o, &convolutions[i]);
    if (o.flow)
        bench_step(&o);
    poptFreeContext(context);
    return 0;
}
