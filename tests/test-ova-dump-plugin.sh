#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# --dump-plugin says what the plugin can do, and the plugin exports no
# symbol but its entry and debug flags, and needs none of a newer nbdkit.

source ./tests/functions.sh
tmpdir

"$NBDKIT" "$OVA_PLUGIN" --dump-plugin >"$tmp/dump"
cat "$tmp/dump"
for line in name=ova api_version=2 thread_model=parallel \
            errno_is_preserved=1 magic_config_key=path \
            has_list_exports=1 has_default_export=1 \
            has_export_description=1 has_extents=1 has_block_size=1 \
            has_can_multi_conn=1; do
  grep -qx "$line" "$tmp/dump" || fail "--dump-plugin lacks $line"
done
grep -Eqx 'ova_libxml2_version=[0-9]+' "$tmp/dump"
grep -Eqx 'ova_libdeflate_version=[0-9.]+' "$tmp/dump"
grep -Eqx 'ova_features=(nfs)?' "$tmp/dump"
# Read-only.
if grep -Eq 'has_(pwrite|zero|trim|can_write)' "$tmp/dump"; then
  fail "the plugin can write"
fi

[ -z "${SAN:-}" ] || exit 0
nm -D --defined-only "$OVA_PLUGIN" | awk '{ print $3 }' >"$tmp/symbols"
cat >"$tmp/want" <<'END'
ova_debug_stats
plugin_init
END
sort "$tmp/symbols" | diff -u "$tmp/want" - || fail "exported symbols"

# Functions of nbdkit 1.32, the oldest that we support.
nm -D --undefined-only "$OVA_PLUGIN" | awk '$2 ~ /^nbdkit_/ { print $2 }' |
  sort -u >"$tmp/needed"
comm -23 "$tmp/needed" - >"$tmp/newer" <<'END'
nbdkit_absolute_path
nbdkit_add_export
nbdkit_add_extent
nbdkit_debug
nbdkit_error
nbdkit_export_name
nbdkit_nanosleep
nbdkit_parse_bool
nbdkit_parse_size
nbdkit_parse_unsigned
nbdkit_printf_intern
nbdkit_set_error
nbdkit_strdup_intern
END
[ ! -s "$tmp/newer" ] || fail "needs $(cat "$tmp/newer")"
