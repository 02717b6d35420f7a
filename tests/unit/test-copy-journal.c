/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/copy/copy_journal*.c: what was claimed is claimed after a new
 * start, whatever was cut off or damaged is not, and nothing else ever is.
 */
#include "tests/unit/capture.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "driver/copy/copy_journal.h"

#define BLOCKS 40
#define SIZE (BLOCKS * DIGEST_BLOCK - 100)
#define IDENTITY "changed at 12:00"
#define HEADER_BYTES 4200

static char folder[64];
static char path[96];
static uint8_t file[1 << 20];
static bool mounted;

static int
setup (void **state)
{
  /* Thousands of fsyncs: in memory, if it can be. */
  snprintf (folder, sizeof folder, "%s/copy-journal-XXXXXX",
            access ("/dev/shm", W_OK) == 0 ? "/dev/shm" :
            getenv ("TMPDIR") ?: "/tmp");
  if (mkdtemp (folder) == NULL)
    return -1;
  snprintf (path, sizeof path, "%s/journal", folder);
  capture_start ();
  return 0;
}

static int
teardown (void **state)
{
  if (mounted)
    umount2 (folder, MNT_DETACH);
  unlink (path);
  return rmdir (folder);
}

static void
write_file (const void *data, size_t len)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  assert_true (fd >= 0);
  assert_int_equal (write (fd, data, len), len);
  close (fd);
}

static size_t
read_file (void)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t r = read (fd, file, sizeof file);

  close (fd);
  assert_in_range (r, 0, sizeof file - 1);
  return r;
}

static size_t
file_size (void)
{
  struct stat st;

  assert_int_equal (stat (path, &st), 0);
  return st.st_size;
}

/* An open journal and its tree. */
struct opened {
  struct digest_tree *tree;
  struct copy_journal *j;
};

static struct opened
try_open (uint64_t size, enum block_digest type, const char *identity,
          bool delta)
{
  struct opened o;

  o.tree = digest_tree_new (size, type);
  assert_non_null (o.tree);
  o.j = copy_journal_open (path, o.tree, identity, delta);
  return o;
}

static struct opened
open_usual (void)
{
  return try_open (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false);
}

static void
close_all (struct opened *o)
{
  int err = errno;

  copy_journal_close (o->j);
  digest_tree_free (o->tree);
  errno = err;
}

/* The digest of BLOCK in the state GENERATION, of N bytes. */
static void
digest_of (uint64_t block, size_t generation, uint8_t *out, size_t n)
{
  size_t i;

  for (i = 0; i < n; i++)
    out[i] = block * 7 + generation * 31 + i;
}

/* Claim NR blocks from FIRST. */
static int
claim (struct opened *o, uint64_t first, size_t nr, unsigned generation)
{
  const size_t n = digest_tree_digest_size (o->tree);
  uint64_t *blocks = calloc (nr, sizeof *blocks);
  uint8_t *digests = calloc (nr, n);
  size_t i;
  int r;

  for (i = 0; i < nr; i++) {
    blocks[i] = first + i;
    digest_of (first + i, generation, digests + i * n, n);
  }
  r = copy_journal_append (o->j, blocks, digests, nr);
  free (blocks);
  free (digests);
  return r;
}

/* BLOCK is claimed, and its digest is that of GENERATION. */
static bool
claims (const struct opened *o, uint64_t block, unsigned generation)
{
  const size_t n = digest_tree_digest_size (o->tree);
  const uint8_t *known = digest_tree_get (o->tree, block);
  uint8_t expected[DIGEST_BYTES_MAX];

  if (!copy_journal_has (o->j, block)) {
    assert_null (known);
    return false;
  }
  assert_non_null (known);
  digest_of (block, generation, expected, n);
  return memcmp (known, expected, n) == 0;
}

/* Exactly the blocks [first, end) are claimed. */
static void
check_claims (const struct opened *o, uint64_t first, uint64_t end,
              unsigned generation)
{
  uint64_t i;

  for (i = 0; i < digest_tree_blocks (o->tree); i++)
    assert_int_equal (claims (o, i, generation), i >= first && i < end);
  assert_int_equal (copy_journal_count (o->j), end - first);
}

