/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Static addresses of Linux guests, on files in memory: which interface
 * is found for which NIC, and what is written.
 */
#include "tests/unit/capture.h"

#include "common/include/minmax.h"
#include "tests/unit/memory_guest.h"

#define RULES "/etc/udev/rules.d/70-nbdlift-net.rules"
#define LINK(name) "/etc/systemd/network/10-nbdlift-" name ".link"
#define MAC1 "00:50:56:aa:bb:01"
#define MAC2 "00:50:56:aa:bb:02"

static struct vm vm;
static struct guest_net_report report;

static void
put (const char *path, const char *text)
{
  assert_true (keep_file (path, text));
}

static void
add_nic (const char *mac)
{
  struct vm_nic *nic = vm_add_nic (&vm);

  assert_non_null (nic);
  nic->mac = strdup (mac);
}

/* To the last NIC. */
static void
add_ip (const char *address, bool is_static)
{
  const struct vm_ip ip = {
    .address = strdup (address), .prefix = 24, .is_static = is_static,
  };

  assert_int_equal (vm_ip_vector_append (&vm.nics.ptr[vm.nics.len - 1].ips,
                                         ip), 0);
}

/* One NIC as a source tells of it, with an address that may be NULL. */
static void
nic (const char *mac, const char *address)
{
  add_nic (mac);
  if (address)
    add_ip (address, true);
}

static int
setup (void **state)
{
  vm_init (&vm);
  memset (&report, 0, sizeof report);
  put ("/usr/lib/systemd/network/99-default.link", "[Link]\n");
  nr_writes = 0;
  capture_start ();
  return 0;
}

static int
teardown (void **state)
{
  forget_files ();
  vm_free (&vm);
  guest_net_report_free (&report);
  return 0;
}

static void
preserve (void)
{
  guest_net_report_free (&report);
  assert_int_equal (guest_net_preserve (&memory, &vm.nics, &report), 0);
  assert_no_error ();
}

static void
assert_lines (const string_vector *v, const char *const *lines)
{
  size_t i;

  for (i = 0; lines[i]; i++) {
    if (i >= v->len)
      fail_msg ("missing: %s", lines[i]);
    if (strstr (v->ptr[i], lines[i]) == NULL)
      fail_msg ("'%s' instead of '%s'", v->ptr[i], lines[i]);
  }
  if (v->len > i)
    fail_msg ("too much: %s", v->ptr[i]);
}
#define LINES(...) ((const char *const []) { __VA_ARGS__, NULL })
#define assert_kept(...) assert_lines (&report.kept, LINES (__VA_ARGS__))
#define assert_lost(...) assert_lines (&report.lost, LINES (__VA_ARGS__))
#define assert_nothing_lost() assert_int_equal (report.lost.len, 0)
#define assert_nothing_kept() assert_int_equal (report.kept.len, 0)

/* What was written gives NAME to MAC. */
static void
assert_bound (const char *name, const char *mac)
{
  char **rules = find (RULES), **link;
  char path[100], line[200];

  snprintf (path, sizeof path, LINK ("%s"), name);
  link = find (path);
  if (rules == NULL || link == NULL)
    fail_msg ("%s is not bound to %s", name, mac);
  snprintf (line, sizeof line, "ATTR{address}==\"%s\", ATTR{type}==\"1\", "
            "NAME=\"%s\"\n", mac, name);
  if (strstr (*rules, line) == NULL)
    fail_msg ("the rules are %s", *rules);
  snprintf (line, sizeof line, "[Match]\nMACAddress=%s\n\n[Link]\nName=%s\n",
            mac, name);
  if (strstr (*link, line) == NULL)
    fail_msg ("the link is %s", *link);
}

static void
assert_file (const char *path, const char *text)
{
  char **found = find (path);

  assert_non_null (found);
  assert_string_equal (*found, text);
}

#define INTERFACES "/etc/network/interfaces"
#define STATIC(name, address) \
  "iface " name " inet static\n\taddress " address "\n"

