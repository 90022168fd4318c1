/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: the text is a configuration file that is without mistakes, and means what it was made from. */

#include "tools/config_report.h"

#include <ctype.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "mds/config.h"

static const char *const squash_words[] = {
	[EXPORT_SQUASH_ROOT] = "root",
	[EXPORT_SQUASH_ALL] = "all",
	[EXPORT_SQUASH_NONE] = "none",
};

static uint64_t number_of(const struct config *cfg, const struct config_knob *knob)
{
	return *(const uint64_t *)(const void *)((const char *)cfg + knob->offset);
}

static const char *path_of(const struct config *cfg, const struct config_knob *knob)
{
	return *(char *const *)(const void *)((const char *)cfg + knob->offset);
}

static const char *word_of(const struct config *cfg, const struct config_knob *knob)
{
	const struct config_choice *c = knob->choices;

	while (c->word && c->value != number_of(cfg, knob))
		c++;
	return c->word ? c->word : "?";
}

/* Left to the store. */
static bool is_chosen_later(const struct config *cfg, const struct config_knob *knob)
{
	return knob->as && number_of(cfg, knob) == 0;
}

/* Text */

static void put_quoted(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if (iscntrl((unsigned char)*text))
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void put_knob(const struct config *cfg, const struct config_knob *knob, FILE *out)
{
	const char *indent = *knob->group ? "\t" : "";

	fprintf(out, "%s# %s%s%s%s\n", indent, knob->what, *knob->unit ? " (" : "", knob->unit,
		*knob->unit ? ")" : "");
	if (is_chosen_later(cfg, knob)) {
		fprintf(out, "%s# %s: %s\n", indent, knob->name, knob->as);
		return;
	}
	fprintf(out, "%s%s = ", indent, knob->name);
	if (knob->kind == CONFIG_PATH)
		put_quoted(path_of(cfg, knob), out);
	else if (knob->kind == CONFIG_CHOICE)
		put_quoted(word_of(cfg, knob), out);
	else
		fprintf(out, "%" PRIu64, number_of(cfg, knob));
	fputs(";\n", out);
}

static void put_group(const struct config *cfg, const char *group, FILE *out)
{
	unsigned int nr;
	const struct config_knob *knobs = config_knobs(&nr);

	if (*group)
		fprintf(out, "\n%s:\n{\n", group);
	for (unsigned int i = 0; i < nr; i++) {
		if (strcmp(knobs[i].group, group) == 0)
			put_knob(cfg, &knobs[i], out);
	}
	if (*group)
		fputs("};\n", out);
}

static void put_rule(const struct export_rule *rule, bool last, FILE *out)
{
	char text[EXPORT_HOST_TEXT_MAX];

	fputs("\t\t{ hosts = [ ", out);
	for (unsigned int i = 0; i < rule->nr_hosts; i++) {
		export_host_print(&rule->hosts[i], text);
		fprintf(out, "%s\"%s\"", i ? ", " : "", text);
	}
	fprintf(out, " ]; access = \"%s\"; squash = \"%s\";\n", rule->read_only ? "ro" : "rw",
		squash_words[rule->squash]);
	fprintf(out, "\t\t  anon_uid = %" PRIu32 "; anon_gid = %" PRIu32 "; layouts = [ %s%s%s ]; }%s\n",
		rule->anon_uid, rule->anon_gid, rule->layouts & EXPORT_LAYOUT_SCSI ? "\"scsi\"" : "",
		rule->layouts == (EXPORT_LAYOUT_SCSI | EXPORT_LAYOUT_BLOCK) ? ", " : "",
		rule->layouts & EXPORT_LAYOUT_BLOCK ? "\"block\"" : "", last ? "" : ",");
}

static void put_export(const struct export *e, bool last, FILE *out)
{
	fputs("\t{ path = ", out);
	put_quoted(e->path, out);
	fputs("; pseudo = ", out);
	put_quoted(e->pseudo, out);
	fprintf(out, "; id = %" PRIu32 ";\n\t  clients = (\n", e->id);
	for (unsigned int i = 0; i < e->nr_rules; i++)
		put_rule(&e->rules[i], i + 1 == e->nr_rules, out);
	fprintf(out, "\t  ); }%s\n", last ? "" : ",");
}

void config_report_text(const struct config *cfg, FILE *out)
{
	char text[SOCK_ADDR_TEXT_MAX];

	if (cfg->nr_devices == 0)
		fputs("# devices: on the command line\n", out);
	else
		fputs("devices = [ ", out);
	for (unsigned int i = 0; i < cfg->nr_devices; i++) {
		put_quoted(cfg->devices[i], out);
		fputs(i + 1 < cfg->nr_devices ? ", " : " ];\n", out);
	}
	fputs("listen = [ ", out);
	for (unsigned int i = 0; i < cfg->nr_listen; i++) {
		sock_addr_print(&cfg->listen[i], text);
		fprintf(out, "\"%s\"%s", text, i + 1 < cfg->nr_listen ? ", " : " ];\n");
	}
	put_group(cfg, "", out);
	put_group(cfg, "limits", out);
	put_group(cfg, "store", out);
	fputs("\nexports = (\n", out);
	for (unsigned int i = 0; i < cfg->nr_exports; i++)
		put_export(&cfg->exports[i], i + 1 == cfg->nr_exports, out);
	fputs(");\n", out);
}

/* JSON */

static void add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

static void add_number(struct json_object *o, const char *name, uint64_t n)
{
	json_object_object_add(o, name, json_object_new_uint64(n));
}

static void add_knob(struct json_object *o, const struct config *cfg, const struct config_knob *knob)
{
	if (knob->kind == CONFIG_PATH)
		add_text(o, knob->name, path_of(cfg, knob));
	else if (knob->kind == CONFIG_CHOICE)
		add_text(o, knob->name, word_of(cfg, knob));
	else if (is_chosen_later(cfg, knob))
		json_object_object_add(o, knob->name, NULL);
	else
		add_number(o, knob->name, number_of(cfg, knob));
}

static void add_knobs(struct json_object *o, const struct config *cfg)
{
	unsigned int nr;
	const struct config_knob *knobs = config_knobs(&nr);

	for (unsigned int i = 0; i < nr; i++) {
		struct json_object *group = o;

		if (*knobs[i].group && !json_object_object_get_ex(o, knobs[i].group, &group)) {
			group = json_object_new_object();
			json_object_object_add(o, knobs[i].group, group);
		}
		add_knob(group, cfg, &knobs[i]);
	}
}

static struct json_object *rule_json(const struct export_rule *rule)
{
	struct json_object *o = json_object_new_object(), *hosts = json_object_new_array(),
			   *layouts = json_object_new_array();
	char text[EXPORT_HOST_TEXT_MAX];

	for (unsigned int i = 0; i < rule->nr_hosts; i++) {
		export_host_print(&rule->hosts[i], text);
		json_object_array_add(hosts, json_object_new_string(text));
	}
	if (rule->layouts & EXPORT_LAYOUT_SCSI)
		json_object_array_add(layouts, json_object_new_string("scsi"));
	if (rule->layouts & EXPORT_LAYOUT_BLOCK)
		json_object_array_add(layouts, json_object_new_string("block"));
	json_object_object_add(o, "hosts", hosts);
	add_text(o, "access", rule->read_only ? "ro" : "rw");
	add_text(o, "squash", squash_words[rule->squash]);
	add_number(o, "anon_uid", rule->anon_uid);
	add_number(o, "anon_gid", rule->anon_gid);
	json_object_object_add(o, "layouts", layouts);
	return o;
}

static struct json_object *export_json(const struct export *e)
{
	struct json_object *o = json_object_new_object(), *rules = json_object_new_array();

	add_text(o, "path", e->path);
	add_text(o, "pseudo", e->pseudo);
	add_number(o, "id", e->id);
	for (unsigned int i = 0; i < e->nr_rules; i++)
		json_object_array_add(rules, rule_json(&e->rules[i]));
	json_object_object_add(o, "clients", rules);
	return o;
}

struct json_object *config_report_json(const struct config *cfg)
{
	struct json_object *o = json_object_new_object(), *devices = json_object_new_array(),
			   *listen = json_object_new_array(), *exports = json_object_new_array();
	char text[SOCK_ADDR_TEXT_MAX];

	for (unsigned int i = 0; i < cfg->nr_devices; i++)
		json_object_array_add(devices, json_object_new_string(cfg->devices[i]));
	for (unsigned int i = 0; i < cfg->nr_listen; i++) {
		sock_addr_print(&cfg->listen[i], text);
		json_object_array_add(listen, json_object_new_string(text));
	}
	for (unsigned int i = 0; i < cfg->nr_exports; i++)
		json_object_array_add(exports, export_json(&cfg->exports[i]));
	json_object_object_add(o, "devices", devices);
	json_object_object_add(o, "listen", listen);
	add_knobs(o, cfg);
	json_object_object_add(o, "exports", exports);
	return o;
}

struct json_object *config_report_mistakes(const struct why_list *why)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < why->nr; i++) {
		struct json_object *o = json_object_new_object();

		add_text(o, "file", why->items[i].file);
		add_number(o, "line", why->items[i].line);
		add_text(o, "text", why->items[i].text);
		json_object_array_add(list, o);
	}
	return list;
}