static void
test_new (void **state)
{
  struct opened o = open_usual ();
  struct stat st;

  assert_non_null (o.j);
  assert_false (copy_journal_resumed (o.j));
  assert_false (copy_journal_complete (o.j));
  assert_int_equal (copy_journal_count (o.j), 0);
  assert_false (copy_journal_has (o.j, 0));
  assert_false (copy_journal_has (o.j, UINT64_MAX));
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0600);
  assert_int_equal (st.st_size, HEADER_BYTES);
  close_all (&o);
  assert_no_error ();
}

static void
test_resume (void **state)
{
  uint8_t key[DIGEST_KEY_BYTES];
  struct opened o = open_usual ();

  memcpy (key, digest_tree_key (o.tree), sizeof key);
  assert_int_equal (claim (&o, 3, 4, 0), 0);
  assert_true (copy_journal_has (o.j, 3));
  assert_false (copy_journal_has (o.j, 7));
  assert_int_equal (claim (&o, 7, 10, 0), 0);
  assert_int_equal (copy_journal_count (o.j), 14);
  assert_int_equal (claim (&o, 0, 0, 0), 0);
  assert_false (copy_journal_resumed (o.j));
  close_all (&o);

  /* Reading changes nothing. */
  o = open_usual ();
  assert_memory_equal (digest_tree_key (o.tree), key, sizeof key);
  assert_true (copy_journal_resumed (o.j));
  assert_false (copy_journal_complete (o.j));
  check_claims (&o, 3, 17, 0);
  close_all (&o);
  o = open_usual ();
  check_claims (&o, 3, 17, 0);
  assert_int_equal (claim (&o, 17, BLOCKS - 17, 0), 0);
  assert_int_equal (copy_journal_finish (o.j), 0);
  assert_true (copy_journal_complete (o.j));
  close_all (&o);

  o = open_usual ();
  check_claims (&o, 3, BLOCKS, 0);
  assert_true (copy_journal_complete (o.j));
  assert_true (copy_journal_resumed (o.j));
  close_all (&o);
  assert_no_error ();
}

/* A complete copy is finished once; a block that is copied again makes it
 * unfinished.
 */
static void
test_complete (void **state)
{
  struct opened o = open_usual ();
  size_t size;

  assert_int_equal (claim (&o, 0, BLOCKS, 0), 0);
  assert_int_equal (copy_journal_finish (o.j), 0);
  size = file_size ();
  assert_int_equal (copy_journal_finish (o.j), 0);
  close_all (&o);
  o = open_usual ();
  assert_int_equal (copy_journal_finish (o.j), 0);
  assert_int_equal (file_size (), size);

  assert_int_equal (claim (&o, 5, 1, 1), 0);
  assert_false (copy_journal_complete (o.j));
  close_all (&o);
  o = open_usual ();
  assert_false (copy_journal_complete (o.j));
  assert_true (claims (&o, 5, 1));
  assert_true (claims (&o, 6, 0));
  assert_int_equal (copy_journal_finish (o.j), 0);
  close_all (&o);
  o = open_usual ();
  assert_true (copy_journal_complete (o.j));
  close_all (&o);
  assert_no_error ();
}

static void
test_drop (void **state)
{
  struct opened o = open_usual ();

  assert_int_equal (claim (&o, 0, 10, 0), 0);
  close_all (&o);
  o = open_usual ();
  copy_journal_drop (o.j, 4);
  copy_journal_drop (o.j, 4);
  copy_journal_drop (o.j, 30);
  copy_journal_drop (o.j, UINT64_MAX);
  assert_false (claims (&o, 4, 0));
  assert_int_equal (copy_journal_count (o.j), 9);
  assert_true (copy_journal_resumed (o.j));
  close_all (&o);

  /* In memory only, until it is claimed again. */
  o = open_usual ();
  check_claims (&o, 0, 10, 0);
  copy_journal_drop (o.j, 4);
  assert_int_equal (claim (&o, 4, 1, 1), 0);
  assert_int_equal (copy_journal_count (o.j), 10);
  close_all (&o);
  o = open_usual ();
  assert_int_equal (copy_journal_count (o.j), 10);
  assert_true (claims (&o, 4, 1));
  assert_true (claims (&o, 5, 0));
  close_all (&o);
  assert_no_error ();
}

