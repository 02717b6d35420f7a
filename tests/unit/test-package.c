/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packages in a temporary folder: what is found, what is refused, and
 * the manifest against the files.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "plugins/ova/package.h"
#include "plugins/ova/store.h"
#include "tests/unit/tar_writer.h"

#define OVF "<Envelope href=\"disk.vmdk\"/>"

static char tmp[64];            /* a new folder for each test */
static char path_buf[8][512];

/* The file NAME in the folder of the test.  A few results live at once. */
static const char *
in_tmp (const char *name)
{
  static unsigned i;
  char *p = path_buf[i++ % 8];

  snprintf (p, sizeof path_buf[0], "%s/%s", tmp, name);
  return p;
}

static int
setup (void **state)
{
  snprintf (tmp, sizeof tmp, "/tmp/test-package.XXXXXX");
  capture_start ();
  return mkdtemp (tmp) ? 0 : -1;
}

static int
teardown (void **state)
{
  char cmd[128];

  snprintf (cmd, sizeof cmd, "rm -rf '%s'", tmp);
  return system (cmd);
}

static void
write_bytes (const char *name, const void *data, size_t n)
{
  FILE *fp = fopen (in_tmp (name), "w");

  assert_non_null (fp);
  assert_int_equal (fwrite (data, 1, n, fp), n);
  assert_int_equal (fclose (fp), 0);
}

static void
write_text (const char *name, const char *text)
{
  write_bytes (name, text, strlen (text));
}

static void
make_folder (const char *name)
{
  assert_int_equal (mkdir (in_tmp (name), 0755), 0);
}

/* An .ova of FILES: name, text, ..., NULL. */
static void
write_ova (const char *name, const char *const *files)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  for (; files[0]; files += 2)
    tar_put_file (&b, files[0], files[1]);
  tar_put_end (&b);
  write_bytes (name, b.ptr, b.len);
}

static struct package_set *
open_set (const char *name)
{
  static const struct package_options options = { 0 };

  capture_start ();
  return package_set_open (in_tmp (name), &options);
}

static struct package_set *
open_good (const char *name)
{
  struct package_set *set = open_set (name);

  if (set == NULL)
    fail_msg ("%s: %s", name, captured);
  assert_int_equal (captured_errors, 0);
  return set;
}

static void
open_refused (const char *name, int err, const char *text)
{
  assert_null (open_set (name));
  assert_int_equal (errno, err);
  assert_error (text);
}

static void
check_content (struct blob *blob, const char *text)
{
  char buf[1000] = "";

  assert_non_null (blob);
  assert_int_equal (blob->size, strlen (text));
  assert_int_equal (blob_pread (blob, buf, strlen (text), 0), 0);
  assert_string_equal (buf, text);
  blob_close (blob);
}

static void
check_find (const struct package *pkg, const char *href, const char *text)
{
  const struct package_file *f;

  capture_start ();
  f = package_find (pkg, href);
  if (f == NULL)
    fail_msg ("%s: %s", href, captured);
  check_content (package_open_file (pkg, f), text);
  check_content (package_open_reference (pkg, href, 0, 0, false), text);
  assert_int_equal (captured_errors, 0);
}

static void
find_refused (const struct package *pkg, const char *href, int err,
              const char *text)
{
  capture_start ();
  assert_null (package_find (pkg, href));
  assert_int_equal (errno, err);
  assert_error (text);
  capture_start ();
  assert_null (package_open_reference (pkg, href, 0, 0, false));
  assert_int_equal (errno, err);
  assert_error (text);
}

/* Tar */

