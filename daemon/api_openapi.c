/* GET /openapi.json: docs/openapi.json as it stood when this was built. */
#include "web_internal.h"

/* The assembler finds the file through -Wa,-I (CMakeLists.txt). */
__asm__(".section .rodata\n"
        ".type mendd_openapi_start, @object\n"
        "mendd_openapi_start: .incbin \"openapi.json\"\n"
        ".type mendd_openapi_end, @object\n"
        "mendd_openapi_end: .byte 0\n"
        ".globl mendd_openapi_start, mendd_openapi_end\n"
        ".text\n");

extern const char mendd_openapi_start[] __attribute__((visibility("hidden")));
extern const char mendd_openapi_end[] __attribute__((visibility("hidden")));

void api_openapi(struct request *req)
{
    reply_static(req, 200, "application/json; charset=utf-8", mendd_openapi_start,
                 (size_t)(mendd_openapi_end - mendd_openapi_start));
}
