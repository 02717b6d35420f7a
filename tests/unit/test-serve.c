/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/serve*.c with real nbdkit and qemu-nbd, told what to serve by a
 * source made for the test.
 */
#include "tests/unit/nbd_server.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/monotonic.h"
#include "driver/copy/copy.h"
#include "driver/copy/digest_tree.h"
#include "driver/copy/nbd_client.h"
#include "driver/serve_private.h"

/* What the source under test says: one server for all disks, or more. */
static struct source_servers *wanted;

static int
fake_servers (void *session, const struct vm *vm, const char *snapshot,
              struct source_servers *servers)
{
  assert_null (snapshot);
  if (wanted == NULL) {
    log_error ("the source does not want to");
    errno = EPERM;
    return -1;
  }
  *servers = *wanted;
  free (wanted);
  wanted = NULL;
  return 0;
}

static const struct source_ops fake_ops = {
  .type = "fake", .servers = fake_servers };

static void
want_server (enum source_server_kind kind, const char *const *argv)
{
  struct source_server server = { .kind = kind };

  if (wanted == NULL)
    wanted = calloc (1, sizeof *wanted);
  for (; *argv; argv++)
    assert_int_equal (string_vector_append_dup (&server.argv, *argv), 0);
  assert_int_equal (source_server_vector_append (&wanted->servers, server),
                    0);
}
#define WANT_NBDKIT(...) want_server (SOURCE_SERVER_NBDKIT, \
  (const char *const[]) { __VA_ARGS__, NULL })
#define WANT_QEMU_NBD(...) want_server (SOURCE_SERVER_QEMU_NBD, \
  (const char *const[]) { __VA_ARGS__, NULL })

/* A disk of the VM: NAME (NULL: blank) is its export. */
static void
want_disk (struct vm *vm, size_t server, const char *name, uint64_t size)
{
  struct vm_disk *disk = vm_add_disk (vm);
  struct source_export export = { .server = server };

  assert_non_null (disk);
  disk->name = strdup (name ? name : "blank");
  disk->capacity = size;
  if (name)
    export.name = strdup (name);
  assert_int_equal (source_export_vector_append (&wanted->exports, export),
                    0);
}

static struct served_vm *
serve (const struct vm *vm, const struct serve_options *options)
{
  capture_start ();
  return serve_vm (&fake_ops, NULL, vm, options);
}

static const struct serve_options defaults;

static uint64_t
size_of_uri (const char *uri)
{
  struct nbd_client client;
  uint64_t size;

  if (nbd_client_open (&client, uri, 1, NULL, 10, NULL, NULL) == -1)
    fail_msg ("%s: %s", uri, client.failure);
  size = client.size;
  nbd_client_close (&client);
  return size;
}

static unsigned
entries_in (const char *path)
{
  DIR *dir = opendir (path);
  unsigned n = 0;

  assert_non_null (dir);
  while (readdir (dir))
    n++;
  closedir (dir);
  return n - 2;
}

/* Sockets of the tests go below the test's folder, which must be empty
 * again after each.
 */
static int
run_setup (void **state)
{
  mkdir (in_folder ("run"), 0700);
  mkdir (in_folder ("logs"), 0700);
  setenv ("XDG_RUNTIME_DIR", in_folder ("run"), 1);
  unsetenv ("NBDLIFT_NBDKIT");
  return 0;
}

static int
run_teardown (void **state)
{
  const unsigned n = entries_in (in_folder ("run"));

  if (n > 0)
    print_error ("%u files left in %s\n", n, in_folder ("run"));
  RUN ("rm", "-rf", in_folder ("logs"));
  return n == 0 ? 0 : -1;
}

