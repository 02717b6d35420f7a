/* SPDX-License-Identifier: BSD-3-Clause
 *
 * NetworkMap, StorageMap and NetworkAttachmentDefinition: where networks
 * and storage of the source go.
 */
#include <arpa/inet.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/util/strbuf.h"
#include "driver/plan/decode.h"

/* What both maps have in common: spec.provider. */
#define MAP_PROVIDER_FIELDS(STRUCT)                                     \
  { .name = "source", .type = FIELD_REF, .flags = FIELD_REQUIRED,       \
    .offset = offsetof (struct STRUCT, source),                         \
    .condition = "ProviderNotValid" },                                  \
  { .name = "destination", .type = FIELD_REF, .flags = FIELD_REQUIRED,  \
    .offset = offsetof (struct STRUCT, destination),                    \
    .condition = "ProviderNotValid" },                                  \
  { .name = NULL }

static int
check_one_of (struct decoder *d, const struct yaml_node *node,
              const char *subpath, const char *condition,
              const char *const *words, size_t nr)
{
  char suggestion[64], list[128];
  const char *near;
  size_t i, n = 0;

  if (node->type != YAML_STRING)
    return 0;
  for (i = 0; i < nr; ++i) {
    if (strcmp (node->text, words[i]) == 0)
      return 0;
    n += snprintf (list + n, sizeof list - n, "%s%s", i > 0 ? ", " : "",
                   words[i]);
  }
  near = closest_word (node->text, words, nr);
  if (near)
    snprintf (suggestion, sizeof suggestion, "did you mean %s?", near);
  return decode_problem (d, PROBLEM_CRITICAL, condition, node, subpath,
                         near ? suggestion : NULL, "'%s' is not one of %s",
                         printable (node->text), list);
}

/* NetworkMap */

static const struct field_word network_kinds[] = {
  { "pod", NETWORK_POD }, { "multus", NETWORK_MULTUS },
  { "ignored", NETWORK_IGNORED }, { NULL, 0 }
};

static const struct field network_destination_fields[] = {
  { .name = "type", .type = FIELD_ENUM, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct network_map_row, kind),
    .words = network_kinds, .condition = "DestinationNetworkNotValid" },
  { .name = "namespace", .type = FIELD_STRING,
    .offset = offsetof (struct network_map_row, namespace_),
    .condition = "DestinationNetworkNotValid",
    .check = decode_check_label },
  { .name = "name", .type = FIELD_STRING,
    .offset = offsetof (struct network_map_row, name),
    .condition = "DestinationNetworkNotValid" },
  { .name = NULL }
};

static const struct field network_row_fields[] = {
  { .name = "source", .type = FIELD_SOURCE_REF, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct network_map_row, source),
    .condition = "SourceNetworkNotValid" },
  { .name = "destination", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = network_destination_fields,
    .condition = "DestinationNetworkNotValid" },
  { .name = NULL }
};

/* For OpenShift sources MTV writes "namespace/name" into the name. */
static int
split_name (struct decoder *d, struct network_map_row *row)
{
  char *slash = row->name ? strchr (row->name, '/') : NULL;

  if (slash == NULL || row->namespace_ != NULL)
    return 0;
  row->namespace_ = yaml_arena_copy (d->arena, row->name,
                                     slash - row->name);
  row->name = slash + 1;
  return row->namespace_ ? 0 : -1;
}

static int
check_multus (struct decoder *d, const struct yaml_node *node,
              const struct network_map_row *row)
{
  const struct yaml_node *dest = yaml_get (node, "destination");

  if (!yaml_given (dest, "name"))
    return decode_problem (d, PROBLEM_CRITICAL,
                           "DestinationNetworkNotValid", dest,
                           "destination.name", "name the "
                           "NetworkAttachmentDefinition",
                           "is required for type multus");
  if (row->name && !dns1123_subdomain (row->name))
    return decode_problem (d, PROBLEM_CRITICAL,
                           "DestinationNetworkNotValid",
                           yaml_get (dest, "name"), "destination.name",
                           NULL, "'%s' is not a DNS-1123 name",
                           printable (row->name));
  if (row->namespace_ == NULL && !yaml_given (dest, "namespace"))
    return decode_problem (d, PROBLEM_CRITICAL,
                           "DestinationNetworkNotValid", dest,
                           "destination.namespace", "name the namespace "
                           "of the NetworkAttachmentDefinition",
                           "is required for type multus");
  return 0;
}

