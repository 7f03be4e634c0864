#include "core/redis_ask.h"

#include "base/macro.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool redis_is_reading(const json_t *command)
{
    static const char *const reading[] = {"PING",   "INFO",   "GET",      "MGET",    "EXISTS",    "TYPE",  "TTL",
                                          "PTTL",   "STRLEN", "LLEN",     "LRANGE",  "SCARD",     "ZCARD", "ZCOUNT",
                                          "HLEN",   "HGET",   "HMGET",    "HEXISTS", "XLEN",      "XINFO", "XPENDING",
                                          "DBSIZE", "ROLE",   "LASTSAVE", "TIME",    "SISMEMBER", "ECHO",  NULL};
    static const char *const pairs[][2] = {{"CONFIG", "GET"},        {"CLUSTER", "INFO"},
                                           {"CLUSTER", "NODES"},     {"MEMORY", "USAGE"},
                                           {"MEMORY", "STATS"},      {"SLOWLOG", "LEN"},
                                           {"CLIENT", "LIST"},       {"SENTINEL", "MASTERS"},
                                           {"SENTINEL", "CKQUORUM"}, {"SENTINEL", "GET-MASTER-ADDR-BY-NAME"}};
    const char *word = json_string_value(json_array_get(command, 0));
    const char *second = json_string_value(json_array_get(command, 1));
    for (const char *const *r = reading; word && *r; r++)
        if (strcasecmp(word, *r) == 0)
            return true;
    for (size_t i = 0; word && second && i < ARRAY_SIZE(pairs); i++)
        if (strcasecmp(word, pairs[i][0]) == 0 && strcasecmp(second, pairs[i][1]) == 0)
            return true;
    return false;
}

bool address_is_valid(const char *address)
{
    const char *colon = address ? strrchr(address, ':') : NULL;
    if (!colon || colon == address || strlen(address) > 300)
        return false;
    for (const char *c = address; c < colon; c++)
        if (!isalnum((unsigned char)*c) && !strchr(".-_:[]", *c))
            return false;
    if (*address != '[' && memchr(address, ':', (size_t)(colon - address)))
        return false;
    const size_t digits = strspn(colon + 1, "0123456789");
    const long port = digits && digits <= 5 && !colon[1 + digits] ? strtol(colon + 1, NULL, 10) : 0;
    return port > 0 && port < 65536;
}
