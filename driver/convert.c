/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The steps of a conversion.
 *
 * virt-v2v-in-place leaves a half-converted disk when it fails, so it
 * works on qcow2 overlays.  When it is done, the overlays are flushed and
 * a marker file is written that holds what was found; from then on the
 * only way is forward: each overlay is committed into its volume and
 * removed.  Committing the same overlay twice gives the same bytes, so a
 * crash at any point is mended by doing the step again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/util/subprocess.h"
#include "driver/convert_private.h"

struct conversion {
  const struct vm *vm;
  const struct convert_disk *disks;
  const struct convert_options *options;
  char *marker;
  char *xml_file;
  string_vector overlays;       /* one per disk */
  off_t *fresh;                 /* their sizes before anything is written */
};

#define MARKER_NAME "converted.json"

static void
cleanup_conversion (struct conversion *c)
{
  free (c->marker);
  free (c->xml_file);
  string_vector_free (&c->overlays);
  free (c->fresh);
}

static int
make_paths (struct conversion *c)
{
  const char *dir = c->options->work_dir;
  size_t i;

  if (asprintf (&c->marker, "%s/" MARKER_NAME, dir) == -1) {
    c->marker = NULL;
    goto oom;
  }
  if (asprintf (&c->xml_file, "%s/domain.xml", dir) == -1) {
    c->xml_file = NULL;
    goto oom;
  }
  for (i = 0; i < c->vm->disks.len; ++i)
    if (vm_disk_has_volume (&c->vm->disks.ptr[i]) &&
        string_vector_append_format (&c->overlays, "%s/overlay-%zu.qcow2",
                                     dir, c->overlays.len) == -1)
      goto oom;
  c->fresh = calloc (c->overlays.len + 1, sizeof *c->fresh);
  if (c->fresh == NULL)
    goto oom;
  return 0;

 oom:
  log_oom ();
  return -1;
}

/* Run a short qemu-img command and report what it says if it fails. */
static int
run_qemu_img (const char *const *argv, const char *what, const char *path)
{
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  CLEANUP_FREE char *text = NULL;
  int fds[2], status;
  pid_t pid;
  FILE *fp;
  size_t n = 0;

  /* One line of its standard error is all we want. */
  if (pipe2 (fds, O_CLOEXEC) == -1) {
    log_error ("%s: cannot %s: pipe: %m", printable (path), what);
    return -1;
  }
  o.stderr_fd = fds[1];
  pid = subprocess_start (argv, &o);
  close (fds[1]);
  if (pid == -1) {
    close (fds[0]);
    return -1;
  }
  fp = fdopen (fds[0], "r");
  if (fp) {
    if (getdelim (&text, &n, EOF, fp) > 0)
      text[strcspn (text, "\n")] = '\0';
    fclose (fp);
  }
  else
    close (fds[0]);
  if (subprocess_wait (pid, -1, &status) == -1)
    return -1;
  if (status == 0)
    return 0;

  log_error ("%s: cannot %s: %s", printable (path), what,
             text && *text ? printable (text) : subprocess_status (status));
  errno = text && strstr (text, strerror (ENOSPC)) ? ENOSPC : EIO;
  return -1;
}

static void
remove_overlays (const struct conversion *c)
{
  const int err = errno;
  size_t i;

  for (i = 0; i < c->overlays.len; ++i)
    unlink (c->overlays.ptr[i]);
  errno = err;
}

static int
create_overlays (const struct conversion *c)
{
  CLEANUP_FREE char *base = NULL;
  struct stat st;
  size_t i;

  for (i = 0; i < c->overlays.len; ++i) {
    /* A relative name would be relative to the overlay. */
    free (base);
    base = realpath (c->disks[i].path, NULL);
    if (base == NULL) {
      log_error ("%s: %m", printable (c->disks[i].path));
      return -1;
    }
    const char *const argv[] = {
      "qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw",
      c->overlays.ptr[i], NULL
    };

    if (run_qemu_img (argv, "create an overlay", c->overlays.ptr[i]) == -1)
      return -1;
    if (stat (c->overlays.ptr[i], &st) == -1) {
      log_error ("%s: %m", printable (c->overlays.ptr[i]));
      return -1;
    }
    c->fresh[i] = st.st_size;
  }
  return 0;
}

static int
write_domain (const struct conversion *c)
{
  CLEANUP_FREE struct vm_xml_disk *disks = NULL;
  CLEANUP_FREE char *text = NULL;
  FILE *fp;
  size_t i, n = 0;
  bool failed;

  disks = calloc (c->vm->disks.len + 1, sizeof *disks);
  if (disks == NULL) {
    log_oom ();
    return -1;
  }
  for (i = 0; i < c->vm->disks.len; ++i)
    if (vm_disk_has_volume (&c->vm->disks.ptr[i])) {
      disks[i].file = c->overlays.ptr[n++];
      disks[i].format = "qcow2";
    }
  text = vm_to_libvirt_xml (c->vm, disks);
  if (text == NULL)
    return -1;

  fp = fopen (c->xml_file, "we");
  if (fp == NULL) {
    log_error ("%s: %m", printable (c->xml_file));
    return -1;
  }
  failed = fputs (text, fp) == EOF;
  failed |= fclose (fp) == EOF;
  if (failed) {
    log_error ("%s: cannot be written: %m", printable (c->xml_file));
    return -1;
  }
  return 0;
}

static int
flush (const char *path)
{
  CLEANUP_CLOSE int fd = open (path, O_RDWR | O_CLOEXEC);

  if (fd == -1 || fsync (fd) == -1) {
    log_error ("%s: cannot be flushed to the disk: %m", printable (path));
    return -1;
  }
  return 0;
}

