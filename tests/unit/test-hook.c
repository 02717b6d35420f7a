/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/hook.c and driver/hook_data.c: what a hook is told, what is said
 * of one that failed, and programs that fail, hang or are not there.
 * ansible-playbook is a script here; the real one is in test-hook.sh.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json/json.h"
#include "driver/hook.h"
#include "driver/journal.h"

static char folder[] = "/tmp/nbdlift-test-hook.XXXXXX";
static char path_variable[200];
static struct vm vm;
static struct plan plan;
static struct plan_provider provider = { .type = (char *) "vsphere" };
static struct plan_hook hook;

static const char fake[] =
  "#!/bin/sh\n"
  "ls >names; grep -q name: plan.yml || exit 9\n"
  "echo out; echo err >&2\n"
  "case $(cat playbook.yml) in\n"
  "  fail) exit 7;;\n"
  "  hang) sleep 54321;;\n"
  "esac\n";

static int
remove_entry (const char *path, const struct stat *st, int type,
              struct FTW *ftw)
{
  return remove (path);
}

static int
make_folder (void **state)
{
  char program[80];
  FILE *fp;

  if (mkdtemp (folder) == NULL)
    return -1;
  snprintf (program, sizeof program, "%s/ansible-playbook", folder);
  fp = fopen (program, "w");
  if (fp == NULL)
    return -1;
  fputs (fake, fp);
  fclose (fp);
  snprintf (path_variable, sizeof path_variable, "%s:/usr/bin:/bin", folder);
  return chmod (program, 0755);
}

