/// Categories in a flow (Lippe and Gavves 2021, arXiv:2006.09790). Each category c is encoded as a
/// point z of R^d, drawn from a distribution of its own, and decoded by Bayes' rule:
///
///     q(z | c) = prod_j logistic(z_j; m_cj, s_cj),   p(c | z) = q(z | c) / sum_k q(z | k)
///
/// A flow p(z) then gives categories a probability, of which each draw of z bounds the logarithm
/// from below on average:
///
///     log p(c) >= E_q(z|c) [log p(c | z) + log p(z) - log q(z | c)]
///
/// Means and scales are trained with the flow. Private to flows/.
#pragma once

#include "nn/graph.h"

typedef struct {
    size_t n;                 // of categories
    size_t latent;            // dimensions of z
    mr_param mean, log_scale; // [n x latent]
} mr_categories;

/// Declares PREFIX.mean, uniform on [-1, 1], and PREFIX.log_scale, which starts at `log_scale`.
/// Fails with MR_ERR_MEMORY alone.
mr_status mr_categories_declare(mr_categories *categories, mr_params *params, const char *prefix,
                                size_t n, size_t latent, double log_scale);

/// Draws z [rows x latent] for codes [rows x 1], which number the categories from 0.
mr_node *mr_categories_encode(const mr_categories *categories, mr_params *params, mr_node *code);

/// log p(c | z) of all categories, [rows x n], for z [rows x latent].
///
///   log_total  out: log sum_k q(z | k), [rows x 1]; may be NULL. log p(c | z) - log q(z | c) is
///              its negative, whatever c is
mr_node *mr_categories_decode(const mr_categories *categories, mr_params *params, mr_node *z,
                              mr_node **log_total);

/// Draws z [latent] for one category, outside a graph.
void mr_categories_draw(const mr_categories *categories, const mr_params *params, mr_random *random,
                        size_t code, mr_real *z);
