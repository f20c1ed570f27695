// The main program: finds the subcommand and runs it.
//
// Exit codes: 0 done, 1 failed, 2 invalid usage, 128 + n stopped by signal
// n.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/command_line.h"
#include "cli/stopping.h"
#include "millrace/init.h"

// If output was cut off (disk full), the results are not complete.
static mr_status flush_output(void) {
    if (fflush(stdout) != 0 || ferror(stdout))
        return mr_fail(MR_ERR_IO, "cannot write to standard output: %s", strerror(errno));
    return MR_OK;
}

static int report(const mr_command *command, mr_status status) {
    const bool is_program = command == &mr_program;
    fprintf(stderr, "millrace%s%s: %s\n", is_program ? "" : " ", command->name, mr_error_message());
    return status == MR_ERR_USAGE ? 2 : 1;
}

static int run_command(const mr_command *command, const mr_command_line *line) {
    int exit_code = 0;
    mr_status status = MR_OK;
    if (line->help)
        mr_command_print_help(command);
    else
        status = command->run(line, &exit_code);
    if (status == MR_OK)
        status = flush_output();
    if (status == MR_STOPPED) { // before there was anything to report
        fprintf(stderr, "millrace %s: stopped\n", command->name);
        return mr_stop_exit_code();
    }
    return status == MR_OK ? exit_code : report(command, status);
}

static int read_and_run(const mr_command *command, int argc, char **argv) {
    mr_command_line line;
    const mr_status status = mr_command_line_read(command, argc, argv, &line);
    const int code = status == MR_OK ? run_command(command, &line) : report(command, status);
    mr_command_line_free(&line);
    return code;
}

static void print_log(void *self, mr_log_level level, const char *text) {
    (void)self;
    fprintf(stderr, "%s: %s\n", level == MR_LOG_WARNING ? "warning" : "note", text);
}

int main(int argc, char **argv) {
    const mr_command *command = &mr_program;
    size_t n_taken = 0;
    mr_log_to(print_log, NULL);
    mr_status status = mr_init(MR_INIT_ALL);
    if (status == MR_OK)
        status = mr_command_find((size_t)argc - 1, argv + 1, &command, &n_taken);
    if (status != MR_OK)
        return report(command, status);
    return read_and_run(command, argc - (int)n_taken, argv + n_taken);
}