static void
test_sha256_and_no_identity (void **state)
{
  struct opened o = try_open (SIZE, BLOCK_DIGEST_SHA256, "", true);

  assert_int_equal (claim (&o, 0, 3, 0), 0);
  close_all (&o);
  o = try_open (SIZE, BLOCK_DIGEST_SHA256, "", true);
  check_claims (&o, 0, 3, 0);
  close_all (&o);
  assert_no_error ();
}

static void
test_empty_disk (void **state)
{
  struct opened o = try_open (0, BLOCK_DIGEST_POLY1305, IDENTITY, false);

  assert_non_null (o.j);
  assert_false (copy_journal_has (o.j, 0));
  assert_int_equal (copy_journal_finish (o.j), 0);
  close_all (&o);
  o = try_open (0, BLOCK_DIGEST_POLY1305, IDENTITY, false);
  assert_true (copy_journal_complete (o.j));
  assert_false (copy_journal_resumed (o.j));
  close_all (&o);
  assert_no_error ();
}

static void
refused (uint64_t size, enum block_digest type, const char *identity,
         bool delta, int err, const char *text)
{
  struct opened o;

  capture_start ();
  o = try_open (size, type, identity, delta);
  assert_null (o.j);
  close_all (&o);
  assert_int_equal (errno, err);
  assert_error (text);
  assert_error (path);
}

static void
test_stale (void **state)
{
  struct opened o = open_usual ();
  char *longest = calloc (1, COPY_IDENTITY_MAX + 2);
  size_t size;

  assert_int_equal (claim (&o, 0, 5, 0), 0);
  close_all (&o);
  size = file_size ();

  refused (SIZE + 1, BLOCK_DIGEST_POLY1305, IDENTITY, false, ESTALE,
           "its size of the source in bytes is 41942940, that of this copy "
           "is 41942941; remove the file to copy from the beginning");
  refused (SIZE, BLOCK_DIGEST_SHA256, IDENTITY, false, ESTALE,
           "its kind of digests is poly1305, that of this copy is sha256");
  refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, true, ESTALE,
           "its kind is a full copy, that of this copy is a delta");
  refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY "\n1", false, ESTALE,
           "its state of the source is changed at 12:00, that of this copy "
           "is changed at 12:00\\x0a1;");
  refused (SIZE, BLOCK_DIGEST_POLY1305, "changed at 12:0", false, ESTALE,
           "that of this copy is changed at 12:0;");
  refused (SIZE, BLOCK_DIGEST_POLY1305, "", false, ESTALE,
           "its state of the source is changed at 12:00, that of this copy "
           "is (unknown)");

  /* None of this changed it. */
  assert_int_equal (file_size (), size);
  capture_start ();
  o = open_usual ();
  check_claims (&o, 0, 5, 0);
  close_all (&o);
  assert_no_error ();
  unlink (path);

  /* The longest identity. */
  memset (longest, 'x', COPY_IDENTITY_MAX + 1);
  refused (SIZE, BLOCK_DIGEST_POLY1305, longest, false, EINVAL,
           "the identity of the source has 4097 bytes, 4096 are allowed");
  assert_int_equal (access (path, F_OK), -1);
  longest[COPY_IDENTITY_MAX] = '\0';
  capture_start ();
  o = try_open (SIZE, BLOCK_DIGEST_POLY1305, longest, false);
  close_all (&o);
  o = try_open (SIZE, BLOCK_DIGEST_POLY1305, longest, false);
  assert_non_null (o.j);
  close_all (&o);
  assert_no_error ();
  longest[COPY_IDENTITY_MAX - 1] = 'y';
  refused (SIZE, BLOCK_DIGEST_POLY1305, longest, false, ESTALE, "state of");
  free (longest);
}

