/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Read all of an NBD export, as fast as it comes and in any order, and
 * hand it to somebody who writes it or makes digests of it.
 */
#ifndef NBDLIFT_READER_H
#define NBDLIFT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/copy/copy.h"
#include "driver/copy/nbd_client.h"

/* Both are called from worker threads, several at once, each byte of
 * the disk once.  Ranges begin at multiples of DIGEST_BLOCK and end
 * there or at the end of the disk.  0, or -1 with errno, which ends the
 * reading.  They should not report: messages belong to the thread that
 * called reader_run.
 */
struct reader_consumer {
  int (*data) (void *opaque, uint64_t offset, const uint8_t *data,
               size_t len);
  int (*zero) (void *opaque, uint64_t offset, uint64_t len);
  void *opaque;
};

/* Read the export of CLIENT, called NAME in messages, with the numbers
 * (connections excepted) and the progress function of OPTIONS; *RESULT is
 * set but for progress.written.
 *
 * 0; or -1 with errno and a report: CLIENT is then closed.  Nothing is
 * reported for ECANCELED and for an error of the consumer
 * (COPY_SIDE_TARGET).
 */
extern int reader_run (struct nbd_client *client, const char *name,
                       const struct reader_consumer *consumer,
                       const struct copy_options *options,
                       struct copy_result *result);

/* Progress once every so many milliseconds; also how long a cancel may
 * wait.
 */
#define READER_TICK_MS 200

#endif /* NBDLIFT_READER_H */
