/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is made of virt-v2v's output: the files in tests/data/v2v-logs are
 * real logs of 2.2, shortened; the others are its messages.
 */
#include "tests/unit/capture.h"

#include <errno.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "driver/convert_private.h"

static char *
read_log (const char *name, size_t *len)
{
  CLEANUP_FREE char *path = NULL;
  char *text = NULL;
  size_t n = 0;
  ssize_t r;
  FILE *fp;

  assert_true (asprintf (&path, "tests/data/v2v-logs/%s.log", name) > 0);
  fp = fopen (path, "r");
  if (fp == NULL)
    fail_msg ("%s is not there", path);
  r = getdelim (&text, &n, EOF, fp);
  fclose (fp);
  assert_true (r > 0);
  *len = r;
  return text;
}

static void
check (const char *text, size_t len, int err, const char *cause,
       const char *remedy)
{
  CLEANUP_FREE char *why = NULL;
  CLEANUP_FREE char *same = NULL;
  int e = -1;

  why = convert_classify (text, len, &e);
  assert_non_null (why);
  if (strstr (why, cause) == NULL || strstr (why, remedy) == NULL)
    fail_msg ("expected '%s' and '%s' in: %s", cause, remedy, why);
  assert_null (strchr (why, '\n'));
  assert_int_equal (e, err);
  same = convert_explain (text, len);
  assert_string_equal (same, why);
}

static void
check_log (const char *name, int err, const char *cause, const char *remedy)
{
  CLEANUP_FREE char *text = NULL;
  size_t len;

  text = read_log (name, &len);
  check (text, len, err, cause, remedy);
}

static void
test_real_logs (void **state)
{
  check_log ("no-root-device", EINVAL, "no operating system was found",
             "skipGuestConversion");
  check_log ("no-bootloader-bios", EINVAL, "no boot loader (GRUB)",
             "install GRUB");
  check_log ("no-bootloader-esp", EINVAL, "EFI/VENDOR/grub.cfg",
             "grub-install");
  check_log ("unsupported", EINVAL, "does not know how to convert",
             "linux/archlinux");
  check_log ("windows-hibernated", EINVAL, "Fast Startup",
             "powercfg /h off");
  check_log ("no-rhsrvany", EINVAL, "at a Windows guest's first boot",
             "VIRT_TOOLS_DATA_DIR");
  check_log ("no-appliance", EIO, "no appliance on this host",
             "install supermin");
  check_log ("luks-no-key", EINVAL, "encrypted", "spec.vms[].luks");
  check_log ("luks-wrong-key", EINVAL, "LUKS", "spec.vms[].luks");
  check_log ("guest-full", EINVAL, "too little free space",
             "50 MB needed");
  check_log ("kvm-broken", EIO, "cannot start its appliance",
             "libguestfs-test-tool");
}

/* Messages that virt-v2v 2.2 has. */
static void
test_messages (void **state)
{
  static const struct {
    const char *log;
    int err;
    const char *cause;
    const char *remedy;
  } messages[] = {
    { "virt-v2v: error: insufficient free space in the conversion server "
      "temporary directory /var/tmp (500MB).\n", ENOSPC,
      "too little temporary space", "/var/tmp (500MB)" },
    { "virt-v2v: error: multi-boot operating systems are not supported by "
      "virt-v2v.\n", EINVAL, "several operating systems", "rootDisk" },
    { "virt-v2v: error: root device /dev/sdb not found.  Roots found were: "
      "/dev/sda1 /dev/sda2\n", EINVAL, "rootDisk", "/dev/sda1 /dev/sda2" },
    { "virt-v2v-in-place: error: no installed kernel packages were "
      "found.\n", EINVAL, "no kernel package", "install" },
    { "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot "
      "allocate memory\n"
      "virt-v2v-in-place: error: libguestfs error: guestfs_launch failed\n",
      ENOMEM, "too little free memory", "2.5 GiB" },
    { "supermin: failed to find a suitable kernel (host_cpu=x86_64).\n"
      "virt-v2v: error: libguestfs error: /usr/bin/supermin exited with "
      "error status 1.\n", EIO, "finds no kernel", "linux-image-amd64" },
    { "virt-v2v: error: nbdkit-cow-filter is not installed or not working\n",
      EIO, "nbdkit", "nbdkit-cow-filter" },
    { "virt-v2v-in-place: error: libguestfs error: command: "
      "update-initramfs: failed for /boot/initrd.img\n", EINVAL,
      "update-initramfs fails", "update-initramfs -u" },
    { "virt-v2v-in-place: error: libguestfs error: write: /boot/x: No space "
      "left on device\n", EINVAL, "became full", "/boot" },
    { "virt-v2v: error: something quite new\n", EINVAL,
      "could not convert the guest", "something quite new" },
    { "lots of text\nbut no error\n", EIO, "did not say why",
      "last lines" },
    { "", EIO, "did not say why", "last lines" },
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (messages); ++i)
    check (messages[i].log, strlen (messages[i].log), messages[i].err,
           messages[i].cause, messages[i].remedy);
}

/* The last error counts, a JSON one before a plain one; what merely
 * looks like an error does not.
 */