static void
test_ova (void **state)
{
  struct package_set *set;
  const struct package *pkg;
  const struct package_file *f;
  CLEANUP_FREE char *path = NULL;

  write_ova ("x.ova", (const char *[]) {
      "disk.vmdk", "the disk", "./a.OVF", OVF, "b%20c.iso", "iso",
      "a.mf", "SHA1(x)=\n", "sub//deep.vmdk", "deep", NULL
    });
  set = open_good ("x.ova");
  assert_int_equal (set->packages.len, 1);
  pkg = set->packages.ptr[0];
  assert_string_equal (pkg->path, "x.ova");
  assert_true (pkg->is_tar);
  assert_string_equal (pkg->ovf_name, "a.OVF");
  assert_string_equal (pkg->ovf_text, OVF);
  assert_int_equal (pkg->ovf_len, strlen (OVF));
  assert_string_equal (pkg->mf_name, "a.mf");
  assert_int_equal (pkg->files.len, 5);
  assert_string_equal (pkg->files.ptr[0].name, "a.OVF");
  assert_string_equal (pkg->files.ptr[4].name, "sub/deep.vmdk");

  check_find (pkg, "disk.vmdk", "the disk");
  check_find (pkg, "./disk.vmdk", "the disk");
  check_find (pkg, "d%69sk.vmdk", "the disk");
  check_find (pkg, "sub/deep.vmdk", "deep");
  check_find (pkg, "sub/../disk.vmdk", "the disk");
  check_find (pkg, "b%20c.iso", "iso");         /* not encoded at all */
  check_find (pkg, "b%2520c.iso", "iso");

  f = package_find (pkg, "disk.vmdk");
  path = package_local_path (pkg, f);
  assert_string_equal (path, in_tmp ("x.ova"));
  assert_int_equal (f->offset, 512);
  assert_int_equal (f->size, 8);

  find_refused (pkg, "none.vmdk", ENOENT, "refers to 'none.vmdk', which is "
                "not in the package: copy or export it again");
  find_refused (pkg, "DISK.vmdk", ENOENT, "but 'disk.vmdk' is: rename");
  find_refused (pkg, "sub", ENOENT, "not in the package");
  package_set_close (set);
}

static void
test_bad_references (void **state)
{
  static const struct {
    const char *href, *text;
  } refs[] = {
    { "../../etc/passwd", "'../../etc/passwd', which leads out" },
    { "%2e%2e/%2e%2e/etc/passwd", "leads out of the package" },
    { "a/../../x.ova", "leads out of the package" },
    { "..", "leads out of the package" },
    { "/etc/passwd", "'/etc/passwd', which is an absolute path" },
    { "%2fetc/passwd", "is an absolute path" },
    { "//server/share", "is an absolute path" },
    { "file:///etc/passwd", "is an absolute path or a URL" },
    { "FILE:/etc/passwd", "is an absolute path or a URL" },
    { "http://example.com/disk.vmdk", "is an absolute path or a URL" },
    { "C:\\disk.vmdk", "is an absolute path" },
    { "\\\\server\\share", "is an absolute path" },
    { "disk.vmdk%00.iso", "is not a file name" },
    { "", "is not a file name" },
  };
  struct package_set *set[2];
  size_t i, j;

  write_ova ("x.ova", (const char *[]) { "a.ovf", OVF, "disk.vmdk", "d",
                                         NULL });
  make_folder ("loose");
  write_text ("loose/a.ovf", OVF);
  write_text ("secret", "s");
  set[0] = open_good ("x.ova");
  set[1] = open_good ("loose/a.ovf");
  for (j = 0; j < 2; ++j) {
    for (i = 0; i < ARRAY_SIZE (refs); ++i)
      find_refused (set[j]->packages.ptr[0], refs[i].href, EINVAL,
                    refs[i].text);
    find_refused (set[j]->packages.ptr[0], "../secret", EINVAL,
                  "leads out of the package");
    package_set_close (set[j]);
  }
}

