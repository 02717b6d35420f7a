/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/copy/ when something goes wrong: one error that names disk,
 * side and place, in bounded time, and never a hang.
 */
#include "tests/unit/nbd_server.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/include/minmax.h"
#include "common/util/monotonic.h"
#include "driver/copy/copy.h"
#include "driver/copy/digest_tree.h"

static struct copy_result result;
static int64_t elapsed_ms;

static int
copy_fd (int fd, const char *target, const struct copy_options *options)
{
  const struct copy_source source = { .uri = server_uri, .name = "disk1" };
  const int64_t start = monotonic_ms ();
  int r, err;

  capture_start ();
  r = copy_disk (&source, fd, target, options, &result);
  err = errno;
  elapsed_ms = monotonic_ms () - start;
  errno = err;
  return r;
}

static int
copy_to (const char *path, const struct copy_options *options)
{
  int fd = open (path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r, err;

  assert_true (fd >= 0);
  r = copy_fd (fd, path, options);
  err = errno;
  close (fd);
  errno = err;
  return r;
}

#define assert_failed(r, err, side)                                     \
  do {                                                                  \
    assert_int_equal ((r), -1);                                         \
    assert_int_equal (errno, (err));                                    \
    assert_int_equal (result.failed_side, (side));                      \
  } while (0)

static const struct copy_options defaults;

static void
assert_no_digests (void)
{
  struct digest_tree *like = digest_tree_new (0, BLOCK_DIGEST_SHA256);

  assert_null (digest_tree_of_nbd (server_uri, like, "disk1", NULL, NULL));
  digest_tree_free (like);
}

static void
test_no_server (void **state)
{
  snprintf (server_uri, sizeof server_uri, "nbd+unix:///?socket=%s",
            in_folder ("nobody"));
  assert_failed (copy_to (in_folder ("ours"), &defaults), EIO,
                 COPY_SIDE_SOURCE);
  assert_error ("disk disk1: source: cannot connect to the NBD server at "
                "nbd+unix:///?socket=");
  assert_no_digests ();
}

static void
test_no_such_export (void **state)
{
  START_SERVER ("eval", "open=if [ \"$3\" = a ]; then echo h; else "
                "echo ENOENT no such disk >&2; exit 1; fi",
                "get_size=echo 1048576", "pread=head -c $3 /dev/zero");
  snprintf (server_uri, sizeof server_uri, "nbd+unix:///b?socket=%s",
            in_folder ("sock"));
  assert_failed (copy_to (in_folder ("ours"), &defaults), EIO,
                 COPY_SIDE_SOURCE);
  assert_error ("disk disk1: source: cannot connect");
  stop_server ();
}

static void
test_read_error (void **state)
{
  START_SERVER ("eval", "get_size=echo 8388608",
                "pread=if [ $4 -ge 5242880 ]; then echo EIO bad block >&2; "
                "exit 1; else head -c $3 /dev/zero; fi",
                "can_extents=exit 3");
  assert_failed (copy_to (in_folder ("ours"), &defaults), EIO,
                 COPY_SIDE_SOURCE);
  stop_server ();
  assert_int_equal (captured_errors, 1);
  assert_non_null (strstr (captured, "disk disk1: source: cannot read at "
                           "offset "));
  assert_non_null (strstr (captured, "Input/output error"));
}

static void
test_error_filter (void **state)
{
  /* Reads enough that one of them fails. */
  START_SERVER ("--filter=error", "pattern", "size=512M",
                "error-pread=EIO", "error-pread-rate=10%");
  assert_failed (copy_to (in_folder ("ours"), &defaults), EIO,
                 COPY_SIDE_SOURCE);
  assert_error ("disk disk1: source: cannot read at offset ");
  assert_no_digests ();
  stop_server ();
}

/* Do something to the server once the copy runs. */
struct attack {
  int signal;
  bool done;
};

static bool
attack_server (void *opaque, const struct copy_progress *progress)
{
  struct attack *attack = opaque;

  if (progress->done > 0 && !attack->done) {
    attack->done = true;
    kill (server_pid, attack->signal);
  }
  return true;
}

static void
test_server_killed (void **state)
{
  struct attack attack = { .signal = SIGKILL };
  const struct copy_options options = {
    .progress = attack_server, .opaque = &attack, .requests = 4 };

  START_SERVER ("--filter=delay", "pattern", "size=1G", "rdelay=50ms");
  assert_failed (copy_to (in_folder ("ours"), &options), EIO,
                 COPY_SIDE_SOURCE);
  assert_true (attack.done);
  assert_error ("disk disk1: source: the connection to the NBD server was "
                "lost near offset ");
  assert_true (elapsed_ms < 10000);
  stop_server ();
}

static void
test_server_stalls (void **state)
{
  struct attack attack = { .signal = SIGSTOP };
  const struct copy_options options = {
    .progress = attack_server, .opaque = &attack, .requests = 4,
    .stall_seconds = 1 };

  START_SERVER ("--filter=delay", "pattern", "size=1G", "rdelay=50ms");
  assert_failed (copy_to (in_folder ("ours"), &options), ETIMEDOUT,
                 COPY_SIDE_SOURCE);
  assert_true (attack.done);
  assert_error ("disk disk1: source: the NBD server sent nothing for 1 "
                "seconds");
  assert_in_range (elapsed_ms, 1000, 10000);
  stop_server ();
}

/* A slow server is not a stalled one. */
static void
test_slow_server (void **state)
{
  const struct copy_options options = {
    .stall_seconds = 2, .requests = 4, .request_size = MIB,
    .connections = 1 };

  START_SERVER ("--filter=delay", "--filter=noparallel", "pattern",
                "size=6M", "rdelay=700ms");
  assert_int_equal (copy_to (in_folder ("ours"), &options), 0);
  assert_true (elapsed_ms > 3000);
  stop_server ();
}

/* It takes the connection and says nothing. */
static void
test_mute_server (void **state)
{
  const struct copy_options options = { .stall_seconds = 1 };
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  snprintf (addr.sun_path, sizeof addr.sun_path, "%s", in_folder ("mute"));
  assert_int_equal (bind (fd, (struct sockaddr *) &addr, sizeof addr), 0);
  assert_int_equal (listen (fd, 1), 0);
  snprintf (server_uri, sizeof server_uri, "nbd+unix:///?socket=%s",
            addr.sun_path);
  assert_failed (copy_to (in_folder ("ours"), &options), ETIMEDOUT,
                 COPY_SIDE_SOURCE);
  assert_error ("did not answer within 1 seconds");
  assert_in_range (elapsed_ms, 1000, 5000);
  close (fd);
}

struct cancel {
  uint64_t at;
  int64_t said;
};

static bool
cancel_later (void *opaque, const struct copy_progress *progress)
{
  struct cancel *cancel = opaque;

  if (progress->done < cancel->at)
    return true;
  cancel->said = monotonic_ms ();
  return false;
}

static void
test_cancel (void **state)
{
  struct cancel cancel = { .at = 4 * MIB };
  const struct copy_options options = {
    .progress = cancel_later, .opaque = &cancel };

  START_SERVER ("--filter=delay", "pattern", "size=1G", "rdelay=100ms");
  assert_failed (copy_to (in_folder ("ours"), &options), ECANCELED,
                 COPY_SIDE_NONE);
  assert_no_error ();
  assert_in_range (monotonic_ms () - cancel.said, 0, 1000);

  /* A server that answers no more must not delay it. */
  cancel.at = 0;
  kill (server_pid, SIGSTOP);
  assert_failed (copy_to (in_folder ("ours"), &options), ECANCELED,
                 COPY_SIDE_NONE);
  assert_no_error ();
  assert_in_range (monotonic_ms () - cancel.said, 0, 1000);
  stop_server ();
}

static void
test_file_too_large (void **state)
{
  struct rlimit old, limit;
  int r, err;

  START_SERVER ("pattern", "size=8M");
  assert_int_equal (getrlimit (RLIMIT_FSIZE, &old), 0);
  limit = old;
  limit.rlim_cur = 4 * MIB;
  signal (SIGXFSZ, SIG_IGN);
  assert_int_equal (setrlimit (RLIMIT_FSIZE, &limit), 0);
  r = copy_to (in_folder ("ours"), &defaults);
  err = errno;
  assert_int_equal (setrlimit (RLIMIT_FSIZE, &old), 0);
  stop_server ();
  errno = err;
  assert_failed (r, EFBIG, COPY_SIDE_TARGET);
  assert_error ("cannot set the size of the file at offset 8388608");
  assert_non_null (strstr (captured, "disk disk1: target "));
  assert_non_null (strstr (captured, "ulimit -f"));
}

static void
test_full_disk (void **state)
{
  const char *dir = in_folder ("tiny");
  const struct copy_options options = { .target_is_zero = true };
  int r, err;

  /* The mount goes away with this process. */
  if (unshare (CLONE_NEWNS) == -1 ||
      mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == -1 ||
      mkdir (dir, 0700) == -1 ||
      mount ("tmpfs", dir, "tmpfs", 0, "size=4m") == -1) {
    print_message ("SKIP: cannot mount a small tmpfs: needs root\n");
    skip ();
  }
  START_SERVER ("pattern", "size=64M");
  r = copy_to (in_folder ("tiny/disk"), &options);
  err = errno;
  stop_server ();
  unlink (in_folder ("tiny/disk"));
  assert_int_equal (umount (dir), 0);
  errno = err;
  assert_failed (r, ENOSPC, COPY_SIDE_TARGET);
  assert_int_equal (captured_errors, 1);
  assert_non_null (strstr (captured, "disk disk1: target "));
  assert_non_null (strstr (captured, "tiny/disk: cannot write at offset "));
  assert_non_null (strstr (captured, "No space left on device; make room"));
  assert_true (result.progress.written <= 4 * MIB);
}

static void
test_not_a_disk (void **state)
{
  int fds[2];

  START_SERVER ("pattern", "size=1M");
  assert_int_equal (pipe2 (fds, O_CLOEXEC), 0);
  assert_failed (copy_fd (fds[1], "pipe", &defaults), EINVAL,
                 COPY_SIDE_TARGET);
  assert_error ("target pipe is neither a regular file nor a block device");
  close (fds[0]);
  close (fds[1]);
  stop_server ();
}

static void
test_read_only_target (void **state)
{
  int fd = open (in_folder ("readonly"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

  assert_int_equal (ftruncate (fd, MIB), 0);
  close (fd);
  fd = open (in_folder ("readonly"), O_RDONLY | O_CLOEXEC);
  START_SERVER ("pattern", "size=1M");
  assert_failed (copy_fd (fd, "readonly", &defaults), EBADF,
                 COPY_SIDE_TARGET);
  assert_int_equal (captured_errors, 1);
  assert_non_null (strstr (captured, "disk disk1: target readonly: cannot"));
  close (fd);
  stop_server ();
}

static void
test_digest_file_cannot_be_written (void **state)
{
  struct copy_options options = { 0 };

  options.digest_file = in_folder ("no-such-folder/digests");
  START_SERVER ("pattern", "size=1M");
  assert_failed (copy_to (in_folder ("ours"), &options), ENOENT,
                 COPY_SIDE_TARGET);
  assert_error ("no-such-folder/digests: cannot be written");
  stop_server ();
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_no_server),
    cmocka_unit_test (test_no_such_export),
    cmocka_unit_test (test_read_error),
    cmocka_unit_test (test_error_filter),
    cmocka_unit_test (test_server_killed),
    cmocka_unit_test (test_server_stalls),
    cmocka_unit_test (test_slow_server),
    cmocka_unit_test (test_mute_server),
    cmocka_unit_test (test_cancel),
    cmocka_unit_test (test_file_too_large),
    cmocka_unit_test (test_full_disk),
    cmocka_unit_test (test_not_a_disk),
    cmocka_unit_test (test_read_only_target),
    cmocka_unit_test (test_digest_file_cannot_be_written),
  };

  return cmocka_run_group_tests (tests, folder_setup, folder_teardown);
}
