// Tables that stay in their files: the same rows as in memory.

#include "base/matrix_rows.h"

#include "base/matrix_file.h"

#include <stdint.h>
#include <unistd.h>

#include "tests/scratch.h"

TestSuite(matrix_rows, .init = scratch_enter, .fini = scratch_leave);

#define TABLES MR_TEST_DATA "/tables/"

enum { MANY = 20000, WIDTH = 3 };

static mr_matrix read_table(const char *path, mr_header header, size_t max_numbers) {
    mr_matrix matrix = {0};
    const mr_matrix_options options = {.header = header, .max_numbers = max_numbers};
    cr_assert_eq(mr_matrix_read_cells(path, &options, &matrix), MR_OK, "%s", mr_error_message());
    return matrix;
}

static void expect_same_rows(const mr_matrix *found, const mr_matrix *expected) {
    mr_row_block b = {0};
    size_t n = 0;
    cr_assert(found->n_rows == expected->n_rows && found->n_cols == expected->n_cols);
    do {
        cr_assert_eq(mr_matrix_next_rows(found, &b), MR_OK, "%s", mr_error_message());
        for (size_t i = 0; i < b.n * found->n_cols; i++)
            cr_assert_eq(b.x[i], expected->values[b.first * found->n_cols + i]);
        n += b.n;
    } while (b.n > 0);
    cr_expect_eq(n, expected->n_rows);
    mr_row_block_free(&b);
}

// A .npy of MANY rows, written in C's order or column after column.
static void write_npy(const char *path, const char *type, bool by_columns) {
    FILE *file = fopen(path, "w");
    char header[256];
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': %s, 'shape': (%d, %d), }\n",
             type, by_columns ? "True" : "False", MANY, WIDTH);
    const uint16_t length = (uint16_t)strlen(header);
    fwrite("\x93NUMPY\x01", 1, 8, file);
    fwrite(&length, sizeof length, 1, file);
    fwrite(header, 1, length, file);
    for (size_t k = 0; k < (size_t)MANY * WIDTH; k++) {
        const size_t i = by_columns ? k % MANY : k / WIDTH, j = by_columns ? k / MANY : k % WIDTH;
        const double number = (double)(i * WIDTH + j) / 8;
        const float small = (float)number;
        const int16_t whole = (int16_t)(i + 7 * j);
        switch (type[1]) {
        case 'i':
            fwrite(&whole, sizeof whole, 1, file);
            break;
        default:
            if (type[2] == '4')
                fwrite(&small, sizeof small, 1, file);
            else
                fwrite(&number, sizeof number, 1, file);
        }
    }
    cr_assert_eq(fclose(file), 0);
}

Test(matrix_rows, of_every_npy_are_those_in_memory) {
    static const char *const types[] = {"<f4", "<f8", "<i2", ">i2"};
    for (size_t t = 0; t < MR_COUNT(types); t++)
        for (int by_columns = 0; by_columns <= 1; by_columns++) {
            write_npy("x.npy", types[t], by_columns);
            mr_matrix whole = read_table("x.npy", MR_HEADER_AUTO, 0);
            mr_matrix stored = read_table("x.npy", MR_HEADER_AUTO, 1000);
            cr_assert_not_null(stored.file);
            cr_assert_null(stored.values);
            expect_same_rows(&stored, &whole);
            cr_assert_eq(mr_matrix_keep_columns(&whole, 2, (const size_t[]){2, 0}), MR_OK);
            cr_assert_eq(mr_matrix_keep_columns(&stored, 2, (const size_t[]){2, 0}), MR_OK);
            expect_same_rows(&stored, &whole);
            mr_matrix_free(&whole);
            mr_matrix_free(&stored);
        }
}

Test(matrix_rows, are_read_into_memory_once_few_columns_are_left) {
    write_npy("x.npy", "<f8", false);
    mr_matrix stored = read_table("x.npy", MR_HEADER_AUTO, MANY);
    cr_assert_not_null(stored.file);
    cr_assert_eq(mr_matrix_keep_columns(&stored, 1, (const size_t[]){1}), MR_OK);
    cr_assert_null(stored.file);
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(stored.values[i], (double)(i * WIDTH + 1) / 8);
    mr_matrix_free(&stored);
}

static void write_csv(const char *first, const char *path) {
    FILE *file = fopen(path, "w");
    fprintf(file, "%s", first);
    for (size_t i = 0; i < MANY; i++)
        fprintf(file, "%zu.5,%.17g,%g\n", i, (double)i / 7, (double)i / 2);
    cr_assert_eq(fclose(file), 0);
}

