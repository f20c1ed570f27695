// The grid of what has been visited.

#include "agents/coverage.h"
#include "tests/scratch.h"

#include <math.h>

TestSuite(coverage, .init = scratch_enter, .fini = scratch_leave);

static const mr_env_arena box = {.feature = {2, 0}, .low = {-1, 0}, .high = {1, 3}};

static const double cell = 1.0 / (MR_COVERAGE_SIDE * MR_COVERAGE_SIDE);

static mr_coverage *create(void) {
    mr_coverage *coverage = NULL;
    cr_assert_eq(mr_coverage_new(&box, &coverage), MR_OK);
    return coverage;
}

static void visit(mr_coverage *coverage, double first, double second) {
    const double obs[] = {second, NAN, first};
    mr_coverage_visit(coverage, obs);
}

Test(coverage, a_cell_counts_once) {
    mr_coverage *coverage = create();
    cr_expect_eq(mr_coverage_fraction(coverage), 0);
    visit(coverage, 0.01, 1.51);
    visit(coverage, 0.02, 1.52);
    cr_expect_float_eq(mr_coverage_fraction(coverage), cell, 1e-12);
    visit(coverage, -0.01, 1.52);
    cr_expect_float_eq(mr_coverage_fraction(coverage), 2 * cell, 1e-12);
    mr_coverage_free(coverage);
}

Test(coverage, the_edges_are_inside_and_what_is_beyond_is_not) {
    mr_coverage *coverage = create();
    visit(coverage, -1, 0);
    visit(coverage, 1, 3);
    visit(coverage, 1.01, 1);
    visit(coverage, 0, -0.01);
    visit(coverage, NAN, 1);
    cr_expect_float_eq(mr_coverage_fraction(coverage), 2 * cell, 1e-12);
    mr_coverage_free(coverage);
}

Test(coverage, everywhere_is_one) {
    mr_coverage *coverage = create();
    for (size_t i = 0; i < MR_COVERAGE_SIDE; i++)
        for (size_t j = 0; j < MR_COVERAGE_SIDE; j++)
            visit(coverage, -1 + 2 * ((double)i + 0.5) / MR_COVERAGE_SIDE,
                  3 * ((double)j + 0.5) / MR_COVERAGE_SIDE);
    cr_expect_float_eq(mr_coverage_fraction(coverage), 1, 1e-12);
    mr_coverage_free(coverage);
}

Test(coverage, a_file_gives_back_cells_and_box) {
    mr_tensors_writer *writer = NULL;
    mr_tensors *file = NULL;
    mr_coverage *coverage = create(), *other = NULL;
    const mr_env_arena elsewhere = {.feature = {2, 0}, .low = {7, 7}, .high = {8, 8}};
    visit(coverage, 0, 1);
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_coverage_write(coverage, writer), MR_OK);
    cr_assert_eq(mr_tensors_writer_write(writer, "c.safetensors"), MR_OK);
    cr_assert_eq(mr_coverage_new(&elsewhere, &other), MR_OK);
    cr_assert_eq(mr_tensors_open("c.safetensors", &file), MR_OK);
    cr_assert_eq(mr_coverage_read(other, file), MR_OK, "%s", mr_error_message());
    visit(other, 0, 1);
    cr_expect_float_eq(mr_coverage_fraction(other), cell, 1e-12);
    visit(other, 0.9, 1);
    cr_expect_float_eq(mr_coverage_fraction(other), 2 * cell, 1e-12);
    mr_tensors_close(file);
    mr_tensors_writer_free(writer);
    mr_coverage_free(coverage);
    mr_coverage_free(other);
}
