// The messages of the bridge: what is written is read again, and nothing that is malformed gets in.

#include "envs/zmq/message.h"

#include <msgpack.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/random.h"

static mr_message_reader *reader;
static mr_message_buffer buffer;
static mr_message_head head;
static mr_message got;

static void begin(void) {
    cr_assert_eq(mr_message_reader_new(&reader), MR_OK);
}

static void end(void) {
    mr_message_reader_free(reader);
    mr_message_buffer_free(&buffer);
}

TestSuite(message, .init = begin, .fini = end);

static const uint64_t envs[] = {3, 0};
static const mr_message_seed seeds[] = {{true, UINT64_MAX}, {false, 0}};
static const double numbers[] = {1.5, -2, 3, 0x1p-1074};
static const bool flags[] = {true, false};
static const mr_message_info info[] = {{"x_position", numbers, 2}};

#define BYTES(n)                                                                                   \
    { numbers, (n) * sizeof(double) }
#define HEAD(kind) .type = MR_MESSAGE_##kind, .session = "0123456789abcde", .seq = 0x123456789a

static const mr_message messages[] = {
    {HEAD(HELLO), .client = "millrace 0.1.0", .process = "host:1:2:0:0"},
    {HEAD(RESET), .n = 2, .envs = envs, .n_seeds = 2, .seeds = seeds},
    {HEAD(STEP), .n = 2, .envs = envs, .actions = BYTES(4)},
    {HEAD(RENDER), .env = 1, .width = 640, .height = 480},
    {HEAD(PING)},
    {HEAD(ACT), .n = 2, .obs = BYTES(2), .stochastic = true},
    {HEAD(BYE)},
    {HEAD(SPEC), .name = "Hopper-v5", .server = "millrace", .engine = "MuJoCo", .num_envs = 4,
     .obs_dim = 11, .act_dim = 1, .obs_dtype = "f8", .act_low = {numbers + 1, 8},
     .act_high = {numbers, 8}, .max_episode_steps = 1000, .lease_s = 0.5},
    {HEAD(STATE), .obs = BYTES(4)},
    {HEAD(TRANSITION), .n = 2, .obs = BYTES(4), .reward = BYTES(2), .terminated = flags,
     .n_truncated = 2, .truncated = flags, .n_info = 1, .info = info},
    {HEAD(FRAME), .rgb = BYTES(3)},
    {HEAD(PONG)},
    {HEAD(POLICY), .name = "Hopper-v5", .server = "millrace", .obs_dim = 11, .act_dim = 1,
     .act_low = {numbers + 1, 8}, .act_high = {numbers, 8}},
    {HEAD(ACTION), .actions = BYTES(3)},
    {HEAD(ERROR), .code = MR_FAULT_NEEDS_RESET, .message = "environment 3: reset it",
     .fatal = true},
};

static mr_status write_and_read(const mr_message *message) {
    cr_assert_eq(mr_message_write(message, &buffer), MR_OK);
    return mr_message_read(reader, buffer.data, buffer.n_bytes, &head, &got);
}

static void expect_same_bytes(mr_bytes a, mr_bytes b) {
    cr_expect_eq(a.n_bytes, b.n_bytes);
    cr_expect(a.n_bytes == 0 || memcmp(a.data, b.data, a.n_bytes) == 0);
}

Test(message, reads_what_it_wrote) {
    for (size_t i = 0; i < MR_COUNT(messages); i++) {
        const mr_message *m = &messages[i];
        cr_assert_eq(write_and_read(m), MR_OK, "message %zu: %s", i, mr_error_message());
        cr_expect_eq(got.type, m->type);
        cr_expect_eq(memcmp(got.session, m->session, sizeof m->session), 0);
        cr_expect_eq(got.seq, m->seq);
        cr_expect_str_eq(got.client, m->client);
        cr_expect_str_eq(got.process, m->process);
        cr_expect_str_eq(got.name, m->name);
        cr_expect_str_eq(got.engine, m->engine);
        cr_expect_str_eq(got.obs_dtype, m->obs_dtype);
        cr_expect_str_eq(got.message, m->message);
        cr_expect_eq(got.lease_s, m->lease_s);
        cr_expect_eq(got.code, m->code);
        cr_expect_eq(got.fatal, m->fatal);
        cr_expect_eq(got.stochastic, m->stochastic);
        cr_expect_eq(got.width * got.height, m->width * m->height);
        cr_expect_eq(got.n, m->n);
        cr_assert_eq(got.n_info, m->n_info);
        for (size_t k = 0; k < m->n_info; k++) {
            cr_expect_str_eq(got.info[k].name, m->info[k].name);
            cr_assert_eq(got.info[k].n_values, m->n);
            cr_expect_eq(memcmp(got.info[k].values, numbers, m->n * sizeof *numbers), 0);
        }
        expect_same_bytes(got.obs, m->obs);
        expect_same_bytes(got.reward, m->reward);
        expect_same_bytes(got.actions, m->actions);
        expect_same_bytes(got.act_high, m->act_high);
        for (size_t k = 0; k < m->n; k++) {
            cr_expect(m->envs == NULL || got.envs[k] == envs[k]);
            cr_expect(m->seeds == NULL || (got.seeds[k].given == seeds[k].given &&
                                           got.seeds[k].value == seeds[k].value));
            cr_expect(m->truncated == NULL ||
                      (got.truncated[k] == flags[k] && got.terminated[k] == flags[k]));
        }
    }
}

