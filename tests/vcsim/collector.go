// SPDX-License-Identifier: BSD-3-Clause

package main

type pages struct{}
