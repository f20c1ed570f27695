// Videos within a page.

#include "cli/report/video_data.h"

#include <dirent.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/path.h"
#include "cli/report/html.h"

enum { MAX_BYTES = 32 << 20 };

static void write_data(const char *bytes, size_t n_bytes, FILE *page) {
    enum { CHUNK = 3 << 14 }; // a multiple of three: the pieces of base64 have no padding between
    char text[sodium_base64_ENCODED_LEN(CHUNK, sodium_base64_VARIANT_ORIGINAL)];
    for (size_t i = 0; i < n_bytes; i += CHUNK) {
        const size_t n = n_bytes - i < CHUNK ? n_bytes - i : CHUNK;
        sodium_bin2base64(text, sizeof text, (const unsigned char *)bytes + i, n,
                          sodium_base64_VARIANT_ORIGINAL);
        fputs(text, page);
    }
}

static mr_status write_video(const char *path, FILE *page) {
    mr_status status;
    char *bytes = NULL;
    size_t n_bytes;
    MR_TRY(mr_file_read(path, &bytes, &n_bytes));
    fputs("<p>", page);
    mr_html_text(page, path);
    if (n_bytes > MAX_BYTES) {
        fprintf(page, " has %zu MB and is not in this page.</p>\n", n_bytes >> 20);
        goto done;
    }
    fputs("</p>\n<video controls preload=\"metadata\" src=\"data:video/mp4;base64,", page);
    write_data(bytes, n_bytes, page);
    fputs("\"></video>\n", page);
done:
    free(bytes);
    return status;
}

static int is_video(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcasecmp(dot, ".mp4") == 0;
}

mr_status mr_report_write_videos(const char *dir, FILE *page, size_t *n_videos) {
    mr_status status = MR_OK;
    struct dirent **entries = NULL;
    const int n = scandir(dir, &entries, is_video, alphasort);
    for (int i = 0; i < n; i++) {
        char *path = status == MR_OK ? mr_path_join(dir, entries[i]->d_name) : NULL;
        if (status == MR_OK)
            status = path != NULL ? write_video(path, page) : mr_fail_memory("a file name");
        *n_videos += status == MR_OK;
        free(path);
        free(entries[i]);
    }
    free(entries);
    return status;
}
