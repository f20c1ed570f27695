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

static const char *terminal_of(const char *path) {
    static const char *const terminals[][2] = {{".png", "pngcairo"}, {".svg", "svg"}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < MR_COUNT(terminals); i++)
        if (strcasecmp(dot, terminals[i][0]) == 0)
            return terminals[i][1];
    return NULL;
}

mr_status mr_picture_check_name(const char *path) {
    if (terminal_of(path) == NULL)
        return mr_fail(MR_ERR_USAGE, "--out must end in .png or .svg, not '%s'", path);
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

static mr_status keep_picture(FILE *picture, const char *path) {
    mr_status status;
    struct stat info;
    if (fstat(fileno(picture), &info) != 0 || info.st_size == 0)
        return mr_fail(MR_ERR_IO, "gnuplot drew nothing; does it have the terminal %s?",
                       terminal_of(path));
    const size_t n_bytes = (size_t)info.st_size;
    char *bytes = malloc(n_bytes);
    rewind(picture);
    if (bytes == NULL)
        status = mr_fail_memory("the picture");
    else if (fread(bytes, 1, n_bytes, picture) != n_bytes)
        status = mr_fail(MR_ERR_IO, "cannot read what gnuplot drew");
    else
        status = mr_file_replace(path, 1, &(mr_bytes){bytes, n_bytes});
    free(bytes);
    return status;
}

static mr_status fail_temporary(const char *action) {
    if (errno == ENOMEM)
        return mr_fail_memory("a picture");
    return mr_fail(MR_ERR_IO, "cannot %s a temporary file: %s; is there room in " P_tmpdir "?",
                   action, strerror(errno));
}

mr_status mr_picture_draw(const char *path, size_t width, size_t height, mr_picture_script write,
                          const void *self) {
    mr_status status;
    FILE *script = tmpfile(), *picture = tmpfile(), *messages = tmpfile();
    if (script == NULL || picture == NULL || messages == NULL) {
        status = fail_temporary("make");
        goto done;
    }
    fprintf(script,
            "set encoding utf8\n"
            "set terminal %s size %zu,%zu noenhanced font 'sans,13' background '#ffffff'\n",
            terminal_of(path), width, height);
    write(script, self);
    if (fflush(script) != 0 || ferror(script) || fseek(script, 0, SEEK_SET) != 0) {
        status = fail_temporary("write");
        goto done;
    }
    MR_TRY(spawn_gnuplot(script, picture, messages));
    status = keep_picture(picture, path);
done:
    if (script != NULL)
        fclose(script);
    if (picture != NULL)
        fclose(picture);
    if (messages != NULL)
        fclose(messages);
    return status;
}
