// Writes pictures by running gnuplot.

#include "cli/plot/gnuplot.h"

#include <ctype.h>
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

const char *const mr_colours[MR_N_COLOURS] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                              "#E69F00", "#56B4E9", "#000000"};

/// A format by the ending of its files. A size in pixels is 1/96 inch in a PDF.
typedef struct {
    const char *ending, *terminal;
    double unit; // of its size, pixels
    const char *size_unit;
} format;

static const format formats[] = {
    {".png", "pngcairo", 1, ""}, {".svg", "svg", 1, ""}, {".pdf", "pdfcairo", 96, "in"}};

static const format *format_of(const char *path) {
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < MR_COUNT(formats); i++)
        if (strcasecmp(dot, formats[i].ending) == 0)
            return &formats[i];
    return NULL;
}

mr_status mr_picture_check_name(const char *path) {
    if (format_of(path) == NULL)
        return mr_fail(MR_ERR_USAGE, "--out must end in .png, .svg or .pdf, not '%s'", path);
    return MR_OK;
}

// In single quotes only the quote itself is special; it is doubled.
void mr_picture_quote(FILE *script, const char *text) {
    fputc('\'', script);
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputc('\'', script);
        fputc(iscntrl((unsigned char)*text) ? ' ' : *text, script);
    }
    fputc('\'', script);
}

// Runs gnuplot with the script of one file and the picture in another; its messages go to a third.
static mr_status spawn_gnuplot(FILE *script, FILE *picture, FILE *messages) {
    // -d: ignores the user's own settings. The script is a file because gnuplot reads standard
    // input byte by byte, which took 0.8 s of 1.1 s for a picture with a grid of densities.
    char *const arguments[] = {"gnuplot", "-d", "/dev/stdin", NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int ended;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(script), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(picture), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(messages), STDERR_FILENO);
    const int error = posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return mr_fail(MR_ERR_IO, "cannot run gnuplot: %s; install the package gnuplot-nox",
                       strerror(error));
    while (waitpid(child, &ended, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0)
        return MR_OK;
    char text[256] = "";
    rewind(messages);
    while (fgets(text, sizeof text, messages) != NULL && strstr(text, "line") == NULL)
        continue; // it echoes what it was reading before it says what is wrong
    text[strcspn(text, "\n")] = '\0';
    return mr_fail(MR_ERR_IO, "gnuplot could not draw: %s", text);
}

static mr_status read_picture(FILE *picture, char **out, size_t *n_bytes) {
    struct stat info;
    if (fstat(fileno(picture), &info) != 0 || info.st_size == 0)
        return mr_fail(MR_ERR_IO, "gnuplot drew nothing; does it have this terminal?");
    const size_t n = (size_t)info.st_size;
    char *bytes = malloc(n + 1);
    if (bytes == NULL)
        return mr_fail_memory("the picture");
    rewind(picture);
    if (fread(bytes, 1, n, picture) != n) {
        free(bytes);
        return mr_fail(MR_ERR_IO, "cannot read what gnuplot drew");
    }
    bytes[n] = '\0';
    *out = bytes;
    *n_bytes = n;
    return MR_OK;
}

static mr_status fail_temporary(const char *action) {
    if (errno == ENOMEM)
        return mr_fail_memory("a picture");
    return mr_fail(MR_ERR_IO, "cannot %s a temporary file: %s; is there room in " P_tmpdir "?",
                   action, strerror(errno));
}

mr_status mr_picture_render(const char *terminal, mr_picture_script write, const void *self,
                            char **out, size_t *n_bytes) {
    mr_status status;
    FILE *script = tmpfile(), *picture = tmpfile(), *messages = tmpfile();
    if (script == NULL || picture == NULL || messages == NULL) {
        status = fail_temporary("make");
        goto done;
    }
    fprintf(script, "set encoding utf8\n%s\n", terminal);
    write(script, self);
    if (fflush(script) != 0 || ferror(script) || fseek(script, 0, SEEK_SET) != 0) {
        status = fail_temporary("write");
        goto done;
    }
    MR_TRY(spawn_gnuplot(script, picture, messages));
    status = read_picture(picture, out, n_bytes);
done:
    if (script != NULL)
        fclose(script);
    if (picture != NULL)
        fclose(picture);
    if (messages != NULL)
        fclose(messages);
    return status;
}

mr_status mr_picture_draw(const char *path, size_t width, size_t height, mr_picture_script write,
                          const void *self) {
    char terminal[256], *bytes = NULL;
    size_t n_bytes;
    const format *f = format_of(path);
    snprintf(terminal, sizeof terminal,
             "set terminal %s size %.6g%s,%.6g%s noenhanced font 'sans,13' background '#ffffff'",
             f->terminal, (double)width / f->unit, f->size_unit, (double)height / f->unit,
             f->size_unit);
    mr_status status = mr_picture_render(terminal, write, self, &bytes, &n_bytes);
    if (status == MR_OK)
        status = mr_file_replace(path, 1, &(mr_bytes){bytes, n_bytes});
    free(bytes);
    return status;
}
