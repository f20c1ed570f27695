// Standardising the features of visited states.

#include "agents/scaled_features.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text_stream.h"

// A feature has varied if its deviation is above this fraction of its mean: float32's resolution.
static const double min_relative_std = 1e-7;

/// A feature over all visited states (Welford 1962). All doubles: a checkpoint holds them as one
/// array.
typedef struct {
    double mean, squares; // sum of squared distances from the mean
    double low, high;
} moments;

struct mr_scaled_features {
    const mr_env_spec *env; // borrowed
    mr_features chosen;
    double n_states;
    moments *moments;      // [chosen.n]
    unsigned char *kept;   // [chosen.n] not 0: it is standardised, as the next four say
    size_t dim;            // number of these
    size_t *column;        // [dim] in the observation
    double *shift, *scale; // [dim] mean and deviation
    char *note;
};

static mr_status allocate(mr_scaled_features *f) {
    const size_t n = f->chosen.n;
    f->moments = calloc(n, sizeof *f->moments);
    f->kept = calloc(n, sizeof *f->kept);
    f->column = calloc(n, sizeof *f->column);
    f->shift = calloc(n, sizeof *f->shift);
    f->scale = calloc(n, sizeof *f->scale);
    const bool whole = f->moments && f->kept && f->column && f->shift && f->scale;
    return whole ? MR_OK : mr_fail_memory("the features of the intrinsic reward");
}

mr_status mr_scaled_features_new(const char *chosen, const mr_env_spec *env,
                                 mr_scaled_features **out) {
    mr_status status;
    mr_scaled_features *f = calloc(1, sizeof *f);
    if (!f)
        return mr_fail_memory("the features of the intrinsic reward");
    f->env = env;
    MR_TRY(mr_features_parse(chosen, env, "bonus_features", &f->chosen));
    MR_TRY(allocate(f));
    *out = f;
    f = NULL;
done:
    mr_scaled_features_free(f);
    return status;
}

void mr_scaled_features_free(mr_scaled_features *f) {
    if (!f)
        return;
    mr_features_free(&f->chosen);
    free(f->moments);
    free(f->kept);
    free(f->column);
    free(f->shift);
    free(f->scale);
    free(f->note);
    free(f);
}

void mr_scaled_features_add(mr_scaled_features *f, const double *obs) {
    const double n = ++f->n_states;
    for (size_t j = 0; j < f->chosen.n; j++) {
        moments *m = &f->moments[j];
        const double x = obs[f->chosen.index[j]], distance = x - m->mean;
        m->mean += distance / n;
        m->squares += distance * (x - m->mean);
        m->low = n == 1 ? x : fmin(m->low, x);
        m->high = n == 1 ? x : fmax(m->high, x);
    }
}

static double deviation(const mr_scaled_features *f, size_t j) {
    return sqrt(f->moments[j].squares / f->n_states);
}

static void refresh(mr_scaled_features *f) {
    f->dim = 0;
    for (size_t j = 0; j < f->chosen.n; j++) {
        if (!f->kept[j])
            continue;
        f->shift[f->dim] = f->moments[j].mean;
        f->scale[f->dim] = deviation(f, j);
        f->column[f->dim++] = f->chosen.index[j];
    }
}

// ---- Features that vary

static void print_feature(FILE *text, const mr_scaled_features *f, size_t j) {
    const size_t i = f->chosen.index[j];
    if (f->env->obs_names)
        fprintf(text, "%s", f->env->obs_names[i]);
    else
        fprintf(text, "feature %zu", i);
}

static mr_status note_dropped(mr_scaled_features *f) {
    size_t n = 0;
    mr_text_stream note;
    mr_status status = mr_text_stream_open("a note", &note);
    if (status != MR_OK)
        return status;
    for (size_t j = 0; j < f->chosen.n; j++) {
        if (f->kept[j])
            continue;
        fputs(n++ > 0 ? ", "
                      : "the intrinsic reward leaves out features that have not varied so far: ",
              note.file);
        print_feature(note.file, f, j);
    }
    status = mr_text_stream_close(&note, MR_OK);
    f->note = note.text;
    return status;
}

