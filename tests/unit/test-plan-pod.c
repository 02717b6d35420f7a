/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift-plan(5) and the tables of fields say the same: each field of a
 * table is described under its kind with its type, each field described
 * is in a table, the example of each kind has all its fields, and the
 * examples load.  Each field has its origin, its default and an example of
 * its own, which loads where it belongs.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/include/cleanup.h"
#include "common/util/strbuf.h"
#include "driver/plan/plan.h"

#define POD "driver/plan/nbdlift-plan.pod"

static char *pod;               /* the page */
static char *fields;            /* what plan_list_fields prints */

static int
setup (void **state)
{
  FILE *fp = fopen (POD, "r");
  size_t len, cap = 0;

  assert_non_null (fp);
  assert_true (getdelim (&pod, &cap, '\0', fp) > 10000);
  fclose (fp);

  fp = open_memstream (&fields, &len);
  assert_non_null (fp);
  plan_list_fields (fp);
  fclose (fp);
  assert_true (len > 1000);
  return 0;
}

static int
teardown (void **state)
{
  free (pod);
  free (fields);
  return 0;
}

/* The N bytes at S, malloc'ed. */
static char *
copy_of (const char *s, size_t n)
{
  char *ret = NULL;

  assert_int_not_equal (asprintf (&ret, "%.*s", (int) n, s), -1);
  return ret;
}

/* The text of the section of KIND, malloc'ed. */
static char *
section (const char *kind)
{
  CLEANUP_FREE char *head = NULL;
  const char *begin, *end;
  char *p;

  assert_int_not_equal (asprintf (&head, "\n=head1 %s\n", kind), -1);
  for (p = head + 8; *p; ++p)
    *p = (char) toupper ((unsigned char) *p);
  begin = strstr (pod, head);
  if (begin == NULL) {
    fail_msg ("no section %s", kind);
    return NULL;
  }
  end = strstr (begin + 2, "\n=head1 ");
  assert_non_null (end);
  return copy_of (begin, end - begin);
}

/* One line of FIELDS. */
struct line {
  char kind[64], path[128], type[32], use[16];
};

/* Split the line at *P and move on.  False at the end. */
static bool
next_line (const char **p, struct line *l)
{
  char *parts[] = { l->kind, l->path, l->type, l->use };
  const size_t sizes[] = { sizeof l->kind, sizeof l->path, sizeof l->type,
                           sizeof l->use };
  size_t i, n;

  if (**p == '\0')
    return false;
  for (i = 0; i < 4; ++i) {
    n = strcspn (*p, " \n");
    assert_true (n > 0 && n < sizes[i]);
    memcpy (parts[i], *p, n);
    parts[i][n] = '\0';
    *p += n + 1;
  }
  return true;
}

static bool
is_credential (const struct line *l)
{
  return strcmp (l->kind, "Secret") == 0 &&
    strncmp (l->path, "metadata", 8) != 0 && strchr (l->path, '.');
}

/* Fields that the page describes once for all kinds. */
static bool
is_common (const struct line *l)
{
  return strcmp (l->path, "metadata") == 0 ||
    (strcmp (l->path, "spec") == 0 && strcmp (l->type, "object") == 0);
}

static void
test_described (void **state)
{
  CLEANUP_FREE char *text = section ("metadata"), *want = NULL;
  const char *p = fields;
  char kind[64] = "metadata";
  struct line l;
  size_t nr = 0;

  while (next_line (&p, &l)) {
    if (is_credential (&l) || is_common (&l))
      continue;
    if (strncmp (l.path, "metadata.", 9) == 0)
      snprintf (l.kind, sizeof l.kind, "metadata");
    if (strcmp (kind, l.kind) != 0) {
      free (text);
      text = section (l.kind);
      snprintf (kind, sizeof kind, "%s", l.kind);
    }
    free (want);
    if (strcmp (l.use, "unused") == 0)
      assert_int_not_equal (asprintf (&want, "C<%s>", l.path), -1);
    else if (strcmp (l.kind, "metadata") == 0)
      assert_int_not_equal (asprintf (&want, "\n=item B<%s> (%s%s)\n",
                                      l.path, l.type,
                                      strcmp (l.use, "required") == 0
                                      ? ", required" : ""), -1);
    else
      assert_int_not_equal (asprintf (&want, "\n=item %s: B<%s> (%s%s)\n",
                                      l.kind, l.path, l.type,
                                      strcmp (l.use, "required") == 0
                                      ? ", required" : ""), -1);
    if (strstr (text, want) == NULL)
      fail_msg ("section %s lacks: %s", kind, want);
    nr++;
  }
  assert_true (nr > 100);
}

