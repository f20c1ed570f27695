// Running statistics of observations.

#include "agents/obs_norm.h"

#include <math.h>
#include <stdlib.h>

#include "agents/numbers.h"

/// A component that has not varied is divided by sqrt(min_variance); SimBa's.
static const double min_variance = 1e-8;
const double mr_obs_norm_clip = 10; // Stable-Baselines3's

/// All doubles: a checkpoint has each by name.
struct mr_obs_norm {
    size_t dim;
    double n;
    double *mean, *squares; // [dim] sum of squared distances from the mean (Welford 1962)
    double *std;            // [dim]
};

mr_status mr_obs_norm_new(size_t dim, mr_obs_norm **out) {
    mr_obs_norm *norm = calloc(1, sizeof *norm);
    if (!norm)
        return mr_fail_memory("the observations' statistics");
    *norm = (mr_obs_norm){.dim = dim,
                          .mean = calloc(dim, sizeof(double)),
                          .squares = calloc(dim, sizeof(double)),
                          .std = calloc(dim, sizeof(double))};
    if (!norm->mean || !norm->squares || !norm->std) {
        mr_obs_norm_free(norm);
        return mr_fail_memory("the observations' statistics");
    }
    for (size_t j = 0; j < dim; j++)
        norm->std[j] = 1;
    *out = norm;
    return MR_OK;
}

void mr_obs_norm_free(mr_obs_norm *norm) {
    if (!norm)
        return;
    free(norm->mean);
    free(norm->squares);
    free(norm->std);
    free(norm);
}

static void refresh(mr_obs_norm *norm, size_t j) {
    norm->std[j] = sqrt(norm->squares[j] / norm->n + min_variance);
}

void mr_obs_norm_add(mr_obs_norm *norm, const double *obs) {
    norm->n++;
    for (size_t j = 0; j < norm->dim; j++) {
        const double distance = obs[j] - norm->mean[j];
        norm->mean[j] += distance / norm->n;
        norm->squares[j] += distance * (obs[j] - norm->mean[j]);
        refresh(norm, j);
    }
}

void mr_obs_norm_set(mr_obs_norm *norm, double n, const double *mean, const double *std) {
    norm->n = n;
    for (size_t j = 0; j < norm->dim; j++) {
        norm->mean[j] = mean[j];
        norm->squares[j] = n * fmax(std[j] * std[j] - min_variance, 0);
        refresh(norm, j);
    }
}

const double *mr_obs_norm_mean(const mr_obs_norm *norm) {
    return norm->mean;
}

const double *mr_obs_norm_std(const mr_obs_norm *norm) {
    return norm->std;
}

double mr_obs_standardise(double x, double mean, double std) {
    const double u = (x - mean) / std;
    const double clip = mr_obs_norm_clip;
    return !isfinite(u) ? u : u > clip ? clip : u < -clip ? -clip : u;
}

void mr_obs_norm_apply(const mr_obs_norm *norm, size_t n, const mr_real *obs, mr_real *out) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < norm->dim; j++, obs++, out++)
            *out = (mr_real)mr_obs_standardise((double)*obs, norm->mean[j], norm->std[j]);
}

// ---- Checkpoints

enum { N_NUMBERS = 3 };

static void list_numbers(mr_obs_norm *norm, mr_number out[N_NUMBERS]) {
    out[0] = (mr_number){"obs_norm.n", &norm->n, 1, false, true};
    out[1] = (mr_number){"obs_norm.mean", norm->mean, norm->dim, false, false};
    out[2] = (mr_number){"obs_norm.squares", norm->squares, norm->dim, false, false};
}

mr_status mr_obs_norm_write(mr_obs_norm *norm, mr_tensors_writer *writer) {
    mr_number numbers[N_NUMBERS];
    list_numbers(norm, numbers);
    return mr_numbers_write(N_NUMBERS, numbers, writer);
}

mr_status mr_obs_norm_read(mr_obs_norm *norm, const mr_tensors *file) {
    mr_number numbers[N_NUMBERS];
    list_numbers(norm, numbers);
    const mr_status status = mr_numbers_read(N_NUMBERS, numbers, file);
    for (size_t j = 0; j < norm->dim && status == MR_OK && norm->n > 0; j++)
        refresh(norm, j);
    return status;
}
