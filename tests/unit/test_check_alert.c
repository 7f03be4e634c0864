/* alert.cleared asked of two Alertmanagers: what each knows, and what it cannot know. */
#include "checks/registry.h"
#include "world.h"

extern const struct check check_alert_cleared;
#define ALERTS "/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=true&filter=alertname%3D%22Down%22"
#define STATUS "/api/v2/status"
#define BEFORE "{'uptime':'2026-01-05T09:00:00.123Z'}"
#define AFTER "{'uptime':'2026-01-05T10:00:01Z'}"
#define OURS(state) "[{'labels':{'x':'a','alertname':'Down'},'status':{'state':'" state "'}}]"
#define OTHER "[{'labels':{'x':'b','alertname':'Down'},'status':{'state':'active'}},{'labels':{'alertname':'Down'}},{}]"
#define GONE_AWAY "{'error':'refused','message':'nobody there'}"

static void two(const char *first, const char *first_status, const char *second, const char *second_status,
                enum verdict verdict, const char *words)
{
    const char *const alerts[] = {first, second}, *const status[] = {first_status, second_status};
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    for (int i = 0; i < 2; i++) {
        _cleanup_free_ char *a = xasprintf("%d:%s", i, ALERTS), *b = xasprintf("%d:%s", i, STATUS);
        if (alerts[i])
            world_body(&w, a, alerts[i]);
        else
            world_answer(&w, a, GONE_AWAY);
        if (status[i])
            world_body(&w, b, status[i]);
        else
            world_answer(&w, b, GONE_AWAY);
    }
    world_verdict(&w, &check_alert_cleared, NULL, NULL, verdict, words);
    assert_int_equal(w.rounds, 1);
    world_clear(&w);
}

static void peers(void **s _unused_)
{
    two("[]", BEFORE, "[]", BEFORE, VERDICT_PASS,
        "Alertmanager 0: the alert is gone; Alertmanager 1: the alert is gone");
    two(OURS("active"), BEFORE, "[]", BEFORE, VERDICT_FAIL, "Alertmanager 0: the alert fires");
    two("[]", BEFORE, OURS("suppressed"), BEFORE, VERDICT_FAIL, "Alertmanager 1: the alert fires");
    two("[]", BEFORE, OURS("unprocessed"), AFTER, VERDICT_FAIL, "Alertmanager 1: the alert fires");
    two(OTHER, BEFORE, OTHER, BEFORE, VERDICT_PASS, "gone"); /* the same name is not the same alert */
    /* one that knows is enough; one that cannot know is none */
    two("[]", BEFORE, NULL, NULL, VERDICT_PASS, "Alertmanager 1: GET alerts: nobody there");
    two("[]", AFTER, NULL, NULL, VERDICT_UNKNOWN, "Alertmanager 0 was not running when the alert came");
    two("[]", AFTER, "[]", AFTER, VERDICT_UNKNOWN, "Alertmanager 1 was not running");
    two("[]", NULL, "[]", "{'uptime':'yesterday'}", VERDICT_UNKNOWN, "does not say so");
    two("{'alerts':[]}", BEFORE, "[]", AFTER, VERDICT_UNKNOWN, "no list of alerts");
    two(NULL, BEFORE, NULL, BEFORE, VERDICT_UNKNOWN, "nobody there");
    two(NULL, BEFORE, OURS("active"), AFTER, VERDICT_FAIL, "the alert fires");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(peers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
