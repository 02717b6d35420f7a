/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/journal.c: what is recorded is there after a new start, what
 * cannot be recorded is not claimed, and a changed source is noticed.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json/json.h"
#include "driver/journal.h"

#define GIB (UINT64_C (1) << 30)

static char folder[64];
static char file[80];

static int
setup (void **state)
{
  snprintf (folder, sizeof folder, "/tmp/journal-XXXXXX");
  if (mkdtemp (folder) == NULL)
    return -1;
  snprintf (file, sizeof file, "%s/journal.json", folder);
  capture_start ();
  return 0;
}

static int
teardown (void **state)
{
  unlink (file);
  return rmdir (folder);
}

/* A VM with two disks. */
static void
make_vm (struct vm *vm)
{
  size_t i;

  vm_init (vm);
  vm->id = strdup ("vm-1");
  vm->name = strdup ("web");
  for (i = 0; i < 2; i++) {
    struct vm_disk *d = vm_add_disk (vm);

    assert_non_null (d);
    d->id = strdup (i == 0 ? "disk-a" : "disk-b");
    d->name = strdup (i == 0 ? "a" : "b");
    d->file = strdup ("x.ova::a.vmdk");
    d->capacity = (i + 1) * GIB;
    d->allocated = 1000 + i;
  }
}

static struct journal *
open_journal (const struct vm *vm)
{
  struct journal *j = journal_open (folder, vm);

  assert_non_null (j);
  return j;
}

static void
assert_text (const struct journal *j, size_t disk, const char *key,
             const char *expected)
{
  char *text = journal_disk_text (j, disk, key);

  if (expected == NULL)
    assert_null (text);
  else {
    assert_non_null (text);
    assert_string_equal (text, expected);
  }
  free (text);
}

static void
test_life (void **state)
{
  CLEANUP_VM struct vm vm;
  struct journal *j;
  json_t *conversion;
  char *where;

  make_vm (&vm);
  j = open_journal (&vm);
  assert_int_equal (journal_disk_state (j, 0), JOURNAL_DISK_NEW);
  assert_false (journal_verified (j));
  assert_null (journal_conversion (j));
  assert_null (journal_published (j));
  assert_int_equal (access (file, F_OK), -1);
  assert_int_equal (journal_disk_created (j, 0, &vm.disks.ptr[0]), 0);
  assert_int_equal (journal_disk_created (j, 1, &vm.disks.ptr[1]), 0);
  assert_int_equal (journal_disk_copied (j, 1, "abcd"), 0);
  assert_int_equal (journal_set_verified (j), 0);
  journal_close (j);

  j = open_journal (&vm);
  assert_int_equal (journal_disk_state (j, 0), JOURNAL_DISK_CREATED);
  assert_int_equal (journal_disk_state (j, 1), JOURNAL_DISK_COPIED);
  assert_text (j, 1, "digest", "abcd");
  assert_true (journal_verified (j));
  assert_int_equal (journal_check_source (j, &vm), 0);
  assert_int_equal (journal_disk_finished (j, 1, "/o/b", "/o/b.digest",
                                           "ef", true), 0);
  assert_int_equal (journal_set_converted (j, json_pack ("{s:s}", "osinfo",
                                                         "debian12")), 0);
  assert_int_equal (journal_set_published (j, "/o/web.yaml"), 0);
  journal_close (j);

  j = open_journal (&vm);
  assert_int_equal (journal_disk_state (j, 1), JOURNAL_DISK_FINISHED);
  assert_text (j, 1, "digest", "abcd");
  assert_text (j, 1, "volume", "/o/b");
  assert_text (j, 1, "digestFile", "/o/b.digest");
  assert_text (j, 1, "volumeDigest", "ef");
  assert_text (j, 0, "volume", NULL);
  assert_true (journal_disk_converted (j, 1));
  assert_false (journal_disk_converted (j, 0));
  conversion = journal_conversion (j);
  assert_string_equal (json_get_string (conversion, "osinfo", ""),
                       "debian12");
  json_decref (conversion);
  where = journal_published (j);
  assert_string_equal (where, "/o/web.yaml");
  free (where);

  assert_int_equal (journal_forget_disk (j, 1), 0);
  assert_int_equal (journal_disk_state (j, 1), JOURNAL_DISK_NEW);
  assert_int_equal (journal_disk_state (j, 0), JOURNAL_DISK_CREATED);
  assert_true (journal_verified (j));
  assert_int_equal (journal_forget_all (j), 0);
  journal_close (j);

  j = open_journal (&vm);
  assert_int_equal (journal_disk_state (j, 0), JOURNAL_DISK_NEW);
  assert_null (journal_conversion (j));
  assert_null (journal_published (j));
  assert_false (journal_verified (j));
  journal_close (j);
  assert_no_error ();
}

/* Copy disk 0 and give back the VM as the source says it later. */
static struct journal *
copied (struct vm *vm)
{
  struct journal *j;

  make_vm (vm);
  j = open_journal (vm);
  assert_int_equal (journal_disk_created (j, 0, &vm->disks.ptr[0]), 0);
  assert_int_equal (journal_disk_copied (j, 0, "abcd"), 0);
  return j;
}