Test(message, refuses_every_cut_and_every_tail) {
    for (size_t i = 0; i < MR_COUNT(messages); i++) {
        cr_assert_eq(mr_message_write(&messages[i], &buffer), MR_OK);
        for (size_t n = 0; n < buffer.n_bytes; n++)
            cr_expect_eq(mr_message_read(reader, buffer.data, n, &head, &got), MR_ERR_INPUT);
        char *longer = malloc(buffer.n_bytes + 1);
        memcpy(longer, buffer.data, buffer.n_bytes);
        longer[buffer.n_bytes] = 0;
        cr_expect_eq(mr_message_read(reader, longer, buffer.n_bytes + 1, &head, &got),
                     MR_ERR_INPUT);
        free(longer);
    }
}

// Whatever comes of it, the reader survives (address sanitizer), and what it takes is in bounds.
Test(message, survives_every_changed_byte) {
    for (size_t i = 0; i < MR_COUNT(messages); i++) {
        cr_assert_eq(mr_message_write(&messages[i], &buffer), MR_OK);
        for (size_t k = 0; k < buffer.n_bytes; k++)
            for (int value = 0; value < 256; value++) {
                const char kept = buffer.data[k];
                buffer.data[k] = (char)value;
                if (mr_message_read(reader, buffer.data, buffer.n_bytes, &head, &got) == MR_OK)
                    cr_expect_leq(got.n, got.type == MR_MESSAGE_ACT ? MR_MESSAGE_MAX_BYTES
                                                                    : MR_MESSAGE_MAX_ENVS);
                buffer.data[k] = kept;
            }
    }
}

