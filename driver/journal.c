/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The journal is a JSON document in memory that is written whole after
 * each change; a VM has few changes (some per disk), so nothing cheaper
 * is needed.  A change that cannot be written is undone in memory: what
 * the journal claims is never more than what is on stable storage.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/journal.h"

#define JOURNAL_VERSION 1

struct journal {
  pthread_mutex_t lock;
  char *path;
  json_t *doc;
};

static const char *const state_names[] = {
  [JOURNAL_DISK_NEW] = "new",
  [JOURNAL_DISK_CREATED] = "created",
  [JOURNAL_DISK_COPIED] = "copied",
  [JOURNAL_DISK_FINISHED] = "finished",
};

/* JSON wants UTF-8; ids and names from outside may be anything. */
static char *
json_text (const char *s)
{
  struct strbuf b = { 0 };
  char *r = NULL;

  if (strbuf_append_printable (&b, s ? s : "", SIZE_MAX) == 0)
    r = strbuf_steal (&b);
  if (r == NULL)
    log_oom ();
  strbuf_free (&b);
  return r;
}

static int
set_text (json_t *object, const char *key, const char *s)
{
  CLEANUP_FREE char *text = json_text (s);

  return text ? json_set_string (object, key, text) : -1;
}

static json_t *
new_document (const struct vm *vm)
{
  CLEANUP_JSON json_t *doc = json_object ();
  json_t *who = json_object (), *disks = json_array ();
  size_t i;

  if (doc == NULL) {
    log_oom ();
    json_decref (who);
    json_decref (disks);
    return NULL;
  }
  if (json_set_u64 (doc, "version", JOURNAL_VERSION) == -1 ||
      json_set (doc, "vm", who) == -1 ||
      json_set (doc, "disks", disks) == -1 ||
      set_text (who, "id", vm->id) == -1 ||
      set_text (who, "name", vm->name) == -1)
    return NULL;
  for (i = 0; i < vm->disks.len; i++)
    if (json_array_append_new (disks, json_object ()) == -1) {
      log_oom ();
      return NULL;
    }
  return json_incref (doc);
}

/* Check a document that was read. */
static int
check_document (const char *path, const json_t *doc)
{
  const json_t *disks = json_object_get (doc, "disks"), *d;
  const json_t *who = json_object_get (doc, "vm");
  const char *id = json_get_string (who, "id", NULL);
  const uint64_t version = json_get_u64 (doc, "version", 0);
  size_t i;

  errno = EINVAL;
  if (version != JOURNAL_VERSION || !json_is_array (disks) || id == NULL) {
    log_error ("%s: not a journal that this version of nbdlift can read; "
               "move it and the volumes of this VM away to start anew",
               path);
    return -1;
  }
  json_array_foreach (disks, i, d)
    if (!json_is_object (d)) {
      log_error ("%s: disk %zu is damaged; move the journal and the volumes "
                 "of this VM away to start anew", path, i);
      errno = EINVAL;
      return -1;
    }
  return 0;
}

/* It must be of this VM. */
static int
check_vm (const struct journal *j, const struct vm *vm)
{
  CLEANUP_FREE char *id = json_text (vm->id);

  if (id == NULL)
    return -1;
  if (strcmp (journal_vm_text (j, "id"), id) == 0)
    return 0;
  log_error ("%s: was begun for the VM with id %s, but this VM has id %s: "
             "the source has changed since, or another VM had this target "
             "name; remove what was copied, give the VM another "
             "targetName, or use another output folder", j->path,
             printable (journal_vm_text (j, "id")), printable (id));
  errno = EEXIST;
  return -1;
}

struct journal *
journal_load (const char *folder)
{
  struct journal *j = calloc (1, sizeof *j);
  int saved_errno;

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  pthread_mutex_init (&j->lock, NULL);
  if (asprintf (&j->path, "%s/journal.json", folder) == -1) {
    j->path = NULL;
    log_oom ();
    goto err;
  }
  j->doc = json_read_file (j->path, 0);
  if (j->doc == NULL || check_document (j->path, j->doc) == -1)
    goto err;
  return j;

 err:
  saved_errno = errno;
  journal_close (j);
  errno = saved_errno;
  return NULL;
}

