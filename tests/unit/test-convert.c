/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The steps of a conversion, with a stand-in for virt-v2v-in-place: a
 * script that changes the first 64 KiB of each overlay, or fails, hangs
 * or is killed, as $FAKE_V2V says.  What counts is what is on the
 * volumes afterwards.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/subprocess.h"
#include "driver/convert.h"

#define VOLUME_SIZE (1 << 20)

static const char fake[] =
  "#!/bin/sh\n"
  "exec 2>&1\n"
  "for a; do case $a in --machine-readable=fd:*)"
  " fd=${a#--machine-readable=fd:};; esac; xml=$a; done\n"
  "say () { echo \"{ \\\"message\\\": \\\"$2\\\","
  " \\\"type\\\": \\\"$1\\\" }\" >&$fd; }\n"
  "echo \"args: $*\"\n"
  "say message 'Opening the source'\n"
  "case $FAKE_V2V in\n"
  "  launch) case $LIBGUESTFS_BACKEND_SETTINGS in *force_tcg*) ;;\n"
  "    *) say error 'libguestfs error: guestfs_launch failed'; exit 1;;\n"
  "    esac;;\n"
  "esac\n"
  "echo 'i_root = /dev/sda1'\n"
  "for f in $(sed -n 's/.*source file=\"\\([^\"]*\\)\".*/\\1/p' $xml); do\n"
  "  qemu-io -f qcow2 -c 'write -q -P 0x5a 0 64k' $f || exit 1\n"
  "done\n"
  "case $FAKE_V2V in\n"
  "  fail) say error 'no bootloader detected'; exit 1;;\n"
  "  hang) say message 'Converting x to run on KVM'; sleep 100 & wait;;\n"
  "  kill) kill -9 $$;;\n"
  "  keys) head -n 2; for a; do case $a in all:file:*|/dev/sdb16:file:*)\n"
  "    cat ${a#*:file:};; esac; done;;\n"
  "esac\n"
  "echo 'i_osinfo = debian12'\n"
  "echo 'i_firmware = UEFI [/dev/sda1]'\n"
  "echo 'gcaps_block_bus = virtio-blk'\n"
  "echo 'gcaps_net_bus = virtio-net'\n"
  "say warning careful\n"
  "exit 0\n";

static char folder[] = "/tmp/nbdlift-test-convert.XXXXXX";
static char volumes[2][80], work[80], log_file[100];
static struct vm vm;
static struct convert_disk disks[2];
static struct convert_options options;

static void
write_file (const char *name, const void *data, size_t n)
{
  CLEANUP_FCLOSE FILE *fp = fopen (name, "w");

  assert_non_null (fp);
  assert_int_equal (fwrite (data, 1, n, fp), n);
}

static char *
read_file (const char *name)
{
  char *text = NULL;
  size_t n = 0;
  FILE *fp = fopen (name, "r");

  assert_non_null (fp);
  assert_true (getdelim (&text, &n, EOF, fp) > 0);
  fclose (fp);
  return text;
}

/* Volumes of 0x11 and 0x12, and nothing in the work folder. */
static int
setup (void **state)
{
  char *data = malloc (VOLUME_SIZE);
  size_t i;

  assert_non_null (data);
  for (i = 0; i < 2; ++i) {
    memset (data, 0x11 + i, VOLUME_SIZE);
    write_file (volumes[i], data, VOLUME_SIZE);
  }
  free (data);
  if (mkdir (work, 0700) == -1)
    return -1;
  setenv ("FAKE_V2V", "ok", 1);
  options = (struct convert_options) {
    .work_dir = work, .log_file = log_file,
  };
  capture_start ();
  return 0;
}

static int
remove_entry (const char *path, const struct stat *st, int flag,
              struct FTW *ftw)
{
  return remove (path);
}

