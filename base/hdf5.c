// Loading the HDF5 library.

#include "base/hdf5.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

/// A name of the library, and where its address goes.
typedef struct {
    const char *name;
    size_t offset;
} symbol;

#define SYMBOL(name) {#name, offsetof(mr_hdf5, name)},
static const symbol symbols[] = {MR_HDF5_FUNCTIONS(SYMBOL) MR_HDF5_IDS(SYMBOL)};

static mr_hdf5 loaded;
static bool is_loaded;

static mr_status look_up(void *library) {
    for (size_t i = 0; i < MR_COUNT(symbols); i++) {
        void *address = dlsym(library, symbols[i].name);
        if (!address)
            return mr_fail(MR_ERR_IO,
                           "%s has no %s; install the libhdf5 that millrace was built with",
                           MR_HDF5_LIBRARY, symbols[i].name);
        memcpy((char *)&loaded + symbols[i].offset, &address, sizeof address);
    }
    return MR_OK;
}

static mr_status load(bool writes) {
    void *library = dlopen(MR_HDF5_LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    if (!library)
        return mr_fail(MR_ERR_IO,
                       "data sets of episodes need the HDF5 library: %s; install it "
                       "(Debian: the libhdf5 package that has this file)",
                       dlerror());
    const mr_status status = look_up(library);
    if (status != MR_OK)
        return status;
    if (writes)
        loaded.H5dont_atexit(); // see fail_write in episodes_write.c
    if (loaded.H5open() < 0)
        return mr_fail(MR_ERR_IO, "%s can't be initialised", MR_HDF5_LIBRARY);
    is_loaded = true;
    return MR_OK;
}

/// The host's printing of errors, put back after the last use in this thread.
static _Thread_local struct {
    size_t n_uses;
    bool is_kept; // not if the host set it by HDF5's former functions
    H5E_auto2_t function;
    void *self;
} printing;

mr_status mr_hdf5_load(bool writes, const mr_hdf5 **out) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    const mr_status status = is_loaded ? MR_OK : load(writes);
    pthread_mutex_unlock(&mutex);
    if (status != MR_OK)
        return status;
    if (printing.n_uses++ == 0) {
        printing.is_kept =
            loaded.H5Eget_auto2(H5E_DEFAULT, &printing.function, &printing.self) >= 0;
        if (printing.is_kept)
            loaded.H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    }
    *out = &loaded;
    return MR_OK;
}

void mr_hdf5_release(const mr_hdf5 *h5) {
    if (h5 != NULL && --printing.n_uses == 0 && printing.is_kept)
        h5->H5Eset_auto2(H5E_DEFAULT, printing.function, printing.self);
}
