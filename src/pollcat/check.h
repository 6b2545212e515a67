/* pollcat --check: whether a gateway carries messages. */
#ifndef POLLCAT_CHECK_H
#define POLLCAT_CHECK_H

#include "pollcat/http.h"

/* Print what works and how fast; the exit status. */
int check_gateway(struct http *http);

#endif
