// Faults on purpose: preloaded into the command, lets the N-th call of a kind fail, and says at the
// end what had been asked for and what was not given back.
//
//   MILLRACE_FAULT=KIND:N:ACTION   KIND     `memory` or `file`
//                                  N        which call fails, from 1; 0: none, they are counted
//                                  ACTION   the number of an error, or 0 for a short count
//   MILLRACE_FAULT_REPORT=FILE     where the report goes, in lines:
//     calls N            of the kind, by those whose calls may fail
//     fault MODULE+PLACE who was refused
//     kept MODULE+PLACE  who took memory that nobody has given back
//
// Debian's libfiu was tried first: its preloaded library knows neither aligned_alloc nor short
// counts, fails by chance or always but not the N-th time, and cannot tell our calls from those of
// libraries that end the process where memory is short.

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_FRAMES = 48,
    MAX_BLOCKS = 1 << 20,
    MAX_SITES = 4096,
};

// Whose allocations don't fail, and why. All others' do: the command's own and those that it has
// the other libraries make.
static const char *const excused[] = {
    "ld-linux",    // the loader itself, before main and in dlopen
    "libmujoco",   // C++: std::bad_alloc passes through its C interface and aborts
    "libstdc++",   // the same
    "libtinyxml2", // the same, MuJoCo's
    "liblodepng",  // the same, MuJoCo's
    "libqhull",    // the same, MuJoCo's
    "libzmq",      // aborts: "FATAL ERROR: OUT OF MEMORY"
    "libgomp",     // ends the process: "libgomp: Out of memory"
    "libopenblas", // asks again, or ends the process; nn/openblas.c allocates for it first
    "libgfortran", // OpenBLAS's
    "libpopt",     // goes on without, or ends the process: "virtual memory exhausted."
    "libgcc_s",    // unwinding
    "libcrypto",   // as it is loaded
    "faults.so",   // this
};

typedef enum { KIND_NONE, KIND_MEMORY, KIND_FILE } fault_kind;

typedef struct {
    char module[32];
    uintptr_t place;
} site;

static fault_kind kind;
static unsigned long fault_at;
static int action;
static atomic_ulong n_calls;
static site fault_site;
static atomic_bool has_failed;
static bool is_ready;
static _Thread_local bool is_inside; // what this library itself calls

void *__libc_malloc(size_t n_bytes);
void *__libc_calloc(size_t n, size_t n_bytes);
void *__libc_realloc(void *memory, size_t n_bytes);
void *__libc_memalign(size_t alignment, size_t n_bytes);
void __libc_free(void *memory);

// ---- Who calls

static bool find_site(const void *address, site *out) {
    Dl_info info;
    if (address == NULL || dladdr((const char *)address - 1, &info) == 0 || info.dli_fname == NULL)
        return false;
    const char *slash = strrchr(info.dli_fname, '/');
    snprintf(out->module, sizeof out->module, "%s", slash != NULL ? slash + 1 : info.dli_fname);
    out->place = (uintptr_t)address - (uintptr_t)info.dli_fbase;
    return true;
}

static bool is_of(const site *s, const char *module) {
    return strncmp(s->module, module, strlen(module)) == 0;
}

// The first frame outside of this library and of the C library, which asks for others.
static bool find_caller(site *out) {
    void *frames[MAX_FRAMES];
    const int n = backtrace(frames, MAX_FRAMES);
    for (int i = 0; i < n; i++)
        if (find_site(frames[i], out) && !is_of(out, "faults.so") && !is_of(out, "libc.so"))
            return true;
    return false;
}

static bool may_fail(const site *s) {
    for (size_t i = 0; i < sizeof excused / sizeof *excused; i++)
        if (is_of(s, excused[i]))
            return false;
    return true;
}

static bool is_due(const site *caller) {
    if (atomic_fetch_add(&n_calls, 1) + 1 != fault_at)
        return false;
    fault_site = *caller;
    atomic_store(&has_failed, true);
    return true;
}

// ---- Memory

