// The kinds of flow. A new one is one new file and one line in each of the two lists.

#include "flows/kind.h"

extern const mr_flow_kind mr_flow_gaussian;
extern const mr_flow_kind mr_flow_real_nvp;

const mr_flow_kind *const mr_flow_kinds[] = {
    &mr_flow_gaussian,
    &mr_flow_real_nvp,
};

const size_t mr_flow_n_kinds = MR_COUNT(mr_flow_kinds);
