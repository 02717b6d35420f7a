/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/target/directory*.c: volumes appear only when complete, are
 * found again by their owner, and what others put there is not touched.
 */
#include "tests/unit/nbd_server.h"

#include <dirent.h>
#include <errno.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "driver/target/target.h"

static const struct target_ops *const ops = &target_directory;

static const struct target_volume_spec spec = {
  .namespace_ = "migrated", .name = "web-disk-0", .size = 3 * MIB };

static void *
open_target (void)
{
  void *target;

  capture_start ();
  target = ops->open (in_folder ("out"));
  assert_no_error ();
  assert_non_null (target);
  return target;
}

static int
empty_out (void **state)
{
  return RUN ("rm", "-rf", in_folder ("out"));
}

static void
write_text (const char *path, const char *text)
{
  FILE *fp = fopen (path, "we");

  assert_non_null (fp);
  fputs (text, fp);
  fclose (fp);
}

static char *
read_text (const char *path)
{
  static char text[8192];
  FILE *fp = fopen (path, "re");
  size_t n;

  assert_non_null (fp);
  n = fread (text, 1, sizeof text - 1, fp);
  text[n] = '\0';
  fclose (fp);
  return text;
}

static bool
exists (const char *name)
{
  struct stat st;

  return lstat (in_folder (name), &st) == 0;
}

static void
test_life_of_a_volume (void **state)
{
  void *target = open_target ();
  struct target_volume *v;
  struct stat st;

  v = ops->create (target, &spec, "plan/vm-1/disk-a");
  assert_non_null (v);
  assert_string_equal (v->path,
                       in_folder ("out/migrated/web-disk-0/"
                                  ".disk.img.partial"));
  assert_string_equal (v->final_path,
                       in_folder ("out/migrated/web-disk-0/disk.img"));
  assert_string_equal (v->digest_path,
                       in_folder ("out/migrated/web-disk-0/"
                                  "disk.img.digests"));
  assert_true (v->is_zero);
  assert_false (v->complete);
  assert_false (v->block);
  assert_int_equal (v->size, 3 * MIB);
  assert_int_equal (stat (v->path, &st), 0);
  assert_int_equal (st.st_size, 3 * MIB);
  assert_int_equal (st.st_blocks, 0);
  assert_int_equal (st.st_mode & 0777, 0660);
  assert_false (exists ("out/migrated/web-disk-0/disk.img"));
  target_volume_free (v);

  /* An interrupted run finds it again, no longer known to be zero. */
  v = ops->create (target, &spec, "plan/vm-1/disk-a");
  assert_non_null (v);
  assert_false (v->is_zero);
  assert_false (v->complete);
  write_text (v->path, "content");
  assert_int_equal (ops->finish (target, v), 0);
  assert_true (v->complete);
  assert_string_equal (v->path, v->final_path);
  assert_string_equal (read_text (v->path), "content");
  assert_false (exists ("out/migrated/web-disk-0/.disk.img.partial"));
  assert_int_equal (ops->finish (target, v), 0);
  target_volume_free (v);

  assert_int_equal (truncate (in_folder ("out/migrated/web-disk-0/disk.img"),
                              3 * MIB), 0);
  v = ops->create (target, &spec, "plan/vm-1/disk-a");
  assert_non_null (v);
  assert_true (v->complete);
  assert_false (v->is_zero);
  target_volume_free (v);
  assert_no_error ();

  assert_int_equal (ops->remove (target, "migrated", "web-disk-0",
                                 "plan/vm-1/disk-a"), 0);
  assert_false (exists ("out/migrated"));
  assert_int_equal (ops->remove (target, "migrated", "web-disk-0",
                                 "plan/vm-1/disk-a"), 0);
  assert_no_error ();
  ops->close (target);
  assert_false (exists ("out"));
}

/* finish was interrupted after its rename. */
static void
test_finish_again (void **state)
{
  void *target = open_target ();
  struct target_volume *v = ops->create (target, &spec, "me");

  assert_int_equal (rename (v->path, v->final_path), 0);
  assert_int_equal (ops->finish (target, v), 0);
  assert_true (v->complete);
  target_volume_free (v);

  v = ops->create (target, &(struct target_volume_spec) {
      .namespace_ = "migrated", .name = "b", .size = MIB }, "me");
  assert_int_equal (unlink (v->path), 0);
  assert_int_equal (ops->finish (target, v), -1);
  assert_error ("has vanished");
  target_volume_free (v);
  ops->close (target);
}