static void
test_ifupdown (void **state)
{
  put (INTERFACES, "# comment\nsource /etc/network/interfaces.d/*\n"
       "auto lo\niface lo inet loopback\n"
       "allow-hotplug ens192\n"
       "iface ens192 inet static\n"
       "  address 10.0.2.50\n  netmask 255.255.255.0\n"
       "  gateway 10.0.2.2\n  dns-nameservers 10.0.2.3\n"
       "iface ens192 inet6 static\n  address FD00::0:50/64\n"
       "iface ens192:1 inet static\n  address 10.0.2.51/24\n");
  put ("/etc/network/interfaces.d/second",
       "auto ens224\niface ens224 inet static\n address 192.168.7.9/16\n");
  put ("/etc/network/interfaces.d/second~", STATIC ("eth9", "10.9.9.9/8"));
  nic (MAC2, "192.168.7.9");
  nic (MAC1, "10.0.2.50");
  add_ip ("fd00::50", true);
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC2 ": 192.168.7.9/16 stays on ens224",
               MAC1 ": 10.0.2.50/24 stays on ens192",
               MAC1 ": fd00::50/64 stays on ens192",
               MAC1 ": 10.0.2.51/24 stays on ens192");
  assert_bound ("ens192", MAC1);
  assert_bound ("ens224", MAC2);
}

/* Once more, on what the first time left: nothing changes. */
static void
test_twice (void **state)
{
  char *rules;

  put (INTERFACES, STATIC ("ens192", "10.0.2.50/24"));
  nic (MAC1, "10.0.2.50");
  preserve ();
  rules = strdup (*find (RULES));
  preserve ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays on ens192");
  assert_file (RULES, rules);
  free (rules);
}

/* The source knows nothing: one NIC and one interface fit. */
static void
test_no_report (void **state)
{
  put (INTERFACES, STATIC ("ens192", "10.0.2.50/24"));
  nic (MAC1, NULL);
  preserve ();
  assert_nothing_lost ();
  assert_bound ("ens192", MAC1);
}

static void
test_no_report_two_nics (void **state)
{
  put (INTERFACES, STATIC ("ens192", "10.0.2.50/24"));
  nic (MAC1, NULL);
  nic (MAC2, NULL);
  preserve ();
  assert_nothing_kept ();
  assert_lost ("10.0.2.50/24 (/etc/network/interfaces): it is not known "
               "which NIC has it");
  assert_int_equal (nr_writes, 0);
}

/* ... but old rules of the guest tell. */
static void
test_old_rules (void **state)
{
  put (INTERFACES, STATIC ("eth0", "10.0.2.50/24")
       STATIC ("eth1", "10.0.3.50/24"));
  put ("/etc/udev/rules.d/70-persistent-net.rules",
       "# PCI device 0x15ad:0x07b0 (vmxnet3)\n"
       "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
       "ATTR{address}==\"00:50:56:AA:BB:02\", ATTR{dev_id}==\"0x0\", "
       "ATTR{type}==\"1\", KERNEL==\"eth*\", NAME=\"eth0\"\n"
       "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"vmxnet3\", "
       "ATTR{address}==\"" MAC1 "\", NAME=\"eth1\"\n");
  nic (MAC1, "10.0.3.50");
  nic (MAC2, NULL);
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC2 ": 10.0.2.50/24 stays on eth0",
               MAC1 ": 10.0.3.50/24 stays on eth1");
  /* The first rule is good as it is; the second asks for a driver that
   * is gone.
   */
  assert_bound ("eth1", MAC1);
  assert_null (strstr (*find (RULES), "eth0"));
}

static void
test_dhcp_is_left_alone (void **state)
{
  put (INTERFACES, "auto ens192\niface ens192 inet dhcp\n");
  put ("/etc/cloud/cloud.cfg", "datasource_list: [None]\n");
  add_nic (MAC1);
  add_ip ("10.0.2.15", false);
  preserve ();
  assert_nothing_kept ();
  assert_nothing_lost ();
  assert_int_equal (nr_writes, 0);
}

/* An address that the source says is static and that no file has. */
static void
test_unknown_address (void **state)
{
  nic (MAC1, "10.0.2.50");
  add_ip ("fe80::250:56ff:feaa:bb01", true);
  preserve ();
  assert_nothing_kept ();
  assert_lost (MAC1 ": 10.0.2.50/24: no file of the guest that nbdlift "
               "knows configures it");
}

#define NETWORK "/etc/systemd/network/lan.network"

static void
test_networkd_name (void **state)
{
  put (NETWORK, "[Match]\nName=ens192\n[Network]\nAddress=10.0.2.50/24\n"
       "Address=fd00::50/64\nGateway=10.0.2.2\nDNS=10.0.2.3\n"
       "[Address]\nAddress=10.0.2.51/24\n[Route]\nGateway=10.0.2.9\n");
  nic (MAC1, "10.0.2.51");
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24, fd00::50/64, 10.0.2.51/24 stay on "
               "ens192");
  assert_bound ("ens192", MAC1);
}

