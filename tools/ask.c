/* SPDX-License-Identifier: Apache-2.0 */
/* Promises: an answer beyond a bound is refused, not read; whatever the server sends, nothing here trips over it. */
#include "tools/ask.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "dev/sock.h"
#include "mds/config.h"
#include "tools/cmd.h"

#define ANSWER_MAX (1u << 30) /* bytes: a million clients */
#define PIECE	   (64u << 10)
#define BAR_LEN	   40
#define MINUTE	   60
#define HOUR	   3600
#define DAY	   86400

/* Options of one command, those that all have among them. */
#define OPTIONS_COMMON 3
#define OPTIONS_MAX    8

struct ask {
	const char *path;
	const char *request;
	struct reactor *reactor;
	struct json_object *answer;
};

/* What getopt_long() returns for the option in place @i. */
static int option_code(const struct ask_option *o, size_t i)
{
	return o->letter ? o->letter : 0x100 + (int)i;
}

/* As getopt_long() wants them: @ret_letters has room for two of each and an end, @ret_table for each and an end. */
static void option_forms(const struct ask_option *list, size_t nr, char *ret_letters, struct option *ret_table)
{
	for (size_t i = 0; i < nr; i++) {
		ret_table[i] = (struct option){ .name = list[i].name,
						.has_arg = list[i].value ? required_argument : no_argument,
						.val = option_code(&list[i], i) };
		if (list[i].letter)
			*ret_letters++ = list[i].letter;
		if (list[i].letter && list[i].value)
			*ret_letters++ = ':';
	}
	ret_table[nr] = (struct option){ .name = NULL };
	*ret_letters = '\0';
}

/* False: @code is none of them. */
static bool option_take(const struct ask_option *list, size_t nr, int code)
{
	for (size_t i = 0; i < nr; i++) {
		if (code != option_code(&list[i], i))
			continue;
		if (list[i].value)
			*list[i].value = optarg;
		else
			*list[i].flag = true;
		return true;
	}
	return false;
}

bool ask_parse(int argc, char **argv, void (*help)(FILE *out), const struct ask_option *more, size_t nr,
	       struct ask_options *ret_opt, int *ret_exit)
{
	struct ask_options opt = { .socket = NULL };
	bool wants_help = false;
	struct ask_option list[OPTIONS_MAX] = {
		{ .name = "socket", .letter = 's', .value = &opt.socket },
		{ .name = "json", .flag = &opt.json },
		{ .name = "help", .letter = 'h', .flag = &wants_help },
	};
	struct option table[OPTIONS_MAX + 1];
	char letters[2 * OPTIONS_MAX + 1];
	int code;

	assert(nr <= OPTIONS_MAX - OPTIONS_COMMON);
	for (size_t i = 0; i < nr; i++)
		list[OPTIONS_COMMON + i] = more[i];
	nr += OPTIONS_COMMON;
	option_forms(list, nr, letters, table);
	while (!wants_help && (code = getopt_long(argc, argv, letters, table, NULL)) != -1) {
		if (!option_take(list, nr, code)) {
			fprintf(stderr, "lamina %s: `lamina %s --help` shows the usage\n", argv[0], argv[0]);
			*ret_exit = CMD_USAGE;
			return false;
		}
	}
	if (wants_help) {
		help(stdout);
		*ret_exit = CMD_OK;
		return false;
	}
	*ret_opt = opt;
	return true;
}

/* Read until the end and parse on the way. */
static FIBER_FN int ask_hear(struct ask *a, struct sock *sock)
{
	struct json_tokener *tokener = json_tokener_new();
	char *buf = malloc(PIECE);
	int err = tokener && buf ? 0 : -ENOMEM;

	for (size_t len = 0; !err && !a->answer;) {
		ssize_t n = sock_recv(sock, buf, PIECE);

		len += n > 0 ? (size_t)n : 0;
		if (n <= 0)
			err = n < 0 ? (int)n : -EPROTO;
		else if (len > ANSWER_MAX)
			err = -EMSGSIZE;
		else
			a->answer = json_tokener_parse_ex(tokener, buf, (int)n);
		if (!err && !a->answer && json_tokener_get_error(tokener) != json_tokener_continue)
			err = -EPROTO;
	}
	if (tokener)
		json_tokener_free(tokener);
	free(buf);
	return err;
}

