/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tar walker, on archives made here and by tar(1).
 */
#include "tests/unit/capture.h"

#include <errno.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "plugins/ova/tar.h"
#include "tests/unit/tar_writer.h"

/* A blob of zeroes after some bytes, as large as one likes. */
struct long_blob {
  struct blob blob;
  const char *data;
  size_t len;
  const char *tail;             /* the last 1024 bytes, or NULL */
};

static int
long_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  const struct long_blob *l = (struct long_blob *) blob;
  char *p = buf;
  size_t i;

  for (i = 0; i < count; ++i)
    p[i] = offset + i < l->len ? l->data[offset + i] : 0;
  return 0;
}

static void
long_close (struct blob *blob)
{
}

static const struct blob_ops long_ops = { long_pread, long_close };

static int
list (const struct strbuf *b, tar_member_vector *m)
{
  CLEANUP_BLOB struct blob *blob =
    blob_open_memory (b->ptr ? b->ptr : "", b->len, "x.ova");
  int r;

  capture_start ();
  r = tar_list (blob, m);
  if (r == -1)
    assert_int_equal (m->len, 0);
  return r;
}

/* B must be refused with this text. */
static void
refused (const struct strbuf *b, const char *text)
{
  CLEANUP_TAR_MEMBERS tar_member_vector m = EMPTY_VECTOR;

  assert_int_equal (list (b, &m), -1);
  assert_int_equal (errno, EINVAL);
  assert_error (text);
  assert_non_null (strstr (captured, "x.ova"));
}

static void
check_member (const tar_member_vector *m, size_t i, const char *name,
              enum tar_kind kind, uint64_t offset, uint64_t size)
{
  assert_true (i < m->len);
  assert_string_equal (m->ptr[i].name, name);
  assert_int_equal (m->ptr[i].kind, kind);
  assert_int_equal (m->ptr[i].offset, offset);
  assert_int_equal (m->ptr[i].size, size);
}

static void
test_ustar (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  CLEANUP_TAR_MEMBERS tar_member_vector m = EMPTY_VECTOR;

  tar_put_file (&b, "a.ovf", "<ovf/>");
  tar_put_header (&b, (struct tar_header) { .name = "dir/", .type = '5' });
  tar_put_header (&b, (struct tar_header) {
      .name = "disk.vmdk", .prefix = "some/folder", .type = '7', .size = 513
    });
  tar_put_data (&b, (char[513]) { 0 }, 513);
  tar_put_header (&b, (struct tar_header) { .name = "empty" });
  tar_put_end (&b);

  assert_int_equal (list (&b, &m), 0);
  assert_no_error ();
  assert_int_equal (m.len, 4);
  check_member (&m, 0, "a.ovf", TAR_FILE, 512, 6);
  check_member (&m, 1, "dir/", TAR_FOLDER, 1536, 0);
  check_member (&m, 2, "some/folder/disk.vmdk", TAR_FILE, 2048, 513);
  assert_int_equal (m.ptr[2].header, 1536);
  check_member (&m, 3, "empty", TAR_FILE, 3584, 0);
}

/* Before POSIX: no magic, type NUL; GNU: another magic, in which the prefix
 * field means something else.
 */
static void
test_old_formats (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  CLEANUP_TAR_MEMBERS tar_member_vector m = EMPTY_VECTOR;

  tar_put_header (&b, (struct tar_header) { .name = "v7", .magic = "" });
  b.ptr[156] = '\0';
  /* '0' became NUL, so the sum is less by 48. */
  {
    unsigned i, sum = 0;
    char number[8];

    memset (b.ptr + 148, ' ', 8);
    for (i = 0; i < 512; ++i)
      sum += (uint8_t) b.ptr[i];
    snprintf (number, sizeof number, "%06o", sum);
    memcpy (b.ptr + 148, number, 7);
  }
  tar_put_header (&b, (struct tar_header) {
      .name = "gnu", .magic = "ustar  ", .prefix = "12345670123"
    });
  tar_put_end (&b);
  assert_int_equal (list (&b, &m), 0);
  assert_int_equal (m.len, 2);
  check_member (&m, 0, "v7", TAR_FILE, 512, 0);
  check_member (&m, 1, "gnu", TAR_FILE, 1024, 0);
}

