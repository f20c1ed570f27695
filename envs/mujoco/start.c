// How episodes start.
//
// Random numbers come from the environment's own stream, in this order: noise of qpos, noise of
// qvel, goals.

#include "envs/mujoco/start.h"

#include "envs/mujoco/terms.h"

#include <stdio.h>
#include <stdlib.h>

// ---- Goals

static mjtNum *place_in_qpos(mr_mujoco *mujoco, const mr_goal *goal) {
    return mujoco->data->qpos + mujoco->model->jnt_qposadr[goal->joint];
}

static mjtNum *place_of_mocap(mr_mujoco *mujoco, const mr_goal *goal) {
    return mujoco->data->mocap_pos + (ptrdiff_t)3 * mujoco->model->body_mocapid[goal->id];
}

static mjtNum *place_of_body(mr_mujoco *mujoco, const mr_goal *goal) {
    return mujoco->model->body_pos + (ptrdiff_t)3 * goal->id;
}

static mjtNum *place_of_site(mr_mujoco *mujoco, const mr_goal *goal) {
    return mujoco->model->site_pos + (ptrdiff_t)3 * goal->id;
}

static mr_status resolve_body(const mjModel *model, mr_goal *goal) {
    const int joint = model->body_jntadr[goal->id];
    if (goal->id == 0)
        return mr_fail(MR_ERR_INPUT, "the world itself can't be placed");
    if (model->body_mocapid[goal->id] >= 0) {
        goal->place = place_of_mocap;
        return MR_OK;
    }
    if (model->body_parentid[goal->id] != 0)
        return mr_fail(MR_ERR_INPUT,
                       "body \"%s\" belongs to another body, and only bodies of the world can be "
                       "placed; place a site on it, or its joint",
                       goal->name);
    if (model->body_jntnum[goal->id] == 1 && model->jnt_type[joint] == mjJNT_FREE) {
        goal->place = place_in_qpos;
        goal->joint = joint;
        return MR_OK;
    }
    goal->place = place_of_body;
    goal->is_in_model = true;
    return MR_OK;
}

static mr_status resolve_joint(const mjModel *model, mr_goal *goal) {
    const int type = model->jnt_type[goal->id];
    if (type != mjJNT_HINGE && type != mjJNT_SLIDE)
        return mr_fail(MR_ERR_INPUT,
                       "joint \"%s\" has more than one coordinate; only hinges and slides have a "
                       "range",
                       goal->name);
    goal->place = place_in_qpos;
    goal->joint = goal->id;
    return MR_OK;
}

mr_status mr_goal_resolve(const mjModel *model, mr_goal *goal) {
    const mr_status status = mr_object_find(model, goal->object, goal->name, &goal->id);
    goal->joint = -1;
    goal->is_in_model = false;
    if (status != MR_OK)
        return status;
    if (goal->object == mjOBJ_BODY)
        return resolve_body(model, goal);
    if (goal->object == mjOBJ_JOINT)
        return resolve_joint(model, goal);
    goal->place = place_of_site;
    goal->is_in_model = true;
    return MR_OK;
}

bool mr_start_changes_model(const mr_task *task) {
    for (size_t i = 0; i < task->goals.n; i++)
        if (task->goals.rows[i].is_in_model)
            return true;
    return false;
}

static void draw_goal(mr_mujoco *mujoco, const mr_goal *goal) {
    mjtNum *place = goal->place(mujoco, goal);
    size_t start, n = 0;
    for (size_t i = 0; i < MR_COUNT(goal->box); i++)
        if (goal->is_drawn[i])
            place[i] = mr_random_between(&mujoco->random, goal->box[i].low, goal->box[i].high);
    if (goal->joint >= 0)
        mr_field_qvel.span(mujoco->model, goal->joint, &start, &n);
    for (size_t i = 0; i < n; i++)
        mujoco->data->qvel[start + i] = 0.0;
}

// ---- Noise

static void set_noise(const mr_field *field, const mjModel *model, int joint, const mr_noise *noise,
                      const mr_noise **noises) {
    size_t start, n;
    field->span(model, joint, &start, &n);
    for (size_t i = 0; i < n && noise->kind != NULL; i++)
        noises[start + i] = noise;
}

static void disturb(mr_random *random, const mr_noise *const *noises, size_t n, mjtNum *values) {
    for (size_t i = 0; i < n; i++)
        if (noises[i]->kind != NULL)
            values[i] += noises[i]->scale * noises[i]->kind->draw(random);
}

static mr_status resolve_noises(mr_mujoco *mujoco) {
    mr_status status = MR_OK;
    const mr_task *task = &mujoco->task;
    const mjModel *model = mujoco->model;
    const size_t nq = (size_t)model->nq, nv = (size_t)model->nv;
    int joint;

    mujoco->noises = calloc(nq + nv + 1, sizeof *mujoco->noises);
    if (mujoco->noises == NULL)
        return mr_fail_memory(mujoco->name);
    for (size_t i = 0; i < nq + nv; i++)
        mujoco->noises[i] = i < nq ? &task->qpos_noise : &task->qvel_noise;
    for (size_t i = 0; i < task->joint_noises.n; i++) {
        const mr_joint_noise *own = &task->joint_noises.rows[i];
        MR_TRY(mr_object_find(model, mjOBJ_JOINT, own->joint, &joint));
        set_noise(&mr_field_qpos, model, joint, &own->qpos, mujoco->noises);
        set_noise(&mr_field_qvel, model, joint, &own->qvel, mujoco->noises + nq);
    }
done:
    return status;
}

// ---- All of it

mr_status mr_start_resolve(mr_mujoco *mujoco) {
    mr_status status = MR_OK;
    mr_task *task = &mujoco->task;

    mujoco->keyframe = -1;
    if (task->keyframe.name[0] != '\0')
        MR_TRY(mr_object_find(mujoco->model, mjOBJ_KEY, task->keyframe.name, &mujoco->keyframe));
    for (size_t i = 0; i < task->goals.n; i++)
        MR_TRY(mr_goal_resolve(mujoco->model, &task->goals.rows[i]));
    status = resolve_noises(mujoco);
done:
    return status;
}

void mr_start_reset(mr_mujoco *mujoco) {
    if (mujoco->keyframe >= 0)
        mj_resetDataKeyframe(mujoco->model, mujoco->data, mujoco->keyframe);
    else
        mj_resetData(mujoco->model, mujoco->data);
}

void mr_start_draw(mr_mujoco *mujoco) {
    const mr_task *task = &mujoco->task;
    const size_t nq = (size_t)mujoco->model->nq, nv = (size_t)mujoco->model->nv;
    disturb(&mujoco->random, mujoco->noises, nq, mujoco->data->qpos);
    disturb(&mujoco->random, mujoco->noises + nq, nv, mujoco->data->qvel);
    for (size_t i = 0; i < task->goals.n; i++)
        draw_goal(mujoco, &task->goals.rows[i]);
}
