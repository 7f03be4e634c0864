/* What logs a request in: files are read when it is sent, and what is signed is what goes out. */
#include "base/alloc.h"
#include "base/text.h"
#include "io/probe_auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define AT_US (INT64_C(1440938160) * 1000000) /* 2015-08-30T12:36:00Z, the day of AWS' test suite */
static char folder[] = "/tmp/probe-auth-XXXXXX";

static void put(const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

/* "Name: value" lines; NULL with words. `F` in the question stands for the folder. */
static char *headers_of(const char *question, char **ret_words)
{
    struct strbuf b = STRBUF_INIT, text = STRBUF_INIT;
    char *headers[PROBE_HEADERS_MAX + 1] = {NULL};
    _cleanup_error_ struct error err = ERROR_NONE;
    for (const char *c = question; *c; c++)
        strbuf_puts(&text, *c == '\'' ? "\"" : str_starts(c, "F/") ? folder : (const char[]){*c, 0});
    _cleanup_json_ json_t *q = json_loads(strbuf_str(&text), 0, NULL);
    assert_non_null(q);
    strbuf_free(&text);
    const int r = probe_headers_new(q, AT_US, headers, &err);
    for (size_t i = 0; headers[i]; i++)
        strbuf_printf(&b, "%s\n", headers[i]);
    probe_headers_free(headers);
    assert_null(headers[0]);
    if (r < 0) {
        *ret_words = xstrdup(error_message(&err));
        strbuf_free(&b);
        return NULL;
    }
    return strbuf_take(&b);
}

static void logs_in(const char *question, const char *expected)
{
    char *words = NULL;
    _cleanup_free_ char *got = headers_of(question, &words);
    if (!got)
        fail_msg("%s: %s", question, words);
    assert_string_equal(got, expected);
}

static void files(void **s)
{
    (void)s;
    put("token", "t0ken\n");
    put("password", "pass:word");
    logs_in("{'url':'http://a/'}", "");
    logs_in("{'headers':{'A':'1'},'header_files':{'X-Api-Key':'F/token'}}", "A: 1\nX-Api-Key: t0ken\n");
    logs_in("{'bearer_token_file':'F/token'}", "Authorization: Bearer t0ken\n");
    logs_in("{'username':'Aladdin','password_file':'F/password'}", "Authorization: Basic QWxhZGRpbjpwYXNzOndvcmQ=\n");
    put("token", "rotated");
    logs_in("{'bearer_token_file':'F/token'}", "Authorization: Bearer rotated\n");
    char *words = NULL;
    assert_null(headers_of("{'bearer_token_file':'F/none'}", &words));
    assert_non_null(strstr(words, "/none"));
    free(words);
}

#define KEYS "'access_key_id':'AKIDEXAMPLE','secret_access_key_file':'F/secret','region':'us-east-1'"
#define SCOPE "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "

/* The rows of the published suite that one gets by way of a URL (tests/unit/test_sigv4.c has the rest). */
static void signs(void **s)
{
    (void)s;
    put("secret", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n");
    put("id", "AKIDEXAMPLE\n");
    put("session", "token");
    logs_in("{'url':'https://Example.amazonaws.com:443','aws':{" KEYS ",'service':'service'}}",
            "Host: example.amazonaws.com\nX-Amz-Date: 20150830T123600Z\n" SCOPE "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\n");
    logs_in("{'url':'https://example.amazonaws.com/?Param2=value2&Param1=value1#x','aws':{'access_key_id_file':'F/id',"
            "'secret_access_key_file':'F/secret','region':'us-east-1','service':'service'}}",
            "Host: example.amazonaws.com\nX-Amz-Date: 20150830T123600Z\n" SCOPE "SignedHeaders=host;x-amz-date, "
            "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500\n");
    logs_in("{'url':'https://example.amazonaws.com/','method':'POST','body':'Param1=value1',"
            "'headers':{'Content-Type':'application/x-www-form-urlencoded'},'aws':{" KEYS ",'service':'service'}}",
            "Content-Type: application/x-www-form-urlencoded\nHost: example.amazonaws.com\n"
            "X-Amz-Date: 20150830T123600Z\n" SCOPE "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a\n");
    char *words = NULL;
    _cleanup_free_ char *s3 = headers_of("{'url':'http://b.s3.amazonaws.com:9000/k','aws':{" KEYS
                                         ",'service':'s3','session_token_file':'F/session'}}",
                                         &words);
    assert_non_null(strstr(s3, "Host: b.s3.amazonaws.com:9000\n"));
    assert_non_null(strstr(s3, "X-Amz-Security-Token: token\n"));
    assert_non_null(strstr(s3, "X-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb924"));
    assert_non_null(strstr(s3, "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"));
    assert_null(headers_of("{'url':'http://a/','aws':{" KEYS ",'service':'ecs','session_token_file':'F/no'}}", &words));
    assert_non_null(strstr(words, "/no"));
    free(words);
}

static int make(void **s)
{
    (void)s;
    return mkdtemp(folder) ? 0 : -1;
}

static int clean(void **s)
{
    (void)s;
    _cleanup_free_ char *command = xasprintf("rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(files), cmocka_unit_test(signs)};
    return cmocka_run_group_tests(tests, make, clean);
}
