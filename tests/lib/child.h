/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_CHILD_H
#define LAMINA_TESTS_LIB_CHILD_H

/* Tests in a process of their own: for what must die, and for what cannot be undone. */

#include <stdbool.h>

/* Run @body in a child, whose standard error goes nowhere; returns its wait status.  The body ends with status 0. */
int child_status(void (*body)(void));

/* Whether @body calls abort(), which a failed assert does too. */
bool child_aborts(void (*body)(void));

/* What @body gives to _exit(), or -1 if a signal killed it. */
int child_exit_status(void (*body)(void));

#endif