Test(message, takes_no_memory_for_what_headers_promise) {
    static const uint8_t arrays[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t map[] = {0xdf, 0x00, 0xff, 0xff, 0xff, 0xc0};
    uint8_t deep[1000];
    memset(deep, 0x91, sizeof deep);
    cr_expect_eq(mr_message_read(reader, arrays, sizeof arrays, &head, &got), MR_ERR_INPUT);
    cr_expect_eq(mr_message_read(reader, map, sizeof map, &head, &got), MR_ERR_INPUT);
    cr_expect_eq(mr_message_read(reader, deep, sizeof deep, &head, &got), MR_ERR_INPUT);
}

// ---- By hand, as a peer in another language may write them

typedef struct {
    msgpack_sbuffer bytes;
    msgpack_packer packer;
} hand;

static void hand_text(hand *h, const char *text) {
    msgpack_pack_str_with_body(&h->packer, text, strlen(text));
}

static void hand_begin(hand *h, size_t n_fields, const char *type, int version) {
    msgpack_sbuffer_init(&h->bytes);
    msgpack_packer_init(&h->packer, &h->bytes, msgpack_sbuffer_write);
    msgpack_pack_map(&h->packer, 4 + n_fields);
    hand_text(h, "seq");
    msgpack_pack_int(&h->packer, 7);
    hand_text(h, "type");
    hand_text(h, type);
    hand_text(h, "v");
    msgpack_pack_int(&h->packer, version);
    hand_text(h, "session");
    msgpack_pack_bin_with_body(&h->packer, "0123456789abcdef", 16);
}

static mr_status hand_read(hand *h) {
    const mr_status status = mr_message_read(reader, h->bytes.data, h->bytes.size, &head, &got);
    msgpack_sbuffer_destroy(&h->bytes);
    return status;
}

Test(message, passes_over_unknown_keys) {
    hand h;
    hand_begin(&h, 2, "ping", 1);
    msgpack_pack_nil(&h.packer); // not even a text
    msgpack_pack_array(&h.packer, 1);
    msgpack_pack_float(&h.packer, 1);
    hand_text(&h, "more");
    msgpack_pack_nil(&h.packer);
    cr_expect_eq(hand_read(&h), MR_OK, "%s", mr_error_message());
    cr_expect_eq(got.type, MR_MESSAGE_PING);
}

Test(message, tells_what_can_be_answered_from_what_can_not) {
    hand h;
    hand_begin(&h, 0, "ping", 2);
    cr_expect_eq(hand_read(&h), MR_ERR_INPUT);
    cr_expect(head.is_addressed);
    cr_expect_eq(head.fault, MR_FAULT_BAD_VERSION);
    hand_begin(&h, 0, "dance", 1);
    cr_expect_eq(hand_read(&h), MR_ERR_INPUT);
    cr_expect(head.is_addressed);
    cr_expect_eq(head.fault, MR_FAULT_BAD_MESSAGE);
    cr_expect_eq(got.seq, 7);
    cr_expect_eq(mr_message_read(reader, "\x80", 1, &head, &got), MR_ERR_INPUT);
    cr_expect_not(head.is_addressed);
}

Test(message, names_the_field_at_fault) {
    hand h;
    hand_begin(&h, 2, "reset", 1);
    hand_text(&h, "envs");
    msgpack_pack_array(&h.packer, 1);
    msgpack_pack_int(&h.packer, 0);
    hand_text(&h, "seeds");
    msgpack_pack_array(&h.packer, 1);
    msgpack_pack_int(&h.packer, -1);
    cr_expect_eq(hand_read(&h), MR_ERR_INPUT);
    cr_expect_not_null(strstr(mr_error_message(), "'seeds'"));
    hand_begin(&h, 0, "step", 1);
    cr_expect_eq(hand_read(&h), MR_ERR_INPUT);
    cr_expect_not_null(strstr(mr_error_message(), "'envs' is missing from 'step'"));
}

Test(message, makes_texts_fit_to_print) {
    hand h;
    hand_begin(&h, 1, "hello", 1);
    hand_text(&h, "client");
    hand_text(&h, "a\033[2J\nb\xff");
    cr_expect_eq(hand_read(&h), MR_OK);
    cr_expect_str_eq(got.client, "a [2J b?");
    char text[2 * MR_MESSAGE_TEXT_SIZE];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[sizeof text - 1] = text[sizeof text - 2] = '\0';
    hand_begin(&h, 1, "hello", 1);
    hand_text(&h, "client");
    hand_text(&h, text);
    cr_expect_eq(hand_read(&h), MR_OK);
    cr_expect_eq(strlen(got.client), MR_MESSAGE_TEXT_SIZE - 2); // whole characters
    cr_expect_null(strchr(got.client, '?'));
}

// Bytes of a file's name, or a character at the end of the room: neither may make the message one
// that peers in other languages can't decode.
Test(message, carries_errors_as_whole_characters) {
    const mr_message asked = {HEAD(STEP)};
    char text[MR_MESSAGE_TEXT_SIZE + 8];
    mr_fail(MR_ERR_IO, "cannot open caf\xe9.xml");
    mr_message_write_error(&asked, MR_FAULT_ENV_FAILED, &buffer);
    cr_assert_eq(mr_message_read(reader, buffer.data, buffer.n_bytes, &head, &got), MR_OK);
    cr_expect_not_null(memmem(buffer.data, buffer.n_bytes, "cannot open caf?.xml", 20));
    memset(text, 'x', sizeof text - 1);
    memcpy(text + MR_MESSAGE_TEXT_SIZE - 2, "\xc3\xa9", 2);
    text[sizeof text - 1] = '\0';
    mr_fail(MR_ERR_IO, "%s", text);
    mr_message_write_error(&asked, MR_FAULT_ENV_FAILED, &buffer);
    cr_expect_null(memchr(buffer.data, 0xc3, buffer.n_bytes));
}

// What is compared must not be equal to another because both were cut.
Test(message, refuses_the_name_of_a_process_that_is_too_long) {
    hand h;
    char text[MR_MESSAGE_TEXT_SIZE + 1];
    memset(text, 'x', sizeof text);
    for (size_t length = MR_MESSAGE_TEXT_SIZE - 1; length <= MR_MESSAGE_TEXT_SIZE; length++) {
        text[length] = '\0';
        hand_begin(&h, 2, "hello", 1);
        hand_text(&h, "client");
        hand_text(&h, "x");
        hand_text(&h, "process");
        hand_text(&h, text);
        text[length] = 'x';
        cr_expect_eq(hand_read(&h), length < MR_MESSAGE_TEXT_SIZE ? MR_OK : MR_ERR_INPUT);
    }
    cr_expect_not_null(strstr(mr_error_message(), "'process' must be a text of at most 511"));
}

Test(message, survives_random_bytes) {
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    uint8_t bytes[64];
    for (int i = 0; i < 100000; i++) {
        const size_t n = mr_random_below(&random, sizeof bytes);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)mr_random_u32(&random);
        cr_expect_eq(mr_message_read(reader, bytes, n, &head, &got), MR_ERR_INPUT);
    }
}
