/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The configuration file.  Promises: every mistake is said, in one run, with its place and what to do about it; a
 * configuration that is given out keeps all bounds of the table and contradicts itself nowhere.
 *
 * libconfig stops at the first mistake in the syntax: what it has read until then is looked at all the same.  A name
 * that is set twice is such a mistake too; there a letter of it becomes '*', which no setting of ours has, and it
 * reads again.
 */

#include "mds/config.h"

#include <ctype.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mds/config_int.h"
#include "mds/nearest.h"

#define LISTEN_DEFAULT	 "*:2049"
#define BLOCK_IO_SECONDS 60  /* a client's longest I/O: Linux ends commands to disks after 30 s, and tries again */
#define MARK_TRIES	 500 /* readings of a file to find what is set twice in it */

static const char *const lists[] = { "devices", "listen", "exports", "limits", "store", NULL };

/* Defaults and freeing */

static int config_new(struct config **ret_cfg)
{
	unsigned int nr;
	const struct config_knob *knobs = config_knobs(&nr);
	struct config *cfg = calloc(1, sizeof(*cfg));

	assert(nr <= CONFIG_KNOBS_MAX);
	if (!cfg)
		return -ENOMEM;
	for (unsigned int i = 0; i < nr; i++) {
		if (knobs[i].kind != CONFIG_PATH) {
			*config_number(cfg, &knobs[i]) = knobs[i].dflt;
			continue;
		}
		*config_path(cfg, &knobs[i]) = strdup(knobs[i].path);
		if (!*config_path(cfg, &knobs[i])) {
			config_free(cfg);
			return -ENOMEM;
		}
	}
	*ret_cfg = cfg;
	return 0;
}

void config_free(struct config *cfg)
{
	unsigned int nr;
	const struct config_knob *knobs = config_knobs(&nr);

	if (!cfg)
		return;
	for (unsigned int i = 0; i < nr; i++) {
		if (knobs[i].kind == CONFIG_PATH)
			free(*config_path(cfg, &knobs[i]));
	}
	for (unsigned int i = 0; i < cfg->nr_devices; i++)
		free(cfg->devices[i]);
	config_free_exports(cfg->exports, cfg->nr_exports);
	free(cfg);
}

struct config *config_default(void)
{
	static const char text[] = "exports = ( { path = \"/\"; clients = ( { hosts = [ \"127.0.0.0/8\", \"::1\" ];"
				   " squash = \"none\"; } ); } );";
	struct why_list *why = malloc(sizeof(*why));
	struct config *cfg = NULL;
	int err;

	if (!why)
		return NULL;
	why_list_init(why);
	err = config_load_text(text, strlen(text), "default", NULL, &cfg, why);
	assert(err == 0 || err == -ENOMEM);
	free(why);
	return err ? NULL : cfg;
}

/* Reading with libconfig */

bool config_is_repeated(const config_setting_t *s)
{
	return s->name && s->name[0] == '*';
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '*';
}

/* The @nth name (from 0) in a line of the text that a value follows, *@ret_len bytes; NULL: there are not so many. */
static char *name_in_line(const struct config_text *t, unsigned int line, unsigned int nth, size_t *ret_len)
{
	char *at = t->buf, *name, *end;

	for (unsigned int i = 1; i < line && at; i++) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	while (at && *at && *at != '\n') {
		if (!isalpha((unsigned char)*at) && *at != '*') {
			at++;
			continue;
		}
		name = at;
		while (is_name_char(*at))
			at++;
		for (end = at; *end == ' ' || *end == '\t' || *end == '\r'; end++)
			;
		/* What follows may be in the next line. */
		if ((!*end || strchr("=:\n", *end)) && nth-- == 0) {
			*ret_len = (size_t)(at - name);
			return name;
		}
	}
	return NULL;
}

static bool is_duplicate(const config_t *lib, unsigned int *ret_line)
{
	const char *text = config_error_text(lib);

	*ret_line = (unsigned int)config_error_line(lib);
	return text && strstr(text, "duplicate") != NULL;
}

static bool lib_read(config_t *lib, const struct config_text *t)
{
	config_destroy(lib);
	config_init(lib);
	return config_read_string(lib, t->buf) == CONFIG_TRUE;
}

/*
 * Mark the name that is set twice in @line, with as many '*' as make it unlike those that were marked before.  False:
 * it is not found, or *@tries are used up; then the text is as it was.
 */
