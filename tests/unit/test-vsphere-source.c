/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The vSphere source: settings, and the command line of the server that
 * reads a VM's disks.  No secret is in it.
 */
#include "tests/unit/capture.h"
#include "tests/unit/fake_http.h"

#include "common/include/cleanup.h"
#include "common/util/strbuf.h"
#include "plugins/vsphere/folder.h"
#include "plugins/vsphere/source.h"
#include "plugins/vsphere/source_private.h"

/* Files of datastores: every one can be read. */

struct folder {
  int unused;
};

struct folder *
folder_new (const struct folder_options *options)
{
  static struct folder folder;

  return &folder;
}

void
folder_free (struct folder *folder)
{
}

int
folder_probe (struct folder *folder, const char *path, unsigned *status)
{
  *status = 206;
  return 0;
}

#define OBJECT(type, id, rest)                                          \
  "<objects><obj type=\"" type "\">" id "</obj>" rest "</objects>"
#define HOST                                                            \
  { "RetrievePropertiesEx", 200,                                        \
    ANSWER ("RetrievePropertiesEx", "<returnval>"                       \
            OBJECT ("HostSystem", "host-9",                             \
                    "<propSet><name>name</name><val>esx1.example</val>" \
                    "</propSet><propSet><name>summary.config</name>"    \
                    "<val><sslThumbprint>11:22</sslThumbprint></val>"   \
                    "</propSet>") "</returnval>") }

static const struct source_secret login_only[] = {
  { "user", "adm&in" }, { "password", "se=cret" },
};
static const struct source_secret with_ca[] = {
  { "user", "adm&in" }, { "password", "se=cret" },
  { "cacert", "-----BEGIN\nabc\n-----END\n" },
};
static const struct source_secret with_thumbprint[] = {
  { "user", "adm&in" }, { "password", "se=cret" }, { "thumbprint", "AA:BB" },
  { "cacert", "" },
};
static const struct source_secret host_login[] = {
  { "user", "root" }, { "password", "h0st" },
};
static const struct source_secret host_thumbprint[] = {
  { "user", "root" }, { "password", "h0st" }, { "thumbprint", "CC:DD" },
};

static struct source_endpoint
endpoint (const struct source_secret *secrets, size_t n)
{
  return (struct source_endpoint) {
    .provider = "vc", .type = "vsphere", .url = "https://vc.example/sdk",
    .secrets = secrets, .nr_secrets = n,
  };
}

/* The command line for a VM with a disk and a LUN; then "KEY:VALUE" of the
 * secrets, "KEY=VALUE" of the files.
 */
static char *
command_line (const struct source_endpoint *e, const char *snapshot,
              const struct fake_step *steps)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  CLEANUP_SOURCE_SERVERS struct source_servers servers = { 0 };
  CLEANUP_VM struct vm vm;
  const struct source_server *server;
  struct vm_disk *disk;
  void *session;
  size_t i;

  vm_init (&vm);
  vm.id = strdup ("vm-1");
  vm.host = strdup ("host-9");
  disk = vm_add_disk (&vm);
  disk->name = strdup ("[ds] a/a.vmdk");
  disk = vm_add_disk (&vm);
  disk->name = strdup ("[ds] a/lun.vmdk");
  disk->lun = true;

  fake_steps = steps;
  capture_start ();
  session = source_vsphere.open (e);
  assert_non_null (session);
  assert_int_equal (vsphere_source_servers (session, &vm, snapshot, &servers),
                    0);
  source_vsphere.close (session);

  assert_int_equal (servers.servers.len, 1);
  server = &servers.servers.ptr[0];
  assert_int_equal (server->kind, SOURCE_SERVER_NBDKIT);
  for (i = 0; i < server->argv.len; i++) {
    assert_null (strstr (server->argv.ptr[i], "cret"));
    assert_null (strstr (server->argv.ptr[i], "h0st"));
    strbuf_printf (&b, "%s ", server->argv.ptr[i]);
  }
  for (i = 0; i < server->secret_keys.len; i++)
    strbuf_printf (&b, "%s:%s ", server->secret_keys.ptr[i],
                   server->secret_values.ptr[i]);
  for (i = 0; i < server->file_keys.len; i++)
    strbuf_printf (&b, "<%s=%s>", server->file_keys.ptr[i],
                   server->file_values.ptr[i]);
  assert_int_equal (servers.exports.len, 2);
  assert_string_equal (servers.exports.ptr[0].name, "[ds] a/a.vmdk");
  assert_null (servers.exports.ptr[1].name);
  return strbuf_steal (&b);
}

static void
expect (const struct source_endpoint *e, const char *snapshot,
        const struct fake_step *steps, const char *expected)
{
  CLEANUP_FREE char *actual = command_line (e, snapshot, steps);

  assert_string_equal (actual, expected);
}

#define BEGIN "vsphere url=https://vc.example/sdk user=adm&in "