static void
test_networkd_driver (void **state)
{
  put (NETWORK, "# mine\n[Match]\nDriver=vmxnet3\nPath = pci-0000:0b:*\n"
       "Type=ether\n[Network]\nAddress=10.0.2.50/24\n");
  nic (MAC1, "10.0.2.50");
  nic (MAC2, NULL);
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays: " NETWORK
               " now goes by the MAC address");
  assert_file (NETWORK, "# mine\n[Match]\nMACAddress=" MAC1 "\nType=ether\n"
               "[Network]\nAddress=10.0.2.50/24\n");
  /* Never an empty one. */
  assert_null (find (RULES));
  preserve ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays: " NETWORK
               " does not go by the name");
}

static void
test_networkd_mac (void **state)
{
  put (NETWORK, "[Match]\nMACAddress=" MAC1 "\n"
       "[Network]\nAddress=10.0.2.50/24\n");
  nic (MAC1, NULL);
  preserve ();
  assert_int_equal (nr_writes, 0);
  assert_kept (MAC1 ": 10.0.2.50/24 stays");
}

/* A bond whose ports are told apart by .link files, a VLAN on one NIC, and
 * a bridge without any.
 */
static void
test_networkd_stacked (void **state)
{
  put ("/etc/systemd/network/a.netdev", "[NetDev]\nName=bond0\nKind=bond\n");
  put ("/etc/systemd/network/a.network",
       "[Match]\nName=bond0\n[Network]\nAddress=10.1.0.5/24\n");
  put ("/etc/systemd/network/b.network",
       "[Match]\nName=ens192\n[Network]\nBond=bond0\n");
  put ("/etc/systemd/network/c.network",
       "[Match]\nName=ens224\n[Network]\nBond=bond0\n");
  put ("/etc/systemd/network/70-c.link",
       "[Match]\nMACAddress=" MAC2 "\n[Link]\nName=ens224\n");
  put ("/etc/systemd/network/70-b.link",
       "[Match]\nMACAddress=" MAC1 "\nDriver=vmxnet3\n[Link]\nName=ens192\n");
  put ("/etc/systemd/network/br.netdev",
       "[NetDev]\nName=br0\nKind=bridge\n");
  put ("/etc/systemd/network/br.network",
       "[Match]\nName=br0\n[Network]\nAddress=10.3.0.1/24\n");
  nic (MAC1, "10.1.0.5");
  nic (MAC2, NULL);
  preserve ();
  assert_kept (MAC2 ": 10.1.0.5/24 stays on bond0, over ens224");
  assert_lost ("10.1.0.5/24 (/etc/systemd/network/a.network): it is not "
               "known which NIC");
}

#define DROP_IN(name) NETWORK ".d/" name
#define USR_NETWORK "/usr/lib/systemd/network/lan.network"
#define USR_DROP_IN(name) USR_NETWORK ".d/" name

/* The name and the addresses are said in different files; what is not
 * called *.conf is none of them.
 */
static void
test_networkd_drop_ins (void **state)
{
  put (NETWORK, "[Network]\nAddress=10.0.2.50/24\nVLAN=lan7");
  put (DROP_IN ("10-name.conf"), "[Match]\nName=eth7\nName=\nName=ens192\n");
  put (DROP_IN ("20-more.conf"), "Address=10.9.9.9/24\n[Network]\n"
       "Address=fd00::50/64\n[Address]\nAddress=10.0.2.51/24\n");
  put (DROP_IN ("30-not.txt"), "[Network]\nAddress=10.0.2.52/24\n");
  put (DROP_IN (".hidden.conf"), "[Network]\nAddress=10.0.2.53/24\n");
  put ("/etc/systemd/network/vlan.netdev", "[NetDev]\nKind=vlan\n");
  put ("/etc/systemd/network/vlan.netdev.d/name.conf",
       "[NetDev]\nName=lan7\n");
  put ("/etc/systemd/network/vlan.network",
       "[Match]\nName=lan7\n[Network]\nAddress=10.7.0.1/24\n");
  nic (MAC1, "10.0.2.51");
  nic (MAC2, NULL);
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24, fd00::50/64, 10.0.2.51/24 stay on "
               "ens192",
               MAC1 ": 10.7.0.1/24 stays on lan7, over ens192");
  assert_bound ("ens192", MAC1);
  assert_null (find (LINK ("eth7")));
}

/* A drop-in takes back what the main file says. */
static void
test_networkd_reset (void **state)
{
  put (NETWORK, "[Match]\nName=ens192\nDriver=vmxnet3\n[Network]\n"
       "Address=10.0.2.50/24\n[Address]\nAddress=10.0.2.51/24\n");
  put (DROP_IN ("a.conf"), "[Match]\nDriver=\n[Network]\nAddress=\n"
       "Address=10.0.2.52/24\n");
  nic (MAC1, "10.0.2.52");
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.52/24 stays on ens192");
  assert_bound ("ens192", MAC1);
}

