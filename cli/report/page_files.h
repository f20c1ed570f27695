/// The style and the script of a report's page, as files of this folder.
#pragma once

#include "base/embedded.h"

/// style.css and script.js, made from these files when the command is built (base/embed.cmake).
extern const mr_embedded_file mr_page_files[];
extern const size_t mr_n_page_files;
