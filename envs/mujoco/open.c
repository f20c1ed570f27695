// Opens MuJoCo tasks: makes a running task of a description and a model.

#include "envs/mujoco/open.h"

#include "envs/mujoco/compat.h"
#include "envs/mujoco/describe.h"
#include "envs/mujoco/model.h"
#include "envs/mujoco/simulation.h"
#include "envs/mujoco/start.h"
#include "envs/mujoco/terms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Sizes

static size_t info_dim(const mr_info_term *term) {
    return term->of.kind != NULL ? 1 : term->of.of.dim;
}

static void count_parts(mr_mujoco *mujoco) {
    for (size_t i = 0; i < mujoco->task.obs.n; i++)
        mujoco->obs_dim += mr_obs_part_dim(&mujoco->task.obs.rows[i]);
    for (size_t i = 0; i < mujoco->task.rewards.n; i++)
        mujoco->n_reward_infos += mujoco->task.rewards.rows[i].name[0] != '\0';
    mujoco->n_info_values = mujoco->n_reward_infos;
    for (size_t i = 0; i < mujoco->task.infos.n; i++)
        mujoco->n_info_values += info_dim(&mujoco->task.infos.rows[i]);
}

static bool is_after_step(const mr_slice *slice) {
    return slice->field != NULL && slice->field->after_step;
}

static bool reads_after_step(const mr_mujoco *mujoco) {
    const mr_task *task = &mujoco->task;
    bool reads = false;
    for (size_t i = 0; i < task->obs.n; i++)
        reads = reads ||
                (mr_obs_part_dim(&task->obs.rows[i]) > 0 && is_after_step(&task->obs.rows[i].of));
    for (size_t i = 0; i < task->rewards.n; i++)
        reads = reads || is_after_step(&task->rewards.rows[i].of.of);
    for (size_t i = 0; i < task->infos.n; i++)
        reads = reads || is_after_step(&task->infos.rows[i].of.of);
    for (size_t i = 0; i < task->healthy.n; i++)
        reads = reads || is_after_step(&task->healthy.rows[i].of.of);
    return reads;
}

static mr_status allocate(mr_mujoco *mujoco) {
    const size_t n_info = mujoco->n_info_values, n_act = (size_t)mujoco->model->nu;
    const size_t n_before = mujoco->task.rewards.n + mujoco->task.infos.n;
    const size_t n_numbers =
        n_before + 2 * n_act + mujoco->obs_dim + n_info + mujoco->task.n_plugin_numbers;
    mujoco->numbers = calloc(n_numbers + 1, sizeof *mujoco->numbers);
    mujoco->info_texts = calloc(n_info + 1, sizeof *mujoco->info_texts);
    mujoco->info_names = calloc(n_info + 1, sizeof *mujoco->info_names);
    mujoco->obs_texts = calloc(mujoco->obs_dim + 1, MR_SLICE_NAME_SIZE);
    mujoco->obs_names = calloc(mujoco->obs_dim + 1, sizeof *mujoco->obs_names);
    if (mujoco->numbers == NULL || mujoco->info_texts == NULL || mujoco->info_names == NULL ||
        mujoco->obs_texts == NULL || mujoco->obs_names == NULL)
        return mr_fail_memory(mujoco->name);
    mujoco->before = mujoco->numbers;
    mujoco->act_low = mujoco->before + n_before;
    mujoco->act_high = mujoco->act_low + n_act;
    mujoco->last_obs = mujoco->act_high + n_act;
    mujoco->info = mujoco->last_obs + mujoco->obs_dim;
    mujoco->plugin_numbers = mujoco->info + n_info;
    return MR_OK;
}

// ---- Names

