// Fits to rows that are read when they are needed, beside fits to the same rows in memory.

#include "flows/fit_rows.h"

#include "flows/density.h"
#include "base/random.h"

#include <math.h>

#include "tests/scratch.h"

TestSuite(fit_streamed, .init = scratch_enter, .fini = scratch_leave);

enum { N = 6000, DIM = 2, BLOCK = 100 };

/// Rows in memory that count how often each is read.
typedef struct {
    double x[N * DIM];
    size_t n_reads[N];
    size_t n_until_failure; // blocks; 0: it never fails
} counted_rows;

static mr_status read_counted(void *self, size_t first, size_t n, double *x) {
    counted_rows *c = self;
    if (c->n_until_failure > 0 && --c->n_until_failure == 0)
        return mr_fail(MR_ERR_IO, "the disk is gone");
    memcpy(x, c->x + first * DIM, n * DIM * sizeof *x);
    for (size_t i = 0; i < n; i++)
        c->n_reads[first + i]++;
    return MR_OK;
}

// x ~ N(3, 2^2), y | x ~ N(x, 0.5^2), sorted by halves: the first one has the smaller x. The mean
// log-density is in `exact`.
static counted_rows *rows_new(double *exact) {
    counted_rows *c = calloc(1, sizeof *c);
    mr_random random = mr_random_stream(18, MR_STREAM_TEST, 0);
    *exact = -log(2 * M_PI) - log(2 * 0.5);
    for (size_t i = 0; i < N; i++) {
        double a = fabs(mr_random_normal(&random));
        const double b = mr_random_normal(&random);
        a = i < N / 2 ? -a : a;
        c->x[i * DIM] = 3 + 2 * a;
        c->x[i * DIM + 1] = c->x[i * DIM] + 0.5 * b;
        *exact -= (a * a + b * b) / 2 / N;
    }
    return c;
}

static mr_row_source source_of(counted_rows *c) {
    return (mr_row_source){.n = N, .read = read_counted, .self = c, .n_in_block = BLOCK};
}

static mr_density *density_of(const char *flow) {
    mr_density *density = NULL;
    cr_assert_eq(mr_density_new(flow, MR_FLOW_TO_SCORE, DIM, 1, &density), MR_OK);
    return density;
}

