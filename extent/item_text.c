/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: every key has one text, and item_key_parse() reads it back; every value prints on one line whatever it
 * holds, without a byte that a terminal would act on.
 */

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "extent/format.h"
#include "extent/item.h"

#define BYTES_SHOWN 32u /* of a value without a form */

/*
 * How a type of item looks.  In @text a capital word of one letter stands for a field of the key: Z zone, O obj,
 * T type, F off, H off in hexadecimal, D off as device address; fields that are not there are those of the row, or
 * zero.  The last row fits every key.
 */
struct form {
	uint8_t zone, type;
	const char *text;
	void (*print)(FILE *out, const void *val, size_t len); /* of a valid value; NULL: there is none */
};

static void print_bytes(FILE *out, const void *val, size_t len)
{
	const uint8_t *bytes = val;

	fprintf(out, "%zu bytes", len);
	for (size_t i = 0; i < len && i < BYTES_SHOWN; i++)
		fprintf(out, "%s%02x", i % 4 ? "" : " ", bytes[i]);
	if (len > BYTES_SHOWN)
		fputs(" ...", out);
}

static void print_quoted(FILE *out, const void *text, size_t len)
{
	const uint8_t *bytes = text;

	fputc('"', out);
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] < 0x20 || bytes[i] == 0x7f)
			fprintf(out, "\\x%02x", bytes[i]);
		else if (bytes[i] == '"' || bytes[i] == '\\')
			fprintf(out, "\\%c", bytes[i]);
		else
			fputc(bytes[i], out);
	}
	fputc('"', out);
}

/* Any number is an address here: what is wrong with it must be seen. */
static void print_daddr(FILE *out, uint64_t daddr)
{
	fprintf(out, "%" PRIu64 ":%" PRIu64, daddr >> DADDR_BLOCK_BITS, daddr_block(daddr));
}

static void print_chunk(FILE *out, const void *val, size_t len)
{
	const struct disk_chunk_item *d = val;

	print_daddr(out, le64_get(d->daddr));
}

static void print_free(FILE *out, const void *val, size_t len)
{
	const struct disk_free *d = val;

	fprintf(out, "%" PRIu64 " blocks", le64_get(d->len));
}

static void print_shared(FILE *out, const void *val, size_t len)
{
	const struct disk_shared *d = val;

	fprintf(out, "%" PRIu64 " blocks, %u owners", le64_get(d->len), le32_get(d->refs));
}

static void print_time(FILE *out, const char *name, struct disk_time t)
{
	fprintf(out, " %s %" PRId64 ".%09u", name, (int64_t)le64_get(t.sec), le32_get(t.nsec));
}

static void print_inode(FILE *out, const void *val, size_t len)
{
	const struct disk_inode *d = val;

	fprintf(out, "mode %06o uid %u gid %u nlink %u size %" PRIu64 " blocks %" PRIu64 " change %" PRIu64,
		le32_get(d->mode), le32_get(d->uid), le32_get(d->gid), le32_get(d->nlink), le64_get(d->size),
		le64_get(d->blocks), le64_get(d->change));
	fprintf(out, " generation 0x%" PRIx64, le64_get(d->generation));
	print_time(out, "atime", d->atime);
	print_time(out, "mtime", d->mtime);
	print_time(out, "ctime", d->ctime);
	print_time(out, "btime", d->btime);
	fprintf(out, " parent %" PRIu64 " rdev %u:%u flags 0x%x xattrs %u", le64_get(d->parent),
		le32_get(d->rdev_major), le32_get(d->rdev_minor), le32_get(d->flags), le32_get(d->nr_xattrs));
	if (le64_get(d->trim_from) != UINT64_MAX)
		fprintf(out, " trim from %" PRIu64, le64_get(d->trim_from));
}

static void print_dirent(FILE *out, const void *val, size_t len)
{
	static const char *const types[] = { [1] = "fifo", [2] = "char",     [4] = "dir",    [6] = "block",
					     [8] = "file", [10] = "symlink", [12] = "socket" };
	const struct disk_dirent *d = val;

	print_quoted(out, d + 1, d->name_len);
	fprintf(out, " ino %" PRIu64 " %s", le64_get(d->ino), types[d->type]);
}

static void print_xattr_head(FILE *out, const void *val)
{
	const struct disk_xattr *d = val;

	print_quoted(out, d + 1, d->name_len);
	fprintf(out, " %u bytes", le32_get(d->value_len));
}

static void print_extent(FILE *out, const void *val, size_t len)
{
	const struct disk_extent *d = val;

	print_daddr(out, le64_get(d->daddr));
	fprintf(out, " %u blocks %s%s", le32_get(d->len), d->state == EXTENT_WRITTEN ? "written" : "unwritten",
		d->flags & EXTENT_FLAG_SHARED ? " shared" : "");
}

