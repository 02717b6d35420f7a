/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/vm_names: names are valid, unique and the same each time.
 */
#include "tests/unit/capture.h"

#include <errno.h>

#include "common/include/minmax.h"
#include "driver/vm_names.h"

static void
cleanup_names (struct vm_names *names)
{
  vm_names_free (names);
}
#define CLEANUP_NAMES __attribute__ ((cleanup (cleanup_names)))

/* Names for a VM called NAME with two disks in a plan called PLAN. */
static int
make (const char *plan_name, const char *name, const char *id,
      const char *target_name, const string_vector *taken,
      struct vm_names *names)
{
  struct vm_disk disks[2] = { { 0 } };
  const struct plan plan = { .meta.name = (char *) plan_name };
  const struct plan_vm pvm = { .target_name = (char *) target_name };
  const struct vm vm = {
    .name = (char *) name, .id = (char *) id, .disks = { disks, 2, 2 },
  };

  return vm_names_make (&plan, &pvm, &vm, NULL, taken, names);
}

static void
check_name (const char *name, const char *expect)
{
  CLEANUP_NAMES struct vm_names names = { 0 };

  assert_int_equal (make ("plan", name, "vm-1", NULL, NULL, &names), 0);
  assert_string_equal (names.vm, expect);
  assert_true (dns1123_subdomain (names.vm));
  assert_int_equal (names.renamed, strcmp (name, expect) != 0);
}

#define X10 "xxxxxxxxxx"

static void
test_sanitise (void **state)
{
  check_name ("web-01", "web-01");
  check_name ("web.example.com", "web.example.com");
  check_name ("Web_01", "web-01");
  check_name ("My VM (copy)", "my-vm-copy");
  check_name ("-.a-.-b.-", "a.b");
  check_name ("a..b", "a.b");
  check_name ("__x__", "x");
  check_name ("Gr\xc3\xbc\xc3\x9f" "e", "gre");
  /* Cut to 63, and not in front of a separator. */
  check_name (X10 X10 X10 X10 X10 X10 "aaaa",
              X10 X10 X10 X10 X10 X10 "aaa");
  check_name (X10 X10 X10 X10 X10 X10 "aa-b",
              X10 X10 X10 X10 X10 X10 "aa");
}

/* Nothing is left of the name: made from the id. */
static void
test_empty (void **state)
{
  CLEANUP_NAMES struct vm_names a = { 0 }, b = { 0 }, c = { 0 };

  assert_int_equal (make ("p", "\xe6\x97\xa5", "vm-1", NULL, NULL, &a), 0);
  assert_int_equal (strncmp (a.vm, "vm-", 3), 0);
  assert_int_equal (strlen (a.vm), 7);
  assert_true (dns1123_label (a.vm));
  assert_true (a.renamed);
  assert_int_equal (make ("p", "\xe6\x97\xa5", "vm-1", NULL, NULL, &b), 0);
  assert_string_equal (a.vm, b.vm);
  assert_int_equal (make ("p", "\xe6\x97\xa5", "vm-2", NULL, NULL, &c), 0);
  assert_string_not_equal (a.vm, c.vm);
}

static void
test_taken (void **state)
{
  CLEANUP_STRING_VECTOR string_vector taken = EMPTY_VECTOR;
  const char *const longest = X10 X10 X10 X10 X10 X10 "abc";
  size_t i, j;

  for (i = 0; i < 20; ++i) {
    CLEANUP_NAMES struct vm_names names = { 0 };
    CLEANUP_NAMES struct vm_names again = { 0 };

    assert_int_equal (make ("p", longest, "vm-1", NULL, &taken, &names), 0);
    assert_int_equal (make ("p", longest, "vm-1", NULL, &taken, &again), 0);
    assert_string_equal (names.vm, again.vm);
    assert_true (dns1123_subdomain (names.vm));
    assert_true (strlen (names.vm) <= 63);
    for (j = 0; j < taken.len; ++j)
      assert_string_not_equal (names.vm, taken.ptr[j]);
    string_vector_append_dup (&taken, names.vm);
  }
  assert_string_equal (taken.ptr[0], longest);
  assert_int_equal (strncmp (taken.ptr[1], longest, 58), 0);
}

static void
test_target_name (void **state)
{
  CLEANUP_STRING_VECTOR string_vector taken = EMPTY_VECTOR;
  struct vm_names names = { 0 };

  string_vector_append_dup (&taken, "used");
  assert_int_equal (make ("p", "Old", "i", "new-name", &taken, &names), 0);
  assert_string_equal (names.vm, "new-name");
  assert_true (names.renamed);
  vm_names_free (&names);

  capture_start ();
  assert_int_equal (make ("p", "Old", "i", "used", &taken, &names), -1);
  assert_int_equal (errno, EEXIST);
  assert_error ("targetName 'used'");
  capture_start ();
  assert_int_equal (make ("p", "Old", "i", "Not_Good", NULL, &names), -1);
  assert_int_equal (errno, EINVAL);
  assert_error ("targetName 'Not_Good'");
  assert_null (names.vm);
}

