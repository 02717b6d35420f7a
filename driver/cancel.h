/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SIGINT and SIGTERM: the first asks everything to end in order, the
 * second ends the program at once.
 */
#ifndef NBDLIFT_CANCEL_H
#define NBDLIFT_CANCEL_H

#include <stdbool.h>

/* Install the handlers; SIGPIPE and SIGXFSZ are ignored.  Before any
 * thread.
 */
extern void cancel_init (void);

/* True once a signal has come.  Any thread. */
extern bool cancel_requested (void);

/* Wait until a signal has come. */
extern void cancel_wait (void);

#endif /* NBDLIFT_CANCEL_H */
