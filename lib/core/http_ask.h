/* HTTP requests to systems other than Kubernetes, as questions (core/ask.h, "http"): for the check http, the evidence
 * http.read and the action http.request. Secrets stand in files that the sender reads when it sends: no question holds
 * one. */
#pragma once

#include "core/registry.h"

enum { HTTP_ASK_TIMEOUT_MS = 5000, HTTP_EFFECT_TIMEOUT_MS = 30000 };

/* How to log in, in every table of parameters that has to do with HTTP. */
#define HTTP_AUTH_PARAMS                                                                                               \
    {"header_files", PARAM_TEXT_MAP, false, NULL, "further headers whose values stand in files: {X-Api-Key: /path}"},  \
        {"bearer_token_file", PARAM_TEXT, false, NULL, "a file with the token for Authorization: Bearer"},             \
        {"username", PARAM_TEXT, false, NULL, "basic authentication, with password_file"},                             \
        {"password_file", PARAM_TEXT, false, NULL, "a file with the password"},                                        \
        {"cert_file", PARAM_TEXT, false, NULL, "a client certificate, with key_file"},                                 \
        {"key_file", PARAM_TEXT, false, NULL, "its key"},                                                              \
        {"ca_file", PARAM_TEXT, false, NULL, "the CA that signed the server's certificate"},                           \
    {                                                                                                                  \
        "aws", PARAM_TEXT_MAP, false, NULL,                                                                            \
            "sign with AWS Signature V4: {service, region, access_key_id or access_key_id_file, "                      \
            "secret_access_key_file, session_token_file}"                                                              \
    }

/* What is sent, where the table allows it. */
#define HTTP_BODY_PARAMS                                                                                               \
    {"body", PARAM_PLAIN, false, NULL, "a body as it is; templates' values may only be plain words"},                  \
        {"json", PARAM_ANY, false, NULL, "a body as JSON; templates in its texts are values"},                         \
    {                                                                                                                  \
        "form", PARAM_TEXT_MAP, false, NULL, "a body as a form: {Action: RebootDBInstance}"                            \
    }

/* The question that `with` means: url, method, headers, a body and how to log in. -EINVAL with words: a URL that is
 * none, credentials in plain `headers`, half of a pair, an unknown key of aws, more than one body. */
int http_question_new(const json_t *with, int64_t default_timeout_ms, json_t **ret, struct error *err);
