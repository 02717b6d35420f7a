/* SPDX-License-Identifier: BSD-3-Clause
 *
 * guest_files on libguestfs: guestfs(3).
 *
 * The guest is not trusted.  Its file systems are mounted, and its links
 * followed, inside of the appliance and below the guest's own root; only
 * regular files are read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <guestfs.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/guest/guest_handle.h"

#define SELINUX_CONFIG "/etc/selinux/config"

struct guest_handle {
  guestfs_h *g;
  bool written;
};

static void
free_strings (char ***list)
{
  size_t i;

  for (i = 0; *list && (*list)[i]; i++)
    free ((*list)[i]);
  free (*list);
}
#define CLEANUP_STRINGS __attribute__ ((cleanup (free_strings)))

static int
failed (struct guest_handle *guest, const char *what)
{
  const char *why = guestfs_last_error (guest->g);

  log_error ("%s: %s", printable (what), printable (why ? why : "?"));
  errno = guestfs_last_errno (guest->g) == ENOSPC ? ENOSPC : EIO;
  return -1;
}

/*---- guest_files ----*/

/* Links that lead nowhere, or in a circle, are as good as none. */
static bool
leads_nowhere (struct guest_handle *guest)
{
  const int err = guestfs_last_errno (guest->g);

  return err == ELOOP || err == ENOTDIR || err == ENOENT;
}

/* Errors of ours that say that something is not there. */
static char *
absent (int err)
{
  errno = err;
  return NULL;
}

static char *
read_file (void *opaque, const char *path)
{
  struct guest_handle *guest = opaque;
  int64_t size;
  size_t n;
  char *text, *copy;
  int r;

  r = guestfs_is_file_opts (guest->g, path, GUESTFS_IS_FILE_OPTS_FOLLOWSYMLINKS,
                            1, -1);
  if (r == 0 || (r == -1 && leads_nowhere (guest)))
    return absent (ENOENT);
  size = r == 1 ? guestfs_filesize (guest->g, path) : -1;
  if (size == -1) {
    failed (guest, path);
    return NULL;
  }
  if ((uint64_t) size > GUEST_MAX_FILE)
    return absent (EFBIG);
  text = guestfs_read_file (guest->g, path, &n);
  if (text == NULL) {
    failed (guest, path);
    return NULL;
  }
  if (memchr (text, '\0', n)) {
    free (text);
    return absent (ENOENT);
  }
  copy = strndup (text, n);
  free (text);
  if (copy == NULL)
    log_oom ();
  return copy;
}

static int
write_file (void *opaque, const char *path, const char *text)
{
  struct guest_handle *guest = opaque;
  CLEANUP_FREE char *folder = strdup (path);

  if (folder == NULL) {
    log_oom ();
    return -1;
  }
  *strrchr (folder, '/') = '\0';
  guest->written = true;
  if (guestfs_mkdir_p (guest->g, folder) == -1 ||
      guestfs_write (guest->g, path, text, strlen (text)) == -1)
    return failed (guest, path);
  return 0;
}

static int
list_folder (void *opaque, const char *path, string_vector *names)
{
  struct guest_handle *guest = opaque;
  CLEANUP_STRINGS char **list = NULL;
  size_t i;
  int r;

  r = guestfs_is_dir_opts (guest->g, path, GUESTFS_IS_DIR_OPTS_FOLLOWSYMLINKS,
                           1, -1);
  if (r == 0 || (r == -1 && leads_nowhere (guest)))
    return 0;
  if (r == 1)
    list = guestfs_ls (guest->g, path);
  if (list == NULL)
    return failed (guest, path);
  for (i = 0; list[i]; i++)
    if (string_vector_append_dup (names, list[i]) == -1) {
      log_oom ();
      return -1;
    }
  return 0;
}

void
guest_get_files (struct guest_handle *guest, struct guest_files *files)
{
  files->opaque = guest;
  files->read = read_file;
  files->write = write_file;
  files->list = list_folder;
}

/*---- start ----*/

static int
add_disks (struct guest_handle *guest, const json_t *disks)
{
  const char *path;
  size_t i;

  for (i = 0; i < json_array_size (disks); i++) {
    path = json_string_value (json_array_get (disks, i));
    if (path == NULL ||
        guestfs_add_drive_opts (guest->g, path, GUESTFS_ADD_DRIVE_OPTS_FORMAT,
                                "qcow2", -1) == -1)
      return failed (guest, path ? path : "disk");
  }
  return 0;
}

/* Try each passphrase on DEVICE if it is encrypted; one that none opens may
 * be of no use here.  True if it is open.
 */
static bool
open_device (struct guest_handle *guest, const char *device, unsigned number,
             const json_t *keys)
{
  CLEANUP_FREE char *type = guestfs_vfs_type (guest->g, device);
  const char *key;
  char name[32];
  size_t i;

  if (type == NULL || strcmp (type, "crypto_LUKS") != 0)
    return false;
  snprintf (name, sizeof name, "nbdlift%u", number);
  for (i = 0; i < json_array_size (keys); i++) {
    key = json_string_value (json_array_get (keys, i));
    if (key && guestfs_cryptsetup_open (guest->g, device, key, name,
                                        -1) == 0)
      return true;
  }
  return false;
}

/* Encrypted partitions, with logical volumes in them, or encrypted logical
 * volumes.
 */
