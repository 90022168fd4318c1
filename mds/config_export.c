/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The exports of the configuration.  Promises: ids and pseudo paths are different, an export that lies in another one
 * shows the same directory, and every host in a rule can decide about some peer.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mds/config_int.h"

static const struct config_choice access_words[] = { { "rw", false }, { "ro", true }, { NULL, 0 } };
static const struct config_choice squash_words[] = {
	{ "root", EXPORT_SQUASH_ROOT },
	{ "all", EXPORT_SQUASH_ALL },
	{ "none", EXPORT_SQUASH_NONE },
	{ NULL, 0 },
};

static const char *const rule_names[] = { "hosts", "access", "squash", "anon_uid", "anon_gid", "layouts", NULL };
static const char *const export_names[] = { "path", "pseudo", "id", "clients", NULL };

#define ANON_DEFAULT 65534	      /* nobody, nogroup */
#define ANON_MAX     (UINT32_MAX - 1) /* -1 is no user */
#define HOSTS_HINT   "hosts = [ \"192.0.2.0/24\", \"2001:db8::7\" ]"

void config_free_exports(struct export *exports, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct export *e = &exports[i];

		for (unsigned int j = 0; j < e->nr_rules; j++)
			free(e->rules[j].hosts);
		free(e->rules);
		free(e->path);
		free(e->pseudo);
	}
	free(exports);
}

/* Rules */

static void get_host(struct config_parse *p, const config_setting_t *s, const char *text, struct export_rule *rule)
{
	struct export_host host;

	switch (export_host_parse(text, &host)) {
	case 0:
		rule->hosts[rule->nr_hosts++] = host;
		return;
	case -ERANGE:
		config_complain(p, s, "'%s' has bits behind its prefix; set them to zero, or write the one address",
				text);
		return;
	case -EAFNOSUPPORT:
		config_complain(p, s, "'%s' is an IPv4 address; write it as one, \"192.0.2.7\"", text);
		return;
	}
	config_complain(p, s,
			"'%s' is no address; write as \"10.0.0.0/8\", \"2001:db8::7\", or \"*\" for all; names "
			"are not looked up",
			text);
}

static int get_hosts(struct config_parse *p, const config_setting_t *s, struct export_rule *rule)
{
	const char *text;

	if (!config_is_list(p, s, EXPORT_HOSTS_MAX, HOSTS_HINT))
		return 0;
	if (config_setting_length(s) == 0) {
		config_complain(p, s, "is empty, so the rule is for nobody; name addresses or remove the rule");
		return 0;
	}
	rule->hosts = calloc((size_t)config_setting_length(s), sizeof(*rule->hosts));
	if (!rule->hosts)
		return -ENOMEM;
	for (int i = 0; i < config_setting_length(s); i++) {
		const config_setting_t *e = config_setting_get_elem(s, (unsigned int)i);

		if (config_get_text(p, e, &text))
			get_host(p, e, text, rule);
	}
	return 0;
}

static void get_layouts(struct config_parse *p, const config_setting_t *s, struct export_rule *rule)
{
	static const struct config_choice words[] = { { "scsi", EXPORT_LAYOUT_SCSI },
						      { "block", EXPORT_LAYOUT_BLOCK },
						      { NULL, 0 } };
	uint64_t bit;

	rule->layouts = 0;
	if (!config_is_list(p, s, ARRAY_SIZE(words) - 1, "[ \"scsi\" ], or [ ] for none"))
		return;
	for (int i = 0; i < config_setting_length(s); i++) {
		const config_setting_t *e = config_setting_get_elem(s, (unsigned int)i);

		if (!config_get_choice(p, e, words, &bit))
			continue;
		if (rule->layouts & bit)
			config_complain(p, e, "is named twice; remove one of the two");
		rule->layouts |= (unsigned int)bit;
	}
}

static int get_rule_member(struct config_parse *p, const config_setting_t *s, struct export_rule *rule)
{
	uint64_t value;

	if (strcmp(s->name, "hosts") == 0)
		return get_hosts(p, s, rule);
	if (strcmp(s->name, "access") == 0) {
		if (config_get_choice(p, s, access_words, &value))
			rule->read_only = value;
	} else if (strcmp(s->name, "squash") == 0) {
		if (config_get_choice(p, s, squash_words, &value))
			rule->squash = (enum export_squash)value;
	} else if (strcmp(s->name, "anon_uid") == 0) {
		if (config_get_number(p, s, 0, ANON_MAX, "", false, &value))
			rule->anon_uid = (uint32_t)value;
	} else if (strcmp(s->name, "anon_gid") == 0) {
		if (config_get_number(p, s, 0, ANON_MAX, "", false, &value))
			rule->anon_gid = (uint32_t)value;
	} else if (strcmp(s->name, "layouts") == 0) {
		get_layouts(p, s, rule);
	} else {
		config_unknown(p, s, rule_names);
	}
	return 0;
}