/* The OVF in a folder of the tar: references are relative to that. */
static void
test_ovf_in_folder (void **state)
{
  struct package_set *set;
  const struct package *pkg;

  write_ova ("x.ova", (const char *[]) {
      "disk.vmdk", "outer", "vm/a.ovf", OVF, "vm/disk.vmdk", "inner",
      "a.mf", "wrong", "vm/a.mf", "right", NULL
    });
  set = open_good ("x.ova");
  pkg = set->packages.ptr[0];
  assert_string_equal (pkg->ovf_name, "vm/a.ovf");
  assert_string_equal (pkg->mf_name, "vm/a.mf");
  check_find (pkg, "disk.vmdk", "inner");
  check_find (pkg, "../disk.vmdk", "outer");    /* still in the tar */
  find_refused (pkg, "../../disk.vmdk", EINVAL, "leads out");
  package_set_close (set);
}

static void
test_duplicate_members (void **state)
{
  struct package_set *set;

  write_ova ("x.ova", (const char *[]) {
      "a.ovf", OVF, "disk.vmdk", "old", "disk.vmdk", "newer", NULL
    });
  set = open_good ("x.ova");
  assert_non_null (strstr (captured, "member 'disk.vmdk' is there twice"));
  assert_int_equal (set->packages.ptr[0]->files.len, 2);
  check_find (set->packages.ptr[0], "disk.vmdk", "newer");
  package_set_close (set);
}

static void
test_links_in_tar (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  struct package_set *set;

  tar_put_file (&b, "a.ovf", OVF);
  tar_put_header (&b, (struct tar_header) { .name = "disk.vmdk",
                                            .type = '2' });
  tar_put_file (&b, "../../evil", "e");
  tar_put_file (&b, "/abs", "e");
  tar_put_end (&b);
  write_bytes ("x.ova", b.ptr, b.len);
  set = open_good ("x.ova");
  find_refused (set->packages.ptr[0], "disk.vmdk", EINVAL,
                "is a link in the tar");
  find_refused (set->packages.ptr[0], "../../evil", EINVAL, "leads out");
  find_refused (set->packages.ptr[0], "/abs", EINVAL, "absolute");
  package_set_close (set);

  write_ova ("y.ova", (const char *[]) { "../a.ovf", OVF, NULL });
  open_refused ("y.ova", EINVAL, "member '../a.ovf' has an absolute name or "
                "one with '..'");
  write_ova ("y.ova", (const char *[]) { "/a.ovf", OVF, NULL });
  open_refused ("y.ova", EINVAL, "member '/a.ovf' has an absolute name");
}

static void
test_bad_ova (void **state)
{
  open_refused ("none.ova", ENOENT, "none.ova: No such file");
  write_ova ("x.ova", (const char *[]) { "disk.vmdk", "d", NULL });
  open_refused ("x.ova", EINVAL, "holds no .ovf file (1 other files)");
  write_ova ("x.ova", (const char *[]) { "a.ovf", "", NULL });
  open_refused ("x.ova", EINVAL, "a.ovf: has 0 bytes, which is no OVF");
  write_text ("x.ova", "PK\x03\x04");
  open_refused ("x.ova", EINVAL, "zip archive");
  write_text ("a.ovf", "");
  open_refused ("a.ovf", EINVAL, "a.ovf: has 0 bytes");
  assert_int_equal (mkfifo (in_tmp ("fifo.ova"), 0600), 0);
  open_refused ("fifo.ova", EINVAL, "is not a regular file");

  write_text ("huge.ovf", "<");
  assert_int_equal (truncate (in_tmp ("huge.ovf"), 100 * MIB), 0);
  open_refused ("huge.ovf", EINVAL, "huge.ovf: has 104857600 bytes");

  /* By content, whatever its name. */
  write_text ("appliance", OVF);
  {
    struct package_set *set = open_good ("appliance");

    assert_false (set->packages.ptr[0]->is_tar);
    package_set_close (set);
  }
}

