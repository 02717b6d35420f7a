/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The OVA source (common/source.h), for the driver's table.
 */
#ifndef NBDLIFT_OVA_SOURCE_H
#define NBDLIFT_OVA_SOURCE_H

#include "common/source.h"

extern const struct source_ops source_ova;

#endif /* NBDLIFT_OVA_SOURCE_H */
