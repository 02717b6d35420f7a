/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/copy/alloc_map.h and nbd_client.h: real servers, and answers
 * that no good server would give, put in the place of libnbd's.
 */
#include "tests/unit/nbd_server.h"

#include <dlfcn.h>
#include <errno.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "driver/copy/alloc_map.h"
#include "driver/copy/nbd_client.h"

#define BASE "base:allocation"
#define BITMAP "qemu:dirty-bitmap:b0"
#define K * KIB
#define D EXTENT_DATA
#define Z EXTENT_ZERO
#define U EXTENT_UNCHANGED
#define HOLE_ZERO (LIBNBD_STATE_HOLE | LIBNBD_STATE_ZERO)

/* One reply of the false server: what each call of the callback gets. */
struct says {
  const char *context;
  uint64_t offset;
  uint32_t entries[16];         /* length, flags; ends with a length of 0,
                                   unless NR is given */
  size_t nr;
};
struct reply {
  struct says says[3];
  int error;
};

#define SAYS(context_, offset_, ...)                                    \
  { .context = context_, .offset = offset_, .entries = { __VA_ARGS__ } }

static const struct reply *replies; /* NULL: libnbd itself */
static size_t nr_replies, nr_questions;
static uint64_t questions[64][2];
static bool broken_at_once;     /* libnbd fails in the call */

int64_t
nbd_aio_block_status (struct nbd_handle *h, uint64_t count, uint64_t offset,
                      nbd_extent_callback extent,
                      nbd_completion_callback completion, uint32_t flags)
{
  int64_t (*real) (struct nbd_handle *, uint64_t, uint64_t,
                   nbd_extent_callback, nbd_completion_callback, uint32_t);
  const struct reply *reply;
  uint32_t entries[16];
  size_t i, nr;
  int error;

  assert_true (nr_questions < 64);
  questions[nr_questions][0] = offset;
  questions[nr_questions][1] = count;
  if (replies == NULL) {
    nr_questions++;
    *(void **) &real = dlsym (RTLD_NEXT, "nbd_aio_block_status");
    return real (h, count, offset, extent, completion, flags);
  }
  if (broken_at_once)
    return -1;
  assert_true (nr_questions < nr_replies);
  reply = &replies[nr_questions++];
  error = reply->error;
  for (i = 0; i < 3 && reply->says[i].context; i++) {
    const struct says *says = &reply->says[i];
    int callback_error = 0;

    nr = says->nr;
    if (nr == 0)
      while (says->entries[nr] != 0)
        nr += 2;
    memcpy (entries, says->entries, sizeof entries);
    if (extent.callback (extent.user_data, says->context, says->offset,
                         entries, nr, &callback_error) == -1 && error == 0)
      error = callback_error;
  }
  completion.callback (completion.user_data, &error);
  return 1;
}

static struct nbd_client client;
static struct alloc_map map;

static void
begin (uint64_t size, const char *delta_context, bool delta)
{
  memset (&client, 0, sizeof client);
  client.nr = 1;
  client.nbd[0] = (struct nbd_handle *) &client; /* some handle */
  client.size = size;
  client.extents = true;
  client.delta_context = delta_context;
  nr_questions = 0;
  capture_start ();
  alloc_map_init (&map, &client, "disk1", delta);
}

#define REPLIES(...)                                                    \
  do {                                                                  \
    static const struct reply replies_[] = { __VA_ARGS__ };             \
    replies = replies_;                                                 \
    nr_replies = ARRAY_SIZE (replies_);                                 \
  } while (0)

