// Columns of text in .csv files: categories, codes, and cells that are written as names.

#include "base/matrix_rows.h"

#include <math.h>

#include "base/matrix_file.h"
#include "tests/scratch.h"

TestSuite(matrix_categories, .init = scratch_enter, .fini = scratch_leave);

enum { MAX_COLS = 4 };

// Reads x.csv, columns of text as codes. Fails as these functions do.
static mr_status try_reading(const bool *columns, size_t n_max, mr_matrix *table) {
    mr_dictionary *dictionary = calloc(MAX_COLS, sizeof *dictionary);
    const mr_matrix_options options = {0};
    cr_assert_eq(mr_matrix_read_cells("x.csv", &options, table), MR_OK, "%s", mr_error_message());
    mr_status status = mr_matrix_find_categories("x.csv", table, columns, n_max, dictionary);
    if (status == MR_OK)
        return mr_matrix_read_codes("x.csv", &options, dictionary, table);
    mr_dictionaries_free(MAX_COLS, dictionary);
    return status;
}

static mr_matrix read_text(const char *text, const bool *columns) {
    mr_matrix table = {0};
    scratch_write("x.csv", text);
    cr_assert_eq(try_reading(columns, 100, &table), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_matrix_check("x.csv", &table, NULL, false), MR_OK, "%s", mr_error_message());
    return table;
}

static void expect_names(const mr_dictionary *d, size_t n, const char *const *names) {
    cr_assert_eq(d->n, n);
    for (size_t k = 0; k < n; k++)
        cr_expect_str_eq(d->name[k], names[k]);
}

// As scikit-learn's OrdinalEncoder numbers them: [['Grün'], ['a, b'], ['say "x"'], ['two\nlines'],
// ['blue']] of these rows becomes 0, 2, 3, 4, 1.
Test(matrix_categories, are_numbered_in_the_order_of_their_texts) {
    static const char text[] = "name,x\n"
                               "Grün,1\n"
                               "\"a, b\",2\n"
                               "\"say \"\"x\"\"\",3\n"
                               "\"two\nlines\",4\n"
                               "  blue ,5\n"
                               "Grün,6\n";
    static const char *const names[] = {"Grün", "a, b", "blue", "say \"x\"", "two\nlines"};
    static const double codes[] = {0, 1, 3, 4, 2, 0};
    mr_matrix table = read_text(text, (const bool[]){true, false});
    cr_assert(table.n_rows == 6 && table.n_cols == 2);
    expect_names(&table.dictionary[0], 5, names);
    cr_expect_eq(table.dictionary[1].n, 0);
    for (size_t i = 0; i < 6; i++) {
        cr_expect_eq(table.values[2 * i], codes[i], "row %zu is %g", i + 1, table.values[2 * i]);
        cr_expect_eq(table.values[2 * i + 1], (double)i + 1);
    }
    mr_matrix_free(&table);
}

Test(matrix_categories, numbers_beside_texts_are_texts) {
    static const char *const names[] = {"007", "7", "nan", "x"};
    mr_matrix table = read_text("7,1\nx,2\n007,3\nnan,4\n7,5\n", (const bool[]){true, false});
    cr_assert_null(table.names);
    expect_names(&table.dictionary[0], 4, names);
    cr_expect_eq(table.values[0], 1);
    cr_expect_eq(table.values[2], 3);
    cr_expect_eq(table.values[4], 0);
    mr_matrix_free(&table);
}

Test(matrix_categories, kept_columns_bring_their_categories) {
    mr_matrix table = read_text("a,b,c\nu,1,x\nv,2,y\nv,3,z\n", (const bool[]){true, false, true});
    cr_assert_eq(mr_matrix_keep_columns(&table, 2, (const size_t[]){2, 1}), MR_OK);
    expect_names(&table.dictionary[0], 3, (const char *const[]){"x", "y", "z"});
    cr_expect_eq(table.dictionary[1].n, 0);
    cr_expect_str_eq(mr_matrix_value_name(&table, 0, 1).text, "y");
    cr_expect_str_eq(mr_matrix_value_name(&table, 1, 1).text, "1");
    mr_matrix_free(&table);
}

