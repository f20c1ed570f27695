// Splines from a net.

#include "flows/spline.h"

#include <math.h>

size_t mr_spline_n_outputs(const mr_flow_layer *layer) {
    return mr_spline_n_params(layer->options->bins);
}

static mr_spline spline_of(const mr_flow_layer *layer) {
    const mr_widths *hidden = &layer->options->hidden;
    return (mr_spline){.n_bins = layer->options->bins,
                       .bound = layer->options->bound,
                       .logit_factor = 1 / sqrt((double)hidden->width[hidden->n - 1])};
}

// Takes the op's result [rows x (d + 1)] apart.
static mr_node *take_apart(mr_node *moved, mr_node **log_det) {
    if (!moved)
        return NULL;
    const size_t dim = mr_node_cols(moved) - 1;
    *log_det = mr_slice(moved, dim, 1);
    return mr_slice(moved, 0, dim);
}

mr_node *mr_spline_move(const mr_flow_layer *layer, mr_node *x, mr_node *raw, mr_node **log_det) {
    return take_apart(mr_spline_forward(x, raw, spline_of(layer)), log_det);
}

mr_node *mr_spline_move_inverse(const mr_flow_layer *layer, mr_node *x, mr_node *raw,
                                mr_node **log_det) {
    return take_apart(mr_spline_inverse(x, raw, spline_of(layer)), log_det);
}
