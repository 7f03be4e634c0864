/* A kubeconfig: either refused with words, or it has a server and nothing of two minds. */
#include "fuzz.h"
#include "kube/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size, ".kubeconfig");
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_(kube_config_freep) struct kube_config *c = NULL;
    if (kube_config_load(path, NULL, &c, &err) < 0) {
        fuzz_check(!c && err.message);
        return 0;
    }
    fuzz_check(c->server && (strncmp(c->server, "https://", 8) == 0 || strncmp(c->server, "http://", 7) == 0));
    fuzz_check(!strpbrk(c->server, " \r\n\t"));
    return 0;
}