/* A file that changes after it was looked at. */
static void
test_change (void **state)
{
  struct package_set *set;
  const struct package_file *f;
  struct blob *blob;
  char buf[8];

  write_ova ("x.ova", (const char *[]) { "a.ovf", OVF, "disk.vmdk",
                                         "the disk", NULL });
  set = open_good ("x.ova");
  f = package_find (set->packages.ptr[0], "disk.vmdk");
  blob = package_open_file (set->packages.ptr[0], f);
  assert_int_equal (blob_pread (blob, buf, 8, 0), 0);
  assert_memory_equal (buf, "the disk", 8);

  assert_int_equal (truncate (in_tmp ("x.ova"), 600), 0);
  capture_start ();
  assert_int_equal (blob_pread (blob, buf, 8, 0), -1);
  assert_int_equal (errno, EIO);
  assert_error ("x.ova: changed while it was read");
  blob_close (blob);

  capture_start ();
  assert_null (package_open_file (set->packages.ptr[0], f));
  assert_int_equal (errno, EIO);
  assert_error ("x.ova: changed since it was first looked at");
  package_set_close (set);
}

/* Loose files */

static void
test_loose (void **state)
{
  struct package_set *set;
  const struct package *pkg;
  CLEANUP_FREE char *path = NULL;

  make_folder ("vm");
  make_folder ("vm/disks");
  write_text ("vm/a.ovf", OVF);
  write_text ("vm/A.MF", "");
  write_text ("vm/other.mf", "");
  write_text ("vm/disk.vmdk", "the disk");
  write_text ("vm/disks/two.vmdk", "second");
  write_text ("outside", "secret");
  assert_int_equal (symlink ("disk.vmdk", in_tmp ("vm/inner.vmdk")), 0);
  assert_int_equal (symlink ("../outside", in_tmp ("vm/outer.vmdk")), 0);
  assert_int_equal (symlink ("/etc/passwd", in_tmp ("vm/passwd.vmdk")), 0);
  assert_int_equal (symlink ("..", in_tmp ("vm/up")), 0);
  assert_int_equal (symlink ("loop.vmdk", in_tmp ("vm/loop.vmdk")), 0);

  set = open_good ("vm/a.ovf");
  pkg = set->packages.ptr[0];
  assert_string_equal (pkg->path, "a.ovf");
  assert_false (pkg->is_tar);
  assert_string_equal (pkg->ovf_name, "a.ovf");
  assert_string_equal (pkg->mf_name, "A.MF");

  check_find (pkg, "disk.vmdk", "the disk");
  check_find (pkg, "disks/two.vmdk", "second");
  assert_ptr_equal (package_find (pkg, "disks/two.vmdk"),
                    package_find (pkg, "disks//two.vmdk"));
  check_find (pkg, "inner.vmdk", "the disk");
  path = package_local_path (pkg, package_find (pkg, "disks/two.vmdk"));
  assert_string_equal (path, in_tmp ("vm/disks/two.vmdk"));

  find_refused (pkg, "disks", ENOENT, "not in the package");
  find_refused (pkg, "disks/none", ENOENT, "not in the package");
  find_refused (pkg, "disk.vmdk/x", ENOENT, "not in the package");
  find_refused (pkg, "loop.vmdk", ENOENT, "not in the package");

  /* Links are followed inside of the folder only. */
  {
    static const char *const out[] = { "outer.vmdk", "passwd.vmdk",
                                       "up/outside" };
    size_t i;

    for (i = 0; i < ARRAY_SIZE (out); ++i) {
      capture_start ();
      assert_null (package_open_reference (pkg, out[i], 0, 0, false));
      assert_int_equal (errno, EINVAL);
      assert_error ("outside of the package's folder");
    }
  }
  package_set_close (set);
}

/* Opened through a relative path, and then the working folder changes, as
 * nbdkit's does.
 */