/* Three exports of one nbdkit whose names need quotes, and a blank one. */
static void
test_exports (void **state)
{
  static const char *const names[] = {
    "disk-0", "[ds 1] a/b.vmdk", "100%&?#=+\xc3\xa4" };
  CLEANUP_VM struct vm vm;
  struct served_vm *s;
  size_t i;

  vm_init (&vm);
  WANT_NBDKIT ("eval", "open=printf %s \"$3\"",
               "get_size=case \"$2\" in disk-0) echo 1048576;; "
               "'[ds 1] a/b.vmdk') echo 2097152;; "
               "'100%&?#=+\xc3\xa4') echo 3145728;; *) exit 1;; esac",
               "pread=head -c $3 /dev/zero");
  for (i = 0; i < ARRAY_SIZE (names); i++)
    want_disk (&vm, 0, names[i], (i + 1) * MIB);
  want_disk (&vm, 0, NULL, 5 * MIB);
  s = serve (&vm, &defaults);
  assert_no_error ();
  assert_non_null (s);
  for (i = 0; i < ARRAY_SIZE (names); i++) {
    assert_int_equal (strncmp (served_uri (s, i), "nbd+unix:///", 12), 0);
    assert_int_equal (size_of_uri (served_uri (s, i)), (i + 1) * MIB);
    assert_int_equal (served_port (s, i), 0);
    assert_null (served_error (s, i));
  }
  assert_null (served_uri (s, 3));
  assert_null (served_uri (s, 4));
  serve_stop (s);
}

static void
test_secrets (void **state)
{
  CLEANUP_VM struct vm vm;
  struct source_server *server;
  struct served_vm *s;

  vm_init (&vm);
  /* The script keeps the parameter and what is in the file. */
  WANT_NBDKIT ("eval", "get_size=echo 512", "pread=head -c $3 /dev/zero");
  server = &wanted->servers.ptr[0];
  assert_int_equal (string_vector_append_format (
                      &server->argv, "config=if [ \"$2\" = password ]; then "
                      "printf '%%s\\n' \"$3\" >>%s; cat \"${3#+}\" >>%s; fi",
                      in_folder ("seen"), in_folder ("seen")), 0);
  assert_int_equal (string_vector_append_dup (&server->secret_keys,
                                              "password"), 0);
  assert_int_equal (string_vector_append_dup (&server->secret_values,
                                              "+s3cr3t 'x'"), 0);
  want_disk (&vm, 0, "", 512);
  s = serve (&vm, &(struct serve_options) { .log_dir = in_folder ("logs"),
                                            .verbose = true });
  assert_no_error ();
  assert_non_null (s);
  assert_int_equal (RUN ("grep", "-q", "^+/.*/secret-0-password$",
                         in_folder ("seen")), 0);
  assert_int_equal (RUN ("grep", "-q", "^+s3cr3t 'x'$", in_folder ("seen")),
                    0);
  /* Neither in the log nor, after the start, in a file. */
  assert_int_equal (RUN ("grep", "-rq", "s3cr3t", in_folder ("run"),
                         in_folder ("logs")), 1);
  serve_stop (s);
  assert_int_equal (access (in_folder ("logs/nbdkit-0.log"), R_OK), 0);
  unlink (in_folder ("seen"));

  vm_free (&vm);
  vm_init (&vm);
  WANT_NBDKIT ("null");
  server = &wanted->servers.ptr[0];
  string_vector_append_dup (&server->secret_keys, "password");
  string_vector_append_dup (&server->secret_values, "two\nlines");
  want_disk (&vm, 0, "", 512);
  assert_null (serve (&vm, &defaults));
  assert_error ("the secret 'password' has a line break");
}

static void
test_qemu_nbd (void **state)
{
  CLEANUP_VM struct vm vm;
  struct served_vm *s;

  vm_init (&vm);
  assert_int_equal (RUN ("qemu-img", "create", "-q", "-f", "qcow2",
                         in_folder ("disk.qcow2"), "7M"), 0);
  WANT_NBDKIT ("memory", "1M");
  WANT_QEMU_NBD ("--read-only", "--persistent", "--shared=0",
                 "--format=qcow2", in_folder ("disk.qcow2"));
  want_disk (&vm, 1, "", 7 * MIB);
  want_disk (&vm, 0, "", 1 * MIB);
  s = serve (&vm, &defaults);
  assert_no_error ();
  assert_non_null (s);
  assert_int_equal (size_of_uri (served_uri (s, 0)), 7 * MIB);
  assert_int_equal (size_of_uri (served_uri (s, 0)), 7 * MIB);
  assert_int_equal (size_of_uri (served_uri (s, 1)), 1 * MIB);
  serve_stop (s);

  vm_free (&vm);
  vm_init (&vm);
  WANT_QEMU_NBD ("--read-only", "--format=qcow2", in_folder ("no-such"));
  want_disk (&vm, 0, "", 7 * MIB);
  assert_null (serve (&vm, &defaults));
  assert_error ("qemu-nbd ended before it was ready, with exit code 1: ");
  assert_non_null (strstr (captured, "No such file or directory"));
}

