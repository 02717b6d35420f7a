/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The OVA source as the driver uses it, and the plugin's list of exports,
 * on packages of raw files that are written here.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/digest.h"
#include "common/util/strbuf.h"
#include "common/util/subprocess.h"
#include "common/xml/xml.h"
#include "plugins/ova/exports.h"
#include "plugins/ova/source.h"

static char dir[PATH_MAX];      /* of one test */

/* ---- Packages ---- */

static int
setup (void **state)
{
  snprintf (dir, sizeof dir, "%s/test-ova.XXXXXX",
            getenv ("TMPDIR") ? getenv ("TMPDIR") : "/tmp");
  return mkdtemp (dir) ? 0 : -1;
}

static int
teardown (void **state)
{
  const char *argv[] = { "rm", "-rf", "--", dir, NULL };
  struct subprocess_options options = SUBPROCESS_OPTIONS_INIT;
  int status;
  const pid_t pid = subprocess_start (argv, &options);

  return pid != -1 && subprocess_wait (pid, -1, &status) == 1 &&
    status == 0 ? 0 : -1;
}

static char *
in_dir (const char *name)
{
  char *path;

  assert_return_code (asprintf (&path, "%s/%s", dir, name), 0);
  return path;
}

static void
write_bytes (const char *name, const void *data, size_t len)
{
  CLEANUP_FREE char *path = in_dir (name);
  CLEANUP_FCLOSE FILE *fp = fopen (path, "w");

  assert_non_null (fp);
  assert_int_equal (fwrite (data, 1, len, fp), len);
}

static void
write_text (const char *name, const char *text)
{
  write_bytes (name, text, strlen (text));
}

/* A file of SIZE zeroes. */
static void
write_size (const char *name, off_t size)
{
  CLEANUP_FREE char *path = in_dir (name);
  CLEANUP_CLOSE int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

  assert_return_code (ftruncate (fd, size), errno);
}

#define CIM "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"
#define ITEM(type, more) \
  "<Item>" more "<r:ResourceType>" #type "</r:ResourceType></Item>"

/* A VM named NAME whose drives are DISKS, NULL-terminated. */
static void
append_system (struct strbuf *b, const char *id, const char *name,
               const char *network, const char *const *disks)
{
  size_t i;

  strbuf_printf (b, "<VirtualSystem ovf:id='%s'><Info/><Name>%s</Name>"
                 "<VirtualHardwareSection><Info/>", id, name);
  strbuf_append (b, ITEM (3, "<r:VirtualQuantity>2</r:VirtualQuantity>"));
  strbuf_append (b, ITEM (4, "<r:AllocationUnits>MB</r:AllocationUnits>"
                          "<r:VirtualQuantity>512</r:VirtualQuantity>"));
  strbuf_append (b, ITEM (6, "<r:InstanceID>3</r:InstanceID>"));
  strbuf_printf (b, ITEM (10, "<r:Connection>%s</r:Connection>"), network);
  for (i = 0; disks[i]; i++)
    strbuf_printf (b, ITEM (17, "<r:AddressOnParent>%zu</r:AddressOnParent>"
                            "<r:HostResource>ovf:/disk/%s</r:HostResource>"
                            "<r:Parent>3</r:Parent>"), i, disks[i]);
  strbuf_append (b, "</VirtualHardwareSection></VirtualSystem>\n");
}

static void
append_head (struct strbuf *b, const char *files, const char *disks)
{
  strbuf_printf (b, "<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1'"
                 " xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1'"
                 " xmlns:r='" CIM "ResourceAllocationSettingData'"
                 " xmlns:vmw='http://www.vmware.com/schema/ovf'>\n"
                 "<References>%s</References><DiskSection>%s</DiskSection>\n"
                 "<NetworkSection><Network ovf:name='lan'>"
                 "<Description>Local</Description></Network>"
                 "</NetworkSection>\n", files, disks);
}