static void
test_busy (void **state)
{
  struct opened o = open_usual ();
  int status;
  pid_t pid;

  assert_int_equal (claim (&o, 0, 5, 0), 0);
  refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false, EBUSY,
           "another copy is using this journal");

  pid = fork ();
  assert_true (pid >= 0);
  if (pid == 0) {
    struct opened p = open_usual ();

    status = p.j == NULL && errno == EBUSY ? 0 : 1;
    close_all (&p);
    close_all (&o);
    _exit (status);
  }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_int_equal (status, 0);

  capture_start ();
  assert_int_equal (claim (&o, 5, 5, 0), 0);
  close_all (&o);
  o = open_usual ();
  check_claims (&o, 0, 10, 0);
  close_all (&o);
  assert_no_error ();
}

/* The end of each record of a journal of three claims (the second of
 * zeroes) and the end.
 */
struct sample {
  size_t bytes;
  size_t end[4];
  uint64_t claimed[4];
};

static struct sample
make_sample (void)
{
  struct opened o = open_usual ();
  struct sample s;

  assert_int_equal (claim (&o, 0, 5, 0), 0);
  s.end[0] = file_size ();
  s.claimed[0] = 5;
  assert_int_equal (claim (&o, 5, 1, 0), 0);
  s.end[1] = file_size ();
  s.claimed[1] = 6;
  assert_int_equal (claim (&o, 6, 14, 0), 0);
  s.end[2] = file_size ();
  s.claimed[2] = 20;
  assert_int_equal (copy_journal_finish (o.j), 0);
  s.end[3] = file_size ();
  s.claimed[3] = 20;
  close_all (&o);
  s.bytes = read_file ();
  assert_int_equal (s.bytes, s.end[3]);
  return s;
}

/* The blocks claimed by the records that end at or before LEN. */
static uint64_t
claimed_at (const struct sample *s, size_t len)
{
  uint64_t n = 0;
  size_t i;

  for (i = 0; i < 4; i++)
    if (s->end[i] <= len)
      n = s->claimed[i];
  return n;
}

/* A power cut at any byte: the records before it count, and it goes on. */
static void
test_cut_everywhere (void **state)
{
  const struct sample s = make_sample ();
  struct opened o;
  uint64_t n;
  size_t len;

  for (len = 0; len <= s.bytes; len++) {
    write_file (file, len);
    n = claimed_at (&s, len);
    o = open_usual ();
    if (o.j == NULL)
      fail_msg ("%zu bytes: %s", len, captured);
    check_claims (&o, 0, n, 0);
    assert_int_equal (copy_journal_resumed (o.j), n > 0);
    assert_int_equal (copy_journal_complete (o.j), len == s.bytes);
    assert_int_equal (claim (&o, n, 3, 0), 0);
    close_all (&o);
    o = open_usual ();
    check_claims (&o, 0, n + 3, 0);
    close_all (&o);
  }
  assert_int_equal (captured_errors, 0);
}

/* The same with what a file system may show in place of what it has not
 * written: zeroes.
 */
static void
test_zeroes_at_the_end (void **state)
{
  const struct sample s = make_sample ();
  uint8_t *torn = malloc (s.bytes);
  struct opened o;
  uint64_t n;
  size_t len;

  for (len = 0; len < s.bytes; len += len < HEADER_BYTES ? 97 : 1) {
    memcpy (torn, file, s.bytes);
    memset (torn + len, 0, s.bytes - len);
    /* A sum that ends with zero bytes is whole before its end. */
    while (len < s.bytes && file[len] == 0)
      len++;
    write_file (torn, len < HEADER_BYTES ? HEADER_BYTES : s.bytes);
    n = claimed_at (&s, len);
    o = open_usual ();
    if (o.j == NULL)
      fail_msg ("%zu bytes: %s", len, captured);
    check_claims (&o, 0, n, 0);
    assert_int_equal (claim (&o, n, 3, 0), 0);
    close_all (&o);
    o = open_usual ();
    check_claims (&o, 0, n + 3, 0);
    close_all (&o);
  }
  free (torn);
  assert_int_equal (captured_errors, 0);
}

