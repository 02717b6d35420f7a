/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which keys a Secret needs for a type of provider.
 */
#ifndef NBDLIFT_PLAN_SECRET_H
#define NBDLIFT_PLAN_SECRET_H

#include <stdio.h>

#include "driver/plan/plan.h"

/* Report what SECRET lacks, or has for nothing, as the credentials of a
 * provider of TYPE ("vsphere"; "host" for those of a Host).  Never shows
 * a value.  0, or -1 if memory is short, reported.
 */
extern int plan_secret_check (const struct plan_secret *secret,
                              const char *type, problem_vector *problems);

/* The most that cryptsetup takes for a passphrase, in bytes. */
#define PLAN_MAX_PASSPHRASE 512

/* Report what is wrong with SECRET as the one of spec.vms[].luks, each of
 * whose values is a passphrase.  0, or -1 if memory is short, reported.
 */
extern int plan_secret_check_luks (const struct plan_secret *secret,
                                   problem_vector *problems);

/* True if the key insecureSkipVerify says so. */
extern bool plan_secret_insecure (const struct plan_secret *secret);

/* For plan_list_fields. */
extern void plan_secret_list_keys (FILE *fp);

#endif /* NBDLIFT_PLAN_SECRET_H */
