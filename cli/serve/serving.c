// The loop of the serving commands.

#include "cli/serve/serving.h"

#include <stdio.h>
#include <string.h>

#include "cli/notices.h"
#include "cli/live_line.h"
#include "cli/stopping.h"

enum {
    RUN_MS = 100, // between two looks at whether to stop
    LINE_SIZE = 200,
};

#define AT(field) offsetof(mr_serving, field)

const mr_setting mr_serving_options[] = {
    {"bind", MR_SETTING_TEXT, AT(bind), "tcp://127.0.0.1:5555", 0, 0, "ENDPOINT",
     "address: tcp://HOST:PORT (port *: any free one) or ipc://PATH", false},
    {"curve_secret_key", MR_SETTING_TEXT, AT(curve_secret_key), "", 0, 0, "FILE",
     "encrypt, with this secret key (`millrace keygen` makes one), and...", false},
    {"curve_allow", MR_SETTING_TEXT, AT(curve_allow), "", 0, 0, "DIR",
     "...accept only clients whose public keys (.key files) are in this folder", false},
    {"insecure", MR_SETTING_SWITCH, AT(insecure), "false", 0, 0, NULL,
     "bind an address that other machines can reach, without keys: anybody may use it", false},
};

// Only if something has changed: a server may be idle for days.
static void tell(mr_live_line *line, const char *what, const char *news, char *told) {
    if (strcmp(news, told) == 0 || !mr_live_line_is_due(line))
        return;
    mr_live_line_draw(line, "%s: %s", what, news);
    snprintf(told, LINE_SIZE, "%s", news);
}

static bool warn(const mr_live_line *line, const char *what, const char *warning) {
    if (warning == NULL)
        return false;
    mr_live_line_clear(line);
    mr_notice_warning(what, warning);
    return true;
}

mr_status mr_serve(const mr_serving *serving, mr_answerer answerer, const char *what,
                   void (*report)(void *self, char *line, size_t size),
                   const char *(*warning)(void *self)) {
    mr_status status;
    mr_service *service = NULL;
    mr_live_line line;
    bool has_warned = false;
    char news[LINE_SIZE] = "", told[LINE_SIZE] = "";
    const mr_service_options options = {.bind = serving->bind,
                                        .curve_secret_key = serving->curve_secret_key,
                                        .curve_allow = serving->curve_allow,
                                        .insecure = serving->insecure};
    const volatile sig_atomic_t *stop = mr_stop_on_signals();
    signal(SIGPIPE, SIG_IGN);
    mr_notice_open_key(serving->curve_secret_key);
    MR_TRY(mr_service_open(answerer, &options, &service));
    fprintf(stderr, "serving %s at %s%s; Ctrl-C stops it\n", what, mr_service_endpoint(service),
            serving->curve_secret_key[0] != '\0' ? ", encrypted" : "");
    mr_live_line_begin(&line);
    report(answerer.self, told, sizeof told);
    while (*stop == 0 && status == MR_OK) {
        status = mr_service_run(service, RUN_MS);
        if (warning != NULL && !has_warned)
            has_warned = warn(&line, what, warning(answerer.self));
        report(answerer.self, news, sizeof news);
        tell(&line, what, news, told);
    }
    mr_live_line_clear(&line);
    if (status == MR_OK)
        printf("served %s: %s\n", what, news);
done:
    mr_service_close(service);
    return status;
}
