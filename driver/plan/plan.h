/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The plan file: Forklift's custom resources, read into structs.
 *
 * plan_load reads text (YAML, several documents, kind: List, JSON) and
 * knows every field of the kinds below; plan_check looks at what refers
 * to what.  Neither touches a source.  Everything is by value: the files
 * can change afterwards.
 *
 * All strings are owned by the plan_set and NULL when absent.
 */
#ifndef NBDLIFT_PLAN_H
#define NBDLIFT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "common/util/vector.h"

/* A place in the text.  line and column are 1-based; 0 = unknown. */
struct plan_where {
  const char *file;             /* "-" for standard input */
  unsigned line, column;
};

/* Forklift's categories of a condition. */
enum problem_category {
  PROBLEM_CRITICAL,             /* blocks */
  PROBLEM_WARN,
  PROBLEM_ADVISORY,
};

struct problem {
  enum problem_category category;
  char *type;                   /* condition or concern: "VMNotFound",
                                   "UnknownField", "Malformed" */
  struct plan_where where;
  char *object;                 /* "Plan mig/plan1", or NULL */
  char *path;                   /* "spec.vms[3].id", or NULL */
  char *message;                /* what is wrong */
  char *suggestion;             /* what to do, or NULL */
};
DEFINE_VECTOR_TYPE (problem_vector, struct problem);

/* Append a problem (strings are copied).  0, or -1 reported.  WHERE,
 * OBJECT, PATH and SUGGESTION may be NULL.
 */
extern int problem_add (problem_vector *problems,
                        enum problem_category category, const char *type,
                        const struct plan_where *where, const char *object,
                        const char *path, const char *suggestion,
                        const char *fmt, ...)
  __attribute__ ((format (printf, 8, 9)));
extern void problem_vector_free (problem_vector *problems);
/* Put the problems from index FROM on in the order of their places, for
 * those who go through a file from its top.  Stable.
 */
extern void problem_sort (problem_vector *problems, size_t from);
extern bool problem_any_critical (const problem_vector *problems);
/* "FILE:LINE:COL: error: OBJECT: PATH: MESSAGE (SUGGESTION)", one a line. */
extern void problem_print (FILE *fp, const problem_vector *problems);
extern json_t *problem_to_json (const problem_vector *problems);
extern const char *problem_category_name (enum problem_category category);

struct object_ref {             /* {name, namespace} */
  char *name;
  char *namespace_;
  struct plan_where where;
};

struct object_meta {
  char *name;
  char *namespace_;
  char *uid;
  struct plan_where where;      /* of the document */
};

struct key_value {
  char *key;
  char *value;                  /* decoded; for Secrets: secret! */
  size_t len;                   /* of value, which can contain NUL bytes
                                   only in the data of a Secret */
  struct plan_where where;      /* of the value */
  bool broken;                  /* value is "" because what was there is
                                   wrong, which was reported */
};
DEFINE_VECTOR_TYPE (key_value_vector, struct key_value);
extern const char *key_value_get (const key_value_vector *v,
                                  const char *key);

struct plan_secret {
  struct object_meta meta;
  key_value_vector data;        /* data (base64 decoded) and stringData,
                                   which wins as in Kubernetes */
  key_value_vector string_data; /* stringData alone */
  char *provider_type;          /* label createdForProviderType, or NULL */
  bool for_host;                /* label createdForResourceType: hosts */
};
DEFINE_VECTOR_TYPE (plan_secret_vector, struct plan_secret);

/* A setting of nbdlift's own, which is not for the source: how many disks
 * are in flight on one host, 1 to PLAN_MAX_INFLIGHT.
 */
#define PROVIDER_MAX_INFLIGHT "maxInflight"
#define PLAN_MAX_INFLIGHT 1000

struct plan_provider {
  struct object_meta meta;
  char *type;                   /* "ova", "vsphere", ... */
  char *url;
  struct object_ref secret;
  key_value_vector settings;    /* Forklift's names: "vddkInitImage" ... */
};
DEFINE_VECTOR_TYPE (plan_provider_vector, struct plan_provider);

