/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CONFIG_TEXT_H
#define LAMINA_MDS_CONFIG_TEXT_H

/*
 * A configuration file with all that it includes as one text for libconfig, and where each of its lines comes from.
 *
 * libconfig could include by itself, but it ends the program when told to include a directory, follows a file that
 * includes itself as far as it can, and cuts numbers that need more than 32 bits without a word (1.5; newer ones do
 * not all do so).  Here a file is refused with its place, and such numbers get the L that libconfig wants.
 */

#include "dev/base.h"

struct why_list;

#define CONFIG_TEXT_FILES_MAX 256

struct config_line {
	unsigned int file; /* index in files */
	unsigned int line; /* from 1 */
};

struct config_text {
	char *buf; /* terminated */
	size_t len, room;
	struct config_line *lines; /* of buf; nr_lines of them */
	unsigned int nr_lines, room_lines;
	char *files[CONFIG_TEXT_FILES_MAX]; /* as in messages; one for each time that it is included */
	unsigned int nr_files;
	bool cut; /* something that does not end was cut off */
};

/*
 * -ENOMEM, and what open(2) and read(2) say of @path itself, said in @why.  All other mistakes are only in @why; then
 * the text holds what could be read.
 */
int config_text_read(struct config_text *t, const char *path, struct why_list *why) MUST_CHECK;
/* The same of memory; @dir ends in a /, or is NULL: includes are refused. */
int config_text_take(struct config_text *t, const char *text, size_t len, const char *name, const char *dir,
		     struct why_list *why) MUST_CHECK;
void config_text_free(struct config_text *t);

/* The place of a line of the text, from 1; what lies behind its end is at its end. */
const char *config_text_file(const struct config_text *t, unsigned int line);
unsigned int config_text_line(const struct config_text *t, unsigned int line);

#endif
