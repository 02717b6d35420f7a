/* SPDX-License-Identifier: BSD-3-Clause
 *
 * preserveStaticIPs in a conversion, with stand-ins for virt-v2v-in-place
 * and nbdlift-guest: what they are told, and what becomes of the volume
 * when the second one answers, fails, hangs or says nonsense.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/minmax.h"
#include "common/json/json.h"
#include "driver/convert.h"

#define MAC1 "00:50:56:aa:bb:01"
#define MAC2 "00:50:56:aa:bb:02"

static const char fake_v2v[] =
  "#!/bin/sh\n"
  "for a; do xml=$a; done\n"
  "echo \"args: $*\"\n"
  "f=$(sed -n 's/.*source file=\"\\([^\"]*\\)\".*/\\1/p' $xml)\n"
  "qemu-io -f qcow2 -c 'write -q -P 0x5a 0 64k' $f || exit 1\n"
  "echo \"i_osinfo = $FAKE_OS\"\n";

/* Its standard input is the request, its environment that of libguestfs. */
static const char fake_guest[] =
  "#!/bin/sh\n"
  "cat >${0%/*}/request\n"
  "echo \"$TMPDIR $LIBGUESTFS_CACHEDIR $LIBGUESTFS_BACKEND_SETTINGS\" "
  ">${0%/*}/environment\n"
  "case $FAKE_GUEST in\n"
  "  ok) echo '{\"kept\": [\"a stays\"], \"lost\": [\"b may not\"]}';;\n"
  "  fail) echo 'nbdlift: error: no root' >&2; exit 1;;\n"
  "  start) exit 3;;\n"
  "  kill) kill -9 $$;;\n"
  "  hang) sleep 100 & wait;;\n"
  "  garbage) echo '{\"kept\":';;\n"
  "esac\n";

static char folder[] = "/tmp/nbdlift-test-addresses.XXXXXX";
static char volume[80], work[80], log_file[100];
static struct vm vm;
static struct convert_disk disk = { .path = volume };
static struct convert_options options;

static void
write_file (const char *name, const void *data, size_t n)
{
  CLEANUP_FCLOSE FILE *fp = fopen (name, "w");

  assert_non_null (fp);
  assert_int_equal (fwrite (data, 1, n, fp), n);
}

/* FILE in the folder. */
static char *
read_text (const char *file)
{
  char *text = NULL, path[120];
  size_t n = 0;
  FILE *fp;

  snprintf (path, sizeof path, "%s/%s", folder, file);
  fp = fopen (path, "r");
  assert_non_null (fp);
  assert_true (getdelim (&text, &n, EOF, fp) > 0);
  fclose (fp);
  return text;
}

static void
install (const char *name, const char *text)
{
  char path[120];

  snprintf (path, sizeof path, "%s/%s", folder, name);
  write_file (path, text, strlen (text));
  assert_int_equal (chmod (path, 0700), 0);
}

static struct vm_nic *
add_nic (const char *mac)
{
  struct vm_nic *nic = vm_add_nic (&vm);

  assert_non_null (nic);
  nic->mac = strdup (mac);
  return nic;
}

static void
add_ip (struct vm_nic *nic, const char *address, unsigned prefix,
        const char *gateway, bool is_static)
{
  struct vm_ip ip = {
    .address = strdup (address), .prefix = prefix,
    .gateway = gateway ? strdup (gateway) : NULL, .is_static = is_static,
  };

  assert_int_equal (string_vector_append_dup (&ip.dns, "10.0.2.3"), 0);
  assert_int_equal (string_vector_append_dup (&ip.dns, "no address"), 0);
  assert_int_equal (vm_ip_vector_append (&nic->ips, ip), 0);
}