static void
check_pvc (const char *plan, const char *name, const char *expect)
{
  CLEANUP_NAMES struct vm_names names = { 0 };

  assert_int_equal (make (plan, name, "vm-1", NULL, NULL, &names), 0);
  assert_int_equal (names.nr_disks, 2);
  assert_true (dns1123_label (names.pvc[0]));
  assert_int_equal (strncmp (names.pvc[0], expect, strlen (expect)), 0);
  assert_string_not_equal (names.pvc[0], names.pvc[1]);
  assert_string_equal (names.volume[0], "vol-0");
  assert_string_equal (names.volume[1], "vol-1");
}

static void
test_pvc (void **state)
{
  CLEANUP_NAMES struct vm_names a = { 0 }, b = { 0 }, c = { 0 };

  check_pvc ("plan1", "web-01", "plan1-web-01-disk-0");
  check_pvc ("a-very-long-plan-name", "web", "a-very-long-pla-web-disk-0");
  /* Cut in front of a dash; dots are no part of a label. */
  check_pvc ("plan", "aaaaaaaaaaaaaa-b", "plan-aaaaaaaaaaaaaa-disk-0");
  check_pvc ("plan", "a.b", "plan-a-b-disk-0");
  check_pvc ("aaaaaaaaaaaaaa.b", "vm", "aaaaaaaaaaaaaa-vm-disk-0");

  /* Two VMs that differ after the 15th character only. */
  make ("plan", "production-server-01", "vm-1", NULL, NULL, &a);
  make ("plan", "production-server-02", "vm-2", NULL, NULL, &b);
  make ("plan", "production-server-01", "vm-1", NULL, NULL, &c);
  assert_string_not_equal (a.pvc[0], b.pvc[0]);
  assert_string_equal (a.pvc[0], c.pvc[0]);
  assert_string_equal (a.pvc[1], c.pvc[1]);
}

/* Names of a VM with two shared disks and three NICs by the templates of
 * PLAN and PVM.
 */
static int
make_by_templates (struct plan plan, struct plan_vm pvm, const char *name,
                   struct vm_names *names)
{
  struct vm_disk disks[2] = {
    { .file = (char *) "[ds1] web/web.vmdk", .id = (char *) "d0",
      .drive_letter = (char *) "c" },
    { .file = (char *) "x/web.ova::web_1.vmdk", .shared = true },
  };
  struct vm_nic nics[3] = {
    { .network.name = (char *) "lan" }, { .network.name = (char *) "gone" },
    { .network.name = (char *) "san" },
  };
  struct network_map_row rows[3] = {
    { .source.name = (char *) "lan", .kind = NETWORK_POD },
    { .source.name = (char *) "gone", .kind = NETWORK_IGNORED },
    { .source.name = (char *) "san", .kind = NETWORK_MULTUS,
      .name = (char *) "nad", .namespace_ = (char *) "ns" },
  };
  const struct plan_network_map map = { .rows = { rows, 3, 3 } };
  const struct vm vm = {
    .name = (char *) name, .id = (char *) "vm-7", .disks = { disks, 2, 2 },
    .nics = { nics, 3, 3 },
  };

  plan.meta.name = (char *) "plan1";
  return vm_names_make (&plan, &pvm, &vm, &map, NULL, names);
}

static void
test_templates (void **state)
{
  CLEANUP_NAMES struct vm_names n = { 0 };
  const struct plan plan = {
    .pvc_name_template = (char *) " {{.PlanName}}-{{.VmName}}-{{.VmId}}-"
    "{{.DiskIndex}}{{.RootDiskIndex}}{{.WinDriveLetter}}"
    "{{if .Shared}}-s{{end}}\n",
    .volume_name_template = (char *) "v{{.VolumeIndex}}-{{.PVCName}}",
    .network_name_template = (char *) "{{.NetworkType}}-{{.NetworkIndex}}-"
    "x{{.NetworkNamespace}}{{.NetworkName}}",
  };
  const struct plan_vm pvm = { .root_disk = (char *) "/dev/vdb1" };

  assert_int_equal (make_by_templates (plan, pvm, "a.b", &n), 0);
  assert_string_equal (n.pvc[0], "plan1-a-b-vm-7-01c");
  assert_string_equal (n.pvc[1], "plan1-a-b-vm-7-11-s");
  assert_string_equal (n.volume[0], "v0-plan1-a-b-vm-7-01c");
  assert_int_equal (n.nr_nics, 3);
  assert_string_equal (n.network[0], "pod-0-x");
  assert_null (n.network[1]);
  assert_string_equal (n.network[2], "multus-1-xnsnad");
}