struct plan_host {
  struct object_meta meta;
  char *id, *name, *ip_address;
  struct object_ref provider;
  struct object_ref secret;     /* name NULL: the provider's is used */
};
DEFINE_VECTOR_TYPE (plan_host_vector, struct plan_host);

struct plan_ref {               /* of an object on the source */
  char *id, *name, *namespace_, *type;
  struct plan_where where;
};

enum network_kind { NETWORK_POD, NETWORK_MULTUS, NETWORK_IGNORED };

struct network_map_row {
  struct plan_ref source;
  enum network_kind kind;
  char *name, *namespace_;      /* of the destination */
  struct plan_where where;
};
DEFINE_VECTOR_TYPE (network_map_row_vector, struct network_map_row);

struct storage_map_row {
  struct plan_ref source;
  char *storage_class;
  char *access_mode;            /* ReadWriteOnce, ReadWriteMany, ReadOnlyMany
                                   or NULL */
  char *volume_mode;            /* Filesystem, Block or NULL */
  struct plan_where where;
};
DEFINE_VECTOR_TYPE (storage_map_row_vector, struct storage_map_row);

struct plan_network_map {
  struct object_meta meta;
  struct object_ref source, destination;
  network_map_row_vector rows;
};
DEFINE_VECTOR_TYPE (plan_network_map_vector, struct plan_network_map);

struct plan_storage_map {
  struct object_meta meta;
  struct object_ref source, destination;
  storage_map_row_vector rows;
};
DEFINE_VECTOR_TYPE (plan_storage_map_vector, struct plan_storage_map);

struct plan_hook {
  struct object_meta meta;
  char *image, *service_account;
  char *playbook;               /* decoded from base64 */
  uint64_t deadline;            /* seconds, 0 = none */
};
DEFINE_VECTOR_TYPE (plan_hook_vector, struct plan_hook);

struct plan_nad {               /* NetworkAttachmentDefinition */
  struct object_meta meta;
  char *route;                  /* annotation forklift.konveyor.io/route */
  bool default_route;           /* its own configuration has one */
};
DEFINE_VECTOR_TYPE (plan_nad_vector, struct plan_nad);

struct plan_vm_hook {
  struct object_ref hook;
  bool post;                    /* PostHook, else PreHook */
};
DEFINE_VECTOR_TYPE (plan_vm_hook_vector, struct plan_vm_hook);

enum power_target { POWER_AUTO, POWER_ON, POWER_OFF };

struct plan_vm {
  struct plan_ref ref;
  plan_vm_hook_vector hooks;
  char *target_name;
  char *pvc_name_template, *volume_name_template, *network_name_template;
  struct plan_where pvc_template_where, volume_template_where,
    network_template_where;
  struct object_ref luks;       /* name NULL = none */
  char *root_disk;              /* "/dev/sda" */
  char *instance_type;
  enum power_target power;      /* as the plan's if the VM does not say */
  bool has_power;               /* the VM says */
  bool delete_vm_on_fail;       /* the plan's or the VM's */
};
DEFINE_VECTOR_TYPE (plan_vm_vector, struct plan_vm);

enum plan_type {
  PLAN_TYPE_UNSET,              /* by warm */
  PLAN_TYPE_COLD, PLAN_TYPE_WARM, PLAN_TYPE_CONVERSION, PLAN_TYPE_LIVE
};

struct plan {
  struct object_meta meta;
  struct object_ref source, destination;        /* providers */
  struct object_ref network_map, storage_map;
  struct object_ref transfer_network;
  char *target_namespace;
  char *description;
  enum plan_type type;          /* supersedes warm, which is set by it */
  bool warm;
  bool preserve_static_ips;
  bool preserve_cluster_cpu_model;
  bool migrate_shared_disks;    /* default true */
  bool archived;
  bool skip_guest_conversion;
  bool use_compatibility_mode;  /* default true */
  bool delete_vm_on_fail;
  enum power_target power;
  char *pvc_name_template, *volume_name_template, *network_name_template;
  struct plan_where pvc_template_where, volume_template_where,
    network_template_where;
  bool pvc_name_use_generate_name;      /* default true */
  key_value_vector target_labels, target_node_selector;
  plan_vm_vector vms;
};
DEFINE_VECTOR_TYPE (plan_vector, struct plan);