/* A name that fills its field has no NUL. */
static void
test_full_name (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  CLEANUP_TAR_MEMBERS tar_member_vector m = EMPTY_VECTOR;
  char name[101];

  memset (name, 'n', 100);
  name[100] = '\0';
  tar_put_file (&b, name, "x");
  tar_put_end (&b);
  assert_int_equal (list (&b, &m), 0);
  check_member (&m, 0, name, TAR_FILE, 512, 1);
}

static void
test_gnu_long_name (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  CLEANUP_TAR_MEMBERS tar_member_vector m = EMPTY_VECTOR;
  char name[301];

  memset (name, 'n', 300);
  name[300] = '\0';
  tar_put_header (&b, (struct tar_header) { .name = "././@LongLink",
                                            .type = 'L', .size = 301 });
  tar_put_data (&b, name, 301);
  tar_put_header (&b, (struct tar_header) { .name = "././@LongLink",
                                            .type = 'K', .size = 301 });
  tar_put_data (&b, name, 301);
  tar_put_file (&b, "short", "x");
  tar_put_file (&b, "next", "y");
  tar_put_end (&b);
  assert_int_equal (list (&b, &m), 0);
  assert_int_equal (m.len, 2);
  check_member (&m, 0, name, TAR_FILE, 2560, 1);
  check_member (&m, 1, "next", TAR_FILE, 3584, 1);
}

static void
test_pax (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  CLEANUP_TAR_MEMBERS tar_member_vector m = EMPTY_VECTOR;

  tar_put_pax (&b, 'g', "comment", "made by hand");
  tar_put_pax (&b, 'x', "path", "long/name of the member");
  tar_put_file (&b, "short", "x");
  tar_put_pax (&b, 'x', "size", "5");
  tar_put_header (&b, (struct tar_header) { .name = "b", .size = 0 });
  tar_put_data (&b, "hello", 5);
  tar_put_file (&b, "c", "y");
  tar_put_end (&b);
  assert_int_equal (list (&b, &m), 0);
  assert_int_equal (m.len, 3);
  check_member (&m, 0, "long/name of the member", TAR_FILE, 2560, 1);
  check_member (&m, 1, "b", TAR_FILE, 4608, 5);
  check_member (&m, 2, "c", TAR_FILE, 5632, 1);
}

/* 9 GiB, by base-256 and by pax; the archive itself is never made. */
static void
large_member (const struct strbuf *head, uint64_t offset)
{
  const uint64_t size = 9 * GIB;
  struct long_blob l = {
    .blob = { &long_ops, offset + size + 1024, (char *) "x.ova" },
    .data = head->ptr, .len = head->len,
  };
  CLEANUP_TAR_MEMBERS tar_member_vector m = EMPTY_VECTOR;

  capture_start ();
  assert_int_equal (tar_list (&l.blob, &m), 0);
  assert_int_equal (m.len, 1);
  check_member (&m, 0, "big", TAR_FILE, offset, size);

  /* One byte is missing. */
  tar_members_free (&m);
  l.blob.size = offset + size - 1;
  assert_int_equal (tar_list (&l.blob, &m), -1);
  assert_error ("needs 9663676416 bytes");
}

static void
test_large (void **state)
{
  CLEANUP_STRBUF struct strbuf gnu = { 0 }, pax = { 0 };

  tar_put_header (&gnu, (struct tar_header) {
      .name = "big", .raw_size = "\x80\0\0\0\0\0\0\x02\x40\0\0\0"
    });
  large_member (&gnu, 512);
  tar_put_pax (&pax, 'x', "size", "9663676416");
  tar_put_header (&pax, (struct tar_header) { .name = "big", .size = 0 });
  large_member (&pax, 1536);
}