/* One damaged byte: in the header, the journal is refused and not changed;
 * in a record, it and what follows do not count.
 */
static void
test_flip_everywhere (void **state)
{
  const struct sample s = make_sample ();
  struct opened o;
  size_t i;

  for (i = 0; i < s.bytes; i++) {
    file[i] ^= 0x10;
    write_file (file, s.bytes);
    if (i < HEADER_BYTES) {
      refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false, EINVAL,
               "move it away to copy from the beginning");
      assert_int_equal (file_size (), s.bytes);
    }
    else {
      capture_start ();
      o = open_usual ();
      assert_non_null (o.j);
      check_claims (&o, 0, claimed_at (&s, i), 0);
      assert_int_equal (claim (&o, BLOCKS - 1, 1, 0), 0);
      close_all (&o);
      assert_int_equal (captured_errors, 0);
    }
    file[i] ^= 0x10;
  }
}

/* A record of another journal, or in another place, does not count. */
static void
test_record_elsewhere (void **state)
{
  struct sample s = make_sample ();
  uint8_t *old = malloc (s.bytes);
  struct opened o;

  /* The second and third record without the first. */
  memcpy (old, file, s.bytes);
  memmove (old + HEADER_BYTES, old + s.end[0], s.bytes - s.end[0]);
  write_file (old, s.bytes - (s.end[0] - HEADER_BYTES));
  o = open_usual ();
  check_claims (&o, 0, 0, 0);
  assert_int_equal (file_size (), HEADER_BYTES);
  close_all (&o);

  /* All records behind the header of another copy. */
  unlink (path);
  o = open_usual ();
  close_all (&o);
  memcpy (old, file, s.bytes);
  read_file ();
  memcpy (old, file, HEADER_BYTES);
  write_file (old, s.bytes);
  o = open_usual ();
  check_claims (&o, 0, 0, 0);
  close_all (&o);
  free (old);
  assert_int_equal (captured_errors, 0);
}

/* A record with a right sum at the end of the file. */
static size_t
put_record (size_t at, uint32_t runs, const uint64_t (*run)[2], size_t nr)
{
  uint8_t *p = file + at;
  struct digest *d = digest_new (DIGEST_SHA256);
  size_t i;

  memcpy (p, "BLKS", 4);
  runs = htole32 (runs);
  memcpy (p + 4, &runs, 4);
  p += 8;
  for (i = 0; i < nr; i++) {
    const uint64_t first = htole64 (run[i][0]), count = htole64 (run[i][1]);

    memcpy (p, &first, 8);
    memcpy (p + 8, &count, 8);
    memset (p + 16, 0x77, 16);
    p += 32;
  }
  digest_update (d, file + at - 32, 32);
  digest_update (d, file + at, p - (file + at));
  digest_final (d, p);
  digest_free (d);
  return p + 32 - file;
}