static int
teardown (void **state)
{
  vm.disks.ptr[1].lun = false;
  return nftw (work, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int
setup_all (void **state)
{
  char *path;
  size_t i;

  if (mkdtemp (folder) == NULL)
    return -1;
  assert_true (asprintf (&path, "%s/virt-v2v-in-place", folder) > 0);
  write_file (path, fake, strlen (fake));
  chmod (path, 0700);
  free (path);
  assert_true (asprintf (&path, "%s:%s", folder, getenv ("PATH")) > 0);
  setenv ("PATH", path, 1);
  free (path);
  unsetenv ("LIBGUESTFS_BACKEND_SETTINGS");

  vm_init (&vm);
  vm.name = strdup ("guest");
  snprintf (work, sizeof work, "%s/work", folder);
  snprintf (log_file, sizeof log_file, "%s/log", work);
  for (i = 0; i < 2; ++i) {
    snprintf (volumes[i], sizeof volumes[i], "%s/volume-%zu", folder, i);
    disks[i].path = volumes[i];
    if (vm_add_disk (&vm) == NULL)
      return -1;
  }
  return 0;
}

static int
teardown_all (void **state)
{
  vm_free (&vm);
  return nftw (folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Volume I begins with 64 KiB of FIRST and has its own bytes behind. */
static void
check_volume (size_t i, unsigned char first)
{
  CLEANUP_FCLOSE FILE *fp = fopen (volumes[i], "r");
  CLEANUP_FREE unsigned char *data = malloc (VOLUME_SIZE + 1);
  size_t n;

  assert_int_equal (fread (data, 1, VOLUME_SIZE + 1, fp), VOLUME_SIZE);
  for (n = 0; n < VOLUME_SIZE; ++n)
    if (data[n] != (n < 65536 ? first : 0x11 + i))
      fail_msg ("volume %zu has 0x%02x at %zu", i, data[n], n);
}

static bool
exists (const char *name)
{
  char path[120];

  snprintf (path, sizeof path, "%s/%s", work, name);
  return access (path, F_OK) == 0;
}

static void
check_result (struct convert_result *r)
{
  assert_string_equal (r->osinfo, "debian12");
  assert_int_equal (r->firmware, VM_FIRMWARE_UEFI);
  assert_true (r->virtio);
  assert_int_equal (r->warnings.len, 1);
  assert_string_equal (r->warnings.ptr[0], "careful");
  convert_result_free (r);
}

static void
check_untouched (void)
{
  check_volume (0, 0x11);
  check_volume (1, 0x12);
  assert_false (exists ("overlay-0.qcow2"));
  assert_false (exists ("overlay-1.qcow2"));
  assert_false (exists ("converted.json"));
}

static void
test_success (void **state)
{
  struct convert_result r = { 0 };
  CLEANUP_FREE char *text = NULL;
  struct stat st;

  assert_int_equal (convert_guest (&vm, disks, &options, &r), 0);
  check_result (&r);
  check_volume (0, 0x5a);
  check_volume (1, 0x5a);
  assert_false (exists ("overlay-0.qcow2"));
  assert_int_equal (stat (log_file, &st), 0);
  assert_int_equal (st.st_mode & 0777, 0600);
  text = read_file (log_file);
  assert_non_null (strstr (text, "--root first"));
  assert_non_null (strstr (text, "{ \"message\": \"careful\""));

  /* Again: nothing is run, the result is the same. */
  setenv ("FAKE_V2V", "fail", 1);
  assert_int_equal (convert_guest (&vm, disks, &options, &r), 0);
  check_result (&r);
  check_volume (0, 0x5a);
}

static void
test_failure (void **state)
{
  struct convert_result r = { 0 };

  setenv ("FAKE_V2V", "fail", 1);
  assert_int_equal (convert_guest (&vm, disks, &options, &r), -1);
  assert_int_equal (errno, EINVAL);
  assert_non_null (strstr (captured, "no boot loader"));
  assert_non_null (strstr (captured, log_file));
  assert_int_equal (captured_errors, 1);
  check_untouched ();
  assert_true (exists ("log"));

  /* And then it works. */
  setenv ("FAKE_V2V", "ok", 1);
  assert_int_equal (convert_guest (&vm, disks, &options, &r), 0);
  check_result (&r);
  check_volume (1, 0x5a);
}

static void
test_killed (void **state)
{
  struct convert_result r = { 0 };

  setenv ("FAKE_V2V", "kill", 1);
  assert_int_equal (convert_guest (&vm, disks, &options, &r), -1);
  assert_int_equal (errno, EIO);
  assert_error ("signal 9 (Killed)");
  check_untouched ();
}

static bool
cancel_when_converting (void *opaque, unsigned percent, const char *what)
{
  return percent < 30;
}

static void
test_cancel (void **state)
{
  struct convert_result r = { 0 };

  setenv ("FAKE_V2V", "hang", 1);
  options.progress = cancel_when_converting;
  assert_int_equal (convert_guest (&vm, disks, &options, &r), -1);
  assert_int_equal (errno, ECANCELED);
  assert_int_equal (captured_errors, 0);
  check_untouched ();
}

/* A crash between the marker and the last commit: the first overlay is
 * gone, the second is there.
 */
static void
test_resume_commit (void **state)
{
  struct convert_result r = { 0 };
  char overlay[120], marker[120];
  static const char result[] =
    "{\"osinfo\": \"debian12\", \"firmware\": \"uefi\", \"virtio\": true,"
    " \"warnings\": [\"careful\"]}";
  const char *const create[] = {
    "qemu-img", "create", "-q", "-f", "qcow2", "-b", volumes[1], "-F",
    "raw", overlay, NULL
  };
  const char *const change[] = {
    "qemu-io", "-f", "qcow2", "-c", "write -q -P 0x77 0 64k", overlay, NULL
  };
  int status;

  snprintf (overlay, sizeof overlay, "%s/overlay-1.qcow2", work);
  snprintf (marker, sizeof marker, "%s/converted.json", work);
  free (subprocess_output (create, NULL, 1000, &status));
  assert_int_equal (status, 0);
  free (subprocess_output (change, NULL, 1000, &status));
  assert_int_equal (status, 0);
  write_file (marker, result, strlen (result));

  setenv ("FAKE_V2V", "fail", 1);
  assert_int_equal (convert_guest (&vm, disks, &options, &r), 0);
  check_result (&r);
  check_volume (0, 0x11);
  check_volume (1, 0x77);
  assert_false (exists ("overlay-1.qcow2"));
}

/* A crash before the marker: what the overlay holds is thrown away. */
static void
test_stale_overlay (void **state)
{
  struct convert_result r = { 0 };
  char overlay[120];

  snprintf (overlay, sizeof overlay, "%s/overlay-0.qcow2", work);
  write_file (overlay, "garbage", 7);
  assert_int_equal (convert_guest (&vm, disks, &options, &r), 0);
  check_result (&r);
  check_volume (0, 0x5a);
}

/* The volumes were copied anew after a conversion: it is done again. */
static void
test_forget (void **state)
{
  struct convert_result r = { 0 };

  assert_int_equal (convert_forget (work), 0);
  assert_int_equal (convert_guest (&vm, disks, &options, &r), 0);
  convert_result_free (&r);
  assert_true (exists ("converted.json"));
  assert_int_equal (convert_forget (work), 0);
  assert_false (exists ("converted.json"));

  setenv ("FAKE_V2V", "fail", 1);
  assert_int_equal (convert_guest (&vm, disks, &options, &r), -1);
  assert_int_equal (convert_forget ("/nonexistent/work"), 0);
}

/* A marker that cannot be read is no reason to convert twice. */
static void
test_broken_marker (void **state)
{
  struct convert_result r = { 0 };
  char marker[120];

  snprintf (marker, sizeof marker, "%s/converted.json", work);
  write_file (marker, "{", 1);
  assert_int_equal (convert_guest (&vm, disks, &options, &r), -1);
  assert_error ("converted.json:1:");
  check_volume (0, 0x11);
  check_volume (1, 0x12);
}

static void
test_lun (void **state)
{
  struct convert_result r = { 0 };

  vm.disks.ptr[1].lun = true;
  assert_int_equal (convert_guest (&vm, disks, &options, &r), 0);
  check_result (&r);
  check_volume (0, 0x5a);
  check_volume (1, 0x12);
}

/* Where KVM is there but fails, a second try without it works; where it
 * is not, the first one is without.
 */
static void
test_launch (void **state)
{
  struct convert_result r = { 0 };

  setenv ("FAKE_V2V", "launch", 1);
  assert_int_equal (convert_guest (&vm, disks, &options, &r), 0);
  check_result (&r);
  assert_int_equal (captured_errors, 0);
  check_volume (0, 0x5a);
}

static void
test_keys (void **state)
{
  struct convert_result r = { 0 };
  CLEANUP_FREE char *text = NULL;
  static const char *const keys[] = { "se cret", "other", NULL };
  static const char *const one[] = { "alone", NULL };
  char marker[120], *args;

  options.keys = keys;
  setenv ("FAKE_V2V", "keys", 1);
  assert_int_equal (convert_guest (&vm, disks, &options, &r), 0);
  check_result (&r);
  text = read_file (log_file);
  /* Standard input; all; a device of the last disk. */
  assert_non_null (strstr (text, "\nse cret\nother\n"
                           "se cret\nother\nse cret\nother\n"));
  args = strstr (text, "args: ");
  assert_non_null (args);
  *strchr (args, '\n') = '\0';
  assert_non_null (strstr (args, " --key /dev/sdb16:file:/dev/fd/"));
  assert_null (strstr (args, "cret"));

  /* One needs no names of devices. */
  snprintf (marker, sizeof marker, "%s/converted.json", work);
  unlink (marker);
  options.keys = one;
  assert_int_equal (convert_guest (&vm, disks, &options, &r), 0);
  check_result (&r);
  free (text);
  text = read_file (log_file);
  assert_non_null (strstr (text, "\nalone\nalone\nalone\n"));
  assert_null (strstr (text, "--key /dev/sda"));
}

static void
test_no_volume (void **state)
{
  struct convert_result r = { 0 };
  struct convert_disk absent[2] = {
    { .path = "/nonexistent/volume" }, { .path = volumes[1] },
  };

  assert_int_equal (convert_guest (&vm, absent, &options, &r), -1);
  assert_int_equal (errno, ENOENT);
  assert_error ("/nonexistent/volume");
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_success),
    TEST (test_failure),
    TEST (test_killed),
    TEST (test_cancel),
    TEST (test_resume_commit),
    TEST (test_stale_overlay),
    TEST (test_forget),
    TEST (test_broken_marker),
    TEST (test_lun),
    TEST (test_launch),
    TEST (test_keys),
    TEST (test_no_volume),
  };

  if (system ("command -v qemu-img qemu-io >/dev/null") != 0)
    return 77;
  return cmocka_run_group_tests (tests, setup_all, teardown_all);
}
