// Runs whose model or task is edited, moved or gone, as their users see it.

#include "tests/cli/command_runner.h"

static void write_robot(void);

static void enter(void) {
    scratch_enter();
    write_robot();
}

TestSuite(changed_files, .init = enter, .fini = scratch_leave);

static const char robot[] =
    "<mujoco><compiler meshdir=\"meshes\"/><asset><mesh name=\"leg\" file=\"leg.stl\"/></asset>"
    "<include file=\"parts/arm.xml\"/><actuator><motor joint=\"j\" ctrllimited=\"true\" "
    "ctrlrange=\"-1 1\"/></actuator></mujoco>";

static const char arm[] =
    "<mujoco><worldbody><body pos=\"0 0 1\"><joint name=\"j\" axis=\"0 1 0\"/>"
    "<geom type=\"mesh\" mesh=\"leg\" mass=\"1\"/></body></worldbody></mujoco>";

static const char task[] = "max_episode_steps: 20\nobservation:\n  - {field: qpos}\n"
                           "  - {field: qvel}\nreward:\n  - {term: alive, weight: %d}\n";

// A tetrahedron in STL's binary form: 80 bytes, a count, and for each face normal, corners, 2
// bytes.
static void write_mesh(float height) {
    const float corners[4][3] = {{0, 0, 0}, {0.1f, 0, 0}, {0, 0.1f, 0}, {0, 0, height}};
    static const int faces[4][3] = {{0, 2, 1}, {0, 1, 3}, {1, 2, 3}, {0, 3, 2}};
    char bytes[84 + 4 * 50] = {0};
    bytes[80] = 4;
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 3; k++)
            memcpy(bytes + 84 + 50 * i + 12 + 12 * k, corners[faces[i][k]], 12);
    cr_assert_eq(mr_file_replace("meshes/leg.stl", 1, &(mr_bytes){bytes, sizeof bytes}), MR_OK);
}

// An episode of 20 steps has the return 20 x `weight`.
static void write_task(int weight) {
    char text[256];
    snprintf(text, sizeof text, task, weight);
    scratch_write("task.yaml", text);
}

static void write_robot(void) {
    mkdir("parts", 0777);
    mkdir("meshes", 0777);
    scratch_write("robot.xml", robot);
    scratch_write("parts/arm.xml", arm);
    write_mesh(0.3f);
    write_task(1);
}