/* web.ovf: a raw disk of 1 MiB and an empty one of 2 MiB. */
static char *
web_ovf (const char *name)
{
  static const char *const disks[] = { "root", "scratch", NULL };
  struct strbuf b = { 0 };

  append_head (&b, "<File ovf:id='f' ovf:href='root.img'/>",
               "<Disk ovf:diskId='root' ovf:fileRef='f' "
               "ovf:capacity='1048576' ovf:populatedSize='4096'/>"
               "<Disk ovf:diskId='scratch' ovf:capacity='2' "
               "ovf:capacityAllocationUnits='byte * 2^20'/>");
  append_system (&b, "vm", name, "dmz", disks);
  strbuf_append (&b, "</Envelope>");
  return strbuf_steal (&b);
}

static void
write_web (const char *folder)
{
  CLEANUP_FREE char *ovf = web_ovf ("web"), *path = in_dir (folder);
  CLEANUP_STRBUF struct strbuf name = { 0 };

  mkdir (path, 0700);
  strbuf_printf (&name, "%s/web.ovf", folder);
  write_text (name.ptr, ovf);
  name.len = 0;
  strbuf_printf (&name, "%s/root.img", folder);
  write_size (name.ptr, 1 << 20);
}

/* pair.ovf: two VMs that share a disk. */
static void
write_pair (const char *folder)
{
  static const char *const a[] = { "a", "shared", NULL };
  static const char *const b[] = { "b", "shared", NULL };
  CLEANUP_STRBUF struct strbuf ovf = { 0 }, name = { 0 };
  CLEANUP_FREE char *path = in_dir (folder);
  static const char *const files[] = { "a", "b", "s" };
  size_t i;

  mkdir (path, 0700);
  append_head (&ovf, "<File ovf:id='fa' ovf:href='a.img'/>"
               "<File ovf:id='fb' ovf:href='b.img'/>"
               "<File ovf:id='fs' ovf:href='s.img'/>",
               "<Disk ovf:diskId='b' ovf:fileRef='fb' ovf:capacity='8192'/>"
               "<Disk ovf:diskId='a' ovf:fileRef='fa' ovf:capacity='4096'/>"
               "<Disk ovf:diskId='shared' ovf:fileRef='fs' "
               "ovf:capacity='512'/>");
  strbuf_append (&ovf, "<VirtualSystemCollection ovf:id='c'><Info/>");
  append_system (&ovf, "one", "node-1", "lan", a);
  append_system (&ovf, "two", "node-2", "lan", b);
  strbuf_append (&ovf, "</VirtualSystemCollection></Envelope>");
  strbuf_printf (&name, "%s/pair.ovf", folder);
  write_text (name.ptr, ovf.ptr);
  for (i = 0; i < ARRAY_SIZE (files); i++) {
    name.len = 0;
    strbuf_printf (&name, "%s/%s.img", folder, files[i]);
    write_size (name.ptr, i == 0 ? 4096 : i == 1 ? 8192 : 512);
  }
}

/* ---- The source ---- */

static struct source_endpoint endpoint;

static void *
open_source (const char *url)
{
  void *session;

  endpoint = (struct source_endpoint) {
    .provider = "ova-1", .type = "ova", .url = url,
  };
  capture_start ();
  session = source_ova.open (&endpoint);
  if (session == NULL)
    fail_msg ("%s: %s", url, captured);
  return session;
}

static const json_t *
element (const json_t *array, size_t i)
{
  const json_t *e = json_array_get (array, i);

  assert_non_null (e);
  return e;
}

#define assert_member(obj, key, value) \
  assert_string_equal (json_get_string (obj, key, ""), value)

