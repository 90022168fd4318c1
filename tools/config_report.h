/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_CONFIG_REPORT_H
#define LAMINA_TOOLS_CONFIG_REPORT_H

/* A configuration for who reads it: as a file that says the same, or as JSON. */

#include <stdio.h>

struct config;
struct json_object;
struct why_list;

/* What is in force, as a configuration file with comments. */
void config_report_text(const struct config *cfg, FILE *out);
/* The same as an object; what the store chooses for itself is null. */
struct json_object *config_report_json(const struct config *cfg);
/* An array of objects with file, line and text. */
struct json_object *config_report_mistakes(const struct why_list *why);

#endif
