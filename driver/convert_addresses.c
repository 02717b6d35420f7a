/* SPDX-License-Identifier: BSD-3-Clause
 *
 * preserveStaticIPs: the guest keeps its addresses on new NICs.
 *
 * Windows gets them from a script of virt-v2v, which has them on its
 * command line.  For Linux virt-v2v does nothing: nbdlift-guest (see
 * driver/guest) changes the converted guest, while it is on overlays.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/util/subprocess.h"
#include "driver/convert_private.h"
#include "driver/guest/guest_handle.h"
#include "driver/serve.h"

/* How often to look for a cancellation. */
#define TICK_MS 200
#define STOP_GRACE_MS 5000

#define HELPER "nbdlift-guest"

/*---- Windows ----*/

static bool
is_address (const char *text)
{
  unsigned char bytes[16];

  return text && (inet_pton (AF_INET, text, bytes) == 1 ||
                  inet_pton (AF_INET6, text, bytes) == 1);
}

static bool
is_v6 (const char *address)
{
  return strchr (address, ':') != NULL;
}

/* Why address I of NIC cannot be given to virt-v2v; NULL if it can, "" if
 * it is not to be.  2.2 wants a gateway before it takes the length of the
 * prefix, and Windows refuses the second one that comes with the same
 * gateway.
 */
static const char *
refused (const struct vm_nic *nic, size_t i)
{
  const struct vm_ip *ip = &nic->ips.ptr[i];
  size_t k;

  if (nic->mac == NULL || !ip->is_static || !is_address (ip->address) ||
      strncmp (ip->address, "fe80:", 5) == 0)
    return "";
  if (!is_address (ip->gateway))
    return "virt-v2v takes none without a gateway";
  for (k = 0; k < i; k++)
    if (refused (nic, k) == NULL &&
        is_v6 (nic->ips.ptr[k].address) == is_v6 (ip->address))
      return "virt-v2v sets one per network card";
  return NULL;
}

static int
add_mac (const struct vm_nic *nic, const struct vm_ip *ip,
         string_vector *argv)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  char *text;
  size_t i;

  if (strbuf_printf (&b, "%s:ip:%s,%s,%u", nic->mac, ip->address,
                     ip->gateway, ip->prefix) == -1)
    return -1;
  for (i = 0; i < ip->dns.len; i++)
    if (is_address (ip->dns.ptr[i]) &&
        strbuf_printf (&b, ",%s", ip->dns.ptr[i]) == -1)
      return -1;
  text = strbuf_steal (&b);
  if (text == NULL || string_vector_append_dup (argv, "--mac") == -1 ||
      string_vector_append (argv, text) == -1) {
    free (text);
    return -1;
  }
  return 0;
}

int
v2v_addresses_argv (const struct vm *vm, string_vector *argv)
{
  size_t i, k;

  for (i = 0; i < vm->nics.len; i++)
    for (k = 0; k < vm->nics.ptr[i].ips.len; k++)
      if (refused (&vm->nics.ptr[i], k) == NULL &&
          add_mac (&vm->nics.ptr[i], &vm->nics.ptr[i].ips.ptr[k],
                   argv) == -1)
        return -1;
  return 0;
}

static int
report_windows (const struct vm *vm, struct convert_result *result)
{
  size_t i, k;
  int r = 0;

  for (i = 0; i < vm->nics.len && r == 0; i++)
    for (k = 0; k < vm->nics.ptr[i].ips.len && r == 0; k++) {
      const struct vm_nic *nic = &vm->nics.ptr[i];
      const struct vm_ip *ip = &nic->ips.ptr[k];
      const char *why = refused (nic, k);

      if (why == NULL)
        r = string_vector_append_format (&result->kept, "%s: %s/%u is set "
                                         "when Windows first starts",
                                         nic->mac, ip->address, ip->prefix);
      else if (*why)
        r = string_vector_append_format (&result->lost, "%s: %s/%u: %s: "
                                         "after the migration, configure it "
                                         "in the guest's console", nic->mac,
                                         ip->address, ip->prefix, why);
    }
  if (r == -1)
    log_oom ();
  return r;
}

/*---- Linux ----*/

static json_t *
nic_to_json (const struct vm_nic *nic)
{
  CLEANUP_JSON json_t *j = json_object ();
  json_t *list = json_array (), *ip;
  size_t i;

  if (j == NULL || json_set (j, "ips", list) == -1 ||
      json_set_string (j, "mac", nic->mac) == -1)
    return NULL;
  for (i = 0; i < nic->ips.len; i++) {
    ip = json_object ();
    if (json_array_append_new (list, ip) == -1 ||
        json_set_string (ip, "address", nic->ips.ptr[i].address) == -1 ||
        json_set_u64 (ip, "prefix", nic->ips.ptr[i].prefix) == -1 ||
        json_set_bool (ip, "static", nic->ips.ptr[i].is_static) == -1)
      return NULL;
  }
  return json_incref (j);
}

static int
append_string (json_t *list, const char *text, size_t n)
{
  return json_array_append_new (list, json_stringn (text, n));
}

