/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Manifests to structs.  Every file of tests/data/plan/{valid,invalid} is
 * loaded and checked, and its problems compared with FILE.expected beside
 * it (NBDLIFT_REGENERATE=1 writes those anew: look at the difference).
 * Files with a first line "# schema-only" are loaded only.  Then, what is
 * in the structs.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/decode.h"
#include "driver/plan/plan.h"

#define DATA "tests/data/plan/"

static int
load_files (const char *const *files, size_t nr, struct plan_set *set,
            problem_vector *problems)
{
  return plan_load (files, nr, set, problems);
}

static void
must_load (const char *file, struct plan_set *set, problem_vector *problems)
{
  assert_int_equal (load_files (&file, 1, set, problems), 0);
}

static char *
printed (const problem_vector *problems)
{
  char *text = NULL;
  size_t len;
  FILE *fp = open_memstream (&text, &len);

  assert_non_null (fp);
  problem_print (fp, problems);
  fclose (fp);
  return text;
}

/* The text of PATH, up to the first NUL. */
static char *
read_text (const char *path)
{
  CLEANUP_FCLOSE FILE *fp = fopen (path, "r");
  char *text = NULL;
  size_t cap = 0;

  assert_non_null (fp);
  if (getdelim (&text, &cap, '\0', fp) == -1) {
    free (text);                /* an empty file */
    assert_int_not_equal (asprintf (&text, "%s", ""), -1);
  }
  return text;
}

static bool
is_schema_only (const char *path)
{
  static const char mark[] = "# schema-only";
  CLEANUP_FREE char *text = read_text (path);

  return strncmp (text, mark, sizeof mark - 1) == 0;
}

static void
check_file (const char *path, bool valid)
{
  CLEANUP_FREE char *expected = NULL, *want = NULL, *got = NULL;
  problem_vector problems = EMPTY_VECTOR;
  struct plan_set set;
  json_t *j;
  FILE *fp;

  must_load (path, &set, &problems);
  if (!is_schema_only (path))
    assert_int_equal (plan_check (&set, &problems), 0);
  plan_set_free (&set);

  got = printed (&problems);
  j = problem_to_json (&problems);
  assert_non_null (j);
  assert_int_equal (json_array_size (j), problems.len);
  json_decref (j);
  if (problem_any_critical (&problems) == valid)
    fail_msg ("%s: must be %s\n%s", path, valid ? "valid" : "refused", got);
  problem_vector_free (&problems);

  assert_int_not_equal (asprintf (&expected, "%s.expected", path), -1);
  if (getenv ("NBDLIFT_REGENERATE")) {
    fp = fopen (expected, "w");
    assert_non_null (fp);
    fputs (got, fp);
    fclose (fp);
    return;
  }
  assert_int_equal (access (expected, R_OK), 0);
  want = read_text (expected);
  if (strcmp (got, want) != 0)
    fail_msg ("%s\ngot:\n%swant:\n%s", path, got, want);
}

static int
is_input (const struct dirent *e)
{
  const char *dot = strrchr (e->d_name, '.');

  return dot && (strcmp (dot, ".yaml") == 0 || strcmp (dot, ".json") == 0);
}

static void
check_folder (const char *folder, bool valid, size_t at_least)
{
  struct dirent **entries;
  CLEANUP_FREE char *path = NULL;
  int i, n = scandir (folder, &entries, is_input, alphasort);

  if (n < (int) at_least)
    fail_msg ("%s: %d files", folder, n);
  for (i = 0; i < n; ++i) {
    free (path);
    assert_int_not_equal (asprintf (&path, "%s/%s", folder,
                                    entries[i]->d_name), -1);
    check_file (path, valid);
    free (entries[i]);
  }
  free (entries);
}

static void
test_valid (void **state)
{
  check_folder (DATA "valid", true, 15);
}

static void
test_invalid (void **state)
{
  check_folder (DATA "invalid", false, 35);
}

