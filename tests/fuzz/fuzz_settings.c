// Any text as a config.yaml. What is taken is written as text and read again, to the same.

#include "agents/settings.h"
#include "tests/fuzz/fuzz.h"

static void write_and_read(const mr_settings *settings) {
    static mr_settings again;
    mr_settings_init(&again);
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *row = mr_setting_at(i);
        char once[MR_MAX_TEXT], twice[MR_MAX_TEXT];
        mr_setting_format(row, settings, once, sizeof once);
        if (row->type == MR_SETTING_PAIRS) // which add up
            continue;
        assert(mr_setting_store(row, &again, once, row->name) == MR_OK);
        mr_setting_format(row, &again, twice, sizeof twice);
        assert(strcmp(once, twice) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static mr_settings settings;
    mr_settings_init(&settings);
    if (!fuzz_is_fine(mr_settings_read(&settings, fuzz_file(data, n_bytes))))
        return 0;
    write_and_read(&settings);
    fuzz_is_fine(mr_settings_check(&settings));
    return 0;
}