/* What to do, in a file in memory: it can hold passphrases. */
static int
write_request (const struct vm *vm, const string_vector *overlays,
               const struct convert_options *options)
{
  CLEANUP_JSON json_t *j = json_object ();
  json_t *disks = json_array (), *keys = json_array (), *nics = json_array ();
  CLEANUP_FREE char *text = NULL;
  size_t i;
  int fd;

  if (j == NULL)
    goto oom;
  if (json_set (j, "disks", disks) == -1 || json_set (j, "keys", keys) == -1 ||
      json_set (j, "nics", nics) == -1 ||
      json_set_string (j, "root", options->root) == -1)
    return -1;
  for (i = 0; i < overlays->len; i++)
    if (append_string (disks, overlays->ptr[i],
                       strlen (overlays->ptr[i])) == -1)
      goto oom;
  for (i = 0; options->keys && options->keys[i]; i++)
    if (append_string (keys, options->keys[i],
                       strcspn (options->keys[i], "\n")) == -1)
      goto oom;
  for (i = 0; i < vm->nics.len; i++)
    if (json_array_append_new (nics, nic_to_json (&vm->nics.ptr[i])) == -1)
      goto oom;
  text = json_dumps (j, 0);
  if (text == NULL)
    goto oom;
  fd = memfd_create ("request", MFD_CLOEXEC);
  if (fd >= 0 && v2v_write_all (fd, text, strlen (text)) == 0 &&
      lseek (fd, 0, SEEK_SET) == 0) {
    explicit_bzero (text, strlen (text));
    return fd;
  }
  log_error (HELPER ": cannot be started: %m");
  if (fd >= 0)
    close (fd);
  return -1;

 oom:
  log_oom ();
  return -1;
}

/* Beside our own program, in ../libexec/nbdlift from there, or on PATH. */
static char *
helper_path (void)
{
  static const char *const places[] = {
    HELPER, "../libexec/nbdlift/" HELPER
  };
  char exe[PATH_MAX], *slash, *path;
  const ssize_t n = readlink ("/proc/self/exe", exe, sizeof exe - 1);
  size_t i;

  exe[n > 0 ? n : 0] = '\0';
  slash = strrchr (exe, '/');
  for (i = 0; slash && i < 2; i++) {
    if (asprintf (&path, "%.*s/%s", (int) (slash - exe), exe,
                  places[i]) == -1) {
      log_oom ();
      return NULL;
    }
    if (access (path, X_OK) == 0)
      return path;
    free (path);
  }
  path = strdup (HELPER);
  if (path == NULL)
    log_oom ();
  return path;
}

/* 0 with *STATUS; -1 with errno, ended, reported but for ECANCELED. */
static int
follow (pid_t pid, const struct convert_options *options, int *status)
{
  int r;

  do {
    if (options->progress &&
        !options->progress (options->opaque, 98,
                            "Keeping the static addresses")) {
      subprocess_stop (pid, true, STOP_GRACE_MS);
      errno = ECANCELED;
      return -1;
    }
    r = subprocess_wait_group (pid, TICK_MS, status);
  } while (r == 0);
  return r == -1 ? -1 : 0;
}

/* One run.  0 with *STATUS, -1 reported but for ECANCELED. */
static int
run_helper (int request, int answer, bool kvm,
            const struct convert_options *options, int *status)
{
  CLEANUP_FREE char *path = helper_path ();
  CLEANUP_V2V_TMPDIR char *tmpdir = serve_folder ();
  CLEANUP_STRING_VECTOR string_vector env = EMPTY_VECTOR;
  CLEANUP_CLOSE int log_fd = -1;
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  const char *argv[] = { path, NULL };
  pid_t pid;

  if (path == NULL || tmpdir == NULL ||
      v2v_environment (&env, kvm, tmpdir) == -1)
    return -1;
  log_fd = open (options->log_file,
                 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd == -1 || lseek (request, 0, SEEK_SET) == -1 ||
      ftruncate (answer, 0) == -1 || lseek (answer, 0, SEEK_SET) == -1) {
    log_error ("%s: %m", printable (options->log_file));
    return -1;
  }
  o.own_group = true;
  o.stdin_fd = request;
  o.stdout_fd = answer;
  o.stderr_fd = log_fd;
  o.env = (const char *const *) env.ptr;
  pid = subprocess_start (argv, &o);
  if (pid == -1)
    return -1;
  return follow (pid, options, status);
}

static int
take_answer (int fd, const char *log_file, struct convert_result *result)
{
  CLEANUP_JSON json_t *j = NULL;

  if (lseek (fd, 0, SEEK_SET) == 0)
    j = json_loadfd (fd, 0, NULL);
  if (j == NULL) {
    log_error ("static addresses: " HELPER " gave no answer (log: %s)",
               printable (log_file));
    errno = EIO;
    return -1;
  }
  if (json_get_strings (j, "kept", &result->kept) == -1 ||
      json_get_strings (j, "lost", &result->lost) == -1)
    return -1;
  return 0;
}

int
v2v_keep_addresses (const struct vm *vm, const string_vector *overlays,
                    const struct convert_options *options,
                    struct convert_result *result)
{
  CLEANUP_CLOSE int request = -1;
  CLEANUP_CLOSE int answer = -1;
  const bool kvm = v2v_use_kvm ();
  int status;

  if (result->osinfo && strncmp (result->osinfo, "win", 3) == 0)
    return report_windows (vm, result);
  request = write_request (vm, overlays, options);
  if (request == -1)
    return -1;
  answer = memfd_create ("answer", MFD_CLOEXEC);
  if (answer == -1) {
    log_error (HELPER ": cannot be started: %m");
    return -1;
  }
  if (run_helper (request, answer, kvm, options, &status) == -1)
    return -1;
  if (kvm && WIFEXITED (status) && WEXITSTATUS (status) == GUEST_NOT_STARTED &&
      run_helper (request, answer, false, options, &status) == -1)
    return -1;
  if (status != 0) {
    log_error ("the guest is converted, but its static addresses could not "
               "be kept: " HELPER " ended with %s (log: %s); run again, or "
               "set preserveStaticIPs to false",
               subprocess_status (status), printable (options->log_file));
    errno = EIO;
    return -1;
  }
  return take_answer (answer, options->log_file, result);
}
