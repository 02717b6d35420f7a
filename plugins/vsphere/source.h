/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The vSphere source (common/source.h), for the driver's table.
 *
 * Parameters of the plugin that it uses (nbdkit-vsphere-plugin(1)):
 *
 *   url=https://HOST[:PORT][/sdk]   vCenter Server or ESXi host
 *   user=NAME  password=...         forms of nbdkit_read_password
 *   thumbprint=HEX                  SHA-1 or SHA-256 of the certificate
 *   cainfo=FILE                     PEM; read while the plugin is
 *                                   configured: it goes away afterwards
 *   sslverify=false                 no check of the certificate
 *   proxy=URL
 *   connections=N  timeout=SECONDS
 *   vm=moref=ID
 *   snapshot=moref=ID               the state of that snapshot
 *   esxi=HOST[:PORT]                read the files from this host, with
 *   esxi-user=NAME  esxi-password=...  esxi-thumbprint=HEX
 *   esxi-cainfo=FILE                and sslverify as above
 *   disk=NAME                       only this one, as the default export
 *
 * Export names are vm_disk.name.
 */
#ifndef NBDLIFT_VSPHERE_SOURCE_H
#define NBDLIFT_VSPHERE_SOURCE_H

#include "common/source.h"

extern const struct source_ops source_vsphere;

#endif /* NBDLIFT_VSPHERE_SOURCE_H */
