/// Base distributions of densities: one file with a `mr_distribution_ops`, one line in
/// flows/distributions.c. See docs/extending.md. Private to flows/.
#pragma once

#include "base/arena.h"
#include "flows/options.h"

typedef struct mr_distribution mr_distribution;

typedef struct {
    const char *name;
    const char *summary; // one line
    mr_flow_options options;
    size_t state_size;

    /// Declares the parameters, under names that begin with `prefix` and a dot.
    mr_status (*declare)(mr_distribution *distribution, mr_params *params, const char *prefix);
    /// The log-density [rows x 1] of z [rows x dim], nats.
    mr_node *(*log_prob)(const mr_distribution *distribution, mr_params *params, mr_node *z,
                         mr_node *context);
    /// Draws what `sample` makes samples of: noise [n x dim].
    void (*draw)(const mr_distribution *distribution, const mr_params *params, mr_random *random,
                 size_t n, mr_real *noise);
    /// A sample z [rows x dim] and its log-density [rows x 1].
    mr_node *(*sample)(const mr_distribution *distribution, mr_params *params, mr_node *noise,
                       mr_node *context, mr_node **log_prob);
    /// The bound b of the box [-b, b]^dim that holds all mass; NULL: none.
    double (*bound)(const mr_distribution *distribution);
} mr_distribution_ops;

/// A base distribution of `dim` features.
struct mr_distribution {
    const mr_distribution_ops *ops;
    const void *options; // the struct of its table
    mr_arena *arena;     // memory that lives as long as the density
    size_t dim;
    size_t context_dim; // 0: no context
    void *state;        // its own, state_size bytes, zeroed
};

/// The table of base distributions.
extern const mr_distribution_ops *const mr_distribution_table[];
extern const size_t mr_distribution_table_size;

/// Reads NAME or NAME:option=value,... into `out`, in `arena`. `full` receives the text with every
/// option. Fails with MR_ERR_USAGE; the message names the choices.
enum { MR_DISTRIBUTION_MAX_TEXT = 256 };
mr_status mr_distribution_read(const char *text, mr_arena *arena, mr_distribution *out,
                               char full[MR_DISTRIBUTION_MAX_TEXT]);