/* The keys of credentials, by type of provider. */
static void
test_credentials (void **state)
{
  CLEANUP_FREE char *text = section ("Secret");
  CLEANUP_FREE char *head = NULL, *item = NULL, *want = NULL;
  const char *p = fields, *begin, *end, *key;
  struct line l;
  size_t nr = 0;

  while (next_line (&p, &l)) {
    if (!is_credential (&l))
      continue;
    key = strchr (l.path, '.') + 1;
    free (head);
    assert_int_not_equal (asprintf (&head, "\n=item B<%.*s>\n",
                                    (int) (key - 1 - l.path), l.path), -1);
    begin = strstr (text, head);
    if (begin == NULL) {
      fail_msg ("the section on Secrets lacks: %s", head);
      return;
    }
    end = strstr (begin + 2, "\n=");
    assert_non_null (end);
    free (item);
    item = copy_of (begin, end - begin);
    free (want);
    assert_int_not_equal (asprintf (&want, "B<%s>", key), -1);
    if (strstr (item, want) == NULL)
      fail_msg ("%s is not described for %s", want, head);
    nr++;
  }
  assert_true (nr > 40);
}

/* Nothing is described that is not in a table. */
static void
test_known (void **state)
{
  const char *p = pod, *end, *item;
  CLEANUP_FREE char *path = NULL, *want = NULL;
  char heading[64] = "", kind[64];
  size_t i, nr = 0;

  for (; *p; p = end + (*end == '\n')) {
    end = strchr (p, '\n');
    if (end == NULL)
      end = p + strlen (p);
    if (strncmp (p, "=head1 ", 7) == 0) {
      snprintf (heading, sizeof heading, "%.*s", (int) (end - p - 7), p + 7);
      continue;
    }
    item = memmem (p, end - p, " B<", 3);
    if (strncmp (p, "=item ", 6) != 0 || item == NULL ||
        (strncmp (item, " B<spec", 7) != 0 &&
         strncmp (item, " B<metadata", 11) != 0))
      continue;
    p = item + 3;
    free (path);
    path = copy_of (p, strcspn (p, ">"));
    free (want);
    assert_int_not_equal (asprintf (&want, " %s ", path), -1);
    if (strstr (fields, want) == NULL)
      fail_msg ("%s is in no table", path);
    /* and in the table of that kind */
    if (strcmp (heading, "METADATA") != 0) {
      const char *q = fields;
      struct line l;
      bool found = false;

      while (!found && next_line (&q, &l)) {
        for (i = 0; l.kind[i]; ++i)
          kind[i] = (char) toupper ((unsigned char) l.kind[i]);
        kind[i] = '\0';
        found = strcmp (kind, heading) == 0 && strcmp (l.path, path) == 0 &&
          strcmp (l.use, "unused") != 0;
      }
      if (!found)
        fail_msg ("%s has no field %s", heading, path);
    }
    nr++;
  }
  assert_true (nr > 80);
}

/* The example in the section of KIND, without its indentation. */
static char *
example (const char *kind)
{
  CLEANUP_FREE char *text = section (kind);
  struct strbuf b = { 0 };
  const char *p, *end;

  p = strstr (text, "\n apiVersion: ");
  if (p == NULL) {
    fail_msg ("no example of %s", kind);
    return NULL;
  }
  p++;
  while (*p == ' ') {
    end = strchrnul (p, '\n');
    strbuf_append_bytes (&b, p + 1, end - p - 1);
    strbuf_append_char (&b, '\n');
    p = *end ? end + 1 : end;
  }
  return strbuf_steal (&b);
}

static void
test_examples (void **state)
{
  static const char *const kinds[] = {
    "Secret", "Provider", "Host", "NetworkMap", "StorageMap", "Hook",
    "NetworkAttachmentDefinition", "Plan", "Migration" };
  char name[] = "/tmp/test-plan-pod.XXXXXX";
  const char *file = name, *p, *last;
  CLEANUP_FREE char *text = NULL, *want = NULL;
  problem_vector problems = EMPTY_VECTOR;
  struct plan_set set;
  struct line l;
  size_t i;
  FILE *fp;
  int fd;

  for (i = 0; i < sizeof kinds / sizeof kinds[0]; ++i) {
    free (text);
    text = example (kinds[i]);
    snprintf (name, sizeof name, "/tmp/test-plan-pod.XXXXXX");
    fd = mkstemp (name);
    assert_int_not_equal (fd, -1);
    fp = fdopen (fd, "w");
    fputs (text, fp);
    fclose (fp);
    assert_int_equal (plan_load (&file, 1, &set, &problems), 0);
    unlink (name);
    if (problems.len > 0) {
      problem_print (stderr, &problems);
      fail_msg ("the example of %s:\n%s", kinds[i], text);
    }
    assert_int_equal (set.secrets.len + set.providers.len + set.hosts.len +
                      set.network_maps.len + set.storage_maps.len +
                      set.hooks.len + set.nads.len + set.plans.len +
                      set.migrations.len, 1);
    plan_set_free (&set);

    /* Every field is in the example. */
    for (p = fields; next_line (&p, &l); ) {
      if (strcmp (l.kind, kinds[i]) != 0 || is_credential (&l) ||
          strcmp (l.use, "unused") == 0 ||
          strncmp (l.path, "metadata.", 9) == 0)
        continue;
      last = strrchr (l.path, '.');
      last = last ? last + 1 : l.path;
      free (want);
      assert_int_not_equal (asprintf (&want, "%.*s:",
                                      (int) strcspn (last, "["), last), -1);
      if (strstr (text, want) == NULL)
        fail_msg ("the example of %s lacks %s", kinds[i], l.path);
    }
  }
}