typedef struct {
    _Atomic(uintptr_t) block;
    site taker;
} holding;

static holding *holdings; // [MAX_BLOCKS], a hash table
static const uintptr_t gone = 1;

static size_t slot_of(uintptr_t block) {
    return (block >> 4) * 11400714819323198485ull >> 44;
}

static void hold(void *memory, const site *taker) {
    size_t i = slot_of((uintptr_t)memory);
    for (size_t n = 0; n < MAX_BLOCKS; n++, i = (i + 1) % MAX_BLOCKS) {
        uintptr_t before = atomic_load(&holdings[i].block);
        if (before <= gone &&
            atomic_compare_exchange_strong(&holdings[i].block, &before, (uintptr_t)memory)) {
            holdings[i].taker = *taker;
            return;
        }
    }
}

static void release(void *memory) {
    size_t i = slot_of((uintptr_t)memory);
    for (size_t n = 0; n < MAX_BLOCKS; n++, i = (i + 1) % MAX_BLOCKS) {
        const uintptr_t block = atomic_load(&holdings[i].block);
        if (block == 0)
            return;
        if (block == (uintptr_t)memory) {
            atomic_store(&holdings[i].block, gone);
            return;
        }
    }
}

/// One request for memory, from its beginning to its end.
typedef struct {
    bool is_counted;
    site taker;
} request;

// Returns false where the request fails.
static bool begin_request(request *r) {
    r->is_counted = false;
    if (!is_ready || is_inside || kind != KIND_MEMORY)
        return true;
    is_inside = true;
    r->is_counted = find_caller(&r->taker) && may_fail(&r->taker);
    const bool fails = r->is_counted && is_due(&r->taker);
    is_inside = false;
    if (fails)
        errno = ENOMEM;
    return !fails;
}

static void *end_request(const request *r, void *memory) {
    if (r->is_counted && memory != NULL)
        hold(memory, &r->taker);
    return memory;
}

void *malloc(size_t n_bytes) {
    request r;
    return begin_request(&r) ? end_request(&r, __libc_malloc(n_bytes)) : NULL;
}

void *calloc(size_t n, size_t n_bytes) {
    request r;
    return begin_request(&r) ? end_request(&r, __libc_calloc(n, n_bytes)) : NULL;
}

void *realloc(void *memory, size_t n_bytes) {
    request r;
    if (!begin_request(&r))
        return NULL;
    if (memory != NULL && holdings != NULL)
        release(memory);
    return end_request(&r, __libc_realloc(memory, n_bytes));
}

void *memalign(size_t alignment, size_t n_bytes) {
    request r;
    return begin_request(&r) ? end_request(&r, __libc_memalign(alignment, n_bytes)) : NULL;
}

void *aligned_alloc(size_t alignment, size_t n_bytes) {
    return memalign(alignment, n_bytes);
}

int posix_memalign(void **out, size_t alignment, size_t n_bytes) {
    void *memory = memalign(alignment, n_bytes);
    if (memory == NULL)
        return ENOMEM;
    *out = memory;
    return 0;
}

void free(void *memory) {
    if (memory != NULL && holdings != NULL)
        release(memory);
    __libc_free(memory);
}

// ---- Files

// Only the command's own calls count, and not those about its standard streams' settings.
static bool fails_here(void) {
    site caller;
    if (!is_ready || is_inside || kind != KIND_FILE)
        return false;
    is_inside = true;
    const bool is_ours = find_caller(&caller) && is_of(&caller, "millrace");
    const bool fails = is_ours && is_due(&caller);
    is_inside = false;
    if (fails && action != 0)
        errno = action;
    return fails;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// A short count of at least one byte; where there is but one, all of it.
static size_t shortened(size_t n_bytes) {
    return (n_bytes + 1) / 2;
}

ssize_t write(int file, const void *bytes, size_t n_bytes) {
    const bool fails = fails_here();
    return fails && action != 0 ? -1
                                : REAL(write)(file, bytes, fails ? shortened(n_bytes) : n_bytes);
}

ssize_t read(int file, void *bytes, size_t n_bytes) {
    const bool fails = fails_here();
    return fails && action != 0 ? -1
                                : REAL(read)(file, bytes, fails ? shortened(n_bytes) : n_bytes);
}

// What cannot be short goes well then.
static bool fails_wholly(void) {
    return fails_here() && action != 0;
}

static int open_with(const char *name, const char *path, int flags, va_list more) {
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name);
    const bool has_mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    const mode_t mode = has_mode ? va_arg(more, mode_t) : 0;
    return fails_wholly() ? -1 : real(path, flags, mode);
}

