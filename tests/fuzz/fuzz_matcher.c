/* A matcher's text, and what it says of a few label sets. A matcher and its negation never agree. */
#include "core/matcher.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = fuzz_text(data, size, 4096);
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_(matcher_freep) struct matcher *m = NULL;
    if (matcher_parse(text, &m, &err) < 0) {
        fuzz_check(!m && err.message);
        return 0;
    }
    fuzz_check(matcher_label(m) && matcher_value(m));
    const char *const values[] = {"", "a", "RedisDown", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "x\ny"};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        _cleanup_json_ json_t *labels = json_object();
        json_set_text(labels, matcher_label(m), values[i]);
        int r = matcher_matches(m, labels);
        fuzz_check(r == 0 || r == 1 || r == -ELOOP);
    }
    return 0;
}