static void
test_of_another_owner (void **state)
{
  void *target = open_target ();
  struct target_volume *v = ops->create (target, &spec, "plan-a");
  struct target_volume_spec larger = spec;

  write_text (v->path, "precious");
  target_volume_free (v);
  assert_null (ops->create (target, &spec, "plan-b"));
  assert_int_equal (errno, EEXIST);
  assert_error ("web-disk-0 was made by plan-a, not by plan-b");
  capture_start ();
  assert_int_equal (ops->remove (target, "migrated", "web-disk-0", "plan-b"),
                    -1);
  assert_error ("was made by plan-a");
  assert_string_equal (read_text (in_folder ("out/migrated/web-disk-0/"
                                             ".disk.img.partial")),
                       "precious");

  /* Complete, of the same owner, but the disk has grown since. */
  capture_start ();
  v = ops->create (target, &spec, "plan-a");
  assert_int_equal (ops->finish (target, v), 0);
  target_volume_free (v);
  larger.size = 4 * MIB;
  assert_null (ops->create (target, &larger, "plan-a"));
  assert_int_equal (errno, EEXIST);
  assert_error ("is complete with 3145728 bytes, but the disk now needs "
                "4194304");
  ops->close (target);
}

static void
test_foreign_files (void **state)
{
  void *target;

  assert_int_equal (RUN ("mkdir", "-p",
                         in_folder ("out/migrated/web-disk-0")), 0);
  write_text (in_folder ("out/migrated/web-disk-0/disk.img"), "precious");
  target = open_target ();
  assert_null (ops->create (target, &spec, "me"));
  assert_int_equal (errno, EEXIST);
  assert_error ("web-disk-0 holds something that nbdlift did not make");
  capture_start ();
  assert_int_equal (ops->remove (target, "migrated", "web-disk-0", "me"), -1);
  assert_string_equal (read_text (in_folder ("out/migrated/web-disk-0/"
                                             "disk.img")), "precious");

  /* A symbolic link to somewhere else is not followed. */
  unlink (in_folder ("out/migrated/web-disk-0/disk.img"));
  write_text (in_folder ("elsewhere"), "precious");
  assert_int_equal (symlink (in_folder ("elsewhere"),
                             in_folder ("out/migrated/web-disk-0/"
                                        ".disk.img.partial")), 0);
  capture_start ();
  assert_null (ops->create (target, &spec, "me"));
  assert_error ("is in the way, and is not a regular file");
  assert_string_equal (read_text (in_folder ("elsewhere")), "precious");
  ops->close (target);

  /* Somebody else's file in a folder of ours stays, with the folder. */
  empty_out (state);
  target = open_target ();
  target_volume_free (ops->create (target, &spec, "me"));
  write_text (in_folder ("out/migrated/web-disk-0/notes"), "mine");
  assert_int_equal (ops->remove (target, "migrated", "web-disk-0", "me"), 0);
  assert_true (exists ("out/migrated/web-disk-0/notes"));
  assert_false (exists ("out/migrated/web-disk-0/.disk.img.partial"));
  ops->close (target);
}

static void
test_owner_file_damaged (void **state)
{
  void *target = open_target ();

  target_volume_free (ops->create (target, &spec, "me"));
  write_text (in_folder ("out/migrated/web-disk-0/.owner.json"), "{ \"own");
  assert_null (ops->create (target, &spec, "me"));
  assert_int_equal (captured_errors, 1);
  assert_true (exists ("out/migrated/web-disk-0/.disk.img.partial"));
  ops->close (target);
}

static void
test_names (void **state)
{
  static const char *const bad[] = {
    "", ".", "..", "../x", "a/b", "/etc", ".nbdlift", "-a", "A", "a b",
    "a\n", "\xc3\xa4" };
  void *target = open_target ();
  CLEANUP_JSON json_t *objects = json_array ();
  char *where;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (bad); i++) {
    struct target_volume_spec s = spec;

    s.name = bad[i];
    capture_start ();
    assert_null (ops->create (target, &s, "me"));
    assert_int_equal (errno, EINVAL);
    assert_error ("cannot be the name of a volume");
    s.name = spec.name;
    s.namespace_ = bad[i];
    capture_start ();
    assert_null (ops->create (target, &s, "me"));
    assert_error ("cannot be the name of a namespace");
    capture_start ();
    assert_int_equal (ops->remove (target, bad[i], "a", "me"), -1);
    assert_error ("cannot be the name of a namespace");
    capture_start ();
    assert_int_equal (ops->publish (target, "ns", bad[i], objects, &where),
                      -1);
    assert_error ("cannot be the name of a virtual machine");
  }
  ops->close (target);
  assert_false (exists ("out"));
}