/* No value of a Secret is in any message. */
static void
test_no_secrets (void **state)
{
  CLEANUP_FREE char *text =
    read_text (DATA "invalid/secrets-are-not-shown.yaml.expected");

  assert_true (strlen (text) > 1000);
  assert_null (strstr (text, "not-shown:"));
  assert_null (strstr (text, ": not-shown"));
  assert_null (strstr (text, "'not-shown'"));
  assert_null (strstr (text, "(not-shown)"));
  assert_null (strstr (text, "12345678"));
  assert_null (strstr (text, "\\qshown"));
}

static void
check_everything (const struct plan_set *set, const char *description)
{
  const struct plan *p;
  const struct plan_vm *vm;
  const struct plan_hook *hook;
  const struct plan_secret *secret;
  const struct plan_migration *m;
  const struct network_map_row *nets;
  const struct storage_map_row *disks;
  struct object_ref keys = { "keys", "mig", { NULL, 0, 0 } };

  assert_int_equal (set->secrets.len, 2);
  assert_int_equal (set->providers.len, 1);
  assert_int_equal (set->network_maps.len, 1);
  assert_int_equal (set->storage_maps.len, 1);
  assert_int_equal (set->hooks.len, 1);
  assert_int_equal (set->nads.len, 1);
  assert_int_equal (set->plans.len, 1);
  assert_int_equal (set->migrations.len, 1);

  assert_string_equal (set->providers.ptr[0].type, "ova");
  assert_string_equal (set->providers.ptr[0].url, "filer:/exports/ova");
  assert_string_equal (set->providers.ptr[0].secret.name, "ova");
  assert_string_equal (set->secrets.ptr[0].provider_type, "ova");
  assert_string_equal (key_value_get (&set->secrets.ptr[0].data, "url"),
                       "filer:/exports/ova");
  secret = plan_find_secret (set, &keys, "elsewhere");
  assert_non_null (secret);
  assert_string_equal (key_value_get (&secret->data, "first"), "sesame");
  assert_int_equal (secret->data.ptr[1].len, 3);
  assert_memory_equal (secret->data.ptr[1].value, "\xff\x81\xfe", 4);

  nets = set->network_maps.ptr[0].rows.ptr;
  assert_int_equal (set->network_maps.ptr[0].rows.len, 3);
  assert_int_equal (nets[0].kind, NETWORK_POD);
  assert_int_equal (nets[1].kind, NETWORK_MULTUS);
  assert_int_equal (nets[2].kind, NETWORK_IGNORED);
  assert_string_equal (nets[0].source.name, "VM Network");
  assert_string_equal (nets[1].source.id, "4e3a");
  assert_string_equal (nets[1].namespace_, "net");
  assert_string_equal (nets[1].name, "storage-lan");
  assert_null (nets[1].source.name);

  disks = set->storage_maps.ptr[0].rows.ptr;
  assert_int_equal (set->storage_maps.ptr[0].rows.len, 2);
  assert_string_equal (disks[0].storage_class, "standard");
  assert_string_equal (disks[0].access_mode, "ReadWriteOnce");
  assert_string_equal (disks[0].volume_mode, "Filesystem");
  assert_string_equal (disks[1].access_mode, "ReadOnlyMany");
  assert_string_equal (disks[1].volume_mode, "Block");

  hook = &set->hooks.ptr[0];
  assert_string_equal (hook->image, "quay.io/kubev2v/hook-runner:latest");
  assert_string_equal (hook->service_account, "runner");
  assert_string_equal (hook->playbook,
                       "---\n- hosts: localhost\n  tasks: []\n");
  assert_int_equal (hook->deadline, 300);
  assert_string_equal (set->nads.ptr[0].route, "10.0.0.1");

  p = &set->plans.ptr[0];
  assert_string_equal (p->meta.name, "plan1");
  assert_string_equal (p->meta.namespace_, "mig");
  assert_string_equal (p->description, description);
  assert_string_equal (p->source.name, "ova");
  assert_string_equal (p->destination.name, "host");
  assert_string_equal (p->network_map.name, "nets");
  assert_string_equal (p->storage_map.namespace_, "mig");
  assert_string_equal (p->transfer_network.name, "transfer");
  assert_string_equal (p->target_namespace, "shop");
  assert_false (p->warm);
  assert_true (p->preserve_static_ips);
  assert_false (p->preserve_cluster_cpu_model);
  assert_false (p->migrate_shared_disks);
  assert_true (p->skip_guest_conversion);
  assert_false (p->use_compatibility_mode);
  assert_true (p->delete_vm_on_fail);
  assert_false (p->archived);
  assert_false (p->pvc_name_use_generate_name);
  assert_string_equal (p->pvc_name_template,
                       "{{.VmName}}-disk-{{.DiskIndex}}");
  assert_string_equal (p->volume_name_template, "disk-{{.VolumeIndex}}");
  assert_string_equal (p->network_name_template, "net-{{.NetworkIndex}}");
  assert_string_equal (key_value_get (&p->target_labels, "team"), "shop");
  assert_string_equal (key_value_get (&p->target_node_selector, "disk"),
                       "ssd");
  assert_int_equal (p->power, POWER_ON);

  assert_int_equal (p->vms.len, 2);
  vm = &p->vms.ptr[0];
  assert_string_equal (vm->ref.id, "0a1b2c3d-0000-4000-8000-000000000001");
  assert_null (vm->ref.name);
  assert_int_equal (vm->hooks.len, 0);
  assert_int_equal (vm->power, POWER_ON);       /* the plan's */
  assert_true (vm->delete_vm_on_fail);          /* the plan's */
  vm = &p->vms.ptr[1];
  assert_string_equal (vm->ref.name, "web 01");
  assert_string_equal (vm->target_name, "web-01");
  assert_string_equal (vm->pvc_name_template, "{{.VmName}}-{{.DiskIndex}}");
  assert_string_equal (vm->volume_name_template, "v-{{.VolumeIndex}}");
  assert_string_equal (vm->network_name_template, "n-{{.NetworkIndex}}");
  assert_string_equal (vm->root_disk, "/dev/sdb");
  assert_string_equal (vm->instance_type, "u1.medium");
  assert_string_equal (vm->luks.name, "keys");
  assert_int_equal (vm->power, POWER_OFF);
  assert_int_equal (vm->hooks.len, 2);
  assert_false (vm->hooks.ptr[0].post);
  assert_true (vm->hooks.ptr[1].post);
  assert_string_equal (vm->hooks.ptr[1].hook.name, "quiesce");

  m = &set->migrations.ptr[0];
  assert_string_equal (m->plan.name, "plan1");
  assert_string_equal (m->cutover, "2024-04-04T01:23:45.678+09:00");
  assert_int_equal (m->cancel.len, 2);
  assert_string_equal (m->cancel.ptr[1].name, "web 01");
}

