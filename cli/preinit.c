// What must be set up before the constructors of the linked libraries run: .preinit_array of a
// program runs before them, main long after.
//
// The C library isn't initialised yet either (environ is NULL), so that this calls little more than
// the system.

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// A sanitizer isn't initialised either.
#define EARLY __attribute__((no_sanitize("address", "undefined", "thread")))

EARLY static const char *value_of(char *const *environment, const char *name) {
    const size_t length = strlen(name);
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

// ---- What OpenBLAS needs

enum {
    BUFFER_MB = 128,   // BUFFER_SIZE of OpenBLAS 0.3 on x86-64
    MAX_BUFFERS = 128, // NUM_THREADS of Debian's
};

// OpenBLAS takes a buffer for every core that the machine has, whichever of them are ours.
EARLY static size_t count_buffers(char *const *environment) {
    const char *limit = value_of(environment, "OMP_NUM_THREADS");
    const long n_wanted = limit != NULL ? atol(limit) : 0, n_cores = sysconf(_SC_NPROCESSORS_CONF);
    const long n = n_wanted > 0 && n_wanted < n_cores ? n_wanted : n_cores;
    return n < 1 ? 1 : n > MAX_BUFFERS ? MAX_BUFFERS : (size_t)n;
}

// One by one, as OpenBLAS allocates them: the system might refuse them as one block.
EARLY static bool has_room(size_t n_buffers) {
    const size_t n_bytes = (size_t)BUFFER_MB << 20;
    void *buffer[MAX_BUFFERS + 1];
    size_t n = 0;
    bool has_all = true;
    for (; has_all && n <= n_buffers; n++) { // one more, for all other libraries
        buffer[n] = mmap(NULL, n < n_buffers ? n_bytes : n_bytes / 8, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        has_all = buffer[n] != MAP_FAILED;
    }
    while (n-- > 0)
        if (buffer[n] != MAP_FAILED)
            munmap(buffer[n], n < n_buffers ? n_bytes : n_bytes / 8);
    return has_all;
}

// Without memory, OpenBLAS (before 0.3.30) tries again forever.
EARLY static void check_memory(char *const *environment) {
    const size_t n_buffers = count_buffers(environment);
    if (has_room(n_buffers))
        return;
    dprintf(STDERR_FILENO,
            "millrace: out of memory for OpenBLAS, which takes %zu MB of address space as it is "
            "loaded (%d MB a core); raise the limit (ulimit -v, ulimit -d) or free some memory%s\n",
            n_buffers * BUFFER_MB, BUFFER_MB,
            n_buffers > 1 ? "; with OMP_NUM_THREADS=1 it takes less" : "");
    _exit(1);
}

EARLY static void before_libraries(int argc, char **argv, char **environment) {
    (void)argc;
    (void)argv;
    check_memory(environment);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const preinit)(int, char **, char **) = before_libraries;
