/* A webhook's body, from bytes to alerts and back from the form of records, as the daemon takes it. */
#include "core/alert.h"
#include "engine/glance.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct now now = {.wall_us = INT64_C(1767607200000000), .boot_us = 1};
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *document = json_parse((const char *)data, size, 1 << 20, false, &err);
    struct payload payload;
    const bool glanced = size <= 1 << 20 && glance_is_one_alert((const char *)data, size);
    if (!document || payload_from_json(document, &payload, &err) < 0) {
        fuzz_check(!glanced);
        return 0;
    }
    fuzz_check(!glanced || (json_array_size(payload.alerts) == 1 && payload.truncated == 0));
    for (size_t i = 0; i < json_array_size(payload.alerts); i++) {
        _cleanup_error_ struct error why = ERROR_NONE;
        _cleanup_(alert_freep) struct alert *a =
            alert_from_json(json_array_get(payload.alerts, i), payload.status, now, &why);
        if (!a) {
            fuzz_check(why.code < 0 && why.message && !glanced);
            continue;
        }
        _cleanup_json_ json_t *kept = alert_to_json(a);
        _cleanup_(alert_freep) struct alert *again = alert_from_record(kept);
        fuzz_check(again && strcmp(a->fingerprint, again->fingerprint) == 0);
        fuzz_check(again->firing == a->firing && again->starts_us == a->starts_us);
    }
    return 0;
}
