/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The client of the vSphere API: sessions, calls, faults, properties,
 * searches, tasks and power, against canned answers.
 */
#include "tests/unit/capture.h"
#include "tests/unit/fake_http.h"

#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/strbuf.h"
#include "plugins/vsphere/vim.h"

static void
cleanup_vim (struct vim **vim)
{
  vim_close (*vim);
}
#define CLEANUP_VIM __attribute__ ((cleanup (cleanup_vim)))

static struct vim *
try_open (const struct fake_step *steps)
{
  const struct vim_options o = {
    .url = "https://vc/sdk", .user = "DOM\\me&<>", .password = "p@ss&\"<'>",
  };

  fake_steps = steps;
  fake_logins = fake_logouts = fake_clears = 0;
  capture_start ();
  return vim_open (&o);
}

static struct vim *
session (const struct fake_step *steps)
{
  struct vim *vim = try_open (steps);

  assert_non_null (vim);
  assert_int_equal (fake_logins, 1);
  captured[0] = '\0';
  return vim;
}

/*---- sessions ----*/

static void
test_open (void **state)
{
  struct vim *vim = session (NULL);

  /* The cookie of an old session makes a server refuse the login. */
  assert_int_equal (fake_clears, 1);
  assert_non_null (strstr (fake_request, "<userName>DOM\\me&#38;&#60;&#62;"
                           "</userName><password>p@ss&#38;&#34;&#60;&#39;"
                           "&#62;</password>"));
  assert_non_null (strstr (fake_request,
                           "<_this type=\"SessionManager\">SM</_this>"));
  assert_true (vim_is_vcenter (vim));
  assert_string_equal (vim_api_version (vim), "8.0.2.0");
  assert_string_equal (vim_product (vim), "VMware vCenter Server 8.0.2");
  assert_int_equal (vim_start (vim), 0);
  assert_int_equal (vim_start (vim), 0);
  vim_close (vim);
  assert_int_equal (fake_logouts, 1);
  assert_int_equal (captured_errors, 0);
}

static void
refused (const char *method, unsigned status, const char *body, int err,
         const char *text)
{
  const struct fake_step steps[] = { { method, status, body }, { 0 } };

  assert_null (try_open (steps));
  assert_int_equal (errno, err);
  assert_error (text);
  assert_null (strstr (captured, "p@ss"));
  assert_int_equal (fake_logouts, 0);
}

static void
test_open_refused (void **state)
{
  refused ("Login", 500, FAULT ("InvalidLogin", ""), EPERM,
           "refuses the user name or the password");
  refused ("Login", 500, FAULT ("InvalidLogin", ""), EPERM,
           "user 'DOM\\me&<>'");
  refused ("Login", 503, "Out of HTTP sessions: Limited to 2000", EIO,
           "too many sessions are open");
  refused ("Login", 200, NULL, EIO, "connection was lost");
  refused ("Login", 200, ANSWER ("Logout", ""), EINVAL,
           "the answer is that to something else");
  refused ("RetrieveServiceContent", 404, "<html/>", EIO, "status 404");
  refused ("RetrieveServiceContent", 200, "", EINVAL, "is empty");
  refused ("RetrieveServiceContent", 200, "<html/>", EINVAL,
           "is not a SOAP envelope");
  refused ("RetrieveServiceContent", 200, "<html>", EINVAL,
           "not well-formed XML");
  refused ("RetrieveServiceContent", 200,
           "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", EINVAL, "DOCTYPE");
  refused ("RetrieveServiceContent", 200,
           ANSWER ("RetrieveServiceContent", "<returnval><about/>"
                   "</returnval>"), EINVAL, "has no sessionManager");
  refused ("RetrieveServiceContent", 500, "Envelope <", EINVAL,
           "not well-formed XML");
  /* The names of another namespace are others. */
  refused ("RetrieveServiceContent", 200,
           ENVELOPE ("<RetrieveServiceContentResponse xmlns=\"urn:x\"/>"),
           EINVAL, "something else");
}

static void
test_depth (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  unsigned i;

  for (i = 0; i < 10000; i++)
    strbuf_append (&b, "<a>");
  refused ("RetrieveServiceContent", 200, b.ptr, EINVAL, "depth");
}

