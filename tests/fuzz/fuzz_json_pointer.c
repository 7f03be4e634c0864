/* A JSON pointer in the first line, a document in the rest. Joined steps lead to the member that they name. */
#include "base/json.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = fuzz_text(data, size, 1 << 16);
    char *line = strchr(text, '\n');
    if (!line)
        return 0;
    *line++ = '\0';
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *document = json_parse(line, strlen(line), 1 << 16, true, &err);
    if (!document)
        return 0;
    json_pointer(document, text);
    const char *key;
    json_t *value;
    json_object_foreach (document, key, value) {
        _cleanup_free_ char *pointer = json_pointer_join("", key);
        fuzz_check(json_pointer(document, pointer) == value);
    }
    return 0;
}
