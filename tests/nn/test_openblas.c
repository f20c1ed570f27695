// The second choice of OpenBLAS's kernels. Each test is a process of its own.

#include "nn/openblas.h"

#include <cblas.h>
#include <criterion/criterion.h>
#include <stdlib.h>

#ifdef __x86_64__ // elsewhere there is no second choice

extern void gotoblas_dynamic_init(void);
extern void gotoblas_dynamic_quit(void);

// OpenBLAS as it is after it was loaded on such a processor: "Prescott" where it does not know it.
static void load_for(const char *core) {
    setenv("OPENBLAS_CORETYPE", core, 1);
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
    cr_assert_str_eq(openblas_get_corename(), core);
}

static const char *expected_core(void) {
    if (__builtin_cpu_supports("avx512vl"))
        return "SkylakeX";
    return __builtin_cpu_supports("avx2") ? "Haswell" : "Prescott";
}

Test(openblas, fallback_is_replaced) {
    load_for("Prescott");
    unsetenv("OPENBLAS_CORETYPE");
    mr_openblas_choose_kernels();
    cr_assert_str_eq(openblas_get_corename(), expected_core());
    cr_assert_null(getenv("OPENBLAS_CORETYPE"));

    // Whole numbers: every order of summing gives the same.
    const float a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8}, expected[] = {19, 22, 43, 50};
    float c[4];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 2, 2, 2, 1, a, 2, b, 2, 0, c, 2);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(c[i], expected[i]);
}

Test(openblas, the_users_choice_stands) {
    load_for("Prescott");
    mr_openblas_choose_kernels();
    cr_assert_str_eq(openblas_get_corename(), "Prescott");
}

Test(openblas, a_good_choice_stands) {
    load_for("Nehalem");
    unsetenv("OPENBLAS_CORETYPE");
    mr_openblas_choose_kernels();
    cr_assert_str_eq(openblas_get_corename(), "Nehalem");
}

#endif
