/* mendctl actions report: the report of one run, as Markdown in a pipe too (`mendctl actions report ID > incident.md`),
 * or as JSON or YAML when -o says so. The daemon sends it as JSON; both sides write Markdown with the same code. */
#include "cli.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "core/report.h"

int actions_report(struct cli *cli, int argc, char *argv[])
{
    if (argc != 2)
        return cli_usage(&verb_actions, "report needs the id of one record");
    _cleanup_free_ char *id = NULL, *text = NULL;
    _cleanup_json_ json_t *report = NULL;
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    int r = actions_find_id(cli, argv[1], &id);
    if (r != EXIT_OK)
        return r;
    strbuf_puts(&path, "/actions/");
    url_encode(&path, id);
    strbuf_puts(&path, "/report");
    r = client_request(cli, "GET", strbuf_str(&path), NULL, &report);
    if (r != EXIT_OK || print_report_structured(cli, report))
        return r;
    text = report_markdown_new(report);
    fputs(text, stdout);
    return EXIT_OK;
}