static void
test_no_password (void **state)
{
  const struct vim_options o = { .url = "https://vc", .user = "me" };

  capture_start ();
  assert_null (vim_open (&o));
  assert_error ("password is missing");
}

/* It is gone once the server runs. */
static void
test_ca_file (void **state)
{
  char path[] = "/tmp/test-vim-XXXXXX";
  const struct vim_options o = {
    .url = "https://vc", .user = "me", .password = "p", .ca_file = path,
  };
  const int fd = mkstemp (path);
  struct vim *vim;

  assert_true (fd >= 0);
  assert_int_equal (write (fd, "-----BEGIN", 10), 10);
  close (fd);
  fake_steps = NULL;
  capture_start ();
  vim = vim_open (&o);
  unlink (path);
  assert_non_null (vim);
  assert_string_equal (fake_ca_pem, "-----BEGIN");
  vim_close (vim);
  assert_null (vim_open (&o));
  assert_int_equal (errno, ENOENT);
  assert_error (path);
}

static void
test_bad_characters (void **state)
{
  struct vim_options o = {
    .url = "https://vc", .user = "me", .password = "a\001b",
  };

  fake_steps = NULL;
  capture_start ();
  assert_null (vim_open (&o));
  assert_error ("control character");
  o.password = "\xff\xfe";
  capture_start ();
  assert_null (vim_open (&o));
  assert_error ("UTF-8");
}

/* A session that ended is opened again, and the call repeated, once. */
static void
test_login_again (void **state)
{
  static const struct fake_step steps[] = {
    { "CurrentTime", 500, FAULT ("NotAuthenticated", "") },
    { "CurrentTime", 200, ANSWER ("CurrentTime",
                                  "<returnval>now</returnval>") },
    { "CurrentTime", 500, FAULT ("NotAuthenticated", "") },
    { "CurrentTime", 500, FAULT ("NotAuthenticated", "") },
    { 0 }
  };
  CLEANUP_VIM struct vim *vim = session (steps);

  assert_int_equal (vim_call (vim, "CurrentTime", "ServiceInstance",
                              "ServiceInstance", NULL, NULL, NULL), 0);
  assert_int_equal (fake_logins, 2);
  assert_int_equal (fake_clears, 2);
  assert_int_equal (captured_errors, 0);
  assert_int_equal (vim_call (vim, "CurrentTime", "ServiceInstance",
                              "ServiceInstance", NULL, NULL, NULL), -1);
  assert_int_equal (errno, EPERM);
  assert_error ("CurrentTime of ServiceInstance ServiceInstance: the server "
                "ended the session");
  assert_int_equal (fake_logins, 3);
}

/* A server that is too busy has done nothing. */
static void
test_busy (void **state)
{
#define BUSY { "PowerOffVM_Task", 503, "busy" }
  static const struct fake_step steps[] = {
    BUSY, BUSY,
    { "PowerOffVM_Task", 200, ANSWER ("PowerOffVM_Task", "") },
    BUSY, BUSY, BUSY, BUSY, BUSY, { 0 }
  };
  CLEANUP_VIM struct vim *vim = session (steps);

  assert_int_equal (vim_call (vim, "PowerOffVM_Task", "VirtualMachine",
                              "vm-1", NULL, NULL, NULL), 0);
  assert_int_equal (captured_errors, 0);
  assert_int_equal (vim_call (vim, "PowerOffVM_Task", "VirtualMachine",
                              "vm-1", NULL, NULL, NULL), -1);
  assert_error ("status 503");
  assert_null (fake_steps->method);
}

/*---- faults ----*/

static void
fault (const char *body, int err, const char *text)
{
  const struct fake_step steps[] = {
    { "PowerOffVM_Task", 500, body }, { 0 }
  };
  CLEANUP_VIM struct vim *vim = session (steps);
  const unsigned logins = fake_logins;

  assert_int_equal (vim_call (vim, "PowerOffVM_Task", "VirtualMachine",
                              "vm-1", NULL, NULL, NULL), -1);
  assert_int_equal (errno, err);
  assert_error (text);
  assert_int_equal (fake_logins, logins);
}

