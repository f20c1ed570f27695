// Cells divided by commas, by libcsv.

#include "base/csv_text.h"

#include <csv.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 }; // bytes of a file that are parsed at a time

static const char byte_order_mark[] = "\xef\xbb\xbf"; // as some Windows programs write it

// ---- Reading

typedef struct {
    const char *path;
    const size_t *n_rows;
    const mr_csv_visitor *visitor;
    struct csv_parser parser;
    size_t n_bytes;   // parsed so far
    mr_status status; // what comes after a failure is passed over
} parsing;

static void take_cell(void *text, size_t n_bytes, void *self) {
    parsing *p = self;
    if (p->status == MR_OK)
        p->status = p->visitor->cell(p->visitor->self, text, n_bytes);
}

static void take_row(int character, void *self) {
    (void)character;
    parsing *p = self;
    if (p->status == MR_OK)
        p->status = p->visitor->end_row(p->visitor->self);
}

static mr_status check_encoding(const parsing *p, const char *bytes, size_t n_bytes) {
    const char *zero = memchr(bytes, '\0', n_bytes);
    const bool is_wide = p->n_bytes == 0 && n_bytes >= 2 &&
                         (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0);
    if (is_wide || zero != NULL)
        return mr_fail(MR_ERR_INPUT,
                       "%s: byte %zu is not of a text in UTF-8; save it as a .csv in UTF-8",
                       p->path, is_wide ? 1 : p->n_bytes + (size_t)(zero - bytes) + 1);
    return MR_OK;
}

static mr_status check_parsed(parsing *p, bool is_parsed) {
    if (p->status != MR_OK || is_parsed)
        return p->status;
    if (csv_error(&p->parser) != CSV_EPARSE)
        return mr_fail_memory(p->path);
    return mr_fail(MR_ERR_INPUT, "%s: row %zu has a quotation mark in the wrong place; remove it",
                   p->path, *p->n_rows + 1);
}

static mr_status begin(parsing *p) {
    const bool is_begun = csv_init(&p->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) == 0;
    return is_begun ? MR_OK : mr_fail_memory(p->path);
}

static mr_status parse_part(parsing *p, const char *bytes, size_t n_bytes) {
    const size_t n_mark = sizeof byte_order_mark - 1;
    const mr_status status = check_encoding(p, bytes, n_bytes);
    if (status != MR_OK)
        return status;
    const bool has_mark =
        p->n_bytes == 0 && n_bytes >= n_mark && memcmp(bytes, byte_order_mark, n_mark) == 0;
    p->n_bytes += n_bytes;
    if (has_mark) {
        bytes += n_mark;
        n_bytes -= n_mark;
    }
    return check_parsed(p,
                        csv_parse(&p->parser, bytes, n_bytes, take_cell, take_row, p) == n_bytes);
}

static mr_status end(parsing *p) {
    return check_parsed(p, csv_fini(&p->parser, take_cell, take_row, p) == 0);
}

mr_status mr_csv_parse(const char *path, const char *bytes, size_t n_bytes, const size_t *n_rows,
                       const mr_csv_visitor *visitor) {
    parsing p = {.path = path, .n_rows = n_rows, .visitor = visitor};
    mr_status status = begin(&p);
    if (status != MR_OK)
        return status;
    status = parse_part(&p, bytes, n_bytes);
    if (status == MR_OK)
        status = end(&p);
    csv_free(&p.parser);
    return status;
}

mr_status mr_csv_parse_file(const char *path, int file, const size_t *n_rows,
                            const mr_csv_visitor *visitor) {
    parsing p = {.path = path, .n_rows = n_rows, .visitor = visitor};
    ssize_t n;
    mr_status status = begin(&p);
    char *bytes = malloc(CHUNK);
    if (status != MR_OK || bytes == NULL) {
        free(bytes);
        return mr_fail_memory(path);
    }
    while ((n = read(file, bytes, CHUNK)) > 0)
        MR_TRY(parse_part(&p, bytes, (size_t)n));
    if (n < 0)
        status = mr_fail(MR_ERR_IO, "cannot read %s: %s; check the disk", path, strerror(errno));
    else
        status = end(&p);
done:
    csv_free(&p.parser);
    free(bytes);
    return status;
}

// ---- Writing

size_t mr_csv_cell_size(size_t n_bytes) {
    return 2 * n_bytes + 2; // each byte may be a quotation mark
}

// Also of a text that begins or ends with a space, which a parser may leave out.
static bool needs_quotes(const char *text) {
    static const char spaces[] = " \t";
    const size_t n = strlen(text);
    return n == 0 || text[strcspn(text, ",\"\r\n")] != '\0' || strchr(spaces, text[0]) != NULL ||
           strchr(spaces, text[n - 1]) != NULL;
}

size_t mr_csv_write_cell(char *out, const char *text) {
    const size_t n = strlen(text);
    if (needs_quotes(text))
        return csv_write(out, mr_csv_cell_size(n), text, n);
    memcpy(out, text, n + 1);
    return n;
}
