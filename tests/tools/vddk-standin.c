/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Stands in for nbdkit's vddk plugin in tests: takes its keys, refuses
 * what the real one would refuse, writes down what it was given, and
 * serves a file.
 *
 * VDDK_STANDIN_DIR has, for each disk, a file of the name that is between
 * the last slash and ".vmdk" of "[datastore] dir/disk.vmdk"; the keys are
 * appended to its file "keys".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS

static const char *file, *libdir, *server, *user, *thumbprint, *vm;
static const char *config;      /* or NULL */
static char *password;

static const struct { const char *key; const char **value; } keys[] = {
  { "file", &file }, { "libdir", &libdir }, { "server", &server },
  { "user", &user }, { "thumbprint", &thumbprint }, { "vm", &vm },
};
#define NR_KEYS (sizeof keys / sizeof keys[0])

static void
note (const char *key, const char *value)
{
  char path[4096];
  FILE *fp;

  snprintf (path, sizeof path, "%s/keys", getenv ("VDDK_STANDIN_DIR"));
  fp = fopen (path, "a");
  if (fp) {
    fprintf (fp, "%s=%s\n", key, value);
    fclose (fp);
  }
}

static int
standin_config (const char *key, const char *value)
{
  static const char *const others[] = { "port", "snapshot", "transports",
                                        "compression", "config" };
  size_t i;

  if (strcmp (key, "password") == 0) {
    if (value[0] != '+') {
      nbdkit_error ("the password is in the argument list");
      return -1;
    }
    note (key, "+FILE");
    return nbdkit_read_password (value, &password);
  }
  note (key, value);
  for (i = 0; i < NR_KEYS; i++)
    if (strcmp (key, keys[i].key) == 0) {
      *keys[i].value = value;
      return 0;
    }
  if (strcmp (key, "config") == 0)
    config = value;
  for (i = 0; i < sizeof others / sizeof others[0]; i++)
    if (strcmp (key, others[i]) == 0)
      return 0;
  nbdkit_error ("unknown key %s", key);
  return -1;
}

static int
standin_config_complete (void)
{
  const char *wanted = getenv ("VDDK_STANDIN_PASSWORD");
  size_t i;

  for (i = 0; i < NR_KEYS; i++)
    if (*keys[i].value == NULL) {
      nbdkit_error ("%s is missing", keys[i].key);
      return -1;
    }
  if (strncmp (vm, "moref=", 6) != 0 || strlen (thumbprint) != 59 ||
      strstr (server, "//") || password == NULL) {
    nbdkit_error ("a key is not as it should be");
    return -1;
  }
  if (wanted && strcmp (wanted, password) != 0) {
    nbdkit_error ("Cannot complete login due to an incorrect user name or "
                  "password");
    return -1;
  }
  return 0;
}

static void
standin_unload (void)
{
  free (password);
}

/* The library reads it when nbdkit serves already. */
static void
note_config (void)
{
  char line[256];
  FILE *fp = fopen (config, "r");

  while (fp && fgets (line, sizeof line, fp)) {
    line[strcspn (line, "\n")] = '\0';
    note ("config line", line);
  }
  if (fp)
    fclose (fp);
}

static void *
standin_open (int readonly)
{
  const char *slash = strrchr (file, '/');
  char path[4096];
  int *fd = malloc (sizeof *fd);

  snprintf (path, sizeof path, "%s/%.*s", getenv ("VDDK_STANDIN_DIR"),
            (int) strcspn (slash ? slash + 1 : file, "."),
            slash ? slash + 1 : file);
  if (fd == NULL)
    return NULL;
  if (config)
    note_config ();
  *fd = open (path, O_RDONLY | O_CLOEXEC);
  if (*fd == -1) {
    nbdkit_error ("%s: %m", path);
    free (fd);
    return NULL;
  }
  return fd;
}

static void
standin_close (void *handle)
{
  int *fd = handle;

  close (*fd);
  free (fd);
}

static int64_t
standin_get_size (void *handle)
{
  const int *fd = handle;
  struct stat st;

  return fstat (*fd, &st) == -1 ? -1 : st.st_size;
}

static int
standin_pread (void *handle, void *buf, uint32_t count, uint64_t offset,
               uint32_t flags)
{
  const int *fd = handle;
  ssize_t r;

  /* VDDK reads whole sectors, and no more than its buffers hold. */
  if (count % 512 != 0 || offset % 512 != 0 || count > 2 * 1024 * 1024) {
    nbdkit_error ("Failed to allocate the requested %u bytes", count);
    errno = EINVAL;
    return -1;
  }
  r = pread (*fd, buf, count, offset);
  if (r == (ssize_t) count)
    return 0;
  nbdkit_error ("short read");
  errno = EIO;
  return -1;
}

static struct nbdkit_plugin plugin = {
  .name = "vddk",
  .version = "stand-in",
  .unload = standin_unload,
  .config = standin_config,
  .config_complete = standin_config_complete,
  .open = standin_open,
  .close = standin_close,
  .get_size = standin_get_size,
  .pread = standin_pread,
};

NBDKIT_REGISTER_PLUGIN (plugin)