/* Walk through all of the map: it is EXPECTED[0..nr), runs with ends. */
static void
check_map (const struct alloc_run *expected, size_t nr)
{
  enum extent_kind kind, got = D;
  uint64_t offset = 0, end = 0;
  size_t i = 0, rounds = 0;
  bool alive;

  while (offset < client.size) {
    alloc_map_ask (&map, offset);
    while (!alloc_map_knows (&map, offset + 1)) {
      assert_null (replies);
      assert_true (rounds++ < 1000);
      assert_int_equal (nbd_client_poll (&client, -1, 5000, &alive), 0);
      alloc_map_ask (&map, offset);
    }
    end = alloc_map_find (&map, offset, &kind);
    assert_true (end > offset);
    if (offset > 0 && kind != got) {
      assert_true (i < nr);
      assert_int_equal (offset, expected[i].end);
      assert_int_equal (got, expected[i].kind);
      i++;
    }
    got = kind;
    offset = end;
  }
  assert_int_equal (i + 1, nr);
  assert_int_equal (end, expected[i].end);
  assert_int_equal (got, expected[i].kind);
}

#define CHECK(...)                                                      \
  do {                                                                  \
    static const struct alloc_run expected_[] = { __VA_ARGS__ };        \
    check_map (expected_, ARRAY_SIZE (expected_));                      \
    alloc_map_free (&map);                                              \
  } while (0)

/* All four states, in a full copy and in a delta. */
static void
test_states (void **state)
{
  REPLIES ({ .says = { SAYS (BASE, 0, 4 K, 0, 4 K, HOLE_ZERO,
                             4 K, LIBNBD_STATE_ZERO, 4 K, LIBNBD_STATE_HOLE,
                             4 K, HOLE_ZERO, 4 K, 0) } });
  begin (24 K, NULL, false);
  CHECK ({ 4 K, D }, { 12 K, Z }, { 16 K, D }, { 20 K, Z }, { 24 K, D });
  begin (24 K, NULL, true);
  CHECK ({ 4 K, D }, { 12 K, Z }, { 16 K, U }, { 20 K, Z }, { 24 K, D });
  assert_int_equal (nr_questions, 1);
  assert_no_error ();
}

/* What is not dirty is unchanged, whatever base:allocation says. */
static void
test_two_contexts (void **state)
{
  REPLIES ({ .says = { SAYS (BASE, 0, 8 K, 0, 8 K, HOLE_ZERO,
                             8 K, LIBNBD_STATE_HOLE, 8 K, 0),
                       SAYS (BITMAP, 0, 4 K, 0, 8 K, 1, 8 K, 0, 12 K, 3) } });
  begin (32 K, BITMAP, true);
  CHECK ({ 4 K, U }, { 8 K, D }, { 12 K, Z }, { 20 K, U }, { 32 K, D });
  assert_no_error ();

  /* The other one first, and one that nobody asked for. */
  REPLIES ({ .says = { SAYS (BITMAP, 0, 32 K, 1),
                       SAYS ("x:other", 0, 1 K, 1),
                       SAYS (BASE, 0, 16 K, 1, 16 K, 2) } });
  begin (32 K, BITMAP, true);
  CHECK ({ 16 K, D }, { 32 K, Z });
  assert_no_error ();
}

/* Each is answered with less than the other in turn. */
static void
test_short_answers (void **state)
{
  REPLIES (
    { .says = { SAYS (BASE, 0, 8 K, 0), SAYS (BITMAP, 0, 4 K, 1) } },
    { .says = { SAYS (BASE, 4 K, 4 K, 0, 4 K, 3),
                SAYS (BITMAP, 4 K, 28 K, 1) } },
    { .says = { SAYS (BITMAP, 12 K, 4 K, 1, 16 K, 0),
                SAYS (BASE, 12 K, 8 K, 3) } },
    { .says = { SAYS (BITMAP, 20 K, 12 K, 0), SAYS (BASE, 20 K, 12 K, 0) } });
  begin (32 K, BITMAP, true);
  CHECK ({ 8 K, D }, { 16 K, Z }, { 32 K, U });
  assert_int_equal (nr_questions, 4);
  assert_int_equal (questions[1][0], 4 K);
  assert_int_equal (questions[2][0], 12 K);
  assert_int_equal (questions[3][0], 20 K);
  assert_int_equal (questions[3][1], 12 K);
  assert_no_error ();
}

