/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Volumes of the directory target.  The owner's file is written before
 * the image and removed after it, so that there is never an image of
 * ours that we would not know again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/atomic_file.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/target/directory_private.h"

#define IMAGE_MODE 0660

/* The paths of one volume. */
struct places {
  char *parent, *folder, *image, *partial, *digest, *owner;
};

static void
places_free (struct places *p)
{
  free (p->parent);
  free (p->folder);
  free (p->image);
  free (p->partial);
  free (p->digest);
  free (p->owner);
}
#define CLEANUP_PLACES __attribute__ ((cleanup (places_free)))

static int
places_make (struct places *p, const struct directory *d,
             const char *namespace_, const char *name)
{
  if (!safe_name ("namespace", namespace_) || !safe_name ("volume", name))
    return -1;
  p->parent = format_text ("%s/%s", d->path, namespace_);
  if (p->parent == NULL)
    return -1;
  p->folder = format_text ("%s/%s", p->parent, name);
  if (p->folder == NULL)
    return -1;
  p->image = format_text ("%s/disk.img", p->folder);
  p->partial = format_text ("%s/.disk.img.partial", p->folder);
  p->digest = format_text ("%s/disk.img.digests", p->folder);
  p->owner = format_text ("%s/.owner.json", p->folder);
  return p->image && p->partial && p->digest && p->owner ? 0 : -1;
}

/* Whose volume is there: 1 OWNER's, 0 nobody's, -1 with errno and a
 * report another's (EEXIST) or an error.
 */
static int
check_owner (const struct places *p, const char *owner)
{
  CLEANUP_JSON json_t *j = NULL;
  const char *recorded;
  int image, partial, file;

  if ((image = look_for_file (p->image, NULL)) == -1 ||
      (partial = look_for_file (p->partial, NULL)) == -1 ||
      (file = look_for_file (p->owner, NULL)) == -1)
    return -1;
  if (!file && !image && !partial)
    return 0;
  if (file) {
    j = json_read_file (p->owner, 1);
    if (j == NULL)
      return -1;
    recorded = json_get_string (j, "owner", NULL);
    if (recorded && strcmp (recorded, owner) == 0)
      return 1;
    if (recorded) {
      log_error ("%s was made by %s, not by %s: it is left as it is; choose "
                 "another output directory, or remove it",
                 printable (p->folder), printable (recorded),
                 printable (owner));
      errno = EEXIST;
      return -1;
    }
  }
  log_error ("%s holds something that nbdlift did not make: it is left as it "
             "is; choose another output directory, or remove it",
             printable (p->folder));
  errno = EEXIST;
  return -1;
}

static int
record_owner (const struct places *p, const char *owner)
{
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return -1;
  }
  if (json_set_string (j, "owner", owner) == -1)
    return -1;
  return json_write_file (j, p->owner);
}

