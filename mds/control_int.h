/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CONTROL_INT_H
#define LAMINA_MDS_CONTROL_INT_H

/* What the files of the control socket share. */

#include <json-c/json.h>

#include "mds/control.h"

struct sock;

#define CONTROL_OUT_BYTES (64u << 10)

/* An answer on its way: gathered, and sent in pieces. */
struct control_out {
	struct sock *sock;
	int err; /* the first: nothing more is sent */
	size_t len;
	char buf[CONTROL_OUT_BYTES];
};

FIBER_FN void control_out_text(struct control_out *out, const char *text);
FIBER_FN void control_out_json(struct control_out *out, struct json_object *o);
/*
 * An array of @nr elements; others get their turn between.  One that is gone by then is left out: @element gives
 * NULL.
 */
FIBER_FN void control_out_list(struct control_out *out, size_t nr,
			       struct json_object *(*element)(const void *arg, size_t i), const void *arg);
FIBER_FN void control_out_flush(struct control_out *out);
/* {"error": "..."} */
FIBER_FN void control_out_error(struct control_out *out, const char *text);

/* Members, for short; memory that json-c does not get is an abort of its own. */
void control_add_u64(struct json_object *o, const char *name, uint64_t value);
void control_add_double(struct json_object *o, const char *name, double value);
void control_add_bool(struct json_object *o, const char *name, bool value);
/* NULL: null.  Bytes that are not UTF-8 become '?'. */
void control_add_text(struct json_object *o, const char *name, const char *value);
/* A new object as member @name. */
struct json_object *control_add_object(struct json_object *o, const char *name);
struct json_object *control_add_array(struct json_object *o, const char *name);

/* The answers. */
struct json_object *control_status(const struct control_options *opt);
FIBER_FN void control_clients(const struct control_options *opt, struct control_out *out);
/* control_clients.c: member "by_server" of the status. */
void control_add_detours(struct json_object *top, const struct mds *mds);
FIBER_FN void control_fence(struct mds *mds, const char *client, bool force, struct control_out *out);
FIBER_FN void control_unfence(struct mds *mds, const char *client, bool force, struct control_out *out);

/* Errors, too. */
FIBER_FN void control_grow(const struct control_options *opt, const struct control_grow *ask,
			   struct control_out *out);

/* control_devices.c */
#define CONTROL_FENCES_MAX 1000u /* that are shown */
struct fence_entry;
/* Member "layouts"; asks the devices. */
FIBER_FN void control_add_layouts(struct json_object *top, struct mds *mds);
/* Member "devices"; @ret_seen (may be NULL): @key is registered with one, or one does not say. */
FIBER_FN void control_add_devices(struct json_object *top, struct mds *mds, uint64_t key, bool *ret_seen);
/* Member "types": bits of enum layout_kind. */
void control_add_types(struct json_object *o, unsigned int kinds);
void control_fill_fence(struct json_object *o, const struct fence_entry *e);
/* @file: a path from the volume's root, or an inode number; NULL: of all files. */
FIBER_FN void control_layouts(const struct control_options *opt, const char *file, struct control_out *out);

#endif
