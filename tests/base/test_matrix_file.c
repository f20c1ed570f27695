// Tables in files, against bytes as NumPy writes them.

#include "base/matrix_file.h"

#include <math.h>
#include <stdint.h>

#include "tests/scratch.h"

TestSuite(matrix_file, .init = scratch_enter, .fini = scratch_leave);

// A .npy of version `version`: the header's text, then the numbers.
static void write_npy(const char *path, char version, const char *header, size_t n_bytes,
                      const void *numbers) {
    const uint32_t length = (uint32_t)strlen(header);
    const char versions[] = {version, 0};
    const mr_bytes parts[] = {{"\x93NUMPY", 6},
                              {versions, 2},
                              {&length, version == 1 ? 2u : 4u},
                              {header, length},
                              {numbers, n_bytes}};
    cr_assert_eq(mr_file_replace(path, MR_COUNT(parts), parts), MR_OK);
}

static void expect_matrix(const char *path, size_t n_rows, size_t n_cols, const double *values) {
    mr_matrix matrix = {0};
    cr_assert_eq(mr_matrix_read(path, &matrix), MR_OK, "%s", mr_error_message());
    cr_assert_eq(matrix.n_rows, n_rows);
    cr_assert_eq(matrix.n_cols, n_cols);
    for (size_t i = 0; i < n_rows * n_cols; i++)
        cr_expect_eq(matrix.values[i], values[i], "%s: number %zu is %g", path, i,
                     matrix.values[i]);
    mr_matrix_free(&matrix);
}

static void expect_failure(const char *path, mr_status expected, const char *part) {
    mr_matrix matrix = {.n_rows = 77};
    cr_expect_eq(mr_matrix_read(path, &matrix), expected, "%s: %s", path, part);
    cr_expect_eq(matrix.n_rows, 77, "the result of a failure is touched");
    scratch_expect_message(part);
}

Test(matrix_file, reads_npy_of_every_version_type_and_order) {
    static const double expected[] = {1, 2, 3, 4, 5, 6};
    static const float singles[] = {1, 2, 3, 4, 5, 6};
    static const double by_columns[] = {1, 4, 2, 5, 3, 6};
    write_npy("a.npy", 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }    \n",
              sizeof expected, expected);
    write_npy("b.npy", 2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n",
              sizeof singles, singles);
    write_npy("c.npy", 3, "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }\n",
              sizeof by_columns, by_columns);
    write_npy("d.NPY", 1, "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}",
              sizeof singles, singles);
    write_npy("one.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n",
              sizeof singles, singles);
    expect_matrix("a.npy", 2, 3, expected);
    expect_matrix("b.npy", 2, 3, expected);
    expect_matrix("c.npy", 2, 3, expected);
    expect_matrix("d.NPY", 2, 3, expected);
    expect_matrix("one.npy", 6, 1, expected);
}

Test(matrix_file, refuses_npy_that_is_no_table_of_numbers) {
    static const double numbers[] = {1, 2, 3, 4};
    static const struct {
        const char *header;
        const char *message;
    } cases[] = {
        {"{'descr': '<c16', 'fortran_order': False, 'shape': (2, 2), }", "type '<c16'"},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (2, 2), }", "type '<f16'"},
        {"{'descr': '<U1', 'fortran_order': False, 'shape': (2, 2), }", "type '<U1'"},
        {"{'descr': '?', 'fortran_order': False, 'shape': (2, 2), }", "type '?'"},
        {"{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (4,), }", "header"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2, 2), }", "3 dimensions"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (), }", "0 dimensions"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }",
         "ends before its last number, after 32 of 48 bytes of numbers (in row 3 of 3)"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }",
         "goes on for 16 bytes after"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999, 99999999999), }",
         "more numbers than a file can hold"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 2), }",
         "header"},
        {"{'descr': '<f8', 'fortran_order': Maybe, 'shape': (2, 2), }", "header"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2)", "header"},
        {"{'descr': '<f8', 'shape': (2, 2), }", "header"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2 2), }", "header"},
        {"{'descr: ", "header"},
        {"", "header"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        write_npy("x.npy", 1, cases[i].header, sizeof numbers, numbers);
        expect_failure("x.npy", MR_ERR_INPUT, cases[i].message);
    }
    write_npy("x.npy", 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 2), }", 0, "");
    expect_failure("x.npy", MR_ERR_INPUT, "no rows");
    write_npy("x.npy", 9, "{}", 0, "");
    expect_failure("x.npy", MR_ERR_INPUT, "version 9");
    scratch_write("x.npy", "hello");
    expect_failure("x.npy", MR_ERR_INPUT, "does not begin");
    scratch_write("x.npy", "");
    expect_failure("x.npy", MR_ERR_INPUT, "does not begin");
    cr_assert_eq(mr_file_replace("x.npy", 1, &(mr_bytes){"\x93NUMPY\x01\0\xff\xff", 10}), MR_OK);
    expect_failure("x.npy", MR_ERR_INPUT, "ends within its header");
}