static int
setup (void **state)
{
  char data[4096];
  struct vm_nic *nic;
  size_t i;
  FILE *fp;

  memset (data, 0x11, sizeof data);
  fp = fopen (volume, "w");
  assert_non_null (fp);
  for (i = 0; i < 256; i++)
    assert_int_equal (fwrite (data, 1, sizeof data, fp), sizeof data);
  assert_int_equal (fclose (fp), 0);
  assert_int_equal (mkdir (work, 0700), 0);

  vm_init (&vm);
  vm.name = strdup ("guest");
  assert_non_null (vm_add_disk (&vm));
  nic = add_nic (MAC1);
  add_ip (nic, "10.0.2.50", 24, "10.0.2.2", true);
  add_ip (nic, "10.0.2.51", 24, "10.0.2.2", true);
  add_ip (nic, "fd00::50", 64, "fd00::1", true);
  add_ip (nic, "fe80::1", 64, "fd00::1", true);
  nic = add_nic (MAC2);
  add_ip (nic, "10.0.3.50", 24, NULL, true);
  add_ip (nic, "10.0.3.15", 24, "10.0.3.2", false);
  setenv ("FAKE_GUEST", "ok", 1);
  setenv ("FAKE_OS", "debian12", 1);
  setenv ("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg", 1);
  setenv ("LIBGUESTFS_CACHEDIR", "/cache", 1);
  options = (struct convert_options) {
    .work_dir = work, .log_file = log_file, .static_ips = true,
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
  vm_free (&vm);
  return nftw (work, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int
setup_all (void **state)
{
  char *path;

  if (mkdtemp (folder) == NULL)
    return -1;
  install ("virt-v2v-in-place", fake_v2v);
  install ("nbdlift-guest", fake_guest);
  assert_true (asprintf (&path, "%s:%s", folder, getenv ("PATH")) > 0);
  setenv ("PATH", path, 1);
  free (path);
  snprintf (volume, sizeof volume, "%s/volume", folder);
  snprintf (work, sizeof work, "%s/work", folder);
  snprintf (log_file, sizeof log_file, "%s/log", work);
  return 0;
}

static int
teardown_all (void **state)
{
  return nftw (folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The first byte of the volume. */
static void
check_volume (unsigned char byte)
{
  CLEANUP_FCLOSE FILE *fp = fopen (volume, "r");

  assert_non_null (fp);
  assert_int_equal (fgetc (fp), byte);
}

static void
check_untouched (void)
{
  char path[120];

  check_volume (0x11);
  snprintf (path, sizeof path, "%s/converted.json", work);
  assert_int_equal (access (path, F_OK), -1);
  snprintf (path, sizeof path, "%s/overlay-0.qcow2", work);
  assert_int_equal (access (path, F_OK), -1);
}

static void
test_request (void **state)
{
  static const char *const keys[] = { "sesame\n", NULL };
  struct convert_result r = { 0 };
  CLEANUP_FREE char *text = NULL, *environment = NULL;
  CLEANUP_JSON json_t *request = NULL, *nics = NULL;
  const json_t *nic, *ip;

  options.keys = keys;
  options.root = "/dev/sda2";
  assert_int_equal (convert_guest (&vm, &disk, &options, &r), 0);
  assert_int_equal (r.kept.len, 1);
  assert_string_equal (r.kept.ptr[0], "a stays");
  assert_int_equal (r.lost.len, 1);
  assert_string_equal (r.lost.ptr[0], "b may not");
  convert_result_free (&r);
  check_volume (0x5a);

  text = read_text ("request");
  request = json_loads (text, 0, NULL);
  assert_non_null (request);
  assert_string_equal (json_get_string (request, "root", ""), "/dev/sda2");
  assert_string_equal (json_string_value
                       (json_array_get (json_object_get (request, "keys"),
                                        0)), "sesame");
  assert_non_null (strstr (json_string_value
                           (json_array_get (json_object_get (request,
                                                             "disks"), 0)),
                           "/overlay-0.qcow2"));
  nics = json_incref (json_object_get (request, "nics"));
  assert_int_equal (json_array_size (nics), 2);
  nic = json_array_get (nics, 1);
  assert_string_equal (json_get_string (nic, "mac", ""), MAC2);
  ip = json_array_get (json_object_get (nic, "ips"), 1);
  assert_string_equal (json_get_string (ip, "address", ""), "10.0.3.15");
  assert_false (json_get_bool (ip, "static", 1));

  /* A folder of its own, but the appliance of all. */
  environment = read_text ("environment");
  assert_non_null (strstr (environment, " /cache force_tcg\n"));
  assert_int_not_equal (strncmp (environment, "/tmp /", 6), 0);

  /* A later start has it from the marker. */
  setenv ("FAKE_GUEST", "fail", 1);
  assert_int_equal (convert_guest (&vm, &disk, &options, &r), 0);
  assert_string_equal (r.lost.ptr[0], "b may not");
  convert_result_free (&r);
}

/* The gateway is not optional for virt-v2v 2.2, and Windows takes one of
 * each family.
 */
static void
test_windows (void **state)
{
  struct convert_result r = { 0 };
  CLEANUP_FREE char *text = NULL;

  setenv ("FAKE_OS", "win2k19", 1);
  setenv ("FAKE_GUEST", "fail", 1);
  assert_int_equal (convert_guest (&vm, &disk, &options, &r), 0);
  text = read_text ("work/log");
  assert_non_null (strstr (text, " --mac " MAC1 ":ip:10.0.2.50,10.0.2.2,24,"
                           "10.0.2.3 --mac " MAC1 ":ip:fd00::50,fd00::1,64,"
                           "10.0.2.3 --key"));
  assert_int_equal (r.kept.len, 2);
  assert_string_equal (r.kept.ptr[0], MAC1 ": 10.0.2.50/24 is set when "
                       "Windows first starts");
  assert_int_equal (r.lost.len, 2);
  assert_non_null (strstr (r.lost.ptr[0], MAC1 ": 10.0.2.51/24: virt-v2v "
                           "sets one per network card"));
  assert_non_null (strstr (r.lost.ptr[1], MAC2 ": 10.0.3.50/24: virt-v2v "
                           "takes none without a gateway"));
  convert_result_free (&r);
}

static void
test_not_wanted (void **state)
{
  struct convert_result r = { 0 };
  CLEANUP_FREE char *text = NULL;

  options.static_ips = false;
  setenv ("FAKE_GUEST", "fail", 1);
  assert_int_equal (convert_guest (&vm, &disk, &options, &r), 0);
  assert_int_equal (r.kept.len + r.lost.len, 0);
  convert_result_free (&r);
  text = read_text ("work/log");
  assert_null (strstr (text, "--mac "));
}

static void
test_failures (void **state)
{
  static const struct {
    const char *how, *error;
  } cases[] = {
    { "fail", "ended with exit code 1" },
    { "start", "ended with exit code 3" },
    { "kill", "ended with signal 9" },
    { "garbage", "gave no answer" },
    { "none", "gave no answer" },
  };
  struct convert_result r = { 0 };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (cases); i++) {
    capture_start ();
    setenv ("FAKE_GUEST", cases[i].how, 1);
    assert_int_equal (convert_guest (&vm, &disk, &options, &r), -1);
    assert_int_equal (errno, EIO);
    assert_error (cases[i].error);
    assert_non_null (strstr (captured, log_file));
    check_untouched ();
  }
}

static bool
cancel_at_addresses (void *opaque, unsigned percent, const char *what)
{
  return strstr (what, "static addresses") == NULL;
}

static void
test_cancel (void **state)
{
  struct convert_result r = { 0 };

  setenv ("FAKE_GUEST", "hang", 1);
  options.progress = cancel_at_addresses;
  assert_int_equal (convert_guest (&vm, &disk, &options, &r), -1);
  assert_int_equal (errno, ECANCELED);
  assert_no_error ();
  check_untouched ();
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_request),
    TEST (test_windows),
    TEST (test_not_wanted),
    TEST (test_failures),
    TEST (test_cancel),
  };

  if (system ("command -v qemu-img qemu-io >/dev/null") != 0)
    return 77;
  return cmocka_run_group_tests (tests, setup_all, teardown_all);
}