/* With TCP each disk has its own server and is the default export. */
static void
test_tcp (void **state)
{
  CLEANUP_VM struct vm vm;
  struct served_vm *s;
  size_t i;

  vm_init (&vm);
  assert_int_equal (RUN ("qemu-img", "create", "-q", "-f", "qcow2",
                         in_folder ("disk.qcow2"), "7M"), 0);
  WANT_NBDKIT ("eval",
               "config=[ \"$2\" = disk ] && printf %s \"$3\" >$tmpdir/disk",
               "get_size=case $(cat $tmpdir/disk) in a) echo 1048576;; "
               "'b c') echo 2097152;; esac", "pread=head -c $3 /dev/zero");
  WANT_QEMU_NBD ("--read-only", "--persistent", "--shared=0",
                 "--format=qcow2", in_folder ("disk.qcow2"));
  want_disk (&vm, 0, "a", 1 * MIB);
  want_disk (&vm, 0, NULL, 1 * MIB);
  want_disk (&vm, 0, "b c", 2 * MIB);
  want_disk (&vm, 1, "", 7 * MIB);
  s = serve (&vm, &(struct serve_options) { .tcp = true });
  assert_no_error ();
  assert_non_null (s);
  for (i = 0; i < 4; i++) {
    char uri[64];

    if (i == 1) {
      assert_null (served_uri (s, i));
      assert_int_equal (served_port (s, i), 0);
      continue;
    }
    snprintf (uri, sizeof uri, "nbd://localhost:%u", served_port (s, i));
    assert_int_equal (size_of_uri (uri), vm.disks.ptr[i].capacity);
    assert_int_equal (size_of_uri (served_uri (s, i)),
                      vm.disks.ptr[i].capacity);
  }
  assert_int_not_equal (served_port (s, 0), served_port (s, 2));
  serve_stop (s);
}

static void
test_filters (void **state)
{
  static const char *const filters[] = {
    "--filter=truncate", "truncate=4M", NULL };
  CLEANUP_VM struct vm vm;
  struct served_vm *s;

  vm_init (&vm);
  WANT_NBDKIT ("--filter=offset", "memory", "size=3M", "offset=1M");
  want_disk (&vm, 0, "", 4 * MIB);
  s = serve (&vm, &(struct serve_options) { .filters = filters });
  assert_no_error ();
  assert_non_null (s);
  serve_stop (s);
}

/* The number N in --threads=N. */
static unsigned
threads_with (const struct serve_options *options)
{
  CLEANUP_STRING_VECTOR string_vector files = EMPTY_VECTOR;
  CLEANUP_STRING_VECTOR string_vector argv = EMPTY_VECTOR;
  CLEANUP_STRING_VECTOR string_vector plugin = EMPTY_VECTOR;
  const struct server server = { .socket = "/s", .pid_file = "/p" };
  struct source_server spec = { .kind = SOURCE_SERVER_NBDKIT };
  unsigned threads = 0;
  size_t i;

  assert_int_equal (string_vector_append_dup (&plugin, "/null"), 0);
  spec.argv = plugin;
  assert_int_equal (serve_argv (&spec, &server, NULL, options, "/", "",
                                &files, &argv), 0);
  for (i = 0; argv.ptr[i]; i++)
    if (strncmp (argv.ptr[i], "--threads=", 10) == 0)
      threads = strtoul (argv.ptr[i] + 10, NULL, 10);
  return threads;
}

