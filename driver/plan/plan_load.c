/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From files to a plan_set: documents are told apart by apiVersion and
 * kind, and each is decoded by the table of its kind.  The tree of a
 * document lives only as long as the document is looked at; what is kept
 * is copied into the set's arena.
 */
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/decode.h"
#include "driver/plan/plan_secret.h"

static const struct plan_kind *const kinds[] = {
  &plan_kind_secret, &plan_kind_provider, &plan_kind_host,
  &plan_kind_network_map, &plan_kind_storage_map, &plan_kind_hook,
  &plan_kind_nad, &plan_kind_plan, &plan_kind_migration,
};

struct loader {
  struct plan_set *set;
  problem_vector *problems;
  const char *file;
  void *seen;                   /* tsearch tree of struct seen */
  size_t nr_objects;            /* in this file, of any kind */
};

struct seen {
  const char *object;           /* "Plan mig/plan1" */
  struct plan_where where;
};

static int
compare_seen (const void *a, const void *b)
{
  return strcmp (((const struct seen *) a)->object,
                 ((const struct seen *) b)->object);
}

static void
keep_seen (void *seen)
{
  /* the arena owns it */
}

static const char *
text_of (const struct yaml_node *node)
{
  return node && node->type == YAML_STRING && node->len > 0
    ? node->text : NULL;
}

/* "Plan mig/plan1", or "Plan" if it has no name.  All our kinds are
 * namespaced; of others only the manifest can tell.
 */
static char *
object_name (struct loader *l, const struct yaml_node *root,
             const char *kind, bool ours)
{
  const struct yaml_node *metadata = yaml_get (root, "metadata");
  const char *name = text_of (yaml_get (metadata, "name"));
  const char *ns = text_of (yaml_get (metadata, "namespace"));
  CLEANUP_FREE char *s = NULL;
  int r;

  if (ns == NULL && ours)
    ns = "default";
  if (name)
    r = asprintf (&s, "%s %s%s%s", printable (kind),
                  ns ? printable (ns) : "", ns ? "/" : "",
                  printable (name));
  else
    r = asprintf (&s, "%s", printable (kind));
  if (r == -1) {
    s = NULL;
    log_oom ();
    return NULL;
  }
  return yaml_arena_copy (l->set->arena, s, strlen (s));
}

/* Report a second object of the same name. */
static int
check_duplicate (struct decoder *d, struct loader *l,
                 const struct yaml_node *root)
{
  struct seen *seen, **found;

  seen = yaml_arena_alloc (l->set->arena, 1, sizeof *seen);
  if (seen == NULL)
    return -1;
  seen->object = d->object;
  seen->where = decode_where (d, root);
  found = tsearch (seen, &l->seen, compare_seen);
  if (found == NULL) {
    log_oom ();
    return -1;
  }
  if (*found == seen)
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "DuplicateObject", root, NULL,
                         "remove one of the two", "stands already in "
                         "%s:%u", (*found)->where.file,
                         (*found)->where.line);
}

/* All vectors are laid out alike (DEFINE_VECTOR_TYPE). */
struct any_vector {
  void *ptr;
  size_t len, cap;
};

static int
append_object (struct plan_set *set, const struct plan_kind *kind,
               const void *object)
{
  char *place = (char *) set + kind->offset;
  struct any_vector v;

  memcpy (&v, place, sizeof v);
  if (v.len == v.cap &&
      generic_vector_grow (&v.ptr, v.len, &v.cap, kind->size) == -1) {
    log_oom ();
    return -1;
  }
  memcpy ((char *) v.ptr + v.len * kind->size, object, kind->size);
  v.len++;
  memcpy (place, &v, sizeof v);
  return 0;
}

static int
decode_object (struct loader *l, struct decoder *d,
               const struct plan_kind *kind, const struct yaml_node *root)
{
  /* struct plan is the largest; every kind begins with its meta. */
  union { struct plan plan; struct plan_migration m; struct plan_host h;
          struct plan_provider p; struct plan_secret s; } object;
  struct object_meta *meta = (void *) &object;

  memset (&object, 0, sizeof object);
  if (kind->size > sizeof object)
    abort ();
  if (kind->init)
    kind->init (&object);
  if (decode_fields (d, root, kind->fields, &object) == -1)
    return -1;
  meta->where = decode_where (d, root);
  if (meta->namespace_ == NULL) {
    meta->namespace_ = yaml_arena_copy (l->set->arena, "default", 7);
    if (meta->namespace_ == NULL)
      return -1;
  }
  if (kind->check && kind->check (d, root, &object) == -1)
    return -1;

  if (meta->name == NULL)       /* reported */
    return 0;
  if (check_duplicate (d, l, root) == -1)
    return -1;
  return append_object (l->set, kind, &object);
}

