/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Formats messages and writes each with one system call, so that lines of several threads do not mix.  Logging keeps
 * errno, allocates nothing and never fails as far as its caller can see.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dev/log.h"

#define LOG_PREFIX_LEN 3 /* "<N>" */

static int log_level = LOG_LEVEL_INFO; /* atomic, and so is the next */
static bool log_prefix;
static void (*log_sink)(void *owner, enum log_level level, const char *msg);
static void *log_sink_owner;

/* Replace what could end the line, or steer a terminal. */
static void log_clean(char *msg)
{
	for (; *msg; msg++) {
		if ((unsigned char)*msg < ' ' || *msg == 0x7f)
			*msg = '?';
	}
}

/* @line has room for a prefix before @msg and for the line end after it. */
static void log_write(char *line, size_t len)
{
	ssize_t done;

	line[len++] = '\n';
	do
		done = write(STDERR_FILENO, line, len);
	while (done < 0 && errno == EINTR);
}

static PRINTF_FMT(2, 0) void log_msg(enum log_level level, const char *fmt, va_list args)
{
	char line[LOG_PREFIX_LEN + LOG_MSG_MAX + 1];
	char *msg = line + LOG_PREFIX_LEN;
	int saved_errno = errno;
	int len;

	if ((int)level > __atomic_load_n(&log_level, __ATOMIC_RELAXED))
		return;
	len = vsnprintf(msg, LOG_MSG_MAX, fmt, args);
	if (len < 0)
		len = snprintf(msg, LOG_MSG_MAX, "unprintable message \"%s\"", fmt);
	if (len >= LOG_MSG_MAX) {
		len = LOG_MSG_MAX - 1;
		memcpy(msg + len - 3, "...", 3);
	}
	log_clean(msg);
	if (log_sink) {
		log_sink(log_sink_owner, level, msg);
	} else if (__atomic_load_n(&log_prefix, __ATOMIC_RELAXED)) {
		line[0] = '<';
		line[1] = (char)('0' + level);
		line[2] = '>';
		log_write(line, LOG_PREFIX_LEN + (size_t)len);
	} else {
		log_write(msg, (size_t)len);
	}
	errno = saved_errno;
}

void log_err(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_msg(LOG_LEVEL_ERR, fmt, args);
	va_end(args);
}

void log_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_msg(LOG_LEVEL_WARN, fmt, args);
	va_end(args);
}

void log_info(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_msg(LOG_LEVEL_INFO, fmt, args);
	va_end(args);
}

void log_debug(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_msg(LOG_LEVEL_DEBUG, fmt, args);
	va_end(args);
}

void log_set_level(enum log_level level)
{
	__atomic_store_n(&log_level, (int)level, __ATOMIC_RELAXED);
}

void log_set_prefix(bool on)
{
	__atomic_store_n(&log_prefix, on, __ATOMIC_RELAXED);
}

void log_set_sink(void (*sink)(void *owner, enum log_level level, const char *msg), void *owner)
{
	log_sink = sink;
	log_sink_owner = owner;
}
