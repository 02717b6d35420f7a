/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a YAML tree to a struct, by a table of fields.
 *
 * A kind of object is one table; everything that can be said of a field
 * (type, whether it is required, what happens to it) stands in its row,
 * so that no field is dropped in silence, and the manual page can be
 * held against the tables (plan_list_fields).
 */
#ifndef NBDLIFT_DECODE_H
#define NBDLIFT_DECODE_H

#include <stdio.h>

#include "driver/plan/arena.h"
#include "driver/plan/plan.h"
#include "driver/plan/yaml.h"

enum field_type {
  FIELD_STRING,                 /* char * */
  FIELD_BOOL,                   /* bool */
  FIELD_SECONDS,                /* uint64_t; int64 in Kubernetes */
  FIELD_ENUM,                   /* int; a word of field.words */
  FIELD_REF,                    /* struct object_ref */
  FIELD_SOURCE_REF,             /* struct plan_ref */
  FIELD_STRINGS,                /* key_value_vector: a map of strings */
  FIELD_BASE64_STRINGS,         /* the same, values in base64 */
  FIELD_OBJECT,                 /* a struct inside, by field.fields */
  FIELD_LIST,                   /* a vector of structs, by field.fields */
  FIELD_ANY,                    /* any value; nothing is stored */
};

#define FIELD_REQUIRED 1
/* Known to Forklift, not used here: a note says so, with field.note. */
#define FIELD_UNUSED 2
/* Accepted and of no interest to users either: not listed. */
#define FIELD_INTERNAL 4
/* Nothing is stored, check does it all. */
#define FIELD_NOT_STORED 8
/* REQUIRED, but may be null. */
#define FIELD_NULL_OK 16
/* REF: if it is there, it must have a name. */
#define FIELD_NAME_NEEDED 32

struct decoder;

struct field_word {             /* ends with name NULL */
  const char *name;
  int value;
};

struct field {                  /* a table ends with name NULL */
  const char *name;
  enum field_type type;
  unsigned flags;
  size_t offset;                /* in the struct of this level */
  const struct field *fields;   /* OBJECT, LIST; STRINGS: known keys */
  size_t element;               /* LIST: size of one struct */
  void (*init) (void *element); /* LIST: defaults, or NULL */
  const struct field_word *words;
  const char *condition;        /* type of the problem when it is missing or
                                   wrong; NULL: "Malformed" */
  const char *note;             /* UNUSED: since when, what for */

  /* Called with the decoded value's node, and the struct of this level
   * (LIST: after each element, with the element).  0, or -1 if memory is
   * short.
   */
  int (*check) (struct decoder *d, const struct yaml_node *node,
                void *base);
};

DEFINE_VECTOR_TYPE (noted_vector, const struct field *);

/* Deeper than any table goes. */
#define DECODE_MAX_DEPTH 16

/* One object being decoded. */
struct decoder {
  struct yaml_arena *arena;     /* the plan_set's: strings, lists */
  problem_vector *problems;
  const char *file;             /* lives as long as the plan_set */
  char *object;                 /* "Plan mig/plan1", or NULL */
  bool secret;                  /* never show a value */
  noted_vector noted;           /* notes given already */
  struct {                      /* the way to the field being decoded */
    const char *name;           /* NULL: an entry of a list */
    size_t index;
  } path[DECODE_MAX_DEPTH];
  size_t depth;
};

/* Decode the map NODE into BASE.  0, or -1 if memory is short. */
extern int decode_fields (struct decoder *d, const struct yaml_node *node,
                          const struct field *fields, void *base);

/* Report a problem of NODE (where it is; NULL: no place).  SUBPATH is
 * appended to the path of the field being decoded; NULL for none.
 */
extern int decode_problem (struct decoder *d,
                           enum problem_category category,
                           const char *type, const struct yaml_node *node,
                           const char *subpath, const char *suggestion,
                           const char *fmt, ...)
  __attribute__ ((format (printf, 7, 8)));

extern struct plan_where decode_where (const struct decoder *d,
                                       const struct yaml_node *node);

/* NODE as text: its string copied to the arena, or NULL with a report
 * (CONDITION) if it is none, or for want of memory (then *FAILED).
 */