/* Of two files with one name that in /etc is read; one that is empty, or
 * nothing that can be read, takes away the other.
 */
static void
test_networkd_hidden (void **state)
{
  put (USR_NETWORK, "[Match]\nName=ens192\n[Network]\n"
       "Address=10.0.9.1/24\n");
  put (NETWORK, "[Match]\nName=ens192\n[Network]\nAddress=10.0.2.50/24\n");
  put (USR_DROP_IN ("a.conf"), "[Network]\nAddress=10.0.9.2/24\n");
  put (DROP_IN ("a.conf"), "[Network]\nAddress=10.0.2.51/24\n");
  put (USR_DROP_IN ("b.conf"), "[Network]\nAddress=10.0.9.3/24\n");
  put (DROP_IN ("b.conf"), "");
  put (USR_DROP_IN ("c.conf"), "[Network]\nAddress=10.0.2.52/24\n");
  put ("/usr/local/lib/systemd/network/x.network",
       "[Match]\nName=ens224\n[Network]\nAddress=10.0.9.4/24\n");
  put ("/etc/systemd/network/x.network", "");
  put ("/etc/systemd/network/x.network.d/x.conf",
       "[Network]\nAddress=10.0.9.5/24\n");
  put ("/lib/systemd/network/y.network",
       "[Match]\nName=ens224\n[Network]\nAddress=10.0.9.6/24\n");
  /* A folder stands for all that is no file. */
  put ("/etc/systemd/network/y.network/x", "");
  put ("/usr/lib/systemd/network/z.network.d/x.conf",
       "[Match]\nName=ens224\n[Network]\nAddress=10.0.9.7/24\n");
  nic (MAC1, "10.0.2.50");
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24, 10.0.2.51/24, 10.0.2.52/24 stay on "
               "ens192");
}

/* All parts that ask for what changes are changed, each in /etc. */
static void
test_networkd_rebind_parts (void **state)
{
  static const char main_text[] =
    "[Match]\nDriver=vmxnet3\n[Network]\nAddress=10.0.2.50/24\n";

  put (USR_NETWORK, main_text);
  put (USR_DROP_IN ("a.conf"), "[Match]\nPath=pci-0000:0b:*\n");
  put (USR_DROP_IN ("b.conf"), "[Network]\nDHCP=no\n");
  put (DROP_IN ("c.conf"), "# mine\n[Match]\nName=ens1*\nType=ether\n"
       "[Network]\nDNS=10.0.2.3\n");
  nic (MAC1, "10.0.2.50");
  nic (MAC2, NULL);
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays: " NETWORK
               " now goes by the MAC address");
  assert_file (USR_NETWORK, main_text);
  assert_file (NETWORK, "# Written by nbdlift: " USR_NETWORK ", for the "
               "network card with its MAC address.\n"
               "[Match]\nMACAddress=" MAC1 "\n[Network]\n"
               "Address=10.0.2.50/24\n");
  assert_file (USR_DROP_IN ("a.conf"), "[Match]\nPath=pci-0000:0b:*\n");
  assert_file (DROP_IN ("a.conf"), "# Written by nbdlift: "
               USR_DROP_IN ("a.conf") ", for the network card with its MAC "
               "address.\n[Match]\n");
  assert_null (find (DROP_IN ("b.conf")));
  assert_file (DROP_IN ("c.conf"), "# mine\n[Match]\nType=ether\n"
               "[Network]\nDNS=10.0.2.3\n");
  assert_int_equal (nr_writes, 3);

  preserve ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays: " NETWORK
               " does not go by the name");
  assert_int_equal (nr_writes, 3);
}

/* [Match] is in the drop-in only, and asks for VMware. */
static void
test_networkd_virtualization (void **state)
{
  put (NETWORK, "[Network]\nAddress=10.0.2.50/24\n");
  put (DROP_IN ("a.conf"), "[Match]\nVirtualization=vmware\n");
  nic (MAC1, "10.0.2.50");
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays: " NETWORK " now goes by");
  assert_file (NETWORK, "[Network]\nAddress=10.0.2.50/24\n"
               "\n[Match]\nMACAddress=" MAC1 "\n");
  assert_file (DROP_IN ("a.conf"), "[Match]\n");
}