static void
test_which_error (void **state)
{
  static const char log[] =
    "virt-v2v-in-place: virt-v2v 2.2.0 (x86_64)\n"
    "guest said: virt-v2v: error: no bootloader detected\n"
    "virt-v2v-in-place: error: first\n"
    "virt-v2v-in-place: error: second,\n"
    "virt-v2v-in-place: warning: only a warning\n"
    "{ \"message\": \"a warning\", \"type\": \"warning\" }\n"
    "{ \"message\": \"third\\n\\n\\u001b[31mline\", \"type\": \"error\" }\n"
    "{ \"message\": \"cut off";
  CLEANUP_FREE char *why = convert_explain (log, strlen (log));
  CLEANUP_FREE char *plain = NULL;

  assert_non_null (strstr (why, "third \\x1b[31mline"));
  assert_null (strstr (why, "second"));
  plain = convert_explain (log, strcspn (log, "{"));
  assert_non_null (strstr (plain, "second,"));
}

/* Nothing is read behind LEN: the text ends at the end of its memory. */
static void
test_length (void **state)
{
  static const char log[] =
    "i_root = /dev/sda\nvirt-v2v: error: no bootloader detected\n"
    "i_firmware = UEFI\n{ \"message\": \"x\", \"type\": \"error\" }\n";
  size_t len;

  for (len = 0; len <= strlen (log); ++len) {
    struct convert_result r = { 0 };
    CLEANUP_FREE char *copy = malloc (len);
    CLEANUP_FREE char *why = NULL;

    if (len > 0)
      memcpy (copy, log, len);
    why = convert_explain (copy, len);
    assert_non_null (why);
    assert_int_equal (v2v_learn (copy, len, &r), 0);
    convert_result_free (&r);
  }
}

static void
check_learned (const char *name, const char *osinfo, const char *os_name,
               enum vm_firmware firmware, bool virtio)
{
  struct convert_result r = { 0 }, back = { 0 };
  CLEANUP_FREE char *text = NULL;
  CLEANUP_JSON json_t *j = NULL;
  size_t len;

  text = read_log (name, &len);
  assert_int_equal (v2v_learn (text, len, &r), 0);
  assert_string_equal (r.osinfo, osinfo);
  assert_string_equal (r.os_name, os_name);
  assert_int_equal (r.firmware, firmware);
  assert_int_equal (r.virtio, virtio);

  /* And through the marker file. */
  string_vector_append_dup (&r.warnings, "one");
  j = convert_result_to_json (&r);
  assert_int_equal (convert_result_of_json (j, &back), 0);
  assert_string_equal (back.osinfo, osinfo);
  assert_string_equal (back.os_name, os_name);
  assert_int_equal (back.firmware, firmware);
  assert_int_equal (back.virtio, virtio);
  assert_int_equal (back.warnings.len, 1);
  assert_string_equal (back.warnings.ptr[0], "one");
  convert_result_free (&r);
  convert_result_free (&back);
}

static void
test_learn (void **state)
{
  check_learned ("success-bios", "debian12", "debian 12.15",
                 VM_FIRMWARE_BIOS, true);
  check_learned ("success-uefi", "debian12", "debian 12.15",
                 VM_FIRMWARE_UEFI, true);
  check_learned ("success-windows", "win2k19",
                 "Windows Server 2019 Standard", VM_FIRMWARE_BIOS, true);
  check_learned ("windows-no-virtio", "win2k19",
                 "Windows Server 2019 Standard", VM_FIRMWARE_BIOS, false);
}

static void
test_learn_nothing (void **state)
{
  static const char log[] =
    "text i_osinfo = debian12\ni_osinfo = unknown\ni_product_name = \n"
    "i_firmware = ?\ngcaps_block_bus = ide\ngcaps_net_bus = virtio-net\n";
  struct convert_result r = { 0 };

  assert_int_equal (v2v_learn (log, strlen (log), &r), 0);
  assert_null (r.osinfo);
  assert_null (r.os_name);
  assert_int_equal (r.firmware, VM_FIRMWARE_UNKNOWN);
  assert_false (r.virtio);
}

/* The messages in pieces of every size. */
static void
test_feed (void **state)
{
  static const char text[] =
    "{ \"message\": \"Opening the source\", \"type\": \"message\" }\n"
    "not JSON\n\n"
    "{ \"message\": \"Converting X to run on KVM\","
    " \"type\": \"message\" }\n"
    "{ \"message\": \"careful\", \"type\": \"warning\" }\n"
    "{ \"message\": \"Opening again\", \"type\": \"message\" }\n";
  size_t piece, i, n;

  for (piece = 1; piece <= strlen (text); ++piece) {
    CLEANUP_V2V_MESSAGES struct v2v_messages m = { .percent = 0 };

    for (i = 0; i < strlen (text); i += n) {
      n = MIN (piece, strlen (text) - i);
      assert_int_equal (v2v_messages_feed (&m, text + i, n), 0);
    }
    assert_int_equal (m.percent, 30);
    assert_string_equal (m.what, "Opening again");
    assert_int_equal (m.warnings.len, 1);
    assert_string_equal (m.warnings.ptr[0], "careful");
    assert_string_equal (m.lines.ptr, text);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_real_logs),
    cmocka_unit_test (test_messages),
    cmocka_unit_test (test_which_error),
    cmocka_unit_test (test_length),
    cmocka_unit_test (test_learn),
    cmocka_unit_test (test_learn_nothing),
    cmocka_unit_test (test_feed),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
