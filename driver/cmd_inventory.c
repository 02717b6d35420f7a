/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift inventory: what there is on a source, for writing plans.
 */
#include <errno.h>
#include <string.h>

#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/command.h"
#include "driver/options.h"
#include "driver/output.h"
#include "driver/session.h"

static const char help[] =
"Usage: nbdlift inventory PLAN... PROVIDER COLLECTION [OPTION]...\n"
"List objects of a source, in the keys of Forklift's inventory service.\n"
"\n"
"PLAN is a file of manifests (YAML or JSON), or - for standard input;\n"
"PROVIDER the name of a Provider in it, as NAME or NAMESPACE/NAME;\n"
"COLLECTION one of vms, networks, storages (or datastores), disks, hosts.\n"
"\n"
"  -o, --output=table|json|yaml\n"
"                             how to print (default: table)\n"
"  -v, --verbose              debug messages too\n"
"      --help                 print this text\n"
"\n"
"Exit status: 0 ok; 1 the source has no such collection; 2 wrong usage;\n"
"3 plan invalid; 4 source unreachable or refused.\n";

static const struct option options[] = {
  { "output", required_argument, NULL, 'o' },
  { "verbose", no_argument, NULL, 'v' },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

static const struct output_column vm_columns[] = {
  { "ID", "id", COLUMN_TEXT },
  { "NAME", "name", COLUMN_TEXT },
  { "POWER", "powerState", COLUMN_TEXT },
  { "FIRMWARE", "firmware", COLUMN_TEXT },
  { "CPUS", "cpuCount", COLUMN_TEXT },
  { "MEMORY MIB", "memoryMB", COLUMN_TEXT },
  { "DISKS", "disks", COLUMN_COUNT },
  { "NICS", "nics", COLUMN_COUNT },
  { "CONCERNS", "concerns", COLUMN_COUNT },
  { "PATH", "path", COLUMN_TEXT },
  { NULL, NULL, COLUMN_TEXT }
};

static const struct output_column disk_columns[] = {
  { "ID", "id", COLUMN_TEXT },
  { "NAME", "name", COLUMN_TEXT },
  { "CAPACITY", "capacity", COLUMN_SIZE },
  { "VM", "vm", COLUMN_TEXT },
  { "PATH", "path", COLUMN_TEXT },
  { NULL, NULL, COLUMN_TEXT }
};

static const struct output_column other_columns[] = {
  { "ID", "id", COLUMN_TEXT },
  { "NAME", "name", COLUMN_TEXT },
  { "PATH", "path", COLUMN_TEXT },
  { NULL, NULL, COLUMN_TEXT }
};

static const struct {
  const char *name;
  enum source_collection collection;
  const struct output_column *columns;
} collections[] = {
  { "vms", SOURCE_VMS, vm_columns },
  { "networks", SOURCE_NETWORKS, other_columns },
  { "storages", SOURCE_STORAGES, other_columns },
  { "datastores", SOURCE_STORAGES, other_columns },
  { "disks", SOURCE_DISKS, disk_columns },
  { "hosts", SOURCE_HOSTS, other_columns },
};
#define NR_COLLECTIONS (sizeof collections / sizeof collections[0])

static int
print_collection (const struct session *s, size_t i,
                  enum output_format format)
{
  CLEANUP_JSON json_t *array = NULL;
  int r;

  array = s->ops->inventory (s->source, collections[i].collection);
  if (array == NULL)
    return errno == ENOTSUP ? STATUS_FAILED : STATUS_SOURCE;
  if (format == OUTPUT_TABLE)
    r = output_table (array, collections[i].columns);
  else
    r = output_document (array, format);
  return finish_stdout (r == 0 ? STATUS_OK : STATUS_FAILED);
}

static int
main_inventory (int argc, char **argv)
{
  CLEANUP_SESSION struct session s = SESSION_INIT;
  struct common_options c = { COMMON_OPTIONS_INIT, .help = help,
                              .output_is_format = true };
  int status;
  size_t i;

  status = common_parse (argc, argv, "o:v", options, &c);
  if (status != -1)
    return status;
  if (argc - optind < 3)
    return usage_error (argv, "give a plan file, a provider and a "
                        "collection");
  for (i = 0; i < NR_COLLECTIONS; i++)
    if (strcmp (argv[argc - 1], collections[i].name) == 0)
      break;
  if (i == NR_COLLECTIONS)
    return usage_error (argv, "no collection '%s'; it is vms, networks, "
                        "storages (datastores), disks or hosts",
                        printable (argv[argc - 1]));

  if (session_load_provider (&s, (const char *const *) &argv[optind],
                             argc - optind - 2, argv[argc - 2]) == -1)
    return STATUS_PLAN;
  status = common_open (&c, &s);
  if (status != STATUS_OK)
    return status;
  return print_collection (&s, i, c.format);
}

const struct command command_inventory = {
  "inventory", "list the objects of a source", help, main_inventory
};
