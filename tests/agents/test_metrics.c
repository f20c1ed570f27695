#include "agents/metrics.h"

#include <criterion/criterion.h>

Test(metrics, every_figure_has_a_row_of_its_own) {
    cr_expect_eq(mr_metric_count() * sizeof(double), sizeof(mr_metrics));
    for (size_t i = 0; i < mr_metric_count(); i++)
        cr_expect_eq(mr_metric_at(i)->offset, i * sizeof(double), "%s", mr_metric_at(i)->name);
}