#define DEFINE_OPEN(name)                                                                          \
    int name(const char *path, int flags, ...) {                                                   \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        const int file = open_with(#name, path, flags, more);                                      \
        va_end(more);                                                                              \
        return file;                                                                               \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

int fsync(int file) {
    return fails_wholly() ? -1 : REAL(fsync)(file);
}

int ftruncate(int file, off_t size) {
    return fails_wholly() ? -1 : REAL(ftruncate)(file, size);
}

int rename(const char *from, const char *to) {
    return fails_wholly() ? -1 : REAL(rename)(from, to);
}

int mkdir(const char *path, mode_t mode) {
    return fails_wholly() ? -1 : REAL(mkdir)(path, mode);
}

void *mmap(void *place, size_t n_bytes, int protection, int flags, int file, off_t offset) {
    return fails_wholly() ? MAP_FAILED
                          : REAL(mmap)(place, n_bytes, protection, flags, file, offset);
}

FILE *fopen(const char *path, const char *mode) {
    return fails_wholly() ? NULL : REAL(fopen)(path, mode);
}

FILE *tmpfile(void) {
    return fails_wholly() ? NULL : REAL(tmpfile)();
}

int fflush(FILE *file) {
    return fails_wholly() ? EOF : REAL(fflush)(file);
}

int fclose(FILE *file) {
    const bool fails = fails_wholly();
    const int error = errno, result = REAL(fclose)(file);
    errno = fails ? error : errno;
    return fails ? EOF : result;
}

// ---- Begin and end

static bool is_the_command(void) {
    return strcmp(program_invocation_short_name, "millrace") == 0;
}

__attribute__((constructor)) static void begin(void) {
    const char *wish = getenv("MILLRACE_FAULT");
    char name[16];
    void *frame;
    if (wish == NULL || !is_the_command() ||
        sscanf(wish, "%15[^:]:%lu:%d", name, &fault_at, &action) != 3)
        return;
    kind = strcmp(name, "memory") == 0 ? KIND_MEMORY : KIND_FILE;
    is_inside = true;
    holdings = __libc_calloc(MAX_BLOCKS, sizeof *holdings);
    backtrace(&frame, 1); // loads what it needs
    is_inside = false;
    is_ready = holdings != NULL;
}

static bool is_reported(const site *sites, size_t n, const site *s) {
    for (size_t i = 0; i < n; i++)
        if (sites[i].place == s->place && strcmp(sites[i].module, s->module) == 0)
            return true;
    return false;
}

static void report_kept(FILE *report) {
    static site reported[MAX_SITES];
    size_t n = 0;
    for (size_t i = 0; i < MAX_BLOCKS && n < MAX_SITES; i++)
        if (atomic_load(&holdings[i].block) > gone &&
            !is_reported(reported, n, &holdings[i].taker)) {
            reported[n++] = holdings[i].taker;
            fprintf(report, "kept %s+%#lx\n", holdings[i].taker.module, holdings[i].taker.place);
        }
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("MILLRACE_FAULT_REPORT");
    if (!is_ready || path == NULL)
        return;
    is_inside = true;
    FILE *report = fopen(path, "w");
    if (report == NULL)
        return;
    fprintf(report, "calls %lu\n", atomic_load(&n_calls));
    if (atomic_load(&has_failed))
        fprintf(report, "fault %s+%#lx\n", fault_site.module, fault_site.place);
    report_kept(report);
    fclose(report);
}
