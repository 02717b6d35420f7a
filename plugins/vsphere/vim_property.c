/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The property collector: RetrievePropertiesEx and its pages.
 *
 * A server gives at most 100 objects at a time and a token for the next
 * page, which must follow in the same session.  What we may not see is
 * listed as missing with the fault NoPermission.  A path that a server
 * does not know (an older one) makes the whole call fail; it is then
 * repeated without that path.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "plugins/vsphere/vim_private.h"

#define MAX_OBJECTS 1000000

DEFINE_VECTOR_TYPE (doc_vector, xmlDocPtr);

/* What the objects point into. */
struct documents {
  doc_vector docs;
  string_vector names;
};

static void
free_object (struct vim_object *object)
{
  if (object == NULL)
    return;
  vim_ref_free (&object->ref);
  vim_property_vector_reset (&object->properties);
  string_vector_free (&object->denied);
  free (object);
}

void
vim_objects_free (struct vim_objects *objects)
{
  struct documents *documents = objects->documents;
  size_t i;

  for (i = 0; i < objects->list.len; i++)
    free_object (objects->list.ptr[i]);
  vim_object_vector_reset (&objects->list);
  if (documents) {
    for (i = 0; i < documents->docs.len; i++)
      xmlFreeDoc (documents->docs.ptr[i]);
    doc_vector_reset (&documents->docs);
    string_vector_free (&documents->names);
    free (documents);
  }
  objects->documents = NULL;
}

const struct vim_object *
vim_objects_find (const struct vim_objects *objects, const char *id)
{
  size_t i;

  for (i = 0; id && i < objects->list.len; i++)
    if (strcmp (objects->list.ptr[i]->ref.id, id) == 0)
      return objects->list.ptr[i];
  return NULL;
}

xmlNodePtr
vim_object_get (const struct vim_object *object, const char *name)
{
  size_t i;

  for (i = 0; i < object->properties.len; i++)
    if (strcmp (object->properties.ptr[i].name, name) == 0)
      return object->properties.ptr[i].value;
  return NULL;
}

char *
vim_object_text (const struct vim_object *object, const char *name)
{
  return xml_text (vim_object_get (object, name));
}

/*---- reading ----*/

/* Both add one property of NODE; 0, or -1 with errno ENOMEM. */
static int
add_property (struct documents *documents, struct vim_object *object,
              xmlNodePtr node)
{
  char *name = vim_child_text (node, "name");
  const struct vim_property property = {
    .name = name, .value = vim_child (node, "val"),
  };

  if (name == NULL || property.value == NULL) {
    free (name);
    return 0;
  }
  if (string_vector_append (&documents->names, name) == -1) {
    free (name);
    return -1;
  }
  return vim_property_vector_append (&object->properties, property);
}

static int
add_missing (struct vim_object *object, xmlNodePtr node)
{
  xmlNodePtr fault = vim_child (vim_child (node, "fault"), "fault");
  char *path;

  if (!vim_node_is_a (fault, "NoPermission"))
    return 0;
  path = vim_child_text (node, "path");
  if (path == NULL)
    return 0;
  if (string_vector_append (&object->denied, path) == -1) {
    free (path);
    return -1;
  }
  return 0;
}

/* NULL with errno EINVAL (nothing that we could use) or ENOMEM. */
static struct vim_object *
read_object (struct documents *documents, xmlNodePtr node)
{
  struct vim_object *object = calloc (1, sizeof *object);
  xmlNodePtr child;

  if (object == NULL)
    return NULL;
  if (vim_node_ref (vim_child (node, "obj"), &object->ref) == -1)
    goto err;
  for (child = vim_child (node, "propSet"); child;
       child = vim_next (child, "propSet"))
    if (add_property (documents, object, child) == -1)
      goto err;
  for (child = vim_child (node, "missingSet"); child;
       child = vim_next (child, "missingSet"))
    if (add_missing (object, child) == -1)
      goto err;
  return object;

 err:
  free_object (object);
  return NULL;
}

/* Append the objects of one reply, whose document is taken over, also on
 * error.  0, or -1 reported.
 */
static int
read_page (const struct vim *vim, xmlDocPtr doc, xmlNodePtr returnval,
           struct vim_objects *objects)
{
  struct documents *documents = objects->documents;
  struct vim_object *object;
  xmlNodePtr node;

