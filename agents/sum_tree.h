/// A sum tree: numbers that are not negative, and an index drawn in proportion to them, both in
/// O(log n) (Schaul et al. 2016, arXiv:1511.05952, appendix B.2.1).
///
/// Each node is the sum of the two below it, whatever was set before: two trees of the same numbers
/// have the same bits.
#pragma once

#include "base/status.h"

#include <stddef.h>

typedef struct mr_sum_tree mr_sum_tree;

/// A tree of `n` zeros. The caller frees it.
mr_status mr_sum_tree_new(size_t n, mr_sum_tree **out);
void mr_sum_tree_free(mr_sum_tree *tree);

/// Sets a number.
void mr_sum_tree_set(mr_sum_tree *tree, size_t i, double value);

/// The numbers [n]. Who writes to them calls mr_sum_tree_add_up then.
double *mr_sum_tree_values(mr_sum_tree *tree);
void mr_sum_tree_add_up(mr_sum_tree *tree);

/// The sum of all.
double mr_sum_tree_total(const mr_sum_tree *tree);

/// The first index up to which the numbers sum to more than `u`, 0 <= u < total. Its number is not
/// 0.
size_t mr_sum_tree_find(const mr_sum_tree *tree, double u);