extern char *decode_string (struct decoder *d, const struct yaml_node *node,
                            const char *condition, bool *failed);

/* The WORD that S most likely was meant to be, or NULL.  words.c */
extern const char *closest_word (const char *s, const char *const *words,
                                 size_t nr);

/* A kind of object. */
struct plan_kind {
  const char *kind, *group, *version;
  const struct field *fields;
  size_t size, offset;          /* of the struct; of its vector in the set */
  bool secret;
  void (*init) (void *object);  /* or NULL */
  /* After all fields.  NODE is the whole document. */
  int (*check) (struct decoder *d, const struct yaml_node *node,
                void *object);
};

extern const struct plan_kind plan_kind_secret, plan_kind_provider,
  plan_kind_host, plan_kind_network_map, plan_kind_storage_map,
  plan_kind_hook, plan_kind_nad, plan_kind_plan, plan_kind_migration;

/* Fields that every kind has.  STRUCT has the member meta. */
#define COMMON_FIELDS(STRUCT, METADATA)                                 \
  { .name = "apiVersion", .type = FIELD_ANY, .flags = FIELD_INTERNAL }, \
  { .name = "kind", .type = FIELD_ANY, .flags = FIELD_INTERNAL },       \
  { .name = "status", .type = FIELD_ANY, .flags = FIELD_INTERNAL },     \
  { .name = "metadata", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,  \
    .offset = offsetof (struct STRUCT, meta), .fields = (METADATA) }

#define METADATA_FIELDS                                                 \
  { .name = "name", .type = FIELD_STRING, .flags = FIELD_REQUIRED,      \
    .offset = offsetof (struct object_meta, name),                      \
    .check = decode_check_name },                                       \
  { .name = "namespace", .type = FIELD_STRING,                          \
    .offset = offsetof (struct object_meta, namespace_),                \
    .check = decode_check_label },                                      \
  { .name = "uid", .type = FIELD_STRING,                                \
    .offset = offsetof (struct object_meta, uid) },                     \
  { .name = "labels", .type = FIELD_STRINGS, .flags = FIELD_NOT_STORED }, \
  { .name = "annotations", .type = FIELD_STRINGS,                       \
    .flags = FIELD_NOT_STORED },                                        \
  { .name = "ownerReferences", .type = FIELD_ANY,                       \
    .flags = FIELD_INTERNAL },                                          \
  { .name = "finalizers", .type = FIELD_ANY, .flags = FIELD_INTERNAL }, \
  { .name = "generateName", .type = FIELD_ANY, .flags = FIELD_INTERNAL }, \
  { .name = "generation", .type = FIELD_ANY, .flags = FIELD_INTERNAL }, \
  { .name = "resourceVersion", .type = FIELD_ANY,                       \
    .flags = FIELD_INTERNAL },                                          \
  { .name = "creationTimestamp", .type = FIELD_ANY,                     \
    .flags = FIELD_INTERNAL },                                          \
  { .name = "deletionTimestamp", .type = FIELD_ANY,                     \
    .flags = FIELD_INTERNAL },                                          \
  { .name = "deletionGracePeriodSeconds", .type = FIELD_ANY,            \
    .flags = FIELD_INTERNAL },                                          \
  { .name = "managedFields", .type = FIELD_ANY,                         \
    .flags = FIELD_INTERNAL },                                          \
  { .name = "selfLink", .type = FIELD_ANY, .flags = FIELD_INTERNAL },   \
  { .name = "clusterName", .type = FIELD_ANY, .flags = FIELD_INTERNAL }

extern const struct field metadata_fields[];

/* Checks for the tables: a DNS-1123 subdomain, a DNS-1123 label. */
extern int decode_check_name (struct decoder *d,
                              const struct yaml_node *node, void *base);
extern int decode_check_label (struct decoder *d,
                               const struct yaml_node *node, void *base);

/* The same for a template of names: its syntax, and whether it can be run
 * with made-up data of this kind.  *WHERE gets its place.
 */
enum decode_template { TEMPLATE_PVC, TEMPLATE_VOLUME, TEMPLATE_NETWORK };
extern int decode_check_template (struct decoder *d,
                                  const struct yaml_node *node,
                                  enum decode_template kind,
                                  struct plan_where *where);

#endif /* NBDLIFT_DECODE_H */
