// Sum trees.

#include "agents/sum_tree.h"

#include <stdbool.h>
#include <stdlib.h>

struct mr_sum_tree {
    size_t n_leaves; // a power of two
    double *sum;     // [2 n_leaves] node k has the children 2k and 2k + 1; the root is 1
};

mr_status mr_sum_tree_new(size_t n, mr_sum_tree **out) {
    mr_sum_tree *tree = calloc(1, sizeof *tree);
    size_t n_leaves = 1;
    while (n_leaves < n)
        n_leaves *= 2;
    if (tree)
        *tree = (mr_sum_tree){n_leaves, calloc(2 * n_leaves, sizeof(double))};
    if (!tree || !tree->sum) {
        mr_sum_tree_free(tree);
        return mr_fail_memory("the priorities");
    }
    *out = tree;
    return MR_OK;
}

void mr_sum_tree_free(mr_sum_tree *tree) {
    if (!tree)
        return;
    free(tree->sum);
    free(tree);
}

static void add_up_at(mr_sum_tree *tree, size_t k) {
    tree->sum[k] = tree->sum[2 * k] + tree->sum[2 * k + 1];
}

void mr_sum_tree_set(mr_sum_tree *tree, size_t i, double value) {
    size_t k = tree->n_leaves + i;
    tree->sum[k] = value;
    for (k /= 2; k > 0; k /= 2)
        add_up_at(tree, k);
}

double *mr_sum_tree_values(mr_sum_tree *tree) {
    return tree->sum + tree->n_leaves;
}

void mr_sum_tree_add_up(mr_sum_tree *tree) {
    for (size_t k = tree->n_leaves - 1; k > 0; k--)
        add_up_at(tree, k);
}

double mr_sum_tree_total(const mr_sum_tree *tree) {
    return tree->sum[1];
}

// Rounding may leave u as large as the sum on the right: where that is 0, the index is on the left.
size_t mr_sum_tree_find(const mr_sum_tree *tree, double u) {
    size_t k = 1;
    while (k < tree->n_leaves) {
        const double left = tree->sum[2 * k], right = tree->sum[2 * k + 1];
        const bool goes_right = (u >= left && right > 0) || left <= 0;
        u -= goes_right ? left : 0;
        k = 2 * k + goes_right;
    }
    return k - tree->n_leaves;
}