/* Load TEXT as a file, which FILE names.  The problems are the caller's. */
static problem_vector
load_text (const char *text)
{
  char name[] = "/tmp/test-plan-pod.XXXXXX";
  const char *file = name;
  problem_vector problems = EMPTY_VECTOR;
  struct plan_set set;
  FILE *fp;
  int fd = mkstemp (name);

  assert_int_not_equal (fd, -1);
  fp = fdopen (fd, "w");
  assert_non_null (fp);
  fputs (text, fp);
  fclose (fp);
  assert_int_equal (plan_load (&file, 1, &set, &problems), 0);
  unlink (name);
  plan_set_free (&set);
  return problems;
}

/* The item that begins with HEAD in TEXT, malloc'ed. */
static char *
item_of (const char *text, const char *head)
{
  const char *begin = strstr (text, head), *end;

  if (begin == NULL) {
    fail_msg ("no item %s", head);
    return NULL;
  }
  end = strstr (begin + 2, "\n=");
  assert_non_null (end);
  return copy_of (begin, end + 1 - begin);
}

/* Where a field is from, and what holds without it: the first line of its
 * description.
 */
static void
check_origin (const char *item, const char *head, bool required)
{
  static const char *const origins[] = {
    "MTV", "Kubernetes", "nbdlift", "Forklift 2.9", "Forklift 2.10",
    "Forklift 2.11", "Forklift 2.12" };
  const char *line = item + strlen (head) + 1, *rest = NULL;
  size_t i, n;

  if (strncmp (line, "From ", 5) == 0)
    for (i = 0; i < sizeof origins / sizeof origins[0]; ++i) {
      n = strlen (origins[i]);
      if (strncmp (line + 5, origins[i], n) == 0 &&
          strncmp (line + 5 + n, "; ", 2) == 0)
        rest = line + 5 + n + 2;
    }
  if (rest == NULL)
    fail_msg ("%s: does not begin with From ...", head);
  else if (required != (strncmp (rest, "required.\n", 10) == 0) ||
           (!required && strncmp (rest, "no default.\n", 12) != 0 &&
            strncmp (rest, "default C<", 10) != 0 &&
            strncmp (rest, "default: ", 9) != 0))
    fail_msg ("%s: says %.*s", head, (int) strcspn (rest, "\n"), rest);
}

/* Append the lines of verbatim text at TEXT, INDENT to the right of where
 * they were.
 */
static void
append_verbatim (struct strbuf *b, const char *text, unsigned indent)
{
  const char *end;

  for (; *text == ' '; text = *end ? end + 1 : end) {
    end = strchrnul (text, '\n');
    assert_int_equal (strbuf_printf (b, "%*s%.*s\n", (int) indent, "",
                                     (int) (end - text - 1), text + 1), 0);
  }
}

/* A manifest with nothing but the field L, as EXAMPLE has it. */
static char *
manifest_of (const struct line *l, const char *example)
{
  struct strbuf b = { 0 };
  const char *p = l->path;
  const char *group = strcmp (l->kind, "Secret") == 0 ? "v1" :
    strcmp (l->kind, "NetworkAttachmentDefinition") == 0
    ? "k8s.cni.cncf.io/v1" : "forklift.konveyor.io/v1beta1";
  unsigned indent = 0;
  size_t n;

  strbuf_printf (&b, "apiVersion: %s\nkind: %s\n", group, l->kind);
  for (; (n = strcspn (p, ".")) < strlen (p); p += n + 1) {
    if (p[n - 1] == ']') {      /* the next field begins an entry */
      strbuf_printf (&b, "%*s%.*s:\n%*s-\n", (int) indent, "",
                     (int) n - 2, p, (int) indent, "");
    }
    else
      strbuf_printf (&b, "%*s%.*s:\n", (int) indent, "", (int) n, p);
    indent += 2;
  }
  append_verbatim (&b, example, indent);
  return strbuf_steal (&b);
}

