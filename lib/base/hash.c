/* SHA-256 by GnuTLS, which is in the process anyhow (libcurl, libmicrohttpd). */
#include "base/hash.h"

#include "base/alloc.h"

#include <stdlib.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

char *sha256_hex_new(const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[32];
    char *hex = xcalloc(1, 2 * sizeof(sum) + 1);
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, len, sum) < 0)
        abort(); /* only if the library lacks SHA-256 */
    for (size_t i = 0; i < sizeof(sum); i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    return hex;
}
