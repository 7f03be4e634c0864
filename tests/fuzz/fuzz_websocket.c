/* The answer to a WebSocket's upgrade: its head, whether it is ours, and the chunked body of a refusal. */
#include "fuzz.h"
#include "io/websocket_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = fuzz_text(data, size, 4096);
    char *const protocols[] = {(char *)"v4.channel.k8s.io", NULL};
    _cleanup_head_ struct websocket_head head = {0};
    if (websocket_head_parse(text, &head) == 0) {
        fuzz_check(head.status >= 0 && head.status <= 999 && head.content_length >= -1);
        const char *fault = websocket_head_fault(&head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", protocols);
        fuzz_check(fault || strstr(text, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
    const char *body = strstr(text, "\r\n\r\n");
    body = body ? body + 4 : text;
    _cleanup_strbuf_ struct strbuf whole = STRBUF_INIT, part = STRBUF_INIT;
    const bool ended = websocket_unchunk(body, strlen(body), &whole);
    fuzz_check(whole.len <= strlen(body));
    for (size_t len = 0; len < strlen(body); len += 1 + len / 4) { /* what is there so far is never taken back */
        const bool early = websocket_unchunk(body, len, &part);
        fuzz_check(part.len <= whole.len && (part.len == 0 || memcmp(part.data, whole.data, part.len) == 0));
        fuzz_check(!early || ended);
    }
    return 0;
}