/* The point of no return: overlays first, then the marker. */
static int
write_marker (const struct conversion *c,
              const struct convert_result *result)
{
  CLEANUP_JSON json_t *j = NULL;
  size_t i;

  for (i = 0; i < c->overlays.len; ++i)
    if (flush (c->overlays.ptr[i]) == -1)
      return -1;
  j = convert_result_to_json (result);
  if (j == NULL)
    return -1;
  return json_write_file (j, c->marker);
}

/* 1 if an earlier run got as far as the marker, 0 if not, -1 reported. */
static int
read_marker (const struct conversion *c, struct convert_result *result)
{
  CLEANUP_JSON json_t *j = json_read_file (c->marker, false);

  if (j == NULL)
    return errno == ENOENT ? 0 : -1;
  return convert_result_of_json (j, result) == -1 ? -1 : 1;
}

/* What is on a disk that others have too is not converted. */
static int
on_shared_disk (const char *root, const char *what, const char *path)
{
  log_error ("the guest's system is on %s, which is %s (%s): it cannot be "
             "converted for each of them; set skipGuestConversion",
             printable (root), what, printable (path));
  errno = EINVAL;
  return -1;
}

/* An overlay grows with the first write.  virt-v2v writes to the disks of
 * each system that it converts.
 */
static bool
own_disk_was_written (const struct conversion *c)
{
  struct stat st;
  size_t i;

  for (i = 0; i < c->overlays.len; ++i)
    if (!c->disks[i].keep && (stat (c->overlays.ptr[i], &st) == -1 ||
                              st.st_size != c->fresh[i]))
      return true;
  return false;
}

/* The system must not be on a disk that others have too: what virt-v2v has
 * done there is dropped.  Of a logical volume it does not say where it is:
 * then not on a disk of the VM's own if none of these was written to.
 */
static int
check_root (const struct conversion *c, const struct convert_result *result)
{
  static const char prefix[] = "/dev/sd";
  const size_t n = strlen (prefix);
  size_t i;

  if (result->root == NULL)
    return 0;
  if (strncmp (result->root, prefix, n) == 0) {
    i = (unsigned char) result->root[n] - (size_t) 'a';
    return i < c->overlays.len && c->disks[i].keep ?
      on_shared_disk (result->root, "a disk that other VMs share",
                      c->disks[i].path) : 0;
  }
  for (i = 0; i < c->overlays.len; ++i)
    if (c->disks[i].keep)
      return own_disk_was_written (c) ? 0 :
        on_shared_disk (result->root, "on disks that other VMs share",
                        c->disks[i].path);
  return 0;
}

static int
convert_overlays (const struct conversion *c, struct convert_result *result)
{
  remove_overlays (c);
  if (create_overlays (c) == -1 || write_domain (c) == -1 ||
      v2v_run (c->vm, c->xml_file, c->options, result) == -1 ||
      check_root (c, result) == -1 ||
      (c->options->static_ips &&
       v2v_keep_addresses (c->vm, &c->overlays, c->options, result) == -1) ||
      write_marker (c, result) == -1) {
    remove_overlays (c);
    return -1;
  }
  return 0;
}

/* -d keeps the overlay as it is, so that it can be committed again. */
static int
commit_overlays (const struct conversion *c)
{
  size_t i;

  for (i = 0; i < c->overlays.len; ++i) {
    const char *overlay = c->overlays.ptr[i];
    const char *const argv[] = {
      "qemu-img", "commit", "-q", "-d", "-f", "qcow2", overlay, NULL
    };

    if (c->options->progress)
      c->options->progress (c->options->opaque, 99,
                            "Writing the changes to the volumes");
    if (access (overlay, F_OK) == -1 && errno == ENOENT)
      continue;                 /* done before a crash */
    if (c->disks[i].keep) {
      unlink (overlay);
      continue;
    }
    if (run_qemu_img (argv, "write the converted guest to its volume",
                      c->disks[i].path) == -1 ||
        flush (c->disks[i].path) == -1)
      return -1;
    unlink (overlay);
  }
  return 0;
}

int
convert_guest (const struct vm *vm, const struct convert_disk *disks,
               const struct convert_options *options,
               struct convert_result *result)
{
  __attribute__ ((cleanup (cleanup_conversion))) struct conversion c = {
    .vm = vm, .disks = disks, .options = options,
  };
  struct convert_result found = { 0 };
  int err, r;

  if (make_paths (&c) == -1)
    return -1;
  r = read_marker (&c, &found);
  if (r == 0)
    r = convert_overlays (&c, &found);
  if (r != -1)
    r = commit_overlays (&c);
  if (r == -1) {
    err = errno;
    convert_result_free (&found);
    errno = err;
    return -1;
  }
  *result = found;
  return 0;
}

static char *
marker_path (const char *work_dir)
{
  char *path;

  if (asprintf (&path, "%s/" MARKER_NAME, work_dir) == -1) {
    log_oom ();
    return NULL;
  }
  return path;
}

bool
convert_is_committing (const char *work_dir)
{
  CLEANUP_FREE char *marker = marker_path (work_dir);

  return marker == NULL || access (marker, F_OK) == 0;
}

/* Overlays without the marker are made anew by the next conversion. */
int
convert_forget (const char *work_dir)
{
  CLEANUP_FREE char *marker = marker_path (work_dir);

  if (marker == NULL)
    return -1;
  if (unlink (marker) == -1 && errno != ENOENT) {
    log_error ("%s: cannot be removed: %m", printable (marker));
    return -1;
  }
  return 0;
}
