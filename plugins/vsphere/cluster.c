/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Concerns of the cluster that a VM runs in: what it does for its VMs, and
 * KubeVirt would not do unasked.  Ids are Forklift's, whose rules for DPM
 * and host affinity look for keys that its inventory does not have.
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "plugins/vsphere/vim_private.h"
#include "plugins/vsphere/vsphere_private.h"

#define CONFIG "configurationEx"

const char *const vsphere_host_paths[] = {
  "parent", "config.dateTimeInfo", NULL
};

const char *const vsphere_cluster_paths[] = { CONFIG, NULL };

/* Parts of ClusterConfigInfoEx that say "enabled". */
static const struct {
  const char *part;
  const char *id, *label, *assessment;
} features[] = {
  { "drsConfig", "vmware.drs.enabled", "The VM is in a cluster with DRS",
    "KubeVirt does not move VMs to balance hosts: set "
    "evictionStrategy LiveMigrate and use a descheduler if it is to." },
  { "dpmConfigInfo", "vmware.dpm.enabled", "The VM is in a cluster with DPM",
    "KubeVirt does not switch hosts off to save power." },
  { "dasConfig", "vmware.nbdlift.ha.enabled",
    "The VM is in a cluster with HA",
    "KubeVirt starts a VM again only when its node is known to be dead: set "
    "up health checks of nodes that fence them." },
};

static int
check_features (xmlNodePtr config, struct vm *vm)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (features); i++)
    if (vim_child_bool (vim_child (config, features[i].part), "enabled") &&
        vm_add_concern (vm, features[i].id, features[i].label,
                        "Information", features[i].assessment) == -1)
      return -1;
  return 0;
}

/* Does NODE (a rule or a group) list the VM? */
static bool
lists (xmlNodePtr node, const struct vm *vm)
{
  xmlNodePtr child;

  for (child = vim_child (node, "vm"); child; child = vim_next (child, "vm")) {
    CLEANUP_FREE char *id = xml_text (child);

    if (id && strcmp (id, vm->id) == 0)
      return true;
  }
  return false;
}

static bool
group_lists (xmlNodePtr config, const char *name, const struct vm *vm)
{
  xmlNodePtr group = vim_child (config, "group");

  for (; name && group; group = vim_next (group, "group")) {
    CLEANUP_FREE char *this = vim_child_text (group, "name");

    if (this && strcmp (this, name) == 0 && lists (group, vm))
      return true;
  }
  return false;
}

static int
add_rule (struct vm *vm, xmlNodePtr rule, const char *id, const char *label,
          const char *assessment)
{
  CLEANUP_FREE char *name = vim_child_text (rule, "name"), *text = NULL;

  if (asprintf (&text, "%s: %s", label, name ? name : "(no name)") == -1) {
    text = NULL;
    log_oom ();
    return -1;
  }
  return vm_add_concern (vm, id, text, "Warning", assessment);
}

static int
check_rule (xmlNodePtr config, xmlNodePtr rule, struct vm *vm)
{
  CLEANUP_FREE char *group = vim_child_text (rule, "vmGroupName");

  if (!vim_child_bool (rule, "enabled"))
    return 0;
  if (group_lists (config, group, vm))
    return add_rule (vm, rule, "vmware.host_affinity.detected",
                     "A rule binds the VM to hosts or keeps it off them",
                     "The new VM runs on any node: set nodeSelector or "
                     "affinity for it if it is not to.");
  if (!lists (rule, vm))
    return 0;
  return vim_node_is_a (rule, "ClusterAntiAffinityRuleSpec") ?
    add_rule (vm, rule, "vmware.nbdlift.vm_anti_affinity",
              "A rule keeps the VM apart from others",
              "The new VMs may share a node: set podAntiAffinity for them if "
              "they are not to.") :
    add_rule (vm, rule, "vmware.nbdlift.vm_affinity",
              "A rule keeps the VM together with others",
              "The new VMs may be on several nodes: set podAffinity for them "
              "if they are not to.");
}

int
vsphere_add_cluster_concerns (const struct vim_object *cluster,
                              struct vsphere_vm *vm)
{
  xmlNodePtr config = vim_object_get (cluster, CONFIG), rule;

  if (check_features (config, &vm->vm) == -1)
    return -1;
  for (rule = vim_child (config, "rule"); rule; rule = vim_next (rule, "rule"))
    if (check_rule (config, rule, &vm->vm) == -1)
      return -1;
  return 0;
}

char *
vsphere_cluster_of (const struct vim_object *host)
{
  CLEANUP_VIM_REF struct vim_ref ref = { NULL, NULL };
  char *ret = NULL;

  if (vim_node_ref (vim_object_get (host, "parent"), &ref) == 0 &&
      strcmp (ref.type, "ClusterComputeResource") == 0) {
    ret = ref.id;
    ref.id = NULL;
  }
  return ret;
}