static void
test_inventory (void **state)
{
  CLEANUP_JSON json_t *vms = NULL, *networks = NULL, *storages = NULL;
  CLEANUP_JSON json_t *disks = NULL;
  const json_t *web;
  void *s;

  write_web ("web");
  write_pair ("pair");
  s = open_source (dir);
  vms = source_ova.inventory (s, SOURCE_VMS);
  assert_int_equal (json_array_size (vms), 3);
  assert_member (element (vms, 0), "name", "node-1");
  assert_member (element (vms, 0), "path", "pair/pair.ovf#one");
  assert_member (element (vms, 1), "name", "node-2");
  web = element (vms, 2);
  assert_member (web, "name", "web");
  assert_member (web, "ovaPath", "web/web.ovf");
  assert_member (web, "ovaSource", "VMware");
  assert_member (web, "memoryUnits", "byte * 2^20");
  assert_int_equal (json_get_u64 (web, "memoryMB", 0), 512);
  assert_int_equal (json_get_u64 (web, "cpuCount", 0), 2);
  assert_true (is_uuid (json_get_string (web, "id", "")));

  /* dmz is named by a NIC only. */
  networks = source_ova.inventory (s, SOURCE_NETWORKS);
  assert_int_equal (json_array_size (networks), 2);
  assert_member (element (networks, 0), "name", "dmz");
  assert_member (element (networks, 1), "name", "lan");
  assert_member (element (networks, 1), "description", "Local");

  storages = source_ova.inventory (s, SOURCE_STORAGES);
  assert_int_equal (json_array_size (storages), 7);
  assert_member (element (storages, 0), "name",
                 "Dummy storage for source provider ova-1");

  disks = source_ova.inventory (s, SOURCE_DISKS);
  assert_int_equal (json_array_size (disks), 6);
  assert_member (element (disks, 0), "name", "a.img");
  assert_member (element (disks, 0), "DiskId", "a");
  assert_member (element (disks, 0), "FilePath", "pair/pair.ovf::a.img");
  assert_int_equal (json_get_u64 (element (disks, 0), "Capacity", 0), 4096);
  assert_member (element (disks, 2), "name", "root.img");
  assert_int_equal (json_get_u64 (element (disks, 2), "PopulatedSize", 0),
                    4096);
  assert_no_error ();

  assert_null (source_ova.inventory (s, SOURCE_HOSTS));
  assert_int_equal (errno, ENOTSUP);
  assert_error ("a source of type ova has no hosts");
  source_ova.close (s);
}

static int
describe (void *s, const char *id, const char *name, struct vm *vm)
{
  const struct source_ref ref = { .id = id, .name = name };

  capture_start ();
  errno = 0;
  return source_ova.describe (s, &ref, vm);
}

