/* mendctl playbooks --coverage: the procedures of docs/coverage.yaml (compiled in), row by row, against the playbooks
 * that carry their numbers, the offline tests beside those, and the end-to-end cases of the source tree.
 *
 * Nothing is taken on trust: a case counts for a row only if the playbook that it names carries the row; a number that
 * is no row, a case of an unknown row or playbook, a test file that is not there are faults. */
#pragma once

#include "base/json.h"
#include "core/playbook.h"

/* {rows: [{id, procedure, does, instead?, playbooks: [{name, mode, actions, tests, file}], cases: [name], missing:
 * [text]}], runbooks: [{id, title}], faults: [text], cases_known: bool, done, total}. The caller owns it. `cases`: the
 * folder of the cases; NULL: there is none, and no row is done. */
json_t *coverage_new(const struct playbook_table *table, const char *cases);

/* coverage_print.c: a table (wide: also what mendd does), and docs/coverage.md. */
void coverage_print(const json_t *coverage, bool wide);
void coverage_print_markdown(const json_t *coverage);