static bool
group_is (const char *api_version, const char *group)
{
  const char *slash = strchr (api_version, '/');
  const size_t n = slash ? (size_t) (slash - api_version) : 0;

  return strlen (group) == n && strncmp (api_version, group, n) == 0;
}

/* The kind of that name, whatever its group; by its group, too, if that
 * fits.
 */
static const struct plan_kind *
find_kind (const char *api_version, const char *kind)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (kinds); ++i)
    if (strcmp (kinds[i]->kind, kind) == 0 &&
        group_is (api_version, kinds[i]->group))
      return kinds[i];
  return NULL;
}

/* KIND of API_VERSION is none of ours.  If it looks like one of ours
 * misspelt, it is an error, else it is only noted that it is not used.
 */
static int
other_kind (struct decoder *d, const struct yaml_node *root,
            const char *api_version, const char *kind)
{
  const char *names[ARRAY_SIZE (kinds)], *near;
  const char *group = "forklift.konveyor.io";
  CLEANUP_FREE char *suggestion = NULL, *base = NULL;
  const char *near_group;
  size_t i, nr = 0;
  int r = 0;

  for (i = 0; i < ARRAY_SIZE (kinds); ++i) {
    if (group_is (api_version, kinds[i]->group))
      names[nr++] = kinds[i]->kind;
    if (strcmp (kinds[i]->kind, kind) == 0)
      group = kinds[i]->group;
  }
  near = closest_word (kind, names, nr);
  /* Namespace, Service and so on are near to nothing of ours. */
  if (near && strlen (kind) > 3) {
    r = asprintf (&suggestion, "did you mean %s?", near);
    if (r != -1)
      return decode_problem (d, PROBLEM_CRITICAL, "UnknownKind",
                             yaml_get (root, "kind"), "kind", suggestion,
                             "there is no kind '%s'", printable (kind));
  }

  base = strndup (api_version, strcspn (api_version, "/"));
  near_group = base ? closest_word (base, &group, 1) : NULL;
  if (base == NULL || r == -1) {
    suggestion = NULL;
    log_oom ();
    return -1;
  }
  if (near_group && strcmp (base, group) != 0) {
    for (i = 0; i < ARRAY_SIZE (kinds); ++i)
      if (strcmp (kinds[i]->kind, kind) == 0)
        return decode_problem (d, PROBLEM_CRITICAL, "UnknownKind",
                               yaml_get (root, "apiVersion"), "apiVersion",
                               "write forklift.konveyor.io/v1beta1",
                               "'%s' has no kind %s",
                               printable (api_version), kind);
  }
  return decode_problem (d, PROBLEM_ADVISORY, "KindNotUsed", root, NULL,
                         NULL, "nbdlift has no use for a %s of %s",
                         printable (kind), printable (api_version));
}

static int
check_version (struct decoder *d, const struct yaml_node *root,
               const struct plan_kind *kind, const char *api_version)
{
  const char *slash = strchr (api_version, '/');
  const char *version = slash ? slash + 1 : api_version;

  if (strcmp (version, kind->version) == 0)
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "UnknownKind",
                         yaml_get (root, "apiVersion"), "apiVersion", NULL,
                         "'%s' is not known; nbdlift reads %s%s%s",
                         printable (api_version), kind->group,
                         *kind->group ? "/" : "", kind->version);
}

static int load_object (struct loader *l, const struct yaml_node *root,
                        size_t first_problem);

/* kind: List, and what the API server gives for several objects. */
static int
load_list (struct loader *l, const struct yaml_node *items)
{
  size_t i;

  for (i = 0; i < items->nr; ++i)
    if (load_object (l, items->items[i], l->problems->len) == -1)
      return -1;
  return 0;
}

static bool
is_list (const struct yaml_node *root, const char *kind)
{
  const size_t n = strlen (kind);
  const struct yaml_node *items = yaml_get (root, "items");

  return n >= 4 && strcmp (kind + n - 4, "List") == 0 &&
    items && items->type == YAML_LIST;
}

