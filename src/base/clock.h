/*
 * The only source of time.  Milliseconds everywhere; tests can turn the clock.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <sys/time.h>

int64_t clock_wall_ms(void);  /* Since the epoch: for entry ids, deadlines that are shared, logs. */
int64_t clock_mono_ms(void);  /* Never goes back: for deadlines of this process. */
int64_t clock_mono_us(void);  /* The same in microseconds: for latencies. */
void clock_turn(int64_t ms);  /* For tests: move all of them forward by ms. */

/* So many milliseconds as the event loop wants them; less than none is none. */
struct timeval clock_timeval(int64_t ms);

#endif
