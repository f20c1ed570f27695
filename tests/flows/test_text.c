// Flows over text: fits, samples, model files and bad input.

#include "flows/text.h"

#include <math.h>

#include "base/tensors.h"
#include "tests/scratch.h"

TestSuite(text, .init = scratch_enter, .fini = scratch_leave);

static const double log_2 = 0.69314718055994530942;
static const char small[] = "text:length=16,hidden=16,blocks=2,latent=2";
static const char lines[] = "text:hidden=16,blocks=3,latent=2";

/// A flow and the text that it is about.
typedef struct {
    mr_text_flow *flow;
    mr_sequences sequences;
} text_case;

static mr_characters characters_of(const char *bytes) {
    mr_characters text;
    cr_assert_eq(mr_characters_parse("text", bytes, strlen(bytes), &text), MR_OK, "%s",
                 mr_error_message());
    return text;
}

static mr_sequences cut(const mr_text_flow *flow, const char *bytes) {
    mr_sequences s;
    mr_characters text = characters_of(bytes);
    cr_assert_eq(mr_text_flow_cut(flow, "text", &text, &s), MR_OK, "%s", mr_error_message());
    mr_characters_free(&text);
    return s;
}

static text_case case_of(const char *flow, const char *bytes) {
    text_case c;
    mr_characters text = characters_of(bytes);
    cr_assert_eq(mr_text_flow_new(flow, "text", &text, 1, &c.flow), MR_OK, "%s",
                 mr_error_message());
    mr_characters_free(&text);
    c.sequences = cut(c.flow, bytes);
    return c;
}

static void case_free(text_case *c) {
    mr_sequences_free(&c->sequences);
    mr_text_flow_free(c->flow);
}

static mr_fit_options options_of(size_t epochs) {
    mr_fit_options o = mr_fit_defaults();
    o.batch_size = 8;
    o.max_epochs = epochs;
    o.lr_schedule = "cosine";
    return o;
}

static mr_fit_progress fit(text_case *c, const mr_fit_options *options) {
    mr_fit_progress end;
    cr_assert_eq(mr_text_flow_fit(c->flow, &c->sequences, options, NULL, NULL, NULL, &end), MR_OK,
                 "%s", mr_error_message());
    return end;
}

// A text of independent characters a, b, c with probabilities 1/2, 1/4, 1/4: 1.5 bits each.
static void fill_independent(size_t n, char *bytes) {
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < n; i++)
        bytes[i] = "aabc"[mr_random_below(&random, 4)];
    bytes[n] = '\0';
}

// Held out are 800 characters, whose own entropy is off by the deviation of log2 p, 1/2, over
// sqrt(800): 0.018. Three times that, and 0.03 for what is left to be learned.
Test(text, a_fit_finds_the_entropy_of_independent_characters) {
    static char bytes[8001];
    fill_independent(8000, bytes);
    text_case c = case_of(small, bytes);
    const mr_fit_options options = options_of(4);
    const mr_fit_progress end = fit(&c, &options);
    cr_expect_float_eq(-end.best_log_prob / log_2, 1.5, 0.084);
    case_free(&c);
}

// Each character follows from the one before it. What the bound loses is what encoders overlap.
Test(text, a_fit_finds_that_a_text_repeats_itself) {
    static char bytes[4001];
    for (size_t i = 0; i < 4000; i++)
        bytes[i] = "abcd"[i % 4];
    text_case c = case_of(small, bytes);
    const mr_fit_options options = options_of(8);
    cr_expect_lt(-fit(&c, &options).best_log_prob / log_2, 0.05);
    case_free(&c);
}

