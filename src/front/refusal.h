/* Why an operation was not done, as clients are told in every protocol. */
#ifndef FRONT_REFUSAL_H
#define FRONT_REFUSAL_H

#include "store/store.h"

/* Static texts, neither of which needs escaping. */
struct refusal {
	const char *code, *detail;
};

/* NULL if it was done. */
const struct refusal *refusal_of(enum store_result_code);

#endif
