/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The parser of places on an NFS server.
 */
#include "tests/unit/capture.h"

#include <errno.h>

#include "common/include/minmax.h"
#include "plugins/ova/nfs_url.h"

static void
test_good (void **state)
{
  static const struct {
    const char *text, *server, *path, *args;
    unsigned version;
  } urls[] = {
    { "nfs://server/export/x.ova", "server", "/export/x.ova", "", 0 },
    { "nfs://server", "server", "", "", 0 },
    { "nfs://server/", "server", "", "", 0 },
    { "nfs://server//a///./b/", "server", "/a/b", "", 0 },
    { "nfs://server/a%20b%2Fc%", "server", "/a b/c%", "", 0 },
    { "nfs://10.0.0.1:2049/a", "10.0.0.1", "/a", "nfsport=2049", 0 },
    { "nfs://[fe80::1]/a:b", "fe80::1", "/a:b", "", 0 },
    { "nfs://[::1]:20490/a", "::1", "/a", "nfsport=20490", 0 },
    { "nfs://s/a?version=3&nfsport=1&mountport=2&uid=0&&gid=100&if=eth0", "s",
      "/a", "nfsport=1&mountport=2&uid=0&gid=100&if=eth0", 3 },
    { "nfs://s/a?version=4", "s", "/a", "", 4 },
    { "nfs://s?uid=5", "s", "", "uid=5", 0 },
    { "server:/export/x%20y.ova?z", "server", "/export/x%20y.ova?z", "", 0 },
    { "server:/", "server", "", "", 0 },
    { "[fe80::1]:/a]:/b", "fe80::1", "/a]:/b", "", 0 },
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (urls); ++i) {
    struct nfs_place p;

    capture_start ();
    if (nfs_url_parse (urls[i].text, &p) == -1)
      fail_msg ("%s: %s", urls[i].text, captured);
    assert_no_error ();
    assert_string_equal (p.server, urls[i].server);
    assert_string_equal (p.path, urls[i].path);
    assert_string_equal (p.args, urls[i].args);
    assert_int_equal (p.version, urls[i].version);
    nfs_place_free (&p);
  }
}

static void
test_bad (void **state)
{
  static const struct {
    const char *text, *error;
  } urls[] = {
    { "nfs://", "the name of the server is missing" },
    { "nfs:///a", "the name of the server is missing" },
    { "nfs://[]/a", "the name of the server is missing" },
    { "nfs://[::1/a", "has no ']'" },
    { "nfs://[::1]x/a", "has no ']'" },
    { "nfs://s/a/../b", "may not contain '..'" },
    { "nfs://s/a/%2e%2e/b", "may not contain '..'" },
    { "s:/..", "may not contain '..'" },
    { "nfs://s/a%00b", "contains a NUL" },
    { "nfs://s:x/a", "'nfsport' must be a number up to 65535" },
    { "nfs://s:65536/a", "'nfsport' must be a number up to 65535" },
    { "nfs://s:/a", "'nfsport' must be a number up to 65535" },
    { "nfs://s/a?version=5", "version must be 3 or 4" },
    { "nfs://s/a?version=", "version must be 3 or 4" },
    { "nfs://s/a?uid=-1", "'uid' must be a number" },
    { "nfs://s/a?gid=root", "'gid' must be a number" },
    { "nfs://s/a?autoreconnect=-1", "'autoreconnect' must be a number" },
    { "nfs://s/a?nfsprot=1", "unknown argument 'nfsprot'" },
    { "nfs://s/a?nfsport", "must be KEY=VALUE" },
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (urls); ++i) {
    struct nfs_place p = { 0 };

    capture_start ();
    if (nfs_url_parse (urls[i].text, &p) == 0)
      fail_msg ("%s was accepted", urls[i].text);
    assert_int_equal (errno, EINVAL);
    assert_error (urls[i].error);
    assert_null (p.server);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_good),
    cmocka_unit_test (test_bad),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