/* YAML, with CR LF, and as JSON: the same. */
static void
test_everything (void **state)
{
  static const struct { const char *file, *description; } cases[] = {
    { DATA "valid/everything.yaml", "the web shop" },
    { DATA "valid/crlf.yaml", "the web shop" },
    { DATA "valid/list.json", "the web shop" },
    { DATA "valid/list-one-line.json", "rocket \U0001f680 shop" },
  };
  problem_vector problems = EMPTY_VECTOR;
  struct plan_set set;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (cases); ++i) {
    must_load (cases[i].file, &set, &problems);
    assert_int_equal (problems.len, 0);
    check_everything (&set, cases[i].description);
    if (i < 2) {
      assert_string_equal (set.plans.ptr[0].vms.ptr[1].ref.where.file,
                           cases[i].file);
      assert_int_equal (set.plans.ptr[0].vms.ptr[1].ref.where.line, 142);
      assert_int_equal (set.plans.ptr[0].vms.ptr[1].ref.where.column, 7);
    }
    plan_set_free (&set);
  }
}

static void
test_defaults (void **state)
{
  problem_vector problems = EMPTY_VECTOR;
  struct plan_set set;
  const struct plan *p;

  must_load (DATA "valid/cpu-model-in-metadata.yaml", &set, &problems);
  p = &set.plans.ptr[0];
  assert_string_equal (p->meta.namespace_, "default");
  assert_true (p->preserve_cluster_cpu_model);
  assert_false (p->preserve_static_ips);
  assert_false (p->warm);
  assert_true (p->migrate_shared_disks);
  assert_true (p->use_compatibility_mode);
  assert_true (p->pvc_name_use_generate_name);
  assert_false (p->skip_guest_conversion);
  assert_false (p->delete_vm_on_fail);
  assert_int_equal (p->vms.ptr[0].power, POWER_AUTO);
  assert_null (p->description);
  assert_null (p->transfer_network.name);
  assert_null (p->vms.ptr[0].luks.name);
  problem_vector_free (&problems);
  plan_set_free (&set);

  must_load (DATA "valid/newer-fields.yaml", &set, &problems);
  assert_int_equal (set.plans.ptr[0].type, PLAN_TYPE_COLD);
  problem_vector_free (&problems);
  plan_set_free (&set);

  must_load (DATA "valid/vsphere-host-without-secret.yaml", &set, &problems);
  /* stringData wins over data */
  assert_int_equal (set.secrets.ptr[0].data.len, 4);
  assert_string_equal (key_value_get (&set.secrets.ptr[0].data, "user"),
                       "root");
  assert_string_equal (key_value_get (&set.secrets.ptr[0].data, "password"),
                       "not-shown");
  assert_null (set.hosts.ptr[0].secret.name);
  assert_string_equal (set.hosts.ptr[0].ip_address, "fd00::1");
  problem_vector_free (&problems);
  plan_set_free (&set);
}

