/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the journal says of the disks: how far each one is, and what it
 * was when it was copied.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/journal_private.h"

static const char *const state_names[] = {
  [JOURNAL_DISK_NEW] = "new",
  [JOURNAL_DISK_CREATED] = "created",
  [JOURNAL_DISK_COPIED] = "copied",
  [JOURNAL_DISK_FINISHED] = "finished",
};

static enum journal_disk_state
state_of (const json_t *d)
{
  const char *name = json_get_string (d, "state", "new");
  size_t i;

  for (i = 0; i < ARRAY_SIZE (state_names); i++)
    if (strcmp (name, state_names[i]) == 0)
      return i;
  return JOURNAL_DISK_NEW;
}

static int
check_text (const struct vm_disk *d, const json_t *was, const char *key,
            const char *now)
{
  CLEANUP_FREE char *text = journal_text (now);
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
    const json_t *was = journal_disk_object (j, i);
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

enum journal_disk_state
journal_disk_state (const struct journal *j, size_t disk)
{
  LOCK (j);

  return state_of (journal_disk_object (j, disk));
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
  json_t *before = journal_remember (j), *d = journal_disk_object (j, disk);

  if (before == NULL)
    return -1;
  json_object_clear (d);
  if (set_state (d, JOURNAL_DISK_CREATED) == -1 ||
      journal_set_text (d, "id", disk_now->id) == -1 ||
      journal_set_text (d, "name", disk_now->name) == -1 ||
      journal_set_text (d, "file", disk_now->file) == -1 ||
      journal_set_text (d, "version", disk_now->version) == -1 ||
      json_set_u64 (d, "capacity", disk_now->capacity) == -1 ||
      json_set_u64 (d, "allocated", disk_now->allocated) == -1)
    return journal_give_up (j, before);
  return journal_save (j, before);
}

int
journal_disk_copied (struct journal *j, size_t disk, const char *digest)
{
  LOCK (j);
  json_t *before = journal_remember (j), *d = journal_disk_object (j, disk);

  if (before == NULL)
    return -1;
  if (set_state (d, JOURNAL_DISK_COPIED) == -1 ||
      json_set_string (d, "digest", digest) == -1)
    return journal_give_up (j, before);
  return journal_save (j, before);
}

int
journal_disk_finished (struct journal *j, size_t disk, const char *volume,
                       const char *digest_file, const char *digest,
                       bool converted)
{
  LOCK (j);
  json_t *before = journal_remember (j), *d = journal_disk_object (j, disk);

  if (before == NULL)
    return -1;
  if (set_state (d, JOURNAL_DISK_FINISHED) == -1 ||
      json_set_string (d, "volume", volume) == -1 ||
      json_set_string (d, "digestFile", digest_file) == -1 ||
      json_set_string (d, "volumeDigest", digest) == -1 ||
      json_set_bool (d, "converted", converted) == -1)
    return journal_give_up (j, before);
  return journal_save (j, before);
}

char *
journal_disk_text (const struct journal *j, size_t disk, const char *key)
{
  LOCK (j);
  const char *s = json_get_string (journal_disk_object (j, disk), key, NULL);

  return s ? strdup (s) : NULL;
}

bool
journal_disk_converted (const struct journal *j, size_t disk)
{
  LOCK (j);

  return json_get_bool (journal_disk_object (j, disk), "converted", 0);
}

int
journal_disk_leave_out (struct journal *j, size_t disk)
{
  LOCK (j);
  json_t *before = journal_remember (j), *d = journal_disk_object (j, disk);

  if (before == NULL)
    return -1;
  json_object_clear (d);
  if (json_set_bool (d, "leftOut", 1) == -1)
    return journal_give_up (j, before);
  return journal_save (j, before);
}

bool
journal_disk_left_out (const struct journal *j, size_t disk)
{
  LOCK (j);

  return json_get_bool (journal_disk_object (j, disk), "leftOut", 0);
}

int
journal_forget_disk (struct journal *j, size_t disk)
{
  LOCK (j);
  json_t *before = journal_remember (j);

  if (before == NULL)
    return -1;
  json_object_clear (journal_disk_object (j, disk));
  return journal_save (j, before);
}