static void
test_other_kinds (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  CLEANUP_TAR_MEMBERS tar_member_vector m = EMPTY_VECTOR;

  /* A hard link has no data, whatever its size says. */
  tar_put_header (&b, (struct tar_header) { .name = "h", .type = '1',
                                            .size = 99999 });
  tar_put_header (&b, (struct tar_header) { .name = "s", .type = '2' });
  tar_put_header (&b, (struct tar_header) { .name = "d", .type = '3' });
  tar_put_header (&b, (struct tar_header) { .name = "v", .type = 'V' });
  tar_put_file (&b, "f", "x");
  tar_put_file (&b, "f", "again");
  tar_put_end (&b);
  assert_int_equal (list (&b, &m), 0);
  assert_int_equal (m.len, 6);
  check_member (&m, 0, "h", TAR_LINK, 512, 0);
  check_member (&m, 1, "s", TAR_LINK, 1024, 0);
  check_member (&m, 2, "d", TAR_OTHER, 1536, 0);
  check_member (&m, 3, "v", TAR_OTHER, 2048, 0);
  check_member (&m, 4, "f", TAR_FILE, 2560, 1);
  check_member (&m, 5, "f", TAR_FILE, 3584, 5);
}

static void
test_sparse (void **state)
{
  CLEANUP_STRBUF struct strbuf s = { 0 }, pax = { 0 };

  tar_put_file (&s, "a.ovf", "x");
  tar_put_header (&s, (struct tar_header) { .name = "disk.raw", .type = 'S',
                                            .size = 10 });
  refused (&s, "member 'disk.raw' (header at offset 1024) is stored sparse");

  tar_put_pax (&pax, 'x', "GNU.sparse.name", "disk.raw");
  refused (&pax, "stored sparse (GNU.sparse.name=disk.raw)");
}

static void
test_lying_sizes (void **state)
{
  static const struct {
    const char *size, *error;
  } sizes[] = {
    { "77777777777", "needs 8589934591 bytes at offset 512" },
    { "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
      "needs 9223372036854775807 bytes" },
    { "\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
      "needs 18446744073709551615 bytes" },
    { "\x80\x01\0\0\0\0\0\0\0\0\0\0", "not a number or is negative" },
    { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
      "not a number or is negative" },
    { "0000000x000", "not a number or is negative" },
    { "00000000009", "not a number or is negative" },
    { "00000001001", "needs 513 bytes" },
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (sizes); ++i) {
    CLEANUP_STRBUF struct strbuf b = { 0 };

    tar_put_header (&b, (struct tar_header) { .name = "a",
                                              .raw_size = sizes[i].size });
    tar_put_data (&b, "x", 1);
    refused (&b, sizes[i].error);
  }
}

/* Cut at every byte, it is never taken for whole. */
static void
test_truncated (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  size_t end, len;

  tar_put_file (&b, "a.ovf", "<ovf/>");
  tar_put_pax (&b, 'x', "path", "disk.vmdk");
  tar_put_header (&b, (struct tar_header) { .name = "d", .size = 1000 });
  tar_put_data (&b, (char[1000]) { 1 }, 1000);
  end = b.len;
  tar_put_end (&b);

  for (len = 1; len < end + 512; len += len % 512 < 500 ? 37 : 1) {
    CLEANUP_TAR_MEMBERS tar_member_vector m = EMPTY_VECTOR;
    struct strbuf cut = { b.ptr, len, len };

    assert_int_equal (list (&cut, &m), -1);
    assert_int_equal (errno, EINVAL);
    assert_int_equal (captured_errors, 1);
  }
  {
    struct strbuf data = { b.ptr, end - 600, end }, mark = { b.ptr, end, end };

    refused (&data, "member 'disk.vmdk' (header at offset 2048) needs 1000 "
             "bytes at offset 2560, but the file has only 2984 bytes");
    refused (&mark, "after 'disk.vmdk', without the end-of-archive mark: it "
             "was cut short");
  }
}