/* What systemd's own units say is of no NIC. */
static void
test_networkd_vendor (void **state)
{
  static const char *const matches[] = {
    "Kind=veth\nName=ve-*\nDriver=veth", "Name=vt-*\nDriver=tun",
    "Virtualization=container\nName=host0", "Type=wlan\nName=*",
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (matches); i++) {
    char *text, *path;

    assert_true (asprintf (&path, "/usr/lib/systemd/network/80-%zu.network",
                           i) > 0);
    assert_true (asprintf (&text, "[Match]\n%s\n[Network]\nAddress=%s\n",
                           matches[i], i == 1 ? "0.0.0.0/28\nAddress=::/64"
                           : "10.9.9.9/24") > 0);
    put (path, text);
    free (path);
    free (text);
  }
  nic (MAC1, NULL);
  preserve ();
  assert_nothing_kept ();
  assert_nothing_lost ();
  assert_int_equal (nr_writes, 0);
}

/* The second file is of no effect. */
static void
test_networkd_first_match (void **state)
{
  put ("/usr/lib/systemd/network/10-lan.network",
       "[Match]\nName=ens192\n[Network]\nAddress=10.0.2.50/24\n");
  put (NETWORK, "[Match]\nName=ens192\n[Network]\nAddress=10.0.2.51/24\n");
  nic (MAC1, "10.0.2.50");
  nic (MAC2, "10.0.2.51");
  preserve ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays on ens192");
  assert_lost (MAC2 ": 10.0.2.51/24: no file of the guest");
  assert_bound ("ens192", MAC1);
}

/* A link is a rule of the guest only with all that its drop-ins say. */
static void
test_link_drop_ins (void **state)
{
  put (INTERFACES, STATIC ("lan0", "10.0.2.50/24")
       STATIC ("lan1", "10.0.3.50/24"));
  put ("/etc/systemd/network/05-a.link",
       "[Match]\nMACAddress=" MAC1 "\n[Link]\n");
  put ("/etc/systemd/network/05-a.link.d/name.conf", "[Link]\nName=lan0\n");
  put ("/usr/lib/systemd/network/05-b.link",
       "[Match]\nMACAddress=" MAC2 "\n[Link]\nName=lan1\n");
  put ("/etc/systemd/network/05-b.link.d/driver.conf",
       "[Match]\nDriver=vmxnet3\n");
  nic (MAC1, NULL);
  nic (MAC2, "10.0.3.50");
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays on lan0",
               MAC2 ": 10.0.3.50/24 stays on lan1");
  assert_bound ("lan1", MAC2);
  assert_null (find (LINK ("lan0")));
}

#define KEYFILE "/etc/NetworkManager/system-connections/lan.nmconnection"

static void
test_manager (void **state)
{
  put (KEYFILE, "[connection]\nid=lan\nuuid=1-2\ntype=ethernet\n"
       "interface-name=ens192\n\n[ipv4]\nmethod=manual\n"
       "address1=10.0.2.50/24,10.0.2.2\naddress2=10.0.2.51/24\n"
       "dns=10.0.2.3;\n[ipv6]\naddress1=fd00::50/64\n"
       "method=manual\naddr-gen-mode=0\n");
  put ("/etc/NetworkManager/system-connections/old",
       "[connection]\ntype=802-3-ethernet\n[802-3-ethernet]\n"
       "mac-address=00:50:56:AA:BB:02\n"
       "[ipv4]\naddresses1=10.0.7.1;24;0.0.0.0;\n");
  nic (MAC1, "10.0.2.50");
  nic (MAC2, NULL);
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24, 10.0.2.51/24, fd00::50/64 stay on "
               "ens192",
               MAC2 ": 10.0.7.1/24 stays");
  assert_bound ("ens192", MAC1);
}

static void
test_manager_match (void **state)
{
  put (KEYFILE, "[connection]\nid=lan\ntype=ethernet\n[match]\n"
       "driver=vmxnet3;\npath=pci-0000:0b:00.0\n[ipv4]\nmethod=manual\n"
       "address1=10.0.2.50/24\n");
  nic (MAC1, "10.0.2.50");
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays");
  assert_file (KEYFILE, "[connection]\nid=lan\ntype=ethernet\n[match]\n"
               "[ipv4]\nmethod=manual\naddress1=10.0.2.50/24\n"
               "\n[ethernet]\nmac-address=" MAC1 "\n");
}

/* A VLAN, whose NIC is named by the UUID of its connection. */
static void
test_manager_vlan (void **state)
{
  put (KEYFILE, "[connection]\nid=base\nuuid=aaaa-bbbb\ntype=ethernet\n"
       "interface-name=ens192\n[ipv4]\nmethod=disabled\n");
  put ("/etc/NetworkManager/system-connections/vlan.nmconnection",
       "[connection]\ntype=vlan\ninterface-name=lan7\n[vlan]\nid=7\n"
       "parent=aaaa-bbbb\n[ipv4]\naddress1=10.7.0.1/24\n");
  nic (MAC1, NULL);
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.7.0.1/24 stays on lan7, over ens192");
  assert_bound ("ens192", MAC1);
  assert_null (find (LINK ("lan7")));
}

