/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Leases: ExportVm lends us the disks of a VM as streams.  The VM cannot
 * be powered on until the lease is completed or aborted, so that happens
 * on every way out; a lease of which nothing is heard for its time limit
 * (300 s) ends by itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "plugins/vsphere/vim_private.h"

#define READY_SECONDS 600
#define MAX_PROGRESS_SECONDS 60

struct vim_lease {
  struct vim *vim;
  char *id;
  char *vm;
  vim_lease_disk_vector disks;
  unsigned interval;            /* seconds between two signs of life */

  pthread_mutex_t lock;         /* guards the rest */
  pthread_cond_t wake;
  pthread_t thread;
  bool has_thread, closing;
  unsigned percent;
  xmlDocPtr manifest;           /* once it was asked for */
};

static void
free_disk (struct vim_lease_disk *disk)
{
  free (disk->key);
  free (disk->url);
  free (disk->target_id);
  free (disk->thumbprint);
}

static void
free_lease (struct vim_lease *lease)
{
  size_t i;

  for (i = 0; i < lease->disks.len; i++)
    free_disk (&lease->disks.ptr[i]);
  vim_lease_disk_vector_reset (&lease->disks);
  if (lease->manifest)
    xmlFreeDoc (lease->manifest);
  pthread_cond_destroy (&lease->wake);
  pthread_mutex_destroy (&lease->lock);
  free (lease->id);
  free (lease->vm);
  free (lease);
}

/*---- progress ----*/

static int
send_progress (struct vim_lease *lease, unsigned percent)
{
  char args[64];

  snprintf (args, sizeof args, "<percent>%u</percent>", percent);
  return vim_invoke (lease->vim, LOG_LEVEL_DEBUG, "HttpNfcLeaseProgress",
                     "HttpNfcLease", lease->id, args, NULL, NULL, NULL);
}

static void *
keep_lease (void *opaque)
{
  struct vim_lease *lease = opaque;
  unsigned percent;

  pthread_mutex_lock (&lease->lock);
  while (!vim_cond_wait (&lease->wake, &lease->lock, &lease->closing,
                         lease->interval)) {
    percent = lease->percent;
    pthread_mutex_unlock (&lease->lock);
    /* If it fails the stream will, and says more. */
    send_progress (lease, percent);
    pthread_mutex_lock (&lease->lock);
  }
  pthread_mutex_unlock (&lease->lock);
  return NULL;
}

void
vim_lease_progress (struct vim_lease *lease, unsigned percent)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lease->lock);

  lease->percent = MIN (percent, 100U);
}

/*---- opening ----*/

/* "https://\*\/nfc/..." means the host that we speak with. */
static char *
fill_host (const struct vim *vim, const char *url)
{
  const char *rest = strstr (url, "://*/");
  char *ret;

  if (rest == NULL)
    return strdup (url);
  if (asprintf (&ret, "%.*s://%s%s", (int) (rest - url), url, vim->host,
                rest + 4) == -1)
    return NULL;
  return ret;
}

/* 0, or -1 with errno ENOMEM.  What is no disk (nvram) is left out. */
static int
read_disk (struct vim_lease *lease, xmlNodePtr node)
{
  CLEANUP_FREE char *url = vim_child_text (node, "url");
  struct vim_lease_disk disk = { 0 };

  if (url == NULL || !vim_child_bool (node, "disk"))
    return 0;
  disk.key = vim_child_text (node, "key");
  disk.target_id = vim_child_text (node, "targetId");
  disk.thumbprint = vim_child_text (node, "sslThumbprint");
  disk.url = fill_host (lease->vim, url);
  if (disk.key == NULL)
    disk.key = strdup ("");
  if (disk.url == NULL || disk.key == NULL ||
      vim_lease_disk_vector_append (&lease->disks, disk) == -1) {
    free_disk (&disk);
    return -1;
  }
  return 0;
}

static int
read_info (struct vim_lease *lease, xmlNodePtr info)
{
  xmlNodePtr node;
  uint64_t seconds = 300;

  vim_child_u64 (info, "leaseTimeout", &seconds);
  lease->interval = MIN (MAX (seconds / 3, UINT64_C (1)),
                         (uint64_t) MAX_PROGRESS_SECONDS);
  for (node = vim_child (info, "deviceUrl"); node;
       node = vim_next (node, "deviceUrl")) {
    if (read_disk (lease, node) == -1) {
      log_oom ();
      return -1;
    }
  }
  if (lease->disks.len > 0)
    return 0;
  log_error ("%s: the export of %s has no disks",
             http_client_origin (lease->vim->http), printable (lease->vm));
  errno = EINVAL;
  return -1;
}

static int
report_state (const struct vim_lease *lease, const struct vim_object *object,
              const char *state)
{
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  CLEANUP_FREE char *message = NULL, *what = NULL;
  xmlNodePtr error = vim_object_get (object, "error");

  if (asprintf (&what, "export of VirtualMachine %s",
                printable (lease->vm)) == -1) {
    what = NULL;
    log_oom ();
    return -1;
  }
  if (error == NULL) {
    log_error ("%s: %s: the lease is in state '%s'",
               http_client_origin (lease->vim->http), what,
               state ? printable (state) : "");
    errno = EIO;
    return -1;
  }
  /* A MethodFault, or one in a LocalizedMethodFault. */
  message = vim_child_text (error, "localizedMessage");
  if (vim_child (error, "fault"))
    error = vim_child (error, "fault");
  if (vim_fault_read (error, message, &fault) == 0)
    vim_fault_report (LOG_LEVEL_ERROR, lease->vim, what, &fault);
  return -1;
}

