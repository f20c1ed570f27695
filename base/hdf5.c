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

static mr_status load(void) {
    void *library = dlopen(MR_HDF5_LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    if (!library)
        return mr_fail(MR_ERR_IO,
                       "data sets of episodes need the HDF5 library: %s; install it "
                       "(Debian: the libhdf5 package that has this file)",
                       dlerror());
    const mr_status status = look_up(library);
    if (status != MR_OK)
        return status;
    loaded.H5dont_atexit(); // see fail_write in episodes_write.c
    if (loaded.H5open() < 0)
        return mr_fail(MR_ERR_IO, "%s can't be initialised", MR_HDF5_LIBRARY);
    is_loaded = true;
    return MR_OK;
}

mr_status mr_hdf5_load(const mr_hdf5 **out) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    const mr_status status = is_loaded ? MR_OK : load();
    pthread_mutex_unlock(&mutex);
    if (status != MR_OK)
        return status;
    loaded.H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    *out = &loaded;
    return MR_OK;
}