#define IFCFG "/etc/sysconfig/network-scripts/ifcfg-"

static void
test_ifcfg (void **state)
{
  put (IFCFG "lo", "DEVICE=lo\nIPADDR=127.0.0.1\n");
  put (IFCFG "ens192", "TYPE=Ethernet\nBOOTPROTO=none\nNAME=ens192\n"
       "DEVICE=\"ens192\"\nIPADDR=10.0.2.50\nPREFIX=24\n"
       "IPADDR1='10.0.2.51' # two\nNETMASK1=255.255.255.128\n"
       "GATEWAY=10.0.2.2\nIPV6ADDR=fd00::50/64\n"
       "IPV6ADDR_SECONDARIES=\"fd00::51/64 fd00::52/64\"\n");
  put (IFCFG "ens224.100", "DEVICE=ens224.100\nVLAN=yes\n"
       "IPADDR=10.0.9.9\nPREFIX=24\n");
  put (IFCFG "ens224", "DEVICE=ens224\nHWADDR=00:50:56:AA:BB:02\n"
       "BOOTPROTO=none\n");
  put (IFCFG "ens256", "DEVICE=ens256\nBOOTPROTO=dhcp\n");
  put (IFCFG "ens192.rpmsave", "DEVICE=ens1\nIPADDR=10.0.2.50\n");
  nic (MAC1, "10.0.2.51");
  nic (MAC2, NULL);
  nic ("00:50:56:aa:bb:03", NULL);
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24, 10.0.2.51/25, fd00::50/64, "
               "fd00::51/64, fd00::52/64 stay on ens192",
               MAC2 ": 10.0.9.9/24 stays on ens224.100, over ens224");
  assert_bound ("ens192", MAC1);
  assert_bound ("ens224", MAC2);
  assert_null (find (LINK ("ens256")));
}

static void
test_suse (void **state)
{
  put ("/etc/sysconfig/network/ifcfg-eth0", "STARTMODE='auto'\n"
       "BOOTPROTO='static'\nIPADDR='10.0.2.50/24'\nIPADDR_1='fd00::50/64'\n");
  put ("/etc/sysconfig/network/ifcfg-br0", "BRIDGE='yes'\n"
       "BRIDGE_PORTS='eth1'\nIPADDR='10.0.3.50/24'\n");
  put ("/etc/sysconfig/network/ifcfg-eth1", "BOOTPROTO='none'\n");
  nic (MAC1, "10.0.2.50");
  nic (MAC2, "10.0.3.50");
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC2 ": 10.0.3.50/24 stays on br0, over eth1",
               MAC1 ": 10.0.2.50/24, fd00::50/64 stay on eth0");
  assert_bound ("eth0", MAC1);
  assert_bound ("eth1", MAC2);
}

#define NETPLAN "/etc/netplan/00-installer.yaml"

static void
test_netplan (void **state)
{
  put (NETPLAN, "network:\n  version: 2\n  ethernets:\n    ens192:\n"
       "      addresses: [10.0.2.50/24, \"fd00::50/64\"]\n"
       "      routes: [{to: default, via: 10.0.2.2}]\n"
       "    ens224:\n      dhcp4: true\n"
       "    ens256: {}\n"
       "  vlans:\n    vlan7: {id: 7, link: ens256,\n"
       "            addresses: [10.7.0.1/24: {label: x}]}\n");
  nic (MAC1, "10.0.2.50");
  nic (MAC2, "10.7.0.1");
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24, fd00::50/64 stay on ens192",
               MAC2 ": 10.7.0.1/24 stays on vlan7, over ens256");
  assert_bound ("ens192", MAC1);
  assert_bound ("ens256", MAC2);
  assert_null (find (LINK ("ens224")));
}

