/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A growing string, and strict readers of numbers.
 */
#ifndef NBDLIFT_STRBUF_H
#define NBDLIFT_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A NUL-terminated text that grows.  Start with { 0 }. */
struct strbuf {
  char *ptr;                    /* NULL while empty */
  size_t len, cap;
};

/* Append.  0, or -1 with errno ENOMEM; the text is then as before. */
extern int strbuf_append (struct strbuf *b, const char *s);
extern int strbuf_append_bytes (struct strbuf *b, const char *s, size_t n);
extern int strbuf_append_char (struct strbuf *b, char c);
extern int strbuf_printf (struct strbuf *b, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

/* Hand the text to the caller, who frees it; B is empty afterwards.
 * An empty buffer gives "".  NULL with errno ENOMEM.
 */
extern char *strbuf_steal (struct strbuf *b);

extern void strbuf_free (struct strbuf *b);
#define CLEANUP_STRBUF __attribute__ ((cleanup (strbuf_free)))

/* A new text, which the caller frees.  NULL with ENOMEM, reported. */
extern char *format_text (const char *fmt, ...)
  __attribute__ ((format (printf, 1, 2)));
extern char *vformat_text (const char *fmt, va_list args);

/* Append S quoted for a POSIX shell (unchanged if it needs no quotes). */
extern int strbuf_append_shell_quoted (struct strbuf *b, const char *s);

/* Append S for a message: control characters, bytes that are not
 * UTF-8 and terminal escapes become \xNN, and no more than MAX bytes
 * of S are shown ("..." follows when it was cut).  For every text that
 * came from outside.
 */
extern int strbuf_append_printable (struct strbuf *b, const char *s,
                                    size_t max);

/* The same into a static thread-local buffer, for use as an argument of
 * log_error.  Eight results can be in use at once.  Never NULL.
 */
extern const char *printable (const char *s);

/* Read the whole of S as a decimal number without sign or spaces.
 * Returns false, and leaves *R, for anything else or on overflow.
 */
extern bool parse_u64 (const char *s, uint64_t *r);

/* As parse_u64, but the first N bytes of S only, in BASE 2 to 16. */
extern bool parse_u64_n (const char *s, size_t n, int base, uint64_t *r);

/* The whole of S as a number of bytes: decimal, then nothing or one of
 * K M G T (powers of 1024, small letters too).  As parse_u64.
 */
extern bool parse_size (const char *s, uint64_t *r);

/* "12.5 GiB" and the like into a static thread-local buffer. */
extern const char *human_size (uint64_t bytes);

#endif /* NBDLIFT_STRBUF_H */
