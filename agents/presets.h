/// Presets: the settings of published agents by name, as `millrace train --preset PRESET` takes
/// them.
///
/// A preset is a config file, `agents/presets/NAME.yaml`, that is compiled into the library. Its
/// first line is a comment: what the agent is, with the paper. Under `tasks`, which comes last, it
/// may have values for single tasks:
///
///     tasks:
///       Swimmer-v5: {gamma: 0.9999}
///
/// To add one: a file in that folder.
#pragma once

#include "agents/settings.h"
#include "base/embedded.h"

/// Made from that folder when the library is built (base/embed.cmake), in the order of names.
extern const mr_embedded_file mr_preset_files[];
extern const size_t mr_n_preset_files;

enum { MR_PRESET_NAME_SIZE = 32, MR_PRESET_SUMMARY_SIZE = 256 };

/// What a new run is trained by if neither preset nor agent is set.
#define MR_DEFAULT_PRESET "best"

/// The name of preset `i`.
void mr_preset_name(size_t i, char name[MR_PRESET_NAME_SIZE]);

/// What it is, one line.
void mr_preset_summary(size_t i, char summary[MR_PRESET_SUMMARY_SIZE]);

/// The preset of that name. Fails with MR_ERR_USAGE if there is none; the message has the nearest
/// and all names.
mr_status mr_preset_find(const char *name, const mr_embedded_file **out);

/// Whether settings->preset names a preset, and not `none` or `auto`.
bool mr_settings_has_preset(const mr_settings *settings);

/// Whether it was said what is trained: by a preset, by `none`, or by an agent.
bool mr_settings_have_choice(const mr_settings *settings);

enum { MR_ORIGIN_SIZE = 64 };

/// Writes where a value comes from that was not set by name, for messages: " (of the preset best)";
/// "": it is a default, or was set. Returns `text`.
const char *mr_setting_origin(const mr_setting *setting, const mr_settings *settings,
                              char text[MR_ORIGIN_SIZE]);

/// Gives the settings that were not set by name the values that the preset of settings->preset has
/// for them and for `task`; who changes `hidden` changes the critics' widths too, and critic_hidden
/// isn't taken from it then. `auto` becomes the preset MR_DEFAULT_PRESET, or `none` if the agent
/// was set. May be called again, when a server of environments (zmq:) has said what its task is.
/// What means nothing then, mr_settings_settle returns to its default. Fails with MR_ERR_USAGE if
/// there is no such preset, and if it is for another agent than the one that was set.
mr_status mr_settings_apply_preset(mr_settings *settings, const char *task);