static const struct form forms[] = {
	{ ZONE_VOLUME, ITEM_CHUNK, "volume chunk F", print_chunk },
	{ ZONE_FREE, ITEM_FREE_ADDR, "free to D", print_free },
	{ ZONE_FREE, ITEM_FREE_SIZE, "free order O to D", NULL },
	{ ZONE_LIMBO, ITEM_LIMBO, "limbo O from D", print_free },
	{ ZONE_SHARED, ITEM_SHARED, "shared from D", print_shared },
	{ ZONE_ORPHAN, ITEM_ORPHAN, "orphan F", NULL },
	{ ZONE_FILE, ITEM_INODE, "file O inode", print_inode },
	{ ZONE_FILE, ITEM_SYMLINK, "file O symlink F", print_quoted },
	{ ZONE_FILE, ITEM_XATTR, "file O xattr H", print_bytes },
	{ ZONE_FILE, ITEM_DIRENT, "file O dirent H", print_dirent },
	{ ZONE_FILE, ITEM_EXTENT, "file O extent F", print_extent },
	{ ZONE_FILE, ITEM_COW, "file O cow F", print_extent },
	{ ZONE_STATE, 0, "state O type T at H", print_bytes },
	{ 0, 0, "zone Z obj O type T at H", print_bytes },
};

#define FORM_LAST (&forms[ARRAY_SIZE(forms) - 1])

static bool is_field(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool form_has(const struct form *form, const char *fields)
{
	return form->text[strcspn(form->text, fields)] != '\0';
}

static bool form_fits(const struct form *form, struct key key)
{
	if (form == FORM_LAST)
		return true;
	return form->zone == key_zone(key) && (form->type == key_type(key) || form_has(form, "T")) &&
	       (key_obj(key) == 0 || form_has(form, "O")) && (key_off(key) == 0 || form_has(form, "FHD"));
}

static const struct form *form_of(struct key key)
{
	const struct form *form = forms;

	while (!form_fits(form, key))
		form++;
	return form;
}

static void print_field(FILE *out, char field, struct key key)
{
	switch (field) {
	case 'Z':
		fprintf(out, "%u", key_zone(key));
		break;
	case 'O':
		fprintf(out, "%" PRIu64, key_obj(key));
		break;
	case 'T':
		fprintf(out, "%u", key_type(key));
		break;
	case 'F':
		fprintf(out, "%" PRIu64, key_off(key));
		break;
	case 'H':
		fprintf(out, "0x%" PRIx64, key_off(key));
		break;
	default:
		print_daddr(out, key_off(key));
	}
}

static void print_key(FILE *out, const struct form *form, struct key key)
{
	for (const char *p = form->text; *p; p++) {
		if (is_field(*p))
			print_field(out, *p, key);
		else
			fputc(*p, out);
	}
}

void item_print(FILE *out, struct key key, const void *val, size_t len)
{
	const struct form *form = form_of(key);

	print_key(out, form, key);
	if (form != FORM_LAST && !item_is_valid(key, val, len)) {
		fputs(": damaged, ", out);
		print_bytes(out, val, len);
		return;
	}
	if (!form->print)
		return;
	fputs(": ", out);
	if (key_zone(key) == ZONE_FILE && key_type(key) == ITEM_XATTR && (key_off(key) & 0xff) == 0)
		print_xattr_head(out, val);
	else
		form->print(out, val, len);
}

/* Parsing */

/* A number up to @max at *@text, decimal or 0x; *@text moves behind it. */
static bool parse_number(const char **text, uint64_t max, uint64_t *ret)
{
	bool hex = (*text)[0] == '0' && ((*text)[1] == 'x' || (*text)[1] == 'X');
	char *end;
	uint64_t x;

	if (!isdigit((unsigned char)(*text)[0]) || (hex && !isxdigit((unsigned char)(*text)[2])))
		return false;
	errno = 0;
	x = strtoull(*text, &end, hex ? 16 : 10);
	if (errno || x > max)
		return false;
	*text = end;
	*ret = x;
	return true;
}

static bool parse_daddr(const char **text, uint64_t *ret)
{
	uint64_t dev, block;

	if (!parse_number(text, DADDR_DEV_MAX, &dev) || *(*text)++ != ':' ||
	    !parse_number(text, (1ULL << DADDR_BLOCK_BITS) - 1, &block))
		return false;
	*ret = daddr_make((unsigned int)dev, block);
	return true;
}

struct key_fields {
	uint64_t zone, obj, type, off;
};

static bool parse_field(char field, const char **text, struct key_fields *f)
{
	switch (field) {
	case 'Z':
		return parse_number(text, UINT8_MAX, &f->zone);
	case 'O':
		return parse_number(text, KEY_LOW_MAX, &f->obj);
	case 'T':
		return parse_number(text, UINT8_MAX, &f->type);
	case 'D':
		return parse_daddr(text, &f->off);
	default:
		return parse_number(text, KEY_LOW_MAX, &f->off);
	}
}

static bool parse_form(const struct form *form, const char *text, struct key *key)
{
	struct key_fields f = { .zone = form->zone, .type = form->type };

	for (const char *p = form->text; *p; p++) {
		if (is_field(*p)) {
			if (!parse_field(*p, &text, &f))
				return false;
		} else if (*p != *text++) {
			return false;
		}
	}
	if (*text)
		return false;
	*key = key_make((uint8_t)f.zone, f.obj, (uint8_t)f.type, f.off);
	return true;
}

int item_key_parse(const char *text, struct key *ret_key)
{
	for (const struct form *form = forms; form <= FORM_LAST; form++)
		if (parse_form(form, text, ret_key))
			return 0;
	return -EINVAL;
}
