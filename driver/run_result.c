/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a run has achieved: as JSON, and from that as text.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/run.h"

static json_t *
disk_result (const struct run_vm *rv, size_t i)
{
  const struct vm_disk *d = &rv->pre->vm.disks.ptr[i];
  CLEANUP_FREE char *volume = NULL, *digest = NULL, *copied = NULL;
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  if (rv->journal) {
    volume = journal_disk_text (rv->journal, i, "volume");
    copied = journal_disk_text (rv->journal, i, "digest");
    digest = journal_disk_text (rv->journal, i, "volumeDigest");
  }
  if (json_set_string (j, "name", d->name) == -1 ||
      json_set_string (j, "pvc", rv->pre->names.pvc[i]) == -1 ||
      json_set_u64 (j, "capacity", d->capacity) == -1 ||
      json_set_string (j, "path", volume) == -1 ||
      json_set_string (j, "sourceDigest", copied) == -1 ||
      json_set_string (j, "volumeDigest", digest) == -1)
    return NULL;
  return json_incref (j);
}

static json_t *
vm_result (struct run_vm *rv)
{
  CLEANUP_FREE char *manifest =
    rv->journal ? journal_published (rv->journal) : NULL;
  CLEANUP_JSON json_t *j = json_object ();
  json_t *disks = json_array ();
  size_t i;

  if (j == NULL || disks == NULL) {
    json_decref (disks);
    log_oom ();
    return NULL;
  }
  if (json_set_string (j, "id", rv->pre->vm.id) == -1 ||
      json_set_string (j, "name", rv->pre->vm.name) == -1 ||
      json_set_string (j, "target", rv->pre->names.vm) == -1 ||
      json_set_string (j, "status",
                       run_outcome_name (rv->status.outcome)) == -1 ||
      json_set_u64 (j, "exitStatus", rv->result) == -1 ||
      json_set_u64 (j, "bytesRead", atomic_load (&rv->bytes_read)) == -1 ||
      json_set_u64 (j, "bytesKept", atomic_load (&rv->bytes_kept)) == -1 ||
      json_set_bool (j, "nothingToCopy", rv->copied_before) == -1 ||
      json_set_bool (j, "manifestVerified",
                     rv->journal && journal_verified (rv->journal)) == -1 ||
      json_set_string (j, "manifest", manifest) == -1 ||
      json_set (j, "errors", vm_status_messages (&rv->status,
                                                 LOG_LEVEL_ERROR)) == -1 ||
      json_set (j, "warnings", vm_status_messages (&rv->status,
                                                   LOG_LEVEL_WARNING)) == -1) {
    json_decref (disks);
    return NULL;
  }
  if (json_set (j, "disks", disks) == -1)
    return NULL;
  for (i = 0; i < rv->pre->vm.disks.len; i++) {
    json_t *disk = disk_result (rv, i);

    if (disk == NULL || json_array_append_new (disks, disk) == -1)
      return NULL;
  }
  return json_incref (j);
}

json_t *
run_result (struct run *run, enum exit_status status)
{
  CLEANUP_JSON json_t *j = json_object ();
  json_t *vms = json_array ();
  size_t i;

  if (j == NULL || vms == NULL) {
    json_decref (vms);
    log_oom ();
    return NULL;
  }
  if (json_set (j, "vms", vms) == -1 ||
      json_set_u64 (j, "exitStatus", status) == -1)
    return NULL;
  for (i = 0; i < run->nr_vms; i++) {
    json_t *vm = vm_result (&run->vms[i]);

    if (vm == NULL || json_array_append_new (vms, vm) == -1)
      return NULL;
  }
  return json_incref (j);
}

static void
print_vm (const json_t *vm)
{
  const char *status = json_get_string (vm, "status", "");
  const char *manifest = json_get_string (vm, "manifest", NULL);
  const uint64_t kept = json_get_u64 (vm, "bytesKept", 0);
  const json_t *disk, *error;
  size_t i;

  printf ("%s: %s", printable (json_get_string (vm, "name", "?")), status);
  if (json_get_bool (vm, "nothingToCopy", 0))
    printf (", nothing to copy");
  else if (kept > 0)
    printf (", %s were there already", human_size (kept));
  putchar ('\n');
  if (strcmp (status, run_outcome_name (OUTCOME_SUCCEEDED)) != 0) {
    json_array_foreach (json_object_get (vm, "errors"), i, error)
      printf ("  error     %s\n", json_string_value (error));
    return;
  }
  json_array_foreach (json_object_get (vm, "disks"), i, disk)
    printf ("  disk      %s (%s)\n", json_get_string (disk, "path", "-"),
            human_size (json_get_u64 (disk, "capacity", 0)));
  printf ("  manifest  %s\n", manifest ? manifest : "-");
}

void
run_print_result (const json_t *result)
{
  const json_t *vm;
  size_t i;

  json_array_foreach (json_object_get (result, "vms"), i, vm)
    print_vm (vm);
}
