/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How this works: a tar has no index, so the walker reads one 512-byte
 * header, adds the size of the data that follows it, and goes to the next.
 * Headers of the types 'x', 'g', 'L' and 'K' say something of the member
 * that follows; what they say is kept in struct walk until it comes.
 *
 * The archive comes from outside: each number is checked before it is
 * used, and an archive without its end mark counts as cut short even if
 * it was cut exactly between two members.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/tar.h"

#define BLOCK 512

/* Where the fields are in a header block. */
struct field { unsigned offset, len; };
static const struct field field_name = { 0, 100 };
static const struct field field_size = { 124, 12 };
static const struct field field_checksum = { 148, 8 };
static const struct field field_prefix = { 345, 155 };
#define TYPE_OFFSET 156
#define MAGIC_OFFSET 257

/* What extended headers say; NULL and false when they say nothing. */
struct attributes {
  char *path;
  bool has_size;
  uint64_t size;
};

struct walk {
  struct blob *blob;
  tar_member_vector *members;
  uint64_t offset;              /* of the current header */
  size_t nr_headers;
  size_t name_bytes;            /* in MEMBERS */
  struct attributes global;     /* 'g': for all that follow */
  struct attributes next;       /* 'x': for the next member */
  char *long_name;              /* 'L': for the next member */
};

void
tar_members_free (tar_member_vector *members)
{
  size_t i;

  for (i = 0; i < members->len; ++i)
    free (members->ptr[i].name);
  tar_member_vector_reset (members);
}

static void
clear_attributes (struct attributes *a)
{
  free (a->path);
  *a = (struct attributes) { 0 };
}

static int
invalid (void)
{
  errno = EINVAL;
  return -1;
}

/* Say what the file is instead of a tar, and how to go on from there. */
static int
report_not_tar (struct walk *w, const uint8_t *block)
{
  static const struct {
    const char *magic;
    size_t len;
    const char *advice;
  } known[] = {
    { "\x1f\x8b", 2, "is compressed with gzip, not a tar: "
      "decompress it first (gunzip < FILE > NEW.ova)" },
    { "PK\x03\x04", 4, "is a zip archive, not a tar: unpack it "
      "(unzip FILE -d FOLDER) and give the folder" },
    { "\x28\xb5\x2f\xfd", 4, "is compressed with zstd, not a tar: "
      "decompress it first (zstd -dc FILE > NEW.ova)" },
    { "\xfd" "7zXZ", 5, "is compressed with xz, not a tar: "
      "decompress it first (xz -dc FILE > NEW.ova)" },
    { "BZh", 3, "is compressed with bzip2, not a tar: "
      "decompress it first (bzip2 -dc FILE > NEW.ova)" },
    { "7z\xbc\xaf", 4, "is a 7z archive, not a tar: unpack it "
      "(7z x FILE) and give the folder" },
    { "KDMV", 4, "is a VMDK disk, not a tar: give the .ovf that "
      "describes it" },
    { "# Disk D", 8, "is a VMDK descriptor, not a tar: give the .ovf "
      "that describes it" },
    { "<?xml", 5, "is XML, not a tar: if it is an OVF descriptor, give it "
      "the suffix .ovf" },
  };
  const char *name = printable (w->blob->name);
  size_t i;

  for (i = 0; i < ARRAY_SIZE (known); ++i) {
    if (memcmp (block, known[i].magic, known[i].len) == 0) {
      log_error ("%s: %s", name, known[i].advice);
      return invalid ();
    }
  }
  log_error ("%s: is not a tar archive: there is no valid header at offset 0",
             name);
  return invalid ();
}

/* The last member seen, for messages about what comes after it. */
static const char *
last_name (struct walk *w)
{
  if (w->members->len == 0)
    return "the start of the archive";
  return printable (w->members->ptr[w->members->len - 1].name);
}

static int
report_cut (struct walk *w)
{
  log_error ("%s: ends at offset %" PRIu64 ", after '%s', without the "
             "end-of-archive mark: it was cut short, copy it again (if it is "
             "known to be whole, truncate -s +1024 adds the mark)",
             printable (w->blob->name), w->blob->size, last_name (w));
  return invalid ();
}

static bool
all_zero (const uint8_t *p, size_t n)
{
  size_t i;

  for (i = 0; i < n; ++i)
    if (p[i] != 0)
      return false;
  return true;
}