static mr_fit_progress fit_rows(mr_density *density, counted_rows *c,
                                const mr_fit_options *options) {
    const mr_row_source source = source_of(c);
    mr_fit_progress result;
    cr_assert_eq(mr_fit_to_rows(density, &source, options, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    return result;
}

// Each row once for the statistics and once for the start (of the blocks to train on); then each
// once an epoch, whether trained on or held out.
Test(fit_streamed, reads_every_row_once_an_epoch) {
    double exact;
    counted_rows *c = rows_new(&exact);
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 4;
    mr_density *density = density_of("real_nvp:layers=2,hidden=8");
    fit_rows(density, c, &options);
    size_t n_held_out = 0;
    for (size_t i = 0; i < N; i++) {
        const bool is_held_out = c->n_reads[i] == 1 + options.max_epochs;
        cr_assert(is_held_out || c->n_reads[i] == 2 + options.max_epochs, "row %zu: %zu reads", i,
                  c->n_reads[i]);
        n_held_out += is_held_out;
    }
    cr_expect_eq(n_held_out, N / 10); // 6 of 60 blocks
    mr_density_free(density);
    free(c);
}

// The exact density within what 6,000 rows tell: some 10 parameters cost 10 / (2 N) nats, and a
// sample's mean log-likelihood is off by 1 / sqrt(600) for the held-out rows.
Test(fit_streamed, finds_what_a_fit_in_memory_finds) {
    double exact, log_prob[N], sum = 0;
    counted_rows *c = rows_new(&exact);
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 30;
    mr_density *density = density_of("real_nvp:layers=2,hidden=16");
    fit_rows(density, c, &options);
    cr_assert_eq(mr_density_log_prob(density, 1, N, c->x, log_prob), MR_OK);
    for (size_t i = 0; i < N; i++)
        sum += log_prob[i] / N;
    cr_expect(sum > exact - 0.02, "%g instead of %g", sum, exact);
    mr_density_free(density);
    free(c);
}

// Shift and scale by one pass, against two passes over the rows that were trained on.
Test(fit_streamed, standardises_by_the_mean_and_deviation_of_the_trained_rows) {
    double exact, weights[N];
    counted_rows *c = rows_new(&exact);
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 1;
    for (size_t i = 0; i < N; i++)
        weights[i] = (double)(i % 4);
    options.weights = weights;
    mr_density *density = density_of("real_nvp:layers=2,hidden=8");
    fit_rows(density, c, &options);
    for (size_t j = 0; j < DIM; j++) {
        double total = 0, mean = 0, square = 0;
        for (int pass = 0; pass < 2; pass++)
            for (size_t i = 0; i < N; i++) {
                const double x = c->x[i * DIM + j];
                if (c->n_reads[i] != 3) // statistics, start, epoch: trained on
                    continue;
                total += pass == 0 ? weights[i] : 0;
                mean += pass == 0 ? weights[i] * x : 0;
                square += pass == 1 ? weights[i] * (x - mean / total) * (x - mean / total) : 0;
            }
        const double deviation = sqrt(square / total);
        // Some N roundings of the sums.
        cr_expect_float_eq(mr_density_shift(density)[j], mean / total, N * 0x1p-52 * 10);
        cr_expect_float_eq(mr_density_scale(density)[j], deviation, N * 0x1p-52 * 10);
    }
    mr_density_free(density);
    free(c);
}

static void watch(void *self, const mr_fit_progress *now) {
    volatile sig_atomic_t *stop = self;
    *stop = now->epoch == 2;
}

Test(fit_streamed, goes_on_from_its_checkpoint_with_the_same_bits) {
    double exact;
    counted_rows *c = rows_new(&exact);
    const mr_row_source source = source_of(c);
    volatile sig_atomic_t stop = 0;
    mr_fit_progress result;
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 5;
    mr_density *whole = density_of("glow:layers=2,hidden=8"),
               *parts = density_of("glow:layers=2,hidden=8");
    fit_rows(whole, c, &options);
    options.checkpoint = "fit.checkpoint";
    cr_assert_eq(mr_fit_to_rows(parts, &source, &options, watch, (void *)&stop, &stop, &result),
                 MR_OK);
    cr_expect_eq(result.epoch, 2);
    mr_density_free(parts);
    parts = density_of("glow:layers=2,hidden=8");
    cr_expect_eq(fit_rows(parts, c, &options).epoch, 5);
    cr_expect_arr_eq(mr_params_read(mr_density_params(parts)),
                     mr_params_read(mr_density_params(whole)),
                     mr_params_size(mr_density_params(whole)) * sizeof(mr_real));
    mr_density_free(parts);
    mr_density_free(whole);
    free(c);
}

Test(fit_streamed, refuses_what_a_fit_in_memory_refuses) {
    double exact;
    counted_rows *c = rows_new(&exact);
    const mr_row_source source = source_of(c);
    mr_fit_progress result;
    mr_density *density = density_of("real_nvp:layers=2,hidden=8");
    for (size_t i = 0; i < N; i++)
        c->x[i * DIM + 1] = 7;
    cr_expect_eq(mr_fit_to_rows(density, &source, NULL, NULL, NULL, NULL, &result), MR_ERR_INPUT);
    scratch_expect_message("1 of 2 columns are the same in every row");
    mr_density_free(density);

    const mr_support support[] = {{MR_SUPPORT_LINE, 0, 0}, {MR_SUPPORT_BOUNDED, 0, 6}};
    cr_assert_eq(mr_density_create(&(mr_density_spec){.flow = "nsf:layers=1,hidden=8",
                                                      .use = MR_FLOW_TO_SCORE,
                                                      .dim = DIM,
                                                      .support = support},
                                   1, &density),
                 MR_OK);
    for (size_t i = 0; i < N; i++)
        c->x[i * DIM + 1] = i == 4321 ? 6.5 : 1 + (double)(i % 3);
    cr_expect_eq(mr_fit_to_rows(density, &source, NULL, NULL, NULL, NULL, &result), MR_ERR_INPUT);
    scratch_expect_message("row 4322, column 2");
    mr_density_free(density);
    free(c);
}

Test(fit_streamed, reports_a_failure_to_read_from_wherever_it_comes) {
    double exact;
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 2;
    const size_t n_reads = 60 + 54 + 2 * 60; // statistics, start, epochs with their validation
    for (size_t n = 1; n < 270; n += 30) {
        counted_rows *c = rows_new(&exact);
        const mr_row_source source = source_of(c);
        mr_fit_progress result = {.epoch = 77};
        mr_density *density = density_of("real_nvp:layers=1,hidden=4");
        c->n_until_failure = n;
        cr_expect_eq(mr_fit_to_rows(density, &source, &options, NULL, NULL, NULL, &result),
                     n <= n_reads ? MR_ERR_IO : MR_OK, "%zu", n);
        mr_density_free(density);
        free(c);
    }
}