static int
remove_folder (void **state)
{
  return nftw (folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int
setup (void **state)
{
  static struct plan_vm entry = {
    .ref = { .id = (char *) "vm-1", .name = (char *) "web" },
  };

  setenv ("PATH", path_variable, 1);
  memset (&plan, 0, sizeof plan);
  plan.target_namespace = (char *) "target";
  plan.source.name = (char *) "vc";
  plan.vms.ptr = &entry;
  plan.vms.len = 1;
  memset (&hook, 0, sizeof hook);
  hook.meta.name = (char *) "h";
  hook.meta.namespace_ = (char *) "mig";
  vm_init (&vm);
  vm.id = strdup ("vm-1");
  vm.name = strdup ("web");
  vm.power = VM_POWER_ON;
  capture_start ();
  return 0;
}

static int
teardown (void **state)
{
  vm_free (&vm);
  return 0;
}

/* The text at PATH ("vm/guestnetworks/0/ip") of J. */
static const char *
text_at (const json_t *j, const char *path)
{
  CLEANUP_FREE char *copy = strdup (path);
  char *save, *word = strtok_r (copy, "/", &save);

  for (; word && j; word = strtok_r (NULL, "/", &save))
    j = json_is_array (j) ? json_array_get (j, word[0] - '0')
      : json_object_get (j, word);
  if (!json_is_string (j))
    fail_msg ("no text at %s", path);
  return json_string_value (j);
}

static void
add_ip (struct vm_nic *nic, const char *address, const char *gateway)
{
  struct vm_ip ip = {
    .address = strdup (address), .prefix = 24, .is_static = true,
    .gateway = gateway ? strdup (gateway) : NULL,
  };

  assert_int_equal (string_vector_append_dup (&ip.dns, "10.0.0.1"), 0);
  assert_int_equal (vm_ip_vector_append (&nic->ips, ip), 0);
}

static void
test_workload (void **state)
{
  CLEANUP_JSON json_t *j = NULL, *off = NULL;
  struct vm_nic *nic = vm_add_nic (&vm);
  struct vm_disk *disk;

  nic->mac = strdup ("00:50:56:aa:bb:01");
  nic->network.name = strdup ("VM Network");
  add_ip (nic, "fd00::5", NULL);
  add_ip (nic, "10.0.0.5", "10.0.0.254");
  add_ip (nic, "10.0.0.6", NULL);
  disk = vm_add_disk (&vm);
  disk->name = strdup ("disk-0");
  disk->controller_model = strdup ("pvscsi");

  j = hook_workload_data (&provider, &vm);
  assert_non_null (j);
  assert_string_equal (text_at (j, "vm/name"), "web");
  assert_string_equal (text_at (j, "vm/vm1/vm0/name"), "web");
  assert_string_equal (text_at (j, "vm/vm1/vm0/id"), "vm-1");
  assert_string_equal (text_at (j, "vm/powerstate"), "On");
  assert_string_equal (text_at (j, "vm/vm1/powerstate"), "On");
  assert_string_equal (text_at (j, "vm/disks/0/controllermodel"), "pvscsi");
  assert_string_equal (text_at (j, "vm/vm1/disks/0/name"), "disk-0");
  assert_string_equal (text_at (j, "vm/ipaddress"), "10.0.0.5");
  assert_string_equal (text_at (j, "vm/guestnetworks/0/ip"), "fd00::5");
  assert_string_equal (text_at (j, "vm/guestnetworks/1/mac"),
                       "00:50:56:aa:bb:01");
  assert_string_equal (text_at (j, "vm/guestnetworks/2/dns/0"), "10.0.0.1");
  assert_string_equal (text_at (j, "vm/guestipstacks/0/gateway"),
                       "10.0.0.254");
  assert_string_equal (text_at (j, "providertype"), "vsphere");

  vm_free (&vm);
  vm_init (&vm);
  off = hook_workload_data (&provider, &vm);
  assert_string_equal (text_at (off, "vm/ipaddress"), "");
}

static void
test_plan (void **state)
{
  CLEANUP_JSON json_t *j = NULL;
  static struct plan_vm_hook hooks[2] = {
    { .hook = { .name = (char *) "a", .namespace_ = (char *) "n" } },
    { .hook = { .name = (char *) "b" }, .post = true },
  };
  static struct plan_vm entry = {
    .ref = { .name = (char *) "web" },
    .hooks = { hooks, 2, 2 },
    .luks = { .name = (char *) "keys" },
    .power = POWER_OFF,
  };
  static struct key_value label = {
    .key = (char *) "Team", .value = (char *) "shop",
  };

  plan.vms.ptr = &entry;
  plan.target_labels = (key_value_vector) { &label, 1, 1 };
  plan.warm = true;
  j = hook_plan_data (&plan);
  assert_non_null (j);
  assert_string_equal (text_at (j, "targetnamespace"), "target");
  assert_string_equal (text_at (j, "provider/source/name"), "vc");
  assert_string_equal (text_at (j, "provider/destination/name"), "");
  assert_string_equal (text_at (j, "vms/0/ref/name"), "web");
  assert_string_equal (text_at (j, "vms/0/ref/id"), "");
  assert_string_equal (text_at (j, "vms/0/hooks/0/step"), "PreHook");
  assert_string_equal (text_at (j, "vms/0/hooks/0/hook/namespace"), "n");
  assert_string_equal (text_at (j, "vms/0/hooks/1/step"), "PostHook");
  assert_string_equal (text_at (j, "vms/0/luks/name"), "keys");
  assert_string_equal (text_at (j, "vms/0/targetpowerstate"), "off");
  /* The user's own keys stay as they are. */
  assert_string_equal (text_at (j, "targetlabels/Team"), "shop");
  assert_true (json_is_true (json_object_get (j, "warm")));
}

static void
check_tail (const char *text, const char *expected)
{
  CLEANUP_FREE char *tail = hook_tail (text, strlen (text));

  assert_non_null (tail);
  assert_string_equal (tail, expected);
}

static void
test_tail (void **state)
{
  CLEANUP_FREE char *nul = NULL, *cut = NULL, *long_line = malloc (5000);

  check_tail ("", "");
  check_tail ("\n \n\n", "");
  check_tail ("one", "one");
  check_tail ("one\n\n  two  \n", "one / two");
  check_tail ("1\n2\n3\n4\n5\n6\n7\n8\n", "3 / 4 / 5 / 6 / 7 / 8");
  check_tail ("\nTASK [x] ****\nfatal: no\n\nPLAY RECAP ***\nlocalhost : 1\n",
              "TASK [x] / fatal: no");
  check_tail ("a\033[1mb\n", "a\\x1b[1mb");
  check_tail ("PLAY RECAP\n", "PLAY RECAP");

  /* Not to be read as a text that ends. */
  nul = hook_tail ("x\0y\nz", 5);
  assert_string_equal (nul, "x / z");
  memset (long_line, 'y', 4999);
  long_line[4999] = '\0';
  cut = hook_tail (long_line, 4999);
  assert_int_equal (strlen (cut), 303);
}

static unsigned polls;

static bool
never (void *opaque)
{
  return false;
}

static bool
soon (void *opaque)
{
  return ++polls > 3;
}

/* Run it; R is what is returned, ERR the errno. */
static void
run (const char *playbook, bool (*cancelled) (void *opaque), int r, int err)
{
  const struct hook_input in = {
    .hook = &hook, .step = "PreHook", .plan = &plan, .provider = &provider,
    .vm = &vm, .folder = folder, .cancelled = cancelled,
  };
  char path[80];
  struct stat st;

  hook.playbook = (char *) playbook;
  assert_int_equal (hook_run (&in), r);
  if (r == -1)
    assert_int_equal (errno, err);
  snprintf (path, sizeof path, "%s/PreHook.d", folder);
  assert_int_equal (access (path, F_OK), -1);
  snprintf (path, sizeof path, "%s/PreHook.log", folder);
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0600);
}

static void
test_run (void **state)
{
  run ("ok", never, 0, 0);
  assert_no_error ();

  run ("fail", never, -1, EIO);
  assert_error ("hook mig/h failed with exit code 7: out / err (log: ");

  capture_start ();
  hook.deadline = 1;
  run ("hang", never, -1, ETIMEDOUT);
  assert_error ("hook mig/h was ended after its deadline of 1 s: out / err");

  capture_start ();
  hook.deadline = 0;
  run ("hang", soon, -1, ECANCELED);
  assert_no_error ();
}

static void
test_leftovers (void **state)
{
  char path[100];
  FILE *fp;

  /* Of a run that was killed: files of others' choice, and a link. */
  snprintf (path, sizeof path, "%s/PreHook.d", folder);
  assert_int_equal (mkdir (path, 0755), 0);
  snprintf (path, sizeof path, "%s/PreHook.d/plan.yml", folder);
  assert_int_equal (symlink (folder, path), 0);
  snprintf (path, sizeof path, "%s/kept", folder);
  fp = fopen (path, "w");
  assert_non_null (fp);
  fclose (fp);
  run ("ok", never, 0, 0);
  assert_int_equal (access (path, F_OK), 0);
}

static void
test_not_there (void **state)
{
  setenv ("PATH", "/nonexistent", 1);
  run ("ok", never, -1, ENOENT);
  assert_error ("ansible-playbook: program not found");

  capture_start ();
  hook.image = (char *) "registry/x";
  run (NULL, never, -1, ENOENT);
  assert_error ("podman: program not found");

  assert_string_equal (hook_program (&hook), "podman");
  hook.playbook = (char *) "x";
  assert_string_equal (hook_program (&hook), "ansible-playbook");
}

static void
test_journal (void **state)
{
  CLEANUP_FREE char *pre = NULL, *post = NULL;
  struct journal *j = journal_open (folder, &vm);

  assert_non_null (j);
  assert_null (journal_hook (j, "PreHook"));
  assert_int_equal (journal_forget_hook (j, "PreHook"), 0);
  assert_int_equal (journal_set_hook (j, "PreHook", "mig/a"), 0);
  assert_int_equal (journal_set_hook (j, "PostHook", "mig/b"), 0);
  assert_int_equal (journal_forget_all (j), 0);
  journal_close (j);

  j = journal_open (folder, &vm);
  pre = journal_hook (j, "PreHook");
  assert_string_equal (pre, "mig/a");
  assert_int_equal (journal_forget_hook (j, "PreHook"), 0);
  assert_null (journal_hook (j, "PreHook"));
  post = journal_hook (j, "PostHook");
  assert_string_equal (post, "mig/b");
  journal_close (j);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_workload),
    TEST (test_plan),
    TEST (test_tail),
    TEST (test_run),
    TEST (test_leftovers),
    TEST (test_not_there),
    TEST (test_journal),
  };

  return cmocka_run_group_tests (tests, make_folder, remove_folder);
}