// Whether a column has numbers is known for all kinds of first rows.
Test(matrix_categories, a_column_of_nothing_but_text_is_told_from_a_mixed_one) {
    static const struct {
        const char *text;
        bool has_text, has_numbers; // of the first column
        bool has_names;
    } cases[] = {
        {"a,b\nu,1\nv,2\n", true, false, true},
        {"u,1\nv,2\n", true, false, false},
        {"7,1\nv,2\n", true, true, false},
        {"u,1\n7,2\n", true, true, false},
        {"u,1\nnan,2\n", true, false, false},
        {"1,2\n3,4\n", false, true, false},
        {"0,1\nu,2.5\nv,3.5\nw,4.5\nu,1.5\n", true, false, true}, // the numbers are names
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_matrix table;
        scratch_write("x.csv", cases[i].text);
        cr_assert_eq(mr_matrix_read_cells("x.csv", &(mr_matrix_options){0}, &table), MR_OK);
        cr_expect_eq(table.names != NULL, cases[i].has_names, "%s", cases[i].text);
        cr_expect_eq(table.bad[0].row > 0, cases[i].has_text, "%s", cases[i].text);
        cr_expect_eq(table.bad[0].has_numbers, cases[i].has_numbers, "%s", cases[i].text);
        mr_matrix_free(&table);
    }
}

Test(matrix_categories, what_may_be_names_between_texts_is_said_to_be_unsure) {
    mr_matrix table;
    scratch_write("x.csv", "city,2019,2020\nA,1,2\nB,2.5,3\nC,1,1\nD,0,1\n");
    cr_assert_eq(mr_matrix_read_cells("x.csv", &(mr_matrix_options){0}, &table), MR_OK);
    cr_expect_null(table.names);
    cr_expect(table.is_unsure);
    mr_matrix_free(&table);
}

static void expect_failure(const char *text, const char *part) {
    mr_matrix table = {0};
    scratch_write("x.csv", text);
    mr_status status = try_reading((const bool[]){true, false, false, false}, 3, &table);
    if (status == MR_OK)
        status = mr_matrix_check("x.csv", &table, NULL, false);
    cr_expect_eq(status, MR_ERR_INPUT, "%s", text);
    scratch_expect_message(part);
    mr_matrix_free(&table);
}

Test(matrix_categories, cells_that_can_be_none_are_named) {
    char text[2000] = "a,b\nx,1\n";
    expect_failure("a,b\nx,1\n,2\n",
                   "x.csv: row 2, column 1 (a) is empty; every cell needs a category");
    expect_failure("a,b\nx,1\n\"\",2\n", "row 2, column 1 (a) is empty");
    expect_failure("a,b\nx,1\n\xe9,2\n", "row 2, column 1 (a) is not UTF-8");
    expect_failure("a,b\nt,1\nu,2\nv,3\nw,4\n",
                   "column 1 (a) has more than 3 different texts, which are too many categories");
    memset(text + strlen(text), 'y', MR_MAX_NAME_BYTES + 1);
    strcat(text, ",2\n");
    expect_failure(text, "row 2, column 1 (a) is a text of 1025 bytes");
    expect_failure("a,b\nx,1\ny,z\n", "row 2, column 2 (b) is 'z', not a number");
    mr_matrix table;
    scratch_write("x.csv", "a,\xe9\n1,2\n");
    cr_expect_eq(mr_matrix_read("x.csv", &table), MR_ERR_INPUT);
    scratch_expect_message("x.csv: the name of column 2 is not UTF-8; save the table in UTF-8");
}

static mr_dictionary *two_colours(void) {
    mr_dictionary *d = calloc(2, sizeof *d);
    cr_assert_eq(mr_dictionary_add(&d[0], "red"), MR_OK);
    cr_assert_eq(mr_dictionary_add(&d[0], "blue"), MR_OK);
    cr_assert_eq(mr_dictionary_add(&d[0], "red"), MR_OK);
    return d;
}

Test(matrix_categories, of_a_known_dictionary_are_found_and_others_named) {
    mr_matrix table;
    const mr_matrix_options options = {0};
    scratch_write("x.csv", "c,x\nred,1\nblue,2\npink,3\nlilac,4\n");
    cr_assert_eq(mr_matrix_read_cells("x.csv", &options, &table), MR_OK);
    cr_assert_eq(mr_matrix_read_codes("x.csv", &options, two_colours(), &table), MR_OK);
    cr_expect_eq(table.values[0], 1);
    cr_expect_eq(table.values[2], 0);
    cr_expect(isnan(table.values[4]));
    cr_expect_eq(mr_matrix_check("x.csv", &table, NULL, true), MR_ERR_INPUT);
    scratch_expect_message(
        "x.csv: row 3, column 1 (c) is 'pink', which is none of its 2 categories ('blue', 'red')");
    mr_matrix_free(&table);
}

Test(matrix_categories, of_a_file_that_has_changed_are_refused) {
    mr_matrix table;
    const mr_matrix_options options = {0};
    scratch_write("x.csv", "c,x\nred,1\nblue,2\n");
    cr_assert_eq(mr_matrix_read_cells("x.csv", &options, &table), MR_OK);
    scratch_write("x.csv", "c,x,y\nred,1,u\n");
    cr_expect_eq(mr_matrix_read_codes("x.csv", &options, two_colours(), &table), MR_ERR_INPUT);
    scratch_expect_message("x.csv was changed while it was read; try again");
    cr_expect_null(table.values);
}

