/// What concerns the whole process: the library's version, what it may change outside of itself,
/// and who is told of its notes and warnings.
#pragma once

#include <millrace/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The version that these headers are of.
/// @{
#define MR_VERSION_MAJOR 0
#define MR_VERSION_MINOR 2
#define MR_VERSION_PATCH 0
/// @}

/// The version of the library that is loaded, "0.2.0". While the first number is 0, a release with
/// another second number may change structs and functions, and its libmillrace.so has another
/// SONAME.
MR_API const char *mr_version(void);

/// What mr_init may change in the process, outside of the library.
typedef enum {
    /// OpenBLAS: makes it single-threaded (openblas_set_num_threads(1)), because the library's own
    /// threads share out the rows of a batch. If it took a processor that is newer than itself for
    /// one of 2004 (versions up to 0.3.24 do), has it choose its kernels again, by what the
    /// processor has; while it does, OPENBLAS_CORETYPE is set in the environment. If the variable
    /// is set already, the choice stays. No other thread may be in OpenBLAS meanwhile. Without it,
    /// matrix products use as many threads as the host has set, on which the last bits of results
    /// then depend.
    MR_INIT_BLAS = 1,
    /// MuJoCo: installs handlers of its errors and warnings (mju_user_error, mju_user_warning). An
    /// error inside a call of this library then makes that call fail with MuJoCo's text; one from
    /// a call of the host goes on to the handler that was there before, or, if there was none, does
    /// what MuJoCo does: prints the text and ends the process. A warning inside a call of this
    /// library is not printed (mr_step.warning has those that matter); others go to the host's
    /// handler, or, if there was none, to the log (mr_log_to). Without it, MuJoCo's errors and
    /// warnings are the host's affair, and an error ends the process unless the host's handler
    /// doesn't return.
    MR_INIT_MUJOCO = 2,
    /// jansson: has it allocate through a function that notes failures and then calls the one that
    /// was set before (json_set_alloc_funcs). No other thread may be in jansson meanwhile. Without
    /// it, a model file that is read or written while memory is short may be called invalid in
    /// place of "out of memory".
    MR_INIT_JSON = 4,
    /// All of these: what a program of its own wants, and what `millrace` does.
    MR_INIT_ALL = 7,
} mr_init_part;

/// Makes the library ready for use. Call it once, before all functions but those of this header and
/// mr_error_message, and before other threads use the library; a second call adds the parts that
/// are new to it.
///
///   parts  what may be changed outside of the library: MR_INIT_ALL, 0, or mr_init_part values
///          joined by `|`
///
/// Nothing else that concerns the whole process is changed, here or later: no locale, no signal
/// handler, no environment variable. In the middle of its products the library flushes denormal
/// numbers to zero (x86's MXCSR) and sets OpenMP's number of threads, of the calling thread alone;
/// both are put back before it returns. Fails with MR_ERR_USAGE on unknown parts.
MR_API mr_status mr_init(unsigned parts);

/// How much a line of the log matters.
typedef enum {
    MR_LOG_NOTE,    // something that one should know: "the task gives rewards at the goal only"
    MR_LOG_WARNING, // something that may make results other than they seem
} mr_log_level;

/// Is told one line of text, without a newline. It may be called by several threads at once, and
/// must not call the library. `text` is valid during the call.
typedef void (*mr_log_function)(void *self, mr_log_level level, const char *text);

/// Sets who is told of notes and warnings, with `self` as its first argument; NULL, as it is at
/// first: nobody. Errors are not logged but returned.
MR_API void mr_log_to(mr_log_function log, void *self);

#ifdef __cplusplus
}
#endif