static void
test_describe (void **state)
{
  CLEANUP_VM struct vm vm, again, pair;
  void *s;

  vm_init (&vm);
  vm_init (&again);
  vm_init (&pair);
  write_web ("web");
  write_pair ("pair");
  s = open_source (dir);

  assert_return_code (describe (s, NULL, "web", &vm), errno);
  assert_string_equal (vm.name, "web");
  assert_string_equal (vm.path, "web/web.ovf");
  assert_int_equal (vm.disks.len, 2);
  assert_string_equal (vm.disks.ptr[0].name, "root.img");
  assert_string_equal (vm.disks.ptr[0].file, "web/web.ovf::root.img");
  assert_string_equal (vm.disks.ptr[0].format, "raw");
  assert_int_equal (vm.disks.ptr[0].capacity, 1 << 20);
  assert_int_equal (vm.disks.ptr[0].allocated, 4096);
  assert_false (vm.disks.ptr[0].blank);
  assert_false (vm.disks.ptr[0].shared);
  assert_string_equal (vm.disks.ptr[1].name, "scratch");
  assert_true (vm.disks.ptr[1].blank);
  assert_null (vm.disks.ptr[1].file);
  assert_int_equal (vm.disks.ptr[1].capacity, 2 << 20);
  assert_string_equal (vm.nics.ptr[0].network.name, "dmz");

  assert_return_code (describe (s, vm.id, NULL, &again), errno);
  assert_string_equal (again.path, vm.path);
  vm_free (&again);
  assert_return_code (describe (s, NULL, "/web/web.ovf", &again), errno);
  assert_string_equal (again.id, vm.id);
  assert_return_code (describe (s, NULL, "pair/pair.ovf#two", &pair), errno);
  assert_string_equal (pair.name, "node-2");
  assert_string_equal (pair.disks.ptr[0].name, "b.img");
  assert_true (pair.disks.ptr[1].shared);

  vm_free (&again);
  assert_int_equal (describe (s, NULL, "absent", &again), -1);
  assert_int_equal (errno, ENOENT);
  assert_error ("no VM has the name 'absent'");
  assert_error ("pair/pair.ovf#one");
  assert_int_equal (describe (s, "11111111-2222-4333-8444-555555555555",
                              "web", &again), -1);
  assert_int_equal (errno, ENOENT);
  assert_null (again.id);
  source_ova.close (s);

  /* A copy: same ids, since they come from the text. */
  write_web ("copy");
  s = open_source (dir);
  assert_int_equal (describe (s, NULL, "web", &again), -1);
  assert_int_equal (errno, EEXIST);
  assert_error ("copy/web.ovf");
  assert_error ("web/web.ovf");
  assert_int_equal (describe (s, vm.id, NULL, &again), -1);
  assert_int_equal (errno, EEXIST);
  assert_return_code (describe (s, NULL, "copy/web.ovf", &again), errno);
  assert_string_equal (again.id, vm.id);
  assert_string_equal (again.disks.ptr[0].id, vm.disks.ptr[0].id);
  assert_string_not_equal (again.disks.ptr[0].id, vm.disks.ptr[1].id);
  source_ova.close (s);
}

static bool
count_progress (void *opaque, uint64_t done, uint64_t total)
{
  (*(unsigned *) opaque)++;
  return true;
}

static void
test_verify (void **state)
{
  CLEANUP_STRBUF struct strbuf mf = { 0 };
  CLEANUP_VM struct vm one, two;
  static const uint8_t zeroes[4096];
  uint8_t digest[DIGEST_MAX_SIZE];
  char hex[DIGEST_MAX_HEX];
  unsigned calls = 0;
  void *s;

  vm_init (&one);
  vm_init (&two);
  write_pair ("pair");
  s = open_source (dir);
  assert_return_code (describe (s, NULL, "node-1", &one), errno);
  assert_return_code (source_ova.verify (s, &one, NULL, NULL), errno);
  assert_int_equal (captured_errors, 0);
  source_ova.close (s);

  assert_return_code (digest_once (DIGEST_SHA256, zeroes, sizeof zeroes,
                                   digest), errno);
  hex_of_bytes (digest, 32, hex);
  strbuf_printf (&mf, "SHA256(a.img)= %s\n", hex);
  write_text ("pair/pair.mf", mf.ptr);
  s = open_source (dir);
  vm_free (&one);
  assert_return_code (describe (s, NULL, "node-1", &one), errno);
  assert_return_code (source_ova.verify (s, &one, NULL, NULL), errno);
  source_ova.close (s);

  /* Another byte; both VMs of the package fail, but it is read once. */
  write_bytes ("pair/a.img", "x", 1);
  s = open_source (dir);
  vm_free (&one);
  assert_return_code (describe (s, NULL, "node-1", &one), errno);
  assert_return_code (describe (s, NULL, "node-2", &two), errno);
  capture_start ();
  assert_int_equal (source_ova.verify (s, &one, count_progress, &calls), -1);
  assert_int_equal (errno, EINVAL);
  assert_error ("a.img");
  assert_error (hex);
  capture_start ();
  calls = 0;
  assert_int_equal (source_ova.verify (s, &two, count_progress, &calls), -1);
  assert_int_equal (errno, EINVAL);
  assert_int_equal (calls, 0);
  assert_error ("pair/pair.ovf#two: the manifest does not match");
  source_ova.close (s);
}

