/* SPDX-License-Identifier: Apache-2.0 */

/* Single values of the configuration.  Promise: a value that is taken lies within the bounds of its row in the table.
 */

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mds/config_int.h"
#include "mds/nearest.h"

#define NAME_TEXT_MAX 128

void config_complain_at(struct config_parse *p, unsigned int text_line, const char *fmt, ...)
{
	char text[sizeof(p->why->items[0].text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	why_list_add(p->why, config_text_file(p->text, text_line), config_text_line(p->text, text_line), "%s", text);
}

/* "limits.clients": the names on the way to @s that are names. */
static void name_of(const config_setting_t *s, char name[NAME_TEXT_MAX])
{
	const char *own = s->name, *group = NULL;

	for (s = s->parent; s; s = s->parent) {
		if (!own)
			own = s->name;
		else if (!group)
			group = s->name;
	}
	snprintf(name, NAME_TEXT_MAX, "%s%s%s", group ? group : "", group ? "." : "", own ? own : "");
}

/* Whether the parser went on behind @s, so that nothing of it is missing. */
static bool is_finished(const struct config_parse *p, const config_setting_t *s)
{
	if (p->whole)
		return true;
	for (; s->parent; s = s->parent) {
		if (config_setting_index(s) + 1 < config_setting_length(s->parent))
			return true;
	}
	return false;
}

void config_complain(struct config_parse *p, const config_setting_t *s, const char *fmt, ...)
{
	char text[sizeof(p->why->items[0].text)], name[NAME_TEXT_MAX];
	va_list args;

	if ((config_setting_is_aggregate(s) || config_setting_type(s) == CONFIG_TYPE_NONE) && !is_finished(p, s))
		return;
	name_of(s, name);
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	config_complain_at(p, config_setting_source_line(s), "%s%s%s", name, *name ? ": " : "", text);
}

const char *config_type_word(const config_setting_t *s)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_GROUP:
		return "a group";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "a whole number";
	case CONFIG_TYPE_FLOAT:
		return "a number with a fraction";
	case CONFIG_TYPE_STRING:
		return "a text";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_ARRAY:
		return "an array";
	case CONFIG_TYPE_LIST:
		return "a list";
	}
	return "nothing";
}

/* "64M"; false: no size. */
static bool size_of(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	const char *unit;
	uint64_t n;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || (end[1] && strcmp(end + 1, "iB") != 0))
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (n > UINT64_MAX >> shift)
		return false;
	*ret_bytes = n << shift;
	return true;
}

bool config_get_number(struct config_parse *p, const config_setting_t *s, uint64_t min, uint64_t max,
		       const char *unit, bool may_be_text, uint64_t *ret_value)
{
	const char *blank = *unit ? " " : "";
	bool negative = false;
	uint64_t value = 0;
	long long n;

	if (config_setting_type(s) == CONFIG_TYPE_STRING && may_be_text) {
		if (!size_of(config_setting_get_string(s), &value)) {
			config_complain(p, s,
					"'%s' is no size; write bytes, or a number with K, M, G or T as \"64M\"",
					config_setting_get_string(s));
			return false;
		}
	} else if (config_setting_type(s) == CONFIG_TYPE_INT || config_setting_type(s) == CONFIG_TYPE_INT64) {
		n = config_setting_type(s) == CONFIG_TYPE_INT ? config_setting_get_int(s)
							      : config_setting_get_int64(s);
		negative = n < 0;
		value = negative ? 0 : (uint64_t)n;
	} else {
		config_complain(p, s, "is %s; write a whole number%s%s from %" PRIu64 " to %" PRIu64 "%s",
				config_type_word(s), *unit ? " of " : "", unit, min, max,
				may_be_text ? ", or a text as \"64M\"" : "");
		return false;
	}
	if (negative || value < min || value > max) {
		config_complain(p, s, "out of range; it may be from %" PRIu64 " to %" PRIu64 "%s%s", min, max, blank,
				unit);
		return false;
	}
	*ret_value = value;
	return true;
}

bool config_get_text(struct config_parse *p, const config_setting_t *s, const char **ret_text)
{
	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		config_complain(p, s, "is %s; write a text in quotes", config_type_word(s));
		return false;
	}
	*ret_text = config_setting_get_string(s);
	return true;
}

bool config_get_choice(struct config_parse *p, const config_setting_t *s, const struct config_choice *choices,
		       uint64_t *ret_value)
{
	char words[128] = "";
	struct nearest near;
	const char *text;

	for (const struct config_choice *c = choices; c->word; c++) {
		size_t len = strlen(words);

		snprintf(words + len, sizeof(words) - len, "%s\"%s\"", len ? ", " : "", c->word);
	}
	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		config_complain(p, s, "is %s; write one of %s", config_type_word(s), words);
		return false;
	}
	text = config_setting_get_string(s);
	near = nearest_to(text);
	for (const struct config_choice *c = choices; c->word; c++) {
		if (strcmp(c->word, text) == 0) {
			*ret_value = c->value;
			return true;
		}
		nearest_try(&near, c->word);
	}
	if (near.best)
		config_complain(p, s, "there is no '%s'; did you mean \"%s\"?  It is one of %s", text, near.best,
				words);
	else
		config_complain(p, s, "there is no '%s'; write one of %s", text, words);
	return false;
}

bool config_is_list(struct config_parse *p, const config_setting_t *s, unsigned int max, const char *example)
{
	if (!config_setting_is_list(s) && !config_setting_is_array(s)) {
		config_complain(p, s, "is %s; write a list, as %s", config_type_word(s), example);
		return false;
	}
	if (config_setting_length(s) > (int)max) {
		config_complain(p, s, "has %d elements; there may be %u", config_setting_length(s), max);
		return false;
	}
	return true;
}

uint64_t *config_number(struct config *cfg, const struct config_knob *knob)
{
	return (uint64_t *)(void *)((char *)cfg + knob->offset);
}

char **config_path(struct config *cfg, const struct config_knob *knob)
{
	return (char **)(void *)((char *)cfg + knob->offset);
}

int config_find_knob(const char *group, const char *name)
{
	unsigned int nr;
	const struct config_knob *knobs = config_knobs(&nr);

	for (unsigned int i = 0; i < nr; i++) {
		if (strcmp(knobs[i].group, group) == 0 && strcmp(knobs[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static int get_path(struct config_parse *p, const config_setting_t *s, const struct config_knob *knob)
{
	const char *text;
	char *copy;

	if (!config_get_text(p, s, &text))
		return 0;
	if ((text[0] != '/' && (text[0] || knob->path[0])) || strlen(text) > knob->max) {
		config_complain(p, s,
				"'%s' does not do; write a path that begins with / and has at most %" PRIu64 " bytes",
				text, knob->max);
		return 0;
	}
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*config_path(p->cfg, knob));
	*config_path(p->cfg, knob) = copy;
	return 0;
}

int config_get_knob(struct config_parse *p, const config_setting_t *s, unsigned int knob)
{
	unsigned int nr;
	const struct config_knob *k = &config_knobs(&nr)[knob];
	uint64_t value;

	if (k->kind == CONFIG_PATH)
		return get_path(p, s, k);
	if (k->kind == CONFIG_CHOICE
		    ? config_get_choice(p, s, k->choices, &value)
		    : config_get_number(p, s, k->min, k->max, k->unit, k->kind == CONFIG_BYTES, &value)) {
		*config_number(p->cfg, k) = value;
		p->set_at[knob] = config_setting_source_line(s);
	}
	return 0;
}
