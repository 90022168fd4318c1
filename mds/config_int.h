/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CONFIG_INT_H
#define LAMINA_MDS_CONFIG_INT_H

/* What config.c, config_value.c and config_export.c share: a parse under way. */

#include <libconfig.h>

#include "mds/config.h"
#include "mds/config_text.h"

#define CONFIG_KNOBS_MAX 64

struct config_parse {
	struct config *cfg;
	const struct config_text *text;
	struct why_list *why;
	bool whole;			       /* nothing is missing behind what libconfig has read */
	unsigned int set_at[CONFIG_KNOBS_MAX]; /* line of the text where the knob was set; 0: nowhere */
};

/*
 * Say what is wrong at @s; a name is set in front of it if @s or what it lies in has one.  Nothing is said of a group
 * or list that libconfig had not finished when it met a mistake.
 */
void config_complain(struct config_parse *p, const config_setting_t *s, const char *fmt, ...) PRINTF_FMT(3, 4);
void config_complain_at(struct config_parse *p, unsigned int text_line, const char *fmt, ...) PRINTF_FMT(3, 4);

/* A setting that was set a second time: config.c renames it so that libconfig goes on. */
bool config_is_repeated(const config_setting_t *s);
/* Complain about a name that is not in @known (up to NULL). */
void config_unknown(struct config_parse *p, const config_setting_t *s, const char *const *known);

/* What kind of value @s is, in words. */
const char *config_type_word(const config_setting_t *s);

/* These say what is wrong and return false, or set the result. */
bool config_get_number(struct config_parse *p, const config_setting_t *s, uint64_t min, uint64_t max,
		       const char *unit, bool may_be_text, uint64_t *ret_value) MUST_CHECK;
bool config_get_choice(struct config_parse *p, const config_setting_t *s, const struct config_choice *choices,
		       uint64_t *ret_value) MUST_CHECK;
bool config_get_text(struct config_parse *p, const config_setting_t *s, const char **ret_text) MUST_CHECK;
/* Whether @s is a list or an array, of at most @max elements. */
bool config_is_list(struct config_parse *p, const config_setting_t *s, unsigned int max, const char *example)
	MUST_CHECK;
/* The value of one setting of the table.  -ENOMEM. */
int config_get_knob(struct config_parse *p, const config_setting_t *s, unsigned int knob) MUST_CHECK;

uint64_t *config_number(struct config *cfg, const struct config_knob *knob);
char **config_path(struct config *cfg, const struct config_knob *knob);
/* Of @group and @name; -1: there is none. */
int config_find_knob(const char *group, const char *name);

/* The list of exports.  -ENOMEM; mistakes are said. */
int config_get_exports(struct config_parse *p, const config_setting_t *s) MUST_CHECK;
void config_free_exports(struct export *exports, unsigned int nr);

#endif
