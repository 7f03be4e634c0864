/* A page's form: an object of texts, none of them empty, or words. */
#include "base/form.h"
#include "base/text.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = fuzz_text(data, size, 16384);
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *fields = form_parse_new(text, &err);
    const char *key;
    json_t *value;
    fuzz_check((fields != NULL) == (err.message == NULL));
    json_object_foreach (fields, key, value)
        fuzz_check(json_string_length(value) > 0 && utf8_valid(key, strlen(key)));
    return 0;
}