/* As many as there are processors for us, within limits. */
static void
test_threads (void **state)
{
  cpu_set_t all, one;
  unsigned n, cpu = 0;

  assert_return_code (sched_getaffinity (0, sizeof all, &all), errno);
  n = CPU_COUNT (&all);
  assert_int_equal (threads_with (&defaults), n < 2 ? 2 : n > 4 ? 4 : n);
  assert_int_equal (threads_with (&(struct serve_options) { .threads = 9 }),
                    9);

  while (!CPU_ISSET (cpu, &all))
    cpu++;
  CPU_ZERO (&one);
  CPU_SET (cpu, &one);
  assert_return_code (sched_setaffinity (0, sizeof one, &one), errno);
  n = threads_with (&defaults);
  assert_return_code (sched_setaffinity (0, sizeof all, &all), errno);
  assert_int_equal (n, 2);
}

static void
test_wrong_size (void **state)
{
  CLEANUP_VM struct vm vm;

  vm_init (&vm);
  WANT_NBDKIT ("memory", "1M");
  want_disk (&vm, 0, "", 1 * MIB + 512);
  assert_null (serve (&vm, &defaults));
  assert_int_equal (errno, EIO);
  assert_error ("disk : the server shows 1048576 bytes, but the source says "
                "that it has 1049088");
}

static void
test_start_fails (void **state)
{
  CLEANUP_VM struct vm vm;

  vm_init (&vm);
  assert_null (serve (&vm, &defaults));
  assert_error ("the source does not want to");

  /* A plugin that is not there; a parameter that is wrong; another run's
   * log before it must not be taken for this one's.
   */
  WANT_NBDKIT ("no-such-plugin");
  want_disk (&vm, 0, "", MIB);
  assert_null (serve (&vm, &(struct serve_options) {
        .log_dir = in_folder ("logs") }));
  assert_error ("nbdkit ended before it was ready, with exit code 1: ");
  assert_non_null (strstr (captured, "no-such-plugin"));
  vm_free (&vm);
  vm_init (&vm);
  WANT_NBDKIT ("file", in_folder ("no-such-file"));
  want_disk (&vm, 0, "", MIB);
  assert_null (serve (&vm, &(struct serve_options) {
        .log_dir = in_folder ("logs") }));
  assert_int_equal (captured_errors, 1);
  assert_non_null (strstr (captured, "no-such-file"));
  assert_null (strstr (captured, "no-such-plugin"));

  /* The program is not there. */
  setenv ("NBDLIFT_NBDKIT", "/nonexistent/nbdkit", 1);
  vm_free (&vm);
  vm_init (&vm);
  WANT_NBDKIT ("null");
  want_disk (&vm, 0, "", MIB);
  assert_null (serve (&vm, &defaults));
  assert_error ("/nonexistent/nbdkit: cannot be started: No such file");
}

/* The start hangs, or the first client does. */
static void
test_too_slow (void **state)
{
  const struct serve_options options = { .seconds = 1 };
  CLEANUP_VM struct vm vm;
  const int64_t start = monotonic_ms ();

  vm_init (&vm);
  WANT_NBDKIT ("eval", "get_ready=exec sleep 30", "get_size=echo 512",
               "pread=:");
  want_disk (&vm, 0, "", 512);
  assert_null (serve (&vm, &options));
  assert_int_equal (errno, ETIMEDOUT);
  assert_error ("nbdkit was not ready within 1 seconds");
  vm_free (&vm);

  vm_init (&vm);
  WANT_NBDKIT ("eval", "open=exec sleep 3", "get_size=echo 512", "pread=:");
  want_disk (&vm, 0, "", 512);
  assert_null (serve (&vm, &options));
  assert_int_equal (errno, ETIMEDOUT);
  assert_error ("did not answer within 1 seconds");
  assert_in_range (monotonic_ms () - start, 2000, 20000);
}

