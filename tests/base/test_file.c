#include "base/file.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

static char folder[] = "/tmp/millrace-file-XXXXXX";

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

TestSuite(file, .init = enter_folder, .fini = remove_folder);

static mr_status replace(const char *path, const char *text) {
    return mr_file_replace(path, 1, &(mr_bytes){text, strlen(text)});
}

static void expect_text(const char *path, const char *expected) {
    char *text = NULL;
    size_t n;
    cr_assert_eq(mr_file_read(path, &text, &n), MR_OK, "%s", mr_error_message());
    cr_expect_str_eq(text, expected);
    free(text);
}

static void expect_message(const char *part) {
    cr_expect_not_null(strstr(mr_error_message(), part), "no '%s' in: %s", part,
                       mr_error_message());
}

static void expect_no_temporary(const char *path) {
    char temporary[100];
    snprintf(temporary, sizeof temporary, "%s.millrace-tmp", path);
    cr_expect_neq(access(temporary, F_OK), 0, "%s is left", temporary);
}

// Root may write anywhere, so a test of what is forbidden must be somebody else for a while. The
// kernel then hides the process from the leak sanitizer, unless told not to.
static void become(uid_t user) {
    cr_assert_eq(seteuid(user), 0);
    cr_assert_eq(prctl(PR_SET_DUMPABLE, 1), 0);
}

Test(file, joins_the_parts) {
    const mr_bytes parts[] = {{"one,", 4}, {NULL, 0}, {"two", 3}};
    cr_assert_eq(mr_file_replace("new.txt", MR_COUNT(parts), parts), MR_OK);
    expect_text("new.txt", "one,two");
    expect_no_temporary("new.txt");
}

Test(file, replaces_a_longer_file) {
    cr_assert_eq(replace("a.txt", "a long text"), MR_OK);
    cr_assert_eq(replace("a.txt", "short"), MR_OK);
    expect_text("a.txt", "short");
}

Test(file, gives_a_new_file_the_permissions_of_the_umask) {
    struct stat info;
    umask(027);
    cr_assert_eq(replace("a.txt", "text"), MR_OK);
    cr_assert_eq(stat("a.txt", &info), 0);
    cr_expect_eq(info.st_mode & 07777, 0640);
}

Test(file, keeps_the_permissions_of_an_old_file) {
    struct stat info;
    cr_assert_eq(replace("a.txt", "old"), MR_OK);
    cr_assert_eq(chmod("a.txt", 0604), 0);
    cr_assert_eq(replace("a.txt", "new"), MR_OK);
    cr_assert_eq(stat("a.txt", &info), 0);
    cr_expect_eq(info.st_mode & 07777, 0604);
}

Test(file, keeps_a_symbolic_link) {
    struct stat info;
    cr_assert_eq(mr_make_directories("elsewhere"), MR_OK);
    cr_assert_eq(replace("elsewhere/a.txt", "old"), MR_OK);
    cr_assert_eq(symlink("elsewhere/a.txt", "link"), 0);
    cr_assert_eq(replace("link", "new"), MR_OK);
    cr_assert_eq(lstat("link", &info), 0);
    cr_expect(S_ISLNK(info.st_mode));
    expect_text("elsewhere/a.txt", "new");
}

// The limit on a file's size stands for a full disk: write() falls short, then fails.
Test(file, leaves_the_old_file_when_there_is_no_room) {
    static const char text[5000];
    const mr_bytes parts[] = {{text, sizeof text}, {text, sizeof text}};
    struct rlimit limit;
    cr_assert_eq(replace("a.txt", "old"), MR_OK);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 6000;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(mr_file_replace("a.txt", MR_COUNT(parts), parts), MR_ERR_IO);
    expect_message("cannot write a.txt: File too large; ");
    expect_text("a.txt", "old");
    expect_no_temporary("a.txt");
}

