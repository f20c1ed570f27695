// The grid of visited cells.

#include "agents/coverage.h"

#include <stdlib.h>
#include <string.h>

enum { N_CELLS = MR_COVERAGE_SIDE * MR_COVERAGE_SIDE };

struct mr_coverage {
    size_t feature[2];
    double box[4]; // low, high, low, high
    unsigned char visited[N_CELLS];
    size_t n_visited;
};

mr_status mr_coverage_new(const mr_env_arena *box, mr_coverage **out) {
    mr_coverage *coverage = calloc(1, sizeof *coverage);
    if (!coverage)
        return mr_fail_memory("the coverage");
    for (size_t k = 0; k < 2; k++) {
        coverage->feature[k] = box->feature[k];
        coverage->box[2 * k] = box->low[k];
        coverage->box[2 * k + 1] = box->high[k];
    }
    *out = coverage;
    return MR_OK;
}

void mr_coverage_free(mr_coverage *coverage) {
    free(coverage);
}

void mr_coverage_visit(mr_coverage *coverage, const double *obs) {
    size_t cell = 0;
    for (size_t k = 0; k < 2; k++) {
        const double low = coverage->box[2 * k], high = coverage->box[2 * k + 1];
        const double x = obs[coverage->feature[k]];
        if (!(x >= low && x <= high))
            return;
        const size_t i = (size_t)((x - low) / (high - low) * MR_COVERAGE_SIDE);
        cell = cell * MR_COVERAGE_SIDE + (i < MR_COVERAGE_SIDE ? i : MR_COVERAGE_SIDE - 1);
    }
    coverage->n_visited += !coverage->visited[cell];
    coverage->visited[cell] = 1;
}

double mr_coverage_fraction(const mr_coverage *coverage) {
    return (double)coverage->n_visited / N_CELLS;
}

// ---- Files

static const size_t box_shape = 4, cells_shape = N_CELLS;

mr_status mr_coverage_write(const mr_coverage *coverage, mr_tensors_writer *writer) {
    mr_status status;
    MR_TRY(mr_tensors_writer_add(writer, "coverage.box", MR_F64, 1, &box_shape, coverage->box));
    MR_TRY(mr_tensors_writer_add(writer, "coverage.visited", MR_U8, 1, &cells_shape,
                                 coverage->visited));
done:
    return status;
}

mr_status mr_coverage_read(mr_coverage *coverage, const mr_tensors *file) {
    mr_status status;
    const void *box, *visited;
    MR_TRY(mr_tensors_get(file, "coverage.box", MR_F64, 1, &box_shape, &box));
    MR_TRY(mr_tensors_get(file, "coverage.visited", MR_U8, 1, &cells_shape, &visited));
    memcpy(coverage->box, box, sizeof coverage->box);
    memcpy(coverage->visited, visited, sizeof coverage->visited);
    coverage->n_visited = 0;
    for (size_t i = 0; i < N_CELLS; i++)
        coverage->n_visited += coverage->visited[i] != 0;
done:
    return status;
}