/* One that nothing is on stable storage of. */
static struct journal *
journal_begin (const char *folder, const struct vm *vm)
{
  struct journal *j = calloc (1, sizeof *j);

  if (j == NULL || asprintf (&j->path, "%s/journal.json", folder) == -1) {
    free (j);
    log_oom ();
    return NULL;
  }
  pthread_mutex_init (&j->lock, NULL);
  j->doc = new_document (vm);
  if (j->doc == NULL) {
    journal_close (j);
    return NULL;
  }
  return j;
}

struct journal *
journal_open (const char *folder, const struct vm *vm)
{
  struct journal *j = journal_load (folder);

  if (j == NULL && errno == ENOENT)
    return journal_begin (folder, vm);
  if (j && check_vm (j, vm) == -1) {
    journal_close (j);
    errno = EEXIST;
    return NULL;
  }
  return j;
}

void
journal_close (struct journal *j)
{
  if (j == NULL)
    return;
  json_decref (j->doc);
  pthread_mutex_destroy (&j->lock);
  free (j->path);
  free (j);
}

const char *
journal_vm_text (const struct journal *j, const char *key)
{
  return json_get_string (json_object_get (j->doc, "vm"), key, "");
}

size_t
journal_nr_disks (const struct journal *j)
{
  return json_array_size (json_object_get (j->doc, "disks"));
}

static json_t *
disk_object (const struct journal *j, size_t disk)
{
  return json_array_get (json_object_get (j->doc, "disks"), disk);
}

static enum journal_disk_state
state_of (const json_t *d)
{
  const char *name = json_get_string (d, "state", "new");
  size_t i;

  for (i = 0; i < sizeof state_names / sizeof state_names[0]; i++)
    if (strcmp (name, state_names[i]) == 0)
      return i;
  return JOURNAL_DISK_NEW;
}

static int
check_text (const struct vm_disk *d, const json_t *was, const char *key,
            const char *now)
{
  CLEANUP_FREE char *text = json_text (now);
  const char *before = json_get_string (was, key, "");

  if (text == NULL)
    return -1;
  if (strcmp (before, text) == 0)
    return 0;
  log_error ("disk %s: the source has changed since this disk was copied: "
             "its %s was '%s' and is '%s' now; remove what was copied, or "
             "use another output folder", printable (d->name), key,
             printable (before), printable (text));
  return -1;
}

static int
check_number (const struct vm_disk *d, const json_t *was, const char *key,
              uint64_t now)
{
  const uint64_t before = json_get_u64 (was, key, 0);

  if (before == now)
    return 0;
  log_error ("disk %s: the source has changed since this disk was copied: "
             "its %s was %" PRIu64 " and is %" PRIu64 " now; remove what was "
             "copied, or use another output folder", printable (d->name),
             key, before, now);
  return -1;
}

int
journal_check_source (const struct journal *j, const struct vm *vm)
{
  const size_t nr_disks = journal_nr_disks (j);
  int r = 0;
  size_t i;

  if (nr_disks != vm->disks.len) {
    log_error ("the source has changed since this VM was begun: it had %zu "
               "disks and has %zu now; remove what was copied (%s names "
               "it), or use another output folder", nr_disks, vm->disks.len,
               j->path);
    errno = ESTALE;
    return -1;
  }
  for (i = 0; i < nr_disks && r == 0; i++) {
    const json_t *was = disk_object (j, i);
    const struct vm_disk *d = &vm->disks.ptr[i];

    if (state_of (was) == JOURNAL_DISK_NEW)
      continue;
    if (check_text (d, was, "id", d->id) == -1 ||
        check_text (d, was, "file", d->file) == -1 ||
        check_text (d, was, "version", d->version) == -1 ||
        check_number (d, was, "capacity", d->capacity) == -1 ||
        check_number (d, was, "allocated", d->allocated) == -1)
      r = -1;
  }
  if (r == -1)
    errno = ESTALE;
  return r;
}

/* Write the document; if that fails the document is BEFORE again, which
 * is taken in any case.
 */