static void name_infos(mr_mujoco *mujoco) {
    size_t k = 0;
    const size_t size = sizeof mujoco->info_texts[0];
    for (size_t i = 0; i < mujoco->task.rewards.n; i++)
        if (mujoco->task.rewards.rows[i].name[0] != '\0')
            snprintf(mujoco->info_texts[k++], size, "%s", mujoco->task.rewards.rows[i].name);
    for (size_t i = 0; i < mujoco->task.infos.n; i++) {
        const mr_info_term *term = &mujoco->task.infos.rows[i];
        const size_t n = info_dim(term);
        for (size_t j = 0; j < n; j++)
            snprintf(mujoco->info_texts[k++], size, n > 1 ? "%s[%zu]" : "%s", term->name, j);
    }
    for (size_t i = 0; i < k; i++)
        mujoco->info_names[i] = mujoco->info_texts[i];
}

// A name must stand for one number.
static mr_status check_info_names(const mr_mujoco *mujoco) {
    for (size_t i = 0; i < mujoco->n_info_values; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(mujoco->info_texts[k], mujoco->info_texts[i]) == 0)
                return mr_fail(MR_ERR_INPUT,
                               "%s: two numbers of the info are called \"%s\"; give each a name of "
                               "its own",
                               mujoco->name, mujoco->info_texts[i]);
    return MR_OK;
}

static void name_obs(mr_mujoco *mujoco) {
    char *name = mujoco->obs_texts;
    for (size_t i = 0, k = 0; i < mujoco->task.obs.n; i++) {
        const mr_obs_part *part = &mujoco->task.obs.rows[i];
        const size_t dim = mr_obs_part_dim(part);
        for (size_t j = 0; j < dim; j++, name += MR_SLICE_NAME_SIZE) {
            mr_slice_name(mujoco->model, &part->of, j, name);
            mujoco->obs_names[k++] = name;
        }
    }
}

// ---- The running task

static void make_data(void *self) {
    mr_mujoco *mujoco = self;
    mujoco->data = mj_makeData(mujoco->model);
}

static void copy_bounds(mr_mujoco *mujoco) {
    for (size_t i = 0; i < (size_t)mujoco->model->nu; i++) {
        mujoco->act_low[i] = mujoco->model->actuator_ctrlrange[2 * i];
        mujoco->act_high[i] = mujoco->model->actuator_ctrlrange[2 * i + 1];
    }
}

// All but the notes. Takes over the use of `shared`, also on failure.
static mr_status build(const char *name, const mr_task *task, mr_shared_model *shared,
                       mr_mujoco **out) {
    mr_status status;
    const mjModel *model = shared->model;
    mr_mujoco *mujoco = calloc(1, sizeof *mujoco);

    if (mujoco == NULL) {
        mr_shared_model_release(shared);
        return mr_fail_memory(name);
    }
    mujoco->shared = shared;
    mujoco->model = shared->model;
    mujoco->name = strdup(name);
    if (mujoco->name == NULL)
        MR_TRY(mr_fail_memory(name));
    MR_TRY(mr_task_copy(task, &mujoco->task));
    MR_TRY(mr_task_resolve(name, model, &mujoco->task));
    MR_TRY(mr_start_resolve(mujoco));
    mujoco->random = mr_random_stream(0, MR_STREAM_ENV, 0);
    mujoco->dt = model->opt.timestep * (double)task->frame_skip;
    count_parts(mujoco);
    mujoco->reads_after_step = reads_after_step(mujoco);
    MR_TRY(allocate(mujoco));
    name_infos(mujoco);
    MR_TRY(check_info_names(mujoco));
    name_obs(mujoco);
    copy_bounds(mujoco);
    MR_TRY(mr_mujoco_run(name, make_data, mujoco));
    if (mujoco->data == NULL)
        MR_TRY(mr_fail_memory(name));
    *out = mujoco;
    mujoco = NULL;
done:
    mr_mujoco_ops.close(mujoco);
    return status;
}

static mr_env_spec make_spec(const mr_mujoco *mujoco) {
    return (mr_env_spec){
        .name = mujoco->name,
        .obs_dim = mujoco->obs_dim,
        .act_dim = (size_t)mujoco->model->nu,
        .act_low = mujoco->act_low,
        .act_high = mujoco->act_high,
        .max_episode_steps = mujoco->task.max_episode_steps,
        .engine = "MuJoCo",
        .engine_version = mr_mujoco_version(),
        .n_info = mujoco->n_info_values,
        .info_names = mujoco->info_names,
        .info = mujoco->info,
        .obs_names = mujoco->obs_names,
        .arena =
            mujoco->task.arena.high[0] > mujoco->task.arena.low[0] ? &mujoco->task.arena : NULL,
        .n_notes = mujoco->n_notes,
        .notes = (const char *const *)mujoco->notes,
    };
}

