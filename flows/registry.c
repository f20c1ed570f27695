// The kinds of flow. A new one is one new file and one line in each of the two lists.

#include "flows/kind.h"

extern const mr_flow_kind mr_flow_gaussian;
extern const mr_flow_kind mr_flow_planar;
extern const mr_flow_kind mr_flow_radial;
extern const mr_flow_kind mr_flow_real_nvp;
extern const mr_flow_kind mr_flow_glow;
extern const mr_flow_kind mr_flow_maf;
extern const mr_flow_kind mr_flow_iaf;
extern const mr_flow_kind mr_flow_nsf;
extern const mr_flow_kind mr_flow_nsf_ar;

const mr_flow_kind *const mr_flow_kinds[] = {
    &mr_flow_gaussian, &mr_flow_planar, &mr_flow_radial, &mr_flow_real_nvp, &mr_flow_glow,
    &mr_flow_maf,      &mr_flow_iaf,    &mr_flow_nsf,    &mr_flow_nsf_ar,
};

const size_t mr_flow_n_kinds = MR_COUNT(mr_flow_kinds);
