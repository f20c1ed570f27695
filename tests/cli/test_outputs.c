// Outputs that cannot be written are refused before the work: here before the inputs, none of which
// is there, are looked at.

#include "tests/cli/command_runner.h"

static void enter(void) {
    scratch_enter();
    cr_assert_eq(mkdir("folder", 0777), 0);
    cr_assert_eq(mkdir("forbidden", 0555), 0);
    scratch_write("file", "text");
}

TestSuite(outputs, .init = enter, .fini = scratch_leave);

enum { MAX_WORDS = 6 };

/// A command without its output, and the name that its output must have.
typedef struct {
    const char *words[MAX_WORDS];
    const char *name;
} writer;

static const writer file_writers[] = {
    {{"flow", "fit", "none.npy", "--out"}, "m.safetensors"},
    {{"flow", "score", "none", "none.npy", "--out"}, "s.npy"},
    {{"flow", "sample", "none", "--out"}, "s.npy"},
    {{"flow", "plot", "none", "--out"}, "p.png"},
    {{"plot", "none", "--out"}, "p.png"},
    {{"report", "none", "--out"}, "r.html"},
    {{"eval", "none", "--video"}, "v.mp4"},
};

static const writer folder_writers[] = {
    {{"flow", "vi", "none", "--out"}, "vi"},
    {{"train", "Pendulum-v1", "--steps", "1000000000", "--out"}, "run"},
};

static outcome write_to(const writer *w, const char *path, bool obeys_permissions) {
    const char *arguments[MAX_WORDS + 2] = {NULL};
    size_t n = 0;
    while (n < MAX_WORDS && w->words[n] != NULL) {
        arguments[n] = w->words[n];
        n++;
    }
    arguments[n] = path;
    return run_under(&(circumstances){.obeys_permissions = obeys_permissions}, arguments);
}

static void expect_refused(const writer *w, const char *folder, const char *name,
                           bool obeys_permissions, const char *message) {
    char path[64];
    snprintf(path, sizeof path, "%s%s", folder, name);
    outcome o = write_to(w, path, obeys_permissions);
    scratch_expect_part(o.err, path);
    expect_refusal(&o, 1, message);
}

Test(outputs, a_file_that_cannot_be_written_is_refused_before_the_work) {
    for (size_t i = 0; i < MR_COUNT(file_writers); i++) {
        const writer *w = &file_writers[i];
        expect_refused(w, "missing/", w->name, false,
                       "No such file or directory; is the path right");
        expect_refused(w, "file/", w->name, false, "a part of the path is a file");
        expect_refused(w, "forbidden/", w->name, true, "Permission denied; change the perm");
        expect_refused(w, "folder", "", false, "it is a directory; give the name of a file");
        expect_refused(w, "folder/", "", false, "it is a directory; give the name of a file");
        expect_refused(w, "missing/", "", false, "that is not the name of a file");
        expect_refused(w, "/dev/null", "", false, "a pipe, socket or device");
    }
}

Test(outputs, a_directory_that_cannot_be_written_to_is_refused_before_the_work) {
    for (size_t i = 0; i < MR_COUNT(folder_writers); i++) {
        const writer *w = &folder_writers[i];
        expect_refused(w, "file/", w->name, false, "a part of the path is a file");
        expect_refused(w, "forbidden/", w->name, true, "Permission denied; change the perm");
        expect_refused(w, "forbidden/deep/", w->name, true, "Permission denied");
    }
}

Test(outputs, a_file_is_no_directory) {
    expect_refused(&folder_writers[0], "file", "", false, "a part of the path is a file");
    outcome o = write_to(&folder_writers[1], "file", false);
    expect_refusal(&o, 2, "file exists already");
}

Test(outputs, keys_need_a_folder_that_is_there) {
    outcome o = RUN("keygen", "missing/me");
    expect_refusal(&o, 1, "cannot write missing/me.key_secret: No such file or directory; is the");
}

// Neither made nor cut short by the look at it; the data is not there, so that nothing follows.
Test(outputs, looking_leaves_what_is_there_as_it_was) {
    scratch_write("m.safetensors", "old");
    outcome o = RUN("flow", "fit", "none.npy", "--out", "m.safetensors");
    expect_refusal(&o, 1, "cannot read none.npy");
    char *text = scratch_read("m.safetensors");
    cr_expect_str_eq(text, "old");
    free(text);
    o = RUN("flow", "fit", "none.npy", "--out", "folder/m");
    expect_refusal(&o, 1, "cannot read none.npy");
    cr_expect_eq(rmdir("folder"), 0, "something was left");
}

Test(outputs, results_of_inference_do_not_take_the_place_of_directories) {
    cr_assert_eq(mkdir("folder/samples.npy", 0777), 0);
    outcome o = RUN("flow", "vi", "u1", "--steps", "1000000000", "--out", "folder");
    expect_refusal(&o, 1, "cannot write folder/samples.npy: it is a directory");
}

// By whatever name: the table was replaced by the model that had been fitted to it.
Test(outputs, what_is_read_is_not_replaced) {
    static const struct {
        const char *arguments[9];
        const char *message;
    } cases[] = {
        {{"flow", "fit", "data.csv", "--out", "data.csv"}, "--out data.csv would replace data.csv"},
        {{"flow", "fit", "data.csv", "--out", "folder/../data.csv"}, "would replace data.csv"},
        {{"flow", "fit", "data.csv", "--out", "link.csv"}, "--out link.csv would replace data.csv"},
        {{"flow", "fit", "file", "--weights", "data.csv", "--out", "data.csv"},
         "would replace data.csv, which is an input"},
        {{"flow", "score", "file", "data.csv", "--out", "data.csv"}, "would replace data.csv"},
        {{"flow", "sample", "data.csv", "--out", "data.csv"}, "would replace data.csv"},
        {{"eval", "data.mp4", "--video", "data.mp4"}, "--video data.mp4 would replace data.mp4"},
    };
    scratch_write("data.csv", "1,2\n");
    scratch_write("data.mp4", "no policy");
    cr_assert_eq(symlink("data.csv", "link.csv"), 0);
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        outcome o = run(cases[i].arguments);
        expect_refusal(&o, 2, cases[i].message);
    }
}
