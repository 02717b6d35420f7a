/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The OVF parser on the descriptors of tests/data/ovf.
 *
 * valid/X.ovf is parsed, what was understood is written as text and must
 * equal valid/X.expected (UPDATE_EXPECTED=1 rewrites those: read the
 * difference before committing it).  invalid/X.ovf holds a comment
 * "error: TEXT": the one error must be "X.ovf:TEXT...", or hold TEXT if
 * that does not begin with a line number.
 */
#include "tests/unit/capture.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/strbuf.h"
#include "common/xml/xml.h"
#include "plugins/ova/ovf.h"

#define DATA "tests/data/ovf/"

static char *
read_text (const char *path)
{
  CLEANUP_FCLOSE FILE *fp = fopen (path, "r");
  struct strbuf b = { 0 };
  char buf[4096];
  size_t n;

  if (fp == NULL)
    fail_msg ("%s: %s", path, strerror (errno));
  while ((n = fread (buf, 1, sizeof buf, fp)) > 0)
    assert_int_equal (strbuf_append_bytes (&b, buf, n), 0);
  return strbuf_steal (&b);
}

static const char *
or_dash (const char *s)
{
  return s ? s : "-";
}

static void
dump_system (struct strbuf *b, const struct ovf *ovf,
             const struct ovf_system *s)
{
  const struct vm *vm = &s->vm;
  size_t i;

  strbuf_printf (b, "vm %s '%s' id=%s uuid=%s\n", s->id, vm->name, vm->id,
                 or_dash (vm->uuid));
  strbuf_printf (b, "  firmware=%s%s%s%s cpus=%u cores=%u memory=%" PRIu64
                 "\n", vm_firmware_name (vm->firmware),
                 vm->secure_boot ? " secure-boot" : "",
                 vm->tpm ? " tpm" : "", vm->nested_virt ? " nested" : "",
                 vm->cpus, vm->cores_per_socket, vm->memory);
  strbuf_printf (b, "  os=%s '%s' description='%s'\n", or_dash (vm->os),
                 or_dash (vm->os_name), or_dash (vm->description));
  for (i = 0; i < s->drives.len; i++) {
    const struct ovf_drive *d = &s->drives.ptr[i];

    strbuf_printf (b, "  drive %s instance=%s %s %s %u:%u\n",
                   ovf->disks.ptr[d->disk].id, or_dash (d->instance),
                   vm_bus_name (d->bus), or_dash (d->controller_model),
                   d->controller, d->unit);
  }
  for (i = 0; i < vm->nics.len; i++) {
    const struct vm_nic *n = &vm->nics.ptr[i];

    strbuf_printf (b, "  nic %s '%s' mac=%s model=%s network='%s' id=%s%s\n",
                   or_dash (n->id), or_dash (n->name), or_dash (n->mac),
                   or_dash (n->model), or_dash (n->network.name),
                   or_dash (n->network.id), n->connected ? " connected" : "");
  }
  for (i = 0; i < vm->concerns.len; i++)
    strbuf_printf (b, "  concern %s %s\n", vm->concerns.ptr[i].category,
                   vm->concerns.ptr[i].id);
}

static char *
dump (const struct ovf *ovf)
{
  struct strbuf b = { 0 };
  size_t i;

  strbuf_printf (&b, "version %u exporter %s\n", ovf->version,
                 ovf_exporter_name (ovf->exporter));
  for (i = 0; i < ovf->files.len; i++) {
    const struct ovf_file *f = &ovf->files.ptr[i];

    strbuf_printf (&b, "file %s href=%s size=%" PRIu64 " chunk=%" PRIu64
                   "%s\n", f->id, f->href, f->size, f->chunk_size,
                   f->gzip ? " gzip" : "");
  }
  for (i = 0; i < ovf->disks.len; i++) {
    const struct ovf_disk *d = &ovf->disks.ptr[i];

    strbuf_printf (&b, "disk %s file=%s capacity=%" PRIu64 " populated=%"
                   PRIu64 " uuid=%s\n", d->id,
                   d->file == OVF_NO_FILE ? "-" : ovf->files.ptr[d->file].id,
                   d->capacity, d->populated, or_dash (d->uuid));
  }
  for (i = 0; i < ovf->networks.len; i++)
    strbuf_printf (&b, "network '%s' '%s'\n", ovf->networks.ptr[i].name,
                   or_dash (ovf->networks.ptr[i].description));
  for (i = 0; i < ovf->systems.len; i++)
    dump_system (&b, ovf, ovf->systems.ptr[i]);
  return strbuf_steal (&b);
}

/* Call FN for each .ovf of FOLDER; there must be some. */
static void
for_each_ovf (const char *folder,
              void (*fn) (const char *path, const char *name))
{
  DIR *dir = opendir (folder);
  struct dirent *d;
  unsigned n = 0;

  if (dir == NULL)
    fail_msg ("%s: %s", folder, strerror (errno));
  while ((d = readdir (dir)) != NULL) {
    const char *dot = strrchr (d->d_name, '.');
    CLEANUP_FREE char *path = NULL;

    if (dot == NULL || strcmp (dot, ".ovf") != 0)
      continue;
    assert_return_code (asprintf (&path, "%s/%s", folder, d->d_name), 0);
    capture_start ();
    fn (path, d->d_name);
    n++;
  }
  closedir (dir);
  assert_true (n > 5);
}

