// Images from every source, against pixels that NumPy and Pillow have recorded
// (tests/oracle/images_numpy.py).

#include "base/images.h"

#include "base/file.h"
#include "base/matrix_file.h"
#include "base/path.h"
#include "base/picture.h"
#include "tests/scratch.h"

TestSuite(images, .init = scratch_enter, .fini = scratch_leave);

#define DATA(name) MR_TEST_DATA "/images/" name

static mr_images open_images(const char *path, const mr_images_options *options) {
    mr_images images = {0};
    cr_assert_eq(mr_images_open(path, options, &images), MR_OK, "%s", mr_error_message());
    return images;
}

static void expect_pixels(const mr_images *images, const char *expected_path) {
    mr_matrix expected = {0};
    const size_t dim = mr_images_dim(images);
    cr_assert_eq(mr_matrix_read(expected_path, &expected), MR_OK, "%s", mr_error_message());
    cr_assert_eq(expected.n_rows, images->n * dim);
    unsigned char *pixels = calloc(images->n, dim);
    for (size_t i = images->n; i-- > 0;) // in any order
        cr_assert_eq(mr_images_get(images, i, 1, pixels + i * dim), MR_OK);
    for (size_t k = 0; k < images->n * dim; k++)
        cr_assert_eq((double)pixels[k], expected.values[k], "number %zu is %d, not %g", k,
                     pixels[k], expected.values[k]);
    free(pixels);
    mr_matrix_free(&expected);
}

static void expect_images(const char *path, const char *expected, size_t n, size_t channels,
                          size_t height, size_t width) {
    mr_images images = open_images(path, &(mr_images_options){0});
    cr_expect_eq(images.n, n, "%s", path);
    cr_expect_eq(images.channels, channels, "%s", path);
    cr_expect_eq(images.height, height, "%s", path);
    cr_expect_eq(images.width, width, "%s", path);
    expect_pixels(&images, expected);
    mr_images_free(&images);
}

static void expect_failure(const char *path, const mr_images_options *options, mr_status expected,
                           const char *part) {
    mr_images images = {.n = 77};
    cr_expect_eq(mr_images_open(path, options, &images), expected, "%s: %s", path, part);
    cr_expect_eq(images.n, 77, "the result of a failure is touched");
    scratch_expect_message(part);
}

Test(images, come_from_arrays) {
    expect_images(DATA("grey.npy"), DATA("grey_expected.npy"), 3, 1, 4, 5);
    expect_images(DATA("grey_int64.npy"), DATA("grey_expected.npy"), 3, 1, 4, 5);
    expect_images(DATA("fractions.npy"), DATA("grey_expected.npy"), 3, 1, 4, 5);
    expect_images(DATA("colour.npy"), DATA("colour_expected.npy"), 2, 3, 4, 5);
    expect_images(DATA("t-images-idx3-ubyte"), DATA("grey_expected.npy"), 3, 1, 4, 5);
    expect_images(DATA("t-images-idx3-ubyte.gz"), DATA("grey_expected.npy"), 3, 1, 4, 5);
    expect_images(DATA("floats-idx3"), DATA("grey_expected.npy"), 3, 1, 4, 5);
    expect_images(DATA("cifar.bin"), DATA("cifar_expected.npy"), 2, 3, 32, 32);
}

// The file of two images as batches of a folder.
static void write_batch(const char *path, size_t n_missing) {
    char *bytes;
    size_t n_bytes;
    cr_assert_eq(mr_file_read(DATA("cifar.bin"), &bytes, &n_bytes), MR_OK);
    cr_assert_eq(mr_file_replace(path, 1, &(mr_bytes){bytes, n_bytes - n_missing}), MR_OK);
    free(bytes);
}

Test(images, of_cifar_10_are_whole_or_refused) {
    cr_assert_eq(mr_make_directories("c"), MR_OK);
    write_batch("c/data_batch_1.bin", 0);
    write_batch("c/data_batch_2.bin", 0);
    mr_images images = open_images("c", &(mr_images_options){0});
    cr_expect_eq(images.n, 4);
    mr_images_free(&images);
    write_batch("c/data_batch_2.bin", 5);
    expect_failure("c", &(mr_images_options){0}, MR_ERR_INPUT,
                   "c/data_batch_2.bin: its 6141 bytes are no whole images of CIFAR-10");
    cr_assert_eq(rename("c/data_batch_2.bin", "c/data_batch_3.bin"), 0);
    expect_failure("c", &(mr_images_options){0}, MR_ERR_IO, "cannot read c/data_batch_2.bin");
}