/* Octal digits, with spaces before and spaces or NULs after, or the GNU
 * form: the top bit set and then a big-endian number.
 */
static bool
read_number (const uint8_t *p, size_t n, uint64_t *r)
{
  size_t i, end;
  uint64_t v;

  if (p[0] & 0x80) {
    /* 0xff at the start is a negative number. */
    v = p[0] & 0x7f;
    for (i = 1; i < n; ++i) {
      if (v >> 56 != 0)
        return false;
      v = v << 8 | p[i];
    }
    *r = v;
    return true;
  }

  for (i = 0; i < n && p[i] == ' '; ++i)
    ;
  for (end = i; end < n && p[end] != ' ' && p[end] != '\0'; ++end)
    ;
  if (end == i) {
    /* Empty is 0, as GNU tar reads it. */
    *r = 0;
    return true;
  }
  return parse_u64_n ((const char *) p + i, end - i, 8, r);
}

/* The sum of all bytes, with spaces in place of the sum itself.  Some old
 * programs added signed bytes.
 */
static bool
checksum_is_right (const uint8_t *block)
{
  uint64_t stored;
  int64_t sum = 0, signed_sum = 0;
  unsigned i;

  if (!read_number (block + field_checksum.offset, field_checksum.len,
                    &stored) || stored > UINT64_C (255) * BLOCK)
    return false;
  for (i = 0; i < BLOCK; ++i) {
    bool in_sum = i >= field_checksum.offset &&
      i < field_checksum.offset + field_checksum.len;

    sum += in_sum ? ' ' : block[i];
    signed_sum += in_sum ? ' ' : (int8_t) block[i];
  }
  return (int64_t) stored == sum || (int64_t) stored == signed_sum;
}

static char *
copy_field (const uint8_t *block, struct field f)
{
  return strndup ((const char *) block + f.offset, f.len);
}

/* The name in the header block itself. */
static char *
header_name (const uint8_t *block)
{
  CLEANUP_FREE char *name = copy_field (block, field_name);
  CLEANUP_FREE char *prefix = NULL;
  CLEANUP_STRBUF struct strbuf b = { 0 };

  /* GNU's own magic, "ustar  ", has other things in the prefix field. */
  if (memcmp (block + MAGIC_OFFSET, "ustar", 6) == 0)
    prefix = copy_field (block, field_prefix);
  else
    prefix = strdup ("");
  if (name == NULL || prefix == NULL ||
      (prefix[0] && strbuf_printf (&b, "%s/", prefix) == -1) ||
      strbuf_append (&b, name) == -1) {
    log_oom ();
    return NULL;
  }
  return strbuf_steal (&b);
}

/* Read the data of an extended header, NUL-terminated.  The size is below
 * the limit and the data is inside of the archive.
 */
static char *
read_extended (struct walk *w, uint64_t size)
{
  char *data = malloc (size + 1);

  if (data == NULL) {
    log_oom ();
    return NULL;
  }
  if (blob_pread (w->blob, data, size, w->offset + BLOCK) == -1) {
    free (data);
    return NULL;
  }
  data[size] = '\0';
  return data;
}

static int
report_pax (struct walk *w, const char *what)
{
  log_error ("%s: extended header at offset %" PRIu64 ": %s: the archive is "
             "damaged, copy or export it again", printable (w->blob->name),
             w->offset, what);
  return invalid ();
}

static int
pax_record (struct walk *w, struct attributes *a, const char *key,
            const char *value)
{
  char *path;

  if (strncmp (key, "GNU.sparse.", 11) == 0) {
    log_error ("%s: the member after offset %" PRIu64 " is stored sparse "
               "(%s=%s), which OVA does not allow: pack the files again with "
               "tar, without --sparse", printable (w->blob->name), w->offset,
               printable (key), printable (value));
    return invalid ();
  }
  if (strcmp (key, "size") == 0) {
    if (!parse_u64 (value, &a->size))
      return report_pax (w, "its size is not a number");
    a->has_size = true;
  }
  else if (strcmp (key, "path") == 0) {
    path = strdup (value);
    if (path == NULL) {
      log_oom ();
      return -1;
    }
    free (a->path);
    a->path = path;
  }
  return 0;
}