/* What the tree loader complained of in this object. */
static int
name_object (struct loader *l, const char *object, unsigned line,
             size_t first_problem)
{
  struct problem *p;
  size_t i;

  for (i = first_problem; i < l->problems->len; ++i) {
    p = &l->problems->ptr[i];
    if (p->object || p->where.line < line)
      continue;
    p->object = strdup (object);
    if (p->object == NULL) {
      log_oom ();
      return -1;
    }
  }
  return 0;
}

static int
load_map (struct loader *l, struct decoder *d,
          const struct yaml_node *root, size_t first_problem)
{
  const char *kind = text_of (yaml_get (root, "kind"));
  const char *api_version = text_of (yaml_get (root, "apiVersion"));
  const struct plan_kind *known;

  if (kind == NULL || api_version == NULL)
    return decode_problem (d, PROBLEM_CRITICAL, "UnknownKind", root,
                           kind ? "apiVersion" : "kind", NULL,
                           "is required: this is no Kubernetes object");
  if (is_list (root, kind))
    return load_list (l, yaml_get (root, "items"));

  known = find_kind (api_version, kind);
  d->object = object_name (l, root, kind, known != NULL);
  if (d->object == NULL ||
      name_object (l, d->object, root->line, first_problem) == -1)
    return -1;
  if (known == NULL)
    return other_kind (d, root, api_version, kind);
  d->secret = known->secret;
  if (check_version (d, root, known, api_version) == -1)
    return -1;
  return decode_object (l, d, known, root);
}

/* Problems from FIRST_PROBLEM on were found when ROOT was read. */
static int
load_object (struct loader *l, const struct yaml_node *root,
             size_t first_problem)
{
  struct decoder d = {
    .arena = l->set->arena, .problems = l->problems, .file = l->file };
  int r = 0;

  if (root->type == YAML_NULL)
    return 0;
  l->nr_objects++;
  if (root->type == YAML_BROKEN)
    return 0;
  if (root->type == YAML_MAP)
    r = load_map (l, &d, root, first_problem);
  else
    r = decode_problem (&d, PROBLEM_CRITICAL, "Malformed", root, NULL,
                        root->type == YAML_STRING && !root->quoted &&
                        strchr (root->text, ':')
                        ? "a blank is needed after each colon: KEY: VALUE"
                        : NULL, "this is no Kubernetes object");
  noted_vector_reset (&d.noted);
  return r;
}

/* "..." ends a document; in the manual of MTV it stands for lines left
 * out.
 */
static int
report_cut (struct loader *l, const struct yaml_document *doc)
{
  const struct plan_where where = { l->file, doc->cut_line, 1 };
  const char *kind = text_of (yaml_get (doc->root, "kind"));
  const char *object = NULL;

  if (kind) {
    object = object_name (l, doc->root, kind, true);
    if (object == NULL)
      return -1;
  }
  l->nr_objects++;
  return problem_add (l->problems, PROBLEM_CRITICAL, "Malformed", &where,
                      object, NULL, "remove the line '...'; in a manual it "
                      "stands for lines left out", "'...' ends the "
                      "document, so that the lines after it would be lost");
}

static int
load_documents (struct loader *l, struct yaml_stream *stream)
{
  struct yaml_document doc;
  size_t before;
  int r;

  for (;;) {
    CLEANUP_YAML_ARENA struct yaml_arena *tree = yaml_arena_new ();

    if (tree == NULL)
      return -1;
    before = l->problems->len;
    r = yaml_next (stream, tree, &doc);
    if (r == 1)
      r = doc.cut ? report_cut (l, &doc)
        : load_object (l, doc.root, before);
    else if (r == 0)
      return 0;
    if (r == -1)
      return -1;
  }
}

/* Grow *TEXT to CAP bytes without leaving a copy behind. */
static int
grow_text (char **text, size_t len, size_t cap)
{
  char *p = malloc (cap);

  if (p == NULL) {
    log_oom ();
    return -1;
  }
  if (*text) {
    memcpy (p, *text, len);
    explicit_bzero (*text, len);
    free (*text);
  }
  *text = p;
  return 0;
}

/* Read FD up to the end, or one byte more than YAML_MAX_TEXT. */
static int
read_text (int fd, const char *file, char **text, size_t *len)
{
  size_t cap = 0;
  ssize_t n;

  *len = 0;
  do {
    if (*len == cap) {
      cap = cap ? cap * 2 : 64 * KIB;
      if (grow_text (text, *len, cap) == -1)
        return -1;
    }
    do
      n = read (fd, *text + *len, cap - *len);
    while (n == -1 && errno == EINTR);
    if (n == -1) {
      log_error ("%s: read: %m", printable (file));
      return -1;
    }
    *len += n;
  } while (n > 0 && *len <= YAML_MAX_TEXT);
  return 0;
}