// Names, names that are numbers (settled at the end of the file), and none.
Test(matrix_rows, of_a_csv_are_those_in_memory_whatever_its_first_row) {
    static const char *const firsts[] = {"a,b,c\n", "2001,2002,2003\n", "\xef\xbb\xbf", ""};
    for (size_t i = 0; i < MR_COUNT(firsts); i++) {
        write_csv(firsts[i], "x.csv");
        mr_matrix whole = read_table("x.csv", MR_HEADER_AUTO, 0);
        mr_matrix stored = read_table("x.csv", MR_HEADER_AUTO, 1000);
        cr_assert_not_null(stored.file);
        cr_expect_eq(stored.names != NULL, whole.names != NULL);
        for (size_t j = 0; whole.names != NULL && j < WIDTH; j++)
            cr_expect_str_eq(stored.names[j], whole.names[j]);
        expect_same_rows(&stored, &whole);
        mr_matrix_free(&whole);
        mr_matrix_free(&stored);
    }
}

Test(matrix_rows, cells_that_are_no_numbers_are_named_as_in_memory) {
    write_csv("", "x.csv");
    FILE *file = fopen("x.csv", "a");
    fputs("1,x,3\n4,5,6\n", file);
    fclose(file);
    mr_matrix stored = read_table("x.csv", MR_HEADER_NO, 1000);
    cr_expect_eq(mr_matrix_check("x.csv", &stored, NULL, false), MR_ERR_INPUT);
    scratch_expect_message("x.csv: row 20001, column 2 is 'x', not a number");
    mr_matrix_free(&stored);
}

Test(matrix_rows, of_a_file_without_its_end_are_refused) {
    static const struct {
        size_t n_bytes;
        const char *part;
    } cuts[] = {{MANY * WIDTH * 4, "ends before its last number"}, {100, "ends"}};
    for (size_t i = 0; i < MR_COUNT(cuts); i++) {
        mr_matrix matrix = {0};
        write_npy("x.npy", "<f4", false);
        cr_assert_eq(truncate("x.npy", (off_t)cuts[i].n_bytes), 0);
        cr_expect_eq(
            mr_matrix_read_cells("x.npy", &(mr_matrix_options){.max_numbers = 1000}, &matrix),
            MR_ERR_INPUT);
        scratch_expect_message(cuts[i].part);
    }
}

// Memory that is mapped would end the process here, by SIGBUS.
Test(matrix_rows, of_a_file_that_is_cut_short_meanwhile_are_an_error) {
    write_npy("x.npy", "<f8", false);
    mr_matrix stored = read_table("x.npy", MR_HEADER_AUTO, 1000);
    double row[WIDTH];
    cr_assert_eq(truncate("x.npy", 10000), 0);
    cr_expect_eq(mr_matrix_get_rows(&stored, 0, 1, row), MR_OK);
    cr_expect_eq(mr_matrix_get_rows(&stored, MANY - 1, 1, row), MR_ERR_IO);
    scratch_expect_message("x.npy was cut short while it was read; try again");
    mr_matrix_free(&stored);
}

Test(matrix_rows, that_are_written_block_by_block_make_the_same_file) {
    static double x[MANY * WIDTH];
    static const char *const suffixes[] = {"npy", "csv"};
    for (size_t i = 0; i < MANY * WIDTH; i++)
        x[i] = (double)i / 3;
    for (size_t k = 0; k < MR_COUNT(suffixes); k++) {
        char one[16], parts[16];
        mr_matrix_writer *writer;
        mr_matrix a, b;
        snprintf(one, sizeof one, "one.%s", suffixes[k]);
        snprintf(parts, sizeof parts, "parts.%s", suffixes[k]);
        cr_assert_eq(mr_matrix_write(one, MANY, WIDTH, x), MR_OK);
        cr_assert_eq(mr_matrix_writer_begin(parts, MANY, WIDTH, NULL, &writer), MR_OK);
        for (size_t first = 0; first < MANY; first += 7000) {
            const size_t n = MANY - first < 7000 ? MANY - first : 7000;
            cr_assert_eq(mr_matrix_writer_append(writer, n, x + first * WIDTH), MR_OK);
        }
        cr_expect_neq(access(parts, F_OK), 0, "the file is there before it is whole");
        cr_assert_eq(mr_matrix_writer_keep(writer), MR_OK);
        mr_matrix_writer_close(writer);
        a = read_table(one, MR_HEADER_NO, 0);
        b = read_table(parts, MR_HEADER_NO, 0);
        expect_same_rows(&a, &b);
        for (size_t i = 0; i < MANY * WIDTH; i++)
            cr_assert_eq(b.values[i], x[i]);
        mr_matrix_free(&a);
        mr_matrix_free(&b);
    }
}

Test(matrix_rows, a_temporary_folder_that_is_missing_is_named) {
    mr_matrix matrix = {0};
    write_csv("", "x.csv");
    setenv("TMPDIR", "/no/such/folder", 1);
    cr_expect_eq(mr_matrix_read_cells("x.csv", &(mr_matrix_options){.max_numbers = 1000}, &matrix),
                 MR_ERR_IO);
    scratch_expect_message("cannot make a temporary file for x.csv in /no/such/folder");
    scratch_expect_message("set TMPDIR");
}
