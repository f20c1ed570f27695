// The table of parts. A new one is one new file and one line in each of the two lists.

#include "flows/part.h"

extern const mr_part_ops mr_part_coupling;
extern const mr_part_ops mr_part_autoregressive;
extern const mr_part_ops mr_part_affine;
extern const mr_part_ops mr_part_shift;
extern const mr_part_ops mr_part_spline;
extern const mr_part_ops mr_part_logistic_mixture;
extern const mr_part_ops mr_part_actnorm;
extern const mr_part_ops mr_part_lu;
extern const mr_part_ops mr_part_squeeze;
extern const mr_part_ops mr_part_factor_out;
extern const mr_part_ops mr_part_permutation;
extern const mr_part_ops mr_part_reverse;
extern const mr_part_ops mr_part_planar;
extern const mr_part_ops mr_part_radial;
extern const mr_part_ops mr_part_logit;
extern const mr_part_ops mr_part_sigmoid;
extern const mr_part_ops mr_part_log;
extern const mr_part_ops mr_part_exp;
extern const mr_part_ops mr_part_tanh;
extern const mr_part_ops mr_part_softplus;

const mr_part_ops *const mr_part_table[] = {
    &mr_part_coupling,    &mr_part_autoregressive,   &mr_part_affine,  &mr_part_shift,
    &mr_part_spline,      &mr_part_logistic_mixture, &mr_part_actnorm, &mr_part_lu,
    &mr_part_permutation, &mr_part_reverse,          &mr_part_planar,  &mr_part_radial,
    &mr_part_logit,       &mr_part_sigmoid,          &mr_part_log,     &mr_part_exp,
    &mr_part_tanh,        &mr_part_softplus,         &mr_part_squeeze, &mr_part_factor_out,
};

const size_t mr_part_table_size = MR_COUNT(mr_part_table);