Test(images, say_that_fractions_were_rounded) {
    mr_images images = open_images(DATA("fractions.npy"), &(mr_images_options){0});
    cr_expect(images.has_fractions);
    mr_images_free(&images);
    images = open_images(DATA("grey.npy"), &(mr_images_options){0});
    cr_expect_not(images.has_fractions);
    mr_images_free(&images);
}

Test(images, come_from_folders_whose_subfolders_are_classes) {
    mr_images images = open_images(DATA("classes"), &(mr_images_options){0});
    cr_assert_eq(images.n, 4);
    expect_pixels(&images, DATA("classes_expected.npy"));
    cr_assert_eq(images.n_classes, 2);
    cr_expect_str_eq(images.classes[0], "a");
    cr_expect_str_eq(images.classes[1], "b");
    cr_expect_eq(images.label[1], 0);
    cr_expect_eq(images.label[2], 1);
    mr_images_free(&images);
}

Test(images, stay_in_a_file_if_they_are_large) {
    const mr_images_options small = {.max_bytes = 30};
    static const struct {
        const char *path, *expected;
    } cases[] = {{DATA("grey.npy"), DATA("grey_expected.npy")}, // where it is
                 {DATA("t-images-idx3-ubyte"), DATA("grey_expected.npy")},
                 {DATA("t-images-idx3-ubyte.gz"), DATA("grey_expected.npy")},
                 {DATA("colour.npy"), DATA("colour_expected.npy")}};
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_images images = open_images(cases[i].path, &small);
        cr_expect_null(images.pixels, "%s", cases[i].path);
        expect_pixels(&images, cases[i].expected);
        mr_images_free(&images);
    }
}

static void expect_labels(const char *path, const char *labels) {
    mr_images images = open_images(path, &(mr_images_options){.labels = labels});
    cr_assert_eq(images.n_classes, 2, "%s, %s", path, labels);
    cr_expect_str_eq(images.classes[0], "2");
    cr_expect_str_eq(images.classes[1], "7");
    cr_expect_eq(images.label[0], 1);
    cr_expect_eq(images.label[1], 0);
    cr_expect_eq(images.label[2], 1);
    mr_images_free(&images);
}

Test(images, have_labels_from_files) {
    scratch_write("labels.csv", "7\n2\n7\n");
    expect_labels(DATA("grey.npy"), DATA("labels.npy"));
    expect_labels(DATA("grey.npy"), DATA("t-labels-idx1-ubyte.gz"));
    expect_labels(DATA("grey.npy"), "labels.csv");
    expect_labels(DATA("t-images-idx3-ubyte"), NULL); // those beside it
    expect_labels(DATA("t-images-idx3-ubyte.gz"), NULL);
    mr_images images = open_images(DATA("cifar.bin"), &(mr_images_options){0});
    cr_assert_eq(images.n_classes, 10);
    cr_expect_str_eq(images.classes[images.label[0]], "cat");
    cr_expect_str_eq(images.classes[images.label[1]], "truck");
    mr_images_free(&images);
}

Test(images, are_refused_in_one_line_if_labels_do_not_match) {
    scratch_write("two.csv", "1\n2\n");
    scratch_write("half.csv", "1\n2\n1.5\n");
    scratch_write("wide.csv", "1,2\n1,2\n1,2\n");
    const char *path = DATA("grey.npy");
    expect_failure(path, &(mr_images_options){.labels = "two.csv"}, MR_ERR_INPUT,
                   "two.csv: holds 2 labels for 3 images");
    expect_failure(path, &(mr_images_options){.labels = "half.csv"}, MR_ERR_INPUT,
                   "half.csv: label 3 is 1.5");
    expect_failure(path, &(mr_images_options){.labels = "wide.csv"}, MR_ERR_INPUT,
                   "labels are one column");
}