static void
test_merged (void **state)
{
  problem_vector problems = EMPTY_VECTOR;
  const struct storage_map_row *rows;
  struct plan_set set;

  must_load (DATA "valid/anchors-and-merge-keys.yaml", &set, &problems);
  assert_int_equal (problems.len, 0);
  assert_string_equal (set.storage_maps.ptr[0].destination.name, "host");
  assert_string_equal (set.storage_maps.ptr[0].destination.namespace_,
                       "mig");
  rows = set.storage_maps.ptr[0].rows.ptr;
  assert_string_equal (rows[1].storage_class, "standard");
  assert_string_equal (rows[2].storage_class, "fast");
  assert_string_equal (rows[2].access_mode, "ReadWriteOnce");
  assert_string_equal (rows[2].volume_mode, "Block");
  plan_set_free (&set);

  must_load (DATA "valid/openshift-source.yaml", &set, &problems);
  assert_string_equal (set.network_maps.ptr[0].rows.ptr[1].namespace_,
                       "net");
  assert_string_equal (set.network_maps.ptr[0].rows.ptr[1].name, "lan");
  assert_string_equal (set.network_maps.ptr[0].rows.ptr[0].source.type,
                       "pod");
  problem_vector_free (&problems);
  plan_set_free (&set);
}

static void
test_lookup (void **state)
{
  static const char dummy[] = "Dummy storage for source provider ova";
  struct network_map_row net_rows[] = {
    { .source = { .id = "n1", .name = "one" }, .name = "a" },
    { .source = { .name = "one" }, .name = "b" },
    { .source = { .name = "two" }, .name = "c" },
  };
  struct storage_map_row disk_rows[] = {
    { .source = { .name = (char *) dummy }, .storage_class = "all" },
    { .source = { .id = "d1" }, .storage_class = "first" },
    { .source = { .name = "disk2" }, .storage_class = "second" },
  };
  const struct plan_network_map nets = {
    .rows = { net_rows, ARRAY_SIZE (net_rows), 0 } };
  const struct plan_storage_map disks = {
    .rows = { disk_rows, ARRAY_SIZE (disk_rows), 0 } };

  assert_string_equal (plan_map_network (&nets, "n1", "x")->name, "a");
  /* A row with an id means that network only. */
  assert_string_equal (plan_map_network (&nets, "n2", "one")->name, "b");
  assert_string_equal (plan_map_network (&nets, NULL, "two")->name, "c");
  assert_null (plan_map_network (&nets, "n3", "three"));
  assert_null (plan_map_network (&nets, NULL, NULL));

  assert_string_equal (plan_map_storage (&disks, "d1", "disk2", "ova")
                       ->storage_class, "first");
  assert_string_equal (plan_map_storage (&disks, "d2", "disk2", "ova")
                       ->storage_class, "second");
  assert_string_equal (plan_map_storage (&disks, "d3", "disk3", "ova")
                       ->storage_class, "all");
  assert_null (plan_map_storage (&disks, "d3", "disk3", "other"));
  assert_null (plan_map_storage (&disks, "d3", "disk3", NULL));
}