/* An error of the plugin is found behind the client's "I/O error". */
static void
test_served_error (void **state)
{
  CLEANUP_VM struct vm vm;
  CLEANUP_FREE char *text = NULL;
  struct digest_tree *like = digest_tree_new (0, BLOCK_DIGEST_SHA256);
  struct served_vm *s;
  char command[200];

  vm_init (&vm);
  WANT_NBDKIT ("eval", "get_size=echo 4194304",
               "pread=echo EIO grain 7 is broken >&2; exit 1");
  want_disk (&vm, 0, "", 4 * MIB);
  s = serve (&vm, &defaults);
  assert_non_null (s);
  assert_null (served_error (s, 0));
  assert_null (digest_tree_of_nbd (served_uri (s, 0), like, "a", NULL,
                                   NULL));
  digest_tree_free (like);
  text = served_error (s, 0);
  assert_non_null (text);
  assert_non_null (strstr (text, "grain 7 is broken"));
  assert_null (strstr (text, "; "));    /* said once, for 4 reads */
  free (text);

  /* Killed by somebody else. */
  snprintf (command, sizeof command, "kill -KILL $(cat %s/nbdlift-*/pid0)",
            in_folder ("run"));
  assert_int_equal (RUN ("sh", "-c", command), 0);
  usleep (200000);
  text = served_error (s, 0);
  assert_non_null (text);
  assert_non_null (strstr (text, "nbdkit ended with signal 9"));
  serve_stop (s);
}

static void *
serve_and_leave (void *opaque)
{
  CLEANUP_VM struct vm vm;

  vm_init (&vm);
  WANT_NBDKIT ("null", "size=512");
  want_disk (&vm, 0, "", 512);
  return serve (&vm, &defaults);
}

/* The servers do not survive the thread that started them. */
static void
test_thread_ends (void **state)
{
  struct nbd_client client;
  pthread_t thread;
  void *s;
  int i, r = 0;

  assert_int_equal (pthread_create (&thread, NULL, serve_and_leave, NULL),
                    0);
  assert_int_equal (pthread_join (thread, &s), 0);
  assert_non_null (s);
  for (i = 0; i < 100 && r == 0; i++) {
    r = nbd_client_open (&client, served_uri (s, 0), 1, NULL, 1, NULL, NULL);
    if (r == 0)
      nbd_client_close (&client);
    usleep (50000);
  }
  assert_int_equal (r, -1);
  serve_stop (s);
}

/* $XDG_RUNTIME_DIR and $TMPDIR are too long for a socket's name. */
static void
test_long_folder (void **state)
{
  CLEANUP_VM struct vm vm;
  struct served_vm *s;
  char path[200];
  CLEANUP_FREE char *tmp = getenv ("TMPDIR") ? strdup (getenv ("TMPDIR"))
                                             : NULL;

  snprintf (path, sizeof path, "%s/%0100d", folder, 1);
  assert_int_equal (mkdir (path, 0700), 0);
  setenv ("XDG_RUNTIME_DIR", path, 1);
  setenv ("TMPDIR", path, 1);
  vm_init (&vm);
  WANT_NBDKIT ("null", "size=512");
  want_disk (&vm, 0, "", 512);
  s = serve (&vm, &defaults);
  if (tmp)
    setenv ("TMPDIR", tmp, 1);
  else
    unsetenv ("TMPDIR");
  assert_no_error ();
  assert_non_null (s);
  assert_non_null (strstr (served_uri (s, 0), "%2Ftmp%2Fnbdlift-"));
  serve_stop (s);
}

static void
test_plugin_path (void **state)
{
  CLEANUP_FREE char *plain = NULL, *found = NULL;
  int fd = open (in_folder ("logs/nbdkit-mine-plugin.so"),
                 O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

  close (fd);
  plain = plugin_path ("mine");
  assert_string_equal (plain, "mine");
  setenv ("NBDLIFT_PLUGIN_DIR", in_folder ("logs"), 1);
  found = plugin_path ("mine");
  unsetenv ("NBDLIFT_PLUGIN_DIR");
  assert_string_equal (found, in_folder ("logs/nbdkit-mine-plugin.so"));
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, run_setup, \
                                                    run_teardown)
  const struct CMUnitTest tests[] = {
    TEST (test_exports),
    TEST (test_secrets),
    TEST (test_qemu_nbd),
    TEST (test_tcp),
    TEST (test_filters),
    TEST (test_threads),
    TEST (test_wrong_size),
    TEST (test_start_fails),
    TEST (test_too_slow),
    TEST (test_served_error),
    TEST (test_thread_ends),
    TEST (test_long_folder),
    TEST (test_plugin_path),
  };

  return cmocka_run_group_tests (tests, folder_setup, folder_teardown);
}