static void
test_faults (void **state)
{
  fault (FAULT ("NoPermission", "<object type=\"Folder\">group-7</object>"
                "<privilegeId>VirtualMachine.Interact.PowerOff"
                "</privilegeId>"), EPERM,
         "needs the privilege VirtualMachine.Interact.PowerOff on Folder "
         "group-7");
  fault (FAULT ("NoPermission", ""), EPERM,
         "a privilege that the server does not name on the object");
  fault (FAULT ("ManagedObjectNotFound", ""), ENOENT,
         "PowerOffVM_Task of VirtualMachine vm-1: the server has no such");
  fault (FAULT ("InvalidPowerState", ""), EBUSY, "power state");
  fault (FAULT ("TaskInProgress", ""), EBUSY, "another task");
  fault (FAULT ("MethodNotFound", ""), ENOTSUP, "does not know this method");
  fault (FAULT ("Peculiar", ""), EIO,
         "(Peculiar: words of the server)");
  fault (FAULT ("RuntimeFault", "") , EIO, "words of the server");
  /* vcsim's way: another prefix, the namespace of the envelope. */
  fault (ENVELOPE ("<s:Fault><faultstring>x&#10;y</faultstring><detail>"
                   "<Fault xmlns:XMLSchema-instance="
                   "\"http://www.w3.org/2001/XMLSchema-instance\" "
                   "XMLSchema-instance:type=\"NotSupported\"/></detail>"
                   "</s:Fault>"), ENOTSUP, "cannot do that here");
  fault (ENVELOPE ("<s:Fault/>"), EIO, "(Fault)");
  fault (ENVELOPE ("<s:Fault><faultstring>x\033[2J</faultstring>"
                   "</s:Fault>"), EINVAL, "not well-formed");
}

/*---- properties ----*/

#define OBJECT(type, id, rest)                                          \
  "<objects><obj type=\"" type "\">" id "</obj>" rest "</objects>"
#define NAME(name)                                                      \
  "<propSet><name>name</name><val i:type=\"xsd:string\">" name          \
  "</val></propSet>"
#define PARENT(type, id)                                                \
  "<propSet><name>parent</name><val i:type=\"ManagedObjectReference\""  \
  " type=\"" type "\">" id "</val></propSet>"
#define PROPERTIES(objects)                                             \
  ANSWER ("RetrievePropertiesEx", "<returnval>" objects "</returnval>")
#define VIEW                                                            \
  { "CreateContainerView", 200,                                         \
    ANSWER ("CreateContainerView", "<returnval type=\"ContainerView\">" \
            "view-1</returnval>") }
#define VIEW_GONE                                                       \
  { "DestroyView", 200, ANSWER ("DestroyView", "") }

static const char *const name_only[] = { "name", NULL };

static void
test_pages (void **state)
{
  static const struct fake_step steps[] = {
    VIEW,
    { "RetrievePropertiesEx", 200,
      PROPERTIES ("<token>0</token>"
                  OBJECT ("VirtualMachine", "vm-1", NAME ("one"))) },
    { "ContinueRetrievePropertiesEx", 200,
      ANSWER ("ContinueRetrievePropertiesEx", "<returnval>"
              "<token>1</token>"
              OBJECT ("VirtualMachine", "vm-2", NAME ("two"))
              "</returnval>") },
    { "ContinueRetrievePropertiesEx", 200,
      ANSWER ("ContinueRetrievePropertiesEx", "<returnval>"
              OBJECT ("VirtualMachine", "vm-3", "")
              "</returnval>") },
    VIEW_GONE, { 0 }
  };
  CLEANUP_VIM struct vim *vim = session (steps);
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };
  CLEANUP_FREE char *name = NULL;

  assert_int_equal (vim_get_all (vim, "VirtualMachine", name_only, &objects),
                    0);
  assert_null (fake_steps->method);
  assert_int_equal (objects.list.len, 3);
  assert_string_equal (objects.list.ptr[1]->ref.id, "vm-2");
  name = vim_object_text (objects.list.ptr[1], "name");
  assert_string_equal (name, "two");
  assert_null (vim_object_text (objects.list.ptr[2], "name"));
}