static int
save (struct journal *j, json_t *before)
{
  if (json_write_file (j->doc, j->path) == 0) {
    json_decref (before);
    return 0;
  }
  json_decref (j->doc);
  j->doc = before;
  return -1;
}

/* A copy of the document to fall back to.  NULL reported. */
static json_t *
remember (const struct journal *j)
{
  json_t *before = json_deep_copy (j->doc);

  if (before == NULL)
    log_oom ();
  return before;
}

/* Undo what save would have written. */
static int
give_up (struct journal *j, json_t *before)
{
  json_decref (j->doc);
  j->doc = before;
  return -1;
}

#define LOCK(j)                                                         \
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE ((pthread_mutex_t *) &(j)->lock)

enum journal_disk_state
journal_disk_state (const struct journal *j, size_t disk)
{
  LOCK (j);

  return state_of (disk_object (j, disk));
}

static int
set_state (json_t *d, enum journal_disk_state state)
{
  return json_set_string (d, "state", state_names[state]);
}

int
journal_disk_created (struct journal *j, size_t disk,
                      const struct vm_disk *disk_now)
{
  LOCK (j);
  json_t *before = remember (j), *d = disk_object (j, disk);

  if (before == NULL)
    return -1;
  json_object_clear (d);
  if (set_state (d, JOURNAL_DISK_CREATED) == -1 ||
      set_text (d, "id", disk_now->id) == -1 ||
      set_text (d, "name", disk_now->name) == -1 ||
      set_text (d, "file", disk_now->file) == -1 ||
      set_text (d, "version", disk_now->version) == -1 ||
      json_set_u64 (d, "capacity", disk_now->capacity) == -1 ||
      json_set_u64 (d, "allocated", disk_now->allocated) == -1)
    return give_up (j, before);
  return save (j, before);
}

int
journal_disk_copied (struct journal *j, size_t disk, const char *digest)
{
  LOCK (j);
  json_t *before = remember (j), *d = disk_object (j, disk);

  if (before == NULL)
    return -1;
  if (set_state (d, JOURNAL_DISK_COPIED) == -1 ||
      json_set_string (d, "digest", digest) == -1)
    return give_up (j, before);
  return save (j, before);
}

int
journal_disk_finished (struct journal *j, size_t disk, const char *volume,
                       const char *digest_file, const char *digest,
                       bool converted)
{
  LOCK (j);
  json_t *before = remember (j), *d = disk_object (j, disk);

  if (before == NULL)
    return -1;
  if (set_state (d, JOURNAL_DISK_FINISHED) == -1 ||
      json_set_string (d, "volume", volume) == -1 ||
      json_set_string (d, "digestFile", digest_file) == -1 ||
      json_set_string (d, "volumeDigest", digest) == -1 ||
      json_set_bool (d, "converted", converted) == -1)
    return give_up (j, before);
  return save (j, before);
}

char *
journal_disk_text (const struct journal *j, size_t disk, const char *key)
{
  LOCK (j);
  const char *s = json_get_string (disk_object (j, disk), key, NULL);

  return s ? strdup (s) : NULL;
}

bool
journal_disk_converted (const struct journal *j, size_t disk)
{
  LOCK (j);

  return json_get_bool (disk_object (j, disk), "converted", 0);
}

int
journal_disk_leave_out (struct journal *j, size_t disk)
{
  LOCK (j);
  json_t *before = remember (j), *d = disk_object (j, disk);

  if (before == NULL)
    return -1;
  json_object_clear (d);
  if (json_set_bool (d, "leftOut", 1) == -1)
    return give_up (j, before);
  return save (j, before);
}

bool
journal_disk_left_out (const struct journal *j, size_t disk)
{
  LOCK (j);

  return json_get_bool (disk_object (j, disk), "leftOut", 0);
}

int
journal_forget_disk (struct journal *j, size_t disk)
{
  LOCK (j);
  json_t *before = remember (j);

  if (before == NULL)
    return -1;
  json_object_clear (disk_object (j, disk));
  return save (j, before);
}

