/* Markdown (CommonMark with GitHub's tables) out of texts that nobody vouches for: what they say is shown, never
 * interpreted. */
#pragma once

#include "base/strbuf.h"

/* Within a line, in a table's cell too, and never at a line's beginning: no emphasis, code, link, image, HTML, cell or
 * mention comes of it, line breaks become blanks, control and direction characters go. What is nothing then is written
 * "-". */
void markdown_inline(struct strbuf *b, const char *text);
/* A fenced block, its fence longer than any run of backticks within. `language`: "diff", "" or another plain word. */
void markdown_block(struct strbuf *b, const char *language, const char *text);
