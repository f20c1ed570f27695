/// A density of rows of numbers: a base distribution and a flow, learned from data (fit.h) or from
/// an unnormalised log-density (vi.h). It may be conditional, p(x | given), and its columns may be
/// bounded or angles.
///
///     log q(x) = log p(z) + log |det dz/du| - sum log scale + sum log |dv/dx|,   z = flow^-1(u),
///     u = (v - shift) / scale,   v = x, but of bounded columns its logit or logarithm
///
/// A categorical column is encoded as a point in some features of the flow, drawn at random (Lippe
/// and Gavves 2021, arXiv:2006.09790). Log-densities then are those of the other columns times the
/// probability of the categories, and bounds from below.
///
/// `shift` and `scale` standardise the data, in double, before the nets see it. They belong to the
/// model; log-densities are those of the data as given.
///
/// Rows of doubles have `dim` features and then, in a conditional density, `given_dim` given
/// columns: arrays [n x width], width = dim + given_dim.
///
/// Any number of threads may score points and sample at once, as long as none changes the density.
#pragma once

#include <millrace/status.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A density: a base distribution and a flow.
typedef struct mr_density mr_density;

/// What a flow is for: the direction in which its text is read, and that takes one pass.
typedef enum {
    MR_FLOW_TO_SAMPLE, // policies and variational posteriors: forward, from base to sample
    MR_FLOW_TO_SCORE,  // densities of given points: inverse, from data to base
} mr_flow_use;

/// A density of `dim` features with the flow described by `flow` (a preset or a composition, as
/// `millrace flow fit --flow` takes it: "nsf", "maf:layers=4"), its parameters drawn from stream
/// (seed, init, 0): the standard normal density. Shift 0 and scale 1 until set. The caller frees
/// it. Fails with MR_ERR_USAGE on a flow's text that is not understood, and on 0 features or more
/// than 2^20.
///
///   use  MR_FLOW_TO_SCORE for fits to data, MR_FLOW_TO_SAMPLE for variational posteriors
MR_API mr_status mr_density_new(const char *flow, mr_flow_use use, size_t dim, uint64_t seed,
                                mr_density **out);

/// The values that a column may have.
typedef enum {
    MR_SUPPORT_LINE,     // all
    MR_SUPPORT_BOUNDED,  // between low and high, of which one may be infinite
    MR_SUPPORT_CIRCLE,   // angles: low and high are the same point
    MR_SUPPORT_CATEGORY, // whole numbers from low to high, each a category, in no order; at most
                         // 4,096
} mr_support_type;

/// The support of a column.
typedef struct {
    mr_support_type type;
    double low, high;
} mr_support;

/// What a density is made of. A later version may add fields: set the others to 0.
typedef struct {
    const char *flow; // its text
    mr_flow_use use;
    const char *base; // its base distribution, as in "student_t" or "mixture:components=4"; NULL:
                      // "normal"
    size_t dim, given_dim;
    const mr_support *support; // [dim + given_dim]; NULL: all are lines
    /// The features are an image, in the order [channels x height x width], dim = channels height
    /// width. All 0: they are a vector.
    size_t channels, height, width;
} mr_density_spec;

/// A density by its specification, otherwise as mr_density_new. Texts and arrays are copied. Fails
/// with MR_ERR_USAGE also if flow, base, supports and shape don't go together: the base "uniform"
/// needs bounded columns and a flow that keeps its box; some parts have no form for angles, others
/// only one for images.
MR_API mr_status mr_density_create(const mr_density_spec *spec, uint64_t seed, mr_density **out);

/// Reads a model file. Fails with one clear line on anything that is not a whole model saved by
/// mr_density_save. The caller frees it.
MR_API mr_status mr_density_load(const char *path, mr_density **out);

/// The same from the bytes of a model file, which are needed no longer afterwards. Messages call it
/// "density in memory".
MR_API mr_status mr_density_load_memory(const void *bytes, size_t size, mr_density **out);

/// Releases it; NULL is fine.
MR_API void mr_density_free(mr_density *density);

/// Writes a model file: safetensors, with all that is needed to use the model in the metadata.
/// Replaced atomically. The same model gives the same bytes.
MR_API mr_status mr_density_save(const mr_density *density, const char *path);

/// The flow's text with all its options; owned by the density.
MR_API const char *mr_density_flow(const mr_density *density);

/// The composition that the flow's text stands for; owned by the density.
MR_API const char *mr_density_composition(const mr_density *density);

/// The text of the base distribution with all its options; owned by the density.
MR_API const char *mr_density_base(const mr_density *density);

/// The direction in which its flow takes one pass.
MR_API mr_flow_use mr_density_use(const mr_density *density);

/// The number of its columns, without given ones.
MR_API size_t mr_density_dim(const mr_density *density);
MR_API size_t mr_density_given_dim(const mr_density *density); // 0: it isn't conditional

/// The shape of its features if they are an image, else 0, 0, 0.
MR_API void mr_density_shape(const mr_density *density, size_t *channels, size_t *height,
                             size_t *width);

/// Says which columns of a table the features are: `columns` [dim], ascending, of `n_columns`.
MR_API mr_status mr_density_set_columns(mr_density *density, size_t n_columns,
                                        const size_t *columns);

/// The columns of the table that the features are, [dim], and how many columns the table has; NULL:
/// nothing was set, the table has the features and nothing else.
MR_API const size_t *mr_density_columns(const mr_density *density, size_t *n_columns);

/// Log-densities [n] (nats) of rows x [n x width], by batches over `n_threads`. Fails with
/// MR_ERR_NUMERIC, naming row and column, on a point that is not finite or so far out that float32
/// cannot hold its log-density.
MR_API mr_status mr_density_log_prob(const mr_density *density, int n_threads, size_t n,
                                     const double *x, double *log_prob);

/// The same, but goes past such points: their log-density is -infinity, and `*n_impossible` says
/// how many they are. Fails with MR_ERR_MEMORY alone.
MR_API mr_status mr_density_score(const mr_density *density, int n_threads, size_t n,
                                  const double *x, double *log_prob, size_t *n_impossible);

/// Samples x [n x dim] from stream (seed, sample, 0); their log-densities [n] unless `log_prob` is
/// NULL. Fewer samples of a seed are the first of more. Fails with MR_ERR_NUMERIC on a sample that
/// is not finite.
MR_API mr_status mr_density_sample(const mr_density *density, int n_threads, uint64_t seed,
                                   size_t n, double *x, double *log_prob);

/// Samples of a conditional density, one for each row of `given` [n x given_dim]; otherwise as
/// mr_density_sample, which is for densities that are not conditional. Fails with MR_ERR_INPUT on a
/// cell of `given` that is not finite or not within its bounds.
MR_API mr_status mr_density_sample_given(const mr_density *density, int n_threads, uint64_t seed,
                                         size_t n, const double *given, double *x,
                                         double *log_prob);

#ifdef __cplusplus
}
#endif
