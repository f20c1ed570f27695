// The posterior of a Bayesian logistic regression on the user's data.
//
//     w ~ N(0, I),   y_i ~ Bernoulli(sigmoid(w . (x_i, 1)))
//
// Each row of the file is x_i and y_i, which is 0 or 1. The features of the target are the weights
// of the columns in their order, then the intercept. Weights are those of the columns as given: the
// prior means what it says where columns are standardised.
//
//     log p~(w) = log N(w; 0, I) - sum_i softplus(-s_i w . (x_i, 1)),   s_i = 2 y_i - 1

#include "flows/targets.h"

#include "base/matrix_file.h"

#include <stdlib.h>

static const double log_2_pi = 1.8378770664093454836;

typedef struct {
    mr_params *constants;   // never trained: the data as a linear layer
    mr_param signed_points; // [rows x dim] -s_i (x_i, 1)
    mr_param zero;          // [1 x rows]
    double *shift, *scale;  // [dim]
} data;

static mr_node *logistic_build(const mr_target *target, mr_node *w) {
    const data *d = target->self;
    mr_node *margins = mr_linear(w, d->constants, d->signed_points, d->zero, MR_IDENTITY);
    mr_node *log_likelihood = mr_affine(mr_row_sum(mr_softplus(margins)), -1, 0);
    mr_node *log_prior =
        mr_affine(mr_row_sum(mr_square(w)), -0.5, -(double)target->dim / 2 * log_2_pi);
    return mr_add(log_likelihood, log_prior);
}

static mr_status check_labels(const char *path, const mr_matrix *table) {
    const size_t n = table->n_cols;
    if (n < 2)
        return mr_fail(MR_ERR_INPUT,
                       "%s: has one column; needs at least one feature and, last, the label 0 or 1",
                       path);
    for (size_t i = 0; i < table->n_rows; i++) {
        const double y = table->values[i * n + n - 1];
        if (y != 0 && y != 1)
            return mr_fail(MR_ERR_INPUT, "%s: row %zu, column %zu: the label is %g, not 0 or 1%s",
                           path, i + 1, n, y,
                           i == 0 && table->names == NULL
                               ? "; if row 1 is the columns' names, give --header yes"
                               : "");
    }
    return MR_OK;
}

// The posterior's width along each weight is near 1/sqrt(prior precision + sum_i x_i^2 p (1 - p)),
// and p (1 - p) is at most 1/4.
static mr_status fill(data *d, const mr_matrix *table) {
    mr_random unused = mr_random_stream(0, MR_STREAM_INIT, 0);
    const size_t n = table->n_rows, dim = table->n_cols;
    mr_status status = mr_params_new(&d->constants);
    if (status != MR_OK)
        return status;
    d->signed_points = mr_params_add(d->constants, "points", n, dim, MR_INIT_ZERO, 1, NULL);
    d->zero = mr_params_add(d->constants, "zero", 1, n, MR_INIT_ZERO, 1, NULL);
    status = mr_params_alloc(d->constants, &unused);
    if (status != MR_OK)
        return status;
    mr_real *points = mr_params_value(d->constants) + d->signed_points.offset;
    for (size_t j = 0; j < dim; j++) {
        double precision = 1;
        for (size_t i = 0; i < n; i++) {
            const double *row = table->values + i * dim;
            const double x = j + 1 < dim ? row[j] : 1;
            points[i * dim + j] = (mr_real)(row[dim - 1] == 1 ? -x : x);
            precision += x * x / 4;
        }
        d->scale[j] = 1 / sqrt(precision);
    }
    return MR_OK;
}

static mr_status logistic_open(mr_target *target, const char *text, const char *path,
                               mr_header header) {
    mr_status status;
    mr_matrix table = {0};
    data *d = calloc(1, sizeof *d);
    target->self = d;
    if (!d)
        return mr_fail_memory("a target");
    if (path[0] == '\0')
        return mr_fail(MR_ERR_USAGE, "target '%s': name a file, as in logistic:data.csv", text);
    MR_TRY(mr_matrix_read_cells(path, &(mr_matrix_options){.header = header}, &table));
    MR_TRY(mr_matrix_check(path, &table, NULL, false));
    MR_TRY(check_labels(path, &table));
    d->shift = calloc(table.n_cols, sizeof *d->shift);
    d->scale = calloc(table.n_cols, sizeof *d->scale);
    if (!d->shift || !d->scale) {
        status = mr_fail_memory("a target");
        goto done;
    }
    MR_TRY(fill(d, &table));
    target->dim = table.n_cols;
    target->has_data = true;
    target->has_names = table.names != NULL;
    target->log_z = NAN;
    target->shift = d->shift;
    target->scale = d->scale;
done:
    mr_matrix_free(&table);
    return status;
}

static void logistic_close(mr_target *target) {
    data *d = target->self;
    if (!d)
        return;
    mr_params_free(d->constants);
    free(d->shift);
    free(d->scale);
    free(d);
}

const mr_target_kind mr_target_logistic = {
    .name = "logistic",
    .usage = "logistic:DATA.csv",
    .summary = "Bayesian logistic regression: last column 0 or 1, weights and intercept ~ N(0, 1)",
    .build = logistic_build,
    .open = logistic_open,
    .close = logistic_close,
};
