/* A text from outside on its way into a report: a secret behind it is found whatever it says, and shown inline it stays
 * within its line and its table's cell. */
#include "base/text.h"
#include "core/markdown.h"
#include "core/redact.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = fuzz_text(data, size, 8192), *planted = xasprintf("%s\npassword=Pl4nted-v4lue\n", text);
    _cleanup_free_ char *once = redact_text_new(text), *with = redact_text_new(planted);
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT, block = STRBUF_INIT;
    fuzz_check(once && (strstr(text, "Pl4nted") || !strstr(with, "Pl4nted-v4lue")));
    fuzz_check(!utf8_valid(text, strlen(text)) || utf8_valid(once, strlen(once)));
    markdown_inline(&line, text);
    fuzz_check(line.len > 0 && !strpbrk(strbuf_str(&line), "\n\r|<>\x1b"));
    fuzz_check(!strstr(strbuf_str(&line), "://") && !strcasestr(strbuf_str(&line), "www."));
    markdown_block(&block, "", text);
    const size_t fence = strspn(strbuf_str(&block), "`");
    _cleanup_free_ char *end = xstrndup(strbuf_str(&block), fence);
    fuzz_check(fence >= 3 && strstr(strbuf_str(&block) + fence, end) == strbuf_str(&block) + block.len - fence - 1);
    return 0;
}