static int get_rule(struct config_parse *p, const config_setting_t *s, struct export_rule *rule)
{
	int err = 0;

	*rule = (struct export_rule){ .anon_uid = ANON_DEFAULT,
				      .anon_gid = ANON_DEFAULT,
				      .layouts = EXPORT_LAYOUT_SCSI };
	if (!config_setting_is_group(s)) {
		config_complain(p, s, "a rule is a group, not %s; write { " HOSTS_HINT "; }", config_type_word(s));
		return 0;
	}
	for (int i = 0; i < config_setting_length(s) && !err; i++)
		err = get_rule_member(p, config_setting_get_elem(s, (unsigned int)i), rule);
	if (err)
		return err;
	if (!config_setting_get_member(s, "hosts"))
		config_complain(p, s, "the rule names no hosts; add " HOSTS_HINT);
	if (rule->squash != EXPORT_SQUASH_NONE && rule->anon_uid == 0)
		config_complain(p, s,
				"anon_uid = 0 leaves root what it is; write squash = \"none\" if that is meant, "
				"else another anon_uid");
	return 0;
}

/* Hosts that never decide because an earlier rule has them all. */
static void check_hosts(struct config_parse *p, const config_setting_t *s, const struct export *e)
{
	char inner[EXPORT_HOST_TEXT_MAX], outer[EXPORT_HOST_TEXT_MAX];

	for (unsigned int i = 0; i < e->nr_rules; i++) {
		for (unsigned int h = 0; h < e->rules[i].nr_hosts; h++) {
			const struct export_host *host = &e->rules[i].hosts[h], *above = NULL;
			const config_setting_t *at = config_setting_get_elem(s, i);

			for (unsigned int j = 0; j < i && !above; j++) {
				for (unsigned int k = 0; k < e->rules[j].nr_hosts && !above; k++) {
					if (export_host_covers(&e->rules[j].hosts[k], host))
						above = &e->rules[j].hosts[k];
				}
			}
			for (unsigned int k = 0; k < h && !above; k++) {
				if (export_host_covers(&e->rules[i].hosts[k], host) &&
				    export_host_covers(host, &e->rules[i].hosts[k]))
					above = host;
			}
			if (!above)
				continue;
			export_host_print(host, inner);
			export_host_print(above, outer);
			if (above == host)
				config_complain(p, at, "%s is named twice in this rule; remove one of the two",
						inner);
			else
				config_complain(p, at,
						"%s never decides, since %s is in a rule above; put this rule "
						"before that one, or remove it",
						inner, outer);
		}
	}
}

static int get_rules(struct config_parse *p, const config_setting_t *s, struct export *e)
{
	int err = 0;

	if (!config_is_list(p, s, EXPORT_RULES_MAX, "( { " HOSTS_HINT "; } )"))
		return 0;
	if (config_setting_length(s) == 0) {
		config_complain(p, s, "is empty, so nobody sees this export; add a rule or remove the export");
		return 0;
	}
	e->rules = calloc((size_t)config_setting_length(s), sizeof(*e->rules));
	if (!e->rules)
		return -ENOMEM;
	for (int i = 0; i < config_setting_length(s) && !err; i++)
		err = get_rule(p, config_setting_get_elem(s, (unsigned int)i), &e->rules[e->nr_rules++]);
	if (!err)
		check_hosts(p, s, e);
	return err;
}

/* Exports */

static int get_path(struct config_parse *p, const config_setting_t *s, char **ret_path)
{
	const char *text, *why;
	char *copy;

	if (!config_get_text(p, s, &text))
		return 0;
	if (!export_path_ok(text, &why)) {
		config_complain(p, s, "'%s' %s", text, why);
		return 0;
	}
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*ret_path);
	*ret_path = copy;
	return 0;
}

static int get_export_member(struct config_parse *p, const config_setting_t *s, struct export *e)
{
	uint64_t value;

	if (strcmp(s->name, "path") == 0)
		return get_path(p, s, &e->path);
	if (strcmp(s->name, "pseudo") == 0)
		return get_path(p, s, &e->pseudo);
	if (strcmp(s->name, "clients") == 0)
		return get_rules(p, s, e);
	if (strcmp(s->name, "id") == 0) {
		if (config_get_number(p, s, 1, EXPORT_ID_MAX, "", false, &value))
			e->id = (uint32_t)value;
		return 0;
	}
	config_unknown(p, s, export_names);
	return 0;
}