// Bytes that belong to no part of the file, after its first: APP0 is 18 bytes from place 2 on.
Test(images, may_have_bytes_between_the_parts_of_a_jpeg_file) {
    enum { PLACE = 20, N_DAMAGED = 40 };
    char *bytes, *more;
    size_t n_bytes;
    cr_assert_eq(mr_file_read(DATA("classes/b/3.jpg"), &bytes, &n_bytes), MR_OK);
    more = malloc(n_bytes + N_DAMAGED);
    cr_assert_not_null(more);
    memcpy(more, bytes, PLACE);
    memset(more + PLACE, 0, 3);
    memcpy(more + PLACE + 3, bytes + PLACE, n_bytes - PLACE);
    cr_assert_eq(mr_file_replace("x.jpg", 1, &(mr_bytes){more, n_bytes + 3}), MR_OK);
    mr_images images = open_images("x.jpg", &(mr_images_options){0});
    mr_images same = open_images(DATA("classes/b/3.jpg"), &(mr_images_options){0});
    cr_expect_arr_eq(images.pixels, same.pixels, mr_images_dim(&same));
    mr_images_free(&images);
    mr_images_free(&same);
    // Among the pixels they are a sign of damage, and the only one.
    memcpy(more, bytes, n_bytes - 6);
    memset(more + n_bytes - 6, 0, N_DAMAGED);
    memcpy(more + n_bytes - 6 + N_DAMAGED, bytes + n_bytes - 6, 6);
    cr_assert_eq(mr_file_replace("x.jpg", 1, &(mr_bytes){more, n_bytes + N_DAMAGED}), MR_OK);
    expect_failure("x.jpg", &(mr_images_options){0}, MR_ERR_INPUT, "extraneous bytes");
    free(bytes);
    free(more);
}

Test(images, are_named_if_they_are_bad) {
    const mr_images_options none = {0};
    cr_assert_eq(mr_make_directories("empty/inner"), MR_OK);
    expect_failure("empty", &none, MR_ERR_INPUT, "empty: holds no .png or .jpg files");
    expect_failure("missing.png", &none, MR_ERR_IO, "missing.png");
    expect_failure(DATA("deep"), &none, MR_ERR_INPUT, "sixteen.png: has 16 bits a channel");
    expect_failure(DATA("mixed"), &none, MR_ERR_INPUT, "cut.jpg: is no whole JPEG file");
    expect_failure(DATA("mixed/cut.png"), &none, MR_ERR_INPUT, "cut.png: is no whole .png");
    expect_failure(DATA("sixteen.npy"), &none, MR_ERR_INPUT,
                   "sixteen.npy: image 1: row 1, column 1 is ");
    expect_failure(DATA("wide_range.npy"), &none, MR_ERR_INPUT, "pixels are numbers from 0 to 1");
    expect_failure(DATA("cut-images-idx3-ubyte"), &none, MR_ERR_IO, "ends in image 3 of 3");
    scratch_write("text.png", "hello");
    expect_failure("text.png", &none, MR_ERR_INPUT, "text.png: is neither a PNG nor a JPEG file");
    scratch_write("short.gz", "\x1f\x8b\x08");
    expect_failure("short.gz", &none, MR_ERR_INPUT, "short.gz: its gzip data is damaged");
}

Test(images, are_skipped_on_request_and_counted) {
    mr_images images = open_images(DATA("mixed"), &(mr_images_options){.skips_bad = true});
    cr_expect_eq(images.n, 2);
    cr_expect_eq(images.n_skipped, 2);
    scratch_expect_part(images.skipped, "cut.jpg");
    mr_images_free(&images);
    expect_failure(DATA("deep"), &(mr_images_options){.skips_bad = true}, MR_ERR_INPUT,
                   "sixteen.png: has 16 bits a channel");
}

// Two images of 2x4 and 4x8: the second's 2x2 blocks have the means of the first's pixels.
static void write_sizes(void) {
    static unsigned char small[] = {0, 40, 80, 120, 160, 200, 240, 20}, large[32];
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 8; j++)
            large[i * 8 + j] = (unsigned char)(small[i / 2 * 4 + j / 2] +
                                               ((i + j) % 2 == 0 ? 5 : -5) * (small[0] + 1) *
                                                   (small[i / 2 * 4 + j / 2] > 0));
    cr_assert_eq(mr_make_directories("sizes"), MR_OK);
    cr_assert_eq(mr_picture_write("sizes/a.png", &(mr_picture){1, 2, 4, small, 8}), MR_OK);
    cr_assert_eq(mr_picture_write("sizes/b.png", &(mr_picture){1, 4, 8, large, 32}), MR_OK);
}

