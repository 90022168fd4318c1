/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_PROGRAM_H
#define LAMINA_TESTS_PROGRAM_H

/* Running the command `lamina` as a user would, with its output at hand. */

#include "dev/base.h"

#define PROGRAM_OUTPUT_MAX 65536

/* What the last run wrote to both outputs. */
extern char program_output[PROGRAM_OUTPUT_MAX];

/* Run `lamina ARGS` in a shell; the exit code, or -1 if a signal ended it.  Fails the test if it cannot be run. */
int program_run(const char *args_fmt, ...) PRINTF_FMT(1, 2);
/* Whether the last output has @text in it; if not, says what it is. */
bool program_said(const char *text);

/* A directory of the test's own, made once, removed with all in it by program_clean(). */
const char *program_dir(void);
void program_clean(void);

#endif
