/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzz the OVF parser: any text is refused or gives structs whose indexes
 * are inside of their vectors.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/util/log.h"
#include "common/xml/xml.h"
#include "plugins/ova/ovf.h"

extern int LLVMFuzzerInitialize (int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
drop (enum log_level level, const char *text, void *opaque)
{
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  log_set_sink (drop, NULL);
  xml_global_init ();
  return 0;
}

static void
check (const struct ovf *ovf)
{
  size_t i, j;

  if (ovf->systems.len == 0)
    abort ();
  for (i = 0; i < ovf->disks.len; i++) {
    const struct ovf_disk *d = &ovf->disks.ptr[i];

    if ((d->file != OVF_NO_FILE && d->file >= ovf->files.len) ||
        d->capacity > INT64_MAX || (d->file == OVF_NO_FILE &&
                                    d->capacity == 0))
      abort ();
  }
  for (i = 0; i < ovf->systems.len; i++) {
    const struct ovf_system *s = ovf->systems.ptr[i];

    if (s->vm.id == NULL || s->vm.name == NULL || s->vm.cpus == 0 ||
        s->vm.cores_per_socket == 0 ||
        s->vm.cpus % s->vm.cores_per_socket != 0)
      abort ();
    for (j = 0; j < s->drives.len; j++) {
      if (s->drives.ptr[j].disk >= ovf->disks.len)
        abort ();
    }
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct ovf *ovf;
  uint64_t units;
  char *text;

  errno = 0;
  ovf = ovf_parse ((const char *) data, size, "fuzz.ovf");
  if (ovf)
    check (ovf);
  else if (errno != EINVAL && errno != ENOMEM)
    abort ();
  ovf_free (ovf);

  text = malloc (size + 1);
  if (text == NULL)
    return 0;
  for (size_t i = 0; i < size; i++)
    text[i] = data[i];
  text[size] = '\0';
  if (ovf_parse_units (text, &units) && units == 0)
    abort ();
  free (text);
  return 0;
}
