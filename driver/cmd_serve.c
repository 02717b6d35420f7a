/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift serve: show the disks of a VM as NBD exports to whatever
 * program people want to read them with.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/atomic_file.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/util/subprocess.h"
#include "driver/cancel.h"
#include "driver/command.h"
#include "driver/options.h"
#include "driver/serve.h"
#include "driver/session.h"

static const char help[] =
"Usage: nbdlift serve PLAN... VM [OPTION]...\n"
"Show the disks of a VM as NBD exports.  Without --run their URIs are\n"
"printed, one a line, and served until SIGINT or SIGTERM.\n"
"\n"
"PLAN is a file of manifests (YAML or JSON), or - for standard input;\n"
"VM the id, the name or the inventory path of a VM of the plan's source.\n"
"\n"
"      --run=COMMAND      run COMMAND by sh -c, with the URI of each disk in\n"
"                         NBDLIFT_URI_0, NBDLIFT_URI_1, ... and their number\n"
"                         in NBDLIFT_DISKS, and end with its exit status\n"
"      --tcp              serve on TCP ports of localhost, each disk as the\n"
"                         default export of its own port; NBDLIFT_LIBVIRTXML\n"
"                         then names a domain for virt-v2v -i libvirtxml\n"
"      --provider=NAME    the Provider, if the files hold several\n"
"      --transport=auto|vddk|folder\n"
"                         how vSphere disks are read (default: auto)\n"
"      --vddk-libdir=DIR  where VMware's VDDK is\n"
"  -v, --verbose          debug messages too\n"
"      --help             print this text\n"
"\n"
"Exit status: that of COMMAND; else 0 ended by a signal; 1 no such VM, or\n"
"several; 2 wrong usage; 3 plan invalid; 4 source unreachable or refused.\n";

enum {
  OPTION_RUN = OPTION_OWN,
  OPTION_TCP,
};

static const struct option options[] = {
  { "run", required_argument, NULL, OPTION_RUN },
  { "tcp", no_argument, NULL, OPTION_TCP },
  { "provider", required_argument, NULL, OPTION_PROVIDER },
  { "transport", required_argument, NULL, OPTION_TRANSPORT },
  { "vddk-libdir", required_argument, NULL, OPTION_VDDK_LIBDIR },
  { "verbose", no_argument, NULL, 'v' },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

/* Write the libvirt XML of VM to a file beside its sockets.  Its path,
 * malloc'ed; NULL reported.
 */
static char *
write_xml (const struct vm *vm, const struct served_vm *served)
{
  CLEANUP_FREE struct vm_xml_disk *disks = calloc (vm->disks.len + 1,
                                                   sizeof *disks);
  CLEANUP_FREE char *xml = NULL;
  CLEANUP_ATOMIC_FILE struct atomic_file f = { 0 };
  char *path;
  size_t i;

  if (disks == NULL) {
    log_oom ();
    return NULL;
  }
  for (i = 0; i < vm->disks.len; i++) {
    disks[i].nbd_host = "localhost";
    disks[i].nbd_port = served_port (served, i);
    disks[i].format = "raw";
  }
  xml = vm_to_libvirt_xml (vm, disks);
  path = xml ? format_text ("%s/vm.xml", served_folder (served)) : NULL;
  if (path && atomic_file_open (&f, path, 0600) == 0) {
    fputs (xml, f.fp);          /* commit tells */
    if (atomic_file_commit (&f) == 0)
      return path;
  }
  free (path);
  return NULL;
}

/* "NAME=value" entries for the command, NULL-terminated. */
static int
make_env (const struct vm *vm, const struct served_vm *served,
          const char *xml, string_vector *env)
{
  size_t i;

  for (i = 0; i < vm->disks.len; i++)
    if (served_uri (served, i) &&
        string_vector_append_format (env, "NBDLIFT_URI_%zu=%s", i,
                                     served_uri (served, i)) == -1)
      goto oom;
  if (string_vector_append_format (env, "NBDLIFT_DISKS=%zu",
                                   vm->disks.len) == -1 ||
      (xml && string_vector_append_format (env, "NBDLIFT_LIBVIRTXML=%s",
                                           xml) == -1) ||
      string_vector_append (env, NULL) == -1)
    goto oom;
  return 0;

 oom:
  log_oom ();
  return -1;
}

/* Run COMMAND and return its exit status.  A signal to us ends it. */
static int
run_command (const char *command, const string_vector *env)
{
  const char *const argv[] = { "/bin/sh", "-c", command, NULL };
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  pid_t pid;
  int status = 0, r;

  o.stdin_fd = STDIN_FILENO;
  o.env = (const char *const *) env->ptr;
  pid = subprocess_start (argv, &o);
  if (pid == -1)
    return STATUS_FAILED;
  do {
    r = subprocess_wait (pid, 200, &status);
    if (r == 0 && cancel_requested ()) {
      subprocess_stop (pid, false, 5000);
      return STATUS_CANCELLED;
    }
  } while (r == 0);
  if (r == -1)
    return STATUS_FAILED;
  return WIFEXITED (status) ? WEXITSTATUS (status) :
    128 + WTERMSIG (status);
}

static int
print_uris (const struct vm *vm, const struct served_vm *served,
            const char *xml)
{
  size_t i;

  for (i = 0; i < vm->disks.len; i++)
    if (served_uri (served, i))
      printf ("%s\n", served_uri (served, i));
  if (xml)
    printf ("%s\n", xml);
  if (finish_stdout (STATUS_OK) != STATUS_OK)
    return STATUS_FAILED;
  cancel_wait ();
  return STATUS_OK;
}

static int
serve (const struct session *s, const struct vm *vm, const char *command,
       bool tcp)
{
  const struct serve_options serve_options = { .tcp = tcp };
  CLEANUP_STRING_VECTOR string_vector env = EMPTY_VECTOR;
  CLEANUP_FREE char *xml = NULL;
  struct served_vm *served = serve_vm (s->ops, s->source, vm, &serve_options);
  int status = STATUS_FAILED;

  if (served == NULL)
    return cancel_requested () ? STATUS_CANCELLED : STATUS_SOURCE;
  if (!tcp || (xml = write_xml (vm, served)) != NULL) {
    if (command == NULL)
      status = print_uris (vm, served, xml);
    else if (make_env (vm, served, xml, &env) == 0)
      status = run_command (command, &env);
  }
  serve_stop (served);
  return status;
}

static int
main_serve (int argc, char **argv)
{
  CLEANUP_SESSION struct session s = SESSION_INIT;
  struct common_options c = { COMMON_OPTIONS_INIT, .help = help };
  CLEANUP_VM struct vm vm;
  const char *command = NULL;
  bool tcp = false;
  int opt, status = -1;

  vm_init (&vm);
  while (status == -1 &&
         (opt = getopt_long (argc, argv, "v", options, NULL)) != -1)
    switch (opt) {
    case OPTION_RUN:
      command = optarg;
      break;
    case OPTION_TCP:
      tcp = true;
      break;
    default:
      status = common_option (opt, argv, &c);
    }
  if (status == -1)
    status = common_vm (argc, argv, &c, &s, &vm);
  if (status != -1)
    return status;
  return serve (&s, &vm, command, tcp);
}

const struct command command_serve = {
  "serve", "show the disks of a VM as NBD exports", help, main_serve
};
