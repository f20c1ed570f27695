// Panels of pictures of densities.

#include "cli/plot/panel.h"

#include <math.h>

double mr_cell_middle(mr_range r, size_t i, size_t n) {
    return r.low + (r.high - r.low) * ((double)i + 0.5) / (double)n;
}

size_t mr_cell_of(mr_range r, double value, size_t n) {
    const double place = (value - r.low) / (r.high - r.low) * (double)n;
    return place >= 0 && place < (double)n ? (size_t)place : n;
}

double mr_quantile(size_t n, const double *sorted, double share) {
    return sorted[(size_t)(share * (double)(n - 1))];
}

void mr_panel_style(FILE *script) {
    fputs("set border linecolor rgb '#555555'\n"
          "set tics nomirror out textcolor rgb '#333333' font ',11'\n"
          "set palette defined (0 '#ffffff', 0.1 '#deebf7', 0.3 '#9ecae1', 0.55 '#4292c6', "
          "0.8 '#08519c', 1 '#08306b')\n"
          "unset colorbox\n"
          "unset key\n",
          script);
}

void mr_panel_place(FILE *script, mr_pixels size, size_t left, size_t bottom, size_t side) {
    const double width = (double)size.width, height = (double)size.height;
    fprintf(script, "set lmargin at screen %.6f\nset rmargin at screen %.6f\n",
            (double)left / width, (double)(left + side) / width);
    fprintf(script, "set bmargin at screen %.6f\nset tmargin at screen %.6f\n",
            (double)bottom / height, (double)(bottom + side) / height);
}

void mr_panel_range(FILE *script, char axis, mr_range r) {
    fprintf(script, "set %crange [%.10g:%.10g]\n", axis, r.low, r.high);
}

void mr_panel_matrix(FILE *script, const char *name, size_t n_rows, size_t n_cols,
                     const double *values) {
    fprintf(script, "$%s << END\n", name);
    for (size_t i = 0; i < n_rows; i++)
        for (size_t j = 0; j < n_cols; j++)
            fprintf(script, "%.5g%c", isfinite(values[i * n_cols + j]) ? values[i * n_cols + j] : 0,
                    j + 1 < n_cols ? ' ' : '\n');
    fputs("END\n", script);
}

// Writes the `using` that maps a matrix's column and row to the axes.
void mr_panel_plot_matrix(FILE *script, const char *name, mr_range x, mr_range y, size_t n_x,
                          size_t n_y) {
    const double dx = (x.high - x.low) / (double)n_x, dy = (y.high - y.low) / (double)n_y;
    fprintf(
        script,
        "plot $%s matrix using (%.10g + $1 * %.10g):(%.10g + $2 * %.10g):(sqrt($3)) with image\n",
        name, x.low + dx / 2, dx, y.low + dy / 2, dy);
}