/* Several files are one set; the same file twice is refused. */
static void
test_files (void **state)
{
  const char *twice[] = { DATA "valid/everything.yaml",
                          DATA "valid/everything.yaml" };
  const char *different[] = { DATA "valid/everything.yaml",
                              DATA "valid/newer-fields.yaml" };
  const char *missing = DATA "valid/is-not-there.yaml", *folder = DATA;
  problem_vector problems = EMPTY_VECTOR;
  struct plan_set set;
  CLEANUP_FREE char *text = NULL;

  assert_int_equal (load_files (different, 2, &set, &problems), 0);
  assert_int_equal (set.plans.len, 2);
  assert_false (problem_any_critical (&problems));
  problem_vector_free (&problems);
  plan_set_free (&set);

  assert_int_equal (load_files (twice, 2, &set, &problems), 0);
  assert_int_equal (problems.len, 9);
  assert_string_equal (problems.ptr[0].type, "DuplicateObject");
  text = printed (&problems);
  assert_non_null (strstr (text, "Plan mig/plan1: stands already in "
                           DATA "valid/everything.yaml:111"));
  problem_vector_free (&problems);
  plan_set_free (&set);

  assert_int_equal (load_files (&missing, 1, &set, &problems), -1);
  plan_set_free (&set);
  assert_int_equal (load_files (&folder, 1, &set, &problems), -1);
  plan_set_free (&set);
  assert_int_equal (load_files (NULL, 0, &set, &problems), 0);
  assert_int_equal (plan_check (&set, &problems), 0);
  plan_set_free (&set);
  assert_int_equal (problems.len, 0);
}

static void
test_stdin (void **state)
{
  const char *file = "-";
  problem_vector problems = EMPTY_VECTOR;
  struct plan_set set;
  int saved = dup (STDIN_FILENO);

  assert_non_null (freopen (DATA "valid/everything.yaml", "r", stdin));
  must_load (file, &set, &problems);
  check_everything (&set, "the web shop");
  plan_set_free (&set);
  assert_int_not_equal (dup2 (saved, STDIN_FILENO), -1);
  close (saved);
}

/* The number of problems is limited, and none is forgotten in silence. */
static void
test_many_problems (void **state)
{
  problem_vector problems = EMPTY_VECTOR;
  struct plan_set set;
  char name[] = "/tmp/test-plan.XXXXXX";
  const char *file = name;
  int fd = mkstemp (name), i;
  CLEANUP_FCLOSE FILE *fp = fdopen (fd, "w");

  assert_non_null (fp);
  fputs ("apiVersion: forklift.konveyor.io/v1beta1\nkind: Plan\n"
         "metadata: {name: p}\nspec:\n  vms:\n", fp);
  for (i = 0; i < 5000; ++i)
    fprintf (fp, "  - {wrong: x%d}\n", i);
  fflush (fp);
  must_load (file, &set, &problems);
  unlink (name);
  assert_int_equal (problems.len, 1001);
  assert_string_equal (problems.ptr[1000].type, "TooManyProblems");
  assert_int_equal (problems.ptr[1000].category, PROBLEM_CRITICAL);
  problem_vector_free (&problems);
  plan_set_free (&set);
}

