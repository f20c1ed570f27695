// Videos as H.264 in an mp4 file, encoded by the program ffmpeg.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"
#include "cli/video/frame_writer.h"

enum { MESSAGE_SIZE = 400 };

typedef struct {
    mr_new_file *file;
    FILE *messages;   // ffmpeg's
    pid_t child;      // 0: has ended
    int pipe;         // into it; -1: closed
    size_t n_bytes;   // a frame
    const char *path; // borrowed
} video;

static mr_status check_format(const char *path, const mr_frame_format *format) {
    const char *dot = strrchr(path, '.');
    if (dot == NULL || strcasecmp(dot, ".mp4") != 0)
        return mr_fail(MR_ERR_USAGE, "--video must end in .mp4, not '%s'", path);
    if (format->width % 2 != 0 || format->height % 2 != 0)
        return mr_fail(MR_ERR_USAGE,
                       "--width and --height must be even for a video, as in %zu x %zu, not "
                       "%zu x %zu",
                       format->width / 2 * 2, format->height / 2 * 2, format->width,
                       format->height);
    return MR_OK;
}

// In a process group of its own, so that Ctrl-C does not reach it, and with the default SIGPIPE.
static int spawn(char *const *arguments, int in, FILE *messages, pid_t *child) {
    sigset_t defaults;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(messages), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(messages), STDERR_FILENO);
    const int error = posix_spawnp(child, arguments[0], &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static mr_status start_ffmpeg(video *v, const mr_frame_format *format) {
    char size[48], fps[32], *out = NULL;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return mr_fail(MR_ERR_IO, "cannot make a pipe to ffmpeg: %s", strerror(errno));
    snprintf(size, sizeof size, "%zux%zu", format->width, format->height);
    mr_number_write_digits(fps, sizeof fps, 6, format->fps);
    // The prefix file: keeps ffmpeg from interpreting the path.
    if (asprintf(&out, "file:%s", mr_new_file_name(v->file)) < 0)
        out = NULL;
    // +faststart: playing can begin before all is loaded. yuv420p: the format of every player.
    char *const arguments[] = {"ffmpeg",
                               "-xerror",
                               "-loglevel",
                               "error",
                               "-f",
                               "rawvideo",
                               "-pixel_format",
                               "rgb24",
                               "-video_size",
                               size,
                               "-framerate",
                               fps,
                               "-i",
                               "pipe:0",
                               "-c:v",
                               "libx264",
                               "-crf",
                               "20",
                               "-pix_fmt",
                               "yuv420p",
                               "-movflags",
                               "+faststart",
                               "-f",
                               "mp4",
                               "-y",
                               out,
                               NULL};
    const int error = out != NULL ? spawn(arguments, ends[0], v->messages, &v->child) : ENOMEM;
    free(out);
    close(ends[0]);
    v->pipe = ends[1];
    if (error != 0)
        return mr_fail(MR_ERR_IO,
                       "cannot run ffmpeg, which --video needs: %s; install the package ffmpeg, or "
                       "write pictures with --frames DIR",
                       strerror(error));
    return MR_OK;
}

static void close_pipe(video *v) {
    if (v->pipe >= 0)
        close(v->pipe);
    v->pipe = -1;
}

// Whether it succeeded. It may exit with 0 although the file is incomplete (on a full disk), with a
// message on stderr, which is empty otherwise.
static bool wait_for_ffmpeg(video *v) {
    int ended = 0;
    while (waitpid(v->child, &ended, 0) < 0 && errno == EINTR)
        continue;
    v->child = 0;
    rewind(v->messages);
    const bool is_silent = fgetc(v->messages) == EOF;
    return is_silent && WIFEXITED(ended) && WEXITSTATUS(ended) == 0;
}

// The first line of ffmpeg's messages.
static mr_status fail_as_ffmpeg(const video *v) {
    char text[MESSAGE_SIZE] = "";
    rewind(v->messages);
    while (fgets(text, sizeof text, v->messages) != NULL && text[0] == '\n')
        continue;
    text[strcspn(text, "\n")] = '\0';
    return mr_fail(MR_ERR_IO, "ffmpeg could not make %s: %s", v->path,
                   text[0] != '\0' ? text : "it ended without a message; is the disk full?");
}

static void video_close(void *self) {
    video *v = self;
    if (v == NULL)
        return;
    close_pipe(v);
    if (v->child > 0) {
        kill(v->child, SIGKILL); // its output is discarded
        wait_for_ffmpeg(v);
    }
    if (v->messages != NULL)
        fclose(v->messages);
    mr_new_file_close(v->file);
    free(v);
}

static mr_status video_open(const char *path, const mr_frame_format *format, void **out) {
    mr_status status;
    video *v = NULL;

    MR_TRY(check_format(path, format));
    v = calloc(1, sizeof *v);
    if (v == NULL)
        return mr_fail_memory("a video");
    v->path = path;
    v->pipe = -1;
    v->n_bytes = 3 * format->width * format->height;
    MR_TRY(mr_new_file_begin(path, &v->file));
    v->messages = tmpfile();
    if (v->messages == NULL) {
        status = mr_fail(MR_ERR_IO, "cannot make a temporary file: %s", strerror(errno));
        goto done;
    }
    signal(SIGPIPE, SIG_IGN); // an ffmpeg that ends early is told by EPIPE
    MR_TRY(start_ffmpeg(v, format));
    *out = v;
    v = NULL;
done:
    video_close(v);
    return status;
}

static mr_status video_add(void *self, const unsigned char *rgb) {
    video *v = self;
    size_t n_done = 0;
    while (n_done < v->n_bytes) {
        const ssize_t n = write(v->pipe, rgb + n_done, v->n_bytes - n_done);
        if (n < 0 && errno != EINTR) {
            close_pipe(v);
            wait_for_ffmpeg(v);
            return fail_as_ffmpeg(v);
        }
        n_done += n > 0 ? (size_t)n : 0;
    }
    return MR_OK;
}

static mr_status video_keep(void *self) {
    video *v = self;
    close_pipe(v);
    if (!wait_for_ffmpeg(v))
        return fail_as_ffmpeg(v);
    return mr_new_file_keep(v->file);
}

const mr_frame_writer mr_ffmpeg_writer = {
    .open = video_open,
    .add = video_add,
    .keep = video_keep,
    .close = video_close,
};