static bool mark_duplicate(config_t *lib, struct config_text *t, unsigned int line, unsigned int *tries)
{
	char *name, old[NEAREST_LEN_MAX + 1];
	unsigned int at;
	size_t len;

	for (unsigned int nth = 0; (name = name_in_line(t, line, nth, &len)); nth++) {
		len = min_u64(len, sizeof(old));
		memcpy(old, name, len);
		for (size_t i = 0; i<len && * tries> 0; i++, --*tries) {
			name[i] = '*';
			if (lib_read(lib, t) || !is_duplicate(lib, &at) || at > line)
				return true;
		}
		memcpy(name, old, len);
	}
	(void)!lib_read(lib, t);
	return false;
}

/* What could be read is in @lib; a mistake of the syntax is said, and false returned. */
static bool read_text(config_t *lib, struct config_text *t, struct why_list *why)
{
	unsigned int line, tries = MARK_TRIES;

	while (!lib_read(lib, t)) {
		if (!is_duplicate(lib, &line)) {
			if (!t->cut)
				why_list_add(
					why, config_text_file(t, line), config_text_line(t, line),
					"%s, here or shortly before; a setting is NAME = VALUE; with texts in quotes "
					"and commas between the elements of a list (nothing below was looked at)",
					config_error_text(lib));
			return false;
		}
		if (!mark_duplicate(lib, t, line, &tries)) {
			why_list_add(
				why, config_text_file(t, line), config_text_line(t, line),
				"something is set here for a second time; remove one of the two (nothing below was "
				"looked at)");
			return false;
		}
	}
	return !t->cut;
}

/* Looking at what was read */

/* Whether @marked is @name with some of its letters replaced. */
static bool is_marked(const char *marked, const char *name)
{
	if (strlen(marked) != strlen(name))
		return false;
	for (; *name; name++, marked++) {
		if (*marked != '*' && *marked != *name)
			return false;
	}
	return true;
}

static void complain_repeated(struct config_parse *p, const config_setting_t *s)
{
	const config_setting_t *group = config_setting_parent(s);

	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *first = config_setting_get_elem(group, (unsigned int)i);

		if (!config_is_repeated(first) && is_marked(s->name, first->name)) {
			config_complain_at(p, config_setting_source_line(s),
					   "%s is set already in line %u of %s; remove one of the two", first->name,
					   config_text_line(p->text, config_setting_source_line(first)),
					   config_text_file(p->text, config_setting_source_line(first)));
			return;
		}
	}
	config_complain_at(p, config_setting_source_line(s), "this is set already; remove one of the two");
}

void config_unknown(struct config_parse *p, const config_setting_t *s, const char *const *known)
{
	struct nearest near;

	if (config_is_repeated(s)) {
		complain_repeated(p, s);
		return;
	}
	near = nearest_to(s->name);
	for (; *known; known++)
		nearest_try(&near, *known);
	if (near.best)
		config_complain(p, s, "there is no such setting; did you mean %s?", near.best);
	else
		config_complain(p, s, "there is no such setting; remove it, or see lamina.conf(5)");
}

/* A name that is not known in @group: is it near to one, or does it belong elsewhere? */
static void unknown_knob(struct config_parse *p, const config_setting_t *s, const char *group)
{
	const char *known[CONFIG_KNOBS_MAX + ARRAY_SIZE(lists)];
	unsigned int nr, n = 0;
	const struct config_knob *knobs = config_knobs(&nr);

	for (unsigned int i = 0; i < nr; i++) {
		if (strcmp(knobs[i].group, group) == 0) {
			known[n++] = knobs[i].name;
		} else if (strcmp(knobs[i].name, s->name) == 0) {
			config_complain(p, s, "this does not belong here; write it %s%s%s",
					*knobs[i].group ? "inside " : "outside of ",
					*knobs[i].group ? knobs[i].group : group, *knobs[i].group ? ": { ... }" : "");
			return;
		}
	}
	for (unsigned int i = 0; !*group && lists[i]; i++)
		known[n++] = lists[i];
	known[n] = NULL;
	config_unknown(p, s, known);
}

static int get_group(struct config_parse *p, const config_setting_t *s)
{
	int err = 0;

	if (!config_setting_is_group(s)) {
		config_complain(p, s, "is %s; write a group, as %s: { NAME = VALUE; }", config_type_word(s), s->name);
		return 0;
	}
	for (int i = 0; i < config_setting_length(s) && !err; i++) {
		const config_setting_t *e = config_setting_get_elem(s, (unsigned int)i);
		int knob = config_find_knob(s->name, e->name);

		if (knob >= 0)
			err = config_get_knob(p, e, (unsigned int)knob);
		else
			unknown_knob(p, e, s->name);
	}
	return err;
}

