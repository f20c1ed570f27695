// The runs of a sweep: their points, names, settings and commands.

#include "cli/sweep/plan.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/fine_tuning.h"
#include "agents/trainer.h"
#include "base/number.h"
#include "base/random.h"
#include "cli/shell_word.h"

enum { N_DIGITS = 4, NUMBER_SIZE = 32 }; // of numbers that are drawn

// ---- Points

// Point `i` of all combinations; the last setting varies fastest.
static void choose_combination(const mr_sweep_file *f, size_t i, const char **values) {
    for (size_t k = f->n_axes; k-- > 0; i /= f->axes[k].n_values)
        values[k] = f->axes[k].values[i % f->axes[k].n_values];
}

static double draw_number(const mr_sweep_axis *axis, mr_random *random) {
    const double u = mr_random_uniform(random), low = axis->low, high = axis->high;
    switch (axis->distribution) {
    case MR_SWEEP_LOG_UNIFORM:
        return low * pow(high / low, u);
    case MR_SWEEP_INTEGER:
        return low + floor(u * (high - low + 1));
    default:
        return low + u * (high - low);
    }
}

// Rounded numbers stay within the interval.
static const char *draw(mr_arena *arena, const mr_sweep_axis *axis, mr_random *random) {
    char text[NUMBER_SIZE], *end;
    if (axis->distribution == MR_SWEEP_CHOICE)
        return axis->values[mr_random_below(random, axis->n_values)];
    const double number = draw_number(axis, random);
    if (axis->distribution == MR_SWEEP_INTEGER)
        snprintf(text, sizeof text, "%.0f", number);
    else
        mr_number_write_digits(text, sizeof text, N_DIGITS, number);
    const double rounded = mr_number_read(text, &end);
    if (rounded < axis->low || rounded > axis->high)
        mr_number_write(text, sizeof text, number);
    return mr_arena_text(arena, text);
}

// Points depend on their number alone: more of them can be drawn later.
static mr_status draw_point(mr_sweep_plan *p, size_t i, const char **values) {
    mr_random random = mr_random_stream(p->file->draw_seed, MR_STREAM_SWEEP, i);
    for (size_t k = 0; k < p->file->n_axes; k++) {
        values[k] = draw(p->arena, &p->file->axes[k], &random);
        if (!values[k])
            return mr_fail_memory("the sweep");
    }
    return MR_OK;
}

// "003-gamma-0.98-policy-real_nvp-layers-2": other characters than those become one dash.
static void name_point(const mr_sweep_plan *p, size_t i) {
    char *name = p->points[i].name;
    size_t n = (size_t)snprintf(name, MR_SWEEP_NAME_SIZE, "%03zu", i + 1);
    for (size_t k = 0; k < p->file->n_axes && n < MR_SWEEP_NAME_SIZE; k++)
        n += (size_t)snprintf(name + n, MR_SWEEP_NAME_SIZE - n, "-%s-%s", p->file->axes[k].name,
                              p->points[i].values[k]);
    char *to = name;
    for (const char *c = name; *c != '\0'; c++) {
        const bool is_plain = isalnum((unsigned char)*c) || strchr("_.", *c);
        if (is_plain || to[-1] != '-') // a name begins with its number
            *to++ = is_plain ? *c : '-';
    }
    *to = '\0';
}

static size_t count_combinations(const mr_sweep_file *f) {
    double n = 1;
    for (size_t k = 0; k < f->n_axes; k++)
        n *= (double)f->axes[k].n_values;
    return n > MR_SWEEP_MAX_POINTS ? SIZE_MAX : (size_t)n;
}

static mr_status make_points(mr_sweep_plan *p) {
    mr_status status = MR_OK;
    const mr_sweep_file *f = p->file;
    p->n_points = f->n_points > 0 ? f->n_points : count_combinations(f);
    if (p->n_points > MR_SWEEP_MAX_POINTS)
        return mr_fail(MR_ERR_INPUT,
                       "%s has more than %d combinations; draw some of them with "
                       "method random and points",
                       f->path, MR_SWEEP_MAX_POINTS);
    p->n_runs = p->n_points * f->n_seeds;
    p->points = mr_arena_alloc(p->arena, p->n_points * sizeof *p->points);
    if (!p->points)
        return mr_fail_memory("the sweep");
    for (size_t i = 0; i < p->n_points; i++) {
        p->points[i].values = mr_arena_alloc(p->arena, (f->n_axes + 1) * sizeof(char *));
        if (!p->points[i].values)
            return mr_fail_memory("the sweep");
        if (f->n_points > 0)
            MR_TRY(draw_point(p, i, p->points[i].values));
        else
            choose_combination(f, i, p->points[i].values);
        name_point(p, i);
    }
done:
    return status;
}

