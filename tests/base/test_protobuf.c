#include "base/protobuf.h"

#include <string.h>

#include <criterion/criterion.h>

TestSuite(protobuf);

static void expect_bytes(mr_message *message, size_t n, const unsigned char *expected) {
    cr_assert_not(message->failed);
    cr_assert_eq(message->n_bytes, n);
    cr_expect_arr_eq(message->bytes, expected, n);
    mr_message_free(message);
}

// These bytes are those of protobuf.dev/programming-guides/encoding.
Test(protobuf, has_the_bytes_of_the_format_s_own_examples) {
    mr_message m = {0}, inner = {0};
    mr_message_add_integer(&m, 1, 150);
    expect_bytes(&m, 3, (const unsigned char[]){0x08, 0x96, 0x01});
    mr_message_add_text(&m, 2, "testing");
    expect_bytes(&m, 9, (const unsigned char[]){0x12, 7, 't', 'e', 's', 't', 'i', 'n', 'g'});
    mr_message_add_integer(&inner, 1, 150);
    mr_message_add_message(&m, 3, &inner);
    expect_bytes(&m, 5, (const unsigned char[]){0x1a, 0x03, 0x08, 0x96, 0x01});
    mr_message_add_integer(&m, 1, -2);
    expect_bytes(
        &m, 11,
        (const unsigned char[]){0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01});
}

Test(protobuf, writes_zero_empty_fields_and_fields_above_15) {
    mr_message m = {0}, inner = {0};
    mr_message_add_integer(&m, 16, 0); // key 16 << 3 = 128, in two bytes
    mr_message_add_text(&m, 1, "");
    mr_message_add_message(&m, 2, &inner);
    expect_bytes(&m, 7, (const unsigned char[]){0x80, 0x01, 0x00, 0x0a, 0x00, 0x12, 0x00});
}

Test(protobuf, grows_to_whatever_is_added) {
    enum { N = 1000, SIZE = 300 };
    unsigned char bytes[SIZE];
    mr_message m = {0};
    for (size_t i = 0; i < N; i++) {
        memset(bytes, (int)(i % 256), SIZE);
        mr_message_add_bytes(&m, 1, bytes, SIZE);
    }
    cr_assert_eq(m.n_bytes, N * (3 + SIZE)); // a length of 300 takes two bytes
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(m.bytes[i * (3 + SIZE) + 3 + i % SIZE], i % 256);
    mr_message_free(&m);
}
