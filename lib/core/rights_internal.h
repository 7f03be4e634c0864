/* Between the files that tell rights from playbooks. Private to lib/core. */
#pragma once

#include "core/rights.h"

/* rights.c: one more, or one more reason for one that is there. Everything of `like` is copied. */
void right_add(struct rights *to, const struct right *like, const char *why);
/* rights.c: what cannot be told, said once. */
void right_fault(struct rights *to, const char *text);

/* rights_choices.c: what the playbook's matchers leave of a label. */
struct choices choices_of_label(const struct playbook *p, const char *label);

/* rights_in.c: Kubernetes Events on an object of this kind; namespaces NULL: the step's. */
void rights_tell(const struct rights_in *in, const char *api_version, const char *kind,
                 const struct choices *namespaces);
