/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where objects are in the inventory, and finding a VM by what people
 * call it.
 *
 * Names are unique in their folder only.  A server gives them with "/",
 * "\" and "%" escaped as %2f, %5c and %25; some do not escape, so both
 * are understood.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "plugins/vsphere/vim_private.h"

/* Deeper than any inventory; it can be a loop. */
#define MAX_DEPTH 256

#define MAX_LISTED 10           /* of several VMs that fit */

static const struct {
  char c;
  const char *escaped;
} escapes[] = { { '/', "%2f" }, { '\\', "%5c" }, { '%', "%25" } };

/* The escape at S, or -1. */
static int
escape_at (const char *s)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (escapes); i++)
    if (strncasecmp (s, escapes[i].escaped, 3) == 0)
      return i;
  return -1;
}

char *
vim_unescape_name (const char *name)
{
  char *ret = strdup (name), *p;
  int i;

  if (ret == NULL) {
    log_oom ();
    return NULL;
  }
  for (p = ret; *name; p++) {
    i = escape_at (name);
    *p = i == -1 ? *name : escapes[i].c;
    name += i == -1 ? 1 : 3;
  }
  *p = '\0';
  return ret;
}

/* Append NAME so that the server finds it again. */
static int
append_escaped (struct strbuf *b, const char *name)
{
  size_t i;
  int r = 0;

  for (; *name && r == 0; name++) {
    for (i = 0; i < ARRAY_SIZE (escapes); i++)
      if (*name == escapes[i].c && escape_at (name) == -1)
        break;
    if (i < ARRAY_SIZE (escapes))
      r = strbuf_append (b, escapes[i].escaped);
    else
      r = strbuf_append_char (b, *name);
  }
  return r;
}

static char *
parent_of (const struct vim_object *object)
{
  char *parent = vim_object_text (object, "parent");

  return parent ? parent : vim_object_text (object, "parentVApp");
}

DEFINE_VECTOR_TYPE (chain_vector, const struct vim_object *);

/* The objects from ID up to below the root folder, lowest first. */

static int
chain_in (const struct vim *vim, const struct vim_objects *tree,
          const char *id, chain_vector *chain)
{
  CLEANUP_FREE char *next = id ? strdup (id) : NULL;
  const struct vim_object *object;

  while (next && strcmp (next, vim->root_folder) != 0 &&
         (object = vim_objects_find (tree, next)) != NULL) {
    if (chain_vector_append (chain, object) == -1) {
      log_oom ();
      return -1;
    }
    if (chain->len > MAX_DEPTH) {
      log_error ("%s: the inventory has no root above %s: its parents go "
                 "round in a circle", http_client_origin (vim->http),
                 printable (id));
      errno = EINVAL;
      return -1;
    }
    free (next);
    next = parent_of (object);
  }
  return 0;
}

static int
append_name (struct strbuf *b, const struct vim_object *object)
{
  CLEANUP_FREE char *name = vim_object_text (object, "name");

  return append_escaped (b, name ? name : object->ref.id);
}

char *
vim_path_in (const struct vim *vim, const struct vim_objects *tree,
             const char *name, const char *parent_id)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  chain_vector chain = EMPTY_VECTOR;
  char *path = NULL;
  size_t i;
  int r;

  r = chain_in (vim, tree, parent_id, &chain);
  for (i = chain.len; i-- > 0 && r == 0; )
    if (strbuf_append_char (&b, '/') == -1 ||
        append_name (&b, chain.ptr[i]) == -1)
      goto oom;
  if (r == 0) {
    if (strbuf_append_char (&b, '/') == -1 ||
        append_escaped (&b, name) == -1)
      goto oom;
    path = strbuf_steal (&b);
    if (path == NULL)
      goto oom;
  }
  chain_vector_reset (&chain);
  return path;

 oom:
  chain_vector_reset (&chain);
  log_oom ();
  return NULL;
}

/* With the folders above it, as dcPath wants them. */
static char *
datacenter_path (const chain_vector *chain, size_t datacenter)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  char *path;
  size_t i;

  for (i = chain->len; i-- > datacenter; ) {
    CLEANUP_FREE char *name = vim_object_text (chain->ptr[i], "name");
    CLEANUP_FREE char *plain =
      vim_unescape_name (name ? name : chain->ptr[i]->ref.id);

    if (plain == NULL)
      return NULL;
    if (strbuf_printf (&b, "%s%s", b.len > 0 ? "/" : "", plain) == -1) {
      log_oom ();
      return NULL;
    }
  }
  path = strbuf_steal (&b);
  if (path == NULL)
    log_oom ();
  return path;
}

