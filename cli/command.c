/* What mendctl's commands share: who gives them, how they are sent, how the answer is told. */
#include "cli.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <pwd.h>
#include <unistd.h>

/* The daemon adds how it knows the caller: "alice (via oncall)". */
static const char *login_name(void)
{
    const struct passwd *entry = getpwuid(geteuid());
    return entry ? entry->pw_name : NULL;
}

int command_send(struct cli *cli, const char *path, json_t *body_taken)
{
    _cleanup_json_ json_t *body = body_taken, *answer = NULL;
    json_set_text(body, "by", login_name());
    int r = client_request(cli, "POST", path, body, &answer);
    if (r != EXIT_OK || print_structured(cli, answer))
        return r;
    _cleanup_free_ char *message = print_clean_new(json_text_or(answer, "message", "done"));
    puts(message);
    return EXIT_OK;
}

int command_send_to_run(struct cli *cli, const char *prefix, const char *verb, json_t *body_taken)
{
    _cleanup_json_ json_t *body = body_taken;
    _cleanup_free_ char *id = NULL;
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    int r = actions_find_id(cli, prefix, &id);
    if (r != EXIT_OK)
        return r;
    strbuf_puts(&path, "/actions/");
    url_encode(&path, id);
    strbuf_printf(&path, "/%s", verb);
    return command_send(cli, strbuf_str(&path), TAKE_PTR(body));
}
