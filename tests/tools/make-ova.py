#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Make an OVA, or a folder with an OVF, from raw disks.

usage: make-ova.py [options] OUT [DISK.raw ...]

OUT is a tar if it ends in .ova, else a folder.  What is made depends on
the arguments alone: no clock, no random numbers.  The layout follows what
vSphere, VirtualBox and the OVF 2.0 standard write; disk images come from
make-vmdk.py beside this file (VMDK) or qemu-img (others).
"""

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid
from xml.sax.saxutils import escape, quoteattr

HERE = os.path.dirname(os.path.realpath(__file__))
CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"
VMDK_URI = ("http://www.vmware.com/interfaces/specifications/"
            "vmdk.html#streamOptimized")

# --format: qemu-img format, its options, file name's end, format URI.
QEMU_FORMATS = {
    "qcow2": ("qcow2", "", ".qcow2",
              "http://www.gnome.org/~markmc/qcow-image-format.html"),
    "vhd": ("vpc", "subformat=dynamic,force_size=on", ".vhd",
            "http://www.microsoft.com/specifications/vhd"),
    "vhdx": ("vhdx", "", ".vhdx",
             "http://www.microsoft.com/specifications/vhdx"),
    "vdi": ("vdi", "", ".vdi", "http://www.virtualbox.org/vdi.html#vdi"),
}
VMDK_FORMATS = ("stream", "stream-front", "sparse", "flat", "vmfs",
                "two-gb-sparse", "two-gb-flat")

# --controller: ResourceType, ResourceSubType.
CONTROLLERS = {
    "pvscsi": (6, "VirtualSCSI"), "lsilogic": (6, "lsilogic"),
    "lsilogicsas": (6, "lsilogicsas"), "buslogic": (6, "buslogic"),
    "ide": (5, ""), "sata": (20, "vmware.sata.ahci"),
    "nvme": (20, "vmware.nvme.controller"),
}


def parse_args():
    p = argparse.ArgumentParser(
        usage="make-ova.py [options] OUT [DISK.raw ...]")
    p.add_argument("out")
    p.add_argument("disks", nargs="*")
    p.add_argument("--name", help="of the VM (default: from OUT)")
    p.add_argument("--format", default="stream", metavar="F[,F...]",
                   help="of each disk, the last for all that follow: raw, "
                   + ", ".join(VMDK_FORMATS + tuple(QEMU_FORMATS)))
    p.add_argument("--vmdk-option", action="append", default=[],
                   metavar="OPTION", help="hand on to make-vmdk.py, as in "
                   "--vmdk-option=--damage=grain-lba")
    p.add_argument("--layout", default="vmware",
                   choices=("vmware", "virtualbox", "ovf2"))
    p.add_argument("--tar", default="ustar",
                   choices=("ustar", "gnu", "pax"))
    p.add_argument("--order", default="ovf,mf,disks",
                   help="of the tar's members (default ovf,mf,disks)")
    p.add_argument("--prefix", default="",
                   help="folder inside the package, for all its files")
    p.add_argument("--mf", default="sha256",
                   choices=("none", "sha1", "sha256", "sha512"))
    p.add_argument("--mf-style", default="openssl",
                   choices=("openssl", "spaced", "crlf"))
    p.add_argument("--gzip", action="store_true",
                   help="compress the disk images")
    p.add_argument("--chunk", type=int, default=0, metavar="BYTES",
                   help="split the disk images")
    p.add_argument("--systems", type=int, default=1,
                   help="number of VMs; disk I goes to VM I modulo it")
    p.add_argument("--attach", action="append", default=[],
                   metavar="VM:DISK", help="also give VM this disk, which it "
                   "shares with another; both count from 1")
    p.add_argument("--firmware", default="bios",
                   choices=("bios", "efi", "none"))
    p.add_argument("--secure-boot", action="store_true")
    p.add_argument("--tpm", action="store_true")
    p.add_argument("--cpus", type=int, default=2)
    p.add_argument("--cores", type=int, default=0, help="per socket")
    p.add_argument("--memory", type=int, default=1024, help="in MiB")
    p.add_argument("--controller", default="pvscsi", choices=CONTROLLERS)
    p.add_argument("--nic", action="append", default=[],
                   metavar="NETWORK[,MAC[,MODEL]]",
                   help="default: one in 'VM Network'; 'none': none")
    p.add_argument("--os", default="debian12_64Guest")
    p.add_argument("--empty", type=int, action="append", default=[],
                   metavar="BYTES", help="add an empty disk to the first VM")
    p.add_argument("--ovf", metavar="FILE",
                   help="use this descriptor instead of making one")
    p.add_argument("--ovf-name", help="of the descriptor in the package")
    a = p.parse_args()
    if a.name is None:
        a.name = os.path.basename(a.out.rstrip("/")).removesuffix(".ova")
    a.formats = a.format.split(",")
    for f in a.formats:
        if f not in VMDK_FORMATS + tuple(QEMU_FORMATS) + ("raw",):
            p.error("unknown format " + f)
    a.formats += [a.formats[-1]] * (len(a.disks) - len(a.formats))
    if not a.nic:
        a.nic = ["VM Network,00:50:56:aa:bb:01,VmxNet3"]
    elif a.nic == ["none"]:
        a.nic = []
    return a


class Disk:
    """One image: its files in the work folder, and facts for the OVF."""

    def __init__(self, a, work, index):
        raw = a.disks[index]
        fmt = a.formats[index]
        self.id = "vmdisk%d" % (index + 1)
        self.file_id = "file%d" % (index + 1)
        self.capacity = os.stat(raw).st_size
        self.populated = min(os.stat(raw).st_blocks * 512, self.capacity)
        self.uuid = uuid.uuid5(uuid.NAMESPACE_URL, a.name + self.id)
        stem = "%s-disk%d" % (a.name, index + 1)
        if fmt == "raw":
            self.href, self.uri = stem + ".img", ""
            copy_sparse(raw, os.path.join(work, self.href))
            self.files = [self.href]
        elif fmt in QEMU_FORMATS:
            qfmt, opts, end, self.uri = QEMU_FORMATS[fmt]
            self.href = stem + end
            run("qemu-img", "convert", "-q", "-f", "raw", "-O", qfmt,
                *(["-o", opts] if opts else []), raw,
                os.path.join(work, self.href))
            self.files = [self.href]
        else:
            self.uri, self.href = VMDK_URI, stem + ".vmdk"
            before = set(os.listdir(work))
            run(sys.executable, os.path.join(HERE, "make-vmdk.py"),
                "--type", fmt, *a.vmdk_option, raw,
                os.path.join(work, self.href))
            self.files = sorted(set(os.listdir(work)) - before)
            if fmt not in ("stream", "stream-front"):
                self.uri = self.uri.replace("streamOptimized", "sparse")
        self.compression = ""
        self.chunk = 0
        if a.gzip:
            self.pack(work)
        self.size = os.stat(os.path.join(work, self.href)).st_size
        if a.chunk:
            self.split(work, a.chunk)

    def pack(self, work):
        path = os.path.join(work, self.href)
        with open(path, "rb") as src, open(path + ".gz", "wb") as dst, \
                gzip.GzipFile("", "wb", 6, dst, mtime=0) as gz:
            shutil.copyfileobj(src, gz, 1 << 20)
        os.rename(path + ".gz", path)
        self.compression = "gzip"

    def split(self, work, size):
        path = os.path.join(work, self.href)
        self.chunk, self.files = size, []
        with open(path, "rb") as src:
            while True:
                data = src.read(size)
                if not data:
                    break
                name = "%s.%09d" % (self.href, len(self.files))
                with open(os.path.join(work, name), "wb") as dst:
                    dst.write(data)
                self.files.append(name)
        os.unlink(path)


def run(*argv):
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def copy_sparse(src, dst):
    run("cp", "--sparse=always", "--", src, dst)


def capacity_of(size):
    for shift, units in ((30, "byte * 2^30"), (20, "byte * 2^20")):
        if size and size % (1 << shift) == 0:
            return size >> shift, units
    return size, ""


class Ovf:
    """The descriptor's text.  P is the prefix of ovf attributes."""

    def __init__(self, a, disks):
        self.a, self.disks, self.lines = a, disks, []
        self.version = 2 if a.layout == "ovf2" else 1
        self.vbox = a.layout == "virtualbox"

    def add(self, depth, text):
        self.lines.append("  " * depth + text)

    def text(self):
        ns = "http://schemas.dmtf.org/ovf/envelope/%d" % self.version
        end = ".xsd" if self.version == 2 else ""
        attrs = [("xmlns", ns), ("xmlns:ovf", ns),
                 ("xmlns:rasd", CIM + "ResourceAllocationSettingData" + end),
                 ("xmlns:vssd", CIM + "VirtualSystemSettingData" + end)]
        if self.version == 2:
            attrs += [
                ("xmlns:epasd",
                 CIM + "EthernetPortAllocationSettingData.xsd"),
                ("xmlns:sasd", CIM + "StorageAllocationSettingData.xsd")]
        if self.vbox:
            attrs += [("xmlns:vbox", "http://www.virtualbox.org/ovf/machine")]
        else:
            attrs += [("xmlns:vmw", "http://www.vmware.com/schema/ovf")]
        self.add(0, '<?xml version="1.0" encoding="UTF-8"?>')
        self.add(0, "<Envelope " + " ".join(
            "%s=%s" % (k, quoteattr(v)) for k, v in attrs) + ">")
        self.references()
        self.disk_section()
        self.network_section()
        if self.a.systems == 1:
            self.system(1, 0)
        else:
            self.add(1, '<VirtualSystemCollection ovf:id=%s>'
                     % quoteattr(self.a.name))
            self.add(2, "<Info>A collection of virtual machines</Info>")
            for i in range(self.a.systems):
                self.system(2, i)
            self.add(1, "</VirtualSystemCollection>")
        self.add(0, "</Envelope>")
        return "\n".join(self.lines) + "\n"

    def references(self):
        self.add(1, "<References>")
        for d in self.disks:
            self.add(2, "<File ovf:href=%s ovf:id=%s ovf:size=%s%s%s/>" % (
                quoteattr(d.href), quoteattr(d.file_id),
                quoteattr(str(d.size)),
                ' ovf:compression="gzip"' if d.compression else "",
                ' ovf:chunkSize="%d"' % d.chunk if d.chunk else ""))
        self.add(1, "</References>")

    def disk_section(self):
        self.add(1, "<DiskSection>")
        self.add(2, "<Info>Virtual disk information</Info>")
        for d in self.disks:
            n, units = capacity_of(d.capacity)
            self.add(2, "<Disk ovf:capacity=\"%d\"%s ovf:diskId=%s "
                     "ovf:fileRef=%s%s ovf:populatedSize=\"%d\"%s/>" % (
                         n, " ovf:capacityAllocationUnits=" + quoteattr(units)
                         if units else "", quoteattr(d.id),
                         quoteattr(d.file_id),
                         " ovf:format=" + quoteattr(d.uri) if d.uri else "",
                         d.populated,
                         ' vbox:uuid="%s"' % d.uuid if self.vbox else ""))
        for i, size in enumerate(self.a.empty):
            self.add(2, "<Disk ovf:capacity=\"%d\" ovf:diskId=\"empty%d\" "
                     "ovf:format=%s/>" % (size, i + 1, quoteattr(VMDK_URI)))
        self.add(1, "</DiskSection>")

    def networks(self):
        return list(dict.fromkeys(n.split(",")[0] for n in self.a.nic))

    def network_section(self):
        self.add(1, "<NetworkSection>")
        self.add(2, "<Info>The list of logical networks</Info>")
        for n in self.networks():
            self.add(2, "<Network ovf:name=%s>" % quoteattr(n))
            self.add(3, "<Description>The %s network</Description>"
                     % escape(n))
            self.add(2, "</Network>")
        self.add(1, "</NetworkSection>")

    def item(self, depth, fields, element="Item", ns="rasd", extra=()):
        """FIELDS in alphabetical order, as the standard wants it."""
        self.add(depth, "<%s>" % element)
        for k in sorted(fields):
            if fields[k] != "":
                self.add(depth + 1, "<%s:%s>%s</%s:%s>" % (
                    ns, k, escape(str(fields[k])), ns, k))
        for line in extra:
            self.add(depth + 1, line)
        self.add(depth, "</%s>" % element)

    def system(self, depth, index):
        a = self.a
        name = a.name if a.systems == 1 else "%s-%d" % (a.name, index + 1)
        sid = "vm" if a.layout == "vmware" and a.systems == 1 else name
        self.add(depth, "<VirtualSystem ovf:id=%s>" % quoteattr(sid))
        self.add(depth + 1, "<Info>A virtual machine</Info>")
        if not self.vbox:
            self.add(depth + 1, "<Name>%s</Name>" % escape(name))
        self.add(depth + 1, '<OperatingSystemSection ovf:id="96"%s>' % (
            "" if self.vbox else " vmw:osType=" + quoteattr(a.os)))
        self.add(depth + 2, "<Info>The kind of installed guest operating "
                 "system</Info>")
        self.add(depth + 2, "<Description>Debian GNU/Linux 12 (64-bit)"
                 "</Description>")
        if self.vbox:
            self.add(depth + 2, '<vbox:OSType ovf:required="false">'
                     'Debian_64</vbox:OSType>')
        self.add(depth + 1, "</OperatingSystemSection>")
        self.hardware(depth + 1, index, name)
        if self.vbox:
            self.machine(depth + 1, index, name)
        self.add(depth, "</VirtualSystem>")

    def hardware(self, depth, index, name):
        a = self.a
        self.add(depth, "<VirtualHardwareSection>")
        self.add(depth + 1, "<Info>Virtual hardware requirements</Info>")
        self.add(depth + 1, "<System>")
        for k, v in (("ElementName", "Virtual Hardware Family"),
                     ("InstanceID", 0), ("VirtualSystemIdentifier", name),
                     ("VirtualSystemType", "virtualbox-2.2" if self.vbox
                      else "vmx-19")):
            self.add(depth + 2, "<vssd:%s>%s</vssd:%s>"
                     % (k, escape(str(v)), k))
        self.add(depth + 1, "</System>")
        d = depth + 1
        self.item(d, {
            "AllocationUnits": "hertz * 10^6", "ElementName":
            "%d virtual CPU(s)" % a.cpus, "InstanceID": 1,
            "Description": "Number of Virtual CPUs", "ResourceType": 3,
            "VirtualQuantity": a.cpus}, extra=[
                '<vmw:CoresPerSocket ovf:required="false">%d'
                "</vmw:CoresPerSocket>" % a.cores]
                if a.cores and not self.vbox else [])
        self.item(d, {
            "AllocationUnits": "MegaBytes" if self.vbox else "byte * 2^20",
            "ElementName": "%dMB of memory" % a.memory, "InstanceID": 2,
            "Description": "Memory Size", "ResourceType": 4,
            "VirtualQuantity": a.memory})
        ctype, subtype = CONTROLLERS[a.controller]
        if self.vbox:
            ctype, subtype = 20, "AHCI"
        self.item(d, {
            "Address": 0, "ElementName": "Controller 0", "InstanceID": 3,
            "ResourceSubType": subtype, "ResourceType": ctype})
        self.item(d, {
            "Address": 0, "ElementName": "VirtualIDEController 0",
            "InstanceID": 5, "ResourceType": 5}
            if (ctype, a.layout) != (5, "vmware") else {
            "ElementName": "Video card", "InstanceID": 5,
            "ResourceType": 24})
        self.drives(d, index)
        self.nics(d)
        if a.tpm and not self.vbox:
            self.item(d, {
                "AutomaticAllocation": "false", "ElementName": "Virtual TPM",
                "InstanceID": 90, "ResourceSubType": "vmware.vtpm",
                "ResourceType": 1})
        if not self.vbox:
            if a.firmware != "none":
                self.config(d, "firmware", a.firmware)
            self.config(d, "bootOptions.efiSecureBootEnabled",
                        str(a.secure_boot).lower())
            self.config(d, "cpuHotAddEnabled", "false")
            self.config(d, "tools.syncTimeWithHost", "false")
        self.add(depth, "</VirtualHardwareSection>")

    def config(self, depth, key, value):
        self.add(depth, '<vmw:Config ovf:required="false" vmw:key=%s '
                 'vmw:value=%s/>' % (quoteattr(key), quoteattr(value)))

    def ids_of(self, index):
        ids = [d.id for i, d in enumerate(self.disks)
               if i % self.a.systems == index]
        ids += ["vmdisk" + a.partition(":")[2] for a in self.a.attach
                if a.partition(":")[0] == str(index + 1)]
        if index == 0:
            ids += ["empty%d" % (i + 1) for i in range(len(self.a.empty))]
        return ids

    def drives(self, depth, index):
        element, ns = (("StorageItem", "sasd") if self.version == 2
                       else ("Item", "rasd"))
        for unit, disk_id in enumerate(self.ids_of(index)):
            self.item(depth, {
                "AddressOnParent": unit, "ElementName":
                "Hard Disk %d" % (unit + 1), "InstanceID": 10 + unit,
                "HostResource": ("/disk/" if self.vbox else "ovf:/disk/")
                + disk_id, "Parent": 3, "ResourceType": 17}, element, ns)

    def nics(self, depth):
        element, ns = (("EthernetPortItem", "epasd") if self.version == 2
                       else ("Item", "rasd"))
        for i, nic in enumerate(self.a.nic):
            network, mac, model = (nic.split(",") + ["", ""])[:3]
            self.item(depth, {
                "Address": "" if self.vbox else mac, "AddressOnParent": 7 + i,
                "AutomaticAllocation": "true", "Connection": network,
                "ElementName": "Network adapter %d" % (i + 1),
                "InstanceID": 60 + i, "ResourceSubType": model or "VmxNet3",
                "ResourceType": 10}, element, ns)

    def machine(self, depth, index, name):
        """VirtualBox's own description of the machine."""
        a = self.a
        self.add(depth, '<vbox:Machine ovf:required="false" '
                 'version="1.19-linux" uuid="{%s}" name=%s '
                 'OSType="Debian_64">' % (
                     uuid.uuid5(uuid.NAMESPACE_URL, "vm" + name),
                     quoteattr(name)))
        self.add(depth + 1, "<ovf:Info>Complete VirtualBox machine "
                 "configuration</ovf:Info>")
        self.add(depth + 1, "<Hardware>")
        if a.firmware == "efi":
            self.add(depth + 2, '<Firmware type="EFI">')
            if a.secure_boot:
                self.add(depth + 3, '<SecureBoot enabled="true"/>')
            self.add(depth + 2, "</Firmware>")
        if a.tpm:
            self.add(depth + 2, '<TrustedPlatformModule type="v2_0" '
                     'location=""/>')
        self.add(depth + 2, "<Network>")
        for i, nic in enumerate(a.nic):
            mac = (nic.split(",") + [""])[1].replace(":", "").upper()
            self.add(depth + 3, '<Adapter slot="%d" enabled="true" '
                     'MACAddress="%s" type="82540EM"><NAT/></Adapter>'
                     % (i, mac))
        self.add(depth + 2, "</Network>")
        self.add(depth + 1, "</Hardware>")
        self.add(depth + 1, "<StorageControllers>")
        self.add(depth + 2, '<StorageController name="SATA" type="AHCI" '
                 'PortCount="4" Bootable="true">')
        for i, d in enumerate(self.disks):
            if i % a.systems == index:
                self.add(depth + 3, '<AttachedDevice type="HardDisk" '
                         'port="%d" device="0"><Image uuid="{%s}"/>'
                         "</AttachedDevice>" % (i // a.systems, d.uuid))
        self.add(depth + 2, "</StorageController>")
        self.add(depth + 1, "</StorageControllers>")
        self.add(depth, "</vbox:Machine>")


def manifest(a, work, names):
    eol = "\r\n" if a.mf_style == "crlf" else "\n"
    form = "%s (%s) = %s" if a.mf_style == "spaced" else "%s(%s)= %s"
    out = []
    for name in names:
        h = hashlib.new(a.mf)
        with open(os.path.join(work, name), "rb") as f:
            for block in iter(lambda: f.read(1 << 20), b""):
                h.update(block)
        out.append(form % (a.mf.upper(), name, h.hexdigest()) + eol)
    return "".join(out)


def write_file(path, text):
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)


def write_tar(a, work, names):
    fmt = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT,
           "pax": tarfile.PAX_FORMAT}[a.tar]
    with tarfile.open(a.out, "w", format=fmt) as tar:
        for name in names:
            path = os.path.join(work, name)
            info = tarfile.TarInfo(a.prefix + name)
            info.size = os.stat(path).st_size
            info.mode, info.mtime = 0o644, 1600000000
            info.uid = info.gid = 64
            info.uname = info.gname = "someone"
            with open(path, "rb") as f:
                tar.addfile(info, f)