static void
test_hostile_records (void **state)
{
  static const struct {
    uint32_t runs;
    size_t nr;
    uint64_t run[2][2];
  } bad[] = {
    { 1, 1, { { BLOCKS, 1 } } },
    { 1, 1, { { 0, BLOCKS + 1 } } },
    { 1, 1, { { 1, BLOCKS } } },
    { 1, 1, { { 0, 0 } } },
    { 1, 1, { { 0, UINT64_MAX } } },
    { 1, 1, { { 2, UINT64_MAX } } },
    { 1, 1, { { UINT64_MAX, 1 } } },
    { 1, 1, { { UINT64_MAX, UINT64_MAX } } },
    { 2, 2, { { 0, 1 }, { BLOCKS, 1 } } },
    { UINT32_MAX, 1, { { 0, 1 } } },
    { 1025, 1, { { 0, 1 } } },
    { 2, 1, { { 0, 1 } } },
    { 0, 1, { { 0, 1 } } },
  };
  const uint64_t whole[1][2] = { { 0, BLOCKS } };
  struct sample s = make_sample ();
  struct opened o;
  size_t end, i;

  for (i = 0; i < ARRAY_SIZE (bad); i++) {
    end = put_record (s.end[2], bad[i].runs, bad[i].run, bad[i].nr);
    write_file (file, end);
    o = open_usual ();
    assert_non_null (o.j);
    check_claims (&o, 0, 20, 0);
    close_all (&o);
    assert_int_equal (file_size (), s.end[2]);
  }

  /* Endless records: no more than is reasonable. */
  end = s.end[2];
  for (i = 0; i < 100; i++)
    end = put_record (end, 1, whole, 1);
  write_file (file, end);
  o = open_usual ();
  assert_int_equal (copy_journal_count (o.j), BLOCKS);
  assert_int_equal (file_size (), s.end[2] + UINT64_C (63) * (8 + 32 + 32));
  assert_int_equal (captured_errors, 0);
  assert_int_equal (claim (&o, 0, 20, 0), 0);
  assert_int_equal (claim (&o, 0, 1, 0), -1);
  assert_int_equal (errno, EFBIG);
  assert_error ("holds each block 64 times; remove it to copy from");
  close_all (&o);
  capture_start ();
  o = open_usual ();
  assert_int_equal (copy_journal_count (o.j), BLOCKS);
  assert_true (claims (&o, 0, 0));
  close_all (&o);
  end = s.end[2];
  for (i = 0; i < 100; i++)
    end = put_record (end, 0, NULL, 0);
  write_file (file, end);
  o = open_usual ();
  check_claims (&o, 0, 20, 0);
  assert_true (copy_journal_complete (o.j));
  close_all (&o);
  assert_int_equal (file_size (), s.end[3]);
  assert_int_equal (captured_errors, 0);
}

/* The sum of the header in the file of this test. */
static void
sign_header (void)
{
  digest_once (DIGEST_SHA256, file, HEADER_BYTES - 32,
               file + HEADER_BYTES - 32);
}

static void
test_hostile_header (void **state)
{
  static const struct { size_t at; uint8_t value; const char *text; } bad[] = {
    { 0, 'x', "this is not a journal of a copy" },
    { 8, 2, "of a newer version of nbdlift" },
    { 8, 0, "makes no sense" },
    { 12, 2, "makes no sense" },        /* flags */
    { 24, 1, "makes no sense" },        /* block size */
    { 32, 2, "makes no sense" },        /* digest type */
    { 37, 0x11, "makes no sense" },     /* 4352 bytes of identity */
    { 39, 0xff, "makes no sense" },
  };
  struct sample s = make_sample ();
  size_t i;

  for (i = 0; i < ARRAY_SIZE (bad); i++) {
    const uint8_t was = file[bad[i].at];

    file[bad[i].at] = bad[i].value;
    sign_header ();
    write_file (file, s.bytes);
    refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false, EINVAL,
             bad[i].text);
    file[bad[i].at] = was;
  }
  /* NUL in the identity; a huge size. */
  file[72 + 3] = 0;
  sign_header ();
  write_file (file, s.bytes);
  refused (SIZE, BLOCK_DIGEST_POLY1305, "cha", false, ESTALE, "is cha,");
  memset (file + 16, 0xff, 8);
  sign_header ();
  write_file (file, s.bytes);
  refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false, ESTALE,
           "bytes is 18446744073709551615, that");
}