/* Records are "LENGTH KEY=VALUE\n"; LENGTH counts the whole record. */
static int
read_pax (struct walk *w, struct attributes *a, uint64_t size)
{
  CLEANUP_FREE char *data = read_extended (w, size);
  size_t pos = 0;

  if (data == NULL)
    return -1;
  while (pos < size) {
    char *record = data + pos, *space, *equal;
    uint64_t len;

    /* Some writers fill up with NULs. */
    if (all_zero ((uint8_t *) record, size - pos))
      break;
    space = memchr (record, ' ', MIN (size - pos, UINT64_C (21)));
    if (space == NULL ||
        !parse_u64_n (record, space - record, 10, &len) ||
        len > size - pos || len < (size_t) (space - record) + 3 ||
        record[len - 1] != '\n')
      return report_pax (w, "a record has a wrong length");
    record[len - 1] = '\0';
    equal = memchr (space + 1, '=', record + len - 1 - (space + 1));
    if (equal == NULL || equal == space + 1)
      return report_pax (w, "a record is not KEY=VALUE");
    *equal = '\0';
    if (strlen (equal + 1) != (size_t) (record + len - 1 - (equal + 1)) &&
        strcmp (space + 1, "path") == 0)
      return report_pax (w, "a path holds a NUL");
    if (pax_record (w, a, space + 1, equal + 1) == -1)
      return -1;
    pos += len;
  }
  return 0;
}

/* The name that counts, from the strongest source to the weakest. */
static char *
member_name (struct walk *w, const uint8_t *block)
{
  const char *from = w->next.path ? w->next.path
    : w->long_name ? w->long_name : w->global.path;
  char *name;

  if (from == NULL)
    return header_name (block);
  name = strdup (from);
  if (name == NULL)
    log_oom ();
  return name;
}

static enum tar_kind
kind_of (uint8_t type, const char *name)
{
  size_t n = strlen (name);

  switch (type) {
  case '\0':
    /* Before POSIX a folder was a file whose name ends in '/'. */
    return n > 0 && name[n - 1] == '/' ? TAR_FOLDER : TAR_FILE;
  case '0':
  case '7':
    return TAR_FILE;
  case '5':
    return TAR_FOLDER;
  case '1':
  case '2':
    return TAR_LINK;
  default:
    return TAR_OTHER;
  }
}

/* Kinds of members that no OVA can have and that cannot be passed over. */
static int
check_type (struct walk *w, uint8_t type, const char *name)
{
  const char *why;

  switch (type) {
  case 'S':
    why = "is stored sparse (type S), which OVA does not allow: pack the "
      "files again with tar, without --sparse";
    break;
  case 'M':
    why = "is continued from another volume (type M): join the volumes first";
    break;
  default:
    return 0;
  }
  log_error ("%s: member '%s' (header at offset %" PRIu64 ") %s",
             printable (w->blob->name), printable (name), w->offset, why);
  return invalid ();
}

static int
check_name (struct walk *w, const char *name)
{
  size_t n = strlen (name);

  if (n == 0) {
    log_error ("%s: the member whose header is at offset %" PRIu64
               " has no name: the archive is damaged, copy or export it "
               "again", printable (w->blob->name), w->offset);
    return invalid ();
  }
  if (n > TAR_MAX_NAME || w->name_bytes + n > TAR_MAX_NAMES) {
    log_error ("%s: the names of its members are too long at offset %" PRIu64
               " (limit %d bytes for one, %u for all): this is no OVA",
               printable (w->blob->name), w->offset, TAR_MAX_NAME,
               TAR_MAX_NAMES);
    return invalid ();
  }
  return 0;
}

/* Is the data of a header inside of the archive? */
static int
check_data (struct walk *w, const char *name, uint64_t size)
{
  uint64_t offset = w->offset + BLOCK;

  if (range_inside (offset, size, w->blob->size))
    return 0;
  log_error ("%s: member '%s' (header at offset %" PRIu64 ") needs %" PRIu64
             " bytes at offset %" PRIu64 ", but the file has only %" PRIu64
             " bytes: it was cut short or is damaged, copy or export it "
             "again", printable (w->blob->name), printable (name), w->offset,
             size, offset, w->blob->size);
  return invalid ();
}

