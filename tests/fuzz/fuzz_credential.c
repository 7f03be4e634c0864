/* What a credential plugin prints: a token never breaks a header, a certificate comes with its key, and neither is in
 * the words of an error; the last words of its stderr are one short line. */
#include "fuzz.h"
#include "kube/plugin.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char version[] = "client.authentication.k8s.io/v1";
    const int64_t now_us = INT64_C(1767607200) * 1000000;
    const char *text = (const char *)data;
    struct kube_credential c = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    const int r = kube_plugin_answer(text, size, version, now_us, &c, &err);
    fuzz_check((r < 0) == (err.message != NULL));
    if (r >= 0) {
        fuzz_check(c.token || c.cert);
        fuzz_check(!c.cert == !c.key);
        fuzz_check(c.expires_wall_us > now_us);
        for (const char *p = c.token; p && *p; p++)
            fuzz_check((unsigned char)*p > 0x20 && *p != 0x7f);
    } else {
        fuzz_check(!c.token && !c.cert && !c.key);
    }
    kube_credential_clear(&c);
    _cleanup_free_ char *words = kube_plugin_last_words(text, size);
    fuzz_check(strlen(words) < 500 && !strpbrk(words, "\r\n\t\033"));
    return 0;
}
