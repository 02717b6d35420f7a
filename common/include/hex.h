/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hexadecimal digits, whatever the locale.
 */
#ifndef NBDLIFT_HEX_H
#define NBDLIFT_HEX_H

/* The value of C, a char or a code point of Unicode, as a digit in either
 * case; -1 if it is none.
 */
static inline int
hex_digit (int c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

#endif /* NBDLIFT_HEX_H */