Test(file, names_a_folder_that_cannot_be_written_to) {
    const bool is_root = geteuid() == 0;
    cr_assert_eq(mr_make_directories("locked"), MR_OK);
    cr_assert_eq(replace("locked/a.txt", "old"), MR_OK);
    cr_assert_eq(chmod(folder, 0755), 0);
    cr_assert_eq(chmod("locked", 0555), 0);
    if (is_root)
        become(65534);
    cr_expect_eq(replace("locked/a.txt", "new"), MR_ERR_IO);
    expect_message("cannot write locked/a.txt: Permission denied; change the permissions");
    cr_expect_eq(mr_make_directories("locked/b"), MR_ERR_IO);
    expect_message("cannot make the directory locked/b: Permission denied; ");
    if (is_root)
        become(0);
    cr_assert_eq(chmod("locked", 0755), 0); // or it could not be cleared away
    expect_text("locked/a.txt", "old");
}

static void expect_unwritable(mr_status (*check)(const char *path), const char *path,
                              const char *message) {
    cr_expect_eq(check(path), MR_ERR_IO, "%s", path);
    expect_message(message);
}

Test(file, tells_whether_a_file_could_be_written_and_leaves_nothing) {
    cr_assert_eq(mr_make_directories("folder/forbidden"), MR_OK);
    cr_assert_eq(replace("a.txt", "text"), MR_OK);
    cr_expect_eq(mr_file_check_writable("a.txt"), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_file_check_writable("folder/b.txt"), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_directory_check_writable("folder/new/newer"), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_directory_check_writable("."), MR_OK, "%s", mr_error_message());
    expect_text("a.txt", "text");
    expect_unwritable(mr_file_check_writable, "folder", "it is a directory");
    expect_unwritable(mr_file_check_writable, "none/", "not the name of a file");
    expect_unwritable(mr_file_check_writable, "", "not the name of a file");
    expect_unwritable(mr_file_check_writable, "none/a.txt", "No such file");
    expect_unwritable(mr_file_check_writable, "a.txt/b", "Not a directory");
    expect_unwritable(mr_directory_check_writable, "a.txt", "Not a directory");
    expect_unwritable(mr_directory_check_writable, "", "not the name of a directory");
    cr_assert_eq(chmod("folder/forbidden", 0555), 0);
    const uid_t user = geteuid();
    if (user == 0)
        become(65534);
    expect_unwritable(mr_file_check_writable, "folder/forbidden/a.txt", "Permission denied");
    expect_unwritable(mr_directory_check_writable, "folder/forbidden/a/b", "Permission denied");
    if (user == 0)
        become(0);
    cr_expect_eq(rmdir("folder/forbidden"), 0, "something was left");
    cr_expect_eq(rmdir("folder"), 0, "something was left");
}

Test(file, names_a_folder_that_is_missing) {
    cr_expect_eq(replace("none/a.txt", "new"), MR_ERR_IO);
    expect_message("cannot write none/a.txt: No such file or directory; ");
}

Test(file, refuses_what_is_no_regular_file) {
    static const char *const names[] = {".", "pipe", "/dev/null", "/dev/full"};
    char *text = NULL;
    size_t n = 7;
    cr_assert_eq(mkfifo("pipe", 0666), 0);
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        cr_expect_eq(replace(names[i], "text"), MR_ERR_IO, "%s", names[i]);
        expect_message("; give the name of a file");
        cr_expect_eq(mr_file_read(names[i], &text, &n), MR_ERR_IO, "%s", names[i]);
        expect_message("; give the name of a file");
    }
    cr_expect_null(text);
    cr_expect_eq(n, 7);
}

Test(file, takes_over_what_a_killed_process_left) {
    cr_assert_eq(replace("a.txt.millrace-tmp", "half of a long text"), MR_OK);
    cr_assert_eq(replace("a.txt", "new"), MR_OK);
    expect_text("a.txt", "new");
    expect_no_temporary("a.txt");
}

Test(file, refuses_a_file_that_another_process_is_writing) {
    cr_assert_eq(replace("a.txt", "old"), MR_OK);
    const int other = open("a.txt.millrace-tmp", O_WRONLY | O_CREAT, 0666);
    cr_assert_eq(flock(other, LOCK_EX), 0);
    cr_expect_eq(replace("a.txt", "new"), MR_ERR_IO);
    expect_message("cannot write a.txt: another process is writing it; ");
    close(other);
    expect_text("a.txt", "old");
    cr_expect_eq(replace("a.txt", "new"), MR_OK);
}

enum { N_LETTERS = 100000 };

