/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the output of virt-v2v says: the JSON lines of --machine-readable
 * for people, and two blocks of "KEY = VALUE" lines of the verbose log
 * for the manifest.  2.2 has no other way to tell what it found (-O came
 * with 2.8); asking libguestfs again would start one more appliance, 20
 * seconds without KVM.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/convert_private.h"

/* A line longer than this is not one of virt-v2v's messages. */
#define MAX_LINE (1 << 20)

/* How far a conversion is when virt-v2v begins to say this: shares of a
 * run without KVM, where updating the guest's initrd takes most of it.
 */
static const struct {
  const char *prefix;
  unsigned percent;
} phases[] = {
  { "Setting up the source", 1 },
  { "Opening the source", 2 },
  { "Inspecting the source", 15 },
  { "Checking for sufficient free disk space", 28 },
  { "Converting ", 30 },
  { "Mapping filesystem data", 90 },
  { "Closing the overlay", 97 },
  { "Finishing off", 99 },
};

static int
set_string (char **p, const char *s)
{
  char *copy = strdup (s);

  if (copy == NULL) {
    log_oom ();
    return -1;
  }
  free (*p);
  *p = copy;
  return 0;
}

static int
take_message (struct v2v_messages *m, const char *text)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (phases); ++i)
    if (strncmp (text, phases[i].prefix, strlen (phases[i].prefix)) == 0)
      m->percent = MAX (m->percent, phases[i].percent);
  return set_string (&m->what, text);
}

