/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tasks: a method that takes long gives a Task object, whose info tells
 * how it goes.  It is asked for with growing pauses.  A server forgets
 * tasks that have ended, after some minutes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/monotonic.h"
#include "plugins/vsphere/vim_private.h"

#define FIRST_PAUSE_MS 50
#define LAST_PAUSE_MS 2000
#define DEFAULT_SECONDS 3600

struct wait {
  struct vim *vim;
  const char *what;             /* "PowerOffVM_Task of VirtualMachine vm-1" */
  const char *task;             /* id */
};

enum progress { PROGRESS_RUNNING, PROGRESS_DONE, PROGRESS_FAILED };

static enum progress
failed (const struct wait *w, xmlNodePtr info)
{
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  xmlNodePtr error = vim_child (info, "error");
  xmlNodePtr node = vim_child (error, "fault");
  CLEANUP_FREE char *message = vim_child_text (error, "localizedMessage");

  if (node == NULL) {
    log_error ("%s: %s failed, and the server does not say why",
               http_client_origin (w->vim->http), w->what);
    errno = EIO;
  }
  else if (vim_fault_read (node, message, &fault) == 0)
    vim_fault_report (LOG_LEVEL_ERROR, w->vim, w->what, &fault);
  return PROGRESS_FAILED;
}

/* ESRCH is not reported. */
static enum progress
ask (const struct wait *w, char **result)
{
  static const char *const paths[] = { "info", NULL };
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  CLEANUP_FREE char *state = NULL;
  xmlNodePtr info;
  int r;

  r = vim_try_get (w->vim, "Task", w->task, paths, &objects, &fault);
  if (r == 1 && vim_fault_is (&fault, "ManagedObjectNotFound")) {
    errno = ESRCH;
    return PROGRESS_FAILED;
  }
  if (r == 1)
    vim_fault_report (LOG_LEVEL_ERROR, w->vim, w->what, &fault);
  if (r != 0)
    return PROGRESS_FAILED;
  info = vim_object_get (objects.list.ptr[0], "info");
  state = vim_child_text (info, "state");
  if (state && strcmp (state, "error") == 0)
    return failed (w, info);
  if (state && strcmp (state, "success") == 0) {
    if (result)
      *result = vim_child_text (info, "result");
    return PROGRESS_DONE;
  }
  if (state && (strcmp (state, "running") == 0 ||
                strcmp (state, "queued") == 0))
    return PROGRESS_RUNNING;
  log_error ("%s: %s: task %s is in a state that is none: '%s'",
             http_client_origin (w->vim->http), w->what, printable (w->task),
             state ? printable (state) : "");
  errno = EINVAL;
  return PROGRESS_FAILED;
}

static void
cancel (const struct wait *w)
{
  vim_invoke (w->vim, LOG_LEVEL_DEBUG, "CancelTask", "Task", w->task, NULL,
              NULL, NULL, NULL);
}

static int
wait_for (const struct wait *w, unsigned seconds,
          bool (*cancelled) (void *opaque), void *opaque, char **result)
{
  const int64_t end = monotonic_ms () + seconds * INT64_C (1000);
  unsigned pause = FIRST_PAUSE_MS;

  for (;;) {
    switch (ask (w, result)) {
    case PROGRESS_DONE:
      return 0;
    case PROGRESS_FAILED:
      return -1;
    case PROGRESS_RUNNING:
      break;
    }
    if (cancelled && cancelled (opaque)) {
      cancel (w);
      errno = ECANCELED;
      return -1;
    }
    if (monotonic_ms () >= end) {
      cancel (w);
      log_error ("%s: %s has not ended after %u seconds",
                 http_client_origin (w->vim->http), w->what, seconds);
      errno = ETIMEDOUT;
      return -1;
    }
    vim_sleep_ms (pause);
    pause = MIN (pause * 3 / 2, (unsigned) LAST_PAUSE_MS);
  }
}

int
vim_task (struct vim *vim, const char *method, const char *type,
          const char *id, const char *args, unsigned seconds,
          bool (*cancelled) (void *opaque), void *opaque, char **result)
{
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  CLEANUP_FREE char *what = NULL, *task = NULL;
  xmlNodePtr returnval;
  struct wait w = { .vim = vim };

  if (asprintf (&what, "%s of %s %s", method, type, printable (id)) == -1) {
    what = NULL;
    log_oom ();
    return -1;
  }
  if (vim_call (vim, method, type, id, args, &doc, &returnval) == -1)
    return -1;
  task = xml_text (returnval);
  if (task == NULL) {
    log_error ("%s: %s gives no task", http_client_origin (vim->http), what);
    errno = EINVAL;
    return -1;
  }
  if (result)
    *result = NULL;
  w.what = what;
  w.task = task;
  return wait_for (&w, seconds ? seconds : DEFAULT_SECONDS, cancelled, opaque,
                   result);
}
