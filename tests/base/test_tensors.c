#include "base/tensors.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "base/file.h"
#include "base/json_memory.h"

static char folder[] = "/tmp/millrace-tensors-XXXXXX";

static void enter_folder(void) {
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info, (void)kind, (void)place;
    return remove(path);
}

static void remove_folder(void) {
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(tensors, .init = enter_folder, .fini = remove_folder);

// ---- One content for all, the same as in tests/oracle/safetensors_python.py

typedef struct {
    const char *name;
    mr_dtype dtype;
    size_t n_dims;
    size_t shape[2];
    const void *data;
    size_t n_bytes;
} sample_array;

static const int64_t steps[] = {-1, INT64_C(1) << 62};
static const double mean[] = {0.1, -1e300, 3.0};
static const float weight[] = {0.5f, -1.5f, 2.5f, 3.5f, 1e-30f, 0.0f};
static const float scalar[] = {7.25f};
static const uint8_t flags[] = {1, 0, 255};

// In the order of Python's writer: by type, then by name.
static const sample_array samples[] = {
    {"steps", MR_I64, 1, {2}, steps, sizeof steps},
    {"mean", MR_F64, 1, {3}, mean, sizeof mean},
    {"actor.weight", MR_F32, 2, {2, 3}, weight, sizeof weight},
    {"empty", MR_F32, 2, {0, 4}, NULL, 0},
    {"scalar", MR_F32, 0, {0}, scalar, sizeof scalar},
    {"flags", MR_U8, 1, {3}, flags, sizeof flags},
};

static const char note[] = "quotes \", backslash \\, newline \n, umlaut \u00fc";

static mr_status add_sample(mr_tensors_writer *writer, const sample_array *sample) {
    return mr_tensors_writer_add(writer, sample->name, sample->dtype, sample->n_dims, sample->shape,
                                 sample->data);
}

static mr_status write_samples(const char *path) {
    mr_status status;
    mr_tensors_writer *writer = NULL;
    MR_TRY(mr_tensors_writer_new(&writer));
    MR_TRY(mr_tensors_writer_note(writer, "about", note));
    for (size_t i = 0; i < MR_COUNT(samples); i++)
        MR_TRY(add_sample(writer, &samples[i]));
    MR_TRY(mr_tensors_writer_write(writer, path));
done:
    mr_tensors_writer_free(writer);
    return status;
}

// Small elements before large ones: here the order of the data is not that of the header.
static mr_status write_backwards(const char *path) {
    mr_status status;
    mr_tensors_writer *writer = NULL;
    MR_TRY(mr_tensors_writer_new(&writer));
    for (size_t i = MR_COUNT(samples); i-- > 0;)
        MR_TRY(add_sample(writer, &samples[i]));
    MR_TRY(mr_tensors_writer_note(writer, "about", note));
    MR_TRY(mr_tensors_writer_write(writer, path));
done:
    mr_tensors_writer_free(writer);
    return status;
}

static void expect_message(const char *part) {
    cr_expect_not_null(strstr(mr_error_message(), part), "no '%s' in: %s", part,
                       mr_error_message());
}

static void expect_same_file(const char *path, const char *expected_path) {
    char *bytes = NULL, *expected = NULL;
    size_t n = 0, n_expected = 0;
    cr_assert_eq(mr_file_read(path, &bytes, &n), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_file_read(expected_path, &expected, &n_expected), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(n, n_expected);
    cr_expect_arr_eq(bytes, expected, n);
    free(bytes);
    free(expected);
}

static void expect_samples(const char *path) {
    mr_tensors *tensors = NULL;
    cr_assert_eq(mr_tensors_open(path, &tensors), MR_OK, "%s", mr_error_message());
    cr_expect_str_eq(mr_tensors_path(tensors), path);
    cr_expect_eq(mr_tensors_count(tensors), MR_COUNT(samples));
    cr_expect_str_eq(mr_tensors_note(tensors, "about"), note);
    for (size_t i = 0; i < MR_COUNT(samples); i++) {
        const sample_array *sample = &samples[i];
        const void *data = NULL;
        cr_expect_eq(mr_tensors_get(tensors, sample->name, sample->dtype, sample->n_dims,
                                    sample->shape, &data),
                     MR_OK, "%s", mr_error_message());
        cr_assert_not_null(data);
        if (sample->n_bytes > 0)
            cr_expect_arr_eq(data, sample->data, sample->n_bytes, "%s", sample->name);
    }
    mr_tensors_close(tensors);
}

// ---- Well-formed files

Test(tensors, come_back_as_they_were) {
    cr_assert_eq(write_samples("a.safetensors"), MR_OK, "%s", mr_error_message());
    expect_samples("a.safetensors");
}

Test(tensors, are_read_as_python_wrote_them) {
    expect_samples(MR_TEST_DATA "/tensors/python.safetensors");
}

Test(tensors, are_written_byte_for_byte_as_by_python) {
    cr_assert_eq(write_samples("a.safetensors"), MR_OK, "%s", mr_error_message());
    expect_same_file("a.safetensors", MR_TEST_DATA "/tensors/python.safetensors");
}

// The oracle script has Python open the recorded file.
Test(tensors, are_written_as_in_the_file_that_python_has_opened) {
    cr_assert_eq(write_backwards("a.safetensors"), MR_OK, "%s", mr_error_message());
    expect_same_file("a.safetensors", MR_TEST_DATA "/tensors/millrace.safetensors");
    expect_samples("a.safetensors");
}

Test(tensors, are_listed_in_the_order_of_addition) {
    mr_tensors *tensors = NULL;
    cr_assert_eq(write_backwards("a.safetensors"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_tensors_open("a.safetensors", &tensors), MR_OK, "%s", mr_error_message());
    for (size_t i = 0; i < MR_COUNT(samples); i++) {
        const sample_array *sample = &samples[MR_COUNT(samples) - 1 - i];
        const mr_tensor tensor = mr_tensors_at(tensors, i);
        cr_expect_str_eq(tensor.name, sample->name);
        cr_expect_eq(tensor.dtype, sample->dtype);
        cr_expect_eq(tensor.n_dims, sample->n_dims);
        cr_expect_eq(tensor.n_bytes, sample->n_bytes);
    }
    mr_tensors_close(tensors);
}

Test(tensors, may_be_none_at_all) {
    mr_tensors_writer *writer = NULL;
    mr_tensors *tensors = NULL;
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_tensors_writer_write(writer, "none.safetensors"), MR_OK);
    cr_assert_eq(mr_tensors_open("none.safetensors", &tensors), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_tensors_count(tensors), 0);
    cr_expect_null(mr_tensors_note(tensors, "about"));
    mr_tensors_close(tensors);
    mr_tensors_writer_free(writer);
}

Test(tensors, keep_the_last_of_two_notes) {
    mr_tensors_writer *writer = NULL;
    mr_tensors *tensors = NULL;
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_tensors_writer_note(writer, "task", "Hopper-v5"), MR_OK);
    cr_assert_eq(mr_tensors_writer_note(writer, "task", "Ant-v5"), MR_OK);
    cr_assert_eq(mr_tensors_writer_write(writer, "a.safetensors"), MR_OK);
    cr_assert_eq(mr_tensors_open("a.safetensors", &tensors), MR_OK, "%s", mr_error_message());
    cr_expect_str_eq(mr_tensors_note(tensors, "task"), "Ant-v5");
    cr_expect_null(mr_tensors_note(tensors, "policy"));
    mr_tensors_close(tensors);
    mr_tensors_writer_free(writer);
}

// Writes a file of a header as it is and `n_data` bytes 0, 1, 2, ...
static void write_raw(const char *path, uint64_t length, const char *header, size_t n_header,
                      size_t n_data) {
    unsigned char data[64];
    cr_assert_leq(n_data, sizeof data);
    for (size_t i = 0; i < n_data; i++)
        data[i] = (unsigned char)i;
    const mr_bytes parts[] = {{&length, sizeof length}, {header, n_header}, {data, n_data}};
    cr_assert_eq(mr_file_replace(path, MR_COUNT(parts), parts), MR_OK, "%s", mr_error_message());
}

// Python's writer pads and sorts, so that all is aligned; the format does not ask for it.
Test(tensors, are_aligned_where_the_file_is_not) {
    static const char header[] =
        "{\"bytes\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
        "\"numbers\":{\"dtype\":\"F64\",\"shape\":[2],"
        "\"data_offsets\":[3,19]}}  ";
    mr_tensors *tensors = NULL;
    const void *data = NULL;
    for (size_t n_spaces = 0; n_spaces < 2; n_spaces++) {
        const size_t n_header = sizeof header - 3 + n_spaces;
        write_raw("a.safetensors", n_header, header, n_header, 19);
        cr_assert_eq(mr_tensors_open("a.safetensors", &tensors), MR_OK, "%s", mr_error_message());
        cr_assert_eq(mr_tensors_get(tensors, "numbers", MR_F64, 1, (size_t[]){2}, &data), MR_OK);
        cr_expect_eq((uintptr_t)data % sizeof(double), 0);
        for (size_t i = 0; i < 2 * sizeof(double); i++)
            cr_expect_eq(((const unsigned char *)data)[i], 3 + i);
        mr_tensors_close(tensors);
    }
}

Test(tensors, accept_what_the_format_allows) {
    static const struct {
        const char *header;
        size_t n_data;
    } cases[] = {
        {"{}", 0},
        {"{}       ", 0},
        {"{\"__metadata__\":{}}", 0},
        {"{\"__metadata__\":{\"\":\"\"}}", 0},
        {"{\"\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,2],\"data_offsets\":[0,2]}}", 2},
        {"{\"a\":{\"data_offsets\":[0,2],\"shape\":[2],\"dtype\":\"U8\"}}", 2},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]},"
         "\"c\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}",
         4},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_tensors *tensors = NULL;
        const size_t n = strlen(cases[i].header);
        write_raw("a.safetensors", n, cases[i].header, n, cases[i].n_data);
        cr_expect_eq(mr_tensors_open("a.safetensors", &tensors), MR_OK, "%s: %s", cases[i].header,
                     mr_error_message());
        mr_tensors_close(tensors);
    }
}