/* An extended header.  Its own size is never what 'x' says. */
static int
read_meta (struct walk *w, uint8_t type, uint64_t size)
{
  CLEANUP_FREE char *text = NULL;

  if (size > TAR_MAX_EXTENDED) {
    log_error ("%s: extended header (type %c) at offset %" PRIu64 " has %"
               PRIu64 " bytes, the limit is %u: the archive is damaged, copy "
               "or export it again", printable (w->blob->name), type,
               w->offset, size, TAR_MAX_EXTENDED);
    return invalid ();
  }
  switch (type) {
  case 'g':
    return read_pax (w, &w->global, size);
  case 'x':
    return read_pax (w, &w->next, size);
  case 'L':
    text = read_extended (w, size);
    if (text == NULL)
      return -1;
    free (w->long_name);
    w->long_name = text;
    text = NULL;
    return 0;
  default:
    return 0;                   /* 'K': the target of a link, not needed */
  }
}

static int
add_member (struct walk *w, const uint8_t *block, uint64_t *size)
{
  CLEANUP_FREE char *name = member_name (w, block);
  struct tar_member m = { .header = w->offset, .offset = w->offset + BLOCK };
  uint8_t type = block[TYPE_OFFSET];

  if (name == NULL || check_name (w, name) == -1 ||
      check_type (w, type, name) == -1)
    return -1;

  if (w->next.has_size)
    *size = w->next.size;
  else if (w->global.has_size)
    *size = w->global.size;
  if (type == '1')
    *size = 0;                  /* the data is with the other name */
  if (check_data (w, name, *size) == -1)
    return -1;

  m.kind = kind_of (type, name);
  m.size = *size;
  m.name = name;
  if (tar_member_vector_append (w->members, m) == -1) {
    log_oom ();
    return -1;
  }
  name = NULL;
  w->name_bytes += strlen (m.name);
  clear_attributes (&w->next);
  free (w->long_name);
  w->long_name = NULL;
  return 0;
}

/* Handle the header at w->offset and move on to the next.  Returns 1 for
 * more, 0 at the end, -1 on error.
 */
static int
step (struct walk *w)
{
  uint8_t block[BLOCK];
  uint64_t size, rounded;
  uint8_t type;

  if (!range_inside (w->offset, BLOCK, w->blob->size))
    return report_cut (w);
  if (blob_pread (w->blob, block, BLOCK, w->offset) == -1)
    return -1;
  if (all_zero (block, BLOCK))
    return 0;

  if (!checksum_is_right (block)) {
    if (w->nr_headers == 0)
      return report_not_tar (w, block);
    log_error ("%s: the header at offset %" PRIu64 ", after '%s', has a wrong "
               "checksum: the archive is damaged, copy or export it again",
               printable (w->blob->name), w->offset, last_name (w));
    return invalid ();
  }
  if (++w->nr_headers > TAR_MAX_MEMBERS) {
    log_error ("%s: has more than %d members: this is no OVA",
               printable (w->blob->name), TAR_MAX_MEMBERS);
    return invalid ();
  }
  if (!read_number (block + field_size.offset, field_size.len, &size)) {
    log_error ("%s: the header at offset %" PRIu64 ", after '%s', has a size "
               "that is not a number or is negative: the archive is damaged, "
               "copy or export it again", printable (w->blob->name),
               w->offset, last_name (w));
    return invalid ();
  }

  type = block[TYPE_OFFSET];
  if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
    if (check_data (w, "(extended header)", size) == -1 ||
        read_meta (w, type, size) == -1)
      return -1;
  }
  else if (add_member (w, block, &size) == -1)
    return -1;

  /* Cannot overflow but for a blob of nearly 2^64 bytes. */
  if (!checked_round_up (size, BLOCK, &rounded) ||
      !checked_add (rounded, BLOCK, &rounded) ||
      !checked_add (w->offset, rounded, &w->offset))
    return report_cut (w);
  return 1;
}

int
tar_list (struct blob *blob, tar_member_vector *members)
{
  struct walk w = { .blob = blob, .members = members };
  int r;

  if (blob->size == 0) {
    log_error ("%s: is empty: copy or export it again",
               printable (blob->name));
    return invalid ();
  }
  if (blob->size < BLOCK) {
    uint8_t start[BLOCK] = { 0 };

    if (blob_pread (blob, start, blob->size, 0) == -1)
      return -1;
    return report_not_tar (&w, start);
  }

  do
    r = step (&w);
  while (r == 1);

  clear_attributes (&w.global);
  clear_attributes (&w.next);
  free (w.long_name);
  if (r == -1) {
    const int err = errno;

    tar_members_free (members);
    errno = err;
  }
  return r;
}
