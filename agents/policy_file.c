// Policy files: safetensors, with all that is needed to run the policy in the metadata.

#include "agents/policy_internal.h"

#include "flows/flow.h"
#include "nn/model_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Version 2 is that of policies with normalisation of layers or observations, with other bounds of
// the deviation or another deterministic action than the base's mean, which earlier versions would
// act without.
static const mr_model_format formats[] = {{.name = "millrace.policy",
                                           .version = "1",
                                           .what = "policy",
                                           .give = "a policy.safetensors of a run"},
                                          {.name = "millrace.policy",
                                           .version = "2",
                                           .what = "policy",
                                           .give = "a policy.safetensors of a run"}};

static const char *const positions[] = {"before", "after"}; // the activation, by norm_last

enum { NUMBER_SIZE = 32 };

// ---- Writing

static bool has_norm(const mr_policy_spec *spec) {
    return strcmp(spec->norm, mr_norm_name(MR_NORM_NONE)) != 0;
}

static mr_status note_norm(mr_tensors_writer *writer, const mr_policy_spec *spec) {
    const mr_status status = mr_tensors_writer_note(writer, "norm", spec->norm);
    return status == MR_OK
               ? mr_tensors_writer_note(writer, "norm_position", positions[spec->norm_last])
               : status;
}

static bool acts_by_base(const mr_policy_spec *spec) {
    return strcmp(spec->deterministic, mr_deterministic_default) == 0;
}

static bool has_more_than_version_1(const mr_policy_spec *spec) {
    return has_norm(spec) || spec->obs_mean || !mr_policy_has_usual_log_std(spec) ||
           !acts_by_base(spec);
}

static mr_status note_spec(mr_tensors_writer *writer, const mr_policy_spec *spec) {
    mr_status status;
    char hidden[MR_MAX_HIDDEN * NUMBER_SIZE];
    mr_widths_format(&spec->hidden, 'x', hidden, sizeof hidden);
    MR_TRY(mr_model_note(&formats[has_more_than_version_1(spec)], writer));
    MR_TRY(mr_tensors_writer_note(writer, "env", spec->env));
    if (spec->env_set[0] != '\0')
        MR_TRY(mr_tensors_writer_note(writer, "env_set", spec->env_set));
    if (spec->task[0] != '\0')
        MR_TRY(mr_tensors_writer_note(writer, "task", spec->task));
    if (spec->engine[0] != '\0')
        MR_TRY(mr_tensors_writer_note(writer, "engine", spec->engine));
    if (spec->engine_version[0] != '\0')
        MR_TRY(mr_tensors_writer_note(writer, "engine_version", spec->engine_version));
    MR_TRY(mr_tensors_writer_note(writer, "policy", spec->flow));
    MR_TRY(mr_tensors_writer_note(writer, "hidden", hidden));
    if (has_norm(spec))
        MR_TRY(note_norm(writer, spec));
    MR_TRY(mr_model_note_size(writer, "obs_dim", spec->obs_dim));
    MR_TRY(mr_model_note_size(writer, "act_dim", spec->act_dim));
    MR_TRY(mr_model_note_numbers(writer, "act_low", spec->act_dim, spec->act_low));
    MR_TRY(mr_model_note_numbers(writer, "act_high", spec->act_dim, spec->act_high));
    if (!mr_policy_has_usual_log_std(spec)) {
        MR_TRY(mr_model_note_numbers(writer, "log_std_low", 1, &spec->log_std_low));
        MR_TRY(mr_model_note_numbers(writer, "log_std_high", 1, &spec->log_std_high));
    }
    if (spec->obs_mean) {
        MR_TRY(mr_model_note_numbers(writer, "obs_mean", spec->obs_dim, spec->obs_mean));
        MR_TRY(mr_model_note_numbers(writer, "obs_std", spec->obs_dim, spec->obs_std));
    }
    if (!acts_by_base(spec))
        MR_TRY(mr_tensors_writer_note(writer, "deterministic_action", spec->deterministic));
done:
    return status;
}

static const char *const critic_values[] = {"min", "mean"}; // by takes_mean

// Critics are there for the actions that need them alone: they are larger than the policy.
static mr_status write_critics(const mr_policy *policy, mr_tensors_writer *writer) {
    if (!mr_deterministic_needs_critics(&policy->deterministic))
        return MR_OK;
    const mr_policy_critics *c = &policy->critics;
    const mr_status status =
        mr_tensors_writer_note(writer, "critic_value", critic_values[c->takes_mean]);
    return status == MR_OK ? mr_critic_write(c->critics, writer) : status;
}

