/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The journal is a JSON document in memory that is written whole after
 * each change; a VM has few changes (some per disk), so nothing cheaper
 * is needed.  A change that cannot be written is undone in memory: what
 * the journal claims is never more than what is on stable storage.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/journal_private.h"

#define JOURNAL_VERSION 1

char *
journal_text (const char *s)
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

int
journal_set_text (json_t *object, const char *key, const char *s)
{
  CLEANUP_FREE char *text = journal_text (s);

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
      journal_set_text (who, "id", vm->id) == -1 ||
      journal_set_text (who, "name", vm->name) == -1)
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
  CLEANUP_FREE char *id = journal_text (vm->id);

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

json_t *
journal_disk_object (const struct journal *j, size_t disk)
{
  return json_array_get (json_object_get (j->doc, "disks"), disk);
}

int
journal_save (struct journal *j, json_t *before)
{
  if (json_write_file (j->doc, j->path) == 0) {
    json_decref (before);
    return 0;
  }
  json_decref (j->doc);
  j->doc = before;
  return -1;
}

json_t *
journal_remember (const struct journal *j)
{
  json_t *before = json_deep_copy (j->doc);

  if (before == NULL)
    log_oom ();
  return before;
}

int
journal_give_up (struct journal *j, json_t *before)
{
  json_decref (j->doc);
  j->doc = before;
  return -1;
}

int
journal_forget_all (struct journal *j)
{
  LOCK (j);
  json_t *before = journal_remember (j), *d;
  size_t i;

  if (before == NULL)
    return -1;
  json_array_foreach (json_object_get (j->doc, "disks"), i, d)
    json_object_clear (d);
  json_object_del (j->doc, "verified");
  json_object_del (j->doc, "conversion");
  json_object_del (j->doc, "manifest");
  return journal_save (j, before);
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
  json_t *before = journal_remember (j);

  if (before == NULL)
    return -1;
  if (json_set_bool (j->doc, "verified", 1) == -1)
    return journal_give_up (j, before);
  return journal_save (j, before);
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
  json_t *before = journal_remember (j);

  if (before == NULL) {
    json_decref (result);
    return -1;
  }
  if (json_set (j->doc, "conversion", result) == -1)
    return journal_give_up (j, before);
  return journal_save (j, before);
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
  json_t *before = journal_remember (j), *power;

  if (before == NULL)
    return -1;
  if (before_us == VM_POWER_UNKNOWN) {
    json_object_del (j->doc, "power");
    return journal_save (j, before);
  }
  power = json_object ();
  if (json_set (j->doc, "power", power) == -1 ||
      json_set_string (power, "before", vm_power_name (before_us)) == -1 ||
      json_set_bool (power, "poweredOff", ours) == -1)
    return journal_give_up (j, before);
  return journal_save (j, before);
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
  json_t *before = journal_remember (j);

  if (before == NULL)
    return -1;
  if ((!json_is_object (json_object_get (j->doc, "hooks")) &&
       json_set (j->doc, "hooks", json_object ()) == -1) ||
      json_set_string (json_object_get (j->doc, "hooks"), step, hook) == -1)
    return journal_give_up (j, before);
  return journal_save (j, before);
}

int
journal_forget_hook (struct journal *j, const char *step)
{
  LOCK (j);
  json_t *before;

  if (json_object_get (json_object_get (j->doc, "hooks"), step) == NULL)
    return 0;
  before = journal_remember (j);
  if (before == NULL)
    return -1;
  json_object_del (json_object_get (j->doc, "hooks"), step);
  return journal_save (j, before);
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
  json_t *before = journal_remember (j);

  if (before == NULL)
    return -1;
  if (json_set_bool (j->doc, "publishing", true) == -1)
    return journal_give_up (j, before);
  return journal_save (j, before);
}

int
journal_set_published (struct journal *j, const char *where)
{
  LOCK (j);
  json_t *before = journal_remember (j);

  if (before == NULL)
    return -1;
  json_object_del (j->doc, "publishing");
  if (json_set_string (j->doc, "manifest", where) == -1)
    return journal_give_up (j, before);
  return journal_save (j, before);
}
