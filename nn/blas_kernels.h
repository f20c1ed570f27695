/// Which of its kernels OpenBLAS computes with.
#pragma once

/// OpenBLAS chooses when it is loaded, by the processor's model number. Up to 0.3.24 it takes the
/// models that are newer than itself for a Prescott of 2004, whose kernels take three to five times
/// as long as those that such a processor can run (OpenBLAS issue 4267). Where it did, this lets it
/// choose again, by what the processor has. Does nothing where the user has chosen, with
/// OPENBLAS_CORETYPE. No product may be under way. Costs nothing to repeat.
void mr_blas_choose_kernels(void);