static void
test_relative (void **state)
{
  CLEANUP_CLOSE int back = open (".", O_RDONLY | O_DIRECTORY);
  static const struct package_options options = { 0 };
  struct package_set *set;

  make_folder ("vm");
  write_text ("vm/a.ovf", OVF);
  write_text ("vm/disk.vmdk", "the disk");
  assert_int_equal (symlink ("vm/a.ovf", in_tmp ("latest.ovf")), 0);
  assert_int_equal (chdir (tmp), 0);
  /* What the user names may be a link to anywhere. */
  set = package_set_open ("latest.ovf", &options);
  assert_int_equal (chdir ("/"), 0);
  assert_non_null (set);
  check_find (set->packages.ptr[0], "disk.vmdk", "the disk");
  package_set_close (set);
  assert_int_equal (fchdir (back), 0);
}

/* Folders */

static void
test_folder (void **state)
{
  static const char *const expected[] = {
    "B.OVA", "a.ova", "one/c.ova", "one/d.ovf", "one/e.ovf",
    "one/two/f.ovf",
  };
  const char *const ova[] = { "a.ovf", OVF, NULL };
  struct package_set *set;
  size_t i;

  make_folder ("one");
  make_folder ("one/two");
  make_folder ("one/two/three");
  make_folder (".snapshot");
  write_ova ("a.ova", ova);
  write_ova ("B.OVA", ova);
  write_ova ("one/c.ova", ova);
  write_text ("one/d.ovf", OVF);
  write_text ("one/e.ovf", OVF);
  write_text ("one/e.mf", "x");
  write_text ("one/two/f.ovf", OVF);
  write_ova ("one/two/too-deep.ova", ova);
  write_text ("one/two/three/too-deep.ovf", OVF);
  write_ova (".snapshot/old.ova", ova);
  write_text ("._a.ova", "junk");
  write_text ("other.txt", "x");
  assert_int_equal (symlink ("..", in_tmp ("one/loop")), 0);

  set = open_good ("");
  assert_int_equal (set->packages.len, ARRAY_SIZE (expected));
  for (i = 0; i < ARRAY_SIZE (expected); ++i)
    assert_string_equal (set->packages.ptr[i]->path, expected[i]);
  assert_null (set->packages.ptr[3]->mf_name);
  assert_string_equal (set->packages.ptr[4]->mf_name, "e.mf");
  package_set_close (set);
}

/* Bad files do not hide the good one. */
static void
test_folder_with_bad_files (void **state)
{
  struct package_set *set;

  write_ova ("good.ova", (const char *[]) { "a.ovf", OVF, NULL });
  write_text ("bad.ova", "not a tar");
  write_text ("empty.ovf", "");
  assert_int_equal (symlink ("/etc/hostname", in_tmp ("link.ovf")), 0);
  assert_int_equal (symlink ("nothing", in_tmp ("dangling.ova")), 0);
  set = open_set ("");
  assert_non_null (set);
  assert_int_equal (set->packages.len, 1);
  assert_string_equal (set->packages.ptr[0]->path, "good.ova");
  assert_non_null (strstr (captured, "'bad.ova' is left out"));
  assert_non_null (strstr (captured, "'empty.ovf' is left out"));
  assert_non_null (strstr (captured, "'link.ovf' is left out"));
  package_set_close (set);

  assert_int_equal (unlink (in_tmp ("good.ova")), 0);
  assert_null (open_set (""));
  assert_int_equal (errno, EINVAL);
  assert_non_null (strstr (captured, "none of the 3 packages"));
}

/* Every loose package lists its folder: that is bounded. */
static void
test_too_many_loose (void **state)
{
  char name[32];
  unsigned i;

  for (i = 0; i < 1500; ++i) {
    snprintf (name, sizeof name, "%u.ovf", i);
    write_text (name, OVF);
  }
  open_refused ("", EINVAL, "too many .ovf files");
}

static void
test_empty_folder (void **state)
{
  open_refused ("", ENOENT, "there is no .ova (down to 2 levels) and no "
                ".ovf (down to 3)");
}

/* Chunks and gzip */