/* A bitmap without base:allocation: all that is dirty is data. */
static void
test_bitmap_alone (void **state)
{
  REPLIES ({ .says = { SAYS (BITMAP, 0, 4 K, 1, 4 K, 0) } });
  begin (8 K, BITMAP, true);
  client.extents = false;
  CHECK ({ 4 K, D }, { 8 K, U });
  assert_no_error ();
}

/* The last extent may be longer than was asked. */
static void
test_more_than_asked (void **state)
{
  REPLIES ({ .says = { SAYS (BASE, 0, 4 K, 3, 1024 K, 0) } });
  begin (10 K, NULL, false);
  CHECK ({ 4 K, Z }, { 10 K, D });
  REPLIES ({ .says = { SAYS (BASE, 0, UINT32_MAX, 3, 5, 0) } });
  begin (10 K, NULL, true);
  CHECK ({ 10 K, Z });
  assert_no_error ();
}

/* After each of these, what is left is data, in a delta too. */
static void
test_lies (void **state)
{
  static const struct reply lies[] = {
    { .says = { { .context = BASE, .offset = 4 K, .nr = 6,
                  .entries = { 4 K, 3, 0, 3, 4 K, 3 } } } },
    { .says = { SAYS (BASE, 0, 12 K, 3) } }, /* another place */
    { .says = { SAYS (BASE, 8 K, 12 K, 3) } },
    { .says = { { .context = NULL } } },   /* nothing */
    { .says = { SAYS ("x:other", 4 K, 12 K, 3) } },
    { .says = { SAYS (BASE, 4 K, 0) } },
    { .says = { SAYS (BASE, 4 K, 4 K, 3), SAYS (BASE, 4 K, 8 K, 3) } },
    { .says = { SAYS (BASE, 4 K, 12 K, 3) }, .error = EIO },
    { .says = { SAYS (BASE, 4 K, 12 K, 3) }, .error = ENOTCONN },
    /* With the bitmap: */
    { .says = { SAYS (BASE, 4 K, 12 K, 3) } },
    { .says = { SAYS (BITMAP, 4 K, 12 K, 0) } },
  };
  static struct reply two[2] = {
    { .says = { SAYS (BASE, 0, 4 K, 3), SAYS (BITMAP, 0, 4 K, 1) } },
  };
  size_t i;

  replies = two;
  nr_replies = 2;
  for (i = 0; i < ARRAY_SIZE (lies); i++) {
    const bool bitmap = i >= ARRAY_SIZE (lies) - 2;

    two[1] = lies[i];
    begin (16 K, bitmap ? BITMAP : NULL, i % 2 == 0 || bitmap);
    CHECK ({ 4 K, Z }, { 16 K, D });
    assert_int_equal (nr_questions, 2);
    if (lies[i].error == ENOTCONN)
      assert_no_error ();
    else if (strstr (captured, "disk disk1: source: the server can not tell "
                     "from offset 4096 on which parts are") == NULL)
      fail_msg ("lie %zu: %s", i, captured);
    assert_int_equal (captured_errors, 0);
  }
}

static void
test_call_fails (void **state)
{
  REPLIES ({ .says = { { .context = NULL } } });
  begin (8 K, NULL, false);
  broken_at_once = true;
  CHECK ({ 8 K, D });
  broken_at_once = false;

  begin (8 K, NULL, true);
  client.extents = false;
  alloc_map_free (&map);
  alloc_map_init (&map, &client, "disk1", true);
  CHECK ({ 8 K, D });
}

static bool
no (void *opaque)
{
  return false;
}

static void
open_client (const char *delta_context)
{
  replies = NULL;
  nr_questions = 0;
  capture_start ();
  if (nbd_client_open (&client, server_uri, 2, delta_context, 20, NULL,
                       NULL) == -1)
    fail_msg ("%s", client.failure);
}