static int get_export(struct config_parse *p, const config_setting_t *s, struct export *e)
{
	int err = 0;

	if (!config_setting_is_group(s)) {
		config_complain(p, s,
				"an export is a group, not %s; write { path = \"/\"; clients = ( { " HOSTS_HINT
				"; } ); }",
				config_type_word(s));
		return 0;
	}
	for (int i = 0; i < config_setting_length(s) && !err; i++)
		err = get_export_member(p, config_setting_get_elem(s, (unsigned int)i), e);
	if (err)
		return err;
	if (!config_setting_get_member(s, "path"))
		config_complain(p, s, "the export has no path; add the directory of the volume, as path = \"/\"");
	if (!config_setting_get_member(s, "clients"))
		config_complain(p, s, "nobody sees this export; add clients = ( { " HOSTS_HINT "; } )");
	if (e->path && !e->pseudo && !config_setting_get_member(s, "pseudo")) {
		e->pseudo = strdup(e->path);
		err = e->pseudo ? 0 : -ENOMEM;
	}
	if (e->pseudo && !config_setting_get_member(s, "id"))
		e->id = export_id_of(e->pseudo);
	return err;
}

static unsigned int line_of(struct config_parse *p, const config_setting_t *s, unsigned int i)
{
	return config_text_line(p->text, config_setting_source_line(config_setting_get_elem(s, i)));
}

/* @e is at or below @outer; whether that is allowed. */
static void check_nested(struct config_parse *p, const config_setting_t *s, struct export *e, struct export *outer)
{
	const config_setting_t *at = config_setting_get_elem(s, e->index);
	const char *rest, *path_rest;

	if (!export_path_below(e->pseudo, outer->pseudo, &rest))
		return;
	if (*rest == '\0') {
		config_complain(p, at,
				"the export of line %u is at the pseudo path %s too; give one of them another "
				"pseudo path, or join their clients",
				line_of(p, s, outer->index), e->pseudo);
		return;
	}
	if (!outer->path || !e->path)
		return;
	if (!export_path_below(e->path, outer->path, &path_rest) || strcmp(rest, path_rest) != 0) {
		config_complain(
			p, at,
			"its pseudo path %s lies in the export of line %u, where clients see the "
			"directory %s%s of the volume, not %s; make path that, or choose a pseudo path outside of "
			"%s",
			e->pseudo, line_of(p, s, outer->index), strcmp(outer->path, "/") == 0 ? "" : outer->path,
			rest, e->path, outer->pseudo);
		return;
	}
	/* The innermost of those that it lies in. */
	if (!e->outer || strlen(e->outer->pseudo) < strlen(outer->pseudo))
		e->outer = outer;
}

/* False: @b is where @a is, and need not be compared with others. */
static bool check_pair(struct config_parse *p, const config_setting_t *s, struct export *a, struct export *b)
{
	if (a->pseudo && b->pseudo) {
		check_nested(p, s, b, a);
		if (strcmp(a->pseudo, b->pseudo) == 0)
			return false; /* and so are ids that come from them */
		check_nested(p, s, a, b);
	}
	if (a->id && a->id == b->id)
		config_complain(p, config_setting_get_elem(s, b->index),
				"its id is %" PRIu32
				", as that of the export of line %u; give one of them another id = "
				"1 .. %d, and never change it",
				b->id, line_of(p, s, a->index), EXPORT_ID_MAX);
	return true;
}

/* Ids of the pseudo file system's directories must differ too. */
static int check_tree(struct config_parse *p, const config_setting_t *s)
{
	struct export_tree *tree;
	int err = export_tree_open(p->cfg->exports, p->cfg->nr_exports, &tree);

	if (err == -EEXIST) {
		config_complain(p, s, "the pseudo paths of two directories have the same hash; rename one of them");
		return 0;
	}
	if (err)
		return err;
	export_tree_close(tree);
	return 0;
}

int config_get_exports(struct config_parse *p, const config_setting_t *s)
{
	struct config *cfg = p->cfg;
	unsigned int before = p->why->nr + p->why->more;
	int err = 0;

	if (!config_is_list(p, s, EXPORT_MAX, "exports = ( { path = \"/\"; clients = ( { " HOSTS_HINT "; } ); } )"))
		return 0;
	if (config_setting_length(s) == 0) {
		config_complain(p, s, "is empty, so nobody could mount anything; add an export");
		return 0;
	}
	cfg->exports = calloc((size_t)config_setting_length(s), sizeof(*cfg->exports));
	if (!cfg->exports)
		return -ENOMEM;
	for (int i = 0; i < config_setting_length(s) && !err; i++) {
		cfg->exports[i].index = cfg->nr_exports++;
		err = get_export(p, config_setting_get_elem(s, (unsigned int)i), &cfg->exports[i]);
	}
	for (unsigned int i = 0; i < cfg->nr_exports && !err; i++) {
		for (unsigned int j = 0; j < i && check_pair(p, s, &cfg->exports[j], &cfg->exports[i]); j++)
			;
	}
	if (!err && p->whole && before == p->why->nr + p->why->more)
		err = check_tree(p, s);
	return err;
}
