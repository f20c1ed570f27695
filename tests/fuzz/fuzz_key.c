// Any text as a key file: a key that is found in it is one that libzmq takes.

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zmq.h>

#include "envs/zmq/curve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void read_key(const char *path, mr_key_kind kind) {
    char key[MR_KEY_SIZE];
    uint8_t bytes[32];
    const mr_status status = mr_curve_read(path, kind, key);
    assert(status == MR_OK || status == MR_ERR_INPUT);
    if (status == MR_OK)
        assert(strlen(key) == MR_KEY_SIZE - 1 && zmq_z85_decode(bytes, key) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static int file = -1;
    static char path[32];
    if (file < 0) {
        file = memfd_create("key", MFD_CLOEXEC);
        assert(file >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    assert(ftruncate(file, 0) == 0);
    assert(pwrite(file, data, n_bytes, 0) == (ssize_t)n_bytes);
    read_key(path, MR_KEY_PUBLIC);
    read_key(path, MR_KEY_SECRET);
    return 0;
}
