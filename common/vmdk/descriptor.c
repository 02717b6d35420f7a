/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The descriptor: lines of text, embedded in a sparse file or in a file
 * of its own, that say which files make up the disk.
 *
 * There are three kinds of lines: comments ("#"), settings ("key=value",
 * the value perhaps in quotes), and extents:
 *
 *   RW|RDONLY|NOACCESS SECTORS TYPE ["FILE" [OFFSET]]
 *
 * (Virtual Disk Format 5.0, "The Descriptor File").  Of the settings only
 * those are looked at that tell what kind of disk this is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_private.h"

#define NO_PARENT "ffffffff"
#define BLANKS " \t\r"

/* Where we are, for messages. */
struct place {
  const struct blob *blob;
  unsigned line;
  bool chain;                   /* a delta disk is welcome */
};

static const struct {
  const char *name;
  enum vmdk_part_type type;
  bool chain;                   /* in chains only */
} part_types[] = {
  { "SPARSE", VMDK_PART_SPARSE, false },
  { "FLAT", VMDK_PART_FLAT, false },
  { "VMFS", VMDK_PART_FLAT, false },
  { "ZERO", VMDK_PART_ZERO, false },
  { "VMFSSPARSE", VMDK_PART_COWD, true },
  { "SESPARSE", VMDK_PART_SESPARSE, true },
  /* ESXi shows the mapped device as the content of the file. */
  { "VMFSRDM", VMDK_PART_FLAT, true },
};

void
vmdk_descriptor_free (struct vmdk_descriptor *d)
{
  size_t i;

  for (i = 0; i < d->parts.len; ++i)
    free (d->parts.ptr[i].name);
  vmdk_part_vector_reset (&d->parts);
  free (d->create_type);
  free (d->cid);
  free (d->parent_cid);
  free (d->parent_hint);
  memset (d, 0, sizeof *d);
}

/* Cut the next word off *TEXT. Returns "" at the end. */
static char *
next_word (char **text)
{
  char *word = *text + strspn (*text, BLANKS);
  char *end = word + strcspn (word, BLANKS);

  *text = *end ? end + 1 : end;
  *end = '\0';
  return word;
}

/* Cut a quoted file name off *TEXT.  NULL if there is none. */
static char *
next_quoted (char **text)
{
  char *name = *text + strspn (*text, BLANKS);
  char *end;

  if (*name != '"')
    return NULL;
  name++;
  end = strchr (name, '"');
  if (end == NULL)
    return NULL;
  *end = '\0';
  *text = end + 1;
  return name;
}

static int
bad_extent (const struct place *place, const char *what)
{
  log_error ("%s: line %u of the VMDK descriptor: %s; expected an extent "
             "such as: RW 4194304 SPARSE \"disk.vmdk\"",
             printable (place->blob->name), place->line, what);
  errno = EINVAL;
  return -1;
}

static int
parse_type (const struct place *place, const char *word,
            enum vmdk_part_type *type)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (part_types); ++i) {
    if (strcasecmp (word, part_types[i].name) == 0 &&
        (place->chain || !part_types[i].chain)) {
      *type = part_types[i].type;
      return 0;
    }
  }
  if (strcasecmp (word, "VMFSSPARSE") == 0 ||
      strcasecmp (word, "SESPARSE") == 0)
    log_error ("%s: line %u of the VMDK descriptor: %s is an ESXi snapshot "
               "(delta) disk; consolidate the snapshots of the VM and "
               "export it again",
               printable (place->blob->name), place->line, printable (word));
  else
    log_error ("%s: line %u of the VMDK descriptor: extents of type \"%s\" "
               "are not supported; export the VM as an OVA instead",
               printable (place->blob->name), place->line, printable (word));
  errno = ENOTSUP;
  return -1;
}

/* TEXT is what follows the access word. */
static int
parse_extent (const struct place *place, char *text,
              struct vmdk_descriptor *d)
{
  struct vmdk_descriptor_part part = { .name = NULL };
  const char *name;
  const char *word;

  if (d->parts.len >= VMDK_MAX_PARTS) {
    log_error ("%s: line %u of the VMDK descriptor: more than %d extents",
               printable (place->blob->name), place->line, VMDK_MAX_PARTS);
    errno = ENOTSUP;
    return -1;
  }
  if (!parse_u64 (next_word (&text), &part.sectors) || part.sectors == 0)
    return bad_extent (place, "the number of sectors is not a number above "
                       "zero");
  if (parse_type (place, next_word (&text), &part.type) == -1)
    return -1;
  if (part.type != VMDK_PART_ZERO) {
    name = next_quoted (&text);
    if (name == NULL)
      return bad_extent (place, "the file name in quotes is missing");
    word = next_word (&text);
    if (part.type == VMDK_PART_FLAT && word[0] != '\0' &&
        !parse_u64 (word, &part.offset))
      return bad_extent (place, "the offset is not a number");
    part.name = strdup (name);
    if (part.name == NULL) {
      log_oom ();
      return -1;
    }
  }
  if (vmdk_part_vector_append (&d->parts, part) == -1) {
    free (part.name);
    log_oom ();
    return -1;
  }
  return 0;
}