static int get_devices(struct config_parse *p, const config_setting_t *s)
{
	struct config *cfg = p->cfg;
	const char *path;

	if (!config_is_list(p, s, VOLUME_DEVICES_MAX, "[ \"/dev/disk/by-id/...\" ]"))
		return 0;
	for (int i = 0; i < config_setting_length(s); i++) {
		const config_setting_t *e = config_setting_get_elem(s, (unsigned int)i);
		bool twice = false;

		if (!config_get_text(p, e, &path))
			continue;
		if (path[0] != '/') {
			config_complain(p, e, "'%s' is no absolute path; begin it with /", path);
			continue;
		}
		for (unsigned int j = 0; j < cfg->nr_devices; j++)
			twice = twice || strcmp(cfg->devices[j], path) == 0;
		if (twice) {
			config_complain(p, e, "%s is named twice; remove one of the two", path);
			continue;
		}
		cfg->devices[cfg->nr_devices] = strdup(path);
		if (!cfg->devices[cfg->nr_devices])
			return -ENOMEM;
		cfg->nr_devices++;
	}
	return 0;
}

/* Whether nobody can listen on both. */
static bool is_same_listen(const struct sock_addr *a, const struct sock_addr *b)
{
	const struct sockaddr_in *a4 = (const void *)&a->ss, *b4 = (const void *)&b->ss;
	const struct sockaddr_in6 *a6 = (const void *)&a->ss, *b6 = (const void *)&b->ss;
	in_port_t port_a = a->ss.ss_family == AF_INET ? a4->sin_port : a6->sin6_port;
	in_port_t port_b = b->ss.ss_family == AF_INET ? b4->sin_port : b6->sin6_port;

	if (port_a != port_b || port_a == 0)
		return false;
	if ((a->ss.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a6->sin6_addr)) ||
	    (b->ss.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&b6->sin6_addr)))
		return true;
	if (a->ss.ss_family != b->ss.ss_family)
		return false;
	if (a->ss.ss_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr) && a6->sin6_scope_id == b6->sin6_scope_id;
	return a4->sin_addr.s_addr == b4->sin_addr.s_addr || a4->sin_addr.s_addr == INADDR_ANY ||
	       b4->sin_addr.s_addr == INADDR_ANY;
}

static void get_listen(struct config_parse *p, const config_setting_t *s)
{
	struct config *cfg = p->cfg;
	struct sock_addr addr;
	const char *text;

	if (!config_is_list(p, s, CONFIG_LISTEN_MAX, "[ \"" LISTEN_DEFAULT "\" ]"))
		return;
	if (config_setting_length(s) == 0)
		config_complain(p, s, "nobody could connect; name an address, or remove the setting");
	for (int i = 0; i < config_setting_length(s); i++) {
		const config_setting_t *e = config_setting_get_elem(s, (unsigned int)i);
		bool same = false;

		if (!config_get_text(p, e, &text))
			continue;
		if (sock_addr_parse(text, &addr) || addr.ss.ss_family == AF_UNIX) {
			config_complain(p, e,
					"'%s' is no address with a port; write \"192.0.2.1:2049\", "
					"\"[2001:db8::1]:2049\" or \"" LISTEN_DEFAULT "\"; names are not looked up",
					text);
			continue;
		}
		for (unsigned int j = 0; j < cfg->nr_listen; j++)
			same = same || is_same_listen(&cfg->listen[j], &addr);
		if (same)
			config_complain(p, e, "%s is the same as, or part of, another address; remove one of the two",
					text);
		else
			cfg->listen[cfg->nr_listen++] = addr;
	}
}

static int get_all(struct config_parse *p, const config_setting_t *root)
{
	bool exports = false;
	int err = 0;

	for (int i = 0; i < config_setting_length(root) && !err; i++) {
		const config_setting_t *s = config_setting_get_elem(root, (unsigned int)i);
		int knob = config_find_knob("", s->name);

		if (knob >= 0) {
			err = config_get_knob(p, s, (unsigned int)knob);
		} else if (strcmp(s->name, "limits") == 0 || strcmp(s->name, "store") == 0) {
			err = get_group(p, s);
		} else if (strcmp(s->name, "devices") == 0) {
			err = get_devices(p, s);
		} else if (strcmp(s->name, "listen") == 0) {
			get_listen(p, s);
		} else if (strcmp(s->name, "exports") == 0) {
			exports = true;
			err = config_get_exports(p, s);
		} else {
			unknown_knob(p, s, "");
		}
	}
	if (!err && !exports && p->whole)
		why_list_add(p->why, p->text->files[0], 0,
			     "there are no exports, so nobody could mount anything; add exports = ( { path = \"/\"; "
			     "clients = ( { hosts = [ \"192.0.2.0/24\" ]; } ); } );");
	return err;
}

/* What follows from other settings, and contradictions */

