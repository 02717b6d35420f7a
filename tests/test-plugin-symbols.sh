#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A plugin shows only its entry point and its debug flags, so that nothing
# of it clashes with a library or with another plugin; and it asks nbdkit
# for nothing that 1.32, the oldest it is for, does not have.

source ./tests/functions.sh

requires nm --version
known=tests/data/nbdkit/plugin-symbols-1.32

for plugin in "$BUILD"/plugins/*.so; do
  defined=$(nm -D --defined-only "$plugin" | awk '{ print $3 }')
  undefined=$(nm -D --undefined-only "$plugin" | awk '{ print $2 }')
  # the last are what instrumented builds add
  shown=$(grep -Ev '^(plugin_init|[a-z]+_debug_[a-z_]+)$' <<<"$defined" |
    grep -Ev '^(__asan_|__odr_asan|__ubsan_|__gcov_|_fini|_init|__sanitizer)' ||
    true)
  [ -z "$shown" ] || fail "$plugin shows: $shown"
  grep -qx plugin_init <<<"$defined" || fail "$plugin has no plugin_init"

  unknown=$(grep '^nbdkit_' <<<"$undefined" | grep -vxFf "$known" || true)
  [ -z "$unknown" ] || fail "$plugin needs what nbdkit 1.32 lacks: $unknown"
  grep -qx nbdkit_error <<<"$undefined" ||
    fail "$plugin does not use nbdkit: is this test right?"
done