const mr_sweep_point *mr_sweep_point_of(const mr_sweep_plan *p, size_t run) {
    return &p->points[run / p->file->n_seeds];
}

const char *mr_sweep_seed_of(const mr_sweep_plan *p, size_t run) {
    return p->file->seeds[run % p->file->n_seeds];
}

void mr_sweep_run_dir(const mr_sweep_plan *p, size_t run, char dir[MR_MAX_TEXT]) {
    snprintf(dir, MR_MAX_TEXT, "%s/%s-s%s", p->dir, mr_sweep_point_of(p, run)->name,
             mr_sweep_seed_of(p, run));
}

size_t mr_sweep_run_steps(const mr_sweep_plan *p, size_t run, size_t round) {
    return p->n_rounds > 1 ? p->round_steps[round] : mr_sweep_point_of(p, run)->steps;
}

void mr_sweep_path(const mr_sweep_plan *p, const char *name, char path[MR_MAX_TEXT]) {
    snprintf(path, MR_MAX_TEXT, "%s/.sweep/%s", p->dir, name);
}

// ---- Settings

// Settings that a sweep sets itself.
static const struct {
    const char *name, *remedy;
} own[] = {{"seed", "list them under `seeds`"},
           {"out", "give the sweep's folder with --out"},
           {"threads", "leave it out: each run has one thread"}};

static mr_status check_name(const mr_sweep_file *f, const char *name, const char *where) {
    const mr_setting *setting = mr_setting_find(name);
    size_t n = 0;
    for (size_t i = 0; i < MR_COUNT(own) && setting; i++)
        if (strcmp(setting->name, own[i].name) == 0)
            return mr_fail(MR_ERR_USAGE, "%s is the sweep's to set; %s", where, own[i].remedy);
    for (size_t i = 0; i < f->n_fixed && setting; i++)
        n += mr_setting_find(f->fixed[i].name) == setting;
    for (size_t i = 0; i < f->n_axes && setting; i++)
        n += mr_setting_find(f->axes[i].name) == setting;
    return n < 2 ? MR_OK : mr_fail(MR_ERR_INPUT, "%s is given twice; keep one", where);
}

static mr_status check_names(const mr_sweep_file *f) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < f->n_fixed; i++)
        MR_TRY(check_name(f, f->fixed[i].name, f->fixed[i].where));
    for (size_t i = 0; i < f->n_axes; i++)
        MR_TRY(check_name(f, f->axes[i].name, f->axes[i].where));
done:
    return status;
}

// What the file says, and nothing else.
static mr_status set_given(const mr_sweep_plan *p, size_t run, mr_settings *s) {
    mr_status status = MR_OK;
    const mr_sweep_file *f = p->file;
    char where[MR_MAX_TEXT];
    mr_settings_init(s);
    for (size_t i = 0; i < f->n_fixed; i++)
        MR_TRY(mr_settings_set(s, f->fixed[i].name, f->fixed[i].text, f->fixed[i].where));
    for (size_t i = 0; i < f->n_axes; i++)
        MR_TRY(mr_settings_set(s, f->axes[i].name, mr_sweep_point_of(p, run)->values[i],
                               f->axes[i].where));
    snprintf(where, sizeof where, "%s: seeds", f->path);
    MR_TRY(mr_settings_set(s, "seed", mr_sweep_seed_of(p, run), where));
    status = mr_settings_set(s, "threads", "1", "threads");
done:
    return status;
}

// Builds what a run consists of, unless that would ask servers for their environments.
static mr_status try_to_build(const mr_settings *s) {
    mr_trainer t;
    if (mr_env_is_remote(s->env))
        return MR_OK;
    const mr_status status = mr_trainer_build(&t, s, NULL, NULL, NULL, false);
    mr_trainer_close(&t);
    return status;
}

static mr_status complete(mr_settings *s, bool is_tried) {
    mr_status status;
    MR_TRY(mr_settings_complete(s));
    MR_TRY(mr_settings_check(s));
    if (is_tried)
        MR_TRY(try_to_build(s));
done:
    return status;
}

