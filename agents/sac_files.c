// The SAC agent in a checkpoint.

#include "agents/sac_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"", "moment1.", "moment2."};
static const size_t n_figures = sizeof(mr_sac_figures) / sizeof(double);

static mr_status write_trained(const mr_params *params, const char *name,
                               mr_tensors_writer *writer) {
    for (int k = 0; k < 3; k++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "%s%s.", kinds[k], name);
        const mr_real *array = k == 0 ? mr_params_read(params) : mr_params_moment(params, k);
        const mr_status status = mr_params_write(params, array, prefix, writer);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

static mr_status note_count(mr_tensors_writer *writer, const char *key, uint64_t count) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)count);
    return mr_tensors_writer_note(writer, key, text);
}

static mr_status write_critic(const mr_critic *critic, const char *name, const char *target_prefix,
                              mr_tensors_writer *writer) {
    const mr_params *target = mr_critic_target(critic);
    const mr_status status = write_trained(mr_critic_params(critic), name, writer);
    return status == MR_OK ? mr_params_write(target, mr_params_read(target), target_prefix, writer)
                           : status;
}

mr_status mr_sac_write(const mr_sac *sac, mr_tensors_writer *writer) {
    mr_status status;
    MR_TRY(note_count(writer, "n_updates", sac->n_updates));
    MR_TRY(note_count(writer, "critic_adam_steps", sac->critic_adam.n_steps));
    MR_TRY(note_count(writer, "actor_adam_steps", sac->actor_adam.n_steps));
    MR_TRY(note_count(writer, "alpha_adam_steps", sac->alpha_adam.n_steps));
    MR_TRY(mr_tensors_writer_add(writer, "figures", MR_F64, 1, &n_figures, &sac->figures));
    MR_TRY(write_trained(mr_policy_params(sac->policy), "policy", writer));
    MR_TRY(write_critic(sac->critic, "critic", "target.", writer));
    MR_TRY(write_trained(sac->temperature, "temperature", writer));
    if (sac->bonus_critic) {
        MR_TRY(note_count(writer, "bonus_adam_steps", sac->bonus_adam.n_steps));
        MR_TRY(write_critic(sac->bonus_critic, "bonus_critic", "bonus_target.", writer));
    }
done:
    return status;
}

// ---- Reading

static mr_status read_trained(const mr_params *params, const char *name, const mr_tensors *file) {
    for (int k = 0; k < 3; k++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "%s%s.", kinds[k], name);
        mr_real *array = k == 0 ? mr_params_value(params) : mr_params_moment(params, k);
        const mr_status status = mr_params_load(params, file, prefix, array);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

static mr_status read_count(const mr_tensors *file, const char *key, uint64_t *count) {
    const char *text = mr_tensors_note(file, key);
    char *end = NULL;
    if (text && text[0] >= '0' && text[0] <= '9')
        *count = strtoull(text, &end, 10);
    if (!end || *end != '\0')
        return mr_fail(MR_ERR_INPUT,
                       "%s: %s is not a count; the file is damaged, take another copy",
                       mr_tensors_path(file), key);
    return MR_OK;
}

static mr_status read_critic(const mr_critic *critic, const char *name, const char *target_prefix,
                             const mr_tensors *file) {
    const mr_params *target = mr_critic_target(critic);
    const mr_status status = read_trained(mr_critic_params(critic), name, file);
    return status == MR_OK ? mr_params_load(target, file, target_prefix, mr_params_value(target))
                           : status;
}

mr_status mr_sac_read(mr_sac *sac, const mr_tensors *file) {
    mr_status status;
    const void *figures;
    MR_TRY(read_count(file, "n_updates", &sac->n_updates));
    MR_TRY(read_count(file, "critic_adam_steps", &sac->critic_adam.n_steps));
    MR_TRY(read_count(file, "actor_adam_steps", &sac->actor_adam.n_steps));
    MR_TRY(read_count(file, "alpha_adam_steps", &sac->alpha_adam.n_steps));
    MR_TRY(mr_tensors_get(file, "figures", MR_F64, 1, &n_figures, &figures));
    memcpy(&sac->figures, figures, sizeof sac->figures);
    MR_TRY(read_trained(mr_policy_params(sac->policy), "policy", file));
    MR_TRY(read_critic(sac->critic, "critic", "target.", file));
    MR_TRY(read_trained(sac->temperature, "temperature", file));
    if (sac->bonus_critic) {
        MR_TRY(read_count(file, "bonus_adam_steps", &sac->bonus_adam.n_steps));
        MR_TRY(read_critic(sac->bonus_critic, "bonus_critic", "bonus_target.", file));
    }
done:
    return status;
}