mr_status mr_policy_save(const mr_policy *policy, const char *path, size_t n_entries,
                         const mr_metadata *entries) {
    mr_status status;
    mr_tensors_writer *writer = NULL;
    MR_REQUIRE(policy);
    MR_REQUIRE(path);
    if (n_entries > 0)
        MR_REQUIRE(entries);
    const mr_params *params = mr_policy_params(policy);
    MR_TRY(mr_tensors_writer_new(&writer));
    MR_TRY(note_spec(writer, mr_policy_get_spec(policy)));
    for (size_t i = 0; i < n_entries; i++)
        MR_TRY(mr_tensors_writer_note(writer, entries[i].key, entries[i].value));
    MR_TRY(mr_params_write(params, mr_params_read(params), "", writer));
    MR_TRY(write_critics(policy, writer));
    MR_TRY(mr_tensors_writer_write(writer, path));
done:
    mr_tensors_writer_free(writer);
    return status;
}

// ---- Reading

/// A spec read from a file, with the arrays it points to.
typedef struct {
    mr_policy_spec spec;
    double *act_low, *act_high, *obs_mean, *obs_std; // owned
} file_spec;

static mr_status get_numbers(const mr_tensors *file, const char *key, size_t n, double **out) {
    double *numbers = malloc(n * sizeof *numbers);
    if (!numbers)
        return mr_fail_memory("a policy file");
    const mr_status status = mr_model_numbers(file, key, n, numbers);
    if (status == MR_OK)
        *out = numbers;
    else
        free(numbers);
    return status;
}

// The trunk's arrays tell whether the sizes are those of the file.
static mr_status check_trunk(const mr_tensors *file, const mr_policy_spec *spec) {
    mr_status status = MR_OK;
    char name[64];
    const void *data;
    for (size_t i = 0; i < spec->hidden.n; i++) {
        const size_t shape[] = {spec->hidden.width[i],
                                i == 0 ? spec->obs_dim : spec->hidden.width[i - 1]};
        snprintf(name, sizeof name, "trunk.%zu.weight", i);
        MR_TRY(mr_tensors_get(file, name, mr_real_dtype, 2, shape, &data));
    }
done:
    return status;
}

static mr_status check_bounds(const mr_tensors *file, const mr_policy_spec *spec) {
    for (size_t j = 0; j < spec->act_dim; j++)
        if (spec->act_low[j] > spec->act_high[j])
            return mr_fail(
                MR_ERR_INPUT,
                "%s: its metadata's act_low is above act_high for action %zu; is the file damaged?",
                mr_tensors_path(file), j);
    return MR_OK;
}

static const mr_model_format *format_of(const mr_tensors *file) {
    const char *version = mr_tensors_note(file, "format_version");
    const bool is_first = version && strcmp(version, formats[0].version) == 0;
    return &formats[is_first ? 0 : 1];
}

// The metadata of a policy without normalisation has nothing about it.
static mr_status read_norm(const mr_tensors *file, mr_policy_spec *spec) {
    mr_norm_kind kind;
    spec->norm = mr_tensors_note(file, "norm");
    if (!spec->norm)
        return MR_OK;
    if (!mr_norm_find(spec->norm, &kind))
        return mr_model_fail(file, "norm", spec->norm);
    return mr_model_word(file, "norm_position", positions, &spec->norm_last);
}

// Files of policies that see observations as they are have none.
static mr_status read_obs_stats(const mr_tensors *file, file_spec *f) {
    mr_status status = MR_OK;
    if (!mr_tensors_note(file, "obs_mean"))
        return MR_OK;
    MR_TRY(get_numbers(file, "obs_mean", f->spec.obs_dim, &f->obs_mean));
    MR_TRY(get_numbers(file, "obs_std", f->spec.obs_dim, &f->obs_std));
    f->spec.obs_mean = f->obs_mean;
    f->spec.obs_std = f->obs_std;
    for (size_t j = 0; j < f->spec.obs_dim; j++)
        if (f->obs_std[j] <= 0)
            return mr_model_fail(file, "obs_std", mr_tensors_note(file, "obs_std"));
done:
    return status;
}

// Files of policies with the usual bounds have none.
static mr_status read_log_std(const mr_tensors *file, mr_policy_spec *spec) {
    mr_status status;
    if (!mr_tensors_note(file, "log_std_low"))
        return MR_OK;
    MR_TRY(mr_model_numbers(file, "log_std_low", 1, &spec->log_std_low));
    MR_TRY(mr_model_numbers(file, "log_std_high", 1, &spec->log_std_high));
    if (spec->log_std_low >= spec->log_std_high)
        status = mr_model_fail(file, "log_std_low", mr_tensors_note(file, "log_std_low"));
done:
    return status;
}