static void
test_wrong_checksum (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  tar_put_file (&b, "a.ovf", "x");
  tar_put_header (&b, (struct tar_header) { .name = "b",
                                            .checksum_error = 1 });
  tar_put_end (&b);
  refused (&b, "the header at offset 1024, after 'a.ovf', has a wrong "
           "checksum");
}

static void
test_not_tar (void **state)
{
  static const struct {
    const char *start, *error;
  } files[] = {
    { "\x1f\x8b\x08", "is compressed with gzip, not a tar: decompress it "
      "first (gunzip" },
    { "PK\x03\x04", "is a zip archive, not a tar: unpack it (unzip" },
    { "KDMV", "is a VMDK disk" },
    { "<?xml version", "give it the suffix .ovf" },
    { "something else", "is not a tar archive" },
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (files); ++i) {
    CLEANUP_STRBUF struct strbuf b = { 0 };

    tar_put (&b, files[i].start, strlen (files[i].start));
    refused (&b, files[i].error);       /* shorter than a block */
    tar_put_data (&b, (char[1000]) { 0 }, 1000);
    refused (&b, files[i].error);
  }
  {
    struct strbuf empty = { 0 };

    refused (&empty, "is empty");
  }
}

static void
test_bad_pax (void **state)
{
  static const char *const records[] = {
    "12", "99 path=x\n", "4 =\n", "0 path=x\n", "-5 path=x\n",
    "8 path=x\n", "99999999999999999999999 path=x\n", "10 path=xy",
    "9 pathx\n\n", "18446744073709551615 path=x\n", "x path=y\n",
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (records); ++i) {
    CLEANUP_STRBUF struct strbuf b = { 0 };

    tar_put_header (&b, (struct tar_header) {
        .name = "pax", .type = 'x', .size = strlen (records[i])
      });
    tar_put_data (&b, records[i], strlen (records[i]));
    tar_put_file (&b, "f", "x");
    tar_put_end (&b);
    refused (&b, "extended header at offset 0");
  }
  {
    CLEANUP_STRBUF struct strbuf b = { 0 };

    tar_put_pax (&b, 'x', "size", "-1");
    refused (&b, "its size is not a number");
  }
  {
    CLEANUP_STRBUF struct strbuf b = { 0 };

    tar_put_header (&b, (struct tar_header) {
        .name = "pax", .type = 'x', .size = TAR_MAX_EXTENDED + 1
      });
    assert_int_equal (strbuf_append_char (&b, 'x'), 0);
    /* The limit comes after the check against the end of the file. */
    refused (&b, "needs 1048577 bytes");
  }
}

static void
test_limits (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  CLEANUP_TAR_MEMBERS tar_member_vector m = EMPTY_VECTOR;
  static char block[TAR_MAX_EXTENDED + 512];
  size_t i;

  for (i = 0; i < TAR_MAX_MEMBERS; ++i)
    tar_put_header (&b, (struct tar_header) { .name = "f" });
  tar_put_end (&b);
  assert_int_equal (list (&b, &m), 0);
  assert_int_equal (m.len, TAR_MAX_MEMBERS);

  b.len -= 1024;
  tar_put_header (&b, (struct tar_header) { .name = "f" });
  tar_put_end (&b);
  refused (&b, "more than 100000 members");

  strbuf_free (&b);
  tar_put_header (&b, (struct tar_header) {
      .name = "pax", .type = 'x', .size = TAR_MAX_EXTENDED + 1
    });
  tar_put_data (&b, block, TAR_MAX_EXTENDED + 1);
  refused (&b, "has 1048577 bytes, the limit is 1048576");

  /* Names that are long one by one, and all together. */
  strbuf_free (&b);
  memset (block, 'n', TAR_MAX_NAME + 1);
  tar_put_header (&b, (struct tar_header) { .name = "L", .type = 'L',
                                            .size = TAR_MAX_NAME + 1 });
  tar_put_data (&b, block, TAR_MAX_NAME + 1);
  tar_put_file (&b, "f", "x");
  tar_put_end (&b);
  refused (&b, "names of its members are too long");

  strbuf_free (&b);
  for (i = 0; i <= TAR_MAX_NAMES / TAR_MAX_NAME; ++i) {
    tar_put_header (&b, (struct tar_header) { .name = "L", .type = 'L',
                                              .size = TAR_MAX_NAME });
    tar_put_data (&b, block, TAR_MAX_NAME);
    tar_put_header (&b, (struct tar_header) { .name = "f" });
  }
  tar_put_end (&b);
  refused (&b, "names of its members are too long");
}