/* 3 GiB and a bit: several questions, none near 4 GiB. */
static void
test_windows (void **state)
{
  size_t i;

  START_SERVER ("eval", "get_size=echo 3221225984",
                "pread=dd if=/dev/zero count=$3 iflag=count_bytes",
                "can_extents=exit 0",
                /* every second GiB is a hole, up to 64 MiB a reply */
                "extents=gib=$(( $4 >> 30 )); "
                "n=$(( ((gib + 1) << 30) - $4 )); "
                "[ $n -le 67108864 ] || n=67108864; "
                "[ $n -le $3 ] || n=$3; "
                "[ $(( gib % 2 )) = 1 ] && t=hole,zero || t=; "
                "echo $4 $n $t");
  open_client (NULL);
  assert_true (client.extents);
  assert_null (client.delta_context);
  alloc_map_init (&map, &client, "disk1", false);
  CHECK ({ GIB, D }, { 2 * GIB, Z }, { 3 * GIB, D }, { 3 * GIB + 512, Z });
  for (i = 0; i < nr_questions; i++)
    assert_true (questions[i][1] <= GIB);
  assert_true (nr_questions >= 48);
  nbd_client_close (&client);
  stop_server ();
  assert_no_error ();
}

/* A qcow2 with a bitmap behind qemu-nbd. */
static void
test_qemu_bitmap (void **state)
{
  const char *image = in_folder ("q.qcow2");
  const char *argv[] = { "qemu-nbd", "-r", "-t", "-k", in_folder ("qsock"),
                         "--pid-file", in_folder ("qpid"), "-B", "b0", "-e",
                         "8", "-f", "qcow2", image, NULL };
  struct stat st;
  int i;

  assert_int_equal (RUN ("qemu-img", "create", "-q", "-f", "qcow2", image,
                         "8M"), 0);
  assert_int_equal (RUN ("qemu-io", "-f", "qcow2", image, "-c",
                         "write -q -P 7 0 4M"), 0);
  assert_int_equal (RUN ("qemu-img", "bitmap", "--add", "--enable", image,
                         "b0"), 0);
  assert_int_equal (RUN ("qemu-io", "-f", "qcow2", image,
                         "-c", "write -q -P 8 1M 64k",
                         "-c", "write -q -z 2M 128k",
                         "-c", "write -q -P 9 6M 64k"), 0);

  unlink (in_folder ("qpid"));
  server_pid = subprocess_start (argv, NULL);
  assert_true (server_pid > 0);
  for (i = 0; i < 3000; i++) {
    if (stat (in_folder ("qpid"), &st) == 0 && st.st_size > 0)
      break;
    usleep (10000);
  }
  snprintf (server_uri, sizeof server_uri, "nbd+unix:///?socket=%s",
            in_folder ("qsock"));

  open_client (BITMAP);
  assert_string_equal (client.delta_context, BITMAP);
  alloc_map_init (&map, &client, "disk1", true);
  CHECK ({ 1024 K, U }, { 1088 K, D }, { 2048 K, U }, { 2176 K, Z },
         { 6144 K, U }, { 6208 K, D }, { 8192 K, U });
  nbd_client_close (&client);

  /* The same bitmap is nothing to a full copy. */
  open_client (NULL);
  alloc_map_init (&map, &client, "disk1", false);
  CHECK ({ 2048 K, D }, { 2176 K, Z }, { 4096 K, D }, { 6144 K, Z },
         { 6208 K, D }, { 8192 K, Z });
  nbd_client_close (&client);

  capture_start ();
  assert_int_equal (nbd_client_open (&client, server_uri, 4,
                                     "qemu:dirty-bitmap:b1", 20, NULL, NULL),
                    -1);
  assert_int_equal (errno, ENOTSUP);
  assert_int_equal (client.nr, 0);
  assert_non_null (strstr (client.failure, "no metadata context "
                           "qemu:dirty-bitmap:b1 for this export; it has: "));
  assert_non_null (strstr (client.failure, BASE));
  assert_non_null (strstr (client.failure, BITMAP));
  stop_server ();
  assert_no_error ();
}