  if (doc_vector_append (&documents->docs, doc) == -1) {
    xmlFreeDoc (doc);
    log_oom ();
    return -1;
  }
  for (node = vim_child (returnval, "objects"); node;
       node = vim_next (node, "objects")) {
    object = read_object (documents, node);
    if (object == NULL && errno != ENOMEM) {
      log_error ("%s: the server sent an object without a reference, at line "
                 "%lu of its answer to RetrievePropertiesEx",
                 http_client_origin (vim->http), xml_line (node));
      errno = EINVAL;
      return -1;
    }
    if (object == NULL ||
        vim_object_vector_append (&objects->list, object) == -1) {
      free_object (object);
      log_oom ();
      return -1;
    }
  }
  return 0;
}

/* The page that TOKEN stands for.  1: a fault. */
static int
next_page (struct vim *vim, const char *token, struct vim_objects *objects,
           char **next, struct vim_fault *fault)
{
  CLEANUP_STRBUF struct strbuf args = { 0 };
  const size_t before = objects->list.len;
  xmlNodePtr returnval;
  xmlDocPtr doc;
  int r;

  if (vim_add_text (&args, "token", token) == -1)
    return -1;
  r = vim_invoke (vim, LOG_LEVEL_ERROR, "ContinueRetrievePropertiesEx",
                  "PropertyCollector", vim->property_collector, args.ptr,
                  &doc, &returnval, fault);
  if (r != 0)
    return r;
  *next = vim_child_text (returnval, "token");
  if (read_page (vim, doc, returnval, objects) == -1)
    return -1;
  if (*next && (objects->list.len == before ||
                objects->list.len > MAX_OBJECTS)) {
    log_error ("%s: RetrievePropertiesEx does not come to an end after %zu "
               "objects", http_client_origin (vim->http), objects->list.len);
    errno = EINVAL;
    return -1;
  }
  return 0;
}

/* SPEC is all of <specSet>.  1: a fault. */
static int
retrieve (struct vim *vim, const char *spec, struct vim_objects *out,
          struct vim_fault *fault)
{
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };
  CLEANUP_FREE char *args = NULL, *token = NULL;
  xmlNodePtr returnval;
  xmlDocPtr doc;
  int r;

  if (asprintf (&args, "%s<options/>", spec) == -1) {
    args = NULL;
    log_oom ();
    return -1;
  }
  objects.documents = calloc (1, sizeof (struct documents));
  if (objects.documents == NULL) {
    log_oom ();
    return -1;
  }
  r = vim_invoke (vim, LOG_LEVEL_ERROR, "RetrievePropertiesEx",
                  "PropertyCollector", vim->property_collector, args, &doc,
                  &returnval, fault);
  if (r != 0)
    return r;
  token = vim_child_text (returnval, "token");
  if (read_page (vim, doc, returnval, &objects) == -1)
    return -1;
  while (token) {
    CLEANUP_FREE char *this = token;

    token = NULL;
    r = next_page (vim, this, &objects, &token, fault);
    if (r != 0)
      return r;
  }
  *out = objects;
  memset (&objects, 0, sizeof objects);
  return 0;
}

/*---- asking ----*/

/* Length of the first name of "A,B". */
static size_t
first_name (const char *types)
{
  return strcspn (types, ",");
}

static int
append_prop_sets (struct strbuf *b, const char *types,
                  const char *const *paths, const bool *dropped)
{
  CLEANUP_FREE char *type = NULL;
  const size_t len = first_name (types);
  size_t i;

  type = strndup (types, len);
  if (type == NULL || strbuf_append (b, "<propSet>") == -1) {
    log_oom ();
    return -1;
  }
  if (vim_add_text (b, "type", type) == -1)
    return -1;
  for (i = 0; paths[i]; i++)
    if (!dropped[i] && vim_add_text (b, "pathSet", paths[i]) == -1)
      return -1;
  if (strbuf_append (b, "</propSet>") == -1) {
    log_oom ();
    return -1;
  }
  return types[len] ? append_prop_sets (b, types + len + 1, paths, dropped)
                    : 0;
}

/* retrieve of TYPES with PATHS, without those that the server does not
 * know.  OBJECT_SETS is all of <objectSet>, as often as needed.
 */
static int
retrieve_known (struct vim *vim, const char *types,
                const char *const *paths, const char *object_sets,
                struct vim_objects *objects, struct vim_fault *fault)
{
  CLEANUP_FREE bool *dropped = NULL;
  size_t i, n;
  int r;

