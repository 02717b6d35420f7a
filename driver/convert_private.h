/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between the files of conversion: convert.c (the steps), convert_v2v.c
 * (one run of virt-v2v), convert_log.c (what its output says),
 * convert_explain.c (why it failed), convert_keys.c (passphrases) and
 * convert_addresses.c (static addresses).
 */
#ifndef NBDLIFT_CONVERT_PRIVATE_H
#define NBDLIFT_CONVERT_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/util/strbuf.h"
#include "driver/convert.h"

/* What virt-v2v says through --machine-readable, gathered line by line. */
struct v2v_messages {
  struct strbuf partial;        /* a line that is not complete yet */
  struct strbuf lines;          /* all of them, for the log */
  char *what;                   /* the last "message" */
  unsigned percent;             /* 0 to 100, never falls */
  string_vector warnings;
};

/* Take the next N bytes.  0, or -1 reported. */
extern int v2v_messages_feed (struct v2v_messages *m, const char *data,
                              size_t n);
extern void v2v_messages_free (struct v2v_messages *m);
#define CLEANUP_V2V_MESSAGES                                            \
  __attribute__ ((cleanup (v2v_messages_free)))

/* Fill RESULT from the verbose log (the inspection and capabilities that
 * virt-v2v prints).  What it does not say stays NULL, unknown, false.  0,
 * or -1 reported.
 */
extern int v2v_learn (const char *log_text, size_t len,
                      struct convert_result *result);

/* RESULT to JSON and back, for the marker file.  NULL / -1 reported. */
extern json_t *convert_result_to_json (const struct convert_result *result);
extern int convert_result_of_json (const json_t *j,
                                   struct convert_result *result);

/* write(2) of all N bytes.  0, or -1 with errno, not reported. */
extern int v2v_write_all (int fd, const char *text, size_t n);

/* Passphrases on their way to virt-v2v (convert_keys.c). */
#define V2V_MAX_KEYS 64
struct v2v_keys {
  int stdin_fd;
  size_t nr;
  int fds[V2V_MAX_KEYS];        /* to be handed on */
};
#define V2V_KEYS_INIT { .stdin_fd = -1 }

/* Put KEYS (NULL-terminated, or NULL) where virt-v2v can read them.  0, or
 * -1 reported; to be closed in both cases.
 */
extern int v2v_keys_open (struct v2v_keys *k, const char *const *keys);
extern void v2v_keys_close (struct v2v_keys *k);
#define CLEANUP_V2V_KEYS __attribute__ ((cleanup (v2v_keys_close)))

/* Append the options that say where they are.  -1: out of memory, not
 * reported.
 */
extern int v2v_keys_argv (const struct v2v_keys *k, size_t nr_disks,
                          string_vector *argv);

/* Run virt-v2v-in-place on the domain in XML_FILE, which is VM, to its
 * end.  0, or -1 with errno as of convert_guest; reported, but for
 * ECANCELED.
 */
extern int v2v_run (const struct vm *vm, const char *xml_file,
                    const struct convert_options *options,
                    struct convert_result *result);

/* True if libguestfs shall use hardware virtualisation. */
extern bool v2v_use_kvm (void);

/* What libguestfs needs in its environment, as NAME=VALUE.  TMPDIR is of
 * the one process.  0, or -1 reported.
 */
extern int v2v_environment (string_vector *env, bool kvm,
                            const char *tmpdir);

/* A folder from serve_folder, which goes with all that is in it. */
extern void v2v_remove_tmpdir (char **tmpdir);
#define CLEANUP_V2V_TMPDIR __attribute__ ((cleanup (v2v_remove_tmpdir)))

/* Static addresses (convert_addresses.c): append what virt-v2v is told of
 * those of VM, for Windows.  -1: out of memory, not reported.
 */
extern int v2v_addresses_argv (const struct vm *vm, string_vector *argv);
/* Do the rest on the converted OVERLAYS, and set kept and lost of RESULT.
 * 0, or -1 with errno; reported, but for ECANCELED.
 */
extern int v2v_keep_addresses (const struct vm *vm,
                               const string_vector *overlays,
                               const struct convert_options *options,
                               struct convert_result *result);

/* As convert_explain, and *ERR is the errno that fits. */
extern char *convert_classify (const char *log_text, size_t len, int *err);

#endif /* NBDLIFT_CONVERT_PRIVATE_H */