static size_t
gzip (const char *text, uint8_t *out, size_t cap)
{
  z_stream z = { 0 };

  assert_int_equal (deflateInit2 (&z, 9, Z_DEFLATED, 15 + 16, 8,
                                  Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = (uint8_t *) text;
  z.avail_in = strlen (text);
  z.next_out = out;
  z.avail_out = cap;
  assert_int_equal (deflate (&z, Z_FINISH), Z_STREAM_END);
  deflateEnd (&z);
  return cap - z.avail_out;
}

static void
chunks_refused (const struct package *pkg, const char *href, uint64_t size,
                uint64_t total, bool is_gzip, const char *text)
{
  capture_start ();
  assert_null (package_open_reference (pkg, href, size, total, is_gzip));
  assert_error (text);
}

static void
test_chunks (void **state)
{
  struct package_set *set;
  const struct package *pkg;

  write_ova ("x.ova", (const char *[]) {
      "a.ovf", OVF,
      "d.000000001", "5678", "d.000000000", "1234", "d.000000002", "9",
      "gap.000000000", "1234", "gap.000000002", "9",
      "late.000000001", "x",
      "odd.000000000", "123", "odd.000000001", "1234",
      "long.000000000", "12345", NULL
    });
  set = open_good ("x.ova");
  pkg = set->packages.ptr[0];
  check_content (package_open_reference (pkg, "d", 4, 0, false),
                 "123456789");
  check_content (package_open_reference (pkg, "d", 4, 9, false),
                 "123456789");
  assert_int_equal (captured_errors, 0);

  chunks_refused (pkg, "d", 4, 8, false, "have 9 bytes in all, but the OVF "
                  "says 8");
  chunks_refused (pkg, "d", 4, 12, false, "have 9 bytes in all");
  chunks_refused (pkg, "gap", 4, 9, false, "the chunk 'gap.000000001' is not "
                  "in the package");
  chunks_refused (pkg, "gap", 4, 0, false, "'gap.000000001' is not in");
  chunks_refused (pkg, "late", 4, 0, false, "'late.000000000' is not in");
  chunks_refused (pkg, "none", 4, 0, false, "'none.000000000' is not in");
  chunks_refused (pkg, "odd", 4, 0, false, "odd.000000000: the chunk has 3 "
                  "bytes");
  chunks_refused (pkg, "long", 4, 0, false, "the chunk has 5 bytes");
  chunks_refused (pkg, "../d", 4, 0, false, "leads out of the package");
  package_set_close (set);
}

/* The last chunk is missing, which only the total tells. */
static void
test_missing_last_chunk (void **state)
{
  struct package_set *set;

  make_folder ("sub");
  write_text ("a.ovf", OVF);
  write_text ("sub/d.000000000", "1234");
  set = open_good ("a.ovf");
  check_content (package_open_reference (set->packages.ptr[0], "sub/d", 4, 4,
                                         false), "1234");
  chunks_refused (set->packages.ptr[0], "sub/d", 4, 9, false,
                  "the chunk 'sub/d.000000001' is not in the package");
  package_set_close (set);
}

static void
test_gzip (void **state)
{
  static const char text[] = "some text that is worth compressing, worth "
    "compressing, worth compressing";
  struct package_set *set;
  const struct package *pkg;
  uint8_t gz[200];
  const size_t n = gzip (text, gz, sizeof gz);

  write_text ("a.ovf", OVF);
  write_bytes ("d.gz", gz, n);
  write_bytes ("c.000000000", gz, 20);
  write_bytes ("c.000000001", gz + 20, 20);
  write_bytes ("c.000000002", gz + 40, n - 40);
  set = open_good ("a.ovf");
  pkg = set->packages.ptr[0];
  capture_start ();
  /* The size in the OVF is that of the stream, or of the content. */
  check_content (package_open_reference (pkg, "d.gz", 0, n, true), text);
  check_content (package_open_reference (pkg, "d.gz", 0, strlen (text),
                                         true), text);
  check_content (package_open_reference (pkg, "c", 20, n, true), text);
  check_content (package_open_reference (pkg, "c", 20, strlen (text), true),
                 text);
  assert_int_equal (captured_errors, 0);
  assert_null (strstr (captured, "the OVF says"));
  check_content (package_open_reference (pkg, "d.gz", 0, 7, true), text);
  assert_non_null (strstr (captured, "but the OVF says 7"));

  chunks_refused (pkg, "a.ovf", 0, 0, true, "is not compressed with gzip");
  assert_int_equal (unlink (in_tmp ("c.000000002")), 0);
  package_set_close (set);
  set = open_good ("a.ovf");
  chunks_refused (set->packages.ptr[0], "c", 20, 0, true,
                  "it was cut short");
  package_set_close (set);
}

/* Manifest */

#define SHA1_A "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"
#define SHA256_A \
  "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define SHA256_B \
  "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"

/* A package with the files disk.vmdk ("a"), disk%20two.vmdk ("b") and
 * this manifest.
 */
static struct package_set *
open_with_manifest (const char *mf)
{
  static const char ovf[] = "<a ovf:href=\"disk.vmdk\"/>"
    "<b href='none.vmdk'/><c value=\"vm.nvram\"/>";

  write_ova ("x.ova", (const char *[]) {
      "x.ovf", ovf, "x.mf", mf, "disk.vmdk", "a",
      "disk two.vmdk", "b", NULL
    });
  return open_good ("x.ova");
}

static int
verify (const char *mf)
{
  struct package_set *set = open_with_manifest (mf);
  int r;

  capture_start ();
  r = package_verify (set->packages.ptr[0], NULL, NULL);
  if (r == -1) {
    const int err = errno;

    package_set_close (set);
    errno = err;
    return -1;
  }
  package_set_close (set);
  return 0;
}

static void
verify_refused (const char *mf, const char *text)
{
  assert_int_equal (verify (mf), -1);
  assert_int_equal (errno, EINVAL);
  assert_error (text);
}

static void
test_verify (void **state)
{
  assert_int_equal (verify ("SHA256(disk.vmdk)= " SHA256_A "\r\n"
                            "SHA1 (disk.vmdk) = " SHA1_A "\r\n"
                            "SHA256(disk%20two.vmdk)= " SHA256_B "\r\n"), 0);
  assert_int_equal (captured_errors, 0);
  assert_non_null (strstr (captured, "all 3 digests match"));
  assert_non_null (strstr (captured, "'x.ovf' is not listed"));
  assert_null (strstr (captured, "'disk.vmdk' is not listed"));

  verify_refused ("SHA256(disk.vmdk)= " SHA256_B "\n",
                  "disk.vmdk: its SHA256 is " SHA256_A ", but line 1 of ");
  assert_non_null (strstr (captured, "says " SHA256_B));
  assert_non_null (strstr (captured, "x.ova: x.mf"));

  /* Absent: an error if the OVF needs it. */
  verify_refused ("SHA256(none.vmdk)= " SHA256_A "\n",
                  "x.mf:1: 'none.vmdk' is listed, and the OVF needs it, but "
                  "it is not in the package");
  assert_int_equal (verify ("SHA256(vm.nvram)= " SHA256_A "\n"
                            "SHA256(../up)= " SHA256_A "\n"), 0);
  assert_int_equal (captured_errors, 0);
  assert_non_null (strstr (captured, "x.mf:1: 'vm.nvram' is listed, but is "
                           "not in the package"));
  assert_non_null (strstr (captured, "'disk.vmdk' is not listed"));
  assert_null (strstr (captured, "'disk two.vmdk' is not listed"));

  verify_refused ("nonsense\n", "x.mf:1: is not of the form");
  verify_refused ("", "x.mf: has 0 bytes, which is no manifest");
}

static void
test_no_manifest (void **state)
{
  struct package_set *set;

  write_ova ("x.ova", (const char *[]) { "a.ovf", OVF, NULL });
  set = open_good ("x.ova");
  assert_null (set->packages.ptr[0]->mf_name);
  assert_int_equal (package_verify (set->packages.ptr[0], NULL, NULL), 0);
  assert_non_null (strstr (captured, "has no manifest"));
  package_set_close (set);
}

struct progress {
  uint64_t last, total;
  unsigned calls, stop_after;
};

static bool
on_progress (void *opaque, uint64_t done, uint64_t total)
{
  struct progress *p = opaque;

  assert_true (done > p->last && done <= total);
  p->last = done;
  p->total = total;
  return ++p->calls != p->stop_after;
}

static void
test_verify_progress (void **state)
{
  struct package_set *set;
  struct progress p = { 0 };

  /* Two files of 5 MiB and a bit, all zeroes. */
  write_text ("a.ovf", OVF);
  write_text ("d1", "");
  write_text ("d2", "");
  assert_int_equal (truncate (in_tmp ("d1"), 5 * MIB + 1), 0);
  assert_int_equal (truncate (in_tmp ("d2"), 5 * MIB + 1), 0);
  write_text ("a.mf", "SHA1(d1)= 1f38a3f6ec3b7e2ba5db5bc4a53e1f73e0e3c5a8\n");
  set = open_good ("a.ovf");
  capture_start ();
  assert_int_equal (package_verify (set->packages.ptr[0], on_progress, &p),
                    -1);
  assert_error ("d1: its SHA1 is ");
  assert_int_equal (p.total, 5 * MIB + 1);
  assert_int_equal (p.last, p.total);
  assert_int_equal (p.calls, 6);

  /* Cancelled: nothing is reported. */
  p = (struct progress) { .stop_after = 2 };
  capture_start ();
  assert_int_equal (package_verify (set->packages.ptr[0], on_progress, &p),
                    -1);
  assert_int_equal (errno, ECANCELED);
  assert_int_equal (captured_errors, 0);
  assert_int_equal (p.calls, 2);
  package_set_close (set);
}

/* Which paths are on NFS. */
static void
test_is_nfs (void **state)
{
  CLEANUP_CLOSE int back = open (".", O_RDONLY | O_DIRECTORY);

  assert_true (store_path_is_nfs ("nfs://server/export"));
  assert_true (store_path_is_nfs ("server:/export/x.ova"));
  assert_true (store_path_is_nfs ("10.0.0.1:/x"));
  assert_true (store_path_is_nfs ("[fe80::1]:/x"));
  assert_false (store_path_is_nfs ("/server:/x"));
  assert_false (store_path_is_nfs ("./server:/x"));
  assert_false (store_path_is_nfs ("../server:/x"));
  assert_false (store_path_is_nfs ("x.ova"));
  assert_false (store_path_is_nfs ("server:x"));
  assert_false (store_path_is_nfs (":/x"));
  assert_false (store_path_is_nfs ("dir/server:/x"));
  assert_false (store_path_is_nfs ("[fe80::1]/x"));

  make_folder ("here:");
  assert_int_equal (chdir (tmp), 0);
  assert_false (store_path_is_nfs ("here:/"));
  assert_true (store_path_is_nfs ("there:/"));
  assert_int_equal (fchdir (back), 0);
}

#define test(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    test (test_ova),
    test (test_bad_references),
    test (test_ovf_in_folder),
    test (test_duplicate_members),
    test (test_links_in_tar),
    test (test_bad_ova),
    test (test_change),
    test (test_loose),
    test (test_relative),
    test (test_folder),
    test (test_folder_with_bad_files),
    test (test_too_many_loose),
    test (test_empty_folder),
    test (test_chunks),
    test (test_missing_last_chunk),
    test (test_gzip),
    test (test_verify),
    test (test_no_manifest),
    test (test_verify_progress),
    test (test_is_nfs),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