static mr_status read_spec(const mr_tensors *file, file_spec *f) {
    mr_status status;
    const char *hidden;
    MR_TRY(mr_model_check(format_of(file), file));
    MR_TRY(mr_model_text(file, "env", &f->spec.env));
    f->spec.env_set = mr_tensors_note(file, "env_set"); // NULL where the task is as by default
    f->spec.task = mr_tensors_note(file, "task");
    f->spec.engine = mr_tensors_note(file, "engine");
    f->spec.engine_version = mr_tensors_note(file, "engine_version");
    MR_TRY(mr_model_text(file, "policy", &f->spec.flow));
    MR_TRY(mr_model_text(file, "hidden", &hidden));
    if (!mr_widths_parse(hidden, &f->spec.hidden)) {
        status = mr_model_fail(file, "hidden", hidden);
        goto done;
    }
    MR_TRY(read_norm(file, &f->spec));
    MR_TRY(mr_model_size(file, "obs_dim", &f->spec.obs_dim));
    MR_TRY(mr_model_size(file, "act_dim", &f->spec.act_dim));
    MR_TRY(get_numbers(file, "act_low", f->spec.act_dim, &f->act_low));
    MR_TRY(get_numbers(file, "act_high", f->spec.act_dim, &f->act_high));
    f->spec.act_low = f->act_low;
    f->spec.act_high = f->act_high;
    MR_TRY(check_trunk(file, &f->spec));
    MR_TRY(check_bounds(file, &f->spec));
    MR_TRY(read_log_std(file, &f->spec));
    MR_TRY(read_obs_stats(file, f));
done:
    return status;
}

// What is wrong with the flow's text is wrong with the file, not with what the user asked for. No
// policy is larger than its file; of one that is nearly as large, what is missing is named later.
static mr_status build(const mr_tensors *file, const mr_policy_spec *spec, mr_policy **out) {
    char cause[1024];
    const size_t max_params = 2 * mr_model_count_numbers(file);
    const mr_status status = mr_policy_new_within(spec, 0, max_params, out);
    if (status != MR_ERR_USAGE && status != MR_ERR_INPUT)
        return status;
    snprintf(cause, sizeof cause, "%s", mr_error_message());
    return mr_fail(MR_ERR_INPUT, "%s: %s", mr_tensors_path(file), cause);
}

static mr_status read_critics(const mr_tensors *file, mr_policy *policy) {
    mr_status status;
    bool takes_mean;
    MR_TRY(mr_model_word(file, "critic_value", critic_values, &takes_mean));
    MR_TRY(mr_critic_read(file, policy->spec.obs_dim, policy->spec.act_dim, &policy->own_critics));
    mr_policy_set_critics(policy, policy->own_critics, takes_mean);
done:
    return status;
}

// Files of policies that act by the base's mean have none.
static mr_status read_deterministic(const mr_tensors *file, mr_policy *policy) {
    mr_status status = MR_OK;
    bool needs_critics;
    const char *text = mr_tensors_note(file, "deterministic_action");
    if (!text)
        return MR_OK;
    if (mr_policy_check_deterministic(text, &needs_critics) != MR_OK)
        return mr_model_fail(file, "deterministic_action", text);
    if (needs_critics)
        MR_TRY(read_critics(file, policy));
    status = mr_policy_set_deterministic(policy, text);
done:
    return status;
}

static mr_status read_policy(const mr_tensors *file, mr_policy **out) {
    mr_status status;
    mr_policy *policy = NULL;
    file_spec f = {0};
    MR_TRY(read_spec(file, &f));
    MR_TRY(build(file, &f.spec, &policy));
    MR_TRY(mr_model_load(file, mr_policy_params(policy), "", "use an earlier policy"));
    MR_TRY(read_deterministic(file, policy));
    *out = policy;
    policy = NULL;
done:
    free(f.act_low);
    free(f.act_high);
    free(f.obs_mean);
    free(f.obs_std);
    mr_policy_free(policy);
    return status;
}

mr_status mr_policy_load(const char *path, mr_policy **out) {
    mr_status status;
    mr_tensors *file = NULL;
    MR_REQUIRE(path);
    MR_REQUIRE(out);
    MR_TRY(mr_tensors_open(path, &file));
    MR_TRY(read_policy(file, out));
done:
    mr_tensors_close(file);
    return status;
}

mr_status mr_policy_load_memory(const void *bytes, size_t size, mr_policy **out) {
    mr_status status;
    mr_tensors *file = NULL;
    MR_REQUIRE(bytes);
    MR_REQUIRE(out);
    MR_TRY(mr_tensors_read_memory("policy in memory", bytes, size, &file));
    MR_TRY(read_policy(file, out));
done:
    mr_tensors_close(file);
    return status;
}
