/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the command lines of several commands have in common.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/command.h"
#include "driver/driver_log.h"
#include "driver/options.h"

void
common_options_free (struct common_options *c)
{
  string_vector_free (&c->vms);
}

int
number_option (char **argv, const char *name, const char *text,
               uint64_t min, uint64_t max, uint64_t *r)
{
  uint64_t n;

  if (!parse_u64 (text, &n) || n < min || n > max)
    return usage_error (argv, "--%s=%s: give a number from %" PRIu64 " to %"
                        PRIu64, name, printable (text), min, max);
  *r = n;
  return 0;
}

/* N as a size option takes it, to BUF. */
static const char *
format_size (uint64_t n, char *buf, size_t len)
{
  static const char units[] = "KMGT";
  size_t i = 0;

  while (i < strlen (units) && n != 0 && n % KIB == 0) {
    n /= KIB;
    i++;
  }
  snprintf (buf, len, "%" PRIu64 "%.*s", n, i > 0, &units[i > 0 ? i - 1 : 0]);
  return buf;
}

int
size_option (char **argv, const char *name, const char *text, uint64_t min,
             uint64_t max, uint64_t *r)
{
  char from[32], to[32];
  uint64_t n;

  if (parse_size (text, &n) && n >= min && n <= max) {
    *r = n;
    return 0;
  }
  format_size (min, from, sizeof from);
  if (max == UINT64_MAX)
    return usage_error (argv, "--%s=%s: give a number of bytes, at least %s, "
                        "such as 64K, 100M or 2G", name, printable (text),
                        from);
  return usage_error (argv, "--%s=%s: give a number of bytes from %s to %s",
                      name, printable (text), from,
                      format_size (max, to, sizeof to));
}

static int
format_option (char **argv, const char *name, struct common_options *c)
{
  static const char *const names[] = {
    [OUTPUT_TABLE] = "table", [OUTPUT_JSON] = "json", [OUTPUT_YAML] = "yaml",
    [OUTPUT_LIBVIRTXML] = "libvirtxml",
  };
  const unsigned formats = c->formats ? c->formats :
    1u << OUTPUT_TABLE | 1u << OUTPUT_JSON | 1u << OUTPUT_YAML;
  enum output_format format;
  char list[64] = "";
  size_t i, n = 0;

  if (output_format_of_name (optarg, &format) &&
      (formats & 1u << format) != 0) {
    c->format = format;
    return -1;
  }
  for (i = 0; i < ARRAY_SIZE (names); i++)
    if ((formats & 1u << i) != 0)
      n += snprintf (list + n, sizeof list - n, "%s%s", n == 0 ? "" :
                     formats >> (i + 1) == 0 ? " or " : ", ", names[i]);
  return usage_error (argv, "--%s=%s: it is %s", name, printable (optarg),
                      list);
}

static int
machine_option (char **argv, struct common_options *c)
{
  uint64_t fd = STDERR_FILENO;

  if ((optarg && (!parse_u64 (optarg, &fd) || fd == 0 || fd > 1023)) ||
      fcntl (fd, F_GETFD) == -1)
    return usage_error (argv, "--machine-readable=%s: give the number of an "
                        "open file descriptor",
                        optarg ? printable (optarg) : "");
  c->machine_fd = fd;
  return -1;
}

static int
transport_option (char **argv, struct common_options *c)
{
  static const char *const names[] = { "auto", "vddk", "folder", "export" };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (names); i++)
    if (strcmp (optarg, names[i]) == 0) {
      c->transport = optarg;
      return -1;
    }
  return usage_error (argv, "--transport=%s: it is auto, vddk, folder or "
                      "export", printable (optarg));
}

