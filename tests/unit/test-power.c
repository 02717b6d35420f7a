/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/power.c with a source of our own: what is asked of it, in which
 * order with the journal, and what a later run finds.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/power.h"

static char folder[64];

/* The VM of the fake source. */
static struct {
  enum vm_power state;
  int shutdown_errno;           /* 0: it shuts down */
  bool comes_back;              /* something starts it again */
  bool on_fails;
  unsigned shutdowns, offs, ons;
  bool journal_first;           /* the journal knew before we were asked */
} fake;

static struct vm vm;
static struct journal *journal;

static int
fake_state (void *session, const struct vm *v, enum vm_power *state)
{
  *state = fake.state;
  return 0;
}

static void
look_at_journal (void)
{
  struct journal *j = journal_load (folder);
  bool ours = false;

  fake.journal_first = j && journal_power (j, &ours) == VM_POWER_ON && ours;
  journal_close (j);
}

static int
fake_shutdown (void *session, const struct vm *v, unsigned seconds,
               bool (*cancelled) (void *opaque), void *opaque)
{
  fake.shutdowns++;
  look_at_journal ();
  if (fake.shutdown_errno != 0) {
    errno = fake.shutdown_errno;
    return -1;
  }
  fake.state = fake.comes_back ? VM_POWER_ON : VM_POWER_OFF;
  return 0;
}

static int
fake_off (void *session, const struct vm *v)
{
  fake.offs++;
  look_at_journal ();
  fake.state = VM_POWER_OFF;
  return 0;
}

static int
fake_on (void *session, const struct vm *v)
{
  fake.ons++;
  if (fake.on_fails) {
    log_error ("no room");
    errno = EIO;
    return -1;
  }
  fake.state = VM_POWER_ON;
  return 0;
}

static const struct source_ops ops = {
  .type = "fake",
  .power_state = fake_state,
  .shutdown = fake_shutdown,
  .power_off = fake_off,
  .power_on = fake_on,
};

static const struct power_options gentle = { .seconds = 5 };
static const struct power_options forced = { .seconds = 5, .force = true };
static const struct power_options cord = { .force = true };

static struct power
new_power (const struct power_options *options)
{
  return (struct power) {
    .ops = &ops, .vm = &vm, .journal = journal, .options = options,
  };
}

static int
setup (void **state)
{
  snprintf (folder, sizeof folder, "/tmp/power-XXXXXX");
  if (mkdtemp (folder) == NULL)
    return -1;
  vm_init (&vm);
  vm.id = strdup ("vm-1");
  vm.name = strdup ("web");
  vm.power = VM_POWER_ON;
  memset (&fake, 0, sizeof fake);
  fake.state = VM_POWER_ON;
  journal = journal_open (folder, &vm);
  capture_start ();
  return journal ? 0 : -1;
}

static int
teardown (void **state)
{
  char file[80];

  journal_close (journal);
  vm_free (&vm);
  snprintf (file, sizeof file, "%s/journal.json", folder);
  unlink (file);
  return rmdir (folder);
}

/* As a run that is started again. */
static void
next_run (void)
{
  journal_close (journal);
  journal = journal_open (folder, &vm);
  assert_non_null (journal);
}

static void
test_off_already (void **state)
{
  struct power p = new_power (&gentle);

  vm.power = fake.state = VM_POWER_OFF;
  assert_int_equal (power_down (&p), 0);
  assert_int_equal (fake.shutdowns + fake.offs, 0);
  assert_false (power_must_restore (&p));
  assert_int_equal (power_restore (&p), 0);
  assert_int_equal (fake.ons, 0);
  assert_int_equal (power_before (&p), VM_POWER_OFF);
  assert_no_error ();
}

static void
test_no_power (void **state)
{
  static const struct source_ops none = { .type = "none" };
  struct power p = new_power (&gentle);
  bool on = true;

  p.ops = &none;
  assert_int_equal (power_down (&p), 0);
  assert_int_equal (power_is_on (&p, &on), 0);
  assert_false (on);
}

static void
test_shut_down_and_restored (void **state)
{
  struct power p = new_power (&gentle);

  assert_int_equal (power_down (&p), 0);
  assert_int_equal (fake.shutdowns, 1);
  assert_int_equal (fake.offs, 0);
  assert_true (fake.journal_first);
  assert_int_equal (fake.state, VM_POWER_OFF);
  assert_true (power_must_restore (&p));

  assert_int_equal (power_restore (&p), 0);
  assert_int_equal (fake.state, VM_POWER_ON);
  assert_false (power_must_restore (&p));
  next_run ();
  p = new_power (&gentle);
  assert_false (power_must_restore (&p));
  assert_int_equal (captured_errors, 0);
}