int
journal_forget_all (struct journal *j)
{
  LOCK (j);
  json_t *before = remember (j), *d;
  size_t i;

  if (before == NULL)
    return -1;
  json_array_foreach (json_object_get (j->doc, "disks"), i, d)
    json_object_clear (d);
  json_object_del (j->doc, "verified");
  json_object_del (j->doc, "conversion");
  json_object_del (j->doc, "manifest");
  return save (j, before);
}

bool
journal_verified (const struct journal *j)
{
  LOCK (j);

  return json_get_bool (j->doc, "verified", 0);
}

int
journal_set_verified (struct journal *j)
{
  LOCK (j);
  json_t *before = remember (j);

  if (before == NULL)
    return -1;
  if (json_set_bool (j->doc, "verified", 1) == -1)
    return give_up (j, before);
  return save (j, before);
}

json_t *
journal_conversion (const struct journal *j)
{
  LOCK (j);

  return json_incref (json_object_get (j->doc, "conversion"));
}

int
journal_set_converted (struct journal *j, json_t *result)
{
  LOCK (j);
  json_t *before = remember (j);

  if (before == NULL) {
    json_decref (result);
    return -1;
  }
  if (json_set (j->doc, "conversion", result) == -1)
    return give_up (j, before);
  return save (j, before);
}

enum vm_power
journal_power (const struct journal *j, bool *ours)
{
  LOCK (j);
  const json_t *power = json_object_get (j->doc, "power");
  const char *before = json_get_string (power, "before", NULL);

  *ours = json_get_bool (power, "poweredOff", 0);
  return before && strcmp (before, vm_power_name (VM_POWER_ON)) == 0 ?
    VM_POWER_ON : VM_POWER_UNKNOWN;
}

int
journal_set_power (struct journal *j, enum vm_power before_us, bool ours)
{
  LOCK (j);
  json_t *before = remember (j), *power;

  if (before == NULL)
    return -1;
  if (before_us == VM_POWER_UNKNOWN) {
    json_object_del (j->doc, "power");
    return save (j, before);
  }
  power = json_object ();
  if (json_set (j->doc, "power", power) == -1 ||
      json_set_string (power, "before", vm_power_name (before_us)) == -1 ||
      json_set_bool (power, "poweredOff", ours) == -1)
    return give_up (j, before);
  return save (j, before);
}

char *
journal_hook (const struct journal *j, const char *step)
{
  LOCK (j);
  const char *s = json_get_string (json_object_get (j->doc, "hooks"), step,
                                   NULL);

  return s ? strdup (s) : NULL;
}

int
journal_set_hook (struct journal *j, const char *step, const char *hook)
{
  LOCK (j);
  json_t *before = remember (j);

  if (before == NULL)
    return -1;
  if ((!json_is_object (json_object_get (j->doc, "hooks")) &&
       json_set (j->doc, "hooks", json_object ()) == -1) ||
      json_set_string (json_object_get (j->doc, "hooks"), step, hook) == -1)
    return give_up (j, before);
  return save (j, before);
}

int
journal_forget_hook (struct journal *j, const char *step)
{
  LOCK (j);
  json_t *before;

  if (json_object_get (json_object_get (j->doc, "hooks"), step) == NULL)
    return 0;
  before = remember (j);
  if (before == NULL)
    return -1;
  json_object_del (json_object_get (j->doc, "hooks"), step);
  return save (j, before);
}

char *
journal_published (const struct journal *j)
{
  LOCK (j);
  const char *s = json_get_string (j->doc, "manifest", NULL);

  return s ? strdup (s) : NULL;
}

bool
journal_publishing (const struct journal *j)
{
  LOCK (j);

  return json_get_bool (j->doc, "publishing", 0) == 1;
}

int
journal_set_publishing (struct journal *j)
{
  LOCK (j);
  json_t *before = remember (j);

  if (before == NULL)
    return -1;
  if (json_set_bool (j->doc, "publishing", true) == -1)
    return give_up (j, before);
  return save (j, before);
}

int
journal_set_published (struct journal *j, const char *where)
{
  LOCK (j);
  json_t *before = remember (j);

  if (before == NULL)
    return -1;
  json_object_del (j->doc, "publishing");
  if (json_set_string (j->doc, "manifest", where) == -1)
    return give_up (j, before);
  return save (j, before);
}