  for (n = 0; paths[n]; n++)
    ;
  dropped = calloc (n + 1, sizeof *dropped);
  if (dropped == NULL) {
    log_oom ();
    return -1;
  }
  for (;;) {
    CLEANUP_STRBUF struct strbuf spec = { 0 };

    if (strbuf_append (&spec, "<specSet>") == -1)
      goto oom;
    if (append_prop_sets (&spec, types, paths, dropped) == -1)
      return -1;
    if (strbuf_printf (&spec, "%s</specSet>", object_sets) == -1)
      goto oom;
    r = retrieve (vim, spec.ptr, objects, fault);
    if (r != 1 || !vim_fault_is (fault, "InvalidProperty") ||
        fault->name == NULL)
      return r;
    for (i = 0; i < n; i++)
      if (!dropped[i] && strcmp (paths[i], fault->name) == 0)
        break;
    if (i == n)
      return 1;
    log_debug ("%s: this server does not know the property %s of %s",
               http_client_origin (vim->http), paths[i], types);
    dropped[i] = true;
    vim_fault_free (fault);
  }

 oom:
  log_oom ();
  return -1;
}

static int
add_object_set (struct strbuf *b, const char *type, const char *id)
{
  if (strbuf_append (b, "<objectSet>") == -1)
    goto oom;
  if (vim_add_ref (b, "obj", type, id) == -1)
    return -1;
  if (strbuf_append (b, "<skip>false</skip></objectSet>") == -1)
    goto oom;
  return 0;

 oom:
  log_oom ();
  return -1;
}

int
vim_try_get (struct vim *vim, const char *type, const char *id,
             const char *const *paths, struct vim_objects *out,
             struct vim_fault *fault)
{
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };
  CLEANUP_STRBUF struct strbuf set = { 0 };
  int r;

  if (add_object_set (&set, type, id) == -1)
    return -1;
  r = retrieve_known (vim, type, paths, set.ptr, &objects, fault);
  if (r != 0)
    return r;
  if (objects.list.len == 0) {
    fault->type = strdup ("ManagedObjectNotFound");
    if (fault->type)
      return 1;
    log_oom ();
    return -1;
  }
  *out = objects;
  memset (&objects, 0, sizeof objects);
  return 0;
}

int
vim_get (struct vim *vim, const char *type, const char *id,
         const char *const *paths, struct vim_objects *objects)
{
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  CLEANUP_FREE char *what = NULL;
  const int r = vim_try_get (vim, type, id, paths, objects, &fault);

  if (r != 1)
    return r;
  if (asprintf (&what, "%s %s", printable (type), printable (id)) == -1)
    what = NULL;
  vim_fault_report (LOG_LEVEL_ERROR, vim, what ? what : type, &fault);
  return -1;
}

/* A view of all objects of TYPES below the root: its id, malloc'ed. */
static char *
create_view (struct vim *vim, const char *types)
{
  CLEANUP_STRBUF struct strbuf args = { 0 };
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  xmlNodePtr returnval;
  char *id;

  if (vim_add_ref (&args, "container", "Folder", vim->root_folder) == -1)
    return NULL;
  for (;;) {
    const size_t len = first_name (types);
    CLEANUP_FREE char *type = strndup (types, len);

    if (type == NULL || vim_add_text (&args, "type", type) == -1)
      return NULL;
    if (types[len] == '\0')
      break;
    types += len + 1;
  }
  if (strbuf_append (&args, "<recursive>true</recursive>") == -1) {
    log_oom ();
    return NULL;
  }
  if (vim_call (vim, "CreateContainerView", "ViewManager", vim->view_manager,
                args.ptr, &doc, &returnval) == -1)
    return NULL;
  id = xml_text (returnval);
  if (id == NULL) {
    log_error ("%s: CreateContainerView gives no view",
               http_client_origin (vim->http));
    errno = EINVAL;
  }
  return id;
}

/* 1: a fault. */
static int
get_view (struct vim *vim, const char *type, const char *const *paths,
          struct vim_objects *objects, struct vim_fault *fault)
{
  CLEANUP_STRBUF struct strbuf set = { 0 };
  CLEANUP_FREE char *view = create_view (vim, type);
  int r;