static void train(const char *env, const char *dir) {
    outcome o = RUN("train", env, "--task", "task.yaml", "--steps", "100", "--learning-starts",
                    "60", "--threads", "1", "--policy", "gaussian", "--hidden", "8", "--batch-size",
                    "8", "--eval-episodes", "1", "--out", dir);
    cr_assert_eq(o.code, 0, "%s", o.err);
    outcome_free(&o);
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

static void expect_output(outcome *o, const char *out, const char *err) {
    expect_success(o);
    scratch_expect_part(o->out, out);
    scratch_expect_part(o->err, err);
    outcome_free(o);
}

Test(changed_files, an_edited_task_is_not_evaluated_without_a_word) {
    train("mjcf:robot.xml", "r");
    write_task(500);
    outcome o = RUN("eval", "r", "--episodes", "1");
    expect_refusal(&o, 2,
                   "since the run r began, task.yaml has changed; --changed-files accept "
                   "goes on with the files as they are now, --changed-files copy with the "
                   "run's own copies");
    o = RUN("eval", "r/policy.safetensors", "--episodes", "1");
    expect_refusal(&o, 2, "task.yaml has changed");
    o = RUN("eval", "r", "--episodes", "1", "--changed-files", "accept");
    expect_output(&o, "mean return  10000.00", "note: task.yaml has changed, and is used as it is");
    o = RUN("eval", "r", "--episodes", "1", "--changed-files", "copy");
    expect_output(&o, "mean return  20.00", "the run's own copy is used, r/task/task.yaml");
    o = RUN("eval", "r", "--episodes", "1", "--task", "task.yaml"); // asked for by its name
    expect_output(&o, "mean return  10000.00", "");
}

Test(changed_files, an_edited_task_does_not_replace_the_best_policy_without_a_word) {
    train("mjcf:robot.xml", "r");
    char *best = scratch_read("r/best_policy.safetensors");
    write_task(500);
    outcome o = RUN("train", "--resume", "r", "--steps", "160");
    expect_refusal(&o, 2, "task.yaml has changed");
    char *after = scratch_read("r/best_policy.safetensors");
    cr_expect_str_eq(after, best);
    free(after);
    free(best);
    o = RUN("train", "--resume", "r", "--steps", "160", "--changed-files", "accept");
    expect_output(&o, "mean return 10000.00",
                  "note: returns from step 100 on can't be compared with those before; the best "
                  "policy until then is kept as best_policy-until-100.safetensors");
    cr_expect(exists("r/best_policy-until-100.safetensors"));
    o = RUN("train", "--resume", "r", "--steps", "200"); // it is the run's now
    expect_success(&o);
    cr_expect_null(strstr(o.err, "note"), "%s", o.err);
    outcome_free(&o);
    write_task(1);
    o = RUN("eval", "r", "--episodes", "1");
    expect_refusal(&o, 2, "task.yaml has changed");
}

Test(changed_files, an_edited_part_of_the_model_is_named) {
    train("mjcf:robot.xml", "r");
    write_mesh(0.4f);
    outcome o = RUN("eval", "r", "--episodes", "1");
    expect_refusal(&o, 2, "since the run r began, meshes/leg.stl has changed; ");
    unlink("parts/arm.xml");
    o = RUN("train", "--resume", "r", "--steps", "160");
    expect_refusal(&o, 2, "parts/arm.xml is missing, meshes/leg.stl has changed; ");
    o = RUN("eval", "r", "--episodes", "1", "--changed-files", "copy");
    expect_output(&o, "mean return  20.00",
                  "robot.xml has changed, so the run's own copy is used, r/model/robot.xml");
}

Test(changed_files, a_run_is_found_again_from_another_folder) {
    char model[128], note[256];
    train("mjcf:robot.xml", "r");
    mkdir("elsewhere", 0777);
    cr_assert_eq(chdir("elsewhere"), 0);
    snprintf(model, sizeof model, "%s/robot.xml", scratch_folder);
    snprintf(note, sizeof note, "note: robot.xml is missing here, so %s is used; task.yaml", model);
    outcome o = RUN("eval", "../r", "--episodes", "1");
    expect_output(&o, "mean return  20.00", note);
    o = RUN("train", "--resume", "../r", "--steps", "140");
    expect_output(&o, "finished after 140 steps", note);
    scratch_write("robot.xml", "<mujoco/>");
    snprintf(note, sizeof note, "robot.xml is another file here, so the run's own is used, %s",
             model);
    o = RUN("eval", "../r", "--episodes", "1");
    expect_output(&o, "mean return  20.00", note);
}

Test(changed_files, a_run_whose_files_are_gone_goes_on_with_its_copies) {
    train("mjcf:robot.xml", "r");
    unlink("robot.xml");
    unlink("parts/arm.xml");
    unlink("meshes/leg.stl");
    unlink("task.yaml");
    outcome o = RUN("eval", "r", "--episodes", "1");
    expect_output(&o, "mean return  20.00", "robot.xml is neither here nor at /");
    o = RUN("train", "--resume", "r", "--steps", "140");
    expect_output(&o, "finished after 140 steps", "the run's own copy is used, r/model/robot.xml");
    unlink("r/model/meshes/leg.stl");
    o = RUN("eval", "r", "--episodes", "1");
    expect_refusal(&o, 1, "the run's own copy, r/model/robot.xml, has changed too");
}

// A model may refer to files above its folder.
Test(changed_files, copies_lie_to_each_other_as_the_files_did) {
    mkdir("robots", 0777);
    cr_assert_eq(rename("parts", "robots/parts"), 0);
    unlink("robot.xml");
    char text[512];
    snprintf(text, sizeof text, "<mujoco><compiler meshdir=\"../meshes\"/>%s",
             strstr(robot, "<asset>"));
    scratch_write("robots/robot.xml", text);
    train("mjcf:robots/robot.xml", "r");
    cr_expect(exists("r/model/robots/robot.xml") && exists("r/model/robots/parts/arm.xml") &&
              exists("r/model/meshes/leg.stl"));
    unlink("robots/robot.xml");
    outcome o = RUN("eval", "r", "--episodes", "1");
    expect_output(&o, "mean return  20.00", "the run's own copy is used, r/model/robots/robot.xml");
}

// The model's copy takes them from there too, so that they must be brought back.
Test(changed_files, parts_that_are_named_from_the_root_have_a_copy) {
    char text[1024], path[256], copy[320];
    snprintf(path, sizeof path, "%s/meshes/leg.stl", scratch_folder);
    snprintf(copy, sizeof copy, "r/model/from-root%s", path);
    snprintf(text, sizeof text,
             "<mujoco><asset><mesh name=\"leg\" file=\"%s\"/></asset>"
             "<include file=\"parts/arm.xml\"/><actuator><motor joint=\"j\" "
             "ctrllimited=\"true\" ctrlrange=\"-1 1\"/></actuator></mujoco>",
             path);
    scratch_write("robot.xml", text);
    train("mjcf:robot.xml", "r");
    cr_assert_eq(unlink("meshes/leg.stl"), 0);
    outcome o = RUN("eval", "r", "--changed-files", "copy");
    scratch_expect_part(o.err, "leg.stl is missing); bring one of them back");
    expect_refusal(&o, 1, "paths are in the run's model/from-root");
    cr_assert_eq(rename(copy, "meshes/leg.stl"), 0);
    o = RUN("eval", "r", "--episodes", "1");
    expect_success(&o);
    outcome_free(&o);
}

Test(changed_files, of_a_built_in_task_and_of_a_run_of_before_there_are_none) {
    train("mjcf:robot.xml", "old");
    unlink("old/files.json"); // as a run of version 0.1 has none
    write_task(3);
    outcome o = RUN("eval", "old", "--episodes", "1");
    expect_success(&o);
    cr_expect_str_eq(o.err, "");
    scratch_expect_part(o.out, "mean return  60.00");
    outcome_free(&o);
    o = RUN("train", "InvertedPendulum-v5", "--steps", "20", "--threads", "1", "--hidden", "8",
            "--eval-episodes", "1", "--out", "r");
    expect_success(&o);
    outcome_free(&o);
    cr_expect(!exists("r/files.json") && !exists("r/model"));
}

Test(changed_files, a_damaged_list_is_said) {
    train("mjcf:robot.xml", "r");
    scratch_write("r/files.json", "{\"format\":\"millrace.files\",\"model\":{\"given\":3}}");
    outcome o = RUN("eval", "r");
    expect_refusal(&o, 1, "r/files.json is damaged");
    scratch_write("r/files.json", "no JSON");
    o = RUN("eval", "r");
    expect_refusal(&o, 1, "r/files.json is damaged");
}

// A model given to a built-in task.
Test(changed_files, a_model_that_is_an_option_is_kept_too) {
    char path[512];
    snprintf(path, sizeof path, "%s/../../envs/mujoco/models/inverted_pendulum.xml", MR_TEST_DATA);
    char *xml = scratch_read(path);
    scratch_write("pole.xml", xml);
    outcome o = RUN("train", "InvertedPendulum-v5", "--env-set", "xml_file=pole.xml", "--steps",
                    "20", "--threads", "1", "--hidden", "8", "--eval-episodes", "1", "--out", "r");
    expect_success(&o);
    outcome_free(&o);
    char *edited = NULL;
    cr_assert_geq(asprintf(&edited, "%s\n", xml), 0);
    scratch_write("pole.xml", edited);
    free(edited);
    free(xml);
    o = RUN("eval", "r", "--episodes", "1");
    expect_refusal(&o, 2, "since the run r began, pole.xml has changed");
    o = RUN("eval", "r", "--episodes", "1", "--changed-files", "copy");
    expect_output(&o, "task         InvertedPendulum-v5", "r/model/pole.xml");
}

// Which model xml_file=NAME means is decided where models are opened (envs/mujoco/model.h).
Test(changed_files, a_built_in_model_that_is_an_option_has_none) {
    static const char *const sets[] = {"xml_file=builtin:inverted_pendulum.xml",
                                       "xml_file=inverted_pendulum.xml"};
    for (size_t i = 0; i < MR_COUNT(sets); i++) {
        const char *const dir = i == 0 ? "a" : "b";
        outcome o = RUN("train", "InvertedPendulum-v5", "--env-set", sets[i], "--steps", "20",
                        "--threads", "1", "--hidden", "8", "--eval-episodes", "1", "--out", dir);
        expect_success(&o);
        outcome_free(&o);
        o = RUN("eval", dir, "--episodes", "1");
        expect_success(&o);
        outcome_free(&o);
    }
    cr_expect(!exists("a/files.json") && !exists("b/files.json"));
}