static int
take_line (struct v2v_messages *m, const char *line, size_t len)
{
  CLEANUP_JSON json_t *j = json_loadb (line, len, 0, NULL);
  const char *type = json_get_string (j, "type", "");
  const char *text = json_get_string (j, "message", NULL);

  if (strbuf_append_bytes (&m->lines, line, len) == -1 ||
      strbuf_append_char (&m->lines, '\n') == -1) {
    log_oom ();
    return -1;
  }
  if (text == NULL)
    return 0;
  if (strcmp (type, "message") == 0)
    return take_message (m, text);
  if (strcmp (type, "warning") == 0 &&
      string_vector_append_dup (&m->warnings, text) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

int
v2v_messages_feed (struct v2v_messages *m, const char *data, size_t n)
{
  const char *end;

  for (; (end = memchr (data, '\n', n)) != NULL; data = end + 1) {
    const size_t len = end - data;

    if (m->partial.len + len <= MAX_LINE) {
      if (strbuf_append_bytes (&m->partial, data, len) == -1) {
        log_oom ();
        return -1;
      }
      if (take_line (m, m->partial.ptr, m->partial.len) == -1)
        return -1;
    }
    strbuf_free (&m->partial);
    n -= len + 1;
  }
  if (m->partial.len + n <= MAX_LINE &&
      strbuf_append_bytes (&m->partial, data, n) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

void
v2v_messages_free (struct v2v_messages *m)
{
  strbuf_free (&m->partial);
  strbuf_free (&m->lines);
  free (m->what);
  m->what = NULL;
  string_vector_free (&m->warnings);
}

/* What the blocks of the log say; pieces of the log, not terminated. */
struct value {
  const char *ptr;
  size_t len;
};

struct facts {
  struct value osinfo, distro, product, firmware, block_bus, net_bus, root;
};

static const struct {
  const char *key;
  size_t offset;
} fact_keys[] = {
  { "i_osinfo = ", offsetof (struct facts, osinfo) },
  { "i_distro = ", offsetof (struct facts, distro) },
  { "i_product_name = ", offsetof (struct facts, product) },
  { "i_firmware = ", offsetof (struct facts, firmware) },
  { "gcaps_block_bus = ", offsetof (struct facts, block_bus) },
  { "gcaps_net_bus = ", offsetof (struct facts, net_bus) },
  { "i_root = ", offsetof (struct facts, root) },
};

/* Lines of the guest's own programs can stand between those of virt-v2v,
 * so only what begins a line counts, and the last such line.
 */
static void
find_facts (const char *text, size_t len, struct facts *facts)
{
  const char *const end = text + len;
  const char *eol;
  struct value *v;
  size_t i, n;

  for (; text < end; text = eol + 1) {
    eol = memchr (text, '\n', end - text);
    if (eol == NULL)
      eol = end;
    for (i = 0; i < ARRAY_SIZE (fact_keys); ++i) {
      n = strlen (fact_keys[i].key);
      if ((size_t) (eol - text) < n ||
          memcmp (text, fact_keys[i].key, n) != 0)
        continue;
      v = (struct value *) ((char *) facts + fact_keys[i].offset);
      v->ptr = text + n;
      v->len = eol - v->ptr;
    }
  }
}

static bool
starts_with (const struct value *v, const char *prefix)
{
  const size_t n = strlen (prefix);

  return v->len >= n && memcmp (v->ptr, prefix, n) == 0;
}

static bool
is_known (const struct value *v)
{
  return v->len > 0 && !starts_with (v, "unknown");
}

static int
copy_value (const struct value *v, char **out)
{
  *out = strndup (v->ptr, v->len);
  if (*out == NULL) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* A product name that is a version alone ("12.15") says too little. */
static int
copy_product (const struct facts *facts, char **out)
{
  const struct value *p = &facts->product, *d = &facts->distro;
  size_t i;

  for (i = 0; i < p->len; ++i)
    if (p->ptr[i] >= 'A' && p->ptr[i] <= 'z')
      return copy_value (p, out);
  if (!is_known (d))
    return copy_value (p, out);
  if (asprintf (out, "%.*s %.*s", (int) d->len, d->ptr,
                (int) p->len, p->ptr) == -1) {
    *out = NULL;
    log_oom ();
    return -1;
  }
  return 0;
}

int
v2v_learn (const char *log_text, size_t len, struct convert_result *result)
{
  struct facts facts = { .osinfo = { NULL, 0 } };

  find_facts (log_text, len, &facts);
  if (is_known (&facts.osinfo) &&
      copy_value (&facts.osinfo, &result->osinfo) == -1)
    return -1;
  if (is_known (&facts.product) &&
      copy_product (&facts, &result->os_name) == -1)
    return -1;
  if (is_known (&facts.root) &&
      copy_value (&facts.root, &result->root) == -1)
    return -1;
  /* "BIOS", or "UEFI [/dev/sda1]" with the ESPs. */
  if (starts_with (&facts.firmware, "UEFI"))
    result->firmware = VM_FIRMWARE_UEFI;
  else if (starts_with (&facts.firmware, "BIOS"))
    result->firmware = VM_FIRMWARE_BIOS;
  result->virtio = starts_with (&facts.block_bus, "virtio") &&
    starts_with (&facts.net_bus, "virtio");
  return 0;
}

void
convert_result_free (struct convert_result *r)
{
  free (r->osinfo);
  free (r->os_name);
  free (r->root);
  string_vector_free (&r->warnings);
  string_vector_free (&r->kept);
  string_vector_free (&r->lost);
  memset (r, 0, sizeof *r);
}

json_t *
convert_result_to_json (const struct convert_result *result)
{
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  if (json_set_string (j, "osinfo", result->osinfo) == -1 ||
      json_set_string (j, "osName", result->os_name) == -1 ||
      json_set_string (j, "firmware",
                       vm_firmware_name (result->firmware)) == -1 ||
      json_set_bool (j, "virtio", result->virtio) == -1 ||
      json_set_strings (j, "warnings", &result->warnings) == -1 ||
      json_set_strings (j, "addressesKept", &result->kept) == -1 ||
      json_set_strings (j, "addressesLost", &result->lost) == -1)
    return NULL;
  return json_incref (j);
}

static enum vm_firmware
firmware_of_name (const char *name)
{
  if (strcmp (name, vm_firmware_name (VM_FIRMWARE_UEFI)) == 0)
    return VM_FIRMWARE_UEFI;
  if (strcmp (name, vm_firmware_name (VM_FIRMWARE_BIOS)) == 0)
    return VM_FIRMWARE_BIOS;
  return VM_FIRMWARE_UNKNOWN;
}

int
convert_result_of_json (const json_t *j, struct convert_result *result)
{
  const char *osinfo = json_get_string (j, "osinfo", NULL);
  const char *os_name = json_get_string (j, "osName", NULL);

  if ((osinfo && set_string (&result->osinfo, osinfo) == -1) ||
      (os_name && set_string (&result->os_name, os_name) == -1))
    return -1;
  result->firmware = firmware_of_name (json_get_string (j, "firmware", ""));
  result->virtio = json_get_bool (j, "virtio", 0);
  if (json_get_strings (j, "warnings", &result->warnings) == -1 ||
      json_get_strings (j, "addressesKept", &result->kept) == -1 ||
      json_get_strings (j, "addressesLost", &result->lost) == -1)
    return -1;
  return 0;
}