// ---- Malformed files

static void expect_refused(const char *what, const char *message) {
    mr_tensors *tensors = NULL;
    cr_expect_eq(mr_tensors_open("a.safetensors", &tensors), MR_ERR_INPUT, "%s", what);
    cr_expect_null(tensors, "%s", what);
    expect_message("a.safetensors: ");
    expect_message(message);
}

// An entry "a" with all its parts.
#define ENTRY(dtype, shape, offsets)                                                               \
    "\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"

#define BYTES(name, start, end)                                                                    \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[" #start "," #end "]}"

Test(tensors, refuse_a_malformed_header) {
    static const struct {
        const char *header;
        size_t n_data;
        const char *message;
    } cases[] = {
        {"", 0, "its header does not start with '{'"},
        {" {}", 0, "its header does not start with '{'"},
        {"[]", 0, "its header does not start with '{'"},
        {"{", 0, "string or '}' expected"},
        {"{}x", 0, "end of file expected"},
        {"{\"a\":}", 0, "unexpected token"},
        {"{\"\xff\":1}", 0, "unable to decode byte 0xff"},
        {"{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, "\\u0000 is not allowed"},
        {"{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "duplicate object key"},
        {"{" ENTRY("\"U8\"", "[2]", "[0,2]") "," ENTRY("\"U8\"", "[2]", "[0,2]") "}", 2,
         "duplicate object key"},
        {"{\"__metadata__\":[]}", 0, "its __metadata__ is not an object"},
        {"{\"__metadata__\":null}", 0, "its __metadata__ is not an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ has a value that is not text"},
        {"{\"a\":1}", 0, "array 'a' has no dtype"},
        {"{\"a\":[]}", 0, "array 'a' has no dtype"},
        {"{\"a\":{}}", 0, "array 'a' has no dtype"},
        {"{" ENTRY("1", "[2]", "[0,2]") "}", 2, "array 'a' has no dtype"},
        {"{" ENTRY("\"BF16\"", "[1]", "[0,2]") "}", 2,
         "array 'a' holds BF16 numbers; only F32, F64, I64 and U8 can be read, so convert it"},
        {"{" ENTRY("\"u8\"", "[2]", "[0,2]") "}", 2, "array 'a' holds u8 numbers"},
        {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,2]}}", 2, "has no shape of whole numbers"},
        {"{" ENTRY("\"U8\"", "2", "[0,2]") "}", 2, "has no shape of whole numbers"},
        {"{" ENTRY("\"U8\"", "[2.0]", "[0,2]") "}", 2, "has no shape of whole numbers"},
        {"{" ENTRY("\"U8\"", "[\"2\"]", "[0,2]") "}", 2, "has no shape of whole numbers"},
        {"{" ENTRY("\"U8\"", "[-1,-2]", "[0,2]") "}", 2, "has no shape of whole numbers"},
        {"{" ENTRY("\"U8\"", "[99999999999999999999]", "[0,2]") "}", 2, "too big integer"},
        {"{" ENTRY("\"F32\"", "[2305843009213693952]", "[0,0]") "}", 0, "an impossible shape"},
        {"{" ENTRY("\"U8\"", "[4294967296,4294967296]", "[0,0]") "}", 0, "an impossible shape"},
        {"{" ENTRY("\"U8\"", "[4294967296,4294967296,0]", "[0,0]") "}", 0, "an impossible shape"},
        {"{" ENTRY("\"U8\"", "[3]", "[0,2]") "}", 2, "a shape that does not fit"},
        {"{" ENTRY("\"F32\"", "[2]", "[0,2]") "}", 2, "a shape that does not fit"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2]}}", 2, "has no data_offsets of two"},
        {"{" ENTRY("\"U8\"", "[2]", "2") "}", 2, "has no data_offsets of two"},
        {"{" ENTRY("\"U8\"", "[2]", "[0]") "}", 2, "has no data_offsets of two"},
        {"{" ENTRY("\"U8\"", "[2]", "[0,1,2]") "}", 2, "has no data_offsets of two"},
        {"{" ENTRY("\"U8\"", "[2]", "[0,2.0]") "}", 2, "has no data_offsets of two"},
        {"{" ENTRY("\"U8\"", "[2]", "[-2,0]") "}", 2, "has no data_offsets of two"},
        {"{" ENTRY("\"U8\"", "[2]", "[2,0]") "}", 2, "ends before it starts"},
        {"{" ENTRY("\"U8\"", "[2]", "[0,2]") "}", 1, "goes beyond the end of the file"},
        {"{" ENTRY("\"U8\"", "[2]", "[9223372036854775805,9223372036854775807]") "}", 2,
         "goes beyond the end of the file"},
        {"{" ENTRY("\"U8\"", "[0]", "[1,1]") "}", 0, "goes beyond the end of the file"},
        {"{" ENTRY("\"U8\"", "[2]", "[1,3]") "}", 3, "array 'a' comes after a gap"},
        {"{" BYTES("a", 0, 2) "," BYTES("b", 3, 5) "}", 5, "array 'b' comes after a gap"},
        {"{" BYTES("a", 1, 3) "," BYTES("b", 0, 2) "}", 3, "array 'a' overlaps another one"},
        {"{" BYTES("a", 0, 2) "," BYTES("b", 0, 2) "}", 2, "overlaps another one"},
        {"{" BYTES("b", 0, 2) "," ENTRY("\"U8\"", "[0]", "[1,1]") "}", 2, "overlaps another"},
        {"{" BYTES("a", 0, 2) "}", 3, "it has bytes that belong to no array"},
        {"{}", 1, "it has bytes that belong to no array"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        const size_t n = strlen(cases[i].header);
        write_raw("a.safetensors", n, cases[i].header, n, cases[i].n_data);
        expect_refused(cases[i].header, cases[i].message);
    }
}

