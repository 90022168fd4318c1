/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_DUMP_H
#define LAMINA_TOOLS_DUMP_H

/*
 * The inside of `lamina dump`, shared by its own files.  Everything that is shown is first a JSON object; as text an
 * object is lines of "name: value", or just its "text" if it has one.
 */

#include <json-c/json.h>

#include "extent/label.h"
#include "extent/super.h"
#include "tools/volume.h"

struct dump {
	struct volume *v;
	bool json;
	bool replay;
	bool damaged;				 /* something could not be shown: the exit code says so */
	struct blkdev *devs[VOLUME_DEVICES_MAX]; /* by index in the volume; NULL: not given */
	const uint8_t *uuid;			 /* of the volume, NULL: not known */
	uint8_t uuid_bytes[UUID_LEN];
	char *const *args; /* behind the topic */
	int nr_args;
	struct super *super;
	bool has_super;
};

/* Show @o, and free it. */
void dump_emit(struct dump *d, json_object *o);
/* A note or complaint, on standard error. */
void dump_note(const char *fmt, ...) PRINTF_FMT(1, 2);
/* The same, and remember that something is damaged. */
void dump_damage(struct dump *d, const char *fmt, ...) PRINTF_FMT(2, 3);

void dump_add_text(json_object *o, const char *name, const char *text);
/* Bytes from the disk, up to the first NUL or @len. */
void dump_add_bytes(json_object *o, const char *name, const char *bytes, size_t len);
void dump_add_number(json_object *o, const char *name, uint64_t x);
void dump_add_hex(json_object *o, const char *name, uint64_t x);
void dump_add_uuid(json_object *o, const char *name, const uint8_t uuid[UUID_LEN]);
void dump_add_daddr(json_object *o, const char *name, uint64_t daddr);
/* "0:123" */
#define DADDR_TEXT_MAX 48
const char *dump_daddr_text(uint64_t daddr, char buf[DADDR_TEXT_MAX]);
/* An item as "item" (its key) and "value", or both as "text". */
json_object *dump_item(struct key key, const void *val, size_t len);

/* An item of the server's state (mds/) in words.  False: it is none, or damaged; nothing was printed. */
bool dump_state_value(FILE *out, struct key key, const void *val, size_t len) MUST_CHECK;

/* Read @len bytes of the volume at @daddr.  Negative errno; what is wrong has been said. */
FIBER_FN int dump_read(struct dump *d, uint64_t daddr, void *buf, size_t len) MUST_CHECK;

/* One function for each topic; the result is an exit code. */
FIBER_FN int dump_label(struct dump *d);
FIBER_FN int dump_super(struct dump *d);
FIBER_FN int dump_chunks(struct dump *d);
FIBER_FN int dump_block(struct dump *d);
FIBER_FN int dump_journal(struct dump *d);
FIBER_FN int dump_items(struct dump *d);
FIBER_FN int dump_map(struct dump *d);

/*
 * Call @each for the items with @from <= key <= @to, in order, until it returns false: those of the last checkpoint,
 * or with --replay those of the whole volume.  @each must not switch fibers; the value is good until it returns.
 */
FIBER_FN int dump_walk(struct dump *d, struct key from, struct key to,
		       bool (*each)(void *arg, const struct item *item), void *arg) MUST_CHECK;

#endif