static void
test_netplan_match (void **state)
{
  put (NETPLAN, "network:\n  ethernets:\n    lan:  # the first\n"
       "      match:\n        # was: e1000\n        driver: vmxnet3\n\n"
       "        name: \"ens*\"\n      set-name: lan0\n"
       "      addresses:\n      - 10.0.2.50/24\n"
       "    dmz: {match: {driver: [a, b]}, addresses: [10.0.3.50/24]}\n"
       "    third:\n      match: {driver: vmxnet3} # flow\n"
       "      addresses: [10.0.4.50/24]\n");
  nic (MAC1, "10.0.2.50");
  nic (MAC2, "10.0.3.50");
  nic ("00:50:56:aa:bb:03", "10.0.4.50");
  preserve ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays: " NETPLAN " now goes by the MAC",
               "00:50:56:aa:bb:03: 10.0.4.50/24 stays: " NETPLAN);
  assert_lost (MAC2 ": 10.0.3.50/24 (" NETPLAN "): the file says which NIC "
               "it is for in a way that cannot be changed here");
  assert_file (NETPLAN, "network:\n  ethernets:\n    lan:  # the first\n"
               "      match:\n        macaddress: \"" MAC1 "\"\n"
               "      set-name: lan0\n"
               "      addresses:\n      - 10.0.2.50/24\n"
               "    dmz: {match: {driver: [a, b]}, "
               "addresses: [10.0.3.50/24]}\n"
               "    third:\n      match:\n"
               "        macaddress: \"00:50:56:aa:bb:03\"\n"
               "      addresses: [10.0.4.50/24]\n");
}

/* Addresses in a drop-in of the unit that netplan makes. */
static void
test_netplan_drop_in (void **state)
{
  put (NETPLAN, "network:\n  ethernets:\n    ens192: {dhcp4: false}\n"
       "    lan:\n      match: {macaddress: '" MAC2 "'}\n"
       "    a/b:\n      match: {driver: x}\n");
  put ("/etc/systemd/network/10-netplan-ens192.network.d/a.conf",
       "[Network]\nAddress=10.0.2.50/24\n");
  put ("/etc/systemd/network/10-netplan-lan.network.d/a.conf",
       "[Network]\nAddress=10.0.3.50/24\n");
  put ("/etc/systemd/network/b.network.d/a.conf",
       "[Network]\nAddress=10.0.9.50/24\n");
  nic (MAC1, "10.0.2.50");
  nic (MAC2, NULL);
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays on ens192",
               MAC2 ": 10.0.3.50/24 stays");
  assert_bound ("ens192", MAC1);
}

/* cloud-init would configure DHCP on what it takes for a new machine. */
static void
test_cloud_init (void **state)
{
  put ("/etc/netplan/50-cloud-init.yaml", "network:\n  ethernets:\n"
       "    ens192:\n      match: {macaddress: '" MAC1 "'}\n"
       "      set-name: ens192\n      addresses: [10.0.2.50/24]\n");
  put ("/etc/cloud/cloud.cfg", "datasource_list: [None]\n");
  nic (MAC1, "10.0.2.50");
  preserve ();
  assert_nothing_lost ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays");
  assert_null (find (RULES));
  assert_non_null (strstr (*find ("/etc/cloud/cloud.cfg.d/"
                                  "99-nbdlift-network.cfg"),
                           "\nnetwork: {config: disabled}\n"));
}

/* Two configurations, of which one must be out of date. */
static void
test_conflict (void **state)
{
  put (INTERFACES, STATIC ("eth0", "10.0.2.50/24"));
  put (NETWORK, "[Match]\nName=ens192\n[Network]\nAddress=10.0.2.50/24\n");
  nic (MAC1, "10.0.2.50");
  preserve ();
  assert_nothing_kept ();
  assert_lost (MAC1 ": 10.0.2.50/24 (/etc/network/interfaces): two "
               "interfaces of the guest claim this NIC",
               MAC1 ": 10.0.2.50/24 (" NETWORK "): two interfaces");
  assert_int_equal (nr_writes, 0);
}

/* Two NICs with the same address tell nothing. */
static void
test_same_address_twice (void **state)
{
  put (INTERFACES, STATIC ("ens192", "10.0.2.50/24"));
  nic (MAC1, "10.0.2.50");
  nic (MAC2, "10.0.2.50");
  preserve ();
  assert_nothing_kept ();
  assert_lost ("10.0.2.50/24 (" INTERFACES "): it is not known");
}

/* Without systemd there is no use for .link files. */
static void
test_no_systemd (void **state)
{
  free (files[0].path);
  files[0].path = strdup ("/other");
  put (INTERFACES, STATIC ("eth0", "10.0.2.50/24"));
  nic (MAC1, "10.0.2.50");
  preserve ();
  assert_kept (MAC1 ": 10.0.2.50/24 stays on eth0");
  assert_non_null (find (RULES));
  assert_null (find (LINK ("eth0")));
}

