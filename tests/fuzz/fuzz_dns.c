/* An answer of a DNS server: at most so many addresses, each of its type, and nothing but an address. */
#include "fuzz.h"
#include "io/dns.h"

#include <arpa/inet.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int types[] = {DNS_A, DNS_AAAA};
    const uint16_t id = (uint16_t)(size >= 2 ? data[0] << 8 | data[1] : 0);
    for (int i = 0; i < 2; i++) {
        _cleanup_json_ json_t *addresses = json_array();
        int code = -1;
        size_t k;
        json_t *a;
        const int r = dns_answer(data, size, id, "a.example", types[i], addresses, &code);
        fuzz_check((r == 0) == (code >= 0 && code < 16));
        fuzz_check(json_array_size(addresses) <= DNS_ADDRESSES_MAX);
        json_array_foreach (addresses, k, a) {
            unsigned char any[16];
            fuzz_check(inet_pton(types[i] == DNS_A ? AF_INET : AF_INET6, json_string_value(a), any) == 1);
        }
    }
    return 0;
}
