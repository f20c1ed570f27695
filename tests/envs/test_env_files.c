#include "envs/env_files.h"

#include "tests/scratch.h"

TestSuite(env_files, .init = scratch_enter, .fini = scratch_leave);

static void write_file(const char *path, const char *text) {
    char folder[256];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
        cr_assert_eq(mr_make_directories(folder), MR_OK, "%s", mr_error_message());
    }
    scratch_write(path, text);
}

static bool has(const mr_paths *paths, const char *path) {
    for (size_t i = 0; i < paths->n; i++)
        if (strcmp(paths->path[i], path) == 0)
            return true;
    return false;
}

static void expect_parts(const char *model, size_t n, const char *const *parts) {
    mr_paths found;
    cr_assert_eq(mr_env_list_parts(model, &found), MR_OK, "%s", mr_error_message());
    cr_expect_eq(found.n, n, "%zu parts", found.n);
    for (size_t i = 0; i < n; i++)
        cr_expect(has(&found, parts[i]), "%s", parts[i]);
    mr_paths_free(&found);
}

Test(env_files, of_a_model_are_what_it_includes_and_refers_to) {
    write_file("robots/go/robot.xml",
               "<mujoco><compiler meshdir=\"assets\" texturedir=\"../shared/textures\"/>"
               "<!-- <mesh file=\"no.stl\"/> -->"
               "<include file=\"parts/legs.xml\"/><asset><mesh file=\"body.stl\"/>"
               "<texture type=\"cube\" fileup=\"up.png\" filedown=\"down.png\"/>"
               "<hfield file=\"../../hills.png\"/><mesh file=\"missing.stl\"/>"
               "</asset></mujoco>");
    write_file("robots/go/parts/legs.xml", "<mujoco><include file='parts/foot.xml'/>"
                                           "<asset><mesh file=\"leg.stl\"/></asset></mujoco>");
    write_file("robots/go/parts/foot.xml", "<mujoco><include file='robot.xml'/></mujoco>");
    write_file("robots/go/assets/body.stl", "");
    write_file("robots/go/assets/leg.stl", "");
    write_file("robots/shared/textures/up.png", "");
    write_file("robots/shared/textures/down.png", "");
    write_file("hills.png", "");
    const char *const parts[] = {"parts/legs.xml",
                                 "parts/foot.xml",
                                 "robot.xml",
                                 "assets/body.stl",
                                 "assets/leg.stl",
                                 "../shared/textures/up.png",
                                 "../shared/textures/down.png",
                                 "../../hills.png"};
    expect_parts("robots/go/robot.xml", MR_COUNT(parts), parts);
}

Test(env_files, of_a_model_named_from_the_root_keep_their_names) {
    char text[512], mesh[256];
    snprintf(mesh, sizeof mesh, "%s/meshes/a.stl", scratch_folder);
    snprintf(text, sizeof text, "<mujoco><asset><mesh file=\"%s\"/></asset></mujoco>", mesh);
    write_file("meshes/a.stl", "");
    write_file("robot.xml", text);
    const char *const parts[] = {mesh};
    expect_parts("robot.xml", 1, parts);
}

// As <compiler strippath="true"/> and URDF would have it.
Test(env_files, are_found_by_their_last_name_too) {
    write_file("meshes/a.stl", "");
    write_file("robot.urdf", "<robot><mujoco><compiler meshdir=\"meshes\"/></mujoco>"
                             "<mesh filename=\"package://robot/somewhere/a.stl\"/></robot>");
    const char *const parts[] = {"meshes/a.stl"};
    expect_parts("robot.urdf", 1, parts);
}

Test(env_files, of_a_damaged_model_are_those_before_the_damage) {
    write_file("a.xml", "<mujoco/>");
    write_file("robot.xml", "<mujoco><include file=\"a.xml\"/><oops");
    const char *const parts[] = {"a.xml"};
    expect_parts("robot.xml", 1, parts);
    mr_paths found;
    cr_expect_eq(mr_env_list_parts("none.xml", &found), MR_ERR_IO);
}

Test(env_files, are_asked_for_by_the_environments_name_or_its_option) {
    char path[64], name[64], set[64];
    cr_expect(mr_env_model_path("mjcf:a/b.xml", "", path, sizeof path));
    cr_expect_str_eq(path, "a/b.xml");
    cr_expect(mr_env_model_path("Ant-v5", "xml_file=c.xml,frame_skip=2,xml_file=d.xml", path,
                                sizeof path));
    cr_expect_str_eq(path, "d.xml");
    cr_expect(!mr_env_model_path("Ant-v5", "frame_skip=2", path, sizeof path));
    cr_expect(!mr_env_model_path("Ant-v5", "xml_file=hopper.xml", path, sizeof path));
    cr_expect(!mr_env_model_path("Ant-v5", "xml_file=builtin:hopper.xml", path, sizeof path));
    cr_expect(mr_env_model_path("Ant-v5", "xml_file=./hopper.xml", path, sizeof path));
    cr_expect(!mr_env_model_path("Ant-v5", "my_xml_file=d.xml", path, sizeof path));

    cr_expect_eq(mr_env_move_model("mjcf:a/b.xml", "x=1", "/c.xml", 64, name, set), MR_OK);
    cr_expect_str_eq(name, "mjcf:/c.xml");
    cr_expect_str_eq(set, "x=1");
    cr_expect_eq(mr_env_move_model("Ant-v5", "a=1,xml_file=d.xml,b=2", "/e.xml", 64, name, set),
                 MR_OK);
    cr_expect_str_eq(name, "Ant-v5");
    cr_expect_str_eq(set, "a=1,xml_file=/e.xml,b=2");
    cr_expect_eq(mr_env_move_model("Ant-v5", "xml_file=d.xml", "/e,f.xml", 64, name, set),
                 MR_ERR_USAGE);
}