// "ab", "ba" and "cab" are three strings of equal probability: log2(3) bits in 10/3 characters, the
// ends counted.
Test(text, lines_are_strings_with_an_end) {
    static char bytes[4001] = "";
    for (size_t i = 0; i < 300; i++)
        strcat(bytes, "ab\nba\n\ncab\n");
    text_case c = case_of(lines, bytes);
    cr_expect_eq(c.sequences.n, 900);
    cr_expect_eq(c.sequences.longest, 4);
    mr_fit_options options = options_of(30);
    options.batch_size = 1; // row of 128 characters
    fit(&c, &options);
    double log_prob[900], sum = 0;
    cr_assert_eq(mr_text_flow_score(c.flow, &c.sequences, 1, 1, 1, log_prob), MR_OK);
    for (size_t i = 0; i < 900; i++)
        sum += log_prob[i];
    cr_expect_float_eq(-sum / log_2 / 3000, log2(3) / (10. / 3), 0.05);

    mr_text_sampler *sampler;
    const mr_characters *sample;
    size_t n_known = 0;
    cr_assert_eq(mr_text_sampler_new(c.flow, 1, 0.7, 0, &sampler), MR_OK);
    cr_assert_eq(mr_text_sampler_draw(sampler, MR_TEXT_BATCH, &sample), MR_OK);
    for (size_t i = 0; i < MR_TEXT_BATCH; i++) {
        char *text;
        cr_assert_eq(mr_characters_print(sample[i].n, sample[i].character, &text), MR_OK);
        n_known += strcmp(text, "ab") == 0 || strcmp(text, "ba") == 0 || strcmp(text, "cab") == 0;
        free(text);
    }
    cr_expect_geq(n_known, MR_TEXT_BATCH - 4);
    mr_text_sampler_free(sampler);
    case_free(&c);
}

// The longest line has two characters, and its end is no third one.
Test(text, samples_of_lines_are_neither_empty_nor_longer_than_the_longest) {
    text_case c = case_of(lines, "ab\na\nb\nba\n");
    mr_text_sampler *sampler;
    const mr_characters *sample;
    const mr_fit_options options = options_of(1);
    fit(&c, &options);
    cr_assert_eq(mr_text_sampler_new(c.flow, 1, 1, 0, &sampler), MR_OK);
    for (size_t k = 0; k < 8; k++) {
        cr_assert_eq(mr_text_sampler_draw(sampler, MR_TEXT_BATCH, &sample), MR_OK);
        for (size_t i = 0; i < MR_TEXT_BATCH; i++)
            cr_expect(sample[i].n == 1 || sample[i].n == 2, "%zu characters", sample[i].n);
    }
    mr_text_sampler_free(sampler);
    case_free(&c);
}

// ---- Windows

Test(text, a_window_knows_the_characters_before_it) {
    text_case c = case_of("text:length=3,hidden=4,blocks=2,latent=1", "abcdefgh");
    mr_real row[9];
    const mr_real first[] = {0, 0, 0, 0, 1, 2, 3, -1, -1}, last[] = {3, 4, 5, 6, 7, 8, -1, -1, -1};
    cr_expect_eq(c.sequences.n, 3);
    mr_sequences_fill(&c.sequences, 0, 9, row);
    cr_expect_arr_eq(row, first, sizeof row);
    mr_sequences_fill(&c.sequences, 2, 9, row);
    cr_expect_arr_eq(row, last, sizeof row);
    case_free(&c);
}

// ---- Files and checkpoints

static double score(const mr_text_flow *flow, const mr_sequences *s) {
    double log_prob[64], sum = 0;
    cr_assert_leq(s->n, 64);
    cr_assert_eq(mr_text_flow_score(flow, s, 1, 1, 2, log_prob), MR_OK);
    for (size_t i = 0; i < s->n; i++)
        sum += log_prob[i];
    return sum;
}

Test(text, a_loaded_model_scores_and_samples_the_same) {
    text_case c = case_of(lines, "näive\nüber\nété\nabc\n");
    const mr_fit_options options = options_of(2);
    mr_text_flow *loaded;
    mr_text_sampler *sampler[2];
    const mr_characters *sample[2];
    fit(&c, &options);
    cr_assert_eq(mr_text_flow_save(c.flow, "a.safetensors"), MR_OK, "%s", mr_error_message());
    cr_assert(mr_text_flow_is_file("a.safetensors"));
    cr_assert_eq(mr_text_flow_load("a.safetensors", &loaded), MR_OK, "%s", mr_error_message());
    cr_expect_eq(score(loaded, &c.sequences), score(c.flow, &c.sequences));
    cr_expect_str_eq(mr_text_flow_text(loaded), mr_text_flow_text(c.flow));
    for (size_t k = 0; k < 2; k++) {
        cr_assert_eq(mr_text_sampler_new(k == 0 ? c.flow : loaded, 7, 1, 0, &sampler[k]), MR_OK);
        cr_assert_eq(mr_text_sampler_draw(sampler[k], 3, &sample[k]), MR_OK);
    }
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(sample[0][i].n, sample[1][i].n);
        cr_expect_arr_eq(sample[0][i].character, sample[1][i].character,
                         sample[0][i].n * sizeof(uint32_t));
    }
    for (size_t k = 0; k < 2; k++)
        mr_text_sampler_free(sampler[k]);
    mr_text_flow_free(loaded);
    case_free(&c);
}