char *
vim_datacenter_in (const struct vim *vim, const struct vim_objects *tree,
                   const char *parent_id)
{
  chain_vector chain = EMPTY_VECTOR;
  char *path = NULL;
  size_t i;

  if (!vim->vcenter) {
    path = strdup ("ha-datacenter");
    if (path == NULL)
      log_oom ();
    return path;
  }
  if (chain_in (vim, tree, parent_id, &chain) == 0) {
    for (i = 0; i < chain.len; i++)
      if (strcmp (chain.ptr[i]->ref.type, "Datacenter") == 0)
        break;
    if (i < chain.len)
      path = datacenter_path (&chain, i);
    else {
      log_error ("%s: there is no datacenter above %s that we may see: the "
                 "privilege System.View is needed on it",
                 http_client_origin (vim->http),
                 parent_id ? printable (parent_id) : "the object");
      errno = ENOENT;
    }
  }
  chain_vector_reset (&chain);
  return path;
}

char *
vim_inventory_path (struct vim *vim, const char *type, const char *id)
{
  CLEANUP_VIM_OBJECTS struct vim_objects tree = { 0 };
  CLEANUP_FREE char *name = NULL, *parent = NULL;
  const struct vim_object *object;

  if (vim_ancestors (vim, type, id, &tree) == -1)
    return NULL;
  object = vim_objects_find (&tree, id);
  if (object) {
    name = vim_object_text (object, "name");
    parent = parent_of (object);
  }
  return vim_path_in (vim, &tree, name ? name : id, parent);
}

char *
vim_datacenter_path (struct vim *vim, const char *type, const char *id)
{
  CLEANUP_VIM_OBJECTS struct vim_objects tree = { 0 };

  if (vim->vcenter && vim_ancestors (vim, type, id, &tree) == -1)
    return NULL;
  return vim_datacenter_in (vim, &tree, id);
}

/*---- finding ----*/

/* All these append the ids of the VMs that fit. */

static int
add_refs (string_vector *ids, xmlNodePtr node)
{
  CLEANUP_VIM_REF struct vim_ref ref = { 0 };

  for (; node; node = vim_next (node, "returnval")) {
    if (vim_node_ref (node, &ref) == -1 ||
        strcmp (ref.type, "VirtualMachine") != 0) {
      vim_ref_free (&ref);
      continue;                 /* a folder of that name */
    }
    if (string_vector_append (ids, ref.id) == -1) {
      log_oom ();
      return -1;
    }
    ref.id = NULL;
    vim_ref_free (&ref);
  }
  return 0;
}

/* If OPTIONAL, ENOTSUP is not reported: old servers lack the method. */
static int
search (struct vim *vim, const char *method, bool optional, const char *args,
        string_vector *ids)
{
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  xmlNodePtr returnval = NULL;
  int r;

  r = vim_invoke (vim, LOG_LEVEL_ERROR, method, "SearchIndex",
                  vim->search_index, args, &doc, &returnval, &fault);
  if (r == 0)
    return add_refs (ids, returnval);
  if (r == 1 && optional && (vim_fault_is (&fault, "MethodNotFound") ||
                             vim_fault_is (&fault, "NotSupported") ||
                             vim_fault_is (&fault, "NotImplemented")))
    errno = ENOTSUP;
  else if (r == 1)
    vim_fault_report (LOG_LEVEL_ERROR, vim, method, &fault);
  return -1;
}

static int
find_by_path (struct vim *vim, const char *path, string_vector *ids)
{
  CLEANUP_STRBUF struct strbuf args = { 0 };

  if (vim_add_text (&args, "inventoryPath", path + strspn (path, "/")) == -1)
    return -1;
  return search (vim, "FindByInventoryPath", false, args.ptr, ids);
}

/* Two VMs can have one BIOS UUID; FindByUuid shows one of them. */
static int
find_by_uuid (struct vim *vim, const char *uuid, bool instance,
              string_vector *ids)
{
  CLEANUP_STRBUF struct strbuf args = { 0 };
  int r;

  if (vim_add_text (&args, "uuid", uuid) == -1 ||
      vim_add_text (&args, "vmSearch", "true") == -1 ||
      vim_add_text (&args, "instanceUuid", instance ? "true" : "false") == -1)
    return -1;
  r = search (vim, "FindAllByUuid", true, args.ptr, ids);
  if (r == -1 && errno == ENOTSUP)
    r = search (vim, "FindByUuid", false, args.ptr, ids);
  return r;
}