Test(tensors, refuse_an_impossible_header_length) {
    static const struct {
        uint64_t length;
        const char *message;
    } cases[] = {
        {3, "it ends within its header"},
        {100000000, "it ends within its header"},
        {100000001, "its header would be over 100,000,000 bytes"},
        {UINT64_MAX - 7, "its header would be over 100,000,000 bytes"},
        {UINT64_MAX, "its header would be over 100,000,000 bytes"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        write_raw("a.safetensors", cases[i].length, "{}", 2, 0);
        expect_refused("length", cases[i].message);
    }
}

Test(tensors, refuse_json_that_is_nested_to_exhaust_the_stack) {
    static char header[100001] = "{\"a\":";
    memset(header + 5, '[', sizeof header - 6);
    write_raw("a.safetensors", sizeof header - 1, header, sizeof header - 1, 0);
    expect_refused("nested", "maximum parsing depth reached");
}

Test(tensors, refuse_a_file_cut_at_any_byte) {
    char *bytes = NULL;
    size_t n_bytes = 0;
    cr_assert_eq(write_samples("whole.safetensors"), MR_OK);
    cr_assert_eq(mr_file_read("whole.safetensors", &bytes, &n_bytes), MR_OK);
    for (size_t n = 0; n < n_bytes; n++) {
        cr_assert_eq(mr_file_replace("a.safetensors", 1, &(mr_bytes){bytes, n}), MR_OK);
        expect_refused("cut", n < 8 ? "it is shorter than 8 bytes" : "");
    }
    free(bytes);
}

// Some changed files are still good ones. What counts is that the sanitizers find nothing, and that
// what is opened can be used.
Test(tensors, survive_any_change_of_a_byte) {
    static const char values[] = {0, ' ', '"', '0', '9', '[', '}', (char)0x80, (char)0xff};
    char *bytes = NULL;
    size_t n_bytes = 0;
    cr_assert_eq(write_samples("whole.safetensors"), MR_OK);
    cr_assert_eq(mr_file_read("whole.safetensors", &bytes, &n_bytes), MR_OK);
    for (size_t i = 0; i < n_bytes; i++) {
        const char before = bytes[i];
        for (size_t k = 0; k < MR_COUNT(values); k++) {
            mr_tensors *tensors = NULL;
            bytes[i] = values[k];
            FILE *file =
                fopen("a.safetensors", "wb"); // mr_file_replace's fsync takes too long here
            cr_assert_eq(fwrite(bytes, 1, n_bytes, file), n_bytes);
            fclose(file);
            if (mr_tensors_open("a.safetensors", &tensors) != MR_OK)
                continue;
            size_t n_data = 0;
            for (size_t j = 0; j < mr_tensors_count(tensors); j++)
                n_data += mr_tensors_at(tensors, j).n_bytes;
            cr_expect_eq(n_data, 71); // the bytes of the samples, whatever they are now called
            mr_tensors_close(tensors);
        }
        bytes[i] = before;
    }
    free(bytes);
}

Test(tensors, name_a_file_that_cannot_be_read) {
    mr_tensors *tensors = NULL;
    cr_expect_eq(mr_tensors_open("none.safetensors", &tensors), MR_ERR_IO);
    expect_message("cannot read none.safetensors: No such file or directory; ");
    cr_expect_eq(mr_tensors_open(".", &tensors), MR_ERR_IO);
    expect_message("cannot read .: it is a directory; ");
    cr_expect_null(tensors);
}

// ---- Arrays that are not what is needed

Test(tensors, name_what_was_found_and_what_is_needed) {
    static const struct {
        const char *name;
        mr_dtype dtype;
        size_t n_dims;
        size_t shape[3];
        const char *message;
    } cases[] = {
        {"actor.weight", MR_F64, 2, {2, 3}, "'actor.weight' is F32 [2, 3], F64 [2, 3] is needed"},
        {"actor.weight", MR_F32, 2, {3, 2}, "is F32 [2, 3], F32 [3, 2] is needed"},
        {"actor.weight", MR_F32, 1, {6}, "is F32 [2, 3], F32 [6] is needed"},
        {"actor.weight", MR_F32, 3, {2, 3, 1}, "is F32 [2, 3], F32 [2, 3, 1] is needed"},
        {"scalar", MR_F32, 1, {1}, "'scalar' is F32 [], F32 [1] is needed"},
        {"actor.bias", MR_F32, 1, {3}, "no array 'actor.bias', F32 [3] is needed"},
        {"__metadata__", MR_F32, 1, {3}, "no array '__metadata__', F32 [3] is needed"},
    };
    mr_tensors *tensors = NULL;
    const void *data = NULL;
    cr_assert_eq(write_samples("a.safetensors"), MR_OK);
    cr_assert_eq(mr_tensors_open("a.safetensors", &tensors), MR_OK);
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        cr_expect_eq(mr_tensors_get(tensors, cases[i].name, cases[i].dtype, cases[i].n_dims,
                                    cases[i].shape, &data),
                     MR_ERR_INPUT);
        expect_message("a.safetensors: ");
        expect_message(cases[i].message);
    }
    cr_expect_null(data);
    mr_tensors_close(tensors);
}