static mr_status wrap(mr_mujoco *mujoco, mr_env **out) {
    const mr_env_spec spec = make_spec(mujoco);
    return mr_env_wrap(&mr_mujoco_ops, mujoco, &spec, out);
}

// ---- Opening

// Takes over `model`, also on failure.
static mr_status share_checked(const char *name, const mr_task *task, mjModel *model,
                               mr_shared_model **out) {
    mr_status status;
    MR_TRY(mr_model_check_actuators(name, model));
    MR_TRY(mr_model_limit_actuators(name, &task->ctrl_range, model));
    return mr_shared_model_new(model, out);
done:
    mj_deleteModel(model);
    return status;
}

mr_status mr_mujoco_new(const char *name, const mr_task *task, mjModel *model, const char *warnings,
                        mr_env **out) {
    mr_status status;
    char own_warnings[MR_MUJOCO_TEXT_SIZE];
    mr_shared_model *shared = NULL;
    mr_mujoco *mujoco = NULL;

    if (model == NULL) {
        MR_TRY(mr_model_open(task->model, own_warnings, &model));
        warnings = own_warnings;
    }
    MR_TRY(share_checked(name, task, model, &shared));
    MR_TRY(build(name, task, shared, &mujoco));
    MR_TRY(mr_mujoco_make_notes(mujoco, warnings));
    return wrap(mujoco, out);
done:
    mr_mujoco_ops.close(mujoco);
    return status;
}

typedef struct {
    const mjModel *of;
    mjModel *model;
} model_copy;

static void copy_model(void *self) {
    model_copy *copy = self;
    copy->model = mj_copyModel(NULL, copy->of);
}

// What a copy of an environment reads: the same model, or a copy if episodes place goals in it.
static mr_status model_for_copy(const mr_mujoco *of, mr_shared_model **out) {
    mr_status status;
    model_copy copy = {.of = of->model};
    if (!mr_start_changes_model(&of->task)) {
        *out = mr_shared_model_use(of->shared);
        return MR_OK;
    }
    MR_TRY(mr_mujoco_run(of->name, copy_model, &copy));
    status = copy.model != NULL ? mr_shared_model_new(copy.model, out) : mr_fail_memory(of->name);
done:
    return status;
}

mr_status mr_mujoco_copy(const void *self, const mr_env_spec *spec, mr_env **out) {
    mr_status status;
    const mr_mujoco *of = self;
    mr_shared_model *shared = NULL;
    mr_mujoco *mujoco = NULL;
    (void)spec; // points to what belongs to `of`

    MR_TRY(model_for_copy(of, &shared));
    MR_TRY(build(of->name, &of->task, shared, &mujoco));
    MR_TRY(mr_mujoco_copy_notes(of, mujoco));
    return wrap(mujoco, out);
done:
    mr_mujoco_ops.close(mujoco);
    return status;
}

mr_status mr_mujoco_open(const mr_env_builtin *builtin, const mr_env_options *options,
                         mr_env **out) {
    mr_status status;
    mr_task task = {0};

    MR_TRY(mr_task_copy(builtin->task, &task));
    MR_TRY(mr_task_set(builtin->name, options->set, &task));
    MR_TRY(mr_mujoco_new(builtin->name, &task, NULL, NULL, out));
done:
    mr_task_free(&task);
    return status;
}

mr_status mr_mujoco_describe(const mr_env_builtin *builtin, const mr_env_options *options,
                             char *text, size_t size) {
    mr_env *env = NULL;
    mr_status status = mr_mujoco_open(builtin, options, &env);
    if (status != MR_OK)
        return status;
    status = mr_mujoco_print(mr_mujoco_of(env), builtin->summary, builtin->task, text, size);
    mr_env_close(env);
    return status;
}
