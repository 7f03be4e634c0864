/* DNS messages (RFC 1035): one question out, the addresses of its answer in. Pure; the parser takes bytes from anybody
 * (tests/fuzz has a target for it). */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

enum { DNS_QUERY_MAX = 12 + 255 + 4, DNS_MESSAGE_MAX = 4096, DNS_ADDRESSES_MAX = 64, DNS_A = 1, DNS_AAAA = 28 };

/* The length of the query written; -EINVAL with words for what is no name. A trailing dot is fine. */
int dns_query(uint16_t id, const char *name, int type, unsigned char out[DNS_QUERY_MAX], struct error *err);
/* 0 with the response's code (0 NOERROR, 3 NXDOMAIN, …), its addresses of `type` appended to `addresses` as text.
 * -ENOENT: not the answer to the query of that id, name and type (a late one, somebody else's); -EBADMSG: broken. */
int dns_answer(const unsigned char *message, size_t len, uint16_t id, const char *name, int type, json_t *addresses,
               int *ret_code);
