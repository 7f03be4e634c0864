/* 64-bit FNV-1a (Alertmanager's fingerprints, map keys), not for secrets; SHA-256 for what a person vouches for. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FNV1A64_INIT UINT64_C(14695981039346656037)

static inline uint64_t fnv1a64(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * UINT64_C(1099511628211);
    return hash;
}

/* 64 lowercase hex digits; the caller frees. */
char *sha256_hex_new(const void *data, size_t len);
