// Settings as a whole: what they say together, their defaults, setting them by name.

#include "agents/settings.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "agents/agent.h"
#include "agents/peer_names.h"
#include "base/nearest.h"
#include "base/threads.h"

enum { MAX_DEFAULT_THREADS = 4 }; // a batch of 256 rows gains nothing from more

#define AT(field) offsetof(mr_settings, field)

const void *mr_settings_agent_options(const mr_settings *settings) {
    size_t i = 0;
    while (strcmp(mr_agent_at(i)->name, settings->agent) != 0)
        i++;
    return settings->agent_options[i].bytes;
}

const char *mr_settings_policy(const mr_settings *settings) {
    return mr_agent_find(settings->agent)->policy(mr_settings_agent_options(settings));
}

// Whether the decay of the intrinsic reward depends on the number of steps.
static bool decays_until_the_end(const mr_settings *settings) {
    const char *decay = settings->bonus_decay;
    return strcmp(settings->bonus, "none") != 0 &&
           (strcmp(decay, "linear") == 0 ||
            (strcmp(decay, "exponential") == 0 && settings->bonus_decay_rate.automatic));
}

mr_mlp_spec mr_settings_critic(const mr_settings *settings) {
    const mr_widths *own = &settings->critic_hidden;
    mr_mlp_spec spec = {.hidden = own->n > 0 ? *own : settings->hidden,
                        .norm_last = mr_settings_norm_last(settings),
                        .residual = settings->critic_residual,
                        .dropout = settings->critic_dropout};
    const bool is_known = mr_norm_find(settings->critic_norm, &spec.norm) &&
                          mr_activation_find(settings->critic_activation, &spec.activation);
    assert(is_known); // a choice has no other words
    (void)is_known;
    return spec;
}

bool mr_settings_critic_targets(const mr_settings *settings) {
    return strcmp(settings->critic_targets, "polyak") == 0;
}

bool mr_settings_norm_last(const mr_settings *settings) {
    return strcmp(settings->norm_position, "after") == 0;
}

static bool is_scheduled(const mr_settings *settings) {
    return strcmp(settings->lr_schedule, "constant") != 0;
}

// The last update is that of the last step, and the first comes after learning_starts.
mr_lr_schedule mr_settings_lr_schedule(const mr_settings *settings) {
    const size_t steps = settings->steps, starts = settings->learning_starts;
    const size_t n_updates = (steps > starts ? steps - starts : 1) * settings->updates_per_step;
    mr_lr_schedule schedule = {.last = settings->lr_final, .n_updates = (double)n_updates};
    const bool is_known = mr_lr_schedule_find(settings->lr_schedule, &schedule);
    assert(is_known); // a choice has no other words
    (void)is_known;
    return schedule;
}

mr_ensemble mr_settings_ensemble(const mr_settings *s) {
    const size_t subset = s->critic_target_subset;
    return (mr_ensemble){.n = s->critics,
                         .n_target = subset > 0 ? subset : s->critics,
                         .head = mr_value_head_find(s->critic_head),
                         .value = {.n_atoms = s->critic_atoms,
                                   .atoms = {s->critic_value_min, s->critic_value_max},
                                   .n_quantiles = s->critic_quantiles,
                                   .n_dropped = s->critic_drop}};
}

mr_setting_role mr_setting_role_of(const mr_setting *setting, const mr_settings *settings) {
    if (setting->offset == AT(steps) && (decays_until_the_end(settings) || is_scheduled(settings)))
        return MR_ROLE_TUNABLE;
    return setting->role;
}

bool mr_setting_is_same(const mr_setting *setting, const mr_settings *a, const mr_settings *b) {
    char text_a[MR_MAX_TEXT], text_b[MR_MAX_TEXT];
    mr_setting_format(setting, a, text_a, sizeof text_a);
    mr_setting_format(setting, b, text_b, sizeof text_b);
    return strcmp(text_a, text_b) == 0;
}

bool mr_setting_is_given(const mr_setting *setting, const mr_settings *settings) {
    return settings->is_given[setting - mr_setting_at(0)];
}

bool mr_settings_begin_with_run(const mr_settings *settings) {
    struct stat found;
    return settings->from[0] != '\0' &&
           (stat(settings->from, &found) != 0 || S_ISDIR(found.st_mode));
}

bool mr_setting_is_default(const mr_setting *setting, const mr_settings *settings,
                           char text[MR_MAX_TEXT]) {
    mr_setting_format(setting, settings, text, MR_MAX_TEXT);
    return strcmp(text, setting->initial) == 0;
}

int mr_settings_threads(size_t threads) {
    if (threads > 0)
        return (int)threads;
    const int n_cores = mr_threads_cores();
    return n_cores < MAX_DEFAULT_THREADS ? n_cores : MAX_DEFAULT_THREADS;
}

void mr_settings_init(mr_settings *settings) {
    *settings = (mr_settings){0};
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *row = mr_setting_at(i);
        const mr_status status = mr_setting_store(row, settings, row->initial, row->name);
        assert(status == MR_OK);
        (void)status;
    }
}

static const char *name_at(const void *rows, size_t i) {
    return ((const mr_setting *)rows)[i].name;
}

// Agents may have settings of the same name.
static mr_status store_by_name(mr_settings *settings, const char *name, const char *text,
                               const char *where) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *row = mr_setting_at(i);
        if (strcmp(name, row->name) != 0)
            continue;
        MR_TRY(mr_setting_store(row, settings, text, where));
        settings->is_given[i] = true;
    }
done:
    return status;
}

mr_status mr_settings_set(mr_settings *settings, const char *name, const char *text,
                          const char *where) {
    const mr_setting *found = mr_setting_find(name);
    if (found != NULL)
        return store_by_name(settings, found->name, text, where);
    char theirs[256];
    if (mr_peer_name_explain(name, false, theirs, sizeof theirs))
        return mr_fail(MR_ERR_USAGE, "%s is not a setting; %s", where, theirs);
    const char *nearest = mr_nearest(name, mr_setting_count(), name_at, mr_setting_at(0));
    if (nearest != NULL)
        return mr_fail(MR_ERR_USAGE, "%s is not a setting; did you mean %s?", where, nearest);
    return mr_fail(MR_ERR_USAGE, "%s is not a setting; `millrace train --help` lists them", where);
}