static void
test_servers (void **state)
{
  static const struct source_secret settings[] = {
    { "connections", "16" }, { "timeout", "300" },
    { "proxy", "http://proxy:3128" },
  };
  struct source_endpoint e = endpoint (login_only, ARRAY_SIZE (login_only));

  expect (&e, NULL, NULL, BEGIN "vm=moref=vm-1 password:se=cret ");
  expect (&e, "snapshot-3", NULL,
          BEGIN "vm=moref=vm-1 snapshot=moref=snapshot-3 password:se=cret ");
  e.insecure_skip_verify = true;
  expect (&e, NULL, NULL,
          BEGIN "vm=moref=vm-1 sslverify=false password:se=cret ");

  e = endpoint (with_ca, ARRAY_SIZE (with_ca));
  e.settings = settings;
  e.nr_settings = ARRAY_SIZE (settings);
  expect (&e, NULL, NULL,
          BEGIN "proxy=http://proxy:3128 connections=16 timeout=300 "
          "vm=moref=vm-1 password:se=cret "
          "<cainfo=-----BEGIN\nabc\n-----END\n>");

  e = endpoint (with_thumbprint, ARRAY_SIZE (with_thumbprint));
  expect (&e, NULL, NULL,
          BEGIN "vm=moref=vm-1 thumbprint=AA:BB password:se=cret ");
}

static void
test_hosts (void **state)
{
  static const struct fake_step steps[] = { HOST, { 0 } };
  struct source_host hosts[] = {
    { .id = "host-8", .name = "esx1.example", .address = "192.0.2.8" },
    { .id = "host-9", .address = "192.0.2.9" },
  };
  struct source_endpoint e = endpoint (with_thumbprint,
                                       ARRAY_SIZE (with_thumbprint));

  e.hosts = hosts;
  e.nr_hosts = ARRAY_SIZE (hosts);
  /* Without a Secret: the provider's login, but not its thumbprint. */
  hosts[1].secrets = e.secrets;
  hosts[1].nr_secrets = e.nr_secrets;
  expect (&e, NULL, steps,
          BEGIN "vm=moref=vm-1 thumbprint=AA:BB esxi=192.0.2.9 "
          "esxi-user=adm&in esxi-thumbprint=11:22 password:se=cret "
          "esxi-password:se=cret ");
  hosts[1].secrets = host_login;
  hosts[1].nr_secrets = ARRAY_SIZE (host_login);
  expect (&e, NULL, steps,
          BEGIN "vm=moref=vm-1 thumbprint=AA:BB esxi=192.0.2.9 "
          "esxi-user=root esxi-thumbprint=11:22 password:se=cret "
          "esxi-password:h0st ");
  /* By name. */
  hosts[1].id = NULL;
  hosts[1].name = "esx1.example";
  hosts[1].secrets = host_thumbprint;
  hosts[1].nr_secrets = ARRAY_SIZE (host_thumbprint);
  expect (&e, NULL, steps,
          BEGIN "vm=moref=vm-1 thumbprint=AA:BB esxi=192.0.2.9 "
          "esxi-user=root esxi-thumbprint=CC:DD password:se=cret "
          "esxi-password:h0st ");
  e.insecure_skip_verify = true;
  expect (&e, NULL, steps,
          BEGIN "vm=moref=vm-1 sslverify=false esxi=192.0.2.9 "
          "esxi-user=root password:se=cret esxi-password:h0st ");
  /* None for the host of this VM. */
  hosts[1].name = "esx2.example";
  expect (&e, NULL, steps,
          BEGIN "vm=moref=vm-1 sslverify=false password:se=cret ");
}

static void
refused (const struct source_endpoint *e, const char *text)
{
  fake_steps = NULL;
  fake_logins = fake_logouts = 0;
  capture_start ();
  assert_null (source_vsphere.open (e));
  assert_int_equal (errno, EINVAL);
  assert_error (text);
  assert_int_equal (fake_logins, fake_logouts);
}

static void
test_refused (void **state)
{
  static const char *const bad_numbers[] = {
    "", "0", "-1", "x", "129", "18446744073709551616"
  };
  struct source_secret setting = { "sdkEndpoint", "esxi" };
  struct source_endpoint e = endpoint (login_only, ARRAY_SIZE (login_only));
  size_t i;

  e.url = NULL;
  refused (&e, "provider 'vc': spec.url is missing");
  e = endpoint (login_only, 1);
  refused (&e, "'password' of its Secret is missing");
  e = endpoint (login_only, 0);
  refused (&e, "'user' of its Secret is missing");
  e = endpoint (login_only, ARRAY_SIZE (login_only));
  e.settings = &setting;
  e.nr_settings = 1;
  refused (&e, "sdkEndpoint is esxi, but https://vc.example/sdk is VMware "
           "vCenter Server 8.0.2");
  setting.value = "cloud";
  refused (&e, "it is vcenter or esxi");
  for (i = 0; i < ARRAY_SIZE (bad_numbers); i++) {
    setting.key = "connections";
    setting.value = bad_numbers[i];
    refused (&e, "is not a number from 1 to 128");
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_servers),
    cmocka_unit_test (test_hosts),
    cmocka_unit_test (test_refused),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
