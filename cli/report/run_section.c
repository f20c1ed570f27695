// A run on the page of `millrace report`: its state, versions, command and settings.

#include "cli/report/run_section.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/report/html.h"
#include "cli/report/run_command.h"
#include "base/text_stream.h"

static void write_settings(const mr_settings *settings, const bool is_needed[MR_MAX_SETTINGS],
                           FILE *html) {
    char value[MR_MAX_TEXT];
    fputs("<div class=\"columns\">\n", html);
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *setting = mr_setting_at(i);
        if (setting->role == MR_ROLE_OWN_TO_RUN || !mr_setting_is_used(setting, settings))
            continue;
        mr_setting_format(setting, settings, value, sizeof value);
        fprintf(html, "<div%s><span>%s</span><span>", is_needed[i] ? " class=\"changed\"" : "",
                setting->name);
        mr_html_text(html, value);
        fputs("</span></div>\n", html);
    }
    fputs("</div>\n", html);
}

static void write_versions(const mr_run_process *process, FILE *html) {
    if (process->version[0] == '\0')
        return;
    fputs("<p>millrace ", html);
    mr_html_text(html, process->version);
    if (process->engine[0] != '\0') {
        fputs(", ", html);
        mr_html_text(html, process->engine);
        fputc(' ', html);
        mr_html_text(html, process->engine_version);
    }
    fputs("; on ", html);
    mr_html_text(html, process->host);
    fputs(", begun or resumed ", html);
    mr_html_text(html, process->began);
    fputs(process->ended[0] != '\0' ? ", ended " : "", html);
    mr_html_text(html, process->ended);
    fputs("</p>\n", html);
}

static mr_status write_command(const mr_run_data *run, FILE *html) {
    char out[MR_MAX_TEXT];
    mr_text_stream command;
    mr_status status = mr_text_stream_open("the page", &command);
    if (status != MR_OK)
        return status;
    snprintf(out, sizeof out, "%.1000s-again", run->dir);
    status = mr_run_command_write(&run->settings, out, command.file);
    status = mr_text_stream_close(&command, status);
    if (status != MR_OK)
        return status;
    fputs("<p>The command that makes it again:</p>\n<pre>", html);
    mr_html_text(html, command.text);
    fputs("</pre>\n", html);
    free(command.text);
    return MR_OK;
}

mr_status mr_report_write_run(const mr_run_data *run, FILE *html) {
    mr_status status;
    bool is_needed[MR_MAX_SETTINGS];
    MR_TRY(mr_run_command_needs(&run->settings, is_needed));
    fputs("<details class=\"run\"><summary>", html);
    mr_html_text(html, run->dir);
    fprintf(html,
            " <span class=\"state\">%s</span> <span class=\"quiet\">%.0f of %zu steps</span>"
            "</summary><div>\n",
            mr_run_state_name(run->process.state), mr_run_data_steps(run), run->settings.steps);
    if (run->process.state == MR_RUN_FAILED) {
        fputs("<p>", html);
        mr_html_text(html, run->process.message);
        fputs("</p>\n", html);
    }
    write_versions(&run->process, html);
    MR_TRY(write_command(run, html));
    fputs("<p class=\"quiet\">Settings; those that are neither a default nor the preset’s stand "
          "out.</p>\n",
          html);
    write_settings(&run->settings, is_needed, html);
    fputs("</div></details>\n", html);
done:
    return status;
}