Test(images, of_other_sizes_are_refused_or_resized) {
    write_sizes();
    expect_failure("sizes", &(mr_images_options){0}, MR_ERR_INPUT,
                   "sizes/b.png: has 8x4 pixels, the first image 4x2");
    mr_images images = open_images("sizes", &(mr_images_options){.height = 2, .width = 4});
    cr_assert_eq(images.n, 2);
    cr_expect_arr_eq(images.pixels, images.pixels + 8, 8);
    mr_images_free(&images);
    // A square of a wide picture is its middle.
    images = open_images("sizes/a.png", &(mr_images_options){.height = 2, .width = 2});
    cr_expect_arr_eq(images.pixels, ((unsigned char[]){40, 80, 200, 240}), 4);
    mr_images_free(&images);
}

Test(images, of_a_data_set_that_is_not_installed_name_its_package) {
    if (access("/usr/share/datasets/fashion-mnist", F_OK) == 0)
        return;
    expect_failure("fashion-mnist", &(mr_images_options){0}, MR_ERR_IO,
                   "install Debian's package dataset-fashion-mnist");
}

Test(images, are_told_from_tables) {
    static const char *const sources[] = {DATA("grey.npy"),  DATA("t-images-idx3-ubyte.gz"),
                                          DATA("classes"),   DATA("classes/a/2.png"),
                                          DATA("cifar.bin"), "fashion-mnist"};
    static const char *const others[] = {DATA("labels.npy"), DATA("t-labels-idx1-ubyte"),
                                         "missing.csv", MR_TEST_DATA "/images/missing"};
    for (size_t i = 0; i < MR_COUNT(sources); i++)
        cr_expect(mr_images_is_source(sources[i]), "%s", sources[i]);
    for (size_t i = 0; i < MR_COUNT(others); i++)
        cr_expect_not(mr_images_is_source(others[i]), "%s", others[i]);
}

Test(images, that_are_written_read_back) {
    mr_images images = open_images(DATA("colour.npy"), &(mr_images_options){0});
    cr_assert_eq(mr_images_write("copy.npy", 2, 3, 4, 5, images.pixels), MR_OK);
    expect_images("copy.npy", DATA("colour_expected.npy"), 2, 3, 4, 5);
    cr_assert_eq(mr_picture_write("copy.png", &(mr_picture){3, 4, 5, images.pixels, 60}), MR_OK);
    mr_images one = open_images("copy.png", &(mr_images_options){0});
    cr_expect_arr_eq(one.pixels, images.pixels, 60);
    mr_images_free(&one);
    mr_images_free(&images);
}

Test(images, make_grids_with_lines_between_them) {
    static const unsigned char pixels[] = {1, 2, 3}; // three images of one pixel
    mr_picture grid = {0};
    cr_assert_eq(mr_picture_grid(3, 1, 1, 1, pixels, 0, 1, &grid), MR_OK);
    cr_assert_eq(grid.height, 3);
    cr_assert_eq(grid.width, 3);
    cr_expect_arr_eq(grid.pixels, ((unsigned char[]){1, 255, 2, 255, 255, 255, 3, 255, 255}), 9);
    mr_picture_free(&grid);
}

// Two images of 1 x 2 pixels, twice as large.
Test(images, make_grids_of_magnified_images) {
    static const unsigned char pixels[] = {1, 2, 3, 4};
    static const unsigned char expected[] = {1, 1, 2, 2, 255, 3, 3, 4, 4, //
                                             1, 1, 2, 2, 255, 3, 3, 4, 4};
    mr_picture grid = {0};
    cr_assert_eq(mr_picture_grid(2, 1, 1, 2, pixels, 2, 2, &grid), MR_OK);
    cr_assert_eq(grid.height, 2);
    cr_assert_eq(grid.width, 9);
    cr_expect_arr_eq(grid.pixels, expected, sizeof expected);
    mr_picture_free(&grid);
}