  if (view == NULL)
    return -1;
  if (strbuf_append (&set, "<objectSet>") == -1)
    goto oom;
  if (vim_add_ref (&set, "obj", "ContainerView", view) == -1)
    return -1;
  if (strbuf_append (&set, "<skip>true</skip>"
                     "<selectSet xsi:type=\"TraversalSpec\">"
                     "<name>view</name><type>ContainerView</type>"
                     "<path>view</path><skip>false</skip>"
                     "</selectSet></objectSet>") == -1)
    goto oom;
  r = retrieve_known (vim, type, paths, set.ptr, objects, fault);
  if (r == 0)                   /* else it goes with the session */
    vim_invoke (vim, LOG_LEVEL_DEBUG, "DestroyView", "ContainerView", view,
                NULL, NULL, NULL, NULL);
  return r;

 oom:
  log_oom ();
  return -1;
}

int
vim_get_all (struct vim *vim, const char *type, const char *const *paths,
             struct vim_objects *objects)
{
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  CLEANUP_FREE char *what = NULL;
  const unsigned generation = http_client_generation (vim->http);
  int r;

  r = get_view (vim, type, paths, objects, &fault);
  /* Views and pages end with the session that they belong to. */
  if (r == 1 && http_client_generation (vim->http) != generation) {
    vim_fault_free (&fault);
    r = get_view (vim, type, paths, objects, &fault);
  }
  if (r != 1)
    return r;
  if (asprintf (&what, "list of all objects of type %s", type) == -1)
    what = NULL;
  vim_fault_report (LOG_LEVEL_ERROR, vim, what ? what : type, &fault);
  return -1;
}

int
vim_get_refs (struct vim *vim, const char *type, const struct vim_ref *refs,
              size_t n, const char *const *paths,
              struct vim_objects *objects)
{
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  CLEANUP_STRBUF struct strbuf sets = { 0 };
  CLEANUP_FREE char *what = NULL;
  size_t i;
  int r;

  if (n == 0)
    return 0;
  for (i = 0; i < n; i++)
    if (add_object_set (&sets, refs[i].type, refs[i].id) == -1)
      return -1;
  r = retrieve_known (vim, type, paths, sets.ptr, objects, &fault);
  if (r != 1)
    return r;
  if (asprintf (&what, "%zu objects of type %s", n, type) == -1)
    what = NULL;
  vim_fault_report (LOG_LEVEL_ERROR, vim, what ? what : type, &fault);
  return -1;
}

/* The chain of parents is followed by the server. */
int
vim_ancestors (struct vim *vim, const char *type, const char *id,
               struct vim_objects *tree)
{
  CLEANUP_STRBUF struct strbuf spec = { 0 };
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  CLEANUP_FREE char *what = NULL;
  int r;

  if (strbuf_append (&spec, "<specSet>"
                     "<propSet><type>ManagedEntity</type>"
                     "<pathSet>name</pathSet><pathSet>parent</pathSet>"
                     "</propSet><propSet><type>VirtualMachine</type>"
                     "<pathSet>parentVApp</pathSet></propSet>"
                     "<objectSet>") == -1)
    goto oom;
  if (vim_add_ref (&spec, "obj", type, id) == -1)
    return -1;
  if (strbuf_append (&spec, "<skip>false</skip>"
                     "<selectSet xsi:type=\"TraversalSpec\">"
                     "<name>up</name><type>ManagedEntity</type>"
                     "<path>parent</path><skip>false</skip>"
                     "<selectSet><name>up</name></selectSet>"
                     "</selectSet>"
                     "<selectSet xsi:type=\"TraversalSpec\">"
                     "<type>VirtualMachine</type>"
                     "<path>parentVApp</path><skip>false</skip>"
                     "<selectSet><name>up</name></selectSet>"
                     "</selectSet></objectSet></specSet>") == -1)
    goto oom;
  r = retrieve (vim, spec.ptr, tree, &fault);
  if (r != 1)
    return r;
  if (asprintf (&what, "%s %s", printable (type), printable (id)) == -1)
    what = NULL;
  vim_fault_report (LOG_LEVEL_ERROR, vim, what ? what : "ancestors", &fault);
  return -1;

 oom:
  log_oom ();
  return -1;
}

int
vim_all_folders (struct vim *vim, struct vim_objects *tree)
{
  static const char *const paths[] = { "name", "parent", NULL };

  return vim_get_all (vim, "Folder,Datacenter,ComputeResource,ResourcePool",
                      paths, tree);
}