static void
test_servers (void **state)
{
  static const struct source_secret settings[] = {
    { "nfs-timeout", "5" }, { "other", "x" },
  };
  CLEANUP_SOURCE_SERVERS struct source_servers servers = { 0 };
  CLEANUP_STRBUF struct strbuf path = { 0 };
  CLEANUP_VM struct vm vm;
  void *s;

  vm_init (&vm);
  write_web ("web");
  s = open_source (dir);
  endpoint.settings = settings;
  endpoint.nr_settings = ARRAY_SIZE (settings);
  assert_return_code (describe (s, NULL, "web", &vm), errno);
  assert_return_code (source_ova.servers (s, &vm, NULL, &servers), errno);
  assert_int_equal (servers.servers.len, 1);
  assert_int_equal (servers.servers.ptr[0].kind, SOURCE_SERVER_NBDKIT);
  assert_int_equal (servers.servers.ptr[0].argv.len, 4);
  strbuf_printf (&path, "path=%s", dir);
  assert_string_equal (servers.servers.ptr[0].argv.ptr[0], "ova");
  assert_string_equal (servers.servers.ptr[0].argv.ptr[1], path.ptr);
  assert_string_equal (servers.servers.ptr[0].argv.ptr[2],
                       "vm=web/web.ovf");
  assert_string_equal (servers.servers.ptr[0].argv.ptr[3], "nfs-timeout=5");
  assert_int_equal (servers.exports.len, 2);
  assert_string_equal (servers.exports.ptr[0].name, "root.img");
  assert_null (servers.exports.ptr[1].name);

  capture_start ();
  assert_int_equal (source_ova.servers (s, &vm, "snap", &servers), -1);
  assert_int_equal (errno, ENOTSUP);
  assert_error ("an OVA has no snapshots");
  source_ova.close (s);
}

/* A disk that only qemu reads: measured with qemu-img, served by qemu-nbd
 * without probing.
 */
static void
test_qcow2 (void **state)
{
  CLEANUP_FREE char *image = in_dir ("web/root.img");
  const char *argv[] = {
    "qemu-img", "create", "-q", "-f", "qcow2", image, "3M", NULL
  };
  struct subprocess_options options = SUBPROCESS_OPTIONS_INIT;
  CLEANUP_SOURCE_SERVERS struct source_servers servers = { 0 };
  CLEANUP_STRBUF struct strbuf want = { 0 };
  CLEANUP_VM struct vm vm;
  const struct source_server *server;
  int status;
  pid_t pid;
  void *s;

  vm_init (&vm);
  write_web ("web");
  capture_start ();
  pid = subprocess_start (argv, &options);
  if (pid == -1)
    skip ();
  assert_int_equal (subprocess_wait (pid, -1, &status), 1);
  assert_int_equal (status, 0);

  s = open_source (dir);
  assert_return_code (describe (s, NULL, "web", &vm), errno);
  assert_string_equal (vm.disks.ptr[0].format, "qcow2");
  assert_int_equal (vm.disks.ptr[0].capacity, 3 << 20);
  assert_return_code (source_ova.servers (s, &vm, NULL, &servers), errno);
  assert_int_equal (servers.servers.len, 1);
  server = &servers.servers.ptr[0];
  assert_int_equal (server->kind, SOURCE_SERVER_QEMU_NBD);
  assert_string_equal (server->argv.ptr[0], "--read-only");
  assert_string_equal (server->argv.ptr[server->argv.len - 2],
                       "--format=qcow2");
  strbuf_printf (&want, "json:{\"file\":{\"driver\":\"file\",\"filename\":"
                 "\"%s\"},\"backing\":null}", image);
  assert_string_equal (server->argv.ptr[server->argv.len - 1], want.ptr);
  assert_string_equal (servers.exports.ptr[0].name, "");
  source_ova.close (s);
}