static int
open_encrypted (struct guest_handle *guest, const json_t *keys)
{
  static char **(*const lists[]) (guestfs_h *g) = {
    guestfs_list_devices, guestfs_list_partitions, guestfs_lvs,
  };
  unsigned number = 0;
  bool any;
  size_t k, i;

  if (json_array_size (keys) == 0)
    return 0;
  for (k = 0; k < sizeof lists / sizeof lists[0]; k++) {
    CLEANUP_STRINGS char **devices = lists[k] (guest->g);

    if (devices == NULL)
      return failed (guest, "the guest's devices");
    any = false;
    for (i = 0; devices[i]; i++)
      any |= open_device (guest, devices[i], number++, keys);
    if (any && guestfs_lvm_scan (guest->g, 1) == -1)
      return failed (guest, "the guest's logical volumes");
  }
  return 0;
}

/* Shorter paths first. */
static int
compare_mounts (const void *a, const void *b)
{
  const size_t x = strlen (**(char ***) a), y = strlen (**(char ***) b);

  return x < y ? -1 : x > y;
}

/* The guest's own mounts below ROOT.  All but the root may fail. */
static int
mount_all (struct guest_handle *guest, const char *root)
{
  CLEANUP_STRINGS char **mounts =
    guestfs_inspect_get_mountpoints (guest->g, root);
  CLEANUP_FREE char ***order = NULL;
  size_t n = 0, i;
  int r;

  if (mounts == NULL)
    return failed (guest, root);
  while (mounts[n])
    n++;
  n /= 2;
  order = calloc (n + 1, sizeof *order);
  if (order == NULL) {
    log_oom ();
    return -1;
  }
  for (i = 0; i < n; i++)
    order[i] = &mounts[2 * i];
  qsort (order, n, sizeof *order, compare_mounts);
  for (i = 0; i < n; i++) {
    guestfs_push_error_handler (guest->g, NULL, NULL);
    r = guestfs_mount (guest->g, order[i][1], order[i][0]);
    guestfs_pop_error_handler (guest->g);
    if (r == -1 && strcmp (order[i][0], "/") == 0)
      return failed (guest, order[i][1]);
  }
  return 0;
}

static int
mount_guest (struct guest_handle *guest, const char *wanted)
{
  CLEANUP_STRINGS char **roots = guestfs_inspect_os (guest->g);
  const char *root;
  size_t i;

  if (roots == NULL)
    return failed (guest, "the guest");
  root = roots[0];
  for (i = 0; wanted && roots[i]; i++)
    if (strcmp (roots[i], wanted) == 0)
      root = roots[i];
  if (root == NULL) {
    log_error ("no operating system is found on the converted disks");
    errno = EINVAL;
    return -1;
  }
  return mount_all (guest, root);
}

struct guest_handle *
guest_open (const json_t *request)
{
  struct guest_handle *guest = calloc (1, sizeof *guest);
  int err;

  if (guest)
    guest->g = guestfs_create ();
  if (guest == NULL || guest->g == NULL) {
    free (guest);
    log_oom ();
    return NULL;
  }
  guestfs_set_error_handler (guest->g, NULL, NULL);
  if (add_disks (guest, json_object_get (request, "disks")) == -1)
    goto err;
  if (guestfs_launch (guest->g) == -1) {
    failed (guest, "the appliance of libguestfs does not start");
    errno = EAGAIN;
    goto err;
  }
  if (open_encrypted (guest, json_object_get (request, "keys")) == -1 ||
      mount_guest (guest, json_get_string (request, "root", NULL)) == -1)
    goto err;
  return guest;

 err:
  err = errno;
  guestfs_close (guest->g);
  free (guest);
  errno = err;
  return NULL;
}

/*---- end ----*/

/* The policy that the guest's SELinux uses, malloc'ed; NULL if it has
 * none, or has it switched off.
 */
static char *
selinux_policy (struct guest_handle *guest)
{
  CLEANUP_FREE char *text = read_file (guest, SELINUX_CONFIG);
  char *policy = NULL, *p, *end;

  if (text == NULL || strstr (text, "\nSELINUX=disabled"))
    return NULL;
  p = strstr (text, "\nSELINUXTYPE=");
  if (p) {
    p += strlen ("\nSELINUXTYPE=");
    end = p + strcspn (p, " \t\r\n");
    policy = strndup (p, end - p);
  }
  return policy;
}

/* New files have no label until they are given one. */
static int
label (struct guest_handle *guest)
{
  static const char *const feature[] = { "selinuxrelabel", NULL };
  CLEANUP_FREE char *policy = selinux_policy (guest);
  CLEANUP_FREE char *contexts = NULL;
  int r = -1;

  if (policy == NULL)
    return 0;
  if (asprintf (&contexts, "/etc/selinux/%s/contexts/files/file_contexts",
                policy) == -1) {
    contexts = NULL;
    log_oom ();
    return -1;
  }
  if (guestfs_feature_available (guest->g, (char **) feature) == 1)
    r = guestfs_selinux_relabel (guest->g, contexts, "/etc",
                                 GUESTFS_SELINUX_RELABEL_FORCE, 1, -1);
  /* Or else the guest does it itself, for all files. */
  if (r == -1 && guestfs_touch (guest->g, "/.autorelabel") == -1)
    return failed (guest, "/.autorelabel");
  return 0;
}

int
guest_close (struct guest_handle *guest)
{
  int r = 0;

  if (guest->written)
    r = label (guest);
  if (guestfs_umount_all (guest->g) == -1 ||
      guestfs_shutdown (guest->g) == -1)
    r = failed (guest, "the guest's file systems");
  guestfs_close (guest->g);
  free (guest);
  return r;
}