static void
check_valid (const char *path, const char *name)
{
  CLEANUP_FREE char *text = read_text (path), *got = NULL, *want = NULL;
  CLEANUP_FREE char *expected = NULL;
  CLEANUP_OVF struct ovf *ovf = ovf_parse (text, strlen (text), name);
  CLEANUP_STRBUF struct strbuf all = { 0 };

  if (ovf == NULL)
    fail_msg ("%s: refused: %s", path, captured);
  got = dump (ovf);
  /* The warnings belong to the result. */
  strbuf_printf (&all, "%s%s", got, captured);
  assert_return_code (asprintf (&expected, "%.*sexpected",
                                (int) strlen (path) - 3, path), 0);
  if (getenv ("UPDATE_EXPECTED")) {
    CLEANUP_FCLOSE FILE *fp = fopen (expected, "w");

    assert_non_null (fp);
    fputs (all.ptr, fp);
    return;
  }
  want = read_text (expected);
  if (strcmp (all.ptr, want) != 0)
    fail_msg ("%s: expected:\n%s\ngot:\n%s", path, want, all.ptr);
}

static void
test_valid (void **state)
{
  for_each_ovf (DATA "valid", check_valid);
}

static void
check_invalid (const char *path, const char *name)
{
  CLEANUP_FREE char *text = read_text (path), *want = NULL;
  const char *start = strstr (text, "<!-- error: "), *end;
  struct ovf *ovf;

  assert_non_null (start);
  start += strlen ("<!-- error: ");
  end = strstr (start, " -->");
  assert_non_null (end);
  assert_return_code (
    asprintf (&want, "%s%s%.*s",
              isdigit ((unsigned char) start[0]) ? name : "",
              isdigit ((unsigned char) start[0]) ? ":" : "",
              (int) (end - start), start), 0);

  errno = 0;
  ovf = ovf_parse (text, strlen (text), name);
  if (ovf != NULL) {
    ovf_free (ovf);
    fail_msg ("%s: accepted", path);
  }
  assert_int_equal (errno, EINVAL);
  assert_error (want);
}

static void
test_invalid (void **state)
{
  for_each_ovf (DATA "invalid", check_invalid);
}

static void
test_units (void **state)
{
  static const struct {
    const char *text;
    uint64_t bytes;             /* 0: refused */
  } cases[] = {
    { "byte", 1 }, { "Bytes", 1 }, { " byte ", 1 },
    { "byte * 2^20", MIB }, { "byte*2^20", MIB },
    { "byte * 2 ^ 20", MIB }, { "byte * 1024 * 1024", MIB },
    { "byte * 2^10 * 2^10", MIB }, { "byte * 10^9", 1000000000 },
    { "byte * 512", 512 }, { "byte * 2^0", 1 },
    { "MegaBytes", MIB }, { "megabytes", MIB }, { "MB", MIB },
    { "GigaBytes", GIB }, { "GB", GIB }, { "KB", KIB },
    { "KiloBytes", KIB }, { "TB", UINT64_C (1) << 40 },
    { "byte * 2^63", UINT64_C (1) << 63 },
    { "", 0 }, { " ", 0 }, { "*", 0 }, { "byte *", 0 }, { "byte * ", 0 },
    { "byte * x", 0 }, { "byte 5", 0 }, { "byte * 2^", 0 },
    { "byte * 2^64", 0 }, { "byte * 2^99", 0 }, { "byte * 2^-10", 0 },
    { "byte * -1", 0 }, { "byte * 0", 0 }, { "byte / 8", 0 },
    { "byte * 2^40 * 2^40", 0 }, { "byte * 99999999999999999999", 0 },
    { "bit", 0 }, { "hertz * 10^6", 0 }, { "bytesx", 0 }, { "2^20", 0 },
    { "byte * 1.5", 0 }, { "count", 0 },
  };
  uint64_t r;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (cases); i++) {
    r = 12345;
    if (ovf_parse_units (cases[i].text, &r) != (cases[i].bytes != 0))
      fail_msg ("'%s'", cases[i].text);
    assert_int_equal (r, cases[i].bytes ? cases[i].bytes : 12345);
  }
}

/* Every beginning of a good descriptor is refused or parsed, never more. */
static void
test_truncated (void **state)
{
  CLEANUP_FREE char *text = read_text (DATA "valid/virtualbox.ovf");
  const size_t len = strlen (text);
  size_t i;

  for (i = 0; i < len - 1; i += 7) {
    capture_start ();
    assert_null (ovf_parse (text, i, "cut.ovf"));
    assert_int_equal (captured_errors, 1);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_units),
    cmocka_unit_test (test_valid),
    cmocka_unit_test (test_invalid),
    cmocka_unit_test (test_truncated),
  };

  xml_global_init ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
