/// Text in HTML.
#pragma once

#include <stdio.h>

/// Writes a text so that HTML shows it as it is, also within quotation marks.
void mr_html_text(FILE *page, const char *text);