_Noreturn static void replace_forever(void) {
    static char text[N_LETTERS];
    for (int i = 0;; i++) {
        memset(text, 'a' + i % 26, sizeof text);
        if (mr_file_replace("a.txt", 1, &(mr_bytes){text, sizeof text}) != MR_OK)
            _exit(1);
    }
}

static void expect_one_letter(void) {
    char *text = NULL;
    size_t n = 0;
    cr_assert_eq(mr_file_read("a.txt", &text, &n), MR_OK, "%s", mr_error_message());
    cr_assert_eq(n, N_LETTERS);
    for (size_t i = 1; i < n; i++)
        cr_assert_eq(text[i], text[0]);
    free(text);
}

Test(file, is_whole_whenever_the_writer_is_killed) {
    int how;
    for (unsigned round = 1; round <= 20; round++) {
        const pid_t writer = fork();
        if (writer == 0)
            replace_forever();
        while (access("a.txt", F_OK) != 0)
            usleep(100);
        for (int i = 0; i < 3; i++)
            expect_one_letter(); // while it is being replaced
        usleep(137 * round);
        kill(writer, SIGKILL);
        cr_assert_eq(waitpid(writer, &how, 0), writer);
        cr_assert(WIFSIGNALED(how));
        expect_one_letter();
    }
}

Test(file, reads_every_byte_and_ends_them_with_0) {
    char *text = NULL;
    size_t n = 0;
    cr_assert_eq(mr_file_replace("a.bin", 1, &(mr_bytes){"a\0\xff", 3}), MR_OK);
    cr_assert_eq(mr_file_read("a.bin", &text, &n), MR_OK);
    cr_expect_eq(n, 3);
    cr_expect_arr_eq(text, "a\0\xff", 4);
    free(text);
}

Test(file, reads_an_empty_file) {
    cr_assert_eq(mr_file_replace("empty", 0, NULL), MR_OK);
    expect_text("empty", "");
}

Test(file, names_a_missing_file) {
    char *text = NULL;
    size_t n;
    cr_expect_eq(mr_file_read("none", &text, &n), MR_ERR_IO);
    expect_message("cannot read none: No such file or directory; is the path right");
    cr_expect_null(text);
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

Test(file, a_new_file_takes_its_place_when_it_is_kept) {
    mr_new_file *file = NULL;
    cr_assert_eq(replace("a.txt", "old"), MR_OK);
    cr_assert_eq(mr_new_file_begin("a.txt", &file), MR_OK, "%s", mr_error_message());
    write_text(mr_new_file_name(file), "new");
    expect_text("a.txt", "old");
    cr_expect_eq(mr_new_file_keep(file), MR_OK, "%s", mr_error_message());
    mr_new_file_close(file);
    expect_text("a.txt", "new");
    expect_no_temporary("a.txt");
}

Test(file, a_new_file_that_is_not_kept_leaves_nothing) {
    mr_new_file *file = NULL, *second = NULL;
    cr_assert_eq(mr_new_file_begin("a.txt", &file), MR_OK, "%s", mr_error_message());
    write_text(mr_new_file_name(file), "new");
    cr_expect_eq(mr_new_file_begin("a.txt", &second), MR_ERR_IO);
    expect_message("another process is writing it");
    mr_new_file_close(file);
    mr_new_file_close(NULL);
    cr_expect_neq(access("a.txt", F_OK), 0);
    expect_no_temporary("a.txt");
}

Test(file, makes_every_missing_directory) {
    static const char *const names[] = {"a/b/c", "a/b/c", "a//b/d/", "./e", "/tmp", "/"};
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        cr_expect_eq(mr_make_directories(names[i]), MR_OK, "%s", mr_error_message());
        cr_expect_eq(access(names[i], F_OK), 0, "%s", names[i]);
    }
}

Test(file, names_what_is_in_the_way_of_a_directory) {
    static const struct {
        const char *path, *message;
    } cases[] = {
        {"a.txt", "cannot make the directory a.txt: File exists; a file has this name"},
        {"a.txt/b", "cannot make the directory a.txt: File exists; a file has this name"},
        {"", "cannot make the directory : No such file or directory; "},
    };
    cr_assert_eq(replace("a.txt", "old"), MR_OK);
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        cr_expect_eq(mr_make_directories(cases[i].path), MR_ERR_IO);
        expect_message(cases[i].message);
    }
    expect_text("a.txt", "old");
}