static void
test_no_name (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  tar_put_header (&b, (struct tar_header) { .name = "" });
  tar_put_end (&b);
  refused (&b, "has no name");
}

/* The walker agrees with GNU tar in each of its formats. */
static void
test_gnu_tar (void **state)
{
  static const char *const formats[] = { "v7", "ustar", "gnu", "oldgnu",
                                         "posix" };
  size_t i;

  if (system ("tar --version >/dev/null 2>&1") != 0)
    skip ();
  for (i = 0; i < ARRAY_SIZE (formats); ++i) {
    CLEANUP_TAR_MEMBERS tar_member_vector m = EMPTY_VECTOR;
    CLEANUP_BLOB struct blob *blob = NULL;
    char dir[] = "/tmp/test-tar.XXXXXX", cmd[1000], data[6] = "";
    /* Long enough for a prefix, or a long name in the GNU format. */
    static const char folder[] = "a-folder-with-a-name-of-some-length-that-"
      "goes-on-for-quite-a-while-until-it-has-about-eighty-bytes";
    const bool is_v7 = strcmp (formats[i], "v7") == 0;

    assert_non_null (mkdtemp (dir));
    snprintf (cmd, sizeof cmd,
              "cd %s && f=%s && mkdir $f && printf 12345 >$f/disk-with-name "
              "&& ln -s x link && tar --format=%s -cf x.tar %s link", dir,
              is_v7 ? "short" : folder, formats[i],
              is_v7 ? "short" : folder);
    assert_int_equal (system (cmd), 0);
    snprintf (cmd, sizeof cmd, "%s/x.tar", dir);
    capture_start ();
    blob = blob_open_file (cmd);
    assert_non_null (blob);
    assert_int_equal (tar_list (blob, &m), 0);
    assert_no_error ();
    assert_int_equal (m.len, 3);
    assert_int_equal (m.ptr[0].kind, TAR_FOLDER);
    snprintf (cmd, sizeof cmd, "%s/disk-with-name", is_v7 ? "short" : folder);
    assert_string_equal (m.ptr[1].name, cmd);
    assert_int_equal (m.ptr[1].size, 5);
    assert_int_equal (blob_pread (blob, data, 5, m.ptr[1].offset), 0);
    assert_string_equal (data, "12345");
    assert_int_equal (m.ptr[2].kind, TAR_LINK);
    snprintf (cmd, sizeof cmd, "rm -r %s", dir);
    assert_int_equal (system (cmd), 0);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_ustar),
    cmocka_unit_test (test_old_formats),
    cmocka_unit_test (test_full_name),
    cmocka_unit_test (test_gnu_long_name),
    cmocka_unit_test (test_pax),
    cmocka_unit_test (test_large),
    cmocka_unit_test (test_other_kinds),
    cmocka_unit_test (test_sparse),
    cmocka_unit_test (test_lying_sizes),
    cmocka_unit_test (test_truncated),
    cmocka_unit_test (test_wrong_checksum),
    cmocka_unit_test (test_not_tar),
    cmocka_unit_test (test_bad_pax),
    cmocka_unit_test (test_limits),
    cmocka_unit_test (test_no_name),
    cmocka_unit_test (test_gnu_tar),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
