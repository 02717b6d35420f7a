/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Changed areas and leases of the vSphere client, against canned answers.
 */
#include "tests/unit/capture.h"
#include "tests/unit/fake_http.h"

#include <inttypes.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/strbuf.h"
#include "plugins/vsphere/vim.h"

static struct vim *
session (const struct fake_step *steps)
{
  const struct vim_options o = {
    .url = "https://[::1]:8443/sdk", .user = "u", .password = "p",
  };
  struct vim *vim;

  fake_steps = steps;
  capture_start ();
  vim = vim_open (&o);
  assert_non_null (vim);
  captured[0] = '\0';
  return vim;
}

/*---- changed areas ----*/

#define AREA(start, length)                                             \
  "<changedArea><start>" #start "</start><length>" #length "</length>"  \
  "</changedArea>"
#define AREAS(start, length, areas)                                     \
  { "QueryChangedDiskAreas", 200,                                       \
    ANSWER ("QueryChangedDiskAreas", "<returnval><startOffset>" #start  \
            "</startOffset><length>" #length "</length>" areas          \
            "</returnval>") }

static int
note (void *opaque, uint64_t offset, uint64_t length)
{
  strbuf_printf (opaque, "%" PRIu64 "+%" PRIu64 " ", offset, length);
  return 0;
}

static int
refuse (void *opaque, uint64_t offset, uint64_t length)
{
  errno = ECANCELED;
  return -1;
}

/* EXPECTED NULL: an error. */
static void
areas (const struct fake_step *steps, uint64_t capacity,
       const char *expected)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  struct vim *vim = session (steps);
  int r;

  strbuf_append (&b, "");
  r = vim_changed_areas (vim, "vm-1", "snapshot-2", 2000, capacity, "52 de/4",
                         note, &b);
  assert_int_equal (captured_errors, 0);
  assert_null (fake_steps->method);
  vim_close (vim);
  assert_int_equal (r, expected ? 0 : -1);
  if (expected)
    assert_string_equal (b.ptr ? b.ptr : "", expected);
}

static void
test_areas (void **state)
{
  static const struct fake_step one[] = {
    AREAS (0, 1000, AREA (0, 100) AREA (100, 50) AREA (300, 10)), { 0 }
  };
  static const struct fake_step none[] = { AREAS (0, 1000, ""), { 0 } };
  /* An area goes on in the next answer; the last is cut at the end. */
  static const struct fake_step several[] = {
    AREAS (0, 400, AREA (10, 10) AREA (300, 100)),
    AREAS (400, 400, AREA (400, 50) AREA (700, 10)),
    AREAS (800, 400, AREA (900, 300)), { 0 }
  };
  static const struct fake_step overlap[] = {
    AREAS (0, 1000, AREA (10, 100) AREA (50, 10) AREA (60, 100)), { 0 }
  };

  areas (one, 1000, "0+150 300+10 ");
  areas (none, 1000, "");
  areas (several, 1000, "10+10 300+150 700+10 900+100 ");
  areas (overlap, 1000, "10+150 ");
  areas (&none[1], 0, "");
}

static void
test_areas_request (void **state)
{
  static const struct fake_step steps[] = {
    AREAS (0, 1000, ""), AREAS (0, 1000, ""), { 0 }
  };
  struct vim *vim = session (steps);

  vim_changed_areas (vim, "vm-1", "snapshot-2", 2000, 10, "*", note, NULL);
  assert_non_null (strstr (fake_request, "<_this type=\"VirtualMachine\">vm-1"
                           "</_this><snapshot type=\"VirtualMachineSnapshot\">"
                           "snapshot-2</snapshot><deviceKey>2000</deviceKey>"
                           "<startOffset>0</startOffset><changeId>*"
                           "</changeId>"));
  vim_changed_areas (vim, "vm-1", NULL, 2000, 10, "*", note, NULL);
  assert_null (strstr (fake_request, "snapshot"));
  vim_close (vim);
}

/* Whatever is odd: no answer is better than a wrong one. */
static void
test_areas_bad (void **state)
{
  static const struct fake_step bad[][3] = {
    { AREAS (0, 0, ""), { 0 } },
    { AREAS (100, 900, ""), { 0 } },
    { AREAS (0, 500, ""), AREAS (0, 500, ""), { 0 } },
    { AREAS (0, 1000, AREA (500, 10) AREA (100, 10)), { 0 } },
    { AREAS (0, 1000, AREA (18446744073709551615, 10)), { 0 } },
    { AREAS (0, 1000, AREA (-5, 10)), { 0 } },
    { AREAS (0, 1000, AREA (x, 10)), { 0 } },
    { AREAS (0, 1000, "<changedArea/>"), { 0 } },
    { AREAS (0, 18446744073709551615, AREA (99999999999999999999, 1)),
      { 0 } },
    { AREAS (1, 18446744073709551615, ""), { 0 } },
    { { "QueryChangedDiskAreas", 200,
        ANSWER ("QueryChangedDiskAreas", "") }, { 0 } },
    { { "QueryChangedDiskAreas", 500, FAULT ("FileFault", "") }, { 0 } },
    { { "QueryChangedDiskAreas", 500, FAULT ("NoPermission", "") },
      { 0 } },
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (bad); i++)
    areas (bad[i], 1000, NULL);
}

