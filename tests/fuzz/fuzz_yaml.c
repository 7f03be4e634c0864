/* A YAML file of the operator's, read as a configuration and as playbooks, through the same doors as the daemon's. */
#include "actions/registry.h"
#include "checks/registry.h"
#include "config/config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct registry registry = {.actions = all_actions, .checks = all_checks};
    const char *path = fuzz_file(data, size, ".yaml");
    _cleanup_(faults_clear) struct faults faults = {0};
    _cleanup_(config_freep) struct config *config = NULL, *defaults = NULL;
    if (config_load(path, &config, &faults) < 0)
        fuzz_check(!config && faults.n > 0);
    fuzz_check(config_load(NULL, &defaults, &faults) == 0);
    const char *paths[] = {path, NULL};
    _cleanup_(faults_clear) struct faults more = {0};
    _cleanup_(playbook_table_freep) struct playbook_table *table = NULL;
    if (playbooks_load(paths, defaults, &registry, &table, &more) < 0) {
        fuzz_check(!table && more.n > 0);
        return 0;
    }
    /* what the journal keeps of a playbook can be read again */
    for (size_t i = 0; i < table->n; i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_(playbook_unrefp) struct playbook *again = NULL;
        fuzz_check(playbook_from_json(table->playbooks[i]->source, defaults, &registry, &again, &err) == 0);
        fuzz_check(strcmp(again->hash, table->playbooks[i]->hash) == 0);
    }
    return 0;
}
