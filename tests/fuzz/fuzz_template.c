/* A template's text: what passes the load-time check expands, and stays within its bound. */
#include "core/template.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = fuzz_text(data, size, 8192);
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *texts = json_pack("{s:s, s:s, s:s, s:s}", "x", "value", "name", "a-name", "namespace", "ns",
                                             "id", "01jgq2v5h0000000000000000");
    struct template_vars vars = {
        .labels = texts, .annotations = texts, .target = texts, .vars = texts, .alert = texts, .run = texts};
    bool fine = template_check(text, texts, 0, &err) == 0;
    _cleanup_error_ struct error why = ERROR_NONE;
    _cleanup_free_ char *out = NULL;
    int r = template_expand(text, &vars, &out, &why);
    if (r == 0)
        fuzz_check(out && strlen(out) <= TEMPLATE_MAX);
    else
        fuzz_check(!out && why.message && (!fine || r == -E2BIG));
    return 0;
}
