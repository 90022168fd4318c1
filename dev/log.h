/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_LOG_H
#define LAMINA_DEV_LOG_H

/*
 * The log: one line per message, on standard error.  An error names the thing that failed and the remedy.  Whoever
 * stops an error logs it, nobody else.  Any thread may log; a line is written in one piece.
 */

#include "dev/base.h"

/* The values are those of syslog. */
enum log_level {
	LOG_LEVEL_ERR = 3,   /* something does not work and somebody should act */
	LOG_LEVEL_WARN = 4,  /* it works, but worse or riskier than it should */
	LOG_LEVEL_INFO = 6,  /* what an administrator wants to read once */
	LOG_LEVEL_DEBUG = 7, /* for who looks for a fault */
};

/* Bytes of a message at most, its terminator included; longer ones end in "...". */
#define LOG_MSG_MAX 1024

/* Control characters in a message become '?', so that a name from outside cannot forge a line. */
void log_err(const char *fmt, ...) PRINTF_FMT(1, 2);
void log_warn(const char *fmt, ...) PRINTF_FMT(1, 2);
void log_info(const char *fmt, ...) PRINTF_FMT(1, 2);
void log_debug(const char *fmt, ...) PRINTF_FMT(1, 2);

/* Drop what is less important than @level; LOG_LEVEL_INFO from the start. */
void log_set_level(enum log_level level);

/* Whether lines begin with "<N>", N being the level, which systemd's journal reads; off from the start. */
void log_set_prefix(bool on);

/*
 * Hand messages, without line end, to @sink instead of writing them; NULL: write them again.  Not while other
 * threads may log.  @sink may be called from any thread that logs.
 */
void log_set_sink(void (*sink)(void *owner, enum log_level level, const char *msg), void *owner);

#endif
