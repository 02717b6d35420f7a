/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the parts of the vSphere source share.
 */
#ifndef NBDLIFT_VSPHERE_SOURCE_PRIVATE_H
#define NBDLIFT_VSPHERE_SOURCE_PRIVATE_H

#include "common/source.h"
#include "plugins/vsphere/vsphere.h"

struct vsphere_session {
  const struct source_endpoint *endpoint;
  struct vim_options options;   /* points into the endpoint */
  struct vim *vim;
};

/* source_servers.c */
extern int vsphere_source_servers (void *session, const struct vm *vm,
                                   const char *snapshot,
                                   struct source_servers *servers);

/* The value of a secret or setting; NULL also when it is empty. */
extern const char *vsphere_secret (const struct source_secret *list,
                                   size_t n, const char *key);

#endif /* NBDLIFT_VSPHERE_SOURCE_PRIVATE_H */