static void
test_hostile (void **state)
{
  static const char *const texts[] = {
    "", "\n\n", "[", "[Match", "[Match]\nName", "[Match]\nName=\n",
    "[Match]\nName=../../etc/passwd\n[Network]\nAddress=10.0.2.50/24\n",
    "[Match]\nName=a b\n[Network]\nAddress=10.0.2.50/24\n",
    "[Match]\nName=$(reboot)\n[Network]\nAddress=10.0.2.50/24\n",
    "[Match]\nName=a\"b\n[Network]\nAddress=10.0.2.50/24\n",
    "iface", "iface x", "iface x inet", "iface x inet static\naddress",
    "iface x inet static\naddress \naddress 1.2.3.4.5\n netmask 1.2.3.4",
    "iface a/../b inet static\naddress 10.0.2.50/24\nbridge_ports",
    "source\nsource-directory\nsource *\nsource /*/x\nsource a\\\n",
    "source " INTERFACES "\nsource-directory /etc/network\n",
    "address 10.0.2.50\nbond-master x\n\\\n\\\n",
    "DEVICE=\nIPADDR=\"\nHWADDR='\n", "IPADDR=10.0.2.50\nDEVICE='../x'\n",
    "network", "network:\n  ethernets: [1]\n",
    "network:\n  ethernets:\n    ../../x: {addresses: [10.0.2.50/24]}\n",
    "network: {ethernets: {x: {addresses: {a: b}, match: 7}}}\n",
    "network: &a {ethernets: *a}\n", "\t: [", "- {", "network: 'x",
    ("network: {bonds: {a: {interfaces: [b], addresses: [1.2.3.4/24]}, "
     "b: {interfaces: [a], addresses: [1.2.3.5/24]}}}\n"),
    "NAME=\"", "ATTR{address}==\"00:50:56:aa:bb:01\", NAME=\"../x\"\n",
    "ATTR{address}==\"\", NAME=\"\"\n",
  };
  static const char *const places[] = {
    INTERFACES, NETWORK, KEYFILE, IFCFG "x", NETPLAN,
    "/etc/sysconfig/network/ifcfg-", "/etc/systemd/network/x.netdev",
    "/etc/udev/rules.d/70-persistent-net.rules",
    "/etc/systemd/network/x.link", DROP_IN ("x.conf"),
    USR_DROP_IN ("x.conf"), USR_NETWORK, "/etc/network/interfaces.d/x",
  };
  size_t i, k;

  for (i = 0; i < ARRAY_SIZE (texts); i++)
    for (k = 0; k < ARRAY_SIZE (places); k++) {
      teardown (NULL);
      setup (NULL);
      if (strstr (places[k], ".d/x.conf"))
        put (USR_NETWORK, "[Match]\n");
      put (places[k], texts[i]);
      nic (MAC1, "10.0.2.50");
      preserve ();
      if (find (RULES))
        fail_msg ("%s in %s gave a name", texts[i], places[k]);
    }
}

static void
test_huge (void **state)
{
  char *text = malloc (GUEST_MAX_FILE + 2);

  assert_non_null (text);
  memset (text, '#', GUEST_MAX_FILE + 1);
  text[GUEST_MAX_FILE + 1] = '\0';
  put (NETPLAN, text);
  put ("/etc/netplan/b.yaml", "a: [");
  put (NETWORK, "[Match]\nName=ens192\n");
  put (DROP_IN ("a.conf"), text);
  text[GUEST_MAX_FILE] = '\0';
  put (USR_DROP_IN ("b.conf"), text);
  free (text);
  preserve ();
  assert_nothing_kept ();
  assert_lost (DROP_IN ("a.conf") " in the guest is too large to be read",
               USR_DROP_IN ("b.conf") " in the guest is too large",
               NETPLAN " in the guest is too large to be read",
               "/etc/netplan/b.yaml in the guest is no YAML");
}

#define TEST(name) \
  cmocka_unit_test_setup_teardown (test_##name, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (ifupdown), TEST (twice), TEST (no_report),
    TEST (no_report_two_nics), TEST (old_rules),
    TEST (dhcp_is_left_alone), TEST (unknown_address), TEST (networkd_name),
    TEST (networkd_driver), TEST (networkd_mac), TEST (networkd_stacked),
    TEST (networkd_drop_ins), TEST (networkd_reset), TEST (networkd_hidden),
    TEST (networkd_rebind_parts), TEST (networkd_virtualization),
    TEST (networkd_vendor), TEST (networkd_first_match), TEST (link_drop_ins),
    TEST (netplan_drop_in),
    TEST (manager), TEST (manager_match), TEST (manager_vlan), TEST (ifcfg),
    TEST (suse), TEST (netplan), TEST (netplan_match), TEST (cloud_init),
    TEST (conflict), TEST (same_address_twice), TEST (no_systemd),
    TEST (hostile), TEST (huge),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