static int
find_by_name (struct vim *vim, const char *wanted, string_vector *ids)
{
  static const char *const paths[] = { "name", NULL };
  CLEANUP_VIM_OBJECTS struct vim_objects vms = { 0 };
  size_t i;

  if (vim_get_all (vim, "VirtualMachine", paths, &vms) == -1)
    return -1;
  for (i = 0; i < vms.list.len; i++) {
    const struct vim_object *vm = vms.list.ptr[i];
    CLEANUP_FREE char *name = vim_object_text (vm, "name");
    CLEANUP_FREE char *plain = name ? vim_unescape_name (name) : NULL;

    if (plain == NULL ||
        (strcmp (plain, wanted) != 0 && strcmp (name, wanted) != 0))
      continue;
    if (string_vector_append_dup (ids, vm->ref.id) == -1) {
      log_oom ();
      return -1;
    }
  }
  return 0;
}

/* 0 if it is there. */
static int
find_by_id (struct vim *vim, const char *id, string_vector *ids)
{
  static const char *const paths[] = { "name", NULL };
  CLEANUP_VIM_OBJECTS struct vim_objects vm = { 0 };
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  const int r = vim_try_get (vim, "VirtualMachine", id, paths, &vm, &fault);

  if (r == -1)
    return -1;
  /* Some servers take offence at what cannot be an id. */
  if (r == 1 && (vim_fault_is (&fault, "ManagedObjectNotFound") ||
                 vim_fault_is (&fault, "InvalidArgument") ||
                 vim_fault_is (&fault, "InvalidRequest")))
    return 0;
  if (r == 1) {
    vim_fault_report (LOG_LEVEL_ERROR, vim, "looking for a VM by its id",
                      &fault);
    return -1;
  }
  if (string_vector_append_dup (ids, id) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
report_ambiguous (struct vim *vim, const char *name,
                  const string_vector *ids)
{
  CLEANUP_STRBUF struct strbuf list = { 0 };
  size_t i;

  for (i = 0; i < ids->len && i < MAX_LISTED; i++) {
    CLEANUP_FREE char *path =
      vim_inventory_path (vim, "VirtualMachine", ids->ptr[i]);

    if (path == NULL)
      return -1;
    if (strbuf_printf (&list, "%s%s (%s)", i > 0 ? ", " : "", path,
                       ids->ptr[i]) == -1) {
      log_oom ();
      return -1;
    }
  }
  log_error ("%s: %zu VMs fit '%s': %s%s: name one by its path or its id",
             http_client_origin (vim->http), ids->len, printable (name),
             printable (list.ptr), ids->len > MAX_LISTED ? ", ..." : "");
  errno = EEXIST;
  return -1;
}

static int
find_named (struct vim *vim, const char *name, string_vector *ids)
{
  if (strchr (name, '/') && find_by_path (vim, name, ids) == -1)
    return -1;
  if (ids->len == 0 && is_uuid (name) &&
      (find_by_uuid (vim, name, true, ids) == -1 ||
       (ids->len == 0 && find_by_uuid (vim, name, false, ids) == -1)))
    return -1;
  return ids->len > 0 ? 0 : find_by_name (vim, name, ids);
}

int
vim_find_vm (struct vim *vim, const struct source_ref *ref, char **id_out)
{
  CLEANUP_STRING_VECTOR string_vector ids = EMPTY_VECTOR;
  int r;

  if (ref->id)
    r = find_by_id (vim, ref->id, &ids);
  else if (ref->name)
    r = find_named (vim, ref->name, &ids);
  else {
    log_error ("a VM of a plan has neither an id nor a name");
    errno = EINVAL;
    return -1;
  }
  if (r == -1)
    return -1;
  if (ids.len == 0) {
    log_error ("%s: there is no VM with the %s '%s' that user '%s' may see",
               http_client_origin (vim->http), ref->id ? "id" : "name",
               printable (ref->id ? ref->id : ref->name),
               printable (vim->user));
    errno = ENOENT;
    return -1;
  }
  if (ids.len > 1)
    return report_ambiguous (vim, ref->name, &ids);
  *id_out = ids.ptr[0];
  ids.ptr[0] = NULL;
  return 0;
}