/* The text of FILE, malloc'ed, or NULL after a report. */
static char *
read_file (const char *file, size_t *len)
{
  CLEANUP_CLOSE int opened = -1;
  int fd = STDIN_FILENO;
  struct stat st;
  char *text = NULL;

  if (strcmp (file, "-") != 0) {
    opened = open (file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (opened == -1) {
      log_error ("%s: %m", printable (file));
      return NULL;
    }
    fd = opened;
  }
  if (fstat (fd, &st) == 0 && S_ISDIR (st.st_mode)) {
    errno = EISDIR;
    log_error ("%s is a folder: name the files in it", printable (file));
    return NULL;
  }
  if (read_text (fd, file, &text, len) == -1) {
    if (text)
      explicit_bzero (text, *len);
    free (text);
    return NULL;
  }
  return text;
}

static int
load_text (struct loader *l, char *text, size_t len)
{
  const size_t before = l->problems->len;
  struct plan_where where = { l->file, 1, 1 };
  struct yaml_stream *stream;
  int r;

  l->nr_objects = 0;
  stream = yaml_open (l->file, text, len, l->problems);
  if (stream == NULL)
    return -1;
  r = load_documents (l, stream);
  yaml_close (stream);
  if (r == 0 && l->nr_objects == 0 && l->problems->len == before)
    r = problem_add (l->problems, PROBLEM_CRITICAL, "Malformed", &where,
                     NULL, NULL, NULL, "there is nothing in this file");
  problem_sort (l->problems, before);
  return r;
}

int
plan_load (const char *const *files, size_t nr_files, struct plan_set *set,
           problem_vector *problems)
{
  struct loader l = { .set = set, .problems = problems };
  char *text;
  size_t i, len;
  int r = 0;

  memset (set, 0, sizeof *set);
  set->arena = yaml_arena_new ();
  if (set->arena == NULL)
    return -1;

  for (i = 0; r == 0 && i < nr_files; ++i) {
    l.file = yaml_arena_copy (set->arena, files[i], strlen (files[i]));
    text = l.file ? read_file (files[i], &len) : NULL;
    r = text ? load_text (&l, text, len) : -1;
  }
  tdestroy (l.seen, keep_seen);
  return r;
}

void
plan_set_free (struct plan_set *set)
{
  plan_secret_vector_reset (&set->secrets);
  plan_provider_vector_reset (&set->providers);
  plan_host_vector_reset (&set->hosts);
  plan_network_map_vector_reset (&set->network_maps);
  plan_storage_map_vector_reset (&set->storage_maps);
  plan_hook_vector_reset (&set->hooks);
  plan_nad_vector_reset (&set->nads);
  plan_vector_reset (&set->plans);
  plan_migration_vector_reset (&set->migrations);
  yaml_arena_free (set->arena);
  set->arena = NULL;
}

static const char *
field_type_name (enum field_type type)
{
  switch (type) {
  case FIELD_STRING: return "string";
  case FIELD_BOOL: return "boolean";
  case FIELD_SECONDS: return "seconds";
  case FIELD_ENUM: return "word";
  case FIELD_REF: return "reference";
  case FIELD_SOURCE_REF: return "source-reference";
  case FIELD_STRINGS: return "map";
  case FIELD_BASE64_STRINGS: return "base64-map";
  case FIELD_OBJECT: return "object";
  case FIELD_LIST: return "list";
  case FIELD_ANY: return "any";
  }
  abort ();
}

static void
list_fields (FILE *fp, const char *kind, const char *prefix,
             const struct field *f)
{
  char path[256];

  for (; f->name; ++f) {
    if (f->flags & FIELD_INTERNAL)
      continue;
    snprintf (path, sizeof path, "%s%s%s%s", prefix, *prefix ? "." : "",
              f->name, f->type == FIELD_LIST ? "[]" : "");
    fprintf (fp, "%s %s %s %s\n", kind, path, field_type_name (f->type),
             f->flags & FIELD_UNUSED ? "unused"
             : f->flags & FIELD_REQUIRED ? "required" : "-");
    if (f->fields)
      list_fields (fp, kind, path, f->fields);
  }
}

void
plan_list_fields (FILE *fp)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (kinds); ++i)
    list_fields (fp, kinds[i]->kind, "", kinds[i]->fields);
  plan_secret_list_keys (fp);
}
