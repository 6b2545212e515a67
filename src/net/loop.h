/*
 * The event loop of the program, with the flags that its speed depends on.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

struct event_base;

/*
 * A new event_base: epoll changes are gathered and applied at once (a third of an HTTP request's CPU time), no locks, no precise
 * timers (milliseconds do).  What libevent has to say goes to the log; SIGPIPE is ignored.  Dies when there is none.
 * Because changes are gathered, a descriptor that is in the loop must never be dup()ed or inherited by a child.
 */
struct event_base *loop_new(void);

#endif