static void
test_areas_refused (void **state)
{
  static const struct fake_step steps[] = {
    AREAS (0, 1000, AREA (0, 100) AREA (300, 10)), { 0 }
  };
  struct vim *vim = session (steps);

  assert_int_equal (vim_changed_areas (vim, "vm-1", NULL, 2000, 1000, "*",
                                       refuse, NULL), -1);
  assert_int_equal (errno, ECANCELED);
  vim_close (vim);
}

/*---- leases ----*/

#define EXPORT                                                          \
  { "ExportVm", 200, ANSWER ("ExportVm", "<returnval"                   \
                             " type=\"HttpNfcLease\">lease-1"           \
                             "</returnval>") }
#define LEASE(state, rest)                                              \
  { "RetrievePropertiesEx", 200,                                        \
    ANSWER ("RetrievePropertiesEx", "<returnval><objects>"              \
            "<obj type=\"HttpNfcLease\">lease-1</obj>"                  \
            "<propSet><name>state</name><val>" state "</val></propSet>" \
            rest "</objects></returnval>") }
#define DEVICES(devices)                                                \
  "<propSet><name>info</name><val i:type=\"HttpNfcLeaseInfo\">"         \
  "<leaseTimeout>300</leaseTimeout>" devices "</val></propSet>"
#define DEVICE(key, url)                                                \
  "<deviceUrl><key>" key "</key><url>" url "</url>"                     \
  "<sslThumbprint>AA:BB</sslThumbprint><disk>true</disk>"               \
  "<targetId>disk-0.vmdk</targetId></deviceUrl>"
#define ABORT { "HttpNfcLeaseAbort", 200, ANSWER ("HttpNfcLeaseAbort", "") }
#define KEY "/vm-1/ParaVirtualSCSIController0:0"