static void
test_endless_pages (void **state)
{
  static const struct fake_step steps[] = {
    VIEW,
    { "RetrievePropertiesEx", 200, PROPERTIES ("<token>0</token>") },
    { "ContinueRetrievePropertiesEx", 200,
      ANSWER ("ContinueRetrievePropertiesEx", "<returnval>"
              "<token>0</token></returnval>") },
    { 0 }
  };
  CLEANUP_VIM struct vim *vim = session (steps);
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };

  assert_int_equal (vim_get_all (vim, "VirtualMachine", name_only, &objects),
                    -1);
  assert_error ("does not come to an end");
  assert_int_equal (objects.list.len, 0);
}

/* A view, and the pages of a reply, are of the session that ended. */
static void
test_view_ends (void **state)
{
  static const struct fake_step steps[] = {
    VIEW,
    { "RetrievePropertiesEx", 500, FAULT ("NotAuthenticated", "") },
    { "RetrievePropertiesEx", 500, FAULT ("ManagedObjectNotFound", "") },
    VIEW,
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("VirtualMachine", "vm-1", NAME ("one"))) },
    VIEW_GONE,

    VIEW,
    { "RetrievePropertiesEx", 200,
      PROPERTIES ("<token>0</token>"
                  OBJECT ("VirtualMachine", "vm-1", NAME ("one"))) },
    { "ContinueRetrievePropertiesEx", 500, FAULT ("NotAuthenticated", "") },
    { "ContinueRetrievePropertiesEx", 500, FAULT ("InvalidArgument", "") },
    VIEW,
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("VirtualMachine", "vm-1", NAME ("one"))) },
    VIEW_GONE,

    VIEW,
    { "RetrievePropertiesEx", 500, FAULT ("ManagedObjectNotFound", "") },
    { 0 }
  };
  CLEANUP_VIM struct vim *vim = session (steps);
  size_t i;

  for (i = 0; i < 2; i++) {
    CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };

    assert_int_equal (vim_get_all (vim, "VirtualMachine", name_only,
                                   &objects), 0);
    assert_int_equal (objects.list.len, 1);
  }
  assert_int_equal (captured_errors, 0);
  assert_int_equal (vim_get_all (vim, "VirtualMachine", name_only, NULL), -1);
  assert_int_equal (errno, ENOENT);
  assert_error ("list of all objects of type VirtualMachine");
  assert_null (fake_steps->method);
}

static void
test_missing (void **state)
{
  static const struct fake_step steps[] = {
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("VirtualMachine", "vm-1",
                  "<missingSet><path>config.hardware</path><fault>"
                  "<fault i:type=\"NoPermission\"/></fault></missingSet>"
                  "<missingSet><path>config.x</path><fault>"
                  "<fault i:type=\"InvalidProperty\"/></fault></missingSet>"
                  "<missingSet/><propSet/>")) },
    { "RetrievePropertiesEx", 200, PROPERTIES ("") },
    { "RetrievePropertiesEx", 200, PROPERTIES ("<objects/>") },
    { "RetrievePropertiesEx", 500, FAULT ("ManagedObjectNotFound", "") },
    { 0 }
  };
  CLEANUP_VIM struct vim *vim = session (steps);
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 }, none = { 0 };

  assert_int_equal (vim_get (vim, "VirtualMachine", "vm-1", name_only,
                             &objects), 0);
  assert_int_equal (objects.list.ptr[0]->denied.len, 1);
  assert_string_equal (objects.list.ptr[0]->denied.ptr[0],
                       "config.hardware");
  assert_int_equal (objects.list.ptr[0]->properties.len, 0);

  assert_int_equal (vim_get (vim, "VirtualMachine", "vm-1", name_only,
                             &none), -1);
  assert_int_equal (errno, ENOENT);
  assert_error ("VirtualMachine vm-1: the server has no such object");
  capture_start ();
  assert_int_equal (vim_get (vim, "VirtualMachine", "vm-1", name_only,
                             &none), -1);
  assert_int_equal (errno, EINVAL);
  assert_error ("object without a reference");
  capture_start ();
  assert_int_equal (vim_get (vim, "VirtualMachine", "vm-1", name_only,
                             &none), -1);
  assert_int_equal (errno, ENOENT);
  assert_error ("no such object");
}

