// Tables as NumPy and pandas write them: files of tests/oracle/tables_numpy.py.

#include "base/matrix_file.h"

#include <math.h>

#include "tests/scratch.h"

TestSuite(tables, .init = scratch_enter, .fini = scratch_leave);

#define TABLES MR_TEST_DATA "/tables/"

static mr_matrix read_table(const char *path, mr_header header) {
    mr_matrix matrix = {0};
    cr_assert_eq(mr_matrix_read_cells(path, &(mr_matrix_options){.header = header}, &matrix), MR_OK,
                 "%s", mr_error_message());
    return matrix;
}

static void expect_failure(const char *path, const char *part) {
    mr_matrix matrix = {.n_rows = 77};
    cr_expect_eq(mr_matrix_read(path, &matrix), MR_ERR_INPUT, "%s", path);
    cr_expect_eq(matrix.n_rows, 77, "the result of a failure is touched");
    scratch_expect_message(path);
    scratch_expect_message(part);
}

static void expect_same(const char *path, const mr_matrix *expected) {
    mr_matrix found = read_table(path, MR_HEADER_AUTO);
    cr_assert(found.n_rows == expected->n_rows && found.n_cols == expected->n_cols, "%s", path);
    for (size_t i = 0; i < found.n_rows * found.n_cols; i++)
        cr_expect_eq(found.values[i], expected->values[i], "%s: number %zu is %.17g", path, i,
                     found.values[i]);
    mr_matrix_free(&found);
}

Test(tables, npy_of_every_type_and_order_is_read_as_numpy_reads_it) {
    static const char *const types[] = {"b1", "i1", "i2", "i4", "i8", "u1",
                                        "u2", "u4", "u8", "f2", "f4", "f8"};
    static const char *const orders[] = {"little", "big", "byte"};
    static const char *const axes[] = {"c", "fortran"};
    size_t n_files = 0;
    for (size_t i = 0; i < MR_COUNT(types); i++) {
        char path[512];
        snprintf(path, sizeof path, TABLES "%s.csv", types[i]);
        mr_matrix expected = read_table(path, MR_HEADER_NO);
        for (size_t j = 0; j < MR_COUNT(orders) * MR_COUNT(axes); j++) {
            snprintf(path, sizeof path, TABLES "%s_%s_%s.npy", types[i], orders[j / 2],
                     axes[j % 2]);
            if (access(path, F_OK) != 0)
                continue;
            expect_same(path, &expected);
            n_files++;
        }
        mr_matrix_free(&expected);
    }
    cr_expect_eq(n_files, 3 * 2 + 9 * 4); // three types are of one byte
}

Test(tables, npz_of_one_array_is_a_table) {
    double numbers[] = {1, 2, 3, 4, 5, 6.5};
    const mr_matrix expected = {.n_rows = 3, .n_cols = 2, .values = numbers};
    expect_same(TABLES "stored.npz", &expected);
    expect_same(TABLES "deflated.npz", &expected);
}

Test(tables, npz_of_more_arrays_is_refused_by_their_names) {
    expect_failure(TABLES "two.npz", "holds 2 arrays (train.npy, test.npy), not one");
    expect_failure(TABLES "none.npz", "holds 0 arrays");
}

Test(tables, damaged_npz_is_refused) {
    expect_failure(TABLES "cut.npz", "is it a .npz file saved by NumPy, and whole?");
    expect_failure(TABLES "spoiled.npz", "points.npy is damaged");
    scratch_write("x.npz", "hello");
    expect_failure("x.npz", "is it a .npz file saved by NumPy, and whole?");
    scratch_write("x.npz", "");
    expect_failure("x.npz", "holds 0 arrays");
    cr_expect_eq(mr_matrix_write("x.npz", 1, 1, &(double){1}), MR_ERR_USAGE);
}

// An archive may say what it likes of an array's size: 3.75 GiB are not allocated for a file of a
// few hundred bytes.
Test(tables, npz_that_claims_to_be_huge_is_refused) {
    static const char size[] = "\0\0\0\xf0\0\0\0";
    char *bytes = NULL;
    size_t n_bytes;
    cr_assert_eq(mr_file_read(TABLES "deflated.npz", &bytes, &n_bytes), MR_OK);
    // The full size stands in the directory's entry, and behind the name in that of the array,
    // where NumPy writes sizes of eight bytes.
    memcpy(bytes + 30 + bytes[26] + 4, size, 8);
    for (size_t i = 0; i + 28 < n_bytes; i++)
        if (memcmp(bytes + i, "PK\1\2", 4) == 0)
            memcpy(bytes + i + 24, size, 4);
    cr_assert_eq(mr_file_replace("x.npz", 1, &(mr_bytes){bytes, n_bytes}), MR_OK);
    expect_failure("x.npz", "points.npy cannot be as large as it is said to be");
    free(bytes);
}