Test(text, fewer_samples_are_the_first_of_more) {
    text_case c = case_of(small, "the quick brown fox jumps over the lazy dog and sleeps");
    mr_text_sampler *one, *many;
    const mr_characters *a, *b;
    cr_assert_eq(mr_text_sampler_new(c.flow, 1, 1, 20, &one), MR_OK);
    cr_assert_eq(mr_text_sampler_new(c.flow, 1, 1, 20, &many), MR_OK);
    cr_assert_eq(mr_text_sampler_draw(many, 2, &b), MR_OK);
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(mr_text_sampler_draw(one, 1, &a), MR_OK);
        cr_expect_eq(a[0].n, 20);
        cr_expect_arr_eq(a[0].character, b[i].character, 20 * sizeof(uint32_t));
    }
    mr_text_sampler_free(one);
    mr_text_sampler_free(many);
    case_free(&c);
}

/// Asks to stop after an epoch.
typedef struct {
    size_t stop_after;
    volatile sig_atomic_t stop;
} watcher;

static void watch(void *self, const mr_fit_progress *now) {
    watcher *w = self;
    w->stop = now->epoch == w->stop_after;
}

Test(text, a_fit_that_was_stopped_goes_on_to_the_same_bits) {
    const char *bytes = "it was the best of times, it was the worst of times, it was the age of "
                        "wisdom, it was the age of foolishness, it was the epoch of belief";
    text_case whole = case_of(small, bytes), parts = case_of(small, bytes);
    mr_fit_options options = options_of(5);
    mr_fit_progress end;
    watcher w = {.stop_after = 2};
    const mr_fit_progress expected = fit(&whole, &options);
    options.checkpoint = "checkpoint";
    cr_assert_eq(mr_text_flow_fit(parts.flow, &parts.sequences, &options, watch, &w, &w.stop, &end),
                 MR_OK, "%s", mr_error_message());
    cr_expect_eq(end.epoch, 2);
    case_free(&parts);
    parts = case_of(small, bytes);
    end = fit(&parts, &options);
    cr_expect_eq(end.epoch, 5);
    cr_expect_eq(end.best_log_prob, expected.best_log_prob);
    const mr_params *a = mr_text_flow_params(whole.flow), *b = mr_text_flow_params(parts.flow);
    cr_expect_arr_eq(mr_params_read(a), mr_params_read(b), mr_params_size(a) * sizeof(mr_real));
    case_free(&whole);
    case_free(&parts);
}

Test(text, a_checkpoint_of_another_text_is_refused) {
    text_case c = case_of(small, "abcabcabcabcabcabcabcabcabcabcabcabcabcabc");
    text_case other =
        case_of(small, "abcabcabcabcabcabcabcabcabcabcacbabcabcabc"); // as many of each
    mr_fit_options options = options_of(1);
    mr_fit_progress end;
    options.checkpoint = "checkpoint";
    fit(&c, &options);
    cr_expect_eq(mr_text_flow_fit(other.flow, &other.sequences, &options, NULL, NULL, NULL, &end),
                 MR_ERR_INPUT);
    scratch_expect_message("checkpoint is the checkpoint of another fit (text:");
    case_free(&c);
    case_free(&other);
}

// Lines that share no row of 128 characters: there are as many rows as lines, not as many as their
// characters would fill. The learning rate falls over that many.
Test(text, rows_of_lines_are_counted_as_they_are_packed) {
    enum { N = 40, LENGTH = 70 };
    static char bytes[N * LENGTH + 1];
    for (size_t i = 0; i < N * LENGTH; i++)
        bytes[i] = i % LENGTH == LENGTH - 1 ? '\n' : "ab"[i * i % 3 % 2];
    text_case c = case_of(lines, bytes);
    mr_fit_options options = options_of(2);
    mr_fit_progress end;
    mr_tensors *file;
    watcher w = {.stop_after = 1};
    options.checkpoint = "checkpoint";
    cr_assert_eq(mr_text_flow_fit(c.flow, &c.sequences, &options, watch, &w, &w.stop, &end), MR_OK,
                 "%s", mr_error_message());
    cr_assert_eq(mr_tensors_open("checkpoint", &file), MR_OK);
    scratch_expect_part(mr_tensors_note(file, "fit"), ", 40 rows of ");
    mr_tensors_close(file);
    case_free(&c);
}