/* An old server: the path is left out, the rest comes. */
static void
test_unknown_property (void **state)
{
  static const struct fake_step steps[] = {
    { "RetrievePropertiesEx", 500,
      FAULT ("InvalidProperty", "<name>summary.config.new</name>") },
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("VirtualMachine", "vm-1", NAME ("one"))) },
    { "RetrievePropertiesEx", 500,
      FAULT ("InvalidProperty", "<name>other</name>") },
    { 0 }
  };
  static const char *const paths[] = {
    "name", "summary.config.new", NULL
  };
  CLEANUP_VIM struct vim *vim = session (steps);
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 }, none = { 0 };

  assert_int_equal (vim_get (vim, "VirtualMachine", "vm-1", paths, &objects),
                    0);
  assert_null (strstr (fake_request, "summary.config.new"));
  assert_non_null (strstr (fake_request, "<pathSet>name</pathSet>"));
  assert_int_equal (objects.list.len, 1);
  assert_int_equal (vim_get (vim, "VirtualMachine", "vm-1", paths, &none),
                    -1);
  assert_error ("does not know a property");
}

/*---- places ----*/

#define TREE                                                            \
  PROPERTIES (OBJECT ("VirtualMachine", "vm-1", NAME ("a%2fb%25c")      \
                      PARENT ("Folder", "group-v9"))                    \
              OBJECT ("Folder", "group-v9", NAME ("x/y")                \
                      PARENT ("Folder", "group-v3"))                    \
              OBJECT ("Folder", "group-v3", NAME ("vm")                 \
                      PARENT ("Datacenter", "datacenter-2"))            \
              OBJECT ("Datacenter", "datacenter-2", NAME ("DC%2f0")     \
                      PARENT ("Folder", "group-d5"))                    \
              OBJECT ("Folder", "group-d5", NAME ("eu")                 \
                      PARENT ("Folder", "group-d1"))                    \
              OBJECT ("Folder", "group-d1", NAME ("Datacenters")))

static void
test_path (void **state)
{
  static const struct fake_step steps[] = {
    { "RetrievePropertiesEx", 200, TREE },
    { "RetrievePropertiesEx", 200, TREE },
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("Folder", "a", PARENT ("Folder", "b"))
                  OBJECT ("Folder", "b", PARENT ("Folder", "a"))) },
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("VirtualMachine", "vm-1", NAME ("n"))) },
    { 0 }
  };
  CLEANUP_VIM struct vim *vim = session (steps);
  CLEANUP_FREE char *path = NULL, *datacenter = NULL;

  path = vim_inventory_path (vim, "VirtualMachine", "vm-1");
  assert_string_equal (path, "/eu/DC%2f0/vm/x%2fy/a%2fb%25c");
  datacenter = vim_datacenter_path (vim, "VirtualMachine", "vm-1");
  assert_string_equal (datacenter, "eu/DC/0");
  assert_null (vim_inventory_path (vim, "Folder", "a"));
  assert_error ("round in a circle");
  capture_start ();
  assert_null (vim_datacenter_path (vim, "VirtualMachine", "vm-1"));
  assert_error ("no datacenter above vm-1");
}

/*---- finding ----*/

#define FOUND(method, id)                                               \
  { method, 200, ANSWER (method, "<returnval type=\"VirtualMachine\">"  \
                         id "</returnval>") }
#define NOTHING(method) { method, 200, ANSWER (method, "") }

static int
find (const struct fake_step *steps, const char *id, const char *name,
      char **found)
{
  CLEANUP_VIM struct vim *vim = session (steps);
  const struct source_ref ref = { .id = id, .name = name };

  *found = NULL;
  return vim_find_vm (vim, &ref, found);
}

static void
found_by (const struct fake_step *steps, const char *id, const char *name,
          const char *expected)
{
  CLEANUP_FREE char *found = NULL;

  assert_int_equal (find (steps, id, name, &found), 0);
  assert_string_equal (found, expected);
  assert_null (fake_steps->method);
}