// A run goes on from round to round, and each round ends in an evaluation that the next one keeps.
static mr_status check_halving(const mr_sweep_plan *p, size_t point, const mr_settings *s) {
    const mr_sweep_file *f = p->file;
    if (f->method != MR_SWEEP_HALVING)
        return MR_OK;
    if (s->steps != p->points[0].steps)
        return mr_fail(MR_ERR_USAGE, "%s: steps can't vary: halving chooses them", f->path);
    if (s->steps <= f->first_steps)
        return mr_fail(
            MR_ERR_USAGE,
            "%s: first_steps is %zu, not less than steps, which is %zu; lower the one or "
            "raise the other",
            f->path, f->first_steps, s->steps);
    if (mr_setting_role_of(mr_setting_find("steps"), s) != MR_ROLE_FREE)
        return mr_fail(
            MR_ERR_USAGE,
            "%s: %s has a learning rate or an intrinsic reward that falls until the last "
            "step, and halving does not know which that is; choose lr_schedule constant "
            "and bonus_decay none, or method random",
            f->path, p->points[point].name);
    if (s->eval_every == 0 || f->first_steps % s->eval_every != 0)
        return mr_fail(MR_ERR_USAGE,
                       "%s: first_steps is %zu, no multiple of eval_every, which is %zu; runs are "
                       "compared by an evaluation at the end of each round",
                       f->path, f->first_steps, s->eval_every);
    return MR_OK;
}

// The seed alone tells the other runs of a point apart.
static mr_status check_point(mr_sweep_plan *p, size_t point, bool is_tried) {
    mr_status status;
    mr_settings s;
    char cause[1024];
    const size_t run = point * p->file->n_seeds;
    MR_TRY(set_given(p, run, &s));
    status = complete(&s, is_tried);
    if (status != MR_OK) {
        snprintf(cause, sizeof cause, "%s", mr_error_message());
        return mr_fail(status, "%s: point %s: %s", p->file->path, p->points[point].name, cause);
    }
    p->points[point].steps = s.steps;
    p->points[point].num_envs = s.num_envs > 0 ? s.num_envs : 1;
    status = check_halving(p, point, &s);
done:
    return status;
}

static mr_status check_seeds(const mr_sweep_plan *p) {
    mr_status status = MR_OK;
    mr_settings s;
    for (size_t i = 0; i < p->file->n_seeds; i++) {
        MR_TRY(set_given(p, i, &s));
        for (size_t k = 0; k < i; k++)
            if (strcmp(p->file->seeds[i], p->file->seeds[k]) == 0)
                return mr_fail(MR_ERR_INPUT, "%s: the seed %s is given twice; keep one",
                               p->file->path, p->file->seeds[i]);
    }
done:
    return status;
}

// ---- The plan

// Round k has floor(n / eta^k) points, at least one, of first_steps eta^k steps (Jamieson and
// Talwalkar 2016, arXiv:1502.07943); the last one has all steps.
static void plan_rounds(mr_sweep_plan *p) {
    const mr_sweep_file *f = p->file;
    size_t n = p->n_points;
    p->n_rounds = 0;
    if (f->method == MR_SWEEP_HALVING)
        for (size_t steps = f->first_steps;
             steps < p->points[0].steps && p->n_rounds + 1 < MR_SWEEP_MAX_ROUNDS; steps *= f->eta) {
            p->round_steps[p->n_rounds] = steps;
            p->round_points[p->n_rounds++] = n;
            n = n / f->eta > 0 ? n / f->eta : 1;
        }
    p->round_steps[p->n_rounds] = p->points[0].steps;
    p->round_points[p->n_rounds++] = n;
}

mr_status mr_sweep_plan_new(const mr_sweep_file *file, const char *dir, bool is_tried,
                            mr_sweep_plan *out) {
    mr_status status;
    *out = (mr_sweep_plan){.file = file, .dir = dir, .arena = mr_arena_new()};
    if (!out->arena)
        return mr_fail_memory("the sweep");
    MR_TRY(check_names(file));
    MR_TRY(make_points(out));
    MR_TRY(check_seeds(out));
    for (size_t i = 0; i < out->n_points; i++)
        MR_TRY(check_point(out, i, is_tried));
    plan_rounds(out);
done:
    return status;
}

void mr_sweep_plan_free(mr_sweep_plan *plan) {
    mr_arena_free(plan->arena);
    *plan = (mr_sweep_plan){0};
}

// ---- Runs that exist