DEFINE_VECTOR_TYPE (plan_ref_vector, struct plan_ref);

struct plan_migration {
  struct object_meta meta;
  struct object_ref plan;
  char *cutover;                /* RFC 3339, checked */
  plan_ref_vector cancel;
};
DEFINE_VECTOR_TYPE (plan_migration_vector, struct plan_migration);

struct plan_set {
  plan_secret_vector secrets;
  plan_provider_vector providers;
  plan_host_vector hosts;
  plan_network_map_vector network_maps;
  plan_storage_map_vector storage_maps;
  plan_hook_vector hooks;
  plan_nad_vector nads;
  plan_vector plans;
  plan_migration_vector migrations;
  struct yaml_arena *arena;     /* private: owns all strings and all
                                   vectors inside of objects; append to
                                   none of them */
};

/* Read the files ("-" is standard input) into *SET.  What is wrong is
 * appended to PROBLEMS, all of it, not only the first.  Returns 0 also
 * when there are problems (ask problem_any_critical); -1 only if a file
 * cannot be read or memory is short, reported.  *SET is always valid for
 * plan_set_free afterwards.
 */
extern int plan_load (const char *const *files, size_t nr_files,
                      struct plan_set *set, problem_vector *problems);
extern void plan_set_free (struct plan_set *set);

/* Print every field of every kind, one a line: "KIND PATH TYPE FLAGS",
 * FLAGS being "-" or "required" or "unused".  What nbdlift-plan(5) must
 * describe.
 */
extern void plan_list_fields (FILE *fp);

/* What can be checked without a source: references, required fields,
 * names, maps of the right provider, targetNamespace, duplicates.  Needs
 * exactly what Forklift's validation of Provider, maps, Hook, Plan and
 * Migration needs, with its condition types.  In a set without a Plan an
 * object that is referred to may be missing (a note says so); so may the
 * destination provider, which then is the cluster that the manifests are
 * made for.  What one manifest says alone was checked by plan_load.  0,
 * or -1 reported.
 */
extern int plan_check (const struct plan_set *set, problem_vector *problems);

/* Look-ups; a ref without namespace means NS.  NULL when absent. */
extern const struct plan_provider *
plan_find_provider (const struct plan_set *set, const struct object_ref *ref,
                    const char *ns);
extern const struct plan_secret *
plan_find_secret (const struct plan_set *set, const struct object_ref *ref,
                  const char *ns);
extern const struct plan_network_map *
plan_find_network_map (const struct plan_set *set,
                       const struct object_ref *ref, const char *ns);
extern const struct plan_storage_map *
plan_find_storage_map (const struct plan_set *set,
                       const struct object_ref *ref, const char *ns);
extern const struct plan_hook *
plan_find_hook (const struct plan_set *set, const struct object_ref *ref,
                const char *ns);
extern const struct plan *
plan_find_plan (const struct plan_set *set, const struct object_ref *ref,
                const char *ns);
extern const struct plan_nad *
plan_find_nad (const struct plan_set *set, const struct object_ref *ref,
               const char *ns);

/* The storage of all disks of an OVA provider, followed by its name. */
#define PLAN_DUMMY_STORAGE "Dummy storage for source provider "

/* The map row for a network or storage of the source: by id first, then
 * by name among the rows without an id (a row with an id means that one
 * object and no other of its name).  For sources of type ova a storage
 * row named "Dummy storage for source provider PROVIDER" fits every disk
 * that has no row of its own.  NULL when none fits.
 */
extern const struct network_map_row *
plan_map_network (const struct plan_network_map *map, const char *id,
                  const char *name);
extern const struct storage_map_row *
plan_map_storage (const struct plan_storage_map *map, const char *id,
                  const char *name, const char *provider);

/* True if S is a DNS-1123 label (at most 63) or subdomain (at most 253). */
extern bool dns1123_label (const char *s);
extern bool dns1123_subdomain (const char *s);

#endif /* NBDLIFT_PLAN_H */