// A table that stays in its file has the same codes, and quotation marks and new lines where parts
// of the file meet.
Test(matrix_categories, of_a_table_in_a_file_are_those_in_memory) {
    enum { N = 200000 };
    static const char *const names[] = {"\"a, \"\"b\"\"\"", "\"two\nlines\"", "Grün", "7", "x"};
    static const bool is_second[] = {false, true};
    static const double codes[] = {2, 3, 1, 0, 4}; // of `names`
    FILE *file = fopen("x.csv", "w");
    cr_assert_not_null(file);
    fputs("number,text\n", file);
    for (size_t i = 0; i < N; i++)
        fprintf(file, "%zu.5,%s\n", i, names[i * 7 % 5]);
    cr_assert_eq(fclose(file), 0);
    mr_matrix table[2];
    for (size_t k = 0; k < 2; k++) {
        const mr_matrix_options options = {.max_numbers = k == 0 ? 0 : 1000};
        mr_dictionary *dictionary = calloc(2, sizeof *dictionary);
        cr_assert_eq(mr_matrix_read_cells("x.csv", &options, &table[k]), MR_OK);
        cr_assert_eq(mr_matrix_find_categories("x.csv", &table[k], is_second, 9, dictionary),
                     MR_OK);
        cr_assert_eq(mr_matrix_read_codes("x.csv", &options, dictionary, &table[k]), MR_OK);
        cr_assert_eq(mr_matrix_check("x.csv", &table[k], NULL, false), MR_OK);
        cr_assert_eq(table[k].file != NULL, k == 1);
        cr_assert_eq(table[k].n_rows, N);
        expect_names(&table[k].dictionary[1], 5,
                     (const char *const[]){"7", "Grün", "a, \"b\"", "two\nlines", "x"});
    }
    for (size_t i = 0; i < N; i += 997) {
        double row[2];
        cr_assert_eq(mr_matrix_get_rows(&table[1], i, 1, row), MR_OK);
        cr_expect_arr_eq(row, table[0].values + 2 * i, sizeof row);
        cr_expect_eq(row[1], codes[i * 7 % 5]);
    }
    mr_matrix_free(&table[0]);
    mr_matrix_free(&table[1]);
}

// ---- Writing

// As RFC 4180 has it; Python's csv module reads these lines as the names that are given here.
Test(matrix_categories, are_written_by_their_names_and_read_back) {
    static const char *const texts[] = {"plain",        "a, b",   "say \"x\"",
                                        "two\r\nlines", " kept ", "Grün"};
    static const char expected[] = "\"colour, say\",x,\"\"\n"
                                   "\" kept \",1,0.5\n"
                                   "Grün,2,1.5\n"
                                   "\"a, b\",3,2.5\n"
                                   "plain,4,3.5\n"
                                   "\"say \"\"x\"\"\",5,4.5\n"
                                   "\"two\r\nlines\",6,5.5\n";
    char *names[] = {(char *)"colour, say", (char *)"x", (char *)""};
    mr_dictionary dictionary[3] = {{0}};
    double values[MR_COUNT(texts)][3];
    mr_matrix_writer *writer;
    for (size_t k = 0; k < MR_COUNT(texts); k++) {
        cr_assert_eq(mr_dictionary_add(&dictionary[0], texts[k]), MR_OK);
        memcpy(values[k], (const double[]){(double)k, (double)k + 1, (double)k + 0.5},
               sizeof values[k]);
    }
    const mr_matrix_labels labels = {names, dictionary};
    cr_assert_eq(mr_matrix_writer_begin("x.csv", MR_COUNT(texts), 3, &labels, &writer), MR_OK);
    cr_assert_eq(mr_matrix_writer_append(writer, MR_COUNT(texts), values[0]), MR_OK);
    cr_assert_eq(mr_matrix_writer_keep(writer), MR_OK);
    mr_matrix_writer_close(writer);
    char *text = scratch_read("x.csv");
    cr_expect_str_eq(text, expected);
    free(text);
    mr_matrix table = {0};
    cr_assert_eq(try_reading((const bool[]){true, false, false}, 100, &table), MR_OK, "%s",
                 mr_error_message());
    cr_assert(table.n_rows == MR_COUNT(texts) && table.n_cols == 3);
    cr_expect_arr_eq(table.values, values[0], sizeof values);
    cr_expect_str_eq(table.names[0], names[0]);
    cr_expect_str_eq(table.names[2], "");
    expect_names(&table.dictionary[0], MR_COUNT(texts), (const char *const *)dictionary[0].name);
    mr_matrix_free(&table);
    mr_dictionary_free(&dictionary[0]);
}
