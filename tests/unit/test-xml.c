/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/xml: documents that must be refused, and the getters.
 */
#include "tests/unit/capture.h"

#include <errno.h>

#include "common/include/minmax.h"
#include "common/util/strbuf.h"
#include "common/xml/xml.h"

static void
refused (const char *xml, const char *error)
{
  capture_start ();
  errno = 0;
  assert_null (xml_parse (xml, strlen (xml), "test.ovf"));
  assert_int_equal (errno, EINVAL);
  assert_error ("test.ovf");
  assert_error (error);
}

static void
test_dtd (void **state)
{
  refused ("<?xml version='1.0'?><!DOCTYPE a><a/>", "DOCTYPE");
  refused ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "DOCTYPE");
  refused ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "DOCTYPE");
  refused ("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
           "<a>&x;</a>", "DOCTYPE");
  refused ("<!DOCTYPE a PUBLIC 'p' 'http://127.0.0.1:1/x.dtd'><a/>",
           "DOCTYPE");
}

/* Ten levels of ten: never expanded, because never defined. */
static void
test_entity_bomb (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  int i, j;

  strbuf_append (&b, "<!DOCTYPE a [<!ENTITY e0 'aaaaaaaaaa'>");
  for (i = 1; i <= 10; ++i) {
    strbuf_printf (&b, "<!ENTITY e%d '", i);
    for (j = 0; j < 10; ++j)
      strbuf_printf (&b, "&e%d;", i - 1);
    strbuf_append (&b, "'>");
  }
  strbuf_append (&b, "]><a>&e10;</a>");
  refused (b.ptr, "DOCTYPE");
}

static void
test_broken (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  int i;

  refused ("", "empty");
  refused ("not xml", "test.ovf:1:");
  refused ("<a>\n<b>\n</a>", "test.ovf:3:");
  refused ("<a>&undefined;</a>", "undefined");
  refused ("<a/><b/>", "test.ovf:1:");
  refused ("<a x='1' x='2'/>", "test.ovf:1:");
  refused ("<a>\xff</a>", "test.ovf:1:");
  refused ("<?xml version='1.0'?>", "test.ovf");

  for (i = 0; i < 100000; ++i)
    strbuf_append (&b, "<a>");
  refused (b.ptr, "depth");

  capture_start ();
  assert_null (xml_parse ("<a/>", XML_MAX_SIZE + 1U, "big.ovf"));
  assert_error ("big.ovf");
  capture_start ();
  assert_null (xml_parse ("<a>\0</a>", 8, "nul.ovf"));
  assert_error ("nul.ovf:1:");
}

/* The text is cut where LEN says, whatever follows. */
static void
test_length (void **state)
{
  CLEANUP_XMLDOC xmlDocPtr doc = xml_parse ("<a/>garbage", 4, "t");

  assert_non_null (doc);
}

static const char sample[] =
  "<?xml version='1.0' encoding='UTF-8'?>\n"
  "<e:root xmlns:e='urn:e' xmlns:f='urn:f'>\n"
  "  <!-- comment -->\n"
  "  <f:item>wrong namespace</f:item>\n"
  "  <e:item e:id='1' id='none' empty=''> first &amp; <b>bold</b>\n"
  "  </e:item>\n"
  "  <e:item f:id='2'><![CDATA[a<b]]></e:item>\n"
  "  <e:blank>  \n </e:blank><e:none/>\n"
  "</e:root>\n";

static void
check_text (char *actual, const char *expect)
{
  if (expect)
    assert_string_equal (actual, expect);
  else
    assert_null (actual);
  free (actual);
}

static void
test_getters (void **state)
{
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  xmlNodePtr root, item;

  capture_start ();
  doc = xml_parse (sample, strlen (sample), "sample");
  assert_non_null (doc);
  assert_no_error ();
  root = xmlDocGetRootElement (doc);

  item = xml_child (root, "urn:e", "item");
  assert_int_equal (xml_line (item), 5);
  check_text (xml_text (item), "first & bold");
  check_text (xml_attribute (item, "urn:e", "id"), "1");
  check_text (xml_attribute (item, NULL, "id"), "1");
  check_text (xml_attribute (item, "urn:f", "id"), NULL);
  check_text (xml_attribute (item, NULL, "empty"), "");
  check_text (xml_attribute (item, NULL, "absent"), NULL);

  item = xml_next_element (item->next, "urn:e", "item");
  check_text (xml_text (item), "a<b");
  check_text (xml_attribute (item, NULL, "id"), "2");
  assert_null (xml_next_element (item->next, "urn:e", "item"));

  check_text (xml_child_text (root, NULL, "item"), "wrong namespace");
  check_text (xml_child_text (root, "urn:e", "blank"), NULL);
  check_text (xml_child_text (root, "urn:e", "none"), NULL);
  check_text (xml_child_text (root, "urn:e", "absent"), NULL);
  assert_non_null (xml_next_element (root->children, NULL, NULL));
  assert_null (xml_child (NULL, NULL, "x"));
  check_text (xml_text (NULL), NULL);
  check_text (xml_attribute (NULL, NULL, "x"), NULL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_dtd),
    cmocka_unit_test (test_entity_bomb),
    cmocka_unit_test (test_broken),
    cmocka_unit_test (test_length),
    cmocka_unit_test (test_getters),
  };

  xml_global_init ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