/* The unfinished image, new (*FRESH) or as it was left.  Sparse. */
static int
open_partial (const struct places *p, uint64_t size, bool *fresh)
{
  CLEANUP_CLOSE int fd = -1;

  *fresh = true;
  fd = open (p->partial, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
             IMAGE_MODE);
  if (fd == -1 && errno == EEXIST) {
    *fresh = false;
    fd = open (p->partial, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  }
  if (fd == -1 || fchmod (fd, IMAGE_MODE) == -1 ||
      ftruncate (fd, size) == -1) {
    log_error ("%s: cannot be made with %" PRIu64 " bytes: %m%s",
               printable (p->partial), size,
               errno == EFBIG ? "; this file system or \"ulimit -f\" does "
                                "not allow files of that size" : "");
    if (fd != -1 && *fresh) {
      const int err = errno;

      unlink (p->partial);
      errno = err;
    }
    return -1;
  }
  return 0;
}

static struct target_volume *
volume_new (struct places *p, uint64_t size, bool complete, bool fresh)
{
  struct target_volume *v = calloc (1, sizeof *v);

  if (v == NULL || (v->path = strdup (complete ? p->image
                                               : p->partial)) == NULL) {
    free (v);
    log_oom ();
    return NULL;
  }
  v->final_path = p->image;
  v->digest_path = p->digest;
  p->image = p->digest = NULL;
  v->size = size;
  v->complete = complete;
  v->is_zero = fresh;
  return v;
}

struct target_volume *
directory_create (void *target, const struct target_volume_spec *spec,
                  const char *owner)
{
  struct directory *d = target;
  CLEANUP_PLACES struct places p = { 0 };
  uint64_t size;
  bool fresh, made;
  int ours, there;

  if (places_make (&p, d, spec->namespace_, spec->name) == -1)
    return NULL;
  ours = check_owner (&p, owner);
  if (ours == -1)
    return NULL;

  there = look_for_file (p.image, &size);
  if (there == -1)
    return NULL;
  if (there) {
    if (size == spec->size)
      return volume_new (&p, size, true, false);
    log_error ("%s is complete with %" PRIu64 " bytes, but the disk now needs "
               "%" PRIu64 ": remove it to copy the disk again",
               printable (p.image), size, spec->size);
    errno = EEXIST;
    return NULL;
  }

  if (spec->volume_mode && strcmp (spec->volume_mode, "Block") == 0)
    log_info ("volume %s has mode Block: in a directory it is the file %s",
              printable (spec->name), printable (p.image));
  if (make_folder (p.folder, 0755, &made) == -1)
    return NULL;
  if ((!ours && record_owner (&p, owner) == -1) ||
      open_partial (&p, spec->size, &fresh) == -1) {
    const int err = errno;

    if (made) {
      unlink (p.owner);
      rmdir (p.folder);
      rmdir (p.parent);         /* unless something else is there */
    }
    errno = err;
    return NULL;
  }
  return volume_new (&p, spec->size, false, fresh);
}

int
directory_finish (void *target, struct target_volume *volume)
{
  CLEANUP_CLOSE int fd = -1;
  char *path;
  int r;

  if (volume->complete)
    return 0;
  path = strdup (volume->final_path);
  if (path == NULL) {
    log_oom ();
    return -1;
  }

  r = look_for_file (volume->path, NULL);
  if (r == 0) {                 /* renamed by an earlier call */
    r = look_for_file (volume->final_path, NULL);
    if (r == 0) {
      log_error ("%s has vanished", printable (volume->path));
      errno = ENOENT;
      r = -1;
    }
  }
  else if (r == 1) {
    fd = open (volume->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1 || fsync (fd) == -1 || fchmod (fd, IMAGE_MODE) == -1 ||
        rename (volume->path, volume->final_path) == -1) {
      log_error ("%s: cannot be completed: %m", printable (volume->path));
      r = -1;
    }
  }
  if (r == -1 || sync_folder_of (volume->final_path) == -1) {
    free (path);
    return -1;
  }
  free (volume->path);
  volume->path = path;
  volume->complete = true;
  return 0;
}

static int
remove_file (const char *path)
{
  if (unlink (path) == 0 || errno == ENOENT)
    return 0;
  log_error ("%s: cannot be removed: %m", printable (path));
  return -1;
}

int
directory_remove (void *target, const char *namespace_, const char *name,
                  const char *owner)
{
  struct directory *d = target;
  CLEANUP_PLACES struct places p = { 0 };
  int ours;

  if (places_make (&p, d, namespace_, name) == -1)
    return -1;
  ours = check_owner (&p, owner);
  if (ours <= 0)
    return ours;
  if (remove_file (p.partial) == -1 || remove_file (p.image) == -1 ||
      remove_file (p.digest) == -1 || remove_file (p.owner) == -1)
    return -1;
  /* Folders with something else in them stay. */
  rmdir (p.folder);
  rmdir (p.parent);
  return 0;
}
