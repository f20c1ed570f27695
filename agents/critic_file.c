// Critics in the file of a policy, by which its deterministic action may be chosen.

#include "agents/critic.h"

#include <stdio.h>
#include <string.h>

#include "nn/model_file.h"

static const char prefix[] = "critic.";
static const char *const positions[] = {"before", "after"}; // the activation, by norm_last
static const char *const kinds[] = {"plain", "residual"};   // of nets, by residual

enum { MAX_ATOMS = 1001, MAX_QUANTILES = 200, TEXT_SIZE = MR_MAX_HIDDEN * 32 };

// ---- Writing

static mr_status note_net(const mr_mlp_spec *net, mr_tensors_writer *writer) {
    mr_status status;
    char hidden[TEXT_SIZE];
    mr_widths_format(&net->hidden, 'x', hidden, sizeof hidden);
    MR_TRY(mr_tensors_writer_note(writer, "critic_hidden", hidden));
    MR_TRY(mr_tensors_writer_note(writer, "critic_net", kinds[net->residual]));
    MR_TRY(
        mr_tensors_writer_note(writer, "critic_activation", mr_activation_name(net->activation)));
    MR_TRY(mr_tensors_writer_note(writer, "critic_norm", mr_norm_name(net->norm)));
    MR_TRY(mr_tensors_writer_note(writer, "critic_norm_position", positions[net->norm_last]));
done:
    return status;
}

static mr_status note_head(const mr_ensemble *e, mr_tensors_writer *writer) {
    mr_status status;
    const mr_value_options *v = &e->value;
    const double support[] = {v->atoms.low, v->atoms.high};
    MR_TRY(mr_model_note_size(writer, "critics", e->n));
    MR_TRY(mr_tensors_writer_note(writer, "critic_head", e->head->name));
    MR_TRY(mr_model_note_size(writer, "critic_atoms", v->n_atoms));
    MR_TRY(mr_model_note_numbers(writer, "critic_support", MR_COUNT(support), support));
    MR_TRY(mr_model_note_size(writer, "critic_quantiles", v->n_quantiles));
done:
    return status;
}

mr_status mr_critic_write(const mr_critic *critic, mr_tensors_writer *writer) {
    mr_status status;
    const mr_params *params = mr_critic_params(critic);
    MR_TRY(note_net(mr_critic_net(critic), writer));
    MR_TRY(note_head(mr_critic_ensemble(critic), writer));
    MR_TRY(mr_params_write(params, mr_params_read(params), prefix, writer));
done:
    return status;
}

// ---- Reading

static mr_status read_net(const mr_tensors *file, mr_mlp_spec *net) {
    mr_status status;
    const char *hidden, *activation, *norm;
    MR_TRY(mr_model_text(file, "critic_hidden", &hidden));
    MR_TRY(mr_model_text(file, "critic_activation", &activation));
    MR_TRY(mr_model_text(file, "critic_norm", &norm));
    if (!mr_widths_parse(hidden, &net->hidden))
        return mr_model_fail(file, "critic_hidden", hidden);
    if (!mr_activation_find(activation, &net->activation))
        return mr_model_fail(file, "critic_activation", activation);
    if (!mr_norm_find(norm, &net->norm))
        return mr_model_fail(file, "critic_norm", norm);
    MR_TRY(mr_model_word(file, "critic_norm_position", positions, &net->norm_last));
    MR_TRY(mr_model_word(file, "critic_net", kinds, &net->residual));
done:
    return status;
}

static mr_status read_count(const mr_tensors *file, const char *key, size_t most, size_t *out) {
    const mr_status status = mr_model_size(file, key, out);
    return status == MR_OK && *out > most ? mr_model_fail(file, key, mr_tensors_note(file, key))
                                          : status;
}

static mr_status read_head(const mr_tensors *file, mr_ensemble *e) {
    mr_status status;
    const char *head;
    double support[2];
    mr_value_options *v = &e->value;
    MR_TRY(read_count(file, "critics", MR_MAX_CRITICS, &e->n));
    MR_TRY(mr_model_text(file, "critic_head", &head));
    MR_TRY(read_count(file, "critic_atoms", MAX_ATOMS, &v->n_atoms));
    MR_TRY(read_count(file, "critic_quantiles", MAX_QUANTILES, &v->n_quantiles));
    MR_TRY(mr_model_numbers(file, "critic_support", MR_COUNT(support), support));
    e->n_target = e->n;
    e->head = mr_value_head_find(head);
    v->atoms = (mr_atoms){support[0], support[1]};
    if (!e->head)
        status = mr_model_fail(file, "critic_head", head);
    else if (v->n_atoms < 2)
        status = mr_model_fail(file, "critic_atoms", mr_tensors_note(file, "critic_atoms"));
    else if (support[0] >= support[1])
        status = mr_model_fail(file, "critic_support", mr_tensors_note(file, "critic_support"));
done:
    return status;
}

mr_status mr_critic_read(const mr_tensors *file, size_t obs_dim, size_t act_dim, mr_critic **out) {
    mr_status status;
    mr_critic *critic = NULL;
    mr_critic_options options = {.obs_dim = obs_dim,
                                 .act_dim = act_dim,
                                 .n_threads = 1,
                                 .max_params = 2 * mr_model_count_numbers(file)};
    MR_TRY(read_net(file, &options.net));
    MR_TRY(read_head(file, &options.ensemble));
    MR_TRY(mr_critic_new(&options, &critic));
    MR_TRY(mr_model_load(file, mr_critic_params(critic), prefix, "use an earlier policy"));
    *out = critic;
    critic = NULL;
done:
    mr_critic_free(critic);
    return status;
}
