/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the control socket.  Promises: an answer takes one buffer however long it is; after an error nothing
 * more is sent, and the peer sees an end without a line end.
 */
#include <string.h>

#include "dev/fiber.h"
#include "dev/sock.h"
#include "mds/control_int.h"

#define AT_ONCE 16 /* elements of a list between two turns of others */

FIBER_FN void control_out_flush(struct control_out *out)
{
	const struct iovec iov = { .iov_base = out->buf, .iov_len = out->len };

	if (!out->err && out->len > 0)
		out->err = sock_send(out->sock, &iov, 1);
	out->len = 0;
}

FIBER_FN void control_out_text(struct control_out *out, const char *text)
{
	size_t len = strlen(text);

	while (len > 0 && !out->err) {
		size_t n = min_u64(len, sizeof(out->buf) - out->len);

		memcpy(out->buf + out->len, text, n);
		out->len += n;
		text += n;
		len -= n;
		if (out->len == sizeof(out->buf))
			control_out_flush(out);
	}
}

FIBER_FN void control_out_json(struct control_out *out, struct json_object *o)
{
	control_out_text(out,
			 json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

FIBER_FN void control_out_list(struct control_out *out, size_t nr,
			       struct json_object *(*element)(const void *arg, size_t i), const void *arg)
{
	bool first = true;

	control_out_text(out, "[");
	for (size_t i = 0; i < nr && !out->err; i++) {
		struct json_object *o = element(arg, i);

		if (o) {
			control_out_text(out, first ? "" : ",");
			control_out_json(out, o);
			json_object_put(o);
			first = false;
		}
		if (i % AT_ONCE == AT_ONCE - 1)
			fiber_yield();
	}
	control_out_text(out, "]");
}

FIBER_FN void control_out_error(struct control_out *out, const char *text)
{
	struct json_object *o = json_object_new_object();

	control_add_text(o, "error", text);
	control_out_json(out, o);
	json_object_put(o);
}

void control_add_u64(struct json_object *o, const char *name, uint64_t value)
{
	json_object_object_add(o, name, json_object_new_uint64(value));
}

void control_add_double(struct json_object *o, const char *name, double value)
{
	json_object_object_add(o, name, json_object_new_double(value));
}

void control_add_bool(struct json_object *o, const char *name, bool value)
{
	json_object_object_add(o, name, json_object_new_boolean(value));
}

/* How many bytes the character at @s has, or 0 if it is none of UTF-8 or a control character. */
static size_t char_len(const unsigned char *s)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	if (s[0] < 0x20 || s[0] == 0x7f)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

void control_add_text(struct json_object *o, const char *name, const char *value)
{
	char text[1024];
	size_t len = 0;

	if (!value) {
		json_object_object_add(o, name, NULL);
		return;
	}
	while (*value && len + 4 < sizeof(text)) {
		size_t n = char_len((const unsigned char *)value);

		if (n == 0) {
			text[len++] = '?';
			value++;
			continue;
		}
		memcpy(text + len, value, n);
		len += n;
		value += n;
	}
	json_object_object_add(o, name, json_object_new_string_len(text, (int)len));
}

struct json_object *control_add_object(struct json_object *o, const char *name)
{
	struct json_object *member = json_object_new_object();

	json_object_object_add(o, name, member);
	return member;
}

struct json_object *control_add_array(struct json_object *o, const char *name)
{
	struct json_object *member = json_object_new_array();

	json_object_object_add(o, name, member);
	return member;
}