static void
test_lease (void **state)
{
  static const struct fake_step steps[] = {
    EXPORT, LEASE ("initializing", ""),
    LEASE ("ready",
           DEVICES (DEVICE (KEY, "https://*/nfc/52/disk-0.vmdk")
                    "<deviceUrl><key>nvram</key><url>https://x/nvram</url>"
                    "<disk>false</disk></deviceUrl>"
                    DEVICE ("/vm-1/VirtualIDEController0:0",
                            "https://esx7.example/nfc/52/disk-1.vmdk"))),
    { "HttpNfcLeaseGetManifest", 200,
      ANSWER ("HttpNfcLeaseGetManifest",
              "<returnval><key>other</key></returnval><returnval>"
              "<key>" KEY "</key>"
              "<sha1>DA39A3EE5E6B4B0D3255BFEF95601890AFD80709</sha1>"
              "<size>4711</size></returnval>") },
    { "HttpNfcLeaseComplete", 200, ANSWER ("HttpNfcLeaseComplete", "") },
    { 0 }
  };
  struct vim *vim = session (steps);
  struct vim_lease *lease = vim_lease_open (vim, "vm-1");
  const vim_lease_disk_vector *disks;
  char sha1[41];
  uint64_t size;

  assert_non_null (lease);
  disks = vim_lease_disks (lease);
  assert_int_equal (disks->len, 2);
  assert_string_equal (disks->ptr[0].key, KEY);
  assert_string_equal (disks->ptr[0].url,
                       "https://[::1]:8443/nfc/52/disk-0.vmdk");
  assert_string_equal (disks->ptr[0].thumbprint, "AA:BB");
  assert_string_equal (disks->ptr[0].target_id, "disk-0.vmdk");
  assert_string_equal (disks->ptr[1].url,
                       "https://esx7.example/nfc/52/disk-1.vmdk");
  vim_lease_progress (lease, 50);
  assert_int_equal (vim_lease_checksum (lease, KEY, sha1, &size), 0);
  assert_string_equal (sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  assert_int_equal (size, 4711);
  assert_int_equal (vim_lease_checksum (lease, "missing", sha1, &size), -1);
  assert_int_equal (errno, ENOTSUP);
  assert_int_equal (captured_errors, 0);
  assert_int_equal (vim_lease_close (lease, true), 0);
  assert_null (fake_steps->method);
  vim_close (vim);
}

/* A sign of life three times in the time limit of the lease. */
static void
test_lease_progress (void **state)
{
  static const struct fake_step steps[] = {
    EXPORT,
    LEASE ("ready", "<propSet><name>info</name><val>"
           "<leaseTimeout>3</leaseTimeout>" DEVICE (KEY, "https://*/x")
           "</val></propSet>"),
    { "HttpNfcLeaseProgress", 200, ANSWER ("HttpNfcLeaseProgress", "") },
    /* If that fails the stream will tell. */
    { "HttpNfcLeaseProgress", 500, FAULT ("InvalidState", "") },
    ABORT, { 0 }
  };
  struct vim *vim = session (steps);
  struct vim_lease *lease = vim_lease_open (vim, "vm-1");

  assert_non_null (lease);
  vim_lease_progress (lease, 142);
  sleep (2);
  usleep (500000);
  assert_non_null (strstr (fake_request, "<percent>100</percent>"));
  assert_int_equal (captured_errors, 0);
  assert_int_equal (vim_lease_close (lease, false), 0);
  assert_null (fake_steps->method);
  vim_close (vim);
}

/* Whatever goes wrong, the lease is aborted. */
static void
lease_fails (const struct fake_step *steps, int err, const char *text)
{
  struct vim *vim = session (steps);

  assert_null (vim_lease_open (vim, "vm-1"));
  assert_int_equal (errno, err);
  assert_error (text);
  assert_null (fake_steps->method);
  vim_close (vim);
}

static void
test_lease_fails (void **state)
{
  static const struct fake_step powered_on[] = {
    { "ExportVm", 500, FAULT ("InvalidPowerState", "") }, { 0 }
  };
  static const struct fake_step nothing[] = {
    { "ExportVm", 200, ANSWER ("ExportVm", "") }, { 0 }
  };
  static const struct fake_step no_disks[] = {
    EXPORT, LEASE ("ready", DEVICES ("")), ABORT, { 0 }
  };
  static const struct fake_step error[] = {
    EXPORT, LEASE ("error",
                   "<propSet><name>error</name><val i:type=\"FileFault\">"
                   "</val></propSet>"), ABORT, { 0 }
  };
  static const struct fake_step localized[] = {
    EXPORT, LEASE ("error",
                   "<propSet><name>error</name>"
                   "<val i:type=\"LocalizedMethodFault\">"
                   "<fault i:type=\"NoPermission\"><privilegeId>VApp.Export"
                   "</privilegeId></fault><localizedMessage>no"
                   "</localizedMessage></val></propSet>"), ABORT, { 0 }
  };
  static const struct fake_step silent[] = {
    EXPORT, LEASE ("done", ""),
    { "HttpNfcLeaseAbort", 500, FAULT ("InvalidState", "") }, { 0 }
  };

  lease_fails (powered_on, EBUSY, "another power state");
  lease_fails (nothing, EINVAL, "gives no lease");
  lease_fails (no_disks, EINVAL, "has no disks");
  lease_fails (error, EIO, "export of VirtualMachine vm-1: the server reports "
               "a fault (FileFault)");
  lease_fails (localized, EPERM, "VApp.Export");
  lease_fails (silent, EIO, "state 'done'");
}

static void
manifest (const char *body, unsigned status)
{
  const struct fake_step steps[] = {
    EXPORT, LEASE ("ready", DEVICES (DEVICE (KEY, "https://*/x"))),
    { "HttpNfcLeaseGetManifest", status, body }, ABORT, { 0 }
  };
  struct vim *vim = session (steps);
  struct vim_lease *lease = vim_lease_open (vim, "vm-1");
  char sha1[41] = "untouched";
  uint64_t size = 1;

  assert_non_null (lease);
  assert_int_equal (vim_lease_checksum (lease, KEY, sha1, &size), -1);
  assert_int_equal (errno, ENOTSUP);
  assert_string_equal (sha1, "untouched");
  assert_int_equal (size, 1);
  assert_int_equal (captured_errors, 0);
  assert_int_equal (vim_lease_close (lease, false), 0);
  assert_null (fake_steps->method);
  vim_close (vim);
}

static void
test_bad_manifest (void **state)
{
  manifest (FAULT ("MethodNotFound", ""), 500);
  manifest (ANSWER ("HttpNfcLeaseGetManifest", ""), 200);
  manifest (ANSWER ("HttpNfcLeaseGetManifest",
                    "<returnval><key>" KEY "</key></returnval>"), 200);
  manifest (ANSWER ("HttpNfcLeaseGetManifest",
                    "<returnval><key>" KEY "</key><sha1>da39</sha1>"
                    "<size>1</size></returnval>"), 200);
  manifest (ANSWER ("HttpNfcLeaseGetManifest",
                    "<returnval><key>" KEY "</key>"
                    "<sha1>da39a3ee5e6b4b0d3255bfef95601890afd80709</sha1>"
                    "<size>-1</size></returnval>"), 200);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_areas),
    cmocka_unit_test (test_areas_request),
    cmocka_unit_test (test_areas_bad),
    cmocka_unit_test (test_areas_refused),
    cmocka_unit_test (test_lease),
    cmocka_unit_test (test_lease_progress),
    cmocka_unit_test (test_lease_fails),
    cmocka_unit_test (test_bad_manifest),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