static void
test_lock (void **state)
{
  void *target = open_target ();

  assert_null (ops->open (in_folder ("out")));
  assert_int_equal (errno, EBUSY);
  assert_error ("another nbdlift is using this output directory");
  ops->close (target);
  target = open_target ();
  ops->close (target);
  assert_false (exists ("out"));
}

static void
test_open_and_check (void **state)
{
  CLEANUP_FREE char *dir = NULL;
  struct stat st;
  void *target;

  capture_start ();
  assert_null (ops->open (""));
  assert_error ("no name");
  write_text (in_folder ("file"), "");
  capture_start ();
  assert_null (ops->open (in_folder ("file")));
  assert_int_equal (errno, ENOTDIR);
  assert_error ("file: cannot be used as a folder");
  capture_start ();
  assert_null (ops->open (in_folder ("file/below")));
  assert_int_equal (captured_errors, 1);

  target = open_target ();
  assert_int_equal (ops->check (target, 0), 0);
  assert_int_equal (ops->check (target, 4096), 0);
  assert_no_error ();
  assert_int_equal (ops->check (target, UINT64_C (1) << 62), -1);
  assert_int_equal (errno, ENOSPC);
  assert_error ("but the disks hold 4 EiB of data: make room");

  dir = ops->state_dir (target);
  assert_string_equal (dir, in_folder ("out/.nbdlift"));
  assert_int_equal (stat (dir, &st), 0);
  assert_int_equal (st.st_mode & 0777, 0700);

  /* A journal in it keeps it. */
  write_text (in_folder ("out/.nbdlift/journal"), "x");
  ops->close (target);
  assert_true (exists ("out/.nbdlift/journal"));
  assert_false (exists ("out/.nbdlift/lock"));
}

static void
test_relative_path (void **state)
{
  CLEANUP_FREE char *cwd = getcwd (NULL, 0);
  CLEANUP_FREE char *dir = NULL;
  void *target;

  assert_int_equal (chdir (folder), 0);
  capture_start ();
  target = ops->open ("out//");
  assert_int_equal (chdir (cwd), 0);
  assert_non_null (target);
  dir = ops->state_dir (target);
  assert_string_equal (dir, in_folder ("out/.nbdlift"));
  ops->close (target);
}

static void
test_publish (void **state)
{
  CLEANUP_JSON json_t *objects =
    json_loads ("[{\"kind\": \"PersistentVolumeClaim\", \"size\": \"10\"},"
                " {\"kind\": \"VirtualMachine\", \"cpus\": 5}]", 0, NULL);
  CLEANUP_FREE char *where = NULL, *again = NULL;
  void *target = open_target ();

  assert_int_equal (ops->publish (target, "migrated", "web", objects,
                                  &where), 0);
  assert_no_error ();
  assert_string_equal (where, in_folder ("out/migrated/web.yaml"));
  assert_string_equal (read_text (where),
                       "# Written by nbdlift.  Use: kubectl apply -f "
                       "web.yaml\n"
                       "---\n"
                       "kind: PersistentVolumeClaim\n"
                       "size: \"10\"\n"
                       "---\n"
                       "kind: VirtualMachine\n"
                       "cpus: 5\n");

  /* Ours is replaced, another's is not. */
  json_array_clear (objects);
  assert_int_equal (ops->publish (target, "migrated", "web", objects,
                                  &again), 0);
  assert_string_equal (read_text (where),
                       "# Written by nbdlift.  Use: kubectl apply -f "
                       "web.yaml\n");
  write_text (where, "kind: Secret\n");
  free (again);
  again = NULL;
  assert_int_equal (ops->publish (target, "migrated", "web", objects,
                                  &again), -1);
  assert_int_equal (errno, EEXIST);
  assert_error ("web.yaml was not written by nbdlift");
  assert_null (again);
  assert_string_equal (read_text (where), "kind: Secret\n");
  assert_false (exists ("out/migrated/web.yaml.tmp"));
  ops->close (target);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, empty_out, empty_out)
  const struct CMUnitTest tests[] = {
    TEST (test_life_of_a_volume),
    TEST (test_finish_again),
    TEST (test_of_another_owner),
    TEST (test_foreign_files),
    TEST (test_owner_file_damaged),
    TEST (test_names),
    TEST (test_lock),
    TEST (test_open_and_check),
    TEST (test_relative_path),
    TEST (test_publish),
  };

  return cmocka_run_group_tests (tests, folder_setup, folder_teardown);
}