static int
check_network_row (struct decoder *d, const struct yaml_node *node,
                   void *element)
{
  static const char *const types[] = { "pod", "multus" };
  struct network_map_row *row = element;
  const struct yaml_node *source = yaml_get (node, "source");
  const bool pod = row->source.type && strcmp (row->source.type, "pod") == 0;

  row->where = decode_where (d, node);
  if (source && source->type == YAML_MAP) {
    if (!pod && !yaml_given (source, "id") &&
        !yaml_given (source, "name") &&
        decode_problem (d, PROBLEM_CRITICAL, "SourceNetworkNotValid",
                        source, "source", "give the id or the name of the "
                        "source's network", "names no network") == -1)
      return -1;
    if (row->source.type &&
        check_one_of (d, yaml_get (source, "type"), "source.type",
                      "SourceNetworkNotValid", types,
                      ARRAY_SIZE (types)) == -1)
      return -1;
  }
  if (split_name (d, row) == -1)
    return -1;
  return row->kind == NETWORK_MULTUS ? check_multus (d, node, row) : 0;
}

static const struct field network_provider_fields[] = {
  MAP_PROVIDER_FIELDS (plan_network_map)
};

static const struct field network_map_spec_fields[] = {
  { .name = "provider", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = network_provider_fields, .condition = "ProviderNotValid" },
  { .name = "map", .type = FIELD_LIST,
    .flags = FIELD_REQUIRED | FIELD_NULL_OK,
    .offset = offsetof (struct plan_network_map, rows),
    .fields = network_row_fields,
    .element = sizeof (struct network_map_row),
    .check = check_network_row },
  { .name = NULL }
};

static const struct field network_map_fields[] = {
  COMMON_FIELDS (plan_network_map, metadata_fields),
  { .name = "spec", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = network_map_spec_fields },
  { .name = NULL }
};

const struct plan_kind plan_kind_network_map = {
  .kind = "NetworkMap", .group = "forklift.konveyor.io",
  .version = "v1beta1", .fields = network_map_fields,
  .size = sizeof (struct plan_network_map),
  .offset = offsetof (struct plan_set, network_maps),
};

/* StorageMap */

static int
check_access_mode (struct decoder *d, const struct yaml_node *node,
                   void *base)
{
  static const char *const words[] =
    { "ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany" };

  return check_one_of (d, node, NULL, "DestinationStorageNotValid", words,
                       ARRAY_SIZE (words));
}

static int
check_volume_mode (struct decoder *d, const struct yaml_node *node,
                   void *base)
{
  static const char *const words[] = { "Filesystem", "Block" };

  return check_one_of (d, node, NULL, "DestinationStorageNotValid", words,
                       ARRAY_SIZE (words));
}

static const struct field storage_destination_fields[] = {
  { .name = "storageClass", .type = FIELD_STRING, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct storage_map_row, storage_class),
    .condition = "DestinationStorageNotValid",
    .check = decode_check_name },
  { .name = "accessMode", .type = FIELD_STRING,
    .offset = offsetof (struct storage_map_row, access_mode),
    .condition = "DestinationStorageNotValid",
    .check = check_access_mode },
  { .name = "volumeMode", .type = FIELD_STRING,
    .offset = offsetof (struct storage_map_row, volume_mode),
    .condition = "DestinationStorageNotValid",
    .check = check_volume_mode },
  { .name = NULL }
};