Test(matrix_file, names_the_cell_that_is_not_finite) {
    static const double numbers[] = {1, 2, 3, NAN};
    write_npy("x.npy", 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }",
              sizeof numbers, numbers);
    expect_failure("x.npy", MR_ERR_INPUT, "x.npy: row 2, column 2 is nan");
    scratch_write("x.csv", "1,2\n3,inf\n");
    expect_failure("x.csv", MR_ERR_INPUT, "x.csv: row 2, column 2 is inf");
}

Test(matrix_file, reads_csv_with_and_without_names) {
    static const double expected[] = {1, -2.5, 3e4, 0.25};
    static const char *const texts[] = {
        "1,-2.5\n3e4,.25\n",
        "1,-2.5\n3e4,.25",
        "1,-2.5\r\n3e4,.25\r\n",
        "a,b\n1,-2.5\n3e4,.25\n",
        "\"a, b\",\"c\"\n\"1\",-2.5\n\n 3e4 , .25 \n\n",
        ("\xef\xbb\xbf"
         "1,-2.5\n3e4,.25\n"),
    };
    for (size_t i = 0; i < MR_COUNT(texts); i++) {
        scratch_write("x.csv", texts[i]);
        expect_matrix("x.csv", 2, 2, expected);
    }
}

Test(matrix_file, refuses_csv_with_row_and_column) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"1,2\n3,x\n", "x.csv: row 2, column 2 is 'x', not a number"},
        {"a,b\n1,2\n3,x\n", "row 2, column 2 (b) is 'x'"},
        {"1,b\n2,3\n", "row 1, column 2 is 'b'"},
        {"a,b\n1,\n", "row 1, column 2 (b) is empty"},
        {",\n1,2\n", "row 1, column 1 is empty"},
        {"1,2\n3\n", "row 2 has 1 columns, but the first line has 2"},
        {"a,b\n1,2,3\n", "row 1 has 3 columns, but the first line has 2"},
        {"1;2\n3;4\n", "with commas between them"},
        {"1,2\n3,\"4\n", "row 2 has a quotation mark in the wrong place"},
        {"1,2\n3,4\"5\"\n", "row 2 has a quotation mark in the wrong place"},
        {"a,b\n", "no rows"},
        {"", "no rows"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        scratch_write("x.csv", cases[i].text);
        expect_failure("x.csv", MR_ERR_INPUT, cases[i].message);
    }
}

Test(matrix_file, refuses_other_names_and_missing_files) {
    expect_failure("x.txt", MR_ERR_USAGE,
                   "x.txt: the name of a table must end in .npy, .npz or .csv");
    expect_failure("npy", MR_ERR_USAGE, "must end in");
    expect_failure("none.npy", MR_ERR_IO, "none.npy");
    cr_expect_eq(mr_matrix_write("x.parquet", 1, 1, &(double){1}), MR_ERR_USAGE);
    cr_expect_eq(mr_matrix_write("none/x.npy", 1, 1, &(double){1}), MR_ERR_IO);
}

Test(matrix_file, reads_back_what_it_wrote_bit_for_bit) {
    static const double values[] = {1, -0.0, 1e-300, 0.1, 1.0 / 3, 123456789.123456789};
    static const char *const paths[] = {"x.npy", "x.csv"};
    for (size_t i = 0; i < MR_COUNT(paths); i++) {
        cr_assert_eq(mr_matrix_write(paths[i], 3, 2, values), MR_OK, "%s", mr_error_message());
        expect_matrix(paths[i], 3, 2, values);
        cr_assert_eq(mr_matrix_write(paths[i], 6, 1, values), MR_OK, "%s", mr_error_message());
        expect_matrix(paths[i], 6, 1, values);
    }
}

// numpy.save of numpy.array([[1.0], [2.0]]).reshape(1, 2), NumPy 2.4.
Test(matrix_file, writes_the_bytes_that_numpy_writes) {
    static const double values[] = {1, 2};
    char expected[128 + sizeof values];
    memcpy(expected, "\x93NUMPY\x01\0v\0", 10);
    memset(expected + 10, ' ', 118);
    memcpy(expected + 10, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }", 59);
    expected[127] = '\n';
    memcpy(expected + 128, values, sizeof values);
    char *found = NULL;
    size_t n_bytes = 0;
    cr_assert_eq(mr_matrix_write("x.npy", 1, 2, values), MR_OK);
    cr_assert_eq(mr_file_read("x.npy", &found, &n_bytes), MR_OK);
    cr_assert_eq(n_bytes, sizeof expected);
    cr_expect_arr_eq(found, expected, sizeof expected);
    free(found);
}