mr_status mr_sweep_check_run(const mr_sweep_plan *p, size_t run) {
    mr_status status;
    mr_settings given, planned, begun;
    char dir[MR_MAX_TEXT], path[MR_MAX_TEXT + 16], now[MR_MAX_TEXT], before[MR_MAX_TEXT];
    mr_sweep_run_dir(p, run, dir);
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    if (access(path, F_OK) != 0)
        return MR_OK;
    MR_TRY(set_given(p, run, &given));
    planned = given;
    MR_TRY(mr_settings_complete(&planned)); // of the agent and the preset that all runs have
    mr_settings_init(&begun);
    MR_TRY(mr_settings_read(&begun, path));
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *setting = mr_setting_at(i);
        const mr_setting_role role = mr_setting_role_of(setting, &planned);
        const bool is_fixed = given.is_given[i] || strcmp(setting->name, "preset") == 0;
        if (!is_fixed || !mr_setting_is_used(setting, &planned) || role == MR_ROLE_FREE ||
            role == MR_ROLE_OWN_TO_RUN || mr_setting_is_same(setting, &planned, &begun))
            continue;
        mr_setting_format(setting, &planned, now, sizeof now);
        mr_setting_format(setting, &begun, before, sizeof before);
        return mr_fail(MR_ERR_USAGE,
                       "%s was begun with %s %.200s, and %s now has %.200s; choose another folder "
                       "with --out, or change it back",
                       dir, setting->name, before, p->file->path, now);
    }
done:
    return status;
}

// ---- Commands

bool mr_sweep_has_checkpoint(const mr_sweep_plan *p, size_t run) {
    char dir[MR_MAX_TEXT], path[MR_MAX_TEXT + 32];
    mr_sweep_run_dir(p, run, dir);
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", dir);
    return access(path, F_OK) == 0;
}

static mr_status add(mr_sweep_words *w, const char *word) {
    if (w->n == MR_SWEEP_MAX_WORDS)
        return mr_fail(MR_ERR_USAGE, "more settings than a command can have");
    w->words[w->n] = mr_arena_text(w->arena, word);
    w->words[w->n + 1] = NULL;
    return w->words[w->n++] ? MR_OK : mr_fail_memory("a command");
}

static mr_status add_setting(mr_sweep_words *w, const char *name, const char *text) {
    mr_status status = MR_OK;
    char words[2][MR_SETTING_WORD_SIZE];
    const size_t n = mr_setting_words(mr_setting_find(name), text, words);
    for (size_t i = 0; i < n; i++)
        MR_TRY(add(w, words[i]));
done:
    return status;
}

static mr_status add_beginning(const mr_sweep_plan *p, size_t run, const char *steps,
                               mr_sweep_words *w) {
    mr_status status = MR_OK;
    const mr_sweep_file *f = p->file;
    for (size_t i = 0; i < f->n_fixed; i++)
        if (p->n_rounds == 1 || strcmp(mr_setting_find(f->fixed[i].name)->name, "steps") != 0)
            MR_TRY(add_setting(w, f->fixed[i].name, f->fixed[i].text));
    for (size_t i = 0; i < f->n_axes; i++)
        MR_TRY(add_setting(w, f->axes[i].name, mr_sweep_point_of(p, run)->values[i]));
    if (p->n_rounds > 1)
        MR_TRY(add_setting(w, "steps", steps));
    MR_TRY(add_setting(w, "seed", mr_sweep_seed_of(p, run)));
    MR_TRY(add_setting(w, "threads", "1"));
done:
    return status;
}

mr_status mr_sweep_command_of(const mr_sweep_plan *p, size_t run, size_t round, const char *program,
                              mr_sweep_words *out) {
    mr_status status;
    char dir[MR_MAX_TEXT], steps[NUMBER_SIZE];
    *out = (mr_sweep_words){.arena = mr_arena_new()};
    if (!out->arena)
        return mr_fail_memory("a command");
    mr_sweep_run_dir(p, run, dir);
    snprintf(steps, sizeof steps, "%zu", mr_sweep_run_steps(p, run, round));
    const bool has_begun = mr_sweep_has_checkpoint(p, run);
    MR_TRY(add(out, program));
    MR_TRY(add(out, "train"));
    if (!has_begun)
        MR_TRY(add_beginning(p, run, steps, out));
    MR_TRY(add(out, has_begun ? "--resume" : "--out"));
    MR_TRY(add(out, dir));
    if (has_begun)
        MR_TRY(add_setting(out, "steps", steps));
done:
    return status;
}

void mr_sweep_words_free(mr_sweep_words *words) {
    mr_arena_free(words->arena);
}