def write_folder(a, work, names):
    folder = os.path.join(a.out, a.prefix)
    os.makedirs(folder, exist_ok=True)
    for name in names:
        copy_sparse(os.path.join(work, name), os.path.join(folder, name))


def main():
    a = parse_args()
    if a.prefix and not a.prefix.endswith("/"):
        a.prefix += "/"
    parent = os.path.dirname(os.path.abspath(a.out))
    with tempfile.TemporaryDirectory(dir=parent, prefix=".make-ova") as work:
        disks = [Disk(a, work, i) for i in range(len(a.disks))]
        ovf = a.ovf_name or a.name + ".ovf"
        if a.ovf:
            shutil.copyfile(a.ovf, os.path.join(work, ovf))
        else:
            write_file(os.path.join(work, ovf), Ovf(a, disks).text())
        files = [f for d in disks for f in d.files]
        mf = os.path.splitext(ovf)[0] + ".mf"
        if a.mf != "none":
            write_file(os.path.join(work, mf),
                       manifest(a, work, [ovf] + files))
        parts = {"ovf": [ovf], "mf": [mf] if a.mf != "none" else [],
                 "disks": files}
        names = [n for part in a.order.split(",") for n in parts[part]]
        if a.out.endswith(".ova"):
            write_tar(a, work, names)
        else:
            write_folder(a, work, names)


if __name__ == "__main__":
    main()