#define UUID "564d1a2b-0000-1111-2222-333344445555"

static void
test_find (void **state)
{
  static const struct fake_step by_id[] = {
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("VirtualMachine", "vm-1", NAME ("one"))) },
    { 0 }
  };
  static const struct fake_step by_path[] = {
    FOUND ("FindByInventoryPath", "vm-2"), { 0 }
  };
  static const struct fake_step by_instance[] = {
    FOUND ("FindAllByUuid", "vm-3"), { 0 }
  };
  static const struct fake_step by_bios[] = {
    { "FindAllByUuid", 500, FAULT ("MethodNotFound", "") },
    NOTHING ("FindByUuid"),
    { "FindAllByUuid", 500, FAULT ("MethodNotFound", "") },
    FOUND ("FindByUuid", "vm-4"), { 0 }
  };
  static const struct fake_step by_name[] = {
    VIEW,
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("VirtualMachine", "vm-5", NAME ("five"))
                  OBJECT ("VirtualMachine", "vm-6", NAME ("six%2fa"))) },
    VIEW_GONE, { 0 }
  };
  /* What looks like a path can be a name. */
  static const struct fake_step by_slash[] = {
    { "FindByInventoryPath", 200,
      ANSWER ("FindByInventoryPath",
              "<returnval type=\"Folder\">group-1</returnval>") },
    VIEW,
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("VirtualMachine", "vm-6", NAME ("six%2fa"))) },
    VIEW_GONE, { 0 }
  };

  found_by (by_id, "vm-1", "ignored", "vm-1");
  found_by (by_path, NULL, "/DC/vm/x", "vm-2");
  found_by (by_instance, NULL, UUID, "vm-3");
  found_by (by_bios, NULL, UUID, "vm-4");
  found_by (by_name, NULL, "five", "vm-5");
  found_by (by_slash, NULL, "six/a", "vm-6");
}

static void
test_not_found (void **state)
{
  static const struct fake_step no_id[] = {
    { "RetrievePropertiesEx", 500, FAULT ("ManagedObjectNotFound", "") },
    { 0 }
  };
  static const struct fake_step no_name[] = {
    VIEW, { "RetrievePropertiesEx", 200, PROPERTIES ("") }, VIEW_GONE,
    { 0 }
  };
  static const struct fake_step no_session[] = {
    { "RetrievePropertiesEx", 200, NULL }, { 0 }
  };
  static const struct fake_step denied[] = {
    { "RetrievePropertiesEx", 500, FAULT ("NoPermission", "") }, { 0 }
  };
  static const struct fake_step not_an_id[] = {
    { "RetrievePropertiesEx", 500, FAULT ("InvalidArgument", "") }, { 0 }
  };
  char *found;

  assert_int_equal (find (no_id, "vm-9", NULL, &found), -1);
  assert_int_equal (errno, ENOENT);
  assert_error ("there is no VM with the id 'vm-9'");
  assert_int_equal (find (no_name, NULL, "x\033[1m", &found), -1);
  assert_int_equal (errno, ENOENT);
  assert_error ("no VM with the name 'x\\x1b[1m'");
  assert_int_equal (find (no_session, "vm-9", NULL, &found), -1);
  assert_int_equal (errno, EIO);
  assert_error ("connection was lost");
  assert_int_equal (find (denied, "vm-9", NULL, &found), -1);
  assert_int_equal (errno, EPERM);
  assert_error ("looking for a VM by its id: no permission");
  assert_int_equal (find (not_an_id, "vm-9", NULL, &found), -1);
  assert_int_equal (errno, ENOENT);
  assert_int_equal (find (NULL, NULL, NULL, &found), -1);
  assert_int_equal (errno, EINVAL);
}

