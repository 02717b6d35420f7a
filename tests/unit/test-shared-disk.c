/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/shared_disk.c: which disks are the same, and who uses them.
 */
#include "tests/unit/capture.h"

#include <sys/stat.h>
#include <unistd.h>

#include "driver/plan_state.h"
#include "driver/shared_disk.h"

static char *
identity_of (const char *type, const char *url, const char *disk, bool lun)
{
  const struct plan_provider provider = {
    .type = (char *) type, .url = (char *) url,
  };
  const struct vm_disk d = { .identity = (char *) disk, .lun = lun };
  char *identity = NULL;

  assert_int_equal (shared_disk_identity (&provider, &d, &identity), 0);
  return identity;
}

static void
test_identity (void **state)
{
  CLEANUP_FREE char *a = identity_of ("vsphere", "u", "ds-1 [d] a", false);
  CLEANUP_FREE char *same = identity_of ("vsphere", "u", "ds-1 [d] a", false);
  CLEANUP_FREE char *b = identity_of ("vsphere", "u", "ds-2 [d] a", false);
  CLEANUP_FREE char *other = identity_of ("vsphere", "v", "ds-1 [d] a", false);
  CLEANUP_FREE char *ova = identity_of ("ova", "u", "ds-1 [d] a", false);

  assert_string_equal (a, same);
  assert_string_not_equal (a, b);
  assert_string_not_equal (a, other);
  assert_string_not_equal (a, ova);
  assert_null (identity_of ("vsphere", "u", NULL, false));
  assert_null (identity_of ("vsphere", "u", "ds-1 [d] a", true));
}

/* What belongs to one disk must not be taken for what belongs to another:
 * owners are compared by their beginnings.
 */
static void
test_owner (void **state)
{
  CLEANUP_FREE char *a = identity_of ("ova", "u", "a", false);
  CLEANUP_FREE char *in_b = shared_disk_owner ("b", a);
  CLEANUP_FREE char *in_bc = shared_disk_owner ("bc", a);
  CLEANUP_FREE char *folder = shared_disk_folder ("/s/mig/plan1", "b", a);
  CLEANUP_FREE char *want = NULL;

  assert_int_not_equal (strncmp (in_b, in_bc, strlen (in_b)), 0);
  assert_return_code (asprintf (&want, "/s/.shared/b/%s", a), errno);
  assert_string_equal (folder, want);
}

static unsigned removals;
static bool kept;

static int
remove_owned (void *target, const char *prefix, bool keep_finished,
              string_vector *removed)
{
  removals++;
  kept = keep_finished;
  return 0;
}

static void
make_folders (const char *root)
{
  char path[256];

  snprintf (path, sizeof path, "%s/.shared", root);
  assert_int_equal (mkdir (path, 0700), 0);
  snprintf (path, sizeof path, "%s/.shared/b", root);
  assert_int_equal (mkdir (path, 0700), 0);
  snprintf (path, sizeof path, "%s/.shared/b/id", root);
  assert_int_equal (mkdir (path, 0700), 0);
}

static void
test_users (void **state)
{
  static const struct target_ops ops = { .remove_owned = remove_owned };
  const struct plan one = {
    .meta = { .name = (char *) "one", .namespace_ = (char *) "mig" },
  };
  const struct plan two = { .meta = { .name = (char *) "two" } };
  char root[] = "/tmp/shared-disk.XXXXXX";
  CLEANUP_STRING_VECTOR string_vector removed = EMPTY_VECTOR;
  CLEANUP_FREE char *plan_folder = NULL, *folder = NULL;
  bool gone;

  assert_non_null (mkdtemp (root));
  make_folders (root);
  assert_return_code (asprintf (&plan_folder, "%s/mig/one", root), errno);
  folder = shared_disk_folder (plan_folder, "b", "id");

  assert_int_equal (shared_disk_has_users (folder, &one, NULL), 0);
  assert_int_equal (shared_disk_add_user (folder, &one, "web"), 0);
  assert_int_equal (shared_disk_add_user (folder, &one, "web"), 0);
  assert_int_equal (shared_disk_has_users (folder, &one, "web"), 0);
  assert_int_equal (shared_disk_has_users (folder, &two, "web"), 1);
  assert_int_equal (shared_disk_add_user (folder, &two, "web"), 0);
  assert_int_equal (shared_disk_has_users (folder, &one, "web"), 1);

  /* One of two goes; one that is no user changes nothing. */
  assert_int_equal (shared_disk_release (&ops, NULL, folder, &one, "web",
                                         false, &removed, &gone), 0);
  assert_false (gone);
  assert_int_equal (shared_disk_release_all (&ops, NULL, plan_folder, &one,
                                             "web", false, &removed), 0);
  assert_int_equal (removals, 0);
  assert_int_equal (access (folder, F_OK), 0);

  /* The last one. */
  assert_int_equal (shared_disk_release_all (&ops, NULL, plan_folder, &two,
                                             "web", true, &removed), 0);
  assert_int_equal (removals, 1);
  assert_true (kept);
  assert_int_equal (access (folder, F_OK), -1);
  assert_int_equal (rmdir (root), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_identity),
    cmocka_unit_test (test_owner),
    cmocka_unit_test (test_users),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