static void fit_knob(struct config_parse *p, unsigned int i, const struct config_knob *knobs)
{
	const struct config_knob *k = &knobs[i];
	int other = config_find_knob(k->group, k->at_most);
	uint64_t *value = config_number(p->cfg, k), most;

	assert(other >= 0);
	most = *config_number(p->cfg, &knobs[other]);
	if (*value <= most)
		return;
	if (p->set_at[i])
		config_complain_at(p, p->set_at[i], "%s.%s: more than %s, which is %" PRIu64 "; lower it or raise %s",
				   k->group, k->name, k->at_most, most, k->at_most);
	else
		*value = most;
}

static void fit_all(struct config_parse *p)
{
	struct config *cfg = p->cfg;
	unsigned int nr;
	const struct config_knob *knobs = config_knobs(&nr);
	int grace = config_find_knob("", "grace_seconds"), buffer = config_find_knob("limits", "buffer_bytes");
	int request = config_find_knob("limits", "request_bytes");

	for (unsigned int i = 0; i < nr; i++) {
		if (knobs[i].at_most)
			fit_knob(p, i, knobs);
	}
	if (!p->set_at[grace])
		cfg->grace_seconds = max_u64(cfg->grace_seconds, cfg->lease_seconds);
	else if (cfg->grace_seconds < cfg->lease_seconds)
		config_complain_at(p, p->set_at[grace],
				   "grace_seconds: less than lease_seconds, which is %" PRIu64
				   ", so clients may come too late; raise it",
				   cfg->lease_seconds);
	if (!cfg->recall_seconds)
		cfg->recall_seconds = cfg->lease_seconds;
	if (!cfg->block_wait_seconds)
		cfg->block_wait_seconds = cfg->lease_seconds + BLOCK_IO_SECONDS;
	if (cfg->limits.buffer_bytes < cfg->limits.request_bytes + cfg->limits.response_bytes)
		config_complain_at(p, p->set_at[buffer] ? p->set_at[buffer] : p->set_at[request],
				   "limits.buffer_bytes: no room for one request and reply of request_bytes and "
				   "response_bytes, together %" PRIu64 "; raise it or lower these",
				   cfg->limits.request_bytes + cfg->limits.response_bytes);
}

static int listen_default(struct config *cfg)
{
	if (cfg->nr_listen)
		return 0;
	cfg->nr_listen = 1;
	return sock_addr_parse(LISTEN_DEFAULT, &cfg->listen[0]);
}

/* Loading */

static int load(struct config_text *t, struct config **ret_config, struct why_list *why)
{
	struct config_parse p = { .text = t, .why = why };
	config_t lib;
	int err = config_new(&p.cfg);

	if (err)
		return err;
	config_init(&lib);
	p.whole = read_text(&lib, t, why);
	err = get_all(&p, config_root_setting(&lib));
	config_destroy(&lib);
	if (!err) {
		fit_all(&p);
		err = listen_default(p.cfg);
	}
	if (!err && (why->nr || why->more)) {
		why_list_sort(why);
		err = -EINVAL;
	}
	if (err)
		config_free(p.cfg);
	else
		*ret_config = p.cfg;
	return err;
}

int config_load_text(const char *text, size_t len, const char *name, const char *dir, struct config **ret_config,
		     struct why_list *why)
{
	struct config_text t;
	int err = config_text_take(&t, text, len, name, dir, why);

	if (err)
		return err;
	err = load(&t, ret_config, why);
	config_text_free(&t);
	return err;
}

int config_load(const char *path, struct config **ret_config, struct why_list *why)
{
	struct config_text t;
	int err = config_text_read(&t, path, why);

	if (err)
		return err;
	err = load(&t, ret_config, why);
	config_text_free(&t);
	return err;
}

int config_use_devices(struct config *cfg, char *const *paths, unsigned int nr, struct why_list *why)
{
	char *copies[VOLUME_DEVICES_MAX];
	bool twice = false;
	unsigned int n = 0;

	if (nr > VOLUME_DEVICES_MAX) {
		why_list_add(why, NULL, 0, "%u devices are named; a volume has at most %d", nr, VOLUME_DEVICES_MAX);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < nr; i++) {
		for (unsigned int j = 0; j < i; j++) {
			if (strcmp(paths[i], paths[j]) == 0) {
				why_list_add(why, NULL, 0, "%s is named twice; name it once", paths[i]);
				twice = true;
			}
		}
	}
	if (twice)
		return -EINVAL;
	for (; n < nr; n++) {
		copies[n] = strdup(paths[n]);
		if (!copies[n])
			break;
	}
	if (n < nr) {
		while (n > 0)
			free(copies[--n]);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < cfg->nr_devices; i++)
		free(cfg->devices[i]);
	memcpy(cfg->devices, copies, nr * sizeof(copies[0]));
	cfg->nr_devices = nr;
	return 0;
}
