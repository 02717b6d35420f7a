/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A line with a delay between two network namespaces: a TUN device in
 * each, and two threads per direction that carry packets from one to the
 * other so many milliseconds later.  For kernels without netem.
 *
 *   tundelay NETNS-A NETNS-B ONE-WAY-MS
 *
 * Packets are as large as the kernel's segments before they are cut for a
 * network card (64 KiB at most): cutting them here would make the line a
 * matter of system calls, which the two ends need the CPU for.
 *
 * The devices are called "line"; who starts this gives them addresses
 * when it has printed "ready".  It ends with its parent.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Packets under way; what comes beyond that is lost, as on any line. */
#define SLOTS 16384
#define MAX_PACKET (sizeof (struct virtio_net_hdr) + 65536)

#define NS_PER_MS INT64_C (1000000)
#define NS_PER_S INT64_C (1000000000)

struct packet {
  int64_t due;                  /* CLOCK_MONOTONIC, ns */
  size_t len;
  char *data;
};

struct direction {
  int from, to;
  int64_t delay;                /* ns */
  pthread_mutex_t lock;         /* of: */
  pthread_cond_t filled;
  struct packet queue[SLOTS];
  size_t first, count;
};

static int64_t
now_ns (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void __attribute__ ((noreturn))
die (const char *what)
{
  fprintf (stderr, "tundelay: %s: %s\n", what, strerror (errno));
  exit (EXIT_FAILURE);
}

/* The device in the namespace NAME. */
static int
open_line (const char *name)
{
  struct ifreq request = { .ifr_name = "line" };
  char path[256];
  int fd;

  snprintf (path, sizeof path, "/run/netns/%s", name);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd == -1 || setns (fd, CLONE_NEWNET) == -1)
    die (path);
  close (fd);
  fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC);
  /* The header that comes with it says how to cut a packet. */
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (fd == -1 || ioctl (fd, TUNSETIFF, &request) == -1 ||
      ioctl (fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) == -1)
    die ("/dev/net/tun");
  return fd;
}

/* Append a copy, if there is room. */
static void
put (struct direction *d, const char *data, size_t len)
{
  struct packet p = { now_ns () + d->delay, len, malloc (len) };

  if (p.data == NULL)
    return;
  memcpy (p.data, data, len);
  pthread_mutex_lock (&d->lock);
  if (d->count < SLOTS) {
    d->queue[(d->first + d->count++) % SLOTS] = p;
    p.data = NULL;
    pthread_cond_signal (&d->filled);
  }
  pthread_mutex_unlock (&d->lock);
  free (p.data);
}

static struct packet
take (struct direction *d)
{
  struct packet p;

  pthread_mutex_lock (&d->lock);
  while (d->count == 0)
    pthread_cond_wait (&d->filled, &d->lock);
  p = d->queue[d->first];
  d->first = (d->first + 1) % SLOTS;
  d->count--;
  pthread_mutex_unlock (&d->lock);
  return p;
}

static void *
reader (void *opaque)
{
  static __thread char data[MAX_PACKET];
  struct direction *d = opaque;
  ssize_t n;

  while ((n = read (d->from, data, sizeof data)) > 0)
    put (d, data, n);
  die ("read");
}

static void *
writer (void *opaque)
{
  struct direction *d = opaque;

  for (;;) {
    const struct packet p = take (d);
    const struct timespec due = { p.due / NS_PER_S, p.due % NS_PER_S };

    while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &due,
                            NULL) == EINTR)
      ;
    /* The device may be down still: then the packet is lost. */
    if (write (d->to, p.data, p.len) == -1 && errno != EIO)
      fprintf (stderr, "tundelay: write: %s\n", strerror (errno));
    free (p.data);
  }
  return NULL;
}

static void
start (struct direction *d, int from, int to, int64_t delay)
{
  pthread_t thread;

  d->from = from;
  d->to = to;
  d->delay = delay;
  pthread_mutex_init (&d->lock, NULL);
  pthread_cond_init (&d->filled, NULL);
  errno = pthread_create (&thread, NULL, reader, d);
  if (errno == 0)
    errno = pthread_create (&thread, NULL, writer, d);
  if (errno != 0)
    die ("pthread_create");
}

int
main (int argc, char **argv)
{
  static struct direction there, back;
  char *end;
  double ms;
  int a, b;

  ms = argc == 4 ? strtod (argv[3], &end) : -1;
  if (argc != 4 || *end != '\0' || !(ms >= 0) || ms > 10000) {
    fprintf (stderr, "usage: tundelay NETNS-A NETNS-B ONE-WAY-MS\n");
    return 2;
  }
  prctl (PR_SET_PDEATHSIG, SIGTERM);
  a = open_line (argv[1]);
  b = open_line (argv[2]);
  start (&there, a, b, ms * NS_PER_MS);
  start (&back, b, a, ms * NS_PER_MS);
  puts ("ready");
  fflush (stdout);
  pause ();
  return 0;
}