/* Files of others are left alone. */
static void
test_not_a_journal (void **state)
{
  const size_t len = strlen (path);

  write_file ("important", 9);
  refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false, EINVAL,
           "this is not a journal of a copy");
  assert_int_equal (read_file (), 9);
  assert_memory_equal (file, "important", 9);
  write_file ("NBDLIFTx", 8);
  refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false, EINVAL,
           "this is not a journal of a copy");
  memset (file, 0, 5000);
  write_file (file, 5000);
  refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false, EINVAL,
           "the header of this journal is damaged");
  assert_int_equal (file_size (), 5000);

  unlink (path);
  assert_int_equal (mkfifo (path, 0600), 0);
  refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false, EINVAL,
           "this is not a regular file");
  unlink (path);
  assert_int_equal (mkdir (path, 0700), 0);
  refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false, EISDIR,
           "the journal cannot be opened: Is a directory");
  rmdir (path);

  snprintf (path + len, sizeof path - len, "/x");
  refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false, ENOENT,
           "the journal cannot be opened: No such file or directory");
  path[len] = '\0';
}

/* The file may not grow: the journal stays as it was, and goes on later. */
static void
test_too_large (void **state)
{
  struct rlimit was, limit;
  struct opened o = open_usual ();
  size_t size;

  assert_int_equal (claim (&o, 0, 5, 0), 0);
  size = file_size ();
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &was);
  limit = was;
  limit.rlim_cur = size + 50;
  setrlimit (RLIMIT_FSIZE, &limit);
  assert_int_equal (claim (&o, 5, 5, 0), -1);
  assert_int_equal (errno, EFBIG);
  assert_int_equal (copy_journal_finish (o.j), 0);
  setrlimit (RLIMIT_FSIZE, &was);
  signal (SIGXFSZ, SIG_DFL);
  assert_error ("the journal cannot be written at offset");
  assert_error ("File too large; the file system or \"ulimit -f\"");
  assert_false (copy_journal_has (o.j, 5));
  assert_int_equal (copy_journal_count (o.j), 5);

  capture_start ();
  assert_int_equal (claim (&o, 5, 5, 0), 0);
  close_all (&o);
  o = open_usual ();
  check_claims (&o, 0, 10, 0);
  assert_false (copy_journal_complete (o.j));
  close_all (&o);

  /* At the very beginning: no file is left. */
  unlink (path);
  signal (SIGXFSZ, SIG_IGN);
  limit.rlim_cur = 1000;
  setrlimit (RLIMIT_FSIZE, &limit);
  refused (SIZE, BLOCK_DIGEST_POLY1305, IDENTITY, false, EFBIG,
           "cannot be written at offset 1000: File too large");
  setrlimit (RLIMIT_FSIZE, &was);
  signal (SIGXFSZ, SIG_DFL);
  assert_int_equal (access (path, F_OK), -1);
  capture_start ();
}

/* A full file system, where this can be made: several times no space in the
 * middle of a record, then some.
 */
