#include "agents/sum_tree.h"

#include "base/random.h"

#include <criterion/criterion.h>

enum { N = 37 };

static mr_sum_tree *tree_new(void) {
    mr_sum_tree *tree;
    cr_assert_eq(mr_sum_tree_new(N, &tree), MR_OK);
    return tree;
}

// Whole numbers, whose sums are exact in any order. Every third is 0.
static double value_at(size_t i) {
    return (double)(i % 3 * (i + 1));
}

static size_t find_by_adding(double u) {
    double sum = 0;
    size_t i = 0;
    for (; i < N; i++) {
        sum += value_at(i);
        if (sum > u)
            break;
    }
    return i;
}

Test(sum_tree, finds_what_adding_one_after_the_other_finds) {
    mr_sum_tree *tree = tree_new();
    double total = 0;
    for (size_t i = 0; i < N; i++) {
        mr_sum_tree_set(tree, i, 1e9); // is overwritten
        mr_sum_tree_set(tree, i, value_at(i));
        total += value_at(i);
    }
    cr_expect_eq(mr_sum_tree_total(tree), total);
    for (double u = 0; u < total; u += 0.5)
        cr_expect_eq(mr_sum_tree_find(tree, u), find_by_adding(u), "%g", u);
    mr_sum_tree_free(tree);
}

Test(sum_tree, never_finds_a_zero_even_where_rounding_leads_past_the_end) {
    mr_sum_tree *tree = tree_new();
    mr_sum_tree_set(tree, 5, 0.1);
    mr_sum_tree_set(tree, 11, 0.2);
    cr_expect_eq(mr_sum_tree_find(tree, mr_sum_tree_total(tree)), 11);
    cr_expect_eq(mr_sum_tree_find(tree, 1e9), 11);
    mr_sum_tree_free(tree);
}

Test(sum_tree, has_the_bits_of_its_numbers_whatever_was_set_before) {
    mr_sum_tree *a = tree_new(), *b = tree_new();
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    for (size_t k = 0; k < 1000; k++)
        mr_sum_tree_set(a, mr_random_below(&random, N), mr_random_uniform(&random));
    for (size_t i = 0; i < N; i++)
        mr_sum_tree_values(b)[i] = mr_sum_tree_values(a)[i];
    mr_sum_tree_add_up(b);
    cr_expect_eq(mr_sum_tree_total(a), mr_sum_tree_total(b));
    mr_sum_tree_free(a);
    mr_sum_tree_free(b);
}