mr_status mr_scaled_features_settle(mr_scaled_features *f) {
    for (size_t j = 0; j < f->chosen.n; j++)
        f->kept[j] = deviation(f, j) > min_relative_std * fabs(f->moments[j].mean);
    refresh(f);
    if (f->dim == 0)
        return mr_fail(MR_ERR_INPUT,
                       "bonus_features: none of the %zu chosen features of %s has varied in %.0f "
                       "steps; choose others",
                       f->chosen.n, f->env->name, f->n_states);
    return f->dim < f->chosen.n ? note_dropped(f) : MR_OK;
}

const char *mr_scaled_features_note(const mr_scaled_features *f) {
    return f->note;
}

// ---- Standardising

static mr_real standardised(const mr_scaled_features *f, size_t j, double x) {
    return (mr_real)((x - f->shift[j]) / f->scale[j]);
}

void mr_scaled_features_apply(mr_scaled_features *f, size_t n, const mr_real *obs, mr_real *u) {
    refresh(f);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < f->dim; j++)
            *u++ = standardised(f, j, (double)obs[i * f->env->obs_dim + f->column[j]]);
}

void mr_scaled_features_apply_double(mr_scaled_features *f, size_t n, const double *obs,
                                     mr_real *u) {
    refresh(f);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < f->dim; j++)
            *u++ = standardised(f, j, obs[i * f->env->obs_dim + f->column[j]]);
}

mr_feature_scale mr_scaled_features_get(mr_scaled_features *f) {
    refresh(f);
    return (mr_feature_scale){
        .dim = f->dim, .column = f->column, .shift = f->shift, .scale = f->scale};
}

double mr_scaled_features_log_volume(const mr_scaled_features *f) {
    double sum = 0;
    for (size_t j = 0; j < f->dim; j++)
        sum += log(f->scale[j]);
    return sum;
}

bool mr_scaled_features_box(const mr_scaled_features *f, mr_env_arena *out) {
    if (f->dim != 2)
        return false;
    for (size_t j = 0, k = 0; j < f->chosen.n; j++) {
        if (!f->kept[j])
            continue;
        out->feature[k] = f->chosen.index[j];
        out->low[k] = f->moments[j].low;
        out->high[k++] = f->moments[j].high;
    }
    return true;
}

size_t mr_scaled_features_n_chosen(const mr_scaled_features *f) {
    return f->chosen.n;
}

double mr_scaled_features_n_states(const mr_scaled_features *f) {
    return f->n_states;
}

// ---- Files

enum { N_MOMENTS = sizeof(moments) / sizeof(double) };

mr_status mr_scaled_features_write(const mr_scaled_features *f, mr_tensors_writer *writer) {
    const size_t shape[] = {f->chosen.n, N_MOMENTS};
    const mr_status status =
        mr_tensors_writer_add(writer, "bonus.moments", MR_F64, 2, shape, f->moments);
    return status == MR_OK ? mr_tensors_writer_add(writer, "bonus.kept", MR_U8, 1, shape, f->kept)
                           : status;
}

mr_status mr_scaled_features_read(mr_scaled_features *f, double n_states, const mr_tensors *file) {
    mr_status status;
    const void *numbers, *kept;
    const size_t shape[] = {f->chosen.n, N_MOMENTS};
    MR_TRY(mr_tensors_get(file, "bonus.moments", MR_F64, 2, shape, &numbers));
    MR_TRY(mr_tensors_get(file, "bonus.kept", MR_U8, 1, shape, &kept));
    f->n_states = n_states;
    memcpy(f->moments, numbers, f->chosen.n * sizeof *f->moments);
    memcpy(f->kept, kept, f->chosen.n);
    refresh(f);
done:
    return status;
}