static void
test_open_errors (void **state)
{
  static const struct source_secret settings[] = {
    { "nfs-port", "many" },
  };
  CLEANUP_FREE char *absent = in_dir ("absent"), *bad = in_dir ("bad.ovf");

  endpoint = (struct source_endpoint) { .provider = "p", .type = "ova" };
  capture_start ();
  assert_null (source_ova.open (&endpoint));
  assert_int_equal (errno, EINVAL);
  assert_error ("provider 'p': spec.url is missing");

  endpoint.url = absent;
  capture_start ();
  assert_null (source_ova.open (&endpoint));
  assert_int_equal (errno, ENOENT);
  assert_error ("absent");

  write_text ("bad.ovf", "<Envelope/>");
  endpoint.url = bad;
  capture_start ();
  assert_null (source_ova.open (&endpoint));
  assert_int_equal (errno, EINVAL);
  assert_error ("bad.ovf:1: the OVF namespace ''");

  endpoint.settings = settings;
  endpoint.nr_settings = ARRAY_SIZE (settings);
  capture_start ();
  assert_null (source_ova.open (&endpoint));
  assert_int_equal (errno, EINVAL);
  assert_error ("setting nfs-port: 'many' is not a number");
}

/* ---- Exports of the plugin ---- */

static void
test_exports (void **state)
{
  struct package_options options = { 0 };
  struct ova_exports e = { .path = dir };
  struct ova *ova;
  size_t i;
  static const char *const names[] = {
    "node-1/a.img", "node-1/s.img", "node-2/b.img", "node-2/s.img",
    "web/root.img", "web/scratch",
  };

  write_web ("web");
  write_pair ("pair");
  capture_start ();
  ova = ova_open (dir, &options);
  assert_non_null (ova);
  e.ova = ova;
  assert_return_code (ova_exports_open (&e, NULL, NULL), errno);
  assert_int_equal (e.list.len, ARRAY_SIZE (names));
  for (i = 0; i < ARRAY_SIZE (names); i++) {
    CLEANUP_STRBUF struct strbuf number = { 0 };

    strbuf_printf (&number, "%zu", i);
    assert_string_equal (e.list.ptr[i]->name, names[i]);
    assert_ptr_equal (ova_exports_find (&e, names[i]), e.list.ptr[i]);
    assert_ptr_equal (ova_exports_find (&e, number.ptr), e.list.ptr[i]);
    assert_ptr_equal (ova_exports_find (&e, e.list.ptr[i]->vm->
                                        disk_ids.ptr[e.list.ptr[i]->drive]),
                      e.list.ptr[i]);
  }
  assert_ptr_equal (ova_exports_find (&e, "a"), e.list.ptr[0]);
  assert_ptr_equal (ova_exports_find (&e, "node-2/shared"), e.list.ptr[3]);
  assert_no_error ();

  assert_null (ova_exports_find (&e, "shared"));
  assert_int_equal (errno, EEXIST);
  assert_error ("several disks fit the name 'shared'");
  capture_start ();
  assert_null (ova_exports_find (&e, "node-3/shared"));
  assert_int_equal (errno, ENOENT);
  assert_error ("'node-1/a.img'");
  capture_start ();
  assert_null (ova_exports_find (&e, ""));
  assert_error ("choose one");
  capture_start ();
  assert_null (ova_exports_find (&e, "6"));
  assert_error ("there is no disk '6'");
  ova_exports_free (&e);

  capture_start ();
  assert_return_code (ova_exports_open (&e, "node-2", "shared"), errno);
  assert_int_equal (e.list.len, 1);
  assert_string_equal (e.list.ptr[0]->name, "s.img");
  assert_ptr_equal (ova_exports_find (&e, ""), e.list.ptr[0]);
  assert_int_equal (ova_disk_size (e.list.ptr[0]->disk), 512);
  ova_exports_free (&e);
  ova_close (ova);
}

int
main (void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)
  const struct CMUnitTest tests[] = {
    TEST (test_inventory),
    TEST (test_describe),
    TEST (test_verify),
    TEST (test_servers),
    TEST (test_qcow2),
    TEST (test_open_errors),
    TEST (test_exports),
  };

  xml_global_init ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