// ---- Bad input

static void expect_refused(const char *flow, const char *bytes, const char *part) {
    mr_characters text;
    mr_text_flow *result = NULL;
    mr_sequences s = {0};
    mr_status status = mr_characters_parse("names.txt", bytes, strlen(bytes), &text);
    if (status == MR_OK) {
        status = mr_text_flow_new(flow, "names.txt", &text, 1, &result);
        if (status == MR_OK)
            status = mr_text_flow_cut(result, "names.txt", &text, &s);
        mr_characters_free(&text);
    }
    cr_expect_neq(status, MR_OK, "%s", bytes);
    scratch_expect_message("names.txt");
    scratch_expect_message(part);
    mr_sequences_free(&s);
    mr_text_flow_free(result);
}

Test(text, a_text_that_cannot_be_fitted_is_refused) {
    char line[MR_MAX_LINE + 2];
    memset(line, 'a', sizeof line - 1);
    line[1] = 'b';
    line[sizeof line - 1] = '\0';
    expect_refused("text", "", "has no characters");
    expect_refused("text", "\n\n", "has no characters");
    expect_refused("text", "a\na\n", "the same character throughout");
    expect_refused("text:length=4", "aaaaaaaa", "the same character throughout");
    expect_refused("text", "ab\nx\xff\n", "line 2, column 2 is not UTF-8");
    expect_refused("text", "ab\nx\xc3", "line 2, column 2 is not UTF-8");
    expect_refused("text", "ab\nx\xf4\x90\x80\x80", "line 2, column 2");
    expect_refused("text", line, "line 1 has more than 1024 characters");
}

Test(text, an_unknown_character_is_named_with_its_place) {
    text_case c = case_of(lines, "abc\nbca\n");
    mr_characters text = characters_of("ab\n\naüc\n");
    mr_sequences s;
    cr_expect_eq(mr_text_flow_cut(c.flow, "new.txt", &text, &s), MR_ERR_INPUT);
    scratch_expect_message("new.txt: line 3, column 2: the character 'ü' (U+00FC)");
    mr_characters_free(&text);
    case_free(&c);
}

Test(text, one_sequence_is_too_little_to_fit) {
    text_case c = case_of(small, "abcabc");
    const mr_fit_options options = options_of(1);
    mr_fit_progress end;
    cr_expect_eq(mr_text_flow_fit(c.flow, &c.sequences, &options, NULL, NULL, NULL, &end),
                 MR_ERR_INPUT);
    scratch_expect_message("one window of 6 characters; a fit needs two at least");
    case_free(&c);
}

Test(text, carriage_returns_and_a_byte_order_mark_are_no_characters) {
    mr_characters text = characters_of("\xef\xbb\xbf"
                                       "ab\r\nc\r\n");
    const uint32_t expected[] = {'a', 'b', '\n', 'c', '\n'};
    cr_expect_eq(text.n, 5);
    cr_expect_arr_eq(text.character, expected, sizeof expected);
    mr_characters_free(&text);
}

// The alphabet's characters must ascend, and there must be as many as the parameters are for.
Test(text, a_model_with_a_damaged_alphabet_is_refused) {
    static const char *const damages[] = {"acb", "aac", "ab\xff"};
    text_case c = case_of(lines, "abc\nbca\n");
    const mr_fit_options options = options_of(1);
    mr_text_flow *loaded;
    fit(&c, &options);
    for (size_t i = 0; i < MR_COUNT(damages); i++) {
        size_t n_bytes;
        char *bytes;
        cr_assert_eq(mr_text_flow_save(c.flow, "a.safetensors"), MR_OK);
        cr_assert_eq(mr_file_read("a.safetensors", &bytes, &n_bytes), MR_OK);
        char *place = memmem(bytes, n_bytes, "\"abc\"", 5);
        cr_assert_not_null(place);
        memcpy(place + 1, damages[i], 3);
        cr_assert_eq(mr_file_replace("a.safetensors", 1, &(mr_bytes){bytes, n_bytes}), MR_OK);
        cr_expect_eq(mr_text_flow_load("a.safetensors", &loaded), MR_ERR_INPUT);
        scratch_expect_message("a.safetensors");
        free(bytes);
    }
    case_free(&c);
}