static void
test_problems (void **state)
{
  const struct plan_where where = { "f.yaml", 3, 0 };
  problem_vector problems = EMPTY_VECTOR;
  CLEANUP_FREE char *text = NULL, *json = NULL;
  json_t *j;

  assert_int_equal (problem_add (&problems, PROBLEM_WARN, "Type", &where,
                                 "Plan a/b", "spec.x", "do y", "is %d", 5),
                    0);
  assert_false (problem_any_critical (&problems));
  assert_int_equal (problem_add (&problems, PROBLEM_CRITICAL, "T2", NULL,
                                 NULL, NULL, NULL, "bad"), 0);
  assert_int_equal (problem_add (&problems, PROBLEM_ADVISORY, "T3", NULL,
                                 NULL, "p", NULL, "so"), 0);
  assert_true (problem_any_critical (&problems));
  text = printed (&problems);
  assert_string_equal (text,
                       "f.yaml:3: warning: Plan a/b: spec.x: is 5 (do y)\n"
                       "error: bad\n"
                       "note: p: so\n");
  j = problem_to_json (&problems);
  json = json_dumps (j, JSON_COMPACT);
  json_decref (j);
  assert_string_equal (json, "[{\"category\":\"Warn\",\"type\":\"Type\","
                       "\"file\":\"f.yaml\",\"line\":3,"
                       "\"object\":\"Plan a/b\",\"path\":\"spec.x\","
                       "\"message\":\"is 5\",\"suggestion\":\"do y\"},"
                       "{\"category\":\"Critical\",\"type\":\"T2\","
                       "\"message\":\"bad\"},"
                       "{\"category\":\"Advisory\",\"type\":\"T3\","
                       "\"path\":\"p\",\"message\":\"so\"}]");
  problem_vector_free (&problems);
  problem_vector_free (&problems);
}

static void
test_dns1123 (void **state)
{
  char name[260];

  assert_true (dns1123_label ("a"));
  assert_true (dns1123_label ("0-9"));
  assert_false (dns1123_label (""));
  assert_false (dns1123_label ("-a"));
  assert_false (dns1123_label ("a-"));
  assert_false (dns1123_label ("A"));
  assert_false (dns1123_label ("a.b"));
  assert_false (dns1123_label ("a_b"));
  assert_false (dns1123_label ("a b"));
  assert_false (dns1123_label ("\xc3\xa9"));
  assert_true (dns1123_subdomain ("a.b"));
  assert_true (dns1123_subdomain ("a-1.b-2.c"));
  assert_false (dns1123_subdomain (""));
  assert_false (dns1123_subdomain ("."));
  assert_false (dns1123_subdomain ("a..b"));
  assert_false (dns1123_subdomain ("a."));
  assert_false (dns1123_subdomain (".a"));
  assert_false (dns1123_subdomain ("a.-b"));
  memset (name, 'a', sizeof name);
  name[63] = '\0';
  assert_true (dns1123_label (name));
  name[63] = 'a';
  name[64] = '\0';
  assert_false (dns1123_label (name));
  assert_true (dns1123_subdomain (name));
  name[64] = 'a';
  name[253] = '\0';
  assert_true (dns1123_subdomain (name));
  name[253] = 'a';
  name[254] = '\0';
  assert_false (dns1123_subdomain (name));
}

static void
test_closest_word (void **state)
{
  static const char *const words[] =
    { "targetNamespace", "warm", "vms", "preserveStaticIPs" };
  const size_t n = ARRAY_SIZE (words);

  assert_string_equal (closest_word ("targetnamespace", words, n),
                       "targetNamespace");
  assert_string_equal (closest_word ("targetNamepsace", words, n),
                       "targetNamespace");
  assert_string_equal (closest_word ("wram", words, n), "warm");
  assert_string_equal (closest_word ("vm", words, n), "vms");
  assert_string_equal (closest_word ("preserveStaticIP", words, n),
                       "preserveStaticIPs");
  assert_null (closest_word ("description", words, n));
  assert_null (closest_word ("", words, n));
  assert_null (closest_word ("a-word-that-is-far-longer-than-any-field-of-"
                             "any-kind-could-ever-be", words, n));
}

/* Prints nothing: what is expected to be reported is. */
static void
silent (enum log_level level, const char *text, void *opaque)
{
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_valid),
    cmocka_unit_test (test_invalid),
    cmocka_unit_test (test_no_secrets),
    cmocka_unit_test (test_everything),
    cmocka_unit_test (test_defaults),
    cmocka_unit_test (test_merged),
    cmocka_unit_test (test_lookup),
    cmocka_unit_test (test_files),
    cmocka_unit_test (test_stdin),
    cmocka_unit_test (test_many_problems),
    cmocka_unit_test (test_problems),
    cmocka_unit_test (test_dns1123),
    cmocka_unit_test (test_closest_word),
  };

  log_set_sink (silent, NULL);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
