/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift describe: everything that is known of one VM.
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/command.h"
#include "driver/driver_log.h"
#include "driver/options.h"
#include "driver/output.h"
#include "driver/session.h"

/* The registered port of NBD; disk I is expected at the Ith after it. */
#define NBD_PORT 10809

static const char help[] =
"Usage: nbdlift describe PLAN... VM [OPTION]...\n"
"Print what the source says of a VM.\n"
"\n"
"PLAN is a file of manifests (YAML or JSON), or - for standard input;\n"
"VM the id, the name or the inventory path of a VM of the plan's source.\n"
"\n"
"  -o, --output=json|yaml|libvirtxml\n"
"                             how to print (default: yaml)\n"
"      --provider=NAME        the Provider, if the files hold several\n"
"      --transport=auto|vddk|folder|export\n"
"                             how vSphere disks are read (default: auto)\n"
"      --vddk-libdir=DIR      where VMware's VDDK is\n"
"  -v, --verbose              debug messages too\n"
"      --help                 print this text\n"
"\n"
"libvirtxml is a domain whose disks are NBD exports on localhost, ports\n"
"10809 and up; 'nbdlift serve --tcp' makes one with the ports that it uses.\n"
"\n"
"Exit status: 0 ok; 1 no such VM, or several; 2 wrong usage; 3 plan invalid;\n"
"4 source unreachable or refused.\n";

static const struct option options[] = {
  { "output", required_argument, NULL, 'o' },
  { "provider", required_argument, NULL, OPTION_PROVIDER },
  { "transport", required_argument, NULL, OPTION_TRANSPORT },
  { "vddk-libdir", required_argument, NULL, OPTION_VDDK_LIBDIR },
  { "verbose", no_argument, NULL, 'v' },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

static int
print_xml (const struct vm *vm)
{
  CLEANUP_FREE struct vm_xml_disk *disks = calloc (vm->disks.len + 1,
                                                   sizeof *disks);
  CLEANUP_FREE char *xml = NULL;
  size_t i;

  if (disks == NULL) {
    log_oom ();
    return -1;
  }
  for (i = 0; i < vm->disks.len; i++) {
    disks[i].nbd_host = "localhost";
    disks[i].nbd_port = NBD_PORT + i;
    disks[i].format = "raw";
  }
  xml = vm_to_libvirt_xml (vm, disks);
  if (xml == NULL)
    return -1;
  fputs (xml, stdout);
  return 0;
}

/* How its disks would be read, or why they can not be. */
static int
add_path (const struct session *s, const struct vm *vm, json_t *j)
{
  CLEANUP_SOURCE_PATH struct source_path path = { 0 };
  CLEANUP_FREE char *why = NULL;
  struct log_scope scope = { .hold = true };
  json_t *to;
  int r;

  if (s->ops->path == NULL)
    return 0;
  log_scope_enter (&scope);
  r = s->ops->path (s->source, vm, &path);
  if (r == -1)
    why = log_scope_take (&scope);
  log_scope_leave (&scope);
  to = json_object ();
  if (json_set (j, "transferPath", to) == -1)
    return -1;
  if (r == -1)
    return json_set_string (to, "error", why ? why : "unknown");
  return json_set_string (to, "name", path.name) == -1 ? -1 :
    json_set_string (to, "reason", path.reason);
}

static int
print_vm (const struct session *s, const struct vm *vm,
          enum output_format format)
{
  CLEANUP_JSON json_t *j = NULL;

  if (format == OUTPUT_LIBVIRTXML)
    return print_xml (vm);
  j = vm_to_json (vm);
  return j && add_path (s, vm, j) == 0 ? output_document (j, format) : -1;
}

static int
main_describe (int argc, char **argv)
{
  CLEANUP_SESSION struct session s = SESSION_INIT;
  CLEANUP_VM struct vm vm;
  struct common_options c = {
    COMMON_OPTIONS_INIT,
    .help = help,
    .output_is_format = true,
    .formats = 1 << OUTPUT_JSON | 1 << OUTPUT_YAML | 1 << OUTPUT_LIBVIRTXML,
    .format = OUTPUT_YAML,
  };
  int status;

  vm_init (&vm);
  status = common_parse (argc, argv, "o:v", options, &c);
  if (status == -1)
    status = common_vm (argc, argv, &c, &s, &vm);
  if (status != -1)
    return status;
  return finish_stdout (print_vm (&s, &vm, c.format) == 0 ? STATUS_OK :
                        STATUS_FAILED);
}

const struct command command_describe = {
  "describe", "print what a source says of a VM", help, main_describe
};
