/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The templates of names in a plan, as far as they can be judged without
 * a source.
 *
 * A template that does not parse, or wants a field that there is not, is
 * wrong whatever the VMs are.  For anything else it is tried with what
 * Forklift's own validation tries it with; what comes out then tells what
 * Forklift would say, and a run asks again with the real VMs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/template/template.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/decode.h"

static json_t *
sample (enum decode_template kind)
{
  json_t *j = NULL;

  switch (kind) {
  case TEMPLATE_PVC:
    j = json_pack ("{s:s, s:s, s:s, s:i, s:i, s:b, s:s, s:s, s:s, s:s, "
                   "s:s, s:s, s:s, s:s}",
                   "VmName", "test-vm", "TargetVmName", "test-vm",
                   "PlanName", "test-plan", "DiskIndex", 0,
                   "RootDiskIndex", 0, "Shared", 0,
                   "FileName", "test-000001.vmdk", "WinDriveLetter", "c",
                   "VmId", "vm-1", "DiskId", "disk-1", "SourcePVCName",
                   "test-pvc", "SourcePVCNamespace", "test-namespace",
                   "VolumeID", "volume-1", "SnapshotID", "snapshot-1");
    break;
  case TEMPLATE_VOLUME:
    j = json_pack ("{s:s, s:i}", "PVCName", "test-pvc", "VolumeIndex", 0);
    break;
  case TEMPLATE_NETWORK:
    j = json_pack ("{s:s, s:s, s:s, s:i}", "NetworkName", "test-network",
                   "NetworkNamespace", "test-namespace", "NetworkType",
                   "multus", "NetworkIndex", 0);
    break;
  }
  if (j == NULL)
    log_oom ();
  return j;
}

static const char *
fields (enum decode_template kind)
{
  switch (kind) {
  case TEMPLATE_PVC:
    return "the fields are .VmName, .PlanName, .DiskIndex, .RootDiskIndex, "
      ".Shared, .FileName and those of nbdlift-plan(5)";
  case TEMPLATE_VOLUME:
    return "the fields are .PVCName and .VolumeIndex";
  default:
    return "the fields are .NetworkName, .NetworkNamespace, .NetworkType "
      "and .NetworkIndex";
  }
}

static int
report (struct decoder *d, const struct yaml_node *node,
        enum problem_category category, const char *suggestion,
        const struct template_error *error)
{
  CLEANUP_FREE char *place = NULL;

  /* Go tells the column of an execution alone. */
  if (asprintf (&place, "line %u, column %u of the template: ", error->line,
                error->column) == -1) {
    place = NULL;
    log_oom ();
    return -1;
  }
  return decode_problem (d, category, "NotValid", node, NULL, suggestion,
                         "%s%s", error->column ? place : "",
                         printable (error->message));
}

/* The result OUTPUT of made-up data. */
static int
check_output (struct decoder *d, const struct yaml_node *node, char *output,
              size_t length)
{
  static const char blanks[] = " \t\r\n";
  const size_t whole = strlen (output);
  char *s = output + strspn (output, blanks);
  size_t n = strlen (s);

  while (n > 0 && strchr (blanks, s[n - 1]))
    s[--n] = '\0';
  if (length == whole && dns1123_label (s))
    return 0;
  return decode_problem (d, PROBLEM_WARN, "NotValid", node, NULL,
                         "a name has lower-case letters, digits and '-', at "
                         "most 63", "gives '%s' for a VM called test-vm, "
                         "which is no name; Forklift refuses such a "
                         "template", printable (s));
}

int
decode_check_template (struct decoder *d, const struct yaml_node *node,
                       enum decode_template kind, struct plan_where *where)
{
  CLEANUP_TEMPLATE_ERROR struct template_error error = TEMPLATE_ERROR_INIT;
  CLEANUP_TEMPLATE struct template *t = NULL;
  CLEANUP_JSON json_t *data = NULL;
  CLEANUP_FREE char *output = NULL;
  size_t length;
  bool no_field;

  if (node->type != YAML_STRING || node->len != strlen (node->text))
    return 0;
  *where = decode_where (d, node);
  if (node->len == 0)           /* none */
    return 0;
  t = template_parse (node->text, &error);
  if (t == NULL)
    return errno != EINVAL ? -1 :
      report (d, node, PROBLEM_CRITICAL, "'nbdlift template' tries a "
              "template", &error);
  data = sample (kind);
  if (data == NULL)
    return -1;
  if (template_run (t, data, &output, &length, &error) == 0)
    return check_output (d, node, output, length);
  if (errno != EINVAL)
    return -1;
  no_field = strstr (error.message, ": can't evaluate field ") != NULL;
  return report (d, node, no_field ? PROBLEM_CRITICAL : PROBLEM_WARN,
                 no_field ? fields (kind) : "'nbdlift template' tries a "
                 "template", &error);
}