/* A run that was killed after the shutdown. */
static void
test_killed (void **state)
{
  struct power p = new_power (&gentle);

  assert_int_equal (power_down (&p), 0);
  vm.power = VM_POWER_OFF;      /* as the next run finds it */
  next_run ();
  p = new_power (&gentle);
  assert_int_equal (power_before (&p), VM_POWER_ON);
  assert_int_equal (power_down (&p), 0);
  assert_int_equal (fake.shutdowns, 1);
  assert_true (power_must_restore (&p));
  assert_int_equal (power_restore (&p), 0);
  assert_int_equal (fake.ons, 1);
}

/* A VM that was migrated stays off, and its state is still known. */
static void
test_done (void **state)
{
  struct power p = new_power (&gentle);

  assert_int_equal (power_down (&p), 0);
  assert_int_equal (power_keep_off (&p), 0);
  vm.power = VM_POWER_OFF;
  next_run ();
  p = new_power (&gentle);
  assert_false (power_must_restore (&p));
  assert_int_equal (power_before (&p), VM_POWER_ON);
  assert_int_equal (power_restore (&p), 0);
  assert_int_equal (fake.ons, 0);
}

static void
test_too_slow (void **state)
{
  struct power p = new_power (&gentle);

  fake.shutdown_errno = ETIMEDOUT;
  assert_int_equal (power_down (&p), -1);
  assert_int_equal (errno, ETIMEDOUT);
  assert_error ("has not shut down within 5 seconds");
  assert_int_equal (fake.offs, 0);
  assert_int_equal (fake.state, VM_POWER_ON);
  /* It may do so now: then it is powered on again. */
  fake.state = VM_POWER_OFF;
  assert_int_equal (power_restore (&p), 0);
  assert_int_equal (fake.state, VM_POWER_ON);
}

static void
test_no_tools (void **state)
{
  struct power p = new_power (&gentle);

  fake.shutdown_errno = ENOTSUP;
  assert_int_equal (power_down (&p), -1);
  assert_error ("no guest tools run");
  assert_int_equal (fake.offs, 0);
  assert_int_equal (power_restore (&p), 0);
  assert_false (power_must_restore (&p));
  assert_int_equal (fake.ons, 0);
}

static void
test_forced (void **state)
{
  struct power p = new_power (&forced);

  fake.shutdown_errno = ENOTSUP;
  assert_int_equal (power_down (&p), 0);
  assert_int_equal (fake.offs, 1);
  assert_true (fake.journal_first);
  assert_non_null (strstr (captured, "is powered off"));
  assert_int_equal (captured_errors, 0);
}

static void
test_not_asked (void **state)
{
  struct power p = new_power (&cord);

  assert_int_equal (power_down (&p), 0);
  assert_int_equal (fake.shutdowns, 0);
  assert_int_equal (fake.offs, 1);
}

/* An error of the source is its own, and no reason to pull the plug. */
static void
test_source_fails (void **state)
{
  struct power p = new_power (&forced);

  fake.shutdown_errno = EPERM;
  assert_int_equal (power_down (&p), -1);
  assert_int_equal (errno, EPERM);
  assert_int_equal (fake.offs, 0);
}

static void
test_cancelled (void **state)
{
  struct power p = new_power (&forced);

  fake.shutdown_errno = ECANCELED;
  assert_int_equal (power_down (&p), -1);
  assert_int_equal (errno, ECANCELED);
  assert_int_equal (fake.offs, 0);
  assert_int_equal (captured_errors, 0);
  fake.state = VM_POWER_OFF;    /* the guest obeys now */
  assert_int_equal (power_restore (&p), 0);
  assert_int_equal (fake.ons, 1);
}

static void
test_comes_back (void **state)
{
  struct power p = new_power (&gentle);

  fake.comes_back = true;
  assert_int_equal (power_down (&p), -1);
  assert_error ("on again");
}

static void
test_suspended (void **state)
{
  struct power p = new_power (&forced);

  fake.state = VM_POWER_SUSPENDED;
  assert_int_equal (power_down (&p), -1);
  assert_error ("suspended");
  assert_int_equal (fake.shutdowns + fake.offs, 0);
  assert_false (power_must_restore (&p));
}

/* What could not be done is left to the next run. */
static void
test_power_on_fails (void **state)
{
  struct power p = new_power (&gentle);

  assert_int_equal (power_down (&p), 0);
  fake.on_fails = true;
  assert_int_equal (power_restore (&p), -1);
  assert_error ("no room");
  next_run ();
  p = new_power (&gentle);
  assert_true (power_must_restore (&p));
  fake.on_fails = false;
  assert_int_equal (power_restore (&p), 0);
  assert_int_equal (fake.state, VM_POWER_ON);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_off_already),
    TEST (test_no_power),
    TEST (test_shut_down_and_restored),
    TEST (test_killed),
    TEST (test_done),
    TEST (test_too_slow),
    TEST (test_no_tools),
    TEST (test_forced),
    TEST (test_not_asked),
    TEST (test_source_fails),
    TEST (test_cancelled),
    TEST (test_comes_back),
    TEST (test_suspended),
    TEST (test_power_on_fails),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
