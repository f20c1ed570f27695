/// Figures of a report: curves of the runs on one task, as SVG in the colours of the page.
#pragma once

#include "cli/plot/curves.h"

#include <stdio.h>

typedef struct {
    const mr_curve_list *list;
    const char *env; // the task
    mr_x_axis x;
    const char *title, *subtitle;
} mr_figure;

/// Whether there is anything to draw: a curve on the task with two points.
bool mr_figure_has_curves(const mr_figure *figure);

/// Writes it as HTML. The elements of a curve have the attribute data-curve, its colour's number.
/// Fails as mr_picture_render does.
mr_status mr_figure_write(const mr_figure *figure, FILE *page);
