/// A stream whose density is known: three round Gaussians in the plane, at the corners of a
/// triangle that turns, so that each goes where there was nothing. For tests and benchmarks.
#pragma once

#include "agents/bonus.h"
#include "base/random.h"

#include <math.h>

enum { MIXTURE_N = 3 };

static const double mixture_radius = 2, mixture_deviation = 0.4;
static const double mixture_turn = 2e-4; // radians a step

static inline void mixture_centre(size_t i, double t, double centre[2]) {
    const double angle = 2 * M_PI * (double)i / MIXTURE_N + mixture_turn * t;
    centre[0] = mixture_radius * cos(angle);
    centre[1] = mixture_radius * sin(angle);
}

/// A point of the stream at time `t`.
static inline void mixture_draw(mr_random *random, double t, double x[2]) {
    double centre[2];
    mixture_centre(mr_random_below(random, MIXTURE_N), t, centre);
    for (size_t k = 0; k < 2; k++)
        x[k] = centre[k] + mixture_deviation * mr_random_normal(random);
}

/// Its log-density there and then.
static inline double mixture_log_prob(double t, const double x[2]) {
    double sum = 0;
    const double variance = mixture_deviation * mixture_deviation;
    for (size_t i = 0; i < MIXTURE_N; i++) {
        double centre[2];
        mixture_centre(i, t, centre);
        const double dx = x[0] - centre[0], dy = x[1] - centre[1];
        sum += exp(-(dx * dx + dy * dy) / (2 * variance)) / (2 * M_PI * variance);
    }
    return log(sum / MIXTURE_N);
}

/// What a bonus is told of the plane.
static inline mr_env_spec mixture_spec(void) {
    return (mr_env_spec){.name = "Mixture-v0", .obs_dim = 2};
}

enum { MIXTURE_BATCH = 256 };

static inline mr_bonus_options mixture_options(const char *flow) {
    return (mr_bonus_options){.kind = "density",
                              .flow = flow,
                              .scale = 1,
                              .decay = "none",
                              .features = "all",
                              .normalize = "auto",
                              .n_steps = 100000,
                              .batch_size = MIXTURE_BATCH,
                              .n_envs = 1,
                              .seed = 1,
                              .n_threads = 1};
}

/// A batch of states, scored and then trained on.
static inline mr_status score_and_train(mr_bonus *bonus, const mr_real *obs, mr_real *out) {
    const mr_status status = mr_bonus_score(bonus, obs, out);
    if (status == MR_OK)
        mr_bonus_train(bonus);
    return status;
}

/// The bonus's next step in time: a state is visited, and a batch of the present stream scored.
static inline mr_status mixture_step(mr_bonus *bonus, uint64_t t) {
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, t);
    double x[2];
    mr_real batch[2 * MIXTURE_BATCH], paid[MIXTURE_BATCH];
    mixture_draw(&random, (double)t, x);
    mr_bonus_visit(bonus, NULL, x);
    for (size_t i = 0; i < MIXTURE_BATCH; i++) {
        mixture_draw(&random, (double)t, x);
        batch[2 * i] = (mr_real)x[0];
        batch[2 * i + 1] = (mr_real)x[1];
    }
    return score_and_train(bonus, batch, paid);
}

/// Nats by which the density is off the truth at time `t`: E[log p - log q] over points of p.
static inline mr_status mixture_error(mr_bonus *bonus, uint64_t t, double *nats) {
    enum { N_POINTS = 2000 };
    static double x[2 * N_POINTS], log_prob[N_POINTS];
    mr_random random = mr_random_stream(2, MR_STREAM_TEST, t);
    for (size_t i = 0; i < N_POINTS; i++)
        mixture_draw(&random, (double)t, x + 2 * i);
    const mr_status status =
        mr_density_log_prob(mr_bonus_get_density(bonus), 1, N_POINTS, x, log_prob);
    double sum = 0;
    for (size_t i = 0; i < N_POINTS && status == MR_OK; i++)
        sum += mixture_log_prob((double)t, x + 2 * i) - log_prob[i];
    *nats = sum / N_POINTS;
    return status;
}