static void
test_no_context (void **state)
{
  /* Without structured replies there are no contexts at all. */
  START_SERVER ("--no-sr", "null", "4M");
  open_client (NULL);
  assert_false (client.extents);
  nbd_client_close (&client);
  assert_int_equal (nbd_client_open (&client, server_uri, 1, BASE, 20, NULL,
                                     NULL), -1);
  assert_int_equal (errno, ENOTSUP);
  assert_non_null (strstr (client.failure, "no metadata context "
                           "base:allocation for this export (and lists no "
                           "other)"));
  stop_server ();

  START_SERVER ("null", "4M");
  open_client (BASE);
  assert_true (client.extents);
  assert_null (client.delta_context);
  nbd_client_close (&client);
  assert_int_equal (nbd_client_open (&client, server_uri, 1, "x:y", 20, NULL,
                                     NULL), -1);
  assert_int_equal (errno, ENOTSUP);
  assert_non_null (strstr (client.failure, "; it has: base:allocation"));

  assert_int_equal (nbd_client_open (&client, server_uri, 1, NULL, 20, no,
                                     NULL), -1);
  assert_int_equal (errno, ECANCELED);
  stop_server ();
}

/* No failure shows a password. */
static void
test_passwords (void **state)
{
  static const char *const uris[] = {
    "nbd://joe:s3cret@localhost:1/",
    "nbd://joe:s3/cret@localhost:1/x",
    "nbd://joe:s3 cret@localhost:1/x",
    "mailto://joe:s3cret@localhost",
    "joe:s3cret@localhost:1",
    "nbd://joe:s3@cret@localhost:1/",
    "nbds://joe:%zzs3cret@localhost:1/",
  };
  static const struct { const char *uri, *shown; } safe[] = {
    { "nbd://localhost", "nbd://localhost" },
    { "nbd://localhost:10809/a@b", "nbd://localhost:10809/a@b" },
    { "nbd://[::1]:10809/a@b", "nbd://[::1]:10809/a@b" },
    { "nbds://joe@localhost:10809/", "nbds://joe@localhost:10809/" },
    { "nbd+unix:///?socket=/tmp/a:b@c", "nbd+unix:///?socket=/tmp/a:b@c" },
    { "nbd://joe:secret@host/x", "nbd://joe:***@host/x" },
    { "nbd://joe:se/cret@host/x", "nbd://joe:***@host/x" },
    { "nbd://host/\n", "nbd://host/\\x0a" },
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (safe); i++) {
    CLEANUP_FREE char *shown = nbd_client_safe_uri (safe[i].uri);

    assert_string_equal (shown, safe[i].shown);
  }
  for (i = 0; i < ARRAY_SIZE (uris); i++) {
    assert_int_equal (nbd_client_open (&client, uris[i], 1, NULL, 20, NULL,
                                       NULL), -1);
    if (strstr (client.failure, "s3") || strstr (client.failure, "cret"))
      fail_msg ("%s", client.failure);
    assert_non_null (strstr (client.failure, "localhost"));
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_states),
    cmocka_unit_test (test_two_contexts),
    cmocka_unit_test (test_short_answers),
    cmocka_unit_test (test_bitmap_alone),
    cmocka_unit_test (test_more_than_asked),
    cmocka_unit_test (test_lies),
    cmocka_unit_test (test_call_fails),
    cmocka_unit_test (test_windows),
    cmocka_unit_test (test_qemu_bitmap),
    cmocka_unit_test (test_no_context),
    cmocka_unit_test (test_passwords),
  };

  return cmocka_run_group_tests (tests, folder_setup, folder_teardown);
}