static const struct field storage_row_fields[] = {
  { .name = "source", .type = FIELD_SOURCE_REF, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct storage_map_row, source),
    .condition = "SourceStorageNotValid" },
  { .name = "destination", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = storage_destination_fields,
    .condition = "DestinationStorageNotValid" },
  { .name = "offloadPlugin", .type = FIELD_ANY, .flags = FIELD_UNUSED,
    .note = "known to Forklift from 2.8.5 (copy by the storage array)" },
  { .name = NULL }
};

static int
check_storage_row (struct decoder *d, const struct yaml_node *node,
                   void *element)
{
  struct storage_map_row *row = element;
  const struct yaml_node *source = yaml_get (node, "source");

  row->where = decode_where (d, node);
  if (source && source->type == YAML_MAP &&
      !yaml_given (source, "id") && !yaml_given (source, "name"))
    return decode_problem (d, PROBLEM_CRITICAL, "SourceStorageNotValid",
                           source, "source", "give the id or the name of "
                           "the source's storage", "names no storage");
  return 0;
}

static const struct field storage_provider_fields[] = {
  MAP_PROVIDER_FIELDS (plan_storage_map)
};

static const struct field storage_map_spec_fields[] = {
  { .name = "provider", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = storage_provider_fields, .condition = "ProviderNotValid" },
  { .name = "map", .type = FIELD_LIST,
    .flags = FIELD_REQUIRED | FIELD_NULL_OK,
    .offset = offsetof (struct plan_storage_map, rows),
    .fields = storage_row_fields,
    .element = sizeof (struct storage_map_row),
    .check = check_storage_row },
  { .name = NULL }
};

static const struct field storage_map_fields[] = {
  COMMON_FIELDS (plan_storage_map, metadata_fields),
  { .name = "spec", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = storage_map_spec_fields },
  { .name = NULL }
};

const struct plan_kind plan_kind_storage_map = {
  .kind = "StorageMap", .group = "forklift.konveyor.io",
  .version = "v1beta1", .fields = storage_map_fields,
  .size = sizeof (struct plan_storage_map),
  .offset = offsetof (struct plan_set, storage_maps),
};

/* NetworkAttachmentDefinition */

static const struct field nad_fields[] = {
  COMMON_FIELDS (plan_nad, metadata_fields),
  { .name = "spec", .type = FIELD_ANY },
  { .name = NULL }
};

#define ROUTE "forklift.konveyor.io/route"

static int
check_nad (struct decoder *d, const struct yaml_node *node, void *object)
{
  struct plan_nad *nad = object;
  const struct yaml_node *route =
    yaml_get (yaml_get (yaml_get (node, "metadata"), "annotations"), ROUTE);
  const struct yaml_node *config =
    yaml_get (yaml_get (node, "spec"), "config");
  unsigned char addr[16];

  /* JSON in a text, of which nothing else matters here. */
  nad->default_route = config && config->type == YAML_STRING &&
    (strstr (config->text, "\"0.0.0.0/0\"") ||
     strstr (config->text, "\"::/0\""));
  if (route == NULL || route->type != YAML_STRING)
    return 0;
  if (strcmp (route->text, "none") != 0 &&
      inet_pton (AF_INET, route->text, addr) != 1 &&
      inet_pton (AF_INET6, route->text, addr) != 1)
    return decode_problem (d, PROBLEM_CRITICAL, "TransferNetworkNotValid",
                           route, "metadata.annotations." ROUTE, NULL,
                           "'%s' is not an IP address",
                           printable (route->text));
  nad->route = yaml_arena_copy (d->arena, route->text,
                                strlen (route->text));
  return nad->route ? 0 : -1;
}

const struct plan_kind plan_kind_nad = {
  .kind = "NetworkAttachmentDefinition", .group = "k8s.cni.cncf.io",
  .version = "v1", .fields = nad_fields, .size = sizeof (struct plan_nad),
  .offset = offsetof (struct plan_set, nads),
  .check = check_nad,
};