static FIBER_FN int ask_fiber(void *arg)
{
	struct ask *a = arg;
	struct sock_addr addr;
	struct sock *sock = NULL;
	struct net *net = NULL;
	const struct iovec iov[] = {
		{ .iov_base = (void *)(uintptr_t)a->request, .iov_len = strlen(a->request) },
		{ .iov_base = (void *)(uintptr_t) "\n", .iov_len = 1 },
	};
	int err = sock_addr_parse(a->path, &addr);

	if (!err && addr.ss.ss_family != AF_UNIX)
		err = -EINVAL;
	if (!err)
		err = net_open(a->reactor, &net);
	if (err)
		return err;
	err = net_connect(net, &addr, &sock);
	if (!err)
		err = sock_send(sock, iov, ARRAY_SIZE(iov));
	if (!err)
		err = ask_hear(a, sock);
	sock_close(sock);
	net_close(net);
	return err;
}

static int ask_run(struct ask *a)
{
	int err;

	log_set_level(LOG_LEVEL_WARN);
	err = reactor_open(NULL, &a->reactor);
	if (err)
		return err;
	err = reactor_run(a->reactor, ask_fiber, a);
	reactor_close(a->reactor);
	return err;
}

static const char *ask_explain(int err)
{
	switch (-err) {
	case ENOENT:
	case ECONNREFUSED:
		return "no server is listening there; is it running, and is this the path in its log?";
	case EACCES:
	case EPERM:
		return "not allowed: only the server's own user may ask it";
	case EPROTO:
		return "the answer has no end or is none";
	case EINVAL:
		return "not the path of a socket";
	default:
		return strerror(-err);
	}
}

int ask_server(const char *command, const struct ask_options *opt, const char *request,
	       struct json_object **ret_answer)
{
	struct config *cfg = opt->socket ? NULL : config_default();
	struct ask a = { .request = request };
	int err;

	a.path = opt->socket ? opt->socket : cfg ? cfg->control : NULL;
	err = a.path ? ask_run(&a) : -ENOMEM;
	if (err) {
		fprintf(stderr, "lamina %s: %s: %s\n", command, a.path ? a.path : "", ask_explain(err));
	} else if (ask_member(a.answer, "error")) {
		fprintf(stderr, "lamina %s: %s\n", command, ask_text(a.answer, "error"));
		err = -EIO;
	}
	config_free(cfg);
	if (err)
		json_object_put(a.answer);
	else
		*ret_answer = a.answer;
	return err;
}

void ask_show(const struct ask_options *opt, struct json_object *answer, void (*print)(struct json_object *answer))
{
	if (opt->json)
		puts(json_object_to_json_string_ext(answer,
						    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print(answer);
}

struct json_object *ask_member(struct json_object *o, const char *name)
{
	struct json_object *member = NULL;

	return json_object_object_get_ex(o, name, &member) ? member : NULL;
}

uint64_t ask_u64(struct json_object *o, const char *name)
{
	return json_object_get_uint64(ask_member(o, name));
}

double ask_double(struct json_object *o, const char *name)
{
	return json_object_get_double(ask_member(o, name));
}

bool ask_bool(struct json_object *o, const char *name)
{
	return json_object_get_boolean(ask_member(o, name));
}

const char *ask_text(struct json_object *o, const char *name)
{
	struct json_object *member = ask_member(o, name);

	return json_object_is_type(member, json_type_string) ? json_object_get_string(member) : "";
}

const char *ask_time(double seconds, char buf[ASK_TIME_MAX])
{
	unsigned long long s = seconds < 0 || seconds > 1e15 ? 0 : (unsigned long long)seconds;

	if (seconds < 10)
		snprintf(buf, ASK_TIME_MAX, "%.1f s", seconds);
	else if (s < MINUTE)
		snprintf(buf, ASK_TIME_MAX, "%llu s", s);
	else if (s < HOUR)
		snprintf(buf, ASK_TIME_MAX, "%llu min %llu s", s / MINUTE, s % MINUTE);
	else if (s < DAY)
		snprintf(buf, ASK_TIME_MAX, "%llu h %llu min", s / HOUR, s % HOUR / MINUTE);
	else
		snprintf(buf, ASK_TIME_MAX, "%llu d %llu h", s / DAY, s % DAY / HOUR);
	return buf;
}

const char *ask_bar(double part, double whole, char buf[ASK_BAR_MAX])
{
	double share = whole > 0 && part > 0 ? part / whole : 0;
	/* Something is never shown as nothing. */
	unsigned int full = share >= 1 ? BAR_LEN : (unsigned int)(share * BAR_LEN) + (share > 0);
	char *p = buf;

	full = full > BAR_LEN ? BAR_LEN : full;
	*p++ = '[';
	for (unsigned int i = 0; i < BAR_LEN; i++)
		*p++ = i < full ? '#' : '.';
	*p++ = ']';
	*p = '\0';
	return buf;
}