static void
test_ambiguous (void **state)
{
  static const struct fake_step steps[] = {
    VIEW,
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("VirtualMachine", "vm-1", NAME ("web"))
                  OBJECT ("VirtualMachine", "vm-2", NAME ("web"))) },
    VIEW_GONE,
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("VirtualMachine", "vm-1", NAME ("web")
                          PARENT ("Folder", "group-1"))
                  OBJECT ("Folder", "group-1", NAME ("a"))) },
    { "RetrievePropertiesEx", 200,
      PROPERTIES (OBJECT ("VirtualMachine", "vm-2", NAME ("web"))) },
    { 0 }
  };
  char *found;

  assert_int_equal (find (steps, NULL, "web", &found), -1);
  assert_int_equal (errno, EEXIST);
  assert_error ("2 VMs fit 'web': /a/web (vm-1), /web (vm-2)");
}

/*---- tasks and power ----*/

#define TASK(method)                                                    \
  { method, 200, ANSWER (method, "<returnval type=\"Task\">task-1"      \
                         "</returnval>") }
#define INFO(info)                                                      \
  { "RetrievePropertiesEx", 200,                                        \
    PROPERTIES (OBJECT ("Task", "task-1", "<propSet><name>info</name>"  \
                        "<val i:type=\"TaskInfo\">" info "</val>"       \
                        "</propSet>")) }

static bool
stop (void *opaque)
{
  return true;
}

static void
test_task (void **state)
{
  static const struct fake_step steps[] = {
    TASK ("CreateSnapshot_Task"), INFO ("<state>queued</state>"),
    INFO ("<state>running</state>"),
    INFO ("<state>success</state><result i:type=\"ManagedObjectReference\""
          " type=\"VirtualMachineSnapshot\">snapshot-7</result>"),

    TASK ("CreateSnapshot_Task"),
    INFO ("<state>error</state><error><fault i:type=\"NoPermission\">"
          "<object type=\"VirtualMachine\">vm-1</object>"
          "<privilegeId>VirtualMachine.State.CreateSnapshot</privilegeId>"
          "</fault><localizedMessage>no</localizedMessage></error>"),

    TASK ("CreateSnapshot_Task"), INFO ("<state>error</state>"),
    TASK ("CreateSnapshot_Task"), INFO ("<state>odd</state>"),

    TASK ("CreateSnapshot_Task"), INFO ("<state>running</state>"),
    { "CancelTask", 200, ANSWER ("CancelTask", "") },

    TASK ("CreateSnapshot_Task"),
    { "RetrievePropertiesEx", 500, FAULT ("ManagedObjectNotFound", "") },

    TASK ("CreateSnapshot_Task"),
    { "RetrievePropertiesEx", 500, FAULT ("Peculiar", "") },
    { 0 }
  };
  CLEANUP_VIM struct vim *vim = session (steps);
  CLEANUP_FREE char *result = NULL;
#define RUN(cancelled)                                                  \
  vim_task (vim, "CreateSnapshot_Task", "VirtualMachine", "vm-1", NULL, \
            10, cancelled, NULL, &result)

  assert_int_equal (RUN (NULL), 0);
  assert_string_equal (result, "snapshot-7");
  free (result);
  assert_int_equal (RUN (NULL), -1);
  assert_int_equal (errno, EPERM);
  assert_error ("privilege VirtualMachine.State.CreateSnapshot on "
                "VirtualMachine vm-1");
  assert_null (result);
  capture_start ();
  assert_int_equal (RUN (NULL), -1);
  assert_error ("does not say why");
  capture_start ();
  assert_int_equal (RUN (NULL), -1);
  assert_error ("'odd'");
  capture_start ();
  assert_int_equal (RUN (stop), -1);
  assert_int_equal (errno, ECANCELED);
  assert_int_equal (captured_errors, 0);
  assert_int_equal (RUN (NULL), -1);
  assert_int_equal (errno, ESRCH);
  assert_int_equal (captured_errors, 0);
  assert_int_equal (RUN (NULL), -1);
  assert_int_equal (errno, EIO);
  assert_error ("CreateSnapshot_Task of VirtualMachine vm-1");
  assert_null (fake_steps->method);
}

#define POWER(state)                                                    \
  { "RetrievePropertiesEx", 200,                                        \
    PROPERTIES (OBJECT ("VirtualMachine", "vm-1",                       \
                        "<propSet><name>runtime.powerState</name>"      \
                        "<val>" state "</val></propSet>")) }
