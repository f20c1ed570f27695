// `millrace flow list`: presets and parts of flows, and base distributions.

#include <stdio.h>

#include "flows/density.h"
#include "flows/text.h"
#include "cli/command_line.h"
#include "cli/print_json.h"

typedef struct {
    bool json;
} list_options;

static const mr_setting options[] = {
    {.name = "json",
     .type = MR_SETTING_SWITCH,
     .offset = offsetof(list_options, json),
     .initial = "false",
     .help = "print a list of objects: presets (type, name, summary, text with every option, "
             "composition_for_policy, composition_for_density), then parts (type, name, summary, "
             "inverse_by, is_fixed, is_transform, has_transform, options), then base distributions "
             "(type, name, summary) and the flow over text (type, name, summary, options)"},
};

static const char text_summary[] =
    "autoregressive over characters that are encoded as points (Lippe and Gavves 2021)";

// ---- As text

static mr_status print_preset(const mr_flow_entry *preset) {
    char full[MR_FLOW_MAX_TEXT], composition[MR_FLOW_MAX_TEXT];
    const mr_status status = mr_flow_describe(preset->name, MR_FLOW_TO_SCORE, full, composition);
    if (status == MR_OK)
        printf("  %-14s %s\n  %-14s %s\n  %-14s %s\n", preset->name, preset->summary, "", full, "",
               composition);
    return status;
}

static void print_option(const mr_flow_part_option *option) {
    printf("  %-14s %s=%s: %s; %s\n", "", option->name, option->initial, option->help,
           option->range);
}

static void print_part(size_t i) {
    const mr_flow_part part = mr_flow_part_at(i);
    printf("  %-14s %s\n", part.name, part.summary);
    if (part.has_transform)
        printf("  %-14s applies its first argument, an element-wise transform\n", "");
    printf("  %-14s inverse: %s\n", "", part.inverse_by);
    for (size_t k = 0; k < part.n_options; k++) {
        const mr_flow_part_option option = mr_flow_part_option_at(i, k);
        print_option(&option);
    }
}

static bool is_composed(const mr_flow_part *part) {
    return !part->is_transform && !part->is_fixed;
}

static bool is_transform(const mr_flow_part *part) {
    return part->is_transform;
}

static bool is_fixed(const mr_flow_part *part) {
    return part->is_fixed;
}

static void print_parts(const char *title, bool (*is_listed)(const mr_flow_part *part)) {
    printf("\n%s\n", title);
    for (size_t i = 0; i < mr_flow_part_count(); i++) {
        const mr_flow_part part = mr_flow_part_at(i);
        if (is_listed(&part))
            print_part(i);
    }
}

static mr_status print_text(void) {
    printf("Presets, each with its options and the composition that it is for a density:\n");
    for (size_t i = 0; i < mr_flow_count_all(); i++) {
        const mr_flow_entry preset = mr_flow_at(i);
        const mr_status status = print_preset(&preset);
        if (status != MR_OK)
            return status;
    }
    print_parts("Parts, as in [actnorm, lu, coupling(affine, hidden=64x64)]*4; inverse(PART) is a "
                "part too:",
                is_composed);
    print_parts("Element-wise transforms, as in coupling(spline(bins=8)); alone each is a part "
                "whose parameters are free or linear in the context:",
                is_transform);
    print_parts("Fixed element-wise maps, which have no parameters; where data is bounded, as in "
                "[logit(low=0, high=1), coupling(spline)]:",
                is_fixed);
    printf("\nBase distributions of densities (--base):\n");
    for (size_t i = 0; i < mr_density_base_count(); i++)
        printf("  %-14s %s\n", mr_density_base_at(i).name, mr_density_base_at(i).summary);
    printf("\nFor text, as in text:length=128:\n  %-14s %s\n", "text", text_summary);
    for (size_t i = 0; i < mr_text_flow_option_count(); i++) {
        const mr_flow_part_option option = mr_text_flow_option_at(i);
        print_option(&option);
    }
    return MR_OK;
}

// ---- As JSON

static mr_status list_presets(json_t *list) {
    char full[MR_FLOW_MAX_TEXT], sample[MR_FLOW_MAX_TEXT], score[MR_FLOW_MAX_TEXT];
    mr_status status = MR_OK;
    for (size_t i = 0; i < mr_flow_count_all(); i++) {
        const mr_flow_entry preset = mr_flow_at(i);
        MR_TRY(mr_flow_describe(preset.name, MR_FLOW_TO_SAMPLE, full, sample));
        MR_TRY(mr_flow_describe(preset.name, MR_FLOW_TO_SCORE, full, score));
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", "preset",
                                              "name", preset.name, "summary", preset.summary,
                                              "text", full, "composition_for_policy", sample,
                                              "composition_for_density", score));
    }
done:
    return status;
}

static void list_option(json_t *list, const mr_flow_part_option *option) {
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s, s:s}", "name", option->name, "default",
                                    option->initial, "range", option->range, "help", option->help));
}

static json_t *list_options_of(size_t part) {
    json_t *list = json_array();
    for (size_t k = 0; k < mr_flow_part_at(part).n_options; k++) {
        const mr_flow_part_option option = mr_flow_part_option_at(part, k);
        list_option(list, &option);
    }
    return list;
}

static void list_parts(json_t *list) {
    for (size_t i = 0; i < mr_flow_part_count(); i++) {
        const mr_flow_part part = mr_flow_part_at(i);
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:o}", "type", "part",
                                        "name", part.name, "summary", part.summary, "inverse_by",
                                        part.inverse_by, "is_fixed", (int)part.is_fixed,
                                        "is_transform", (int)part.is_transform, "has_transform",
                                        (int)part.has_transform, "options", list_options_of(i)));
    }
}

static void list_bases(json_t *list) {
    for (size_t i = 0; i < mr_density_base_count(); i++) {
        const mr_flow_entry base = mr_density_base_at(i);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "type", "base", "name", base.name,
                                              "summary", base.summary));
    }
}

static void list_text_flow(json_t *list) {
    json_t *of_text = json_array();
    for (size_t i = 0; i < mr_text_flow_option_count(); i++) {
        const mr_flow_part_option option = mr_text_flow_option_at(i);
        list_option(of_text, &option);
    }
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "type", "text", "name", "text",
                                          "summary", text_summary, "options", of_text));
}

static mr_status print_json(void) {
    json_t *list = json_array();
    const mr_status status = list_presets(list);
    list_parts(list);
    list_bases(list);
    list_text_flow(list);
    if (status == MR_OK)
        return mr_print_json(list);
    json_decref(list);
    return status;
}

static mr_status run_list(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    list_options chosen;
    const mr_status status = mr_command_line_store(&mr_command_flow_list, line, &chosen);
    if (status != MR_OK)
        return status;
    return chosen.json ? print_json() : print_text();
}

const mr_command mr_command_flow_list = {
    .name = "flow list",
    .usage = "[options]",
    .summary = "list presets and parts of flows, with their options",
    .details = "Lists what a flow's text can be made of. A preset is written as NAME or\n"
               "NAME:option=value,..., as in maf:layers=3; a composition as parts in brackets,\n"
               "repeated, as in [lu, coupling(spline(bins=8), hidden=64x64)]*3. Options that a\n"
               "text leaves out have the values shown.",
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_list,
};
