/// The HDF5 library, loaded when a data set is first opened.
///
/// It is not linked: Debian's brings forty libraries (libcurl, Kerberos, LDAP), which would add
/// 10 ms to the 15 ms that a command takes to start.
#pragma once

#include <stdbool.h>

#include <hdf5.h>

#include "base/status.h"

// These would call the library by its linked names.
#undef H5CHECK
#define H5CHECK
#undef H5OPEN
#define H5OPEN

/// The functions that are used.
#define MR_HDF5_FUNCTIONS(X)                                                                       \
    X(H5dont_atexit)                                                                               \
    X(H5open)                                                                                      \
    X(H5free_memory)                                                                               \
    X(H5Aclose)                                                                                    \
    X(H5Acreate2)                                                                                  \
    X(H5Aexists)                                                                                   \
    X(H5Aget_type)                                                                                 \
    X(H5Aopen)                                                                                     \
    X(H5Aread)                                                                                     \
    X(H5Awrite)                                                                                    \
    X(H5Dclose)                                                                                    \
    X(H5Dcreate2)                                                                                  \
    X(H5Dget_space)                                                                                \
    X(H5Dget_type)                                                                                 \
    X(H5Dopen2)                                                                                    \
    X(H5Dread)                                                                                     \
    X(H5Dwrite)                                                                                    \
    X(H5Eget_auto2)                                                                                \
    X(H5Eset_auto2)                                                                                \
    X(H5Fclose)                                                                                    \
    X(H5Fcreate)                                                                                   \
    X(H5Fopen)                                                                                     \
    X(H5Gclose)                                                                                    \
    X(H5Gcreate2)                                                                                  \
    X(H5Lexists)                                                                                   \
    X(H5Pclose)                                                                                    \
    X(H5Pcreate)                                                                                   \
    X(H5Pset_chunk)                                                                                \
    X(H5Pset_file_locking)                                                                         \
    X(H5Pset_obj_track_times)                                                                      \
    X(H5Sclose)                                                                                    \
    X(H5Screate)                                                                                   \
    X(H5Screate_simple)                                                                            \
    X(H5Sget_simple_extent_dims)                                                                   \
    X(H5Sget_simple_extent_ndims)                                                                  \
    X(H5Tclose)                                                                                    \
    X(H5Tcopy)                                                                                     \
    X(H5Tenum_create)                                                                              \
    X(H5Tenum_insert)                                                                              \
    X(H5Tget_class)                                                                                \
    X(H5Tget_size)                                                                                 \
    X(H5Tis_variable_str)                                                                          \
    X(H5Tset_cset)                                                                                 \
    X(H5Tset_size)

/// The types and classes of property lists that are used: variables of the library.
#define MR_HDF5_IDS(X)                                                                             \
    X(H5P_CLS_DATASET_CREATE_ID_g)                                                                 \
    X(H5P_CLS_FILE_ACCESS_ID_g)                                                                    \
    X(H5T_C_S1_g)                                                                                  \
    X(H5T_NATIVE_DOUBLE_g)                                                                         \
    X(H5T_NATIVE_FLOAT_g)                                                                          \
    X(H5T_NATIVE_INT64_g)                                                                          \
    X(H5T_NATIVE_SCHAR_g)                                                                          \
    X(H5T_NATIVE_UINT64_g)

#define MR_HDF5_FUNCTION(name) __typeof__(name) *name;
#define MR_HDF5_ID(name) const hid_t *name;
typedef struct {
    MR_HDF5_FUNCTIONS(MR_HDF5_FUNCTION)
    MR_HDF5_IDS(MR_HDF5_ID)
} mr_hdf5;
#undef MR_HDF5_FUNCTION
#undef MR_HDF5_ID

/// Loads it, once a process, and begins a use: HDF5 prints no errors of its own in the calling
/// thread until mr_hdf5_release. Fails with MR_ERR_IO if it is not installed. The library stays.
///
///   writes  no clean-up by HDF5 at the end of the process, which a failed write may crash; only
///           for the command, because it concerns a host's files, too. The first use decides
mr_status mr_hdf5_load(bool writes, const mr_hdf5 **out);

/// Ends a use, in the same thread; NULL is fine.
void mr_hdf5_release(const mr_hdf5 *h5);