Test(tensors, describe_a_shape_of_any_length) {
    static const size_t shape[1000];
    mr_tensors *tensors = NULL;
    const void *data = NULL;
    cr_assert_eq(write_samples("a.safetensors"), MR_OK);
    cr_assert_eq(mr_tensors_open("a.safetensors", &tensors), MR_OK);
    for (size_t n = 0; n < MR_COUNT(shape); n++)
        cr_expect_eq(mr_tensors_get(tensors, "steps", MR_U8, n, shape, &data), MR_ERR_INPUT);
    mr_tensors_close(tensors);
}

// ---- Files that cannot be written

Test(tensors, refuse_to_be_added_where_a_file_cannot_hold_them) {
    static const struct {
        const char *name;
        size_t shape[2];
        const char *message;
    } cases[] = {
        {"flags", {3, 1}, "two arrays of one file are called 'flags'"},
        {"__metadata__", {3, 1}, "an array cannot be called __metadata__"},
        {"\xff", {3, 1}, "is not UTF-8 text"},
        {"large", {SIZE_MAX, 1}, "the array 'large' is too large"},
        {"large", {(size_t)1 << 32, (size_t)1 << 32}, "the array 'large' is too large"},
    };
    mr_tensors_writer *writer = NULL;
    mr_tensors *tensors = NULL;
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_tensors_writer_add(writer, "flags", MR_U8, 1, (size_t[]){3}, flags), MR_OK);
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        cr_expect_eq(mr_tensors_writer_add(writer, cases[i].name, MR_U8, 2, cases[i].shape, flags),
                     MR_ERR_INPUT);
        expect_message(cases[i].message);
    }
    cr_expect_eq(mr_tensors_writer_note(writer, "\xff", "value"), MR_ERR_INPUT);
    expect_message("the metadata key '\xff' is not UTF-8 text");
    cr_expect_eq(mr_tensors_writer_note(writer, "key", "\xff"), MR_ERR_INPUT);
    expect_message("the metadata value '\xff' is not UTF-8 text");

    cr_assert_eq(mr_tensors_writer_write(writer, "a.safetensors"), MR_OK);
    cr_assert_eq(mr_tensors_open("a.safetensors", &tensors), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_tensors_count(tensors), 1, "what was refused left no trace");
    mr_tensors_close(tensors);
    mr_tensors_writer_free(writer);
}