static void
test_capacity_changed (void **state)
{
  CLEANUP_VM struct vm vm;
  struct journal *j = copied (&vm);

  vm.disks.ptr[0].capacity++;
  assert_int_equal (journal_check_source (j, &vm), -1);
  assert_int_equal (errno, ESTALE);
  assert_error ("disk a: the source has changed since this disk was copied: "
                "its capacity was 1073741824 and is 1073741825 now");
  journal_close (j);
}

static void
test_file_changed (void **state)
{
  CLEANUP_VM struct vm vm;
  struct journal *j = copied (&vm);

  free (vm.disks.ptr[0].file);
  vm.disks.ptr[0].file = strdup ("y.ova::a.vmdk");
  assert_int_equal (journal_check_source (j, &vm), -1);
  assert_error ("its file was 'x.ova::a.vmdk' and is 'y.ova::a.vmdk' now");
  journal_close (j);
}

static void
test_new_disk_may_change (void **state)
{
  CLEANUP_VM struct vm vm;
  struct journal *j = copied (&vm);

  vm.disks.ptr[1].capacity++;
  assert_int_equal (journal_check_source (j, &vm), 0);
  assert_no_error ();
  journal_close (j);
}

static void
test_disk_count_changed (void **state)
{
  CLEANUP_VM struct vm vm;
  struct journal *j = copied (&vm);

  assert_non_null (vm_add_disk (&vm));
  assert_int_equal (journal_check_source (j, &vm), -1);
  assert_error ("it had 2 disks and has 3 now");
  journal_close (j);
}

static void
test_other_vm (void **state)
{
  CLEANUP_VM struct vm vm;

  journal_close (copied (&vm));
  free (vm.id);
  vm.id = strdup ("vm-2");
  assert_null (journal_open (folder, &vm));
  assert_int_equal (errno, EEXIST);
  assert_error ("begun for the VM with id vm-1, but this VM has id vm-2");
}

/* Names that are not UTF-8 are kept in a form that compares equal. */
static void
test_not_utf8 (void **state)
{
  CLEANUP_VM struct vm vm;
  struct journal *j;

  make_vm (&vm);
  free (vm.disks.ptr[0].file);
  vm.disks.ptr[0].file = strdup ("\xff\xfe.vmdk");
  j = open_journal (&vm);
  assert_int_equal (journal_disk_created (j, 0, &vm.disks.ptr[0]), 0);
  journal_close (j);
  j = open_journal (&vm);
  assert_int_equal (journal_check_source (j, &vm), 0);
  journal_close (j);
  assert_no_error ();
}

static void
write_file (const char *text)
{
  FILE *fp = fopen (file, "w");

  assert_non_null (fp);
  fputs (text, fp);
  fclose (fp);
}

static void
test_bad_files (void **state)
{
  static const char *const texts[] = {
    "", "{", "[]", "{\"version\": 2}", "{\"version\": 1}",
    "{\"version\": 1, \"vm\": {\"id\": \"vm-1\"}}",
    "{\"version\": 1, \"vm\": {\"id\": 1}, \"disks\": []}",
    "{\"version\": 1, \"vm\": {\"id\": \"vm-1\"}, \"disks\": [1]}",
  };
  CLEANUP_VM struct vm vm;
  size_t i;

  make_vm (&vm);
  for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    write_file (texts[i]);
    capture_start ();
    assert_null (journal_open (folder, &vm));
    assert_int_equal (captured_errors, 1);
    assert_non_null (strstr (captured, file));
  }
}

static void
test_load_absent (void **state)
{
  assert_null (journal_load (folder));
  assert_int_equal (errno, ENOENT);
  assert_no_error ();
}

/* What could not be written is not claimed either. */
static void
test_write_fails (void **state)
{
  const struct rlimit none = { 0, RLIM_INFINITY };
  struct rlimit before;
  CLEANUP_VM struct vm vm;
  struct journal *j = copied (&vm);

  getrlimit (RLIMIT_FSIZE, &before);
  signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &none);
  assert_int_equal (journal_disk_finished (j, 0, "/o/a", "/o/d", "ef",
                                           false), -1);
  assert_int_equal (journal_set_verified (j), -1);
  setrlimit (RLIMIT_FSIZE, &before);
  assert_int_equal (captured_errors, 2);
  assert_int_equal (journal_disk_state (j, 0), JOURNAL_DISK_COPIED);
  assert_text (j, 0, "volume", NULL);
  assert_false (journal_verified (j));
  journal_close (j);

  j = open_journal (&vm);
  assert_int_equal (journal_disk_state (j, 0), JOURNAL_DISK_COPIED);
  journal_close (j);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_life),
    TEST (test_capacity_changed),
    TEST (test_file_changed),
    TEST (test_new_disk_may_change),
    TEST (test_disk_count_changed),
    TEST (test_other_vm),
    TEST (test_not_utf8),
    TEST (test_bad_files),
    TEST (test_load_absent),
    TEST (test_write_fails),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