static int
refuse_delta (const struct place *place)
{
  log_error ("%s: line %u of the VMDK descriptor: this is a snapshot "
             "(delta) disk that needs its parent; consolidate the "
             "snapshots of the VM and export it again",
             printable (place->blob->name), place->line);
  errno = ENOTSUP;
  return -1;
}

/* The first line of a kind counts. */
static int
keep (char **setting, const char *value)
{
  if (*setting)
    return 0;
  *setting = strdup (value);
  if (*setting == NULL) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
parse_setting (const struct place *place, const char *key,
               const char *value, struct vmdk_descriptor *d)
{
  if (strcasecmp (key, "parentCID") == 0) {
    if (strcasecmp (value, NO_PARENT) == 0)
      return 0;
    return place->chain ? keep (&d->parent_cid, value)
                        : refuse_delta (place);
  }
  else if (strcasecmp (key, "parentFileNameHint") == 0) {
    if (value[0] == '\0')
      return 0;
    return place->chain ? keep (&d->parent_hint, value)
                        : refuse_delta (place);
  }
  else if (strcasecmp (key, "CID") == 0)
    return keep (&d->cid, value);
  else if (strncasecmp (key, "encryption.", 11) == 0) {
    log_error ("%s: line %u of the VMDK descriptor: the disk is encrypted; "
               "remove the encryption of the VM and export it again",
               printable (place->blob->name), place->line);
    errno = ENOTSUP;
    return -1;
  }
  else if (strcasecmp (key, "createType") == 0)
    return keep (&d->create_type, value);
  return 0;
}

/* Strip blanks at both ends, then a pair of quotes. */
static char *
trim (char *s)
{
  size_t len;

  s += strspn (s, BLANKS);
  len = strlen (s);
  while (len > 0 && strchr (BLANKS, s[len - 1]))
    len--;
  if (len >= 2 && s[0] == '"' && s[len - 1] == '"') {
    s++;
    len -= 2;
  }
  s[len] = '\0';
  return s;
}

static int
parse_line (const struct place *place, char *line,
            struct vmdk_descriptor *d)
{
  char *equals = strchr (line, '=');
  char *rest = line;
  const char *access;

  line += strspn (line, BLANKS);
  if (*line == '\0' || *line == '#')
    return 0;

  /* A file name can hold "=", a key no blank before it. */
  if (equals && memchr (line, '"', equals - line) == NULL) {
    *equals = '\0';
    return parse_setting (place, trim (line), trim (equals + 1), d);
  }

  access = next_word (&rest);
  if (strcasecmp (access, "RW") == 0 || strcasecmp (access, "RDONLY") == 0)
    return parse_extent (place, rest, d);
  if (strcasecmp (access, "NOACCESS") == 0) {
    log_error ("%s: line %u of the VMDK descriptor: the extent must not be "
               "read (NOACCESS); export the VM again",
               printable (place->blob->name), place->line);
    errno = ENOTSUP;
    return -1;
  }
  log_error ("%s: line %u of the VMDK descriptor is neither a setting nor "
             "an extent: \"%s\"", printable (place->blob->name), place->line,
             printable (access));
  errno = EINVAL;
  return -1;
}

static int
parse_text (const struct blob *blob, bool chain, char *text,
            struct vmdk_descriptor *d)
{
  struct place place = { .blob = blob, .chain = chain };
  char *line, *end;

  for (line = text; line; line = end) {
    end = strchr (line, '\n');
    if (end)
      *end++ = '\0';
    place.line++;
    if (parse_line (&place, line, d) == -1)
      return -1;
  }
  return 0;
}

int
vmdk_descriptor_read (struct blob *blob, uint64_t offset, uint64_t size,
                      bool chain, struct vmdk_descriptor *descriptor)
{
  CLEANUP_FREE char *text = NULL;

  memset (descriptor, 0, sizeof *descriptor);
  if (size > VMDK_MAX_DESCRIPTOR_SIZE) {
    log_error ("%s: the VMDK descriptor at offset %" PRIu64 " is said to "
               "have %" PRIu64 " bytes, more than %" PRIu64 "; the file is "
               "damaged: copy it again", printable (blob->name), offset,
               size, VMDK_MAX_DESCRIPTOR_SIZE);
    errno = EINVAL;
    return -1;
  }
  text = malloc (size + 1);
  if (text == NULL) {
    log_oom ();
    return -1;
  }
  if (blob_pread (blob, text, size, offset) == -1)
    return -1;
  text[size] = '\0';
  if (parse_text (blob, chain, text, descriptor) == -1) {
    vmdk_descriptor_free (descriptor);
    return -1;
  }
  return 0;
}
