/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_PROGRAM_H
#define LAMINA_TESTS_PROGRAM_H

/* Running the command `lamina` as a user would, with its output at hand. */

#include <sys/types.h>

#include "dev/base.h"

#define PROGRAM_OUTPUT_MAX 262144

/* What the last run wrote to both outputs. */
extern char program_output[PROGRAM_OUTPUT_MAX];

/*
 * Run `lamina ARGS` in a shell; the exit code, or -1 if a signal ended it.  Fails the test if it cannot be run.
 * "2>/dev/null" behind ARGS leaves standard error out.
 */
int program_run(const char *args_fmt, ...) PRINTF_FMT(1, 2);
/* Whether the last output has @text in it; if not, says what it is. */
bool program_said(const char *text);

/*
 * Start `lamina ARGS` and don't wait; both outputs go to the file @output, which begins anew.  It dies with the test.
 */
pid_t program_start(const char *output, const char *args_fmt, ...) PRINTF_FMT(2, 3);
/* Wait until @output has @text in it, or for PROGRAM_PATIENCE_MS; program_output has what is there then. */
#define PROGRAM_PATIENCE_MS 20000
bool program_awaits(const char *output, const char *text);
/* Send @signal (0: none) and wait for its end: the exit code, or minus the signal that ended it. */
int program_end(pid_t pid, int signal);

/* A port of this machine that is free, or was a moment ago. */
unsigned int program_port(void);

/* A directory of the test's own, made once, removed with all in it by program_clean(). */
const char *program_dir(void);
void program_clean(void);

#endif
