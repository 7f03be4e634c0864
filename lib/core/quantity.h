/* Kubernetes quantities: "1536Mi", "2Gi", "1.5", "500m", "1e9" (apimachinery, resource.Quantity). Pure. */
#pragma once

#include "base/error.h"

#include <stdint.h>

/* In thousandths, rounded up, so that 500m of a CPU and bytes have one form: "500m" -> 500, "1Ki" -> 1024000. -EINVAL
 * with words; 0 to about 9 * 10^15 (9 PB). */
int quantity_parse(const char *s, int64_t *ret_milli, struct error *err);
/* Memory in whole Mi (rounded up) if it is at least one, else in bytes; CPU in thousandths. The caller frees. */
char *quantity_memory_new(int64_t milli);
char *quantity_cpu_new(int64_t milli);