// The loop over no columns of 10^17 rows would not end.
Test(tables, npy_without_columns_is_refused_at_once) {
    static const char header[] =
        "\x93NUMPY\x01\0v\0{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999, "
        "0), }";
    char bytes[128];
    memset(bytes, ' ', sizeof bytes);
    memcpy(bytes, header, sizeof header - 1);
    cr_assert_eq(mr_file_replace("x.npy", 1, &(mr_bytes){bytes, sizeof bytes}), MR_OK);
    expect_failure("x.npy", "holds no rows");
}

Test(tables, a_truncated_npy_says_how_far_it_goes) {
    char *bytes = NULL;
    size_t n_bytes;
    cr_assert_eq(mr_file_read(TABLES "f8_little_c.npy", &bytes, &n_bytes), MR_OK);
    cr_assert_eq(mr_file_replace("x.npy", 1, &(mr_bytes){bytes, n_bytes - 8}), MR_OK);
    expect_failure("x.npy", "after 40 of 48 bytes of numbers (in row 2 of 2)");
    free(bytes);
}

// ---- Names of columns

static void expect_header(const char *text, bool has_names, bool is_unsure) {
    scratch_write("x.csv", text);
    mr_matrix matrix = read_table("x.csv", MR_HEADER_AUTO);
    cr_expect_eq(matrix.names != NULL, has_names, "%s", text);
    cr_expect_eq(matrix.is_unsure, is_unsure, "%s", text);
    mr_matrix_free(&matrix);
}

Test(tables, a_first_row_of_numbers_is_taken_for_names_where_it_must_be) {
    static const char *const with_names[] = {
        "0,1,2\n0.5,1.25,2.0\n-1.0,0.5,0.25\n3.0,1.0,2.0\n",           // pandas without names
        "2019,2020,2021\n1.5,2,3\n0.25,1,7\n2.5,3,1\n",                // years over numbers
        "2019,2020,2021\n153,1234,99\n12,55,101\n7,8,12\n",            // and over counts
        "2021,2020,2019\n1.5,2,3\n0.25,1,7\n2.5,3,1\n",                // newest first
        "400,410,425\n0.5,0.25,0.125\n0.5,0.5,0.25\n0.75,0.5,0.125\n", // wavelengths
        "0\n0.5\n0.25\n0.125\n",                                       // a pandas.Series
        "0,1\n0.5,2\n0.25,3\n0.125,1\n",                               // a label beside
    };
    for (size_t i = 0; i < MR_COUNT(with_names); i++)
        expect_header(with_names[i], true, false);
}

Test(tables, a_first_row_of_data_stays_data) {
    static const char *const data[] = {
        "1.5,2.5\n3.5,4.5\n5.5,6.5\n7.5,8.5\n",
        "0,0.5\n1,0.25\n2,0.125\n3,1.5\n",                 // an index beside
        "0,1\n1,0\n0,1\n1,1\n0,0\n",                       // two choices
        "3,5\n1,2\n7,1\n2,2\n",                            // counts
        "1,2\n3.5,4.5\n",                                  // too few rows to tell
        "5\n0.5\n0.25\n0.125\n",                           //
        "0\n1\n2\n3\n",                                    //
        "-1,0,1\n0.5,1.5,2.5\n1.5,2.5,1.5\n0.5,1.5,3.5\n", // no names are negative
    };
    for (size_t i = 0; i < MR_COUNT(data); i++)
        expect_header(data[i], false, false);
}

// Equal steps that come again, as the ranks of three do: data, with a word about it.
Test(tables, what_could_be_either_is_data_and_said_to_be_unsure) {
    expect_header("1,2,3\n2,1,3\n3,1,2\n1,2,3\n", false, true);
    expect_header("0,1,2\n5,1,7\n3,8,2\n9,4,4\n", false, true);
}

