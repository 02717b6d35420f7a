/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between the files that read the network configuration of a guest:
 * net_ifupdown.c, net_networkd.c, net_manager.c, net_netplan.c and
 * net_ifcfg.c (one way each to configure a network), net_names.c (rules
 * that give names by MAC address), net_units.c (systemd's folders),
 * net_text.c (what they share), and net_resolve.c (what is to be done).
 */
#ifndef NBDLIFT_NET_PRIVATE_H
#define NBDLIFT_NET_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/util/strbuf.h"
#include "driver/guest/guest_net.h"

struct net_iface;

/* More files in one folder are not looked at. */
#define NET_MAX_FILES ((size_t) 1000)

/* Change IFACE's file so that it is matched by MAC and nothing else.  1;
 * 0 if the file is not written in a way that can be changed; -1 reported.
 */
typedef int (*net_rebind) (const struct guest_files *files,
                           const struct net_iface *iface, const char *mac);

/* One configured interface. */
struct net_iface {
  char *file;                   /* where it is configured */
  char *changed;                /* what REBIND changes, NULL: FILE */
  char *id;                     /* what other interfaces call it */
  char *name;                   /* that it must have for the configuration to
                                   be of effect, or NULL */
  char *mac;                    /* that it must have, or NULL */
  bool fragile;                 /* matched by what changes with the
                                   hardware: rebind is set */
  bool by_name_only;            /* matched by NAME, by nothing else */
  bool is_virtual;              /* a bond, a bridge, a VLAN, ... */
  net_rebind rebind;
  string_vector addresses;      /* static: "10.0.2.50/24", "fd00::5" */
};
DEFINE_VECTOR_TYPE (net_iface_vector, struct net_iface);

/* Two names: UPPER is on top of LOWER, an id is also the name of
 * something, or a name belongs to a MAC address.
 */
struct net_pair {
  char *a, *b;
};
DEFINE_VECTOR_TYPE (net_pair_vector, struct net_pair);

struct guest_net {
  const struct guest_files *files;
  const vm_nic_vector *nics;
  struct guest_net_report *report;
  net_iface_vector ifaces;
  net_pair_vector links;        /* upper, lower */
  net_pair_vector aliases;      /* name, other name */
  net_pair_vector names;        /* name, MAC address: by rules of the guest */
};

/* Append an interface.  ID is copied.  It is good until the next append.
 * NULL reported.
 */
extern struct net_iface *net_add_iface (struct guest_net *g,
                                        const char *file, const char *id);
/* Copy both.  0, or -1 reported. */
extern int net_add_pair (net_pair_vector *v, const char *a, const char *b);

/* Add ADDRESS to IFACE, with the length of its prefix from "a.b.c.d/n",
 * or else from MASK, "255.255.255.0" or "24", or NULL.  What is no
 * address is ignored.  0, or -1 reported.
 */
extern int net_add_address (struct net_iface *iface, const char *address,
                            const char *mask);

/* The same address, whatever its spelling and prefix? */
extern bool net_same_address (const char *a, const char *b);

/* A name that the kernel takes, without wildcards. */
extern bool net_is_name (const char *text);

/* A copy of TEXT, freed first: *P = strdup (TEXT).  0, or -1 reported. */
extern int net_set (char **p, const char *text);

/* Read PATH for its lines.  1 with *TEXT; 0 if there is none (for one
 * that is too large, REPORT says so); -1 reported.
 */
extern int net_read (struct guest_net *g, const char *path, char **text);

/* Say in REPORT that PATH is not read.  0, or -1 reported. */
extern int net_too_large (struct guest_net *g, const char *path);

extern bool net_ends_in (const char *name, const char *suffix);

/* Call READ for each file in FOLDER whose name ends in SUFFIX (NULL:
 * all), but for hidden files and leftovers of editors and packages.  0, or
 * -1 reported.
 */
extern int net_read_folder (struct guest_net *g, const char *folder,
                            const char *suffix,
                            int (*read) (struct guest_net *g,
                                         const char *path));

/* Call READ for each unit of systemd whose name ends in SUFFIX, in the
 * order of their names: with the PATH of its main file and the TEXT, which
 * READ may change, of that and its drop-ins.  0, or -1 reported.
 */
extern int net_read_units (struct guest_net *g, const char *suffix,
                           int (*read) (struct guest_net *g,
                                        const char *path, char *text));

/* Append to PATHS the files of the unit NAME: the main one if there is one,
 * then the drop-ins, in the order in which they are read.  0, or -1
 * reported.
 */
extern int net_unit_parts (const struct guest_files *files, const char *name,
                           string_vector *paths);

/* Where a changed copy of PATH, a file of a unit, goes: it is in /etc
 * already, or is hidden by what is there.  malloc'ed; NULL reported.
 */
extern char *net_unit_in_etc (const char *path);

/* The next line of *TEXT, cut off in place, or NULL.  Space at both ends
 * is removed.
 */
extern char *net_line (char **text);
/* The next word of *LINE, cut off in place; its end is a character of
 * DELIMITERS.  NULL if there is none.
 */
extern char *net_word (char **line, const char *delimiters);
/* Split "KEY = VALUE" in place.  False if it is not that. */
extern bool net_key_value (char *line, char **key, char **value);

/* In TEXT, "[SECTION]" and "KEY=VALUE" lines, remove the KEYS of SECTION,
 * and, unless it is NULL, set NEW_KEY in NEW_SECTION to VALUE.  malloc'ed;
 * NULL reported.
 */
extern char *net_rewrite_ini (const char *text, const char *section,
                              const char *const *keys,
                              const char *new_section, const char *new_key,
                              const char *value);

/* Each adds what it finds.  0, or -1 reported. */
extern int net_read_ifupdown (struct guest_net *g);
extern int net_read_networkd (struct guest_net *g);
extern int net_read_manager (struct guest_net *g);
extern int net_read_netplan (struct guest_net *g);
extern int net_read_ifcfg (struct guest_net *g);
extern int net_read_names (struct guest_net *g);

/* Add to IFACE, which netplan calls ID and configures by a unit that it
 * makes when the guest boots, the addresses in drop-ins of that unit.  0, or
 * -1 reported.
 */
extern int net_add_networkd_drop_ins (struct guest_net *g, const char *id,
                                      struct net_iface *iface);

/* Give each name in NAMES (name, MAC address) to the NIC with that
 * address, for udev and for systemd where the guest has it.  0, or -1
 * reported.
 */
extern int net_write_names (struct guest_net *g,
                            const net_pair_vector *names);

/* Keep cloud-init from writing the network configuration anew on what it
 * takes for a new machine.  0, or -1 reported.
 */
extern int net_stop_cloud_init (struct guest_net *g);

#endif /* NBDLIFT_NET_PRIVATE_H */