/* Is PROBLEM about the field PATH ("spec.vms[]"), or one inside of it, or
 * about the text as such?
 */
static bool
concerns (const struct problem *problem, const char *path)
{
  const char *p = problem->path, *q = path;

  if (p == NULL)
    return true;
  while (*p && *q) {
    if (*p != *q)
      return false;
    if (*p == '[') {
      p += strcspn (p, "]");
      q += strcspn (q, "]");
    }
    p++;
    q++;
  }
  return *q == '\0' && (*p == '\0' || *p == '.' || *p == '[');
}

/* The examples of single fields. */
static void
test_fields (void **state)
{
  CLEANUP_FREE char *text = NULL, *head = NULL, *item = NULL, *name = NULL;
  CLEANUP_FREE char *manifest = NULL;
  const char *p = fields, *last, *snippet;
  problem_vector problems;
  struct line l;
  size_t i, nr = 0;

  while (next_line (&p, &l)) {
    const bool common = strncmp (l.path, "metadata.", 9) == 0;
    const bool required = strcmp (l.use, "required") == 0;

    if (is_credential (&l) || is_common (&l) ||
        strcmp (l.use, "unused") == 0)
      continue;
    free (text);
    text = section (common ? "metadata" : l.kind);
    free (head);
    assert_int_not_equal (asprintf (&head, "\n=item %s%sB<%s> (%s%s)\n",
                                    common ? "" : l.kind,
                                    common ? "" : ": ", l.path, l.type,
                                    required ? ", required" : ""), -1);
    free (item);
    item = item_of (text, head);
    check_origin (item, head, required);

    /* the last paragraph, which begins with the field's name */
    last = strrchr (l.path, '.');
    last = last ? last + 1 : l.path;
    free (name);
    assert_int_not_equal (asprintf (&name, "\n\n %.*s: ",
                                    (int) strcspn (last, "["), last), -1);
    snippet = strstr (item, name);
    if (snippet == NULL) {      /* or alone on its line */
      name[strlen (name) - 1] = '\n';
      snippet = strstr (item, name);
    }
    if (snippet == NULL) {
      fail_msg ("%s: no example", head);
      return;
    }
    free (manifest);
    manifest = manifest_of (&l, snippet + 2);
    problems = load_text (manifest);
    for (i = 0; i < problems.len; ++i)
      if (concerns (&problems.ptr[i], l.path) ||
          strcmp (problems.ptr[i].type, "UnknownField") == 0) {
        problem_print (stderr, &problems);
        fail_msg ("the example of %s %s:\n%s", l.kind, l.path, manifest);
      }
    problem_vector_free (&problems);
    nr++;
  }
  assert_true (nr > 100);
}

/* The examples of Secrets, by type of provider. */
static void
test_secrets (void **state)
{
  static const char *const types[] =
    { "ova", "vsphere", "ovirt", "openstack", "openshift", "host" };
  CLEANUP_FREE char *text = section ("Secret");
  CLEANUP_FREE char *head = NULL, *item = NULL;
  const char *p;
  size_t i, nr = 0;

  for (i = 0; i < sizeof types / sizeof types[0]; ++i) {
    const bool host = strcmp (types[i], "host") == 0;

    free (head);
    assert_int_not_equal (asprintf (&head, "\n=item B<%s>\n", types[i]), -1);
    free (item);
    item = item_of (text, head);
    p = strstr (item, "\n stringData:\n");
    if (p == NULL)
      fail_msg ("no example of a Secret for %s", types[i]);
    for (; p; p = strstr (p + 1, "\n stringData:\n")) {
      struct strbuf b = { 0 };
      CLEANUP_FREE char *manifest = NULL;
      problem_vector problems;

      strbuf_printf (&b, "apiVersion: v1\nkind: Secret\nmetadata:\n"
                     "  name: x\n  labels: {%s: %s}\n", host ?
                     "createdForResourceType" : "createdForProviderType",
                     host ? "hosts" : types[i]);
      append_verbatim (&b, p + 1, 0);
      manifest = strbuf_steal (&b);
      problems = load_text (manifest);
      if (problems.len > 0) {
        problem_print (stderr, &problems);
        fail_msg ("the example of a Secret for %s:\n%s", types[i], manifest);
      }
      problem_vector_free (&problems);
      nr++;
    }
  }
  assert_int_equal (nr, 8);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_described),
    cmocka_unit_test (test_credentials),
    cmocka_unit_test (test_known),
    cmocka_unit_test (test_examples),
    cmocka_unit_test (test_fields),
    cmocka_unit_test (test_secrets),
  };

  return cmocka_run_group_tests (tests, setup, teardown);
}