static void
test_no_space (void **state)
{
  char filler[sizeof path + 8];
  struct opened o;
  size_t n, size;
  int fd;

  if (mount ("nbdlift-test", folder, "tmpfs", 0, "size=64k") == -1) {
    if (errno == EPERM || errno == EACCES)
      skip ();
    fail_msg ("mount: %m");
  }
  mounted = true;
  o = try_open (10000 * DIGEST_BLOCK, BLOCK_DIGEST_POLY1305, IDENTITY,
                false);
  assert_non_null (o.j);
  assert_int_equal (claim (&o, 0, 500, 0), 0);
  size = file_size ();
  snprintf (filler, sizeof filler, "%s.fill", path);
  fd = open (filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  assert_int_equal (ftruncate (fd, 100000), 0);
  assert_int_equal (posix_fallocate (fd, 0, 28 * KIB), 0);
  close (fd);
  for (n = 0; n < 3; n++) {
    capture_start ();
    /* More than one record. */
    assert_int_equal (claim (&o, 500, 2000, 0), -1);
    assert_int_equal (errno, ENOSPC);
    assert_error ("No space left on device; make room there and start");
    assert_int_equal (file_size (), size);
    assert_int_equal (copy_journal_count (o.j), 500);
  }
  capture_start ();
  close_all (&o);
  o = try_open (10000 * DIGEST_BLOCK, BLOCK_DIGEST_POLY1305, IDENTITY,
                false);
  check_claims (&o, 0, 500, 0);
  unlink (filler);
  assert_int_equal (claim (&o, 500, 1200, 0), 0);
  close_all (&o);
  o = try_open (10000 * DIGEST_BLOCK, BLOCK_DIGEST_POLY1305, IDENTITY,
                false);
  check_claims (&o, 0, 1700, 0);
  close_all (&o);
  assert_int_equal (umount (folder), 0);
  mounted = false;
  assert_no_error ();
}

static void
test_wrong_block (void **state)
{
  struct opened o = open_usual ();

  assert_int_equal (claim (&o, BLOCKS - 1, 2, 0), -1);
  assert_int_equal (errno, EINVAL);
  assert_error ("block 40 of a disk that has 40");
  assert_int_equal (copy_journal_count (o.j), 0);
  assert_int_equal (file_size (), HEADER_BYTES);
  close_all (&o);
}

/* Equal digests side by side are one run: a hole of any size costs little;
 * and a record that would be too long becomes several.
 */
static void
test_large_disk (void **state)
{
  const uint64_t blocks = 2 * MIB, size = blocks * DIGEST_BLOCK;
  uint64_t *numbers = calloc (blocks, sizeof *numbers), i;
  uint8_t *digests = calloc (blocks, 16);
  struct timespec before, after;
  struct opened o = try_open (size, BLOCK_DIGEST_POLY1305, IDENTITY, false);
  const size_t checkpoint = 64; /* MiB */
  size_t end;

  for (i = 0; i < blocks; i++)
    numbers[i] = i;
  assert_int_equal (copy_journal_append (o.j, numbers, digests, blocks), 0);
  end = file_size ();
  assert_int_equal (end, HEADER_BYTES + 8 + 32 + 32);

  for (i = 0; i < blocks; i++)
    memcpy (digests + i * 16, &i, sizeof i);
  assert_int_equal (copy_journal_append (o.j, numbers, digests, checkpoint),
                    0);
  assert_true (file_size () - end <= 2500);
  /* All the rest at once. */
  assert_int_equal (copy_journal_append (o.j, numbers + checkpoint,
                                         digests + checkpoint * 16,
                                         blocks - checkpoint), 0);
  assert_int_equal (copy_journal_count (o.j), blocks);
  close_all (&o);

  o.tree = digest_tree_new (size, BLOCK_DIGEST_POLY1305);
  clock_gettime (CLOCK_MONOTONIC, &before);
  o.j = copy_journal_open (path, o.tree, IDENTITY, false);
  clock_gettime (CLOCK_MONOTONIC, &after);
  print_message ("opened in %ld ms\n",
                 (after.tv_sec - before.tv_sec) * 1000 +
                 (after.tv_nsec - before.tv_nsec) / 1000000);
  assert_int_equal (copy_journal_count (o.j), blocks);
  for (i = 0; i < blocks; i++)
    if (!copy_journal_has (o.j, i) ||
        memcmp (digest_tree_get (o.tree, i), digests + i * 16, 16) != 0)
      fail_msg ("block %zu", (size_t) i);
  close_all (&o);
  free (numbers);
  free (digests);
  assert_no_error ();
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, setup, teardown)
  const struct CMUnitTest tests[] = {
    TEST (test_new),
    TEST (test_resume),
    TEST (test_complete),
    TEST (test_drop),
    TEST (test_sha256_and_no_identity),
    TEST (test_empty_disk),
    TEST (test_stale),
    TEST (test_busy),
    TEST (test_cut_everywhere),
    TEST (test_zeroes_at_the_end),
    TEST (test_flip_everywhere),
    TEST (test_record_elsewhere),
    TEST (test_hostile_records),
    TEST (test_hostile_header),
    TEST (test_not_a_journal),
    TEST (test_too_large),
    TEST (test_no_space),
    TEST (test_wrong_block),
    TEST (test_large_disk),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