int
common_option (int opt, char **argv, struct common_options *c)
{
  switch (opt) {
  case 'o':
    if (c->output_is_format)
      return format_option (argv, "output", c);
    c->output = optarg;
    return -1;
  case 'f':
    return format_option (argv, "format", c);
  case 'q':
    c->quiet = true;
    driver_log_set_level (LOG_LEVEL_WARNING);
    return -1;
  case 'v':
    driver_log_set_level (LOG_LEVEL_DEBUG);
    return -1;
  case OPTION_MACHINE_READABLE:
    return machine_option (argv, c);
  case OPTION_MEMORY:
    return size_option (argv, "memory", optarg, 1, UINT64_MAX,
                        &c->memory) ? STATUS_USAGE : -1;
  case OPTION_RATE:
    return size_option (argv, "rate", optarg, 1, UINT64_MAX,
                        &c->rate) ? STATUS_USAGE : -1;
  case OPTION_PLAN:
    c->plan = optarg;
    return -1;
  case OPTION_PROVIDER:
    c->provider = optarg;
    return -1;
  case OPTION_STATE:
    c->state = optarg;
    return -1;
  case OPTION_TRANSPORT:
    return transport_option (argv, c);
  case OPTION_VDDK_LIBDIR:
    c->vddk_libdir = optarg;
    return -1;
  case OPTION_VM:
    if (string_vector_append_dup (&c->vms, optarg) == 0)
      return -1;
    log_oom ();
    return STATUS_FAILED;
  case OPTION_HELP:
    fputs (c->help, stdout);
    return finish_stdout (STATUS_OK);
  default:
    return usage_hint (argv);
  }
}

int
common_parse (int argc, char **argv, const char *letters,
              const struct option *options, struct common_options *c)
{
  int opt, status = -1;

  while (status == -1 &&
         (opt = getopt_long (argc, argv, letters, options, NULL)) != -1)
    status = common_option (opt, argv, c);
  return status;
}

int
common_operands (int argc, char **argv, const struct common_options *c)
{
  if (optind == argc)
    return usage_error (argv, "which plan file?");
  if (c->output == NULL && !(c->state_will_do && c->state))
    return usage_error (argv, "--output=DIR is missing");
  return -1;
}

int
common_plan (int argc, char **argv, const struct common_options *c,
             struct session *s)
{
  const int status = common_operands (argc, argv, c);

  if (status != -1)
    return status;
  return session_load_plan (s, (const char *const *) &argv[optind],
                            argc - optind, c->plan) == -1 ? STATUS_PLAN : -1;
}

enum exit_status
common_open (const struct common_options *c, struct session *s)
{
  if (c->transport)
    session_set (s, "transport", c->transport);
  if (c->vddk_libdir)
    session_set (s, "vddkLibDir", c->vddk_libdir);
  if (session_open (s) == 0)
    return STATUS_OK;
  return errno == ENOTSUP ? STATUS_PLAN : STATUS_SOURCE;
}

int
common_vm (int argc, char **argv, const struct common_options *c,
           struct session *s, struct vm *vm)
{
  enum exit_status status;

  if (argc - optind < 2)
    return usage_error (argv, "give a plan file and a VM");
  if (session_load_provider (s, (const char *const *) &argv[optind],
                             argc - optind - 1, c->provider) == -1)
    return STATUS_PLAN;
  status = common_open (c, s);
  if (status != STATUS_OK)
    return status;
  if (session_describe (s, argv[argc - 1], vm) == 0)
    return -1;
  return errno == ENOENT || errno == EEXIST || errno == EINVAL ?
    STATUS_FAILED : STATUS_SOURCE;
}

struct progress *
common_progress (const struct common_options *c)
{
  struct progress_options o = { .style = PROGRESS_PLAIN, .human = stderr };
  const char *term = getenv ("TERM");
  struct progress *p;

  if (c->machine_fd == STDERR_FILENO) {
    o.machine = stderr;
    o.human = NULL;
  }
  else if (c->machine_fd >= 0) {
    o.machine = c->machine_fd == STDOUT_FILENO ? stdout :
      fdopen (c->machine_fd, "a");
    if (o.machine == NULL) {
      log_error ("--machine-readable=%d: %m", c->machine_fd);
      return NULL;
    }
  }
  if (c->quiet)
    o.style = PROGRESS_SILENT;
  else if (isatty (STDERR_FILENO) && term && strcmp (term, "dumb") != 0)
    o.style = PROGRESS_TERMINAL;
  o.color = wants_color (stderr);
  p = progress_new (&o);
  if (p == NULL || progress_start (p) == -1) {
    progress_free (p);
    return NULL;
  }
  driver_log_set_writer (progress_message, p);
  return p;
}

void
common_progress_end (struct progress *p)
{
  driver_log_set_writer (NULL, NULL);
  progress_free (p);
}
