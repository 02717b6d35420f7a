/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One run of virt-v2v-in-place.
 *
 * Its messages come as JSON lines through a pipe (the copy of them in the
 * log, at its end, is for convert_explain), everything else goes straight
 * into the log.  It runs in a process group of its own, since the
 * appliance, nbdkit and qemu-nbd that it starts must end with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/subprocess.h"
#include "driver/convert_private.h"
#include "driver/plan_state.h"
#include "driver/serve.h"

/* How often to look for a cancellation. */
#define TICK_MS 200

/* The appliance's disks are thrown away or started anew: no need to be
 * patient.
 */
#define STOP_GRACE_MS 5000

static bool
kvm_works (void)
{
  CLEANUP_CLOSE int fd = open ("/dev/kvm", O_RDWR | O_CLOEXEC);
  CLEANUP_CLOSE int vm = -1;

  if (fd == -1 || ioctl (fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
    return false;
  vm = ioctl (fd, KVM_CREATE_VM, 0UL);
  return vm >= 0;
}

static bool
user_forces_tcg (void)
{
  const char *settings = getenv ("LIBGUESTFS_BACKEND_SETTINGS");

  return settings && strstr (settings, "force_tcg");
}

bool
v2v_use_kvm (void)
{
  return !user_forces_tcg () && kvm_works ();
}

/* What is converted. */
struct domain {
  const struct vm *vm;
  const char *xml_file;
  size_t nr_disks;
};

int
v2v_environment (string_vector *env, bool kvm, const char *tmpdir)
{
  const char *settings = getenv ("LIBGUESTFS_BACKEND_SETTINGS");
  const char *old_tmpdir = getenv ("TMPDIR");

  /* virt-v2v leaves its files when a key does not open a disk.  The
   * appliance, which libguestfs would keep there too, stays where it was:
   * it is built once for all runs.
   */
  if (string_vector_append_format (env, "TMPDIR=%s", tmpdir) == -1)
    goto oom;
  if (getenv ("LIBGUESTFS_CACHEDIR") == NULL &&
      string_vector_append_format (env, "LIBGUESTFS_CACHEDIR=%s",
                                   old_tmpdir ? old_tmpdir
                                   : "/var/tmp") == -1)
    goto oom;

  /* Messages must be those that convert_explain knows. */
  if (string_vector_append_dup (env, "LC_ALL=C") == -1)
    goto oom;
  /* Without libvirt, which needs rights and a daemon. */
  if (getenv ("LIBGUESTFS_BACKEND") == NULL &&
      string_vector_append_dup (env, "LIBGUESTFS_BACKEND=direct") == -1)
    goto oom;
  if (!kvm && !user_forces_tcg () &&
      string_vector_append_format (env, "LIBGUESTFS_BACKEND_SETTINGS=%s%s"
                                   "force_tcg", settings ? settings : "",
                                   settings && *settings ? ":" : "") == -1)
    goto oom;
  if (string_vector_append (env, NULL) == -1)
    goto oom;
  return 0;

 oom:
  log_oom ();
  return -1;
}

static int
make_argv (string_vector *argv, const struct domain *domain, int message_fd,
           const struct v2v_keys *keys,
           const struct convert_options *options)
{
  if (string_vector_append_dup (argv, "virt-v2v-in-place") == -1 ||
      string_vector_append_dup (argv, "-v") == -1 ||
      string_vector_append_dup (argv, "-x") == -1 ||
      string_vector_append_format (argv, "--machine-readable=fd:%d",
                                   message_fd) == -1 ||
      string_vector_append_dup (argv, "--root") == -1 ||
      string_vector_append_dup (argv, options->root ? options->root
                                : "first") == -1)
    goto oom;
  if (options->static_ips && v2v_addresses_argv (domain->vm, argv) == -1)
    goto oom;
  if (v2v_keys_argv (keys, domain->nr_disks, argv) == -1 ||
      string_vector_append_dup (argv, "-i") == -1 ||
      string_vector_append_dup (argv, "libvirtxml") == -1 ||
      string_vector_append_dup (argv, domain->xml_file) == -1 ||
      string_vector_append (argv, NULL) == -1)
    goto oom;
  return 0;

 oom:
  log_oom ();
  return -1;
}

int
v2v_write_all (int fd, const char *text, size_t n)
{
  ssize_t r;

  while (n > 0) {
    r = write (fd, text, n);
    if (r == -1) {
      if (errno == EINTR)
        continue;
      return -1;
    }
    text += r;
    n -= r;
  }
  return 0;
}

/* Take what there is in the pipe.  1 if it may bring more, 0 at its end,
 * -1 reported.
 */
static int
read_messages (int fd, struct v2v_messages *m)
{
  char buf[4096];
  ssize_t r;

  for (;;) {
    r = read (fd, buf, sizeof buf);
    if (r == 0)
      return 0;
    if (r == -1) {
      if (errno == EINTR)
        continue;
      if (errno == EAGAIN)
        return 1;
      log_error ("cannot read the messages of virt-v2v: %m");
      return -1;
    }
    if (v2v_messages_feed (m, buf, r) == -1)
      return -1;
  }
}

/* Follow virt-v2v to its end.  0 with *STATUS; -1 with errno, ended and
 * reaped, reported but for ECANCELED.
 */
static int
follow (pid_t pid, int fd, struct v2v_messages *m,
        const struct convert_options *options, int *status)
{
  struct pollfd pfd = { .fd = fd, .events = POLLIN };
  int err, r;

  for (;;) {
    poll (&pfd, 1, TICK_MS);
    r = read_messages (fd, m);
    if (r == -1)
      goto err;
    if (r == 0)
      pfd.fd = -1;              /* poll is only a pause from now on */
    if (options->progress &&
        !options->progress (options->opaque, m->percent,
                            m->what ? m->what : "Starting virt-v2v")) {
      errno = ECANCELED;
      goto err;
    }
    /* It does not end its qemu-nbd on every way out. */
    r = subprocess_wait_group (pid, 0, status);
    if (r == -1)
      goto err;
    if (r == 1)
      return read_messages (fd, m) == -1 ? -1 : 0;
  }

 err:
  err = errno;
  subprocess_stop (pid, true, STOP_GRACE_MS);
  errno = err;
  return -1;
}

void
v2v_remove_tmpdir (char **tmpdir)
{
  const int err = errno;

  if (*tmpdir)
    plan_state_remove_tree (*tmpdir);
  errno = err;
  free (*tmpdir);
}

/* Run it with all its output in LOG_FD. */
static int
run (const struct domain *domain, bool kvm, int log_fd,
     const struct convert_options *options, struct v2v_messages *m,
     int *status)
{
  CLEANUP_STRING_VECTOR string_vector argv = EMPTY_VECTOR;
  CLEANUP_STRING_VECTOR string_vector env = EMPTY_VECTOR;
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  CLEANUP_CLOSE int read_end = -1;
  CLEANUP_V2V_KEYS struct v2v_keys keys = V2V_KEYS_INIT;
  CLEANUP_V2V_TMPDIR char *tmpdir = serve_folder ();
  int pipe_fds[2], keep[V2V_MAX_KEYS + 2];
  pid_t pid;

  if (tmpdir == NULL || v2v_keys_open (&keys, options->keys) == -1)
    return -1;

  if (pipe2 (pipe_fds, O_CLOEXEC) == -1) {
    log_error ("virt-v2v-in-place: cannot be started: pipe: %m");
    return -1;
  }
  read_end = pipe_fds[0];
  memcpy (keep, keys.fds, keys.nr * sizeof keep[0]);
  keep[keys.nr] = pipe_fds[1];
  keep[keys.nr + 1] = -1;
  o.own_group = true;
  o.stdin_fd = keys.stdin_fd;
  o.stdout_fd = log_fd;
  o.stderr_fd = log_fd;
  o.keep_fds = keep;
  if (fcntl (read_end, F_SETFL, O_NONBLOCK) == -1 ||
      v2v_environment (&env, kvm, tmpdir) == -1 ||
      make_argv (&argv, domain, pipe_fds[1], &keys, options) == -1) {
    close (pipe_fds[1]);
    return -1;
  }
  o.env = (const char *const *) env.ptr;
  pid = subprocess_start ((const char *const *) argv.ptr, &o);
  close (pipe_fds[1]);
  if (pid == -1)
    return -1;
  if (follow (pid, read_end, m, options, status) == -1)
    return -1;
  return 0;
}

/* The log as one piece of memory.  munmap it; NULL reported. */
static char *
map_log (int fd, const char *name, size_t *len)
{
  struct stat st;
  char *p;

  if (fstat (fd, &st) == -1) {
    log_error ("%s: %m", printable (name));
    return NULL;
  }
  /* One byte more than nothing: mmap refuses an empty range. */
  *len = st.st_size;
  p = mmap (NULL, MAX (*len, (size_t) 1), PROT_READ, MAP_PRIVATE, fd, 0);
  if (p == MAP_FAILED) {
    log_error ("%s: %m", printable (name));
    return NULL;
  }
  return p;
}

/* True if what holds FILE is all but full. */
static bool
file_system_full (const char *file)
{
  struct statvfs s;

  return statvfs (file, &s) == 0 &&
    (uint64_t) s.f_bavail * s.f_frsize < MIB;
}

static void
report_failure (const char *text, size_t len, int status,
                const struct convert_options *options)
{
  CLEANUP_FREE char *why = NULL;
  int err = EINVAL;

  if (file_system_full (options->work_dir)) {
    log_error ("virt-v2v: no space left in %s, where the conversion keeps "
               "what it changes: free some space there and run again (log: "
               "%s)", printable (options->work_dir),
               printable (options->log_file));
    errno = ENOSPC;
    return;
  }
  if (WIFSIGNALED (status)) {
    log_error ("virt-v2v was ended by %s%s (log: %s)",
               subprocess_status (status),
               WTERMSIG (status) == SIGKILL
               ? ": most likely this host ran out of memory; the conversion "
               "needs about 2.5 GiB" : "",
               printable (options->log_file));
    errno = EIO;
    return;
  }
  why = convert_classify (text, len, &err);
  log_error ("%s (log: %s)", why ? why : subprocess_status (status),
             printable (options->log_file));
  errno = err;
}

/* True if the appliance did not start, as when KVM is there but qemu
 * cannot use it (nested virtualisation of some clouds).
 */
static bool
launch_failed (const char *text, size_t len)
{
  return memmem (text, len, "i_root = ", 9) == NULL &&
    (memmem (text, len, "guestfs_launch failed", 21) ||
     memmem (text, len, "appliance closed the connection", 31) ||
     memmem (text, len, "appliance launch timed out", 26));
}

/* One run, and what its log says.  *AGAIN becomes true, and nothing is
 * reported, if it is worth a second one without KVM.
 */
static int
try_v2v (const struct domain *domain, bool kvm,
         const struct convert_options *options,
         struct convert_result *result, bool *again)
{
  CLEANUP_V2V_MESSAGES struct v2v_messages m = { .percent = 0 };
  CLEANUP_CLOSE int log_fd = -1;
  int status = 0, err, r = -1;
  size_t len;
  char *text;

  /* A new file: after a crash of ours an earlier virt-v2v can still be
   * writing into the old one until it notices.
   */
  if (unlink (options->log_file) == -1 && errno != ENOENT) {
    log_error ("%s: %m", printable (options->log_file));
    return -1;
  }
  log_fd = open (options->log_file,
                 O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd == -1) {
    log_error ("%s: %m", printable (options->log_file));
    return -1;
  }
  if (run (domain, kvm, log_fd, options, &m, &status) == -1)
    return -1;
  if (m.lines.len > 0 &&
      (v2v_write_all (log_fd, "\n", 1) == -1 ||
       v2v_write_all (log_fd, m.lines.ptr, m.lines.len) == -1) && status == 0) {
    log_error ("%s: %m", printable (options->log_file));
    return -1;
  }

  text = map_log (log_fd, options->log_file, &len);
  if (text == NULL)
    return -1;
  if (status == 0)
    r = v2v_learn (text, len, result);
  else if (kvm && launch_failed (text, len))
    *again = true;
  else
    report_failure (text, len, status, options);
  err = errno;
  munmap (text, MAX (len, (size_t) 1));
  if (r == 0) {
    result->warnings = m.warnings;
    memset (&m.warnings, 0, sizeof m.warnings);
  }
  errno = err;
  return r;
}

int
v2v_run (const struct vm *vm, const char *xml_file,
         const struct convert_options *options,
         struct convert_result *result)
{
  struct domain domain = { .vm = vm, .xml_file = xml_file };
  const bool kvm = v2v_use_kvm ();
  bool again = false;
  size_t i;
  int r;

  for (i = 0; i < vm->disks.len; i++)
    domain.nr_disks += !vm->disks.ptr[i].lun;

  r = try_v2v (&domain, kvm, options, result, &again);
  if (again) {
    log_info ("libguestfs cannot use this host's KVM: converting without "
              "it, which is slower (LIBGUESTFS_BACKEND_SETTINGS=force_tcg "
              "avoids the attempt)");
    r = try_v2v (&domain, false, options, result, &again);
  }
  return r;
}