#define FORGOTTEN                                                       \
  { "RetrievePropertiesEx", 500, FAULT ("ManagedObjectNotFound", "") }

static void
test_power (void **state)
{
  static const struct fake_step steps[] = {
    POWER ("poweredOff"),       /* nothing to do */
    POWER ("poweredOn"), TASK ("PowerOffVM_Task"),
    INFO ("<state>success</state>"),
    POWER ("poweredOn"), TASK ("PowerOffVM_Task"), FORGOTTEN,
    POWER ("poweredOff"),
    POWER ("poweredOn"), TASK ("PowerOffVM_Task"), FORGOTTEN,
    POWER ("poweredOn"),
    { 0 }
  };
  CLEANUP_VIM struct vim *vim = session (steps);

  assert_int_equal (vim_power_off (vim, "vm-1"), 0);
  assert_int_equal (vim_power_off (vim, "vm-1"), 0);
  assert_int_equal (vim_power_off (vim, "vm-1"), 0);
  assert_int_equal (vim_power_off (vim, "vm-1"), -1);
  assert_error ("had no effect");
  assert_null (fake_steps->method);
}

static void
test_shutdown (void **state)
{
  static const struct fake_step steps[] = {
    POWER ("poweredOff"),
    POWER ("poweredOn"), { "ShutdownGuest", 200,
                           ANSWER ("ShutdownGuest", "") },
    POWER ("poweredOff"),
    POWER ("poweredOn"),
    { "ShutdownGuest", 500, FAULT ("ToolsUnavailable", "") },
    POWER ("poweredOn"),
    { "ShutdownGuest", 500, FAULT ("NoPermission", "") },
    POWER ("poweredOn"), { "ShutdownGuest", 200,
                           ANSWER ("ShutdownGuest", "") },
    POWER ("poweredOn"),
    POWER ("poweredOn"), { "ShutdownGuest", 200,
                           ANSWER ("ShutdownGuest", "") },
    POWER ("poweredOn"),
    { 0 }
  };
  CLEANUP_VIM struct vim *vim = session (steps);

  assert_int_equal (vim_shutdown_guest (vim, "vm-1", 5, NULL, NULL), 0);
  assert_int_equal (vim_shutdown_guest (vim, "vm-1", 5, NULL, NULL), 0);
  assert_int_equal (vim_shutdown_guest (vim, "vm-1", 5, NULL, NULL), -1);
  assert_int_equal (errno, ENOTSUP);
  assert_int_equal (captured_errors, 0);
  assert_int_equal (vim_shutdown_guest (vim, "vm-1", 5, NULL, NULL), -1);
  assert_int_equal (errno, EPERM);
  assert_error ("shutting down the guest: no permission");
  capture_start ();
  assert_int_equal (vim_shutdown_guest (vim, "vm-1", 0, NULL, NULL), -1);
  assert_int_equal (errno, ETIMEDOUT);
  assert_int_equal (vim_shutdown_guest (vim, "vm-1", 5, stop, NULL), -1);
  assert_int_equal (errno, ECANCELED);
  assert_int_equal (captured_errors, 0);
  assert_null (fake_steps->method);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_open),
    cmocka_unit_test (test_open_refused),
    cmocka_unit_test (test_depth),
    cmocka_unit_test (test_no_password),
    cmocka_unit_test (test_ca_file),
    cmocka_unit_test (test_bad_characters),
    cmocka_unit_test (test_login_again),
    cmocka_unit_test (test_busy),
    cmocka_unit_test (test_faults),
    cmocka_unit_test (test_pages),
    cmocka_unit_test (test_endless_pages),
    cmocka_unit_test (test_view_ends),
    cmocka_unit_test (test_missing),
    cmocka_unit_test (test_unknown_property),
    cmocka_unit_test (test_path),
    cmocka_unit_test (test_find),
    cmocka_unit_test (test_not_found),
    cmocka_unit_test (test_ambiguous),
    cmocka_unit_test (test_task),
    cmocka_unit_test (test_power),
    cmocka_unit_test (test_shutdown),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
