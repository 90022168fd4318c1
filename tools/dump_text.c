/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: what the disk holds reaches the terminal without control characters, and JSON only as valid UTF-8.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "tools/dump.h"

/* Bytes of the UTF-8 sequence at @p, 0 if it is none. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
	size_t len = *p < 0x80		       ? 1
		     : *p >= 0xc2 && *p < 0xe0 ? 2
		     : *p >= 0xe0 && *p < 0xf0 ? 3
		     : *p >= 0xf0 && *p < 0xf5 ? 4
					       : 0;

	if (len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* Replace what is no UTF-8, and control characters, by question marks. */
static void text_clean(char *text, size_t len)
{
	uint8_t *p = (uint8_t *)text;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(p + i, len - i);
		bool control = p[i] < 0x20 || p[i] == 0x7f || (p[i] == 0xc2 && n == 2 && p[i + 1] < 0xa0);

		if (n == 0 || control) {
			memset(p + i, '?', n ? n : 1);
			n = n ? n : 1;
		}
		i += n;
	}
}

void dump_add_bytes(json_object *o, const char *name, const char *bytes, size_t len)
{
	char *copy;

	len = strnlen(bytes, len);
	copy = strndup(bytes, len);
	if (!copy)
		return;
	text_clean(copy, len);
	json_object_object_add(o, name, json_object_new_string(copy));
	free(copy);
}

void dump_add_text(json_object *o, const char *name, const char *text)
{
	dump_add_bytes(o, name, text, strlen(text));
}

void dump_add_number(json_object *o, const char *name, uint64_t x)
{
	json_object_object_add(o, name, json_object_new_uint64(x));
}

void dump_add_hex(json_object *o, const char *name, uint64_t x)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%016" PRIx64, x);
	dump_add_text(o, name, text);
}

void dump_add_uuid(json_object *o, const char *name, const uint8_t uuid[UUID_LEN])
{
	char text[UUID_STR_LEN];

	uuid_unparse_lower(uuid, text);
	dump_add_text(o, name, text);
}

const char *dump_daddr_text(uint64_t daddr, char buf[DADDR_TEXT_MAX])
{
	snprintf(buf, DADDR_TEXT_MAX, "%" PRIu64 ":%" PRIu64, daddr >> DADDR_BLOCK_BITS, daddr_block(daddr));
	return buf;
}

void dump_add_daddr(json_object *o, const char *name, uint64_t daddr)
{
	char text[DADDR_TEXT_MAX];

	dump_add_text(o, name, dump_daddr_text(daddr, text));
}

json_object *dump_item(struct key key, const void *val, size_t len)
{
	json_object *o = json_object_new_object();
	char *text = NULL, *value;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return o;
	item_print(out, key, val, len);
	fflush(out);
	/* What the store takes for bytes may mean something to the server. */
	value = text ? strstr(text, ": ") : NULL;
	if (value && key_zone(key) == ZONE_STATE) {
		off_t whole = ftello(out);

		if (fseeko(out, value + 2 - text, SEEK_SET) || !dump_state_value(out, key, val, len))
			(void)fseeko(out, whole, SEEK_SET);
		fputc('\0', out);
	}
	if (!fclose(out) && text) {
		text_clean(text, strlen(text));
		dump_add_text(o, "text", text);
		value = strstr(text, ": "); /* an address has no blank behind its colon */
		if (value)
			*value = '\0';
		dump_add_text(o, "item", text);
		dump_add_text(o, "value", value ? value + 2 : "");
	}
	free(text);
	return o;
}

static void print_value(json_object *value)
{
	fputs(json_object_is_type(value, json_type_string) ? json_object_get_string(value)
							   : json_object_to_json_string(value),
	      stdout);
}

/* Elements of a list: one line each. */
static void print_list(json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *e = json_object_array_get_idx(list, i), *text;
		const char *comma = "";

		fputs("  ", stdout);
		if (json_object_object_get_ex(e, "text", &text)) {
			print_value(text);
		} else {
			json_object_object_foreach(e, name, value)
			{
				printf("%s%s ", comma, name);
				print_value(value);
				comma = ", ";
			}
		}
		putchar('\n');
	}
}

static void print_object(json_object *o)
{
	json_object *text;

	if (json_object_object_get_ex(o, "text", &text)) {
		print_value(text);
		putchar('\n');
		return;
	}
	json_object_object_foreach(o, name, value)
	{
		printf("%s:", name);
		if (json_object_is_type(value, json_type_array)) {
			putchar('\n');
			print_list(value);
		} else {
			putchar(' ');
			print_value(value);
			putchar('\n');
		}
	}
	putchar('\n');
}

/* "text" is for people only. */
static void strip_text(json_object *o)
{
	json_object_object_del(o, "text");
	json_object_object_foreach(o, name, value)
	{
		(void)name;
		if (!json_object_is_type(value, json_type_array))
			continue;
		for (size_t i = 0; i < json_object_array_length(value); i++)
			strip_text(json_object_array_get_idx(value, i));
	}
}

void dump_emit(struct dump *d, json_object *o)
{
	if (d->json) {
		strip_text(o);
		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	} else {
		print_object(o);
	}
	json_object_put(o);
}

static PRINTF_FMT(1, 0) void complain(const char *fmt, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, args);
	text_clean(text, strlen(text));
	fprintf(stderr, "lamina dump: %s\n", text);
}

void dump_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
}

void dump_damage(struct dump *d, const char *fmt, ...)
{
	va_list args;

	d->damaged = true;
	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
}