Test(tables, the_first_row_is_what_it_is_said_to_be) {
    scratch_write("x.csv", "0,1,2\n0.5,1.25,2.0\n-1.0,0.5,0.25\n3.0,1.0,2.0\n");
    mr_matrix matrix = read_table("x.csv", MR_HEADER_NO);
    cr_expect_null(matrix.names);
    cr_expect_eq(matrix.n_rows, 4);
    mr_matrix_free(&matrix);
    matrix = read_table("x.csv", MR_HEADER_AUTO);
    cr_assert_not_null(matrix.names);
    cr_expect_eq(matrix.n_rows, 3);
    cr_expect_str_eq(matrix.names[2], "2");
    cr_expect_eq(matrix.values[0], 0.5);
    cr_expect_eq(matrix.values[8], 2);
    mr_matrix_free(&matrix);
    scratch_write("x.csv", ",7.5,a\n1,2,3\n");
    matrix = read_table("x.csv", MR_HEADER_YES);
    cr_expect_str_eq(matrix.names[0], "");
    cr_expect_str_eq(matrix.names[1], "7.5");
    cr_expect_eq(matrix.n_rows, 1);
    mr_matrix_free(&matrix);
    // Names that are expected are known where nothing else would tell.
    static const char *const names[] = {"5", "3"};
    const mr_matrix_options options = {.names = names, .n_names = 2};
    scratch_write("x.csv", "5,3\n1,2\n");
    cr_assert_eq(mr_matrix_read_cells("x.csv", &options, &matrix), MR_OK);
    cr_expect_eq(matrix.n_rows, 1);
    mr_matrix_free(&matrix);
    cr_expect_eq(mr_matrix_read_cells(TABLES "stored.npz",
                                      &(mr_matrix_options){.header = MR_HEADER_YES}, &matrix),
                 MR_ERR_USAGE);
}

Test(tables, a_row_of_names_that_is_not_taken_for_one_has_a_remedy) {
    scratch_write("x.csv", "time,1,2\n0,1,2\n");
    expect_failure("x.csv", "row 1, column 1 is 'time', not a number");
    scratch_expect_message("give --header yes");
    scratch_write("x.csv", ",1\n0,1\n");
    expect_failure("x.csv", "row 1, column 1 is empty");
    scratch_expect_message("give --header yes");
}

Test(tables, csv_that_is_no_utf8_text_is_named_so) {
    cr_assert_eq(mr_file_replace("x.csv", 1,
                                 &(mr_bytes){"\xff\xfe"
                                             "1\0,\0",
                                             6}),
                 MR_OK);
    expect_failure("x.csv", "save it as a .csv in UTF-8");
    cr_assert_eq(mr_file_replace("x.csv", 1, &(mr_bytes){"1,2\n3,\0\n", 8}), MR_OK);
    expect_failure("x.csv", "byte 7 is not of a text");
}

// ---- Choosing columns

static void expect_choice(const char *text, const char *expected) {
    mr_matrix matrix = read_table("x.csv", MR_HEADER_YES);
    bool chosen[5];
    char found[6] = "";
    cr_assert_eq(mr_matrix_choose_columns(&matrix, text, "--columns", chosen), MR_OK, "%s",
                 mr_error_message());
    for (size_t j = 0; j < matrix.n_cols; j++)
        found[j] = chosen[j] ? '1' : '0';
    cr_expect_str_eq(found, expected, "%s chooses %s", text, found);
    mr_matrix_free(&matrix);
}

Test(tables, columns_are_chosen_by_name_number_and_range) {
    scratch_write("x.csv", "a,b-c,d,e,2\n1,2,3,4,5\n");
    expect_choice("a", "10000");
    expect_choice("1,3-4", "10110");
    expect_choice("3-", "00111");
    expect_choice("b-c", "01000"); // a name before a range
    expect_choice("b-c-d", "01100");
    expect_choice("a-d,e", "11110");
    expect_choice("2", "00001"); // a name before a number
    mr_matrix matrix = read_table("x.csv", MR_HEADER_YES);
    static const char *const bad[] = {"f", "0",    "6", "d-a",
                                      "",  "a,,d", "-", "99999999999999999999"};
    for (size_t i = 0; i < MR_COUNT(bad); i++) {
        bool chosen[5];
        cr_expect_eq(mr_matrix_choose_columns(&matrix, bad[i], "--columns", chosen), MR_ERR_USAGE,
                     "%s", bad[i]);
        scratch_expect_message("--columns: there is no column '");
    }
    mr_matrix_free(&matrix);
}

Test(tables, kept_columns_bring_their_names) {
    scratch_write("x.csv", "a,b,c\n1,2,3\n4,5,6\n");
    mr_matrix matrix = read_table("x.csv", MR_HEADER_AUTO);
    cr_assert_eq(mr_matrix_keep_columns(&matrix, 2, (const size_t[]){2, 0}), MR_OK);
    const double expected[] = {3, 1, 6, 4};
    cr_assert(matrix.n_rows == 2 && matrix.n_cols == 2);
    cr_expect_arr_eq(matrix.values, expected, sizeof expected);
    cr_expect_str_eq(matrix.names[0], "c");
    cr_expect_str_eq(matrix.names[1], "a");
    mr_matrix_free(&matrix);
}