/* A VM's own template counts; an empty one does not. */
static void
test_own_templates (void **state)
{
  CLEANUP_NAMES struct vm_names n = { 0 };
  const struct plan plan = {
    .pvc_name_template = (char *) "plan-{{.DiskIndex}}",
    .volume_name_template = (char *) "plan-{{.VolumeIndex}}",
  };
  const struct plan_vm pvm = {
    .pvc_name_template = (char *) "{{.FileName | replace \"_\" \"-\" | "
    "trimSuffix \".vmdk\"}}",
    .volume_name_template = (char *) "",
  };

  assert_int_equal (make_by_templates (plan, pvm, "web", &n), 0);
  assert_string_equal (n.pvc[0], "web");
  assert_string_equal (n.pvc[1], "web-1");
  assert_string_equal (n.volume[1], "plan-1");
  assert_string_equal (n.network[2], "net-1");
}

/* What the API server would add is added: 63 characters at most, other
 * ones for each disk, the same ones each time.
 */
static void
test_generate_name (void **state)
{
  CLEANUP_NAMES struct vm_names a = { 0 }, b = { 0 };
  const struct plan plan = {
    .pvc_name_use_generate_name = true,
    .pvc_name_template = (char *) X10 X10 X10 X10 X10 X10 "abc",
    .volume_name_template = (char *) "v{{.VolumeIndex}}-{{.PVCName}}",
  };
  const struct plan_vm pvm = { 0 };
  size_t i;

  assert_int_equal (make_by_templates (plan, pvm, "web", &a), 0);
  assert_int_equal (make_by_templates (plan, pvm, "web", &b), 0);
  for (i = 0; i < 2; ++i) {
    assert_int_equal (strlen (a.pvc[i]), 63);
    assert_int_equal (strncmp (a.pvc[i], X10 X10 X10 X10 X10 "xxxxxxx-", 58),
                      0);
    assert_true (dns1123_label (a.pvc[i]));
    assert_string_equal (a.pvc[i], b.pvc[i]);
    /* A volume's name is cut, and still a name. */
    assert_true (dns1123_label (a.volume[i]));
  }
  assert_string_not_equal (a.pvc[0], a.pvc[1]);
}

static void
check_template_error (const char *pvc, const char *volume,
                      const char *network, const char *error)
{
  struct vm_names n = { 0 };
  const struct plan plan = {
    .pvc_name_template = (char *) pvc,
    .pvc_template_where = { "plan.yaml", 7, 9 },
    .volume_name_template = (char *) volume,
    .network_name_template = (char *) network,
  };
  const struct plan_vm pvm = { 0 };

  capture_start ();
  assert_int_equal (make_by_templates (plan, pvm, "web", &n), -1);
  assert_int_equal (errno, EINVAL);
  assert_error (error);
  assert_null (n.vm);
}

static void
test_template_errors (void **state)
{
  check_template_error ("{{.No}}", NULL, NULL, "VM web: disk 0: "
                        "pvcNameTemplate (plan.yaml, line 7, column 9): "
                        "template: template:1:2: executing");
  check_template_error ("{{", NULL, NULL, "template:1: unclosed action");
  check_template_error ("x", NULL, NULL, "disk 1: pvcNameTemplate "
                        "(plan.yaml, line 7, column 9): gives 'x', which is "
                        "the name of disk 0 already");
  check_template_error ("{{.DiskIndex}}-", NULL, NULL, "gives '0-', which "
                        "is no name");
  check_template_error ("  ", NULL, NULL, "gives '', which is no name");
  check_template_error ("a{{\"\\x00\"}}{{.DiskIndex}}", NULL, NULL,
                        "which is no name");
  check_template_error (X10 X10 X10 X10 X10 X10 "abc{{.DiskIndex}}", NULL,
                        NULL, "which is no name");
  check_template_error (NULL, "v", NULL, "the name of disk 0 already");
  check_template_error (NULL, NULL, "n", "NIC 2: networkNameTemplate: gives "
                        "'n', which is the name of NIC 0 already");
  check_template_error (NULL, NULL, "{{.NetworkType | upper}}",
                        "gives 'POD', which is no name");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_templates),
    cmocka_unit_test (test_own_templates),
    cmocka_unit_test (test_generate_name),
    cmocka_unit_test (test_template_errors),
    cmocka_unit_test (test_sanitise),
    cmocka_unit_test (test_empty),
    cmocka_unit_test (test_taken),
    cmocka_unit_test (test_target_name),
    cmocka_unit_test (test_pvc),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