Test(tensors, leave_the_old_file_when_there_is_no_room) {
    struct rlimit limit;
    cr_assert_eq(write_backwards("a.safetensors"), MR_OK);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    // 519 bytes are the whole file: each part of it meets the limit once.
    for (rlim_t n = 0; n < 519; n++) {
        limit.rlim_cur = n;
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        cr_expect_eq(write_samples("a.safetensors"), MR_ERR_IO);
        expect_message("cannot write a.safetensors: File too large; ");
    }
    expect_same_file("a.safetensors", MR_TEST_DATA "/tensors/millrace.safetensors");
    cr_expect_neq(access("a.safetensors.millrace-tmp", F_OK), 0);
}

Test(tensors, name_a_folder_that_cannot_be_written_to) {
    cr_expect_eq(write_samples("none/a.safetensors"), MR_ERR_IO);
    expect_message("cannot write none/a.safetensors: No such file or directory; ");
}

// ---- Jansson's memory runs out

static int n_allocations_left;

static void *allocate(size_t n_bytes) {
    return n_allocations_left-- > 0 ? malloc(n_bytes) : NULL;
}

static mr_status open_samples(const char *path) {
    mr_tensors *tensors = NULL;
    const mr_status status = mr_tensors_open(path, &tensors);
    mr_tensors_close(tensors);
    return status;
}

// Lets the first allocation fail, then the second, and so on to the first run that needs no more.
// `other` is a status that is right as well.
static void expect_memory_failures(mr_status (*run)(const char *path), const char *path,
                                   mr_status other) {
    mr_status status = MR_ERR_MEMORY;
    json_set_alloc_funcs(allocate, free); // the host's
    mr_json_take_memory();
    for (int n = 0; status != MR_OK; n++) {
        cr_assert_lt(n, 1000);
        n_allocations_left = n;
        status = run(path);
        cr_expect(status == MR_OK || status == MR_ERR_MEMORY || status == other, "after %d: %s", n,
                  mr_error_message());
    }
    json_set_alloc_funcs(malloc, free);
}

Test(tensors, report_each_allocation_that_fails) {
    expect_memory_failures(write_samples, "a.safetensors", MR_ERR_MEMORY);
    expect_same_file("a.safetensors", MR_TEST_DATA "/tensors/python.safetensors");
    // Where its parser finds no room for a text, jansson calls the text missing.
    expect_memory_failures(open_samples, "a.safetensors", MR_ERR_INPUT);
}