/* 1 ready, 0 not yet, -1 reported. */
static int
look (struct vim_lease *lease)
{
  static const char *const paths[] = { "state", "info", "error", NULL };
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };
  CLEANUP_FREE char *state = NULL;
  const struct vim_object *object;

  if (vim_get (lease->vim, "HttpNfcLease", lease->id, paths, &objects) == -1)
    return -1;
  object = objects.list.ptr[0];
  state = vim_object_text (object, "state");
  if (state && strcmp (state, "initializing") == 0)
    return 0;
  if (state == NULL || strcmp (state, "ready") != 0)
    return report_state (lease, object, state);
  return read_info (lease, vim_object_get (object, "info")) == 0 ? 1 : -1;
}

static int
wait_until_ready (struct vim_lease *lease)
{
  unsigned waited = 0, pause = 100;
  int r;

  while ((r = look (lease)) == 0) {
    if (waited > READY_SECONDS * 1000) {
      log_error ("%s: the export of %s is not ready after %d seconds",
                 http_client_origin (lease->vim->http),
                 printable (lease->vm), READY_SECONDS);
      errno = ETIMEDOUT;
      return -1;
    }
    vim_sleep_ms (pause);
    waited += pause;
    pause = MIN (pause * 2, 2000U);
  }
  return r == 1 ? 0 : -1;
}

static int
start_thread (struct vim_lease *lease)
{
  const int err = pthread_create (&lease->thread, NULL, keep_lease, lease);

  if (err != 0) {
    errno = err;
    log_error ("%s: cannot start a thread to keep the lease alive: %m",
               http_client_origin (lease->vim->http));
    return -1;
  }
  lease->has_thread = true;
  return 0;
}

struct vim_lease *
vim_lease_open (struct vim *vim, const char *vm)
{
  struct vim_lease *lease = calloc (1, sizeof *lease);
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  xmlNodePtr returnval;
  int err;

  if (lease == NULL) {
    log_oom ();
    return NULL;
  }
  lease->vim = vim;
  pthread_mutex_init (&lease->lock, NULL);
  pthread_cond_init (&lease->wake, NULL);
  lease->vm = strdup (vm);
  if (lease->vm == NULL) {
    log_oom ();
    free_lease (lease);
    return NULL;
  }
  if (vim_call (vim, "ExportVm", "VirtualMachine", vm, NULL, &doc,
                &returnval) == -1) {
    free_lease (lease);
    return NULL;
  }
  lease->id = xml_text (returnval);
  if (lease->id == NULL) {
    log_error ("%s: ExportVm of %s gives no lease",
               http_client_origin (vim->http), printable (vm));
    free_lease (lease);
    errno = EINVAL;
    return NULL;
  }
  if (wait_until_ready (lease) == 0 && start_thread (lease) == 0)
    return lease;
  err = errno;
  vim_lease_close (lease, false);
  errno = err;
  return NULL;
}

const vim_lease_disk_vector *
vim_lease_disks (const struct vim_lease *lease)
{
  return &lease->disks;
}

/*---- manifest, and closing ----*/

/* With the lock held. */
static int
get_manifest (struct vim_lease *lease)
{
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  int r;

  if (lease->manifest)
    return 0;
  r = vim_invoke (lease->vim, LOG_LEVEL_DEBUG, "HttpNfcLeaseGetManifest",
                  "HttpNfcLease", lease->id, NULL, &lease->manifest, NULL,
                  &fault);
  if (r != 1)
    return r;
  log_debug ("%s: no manifest: %s", http_client_origin (lease->vim->http),
             printable (fault.type));
  errno = ENOTSUP;
  return -1;
}

/* 40 hex digits, in small letters. */
static bool
copy_sha1 (const char *text, char *to)
{
  uint8_t raw[20];

  if (!bytes_of_hex (text, strlen (text), raw, sizeof raw))
    return false;
  hex_of_bytes (raw, sizeof raw, to);
  return true;
}

int
vim_lease_checksum (struct vim_lease *lease, const char *key, char *sha1_hex,
                    uint64_t *size)
{
  xmlNodePtr node;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lease->lock);
  if (get_manifest (lease) == -1)
    return -1;
  node = xml_next_element (xmlDocGetRootElement (lease->manifest), NULL,
                           NULL);
  node = xml_child (node, NULL, "Body");
  node = vim_child (xml_child (node, NULL, NULL), "returnval");
  for (; node; node = vim_next (node, "returnval")) {
    CLEANUP_FREE char *this = vim_child_text (node, "key");
    CLEANUP_FREE char *sha1 = vim_child_text (node, "sha1");
    uint64_t n;

    if (this == NULL || strcmp (this, key) != 0)
      continue;
    if (sha1 == NULL || !vim_child_u64 (node, "size", &n) ||
        !copy_sha1 (sha1, sha1_hex))
      break;
    *size = n;
    return 0;
  }
  errno = ENOTSUP;
  return -1;
}

int
vim_lease_close (struct vim_lease *lease, bool ok)
{
  const char *method = ok ? "HttpNfcLeaseComplete" : "HttpNfcLeaseAbort";
  int r, err;

  if (lease->has_thread) {
    pthread_mutex_lock (&lease->lock);
    lease->closing = true;
    pthread_cond_signal (&lease->wake);
    pthread_mutex_unlock (&lease->lock);
    pthread_join (lease->thread, NULL);
  }
  r = vim_invoke (lease->vim, ok ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, method,
                  "HttpNfcLease", lease->id, NULL, NULL, NULL, NULL);
  err = errno;
  free_lease (lease);
  errno = err;
  return r;
}
