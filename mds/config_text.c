/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promises: memory and recursion are bounded by CONFIG_FILE_BYTES_MAX, CONFIG_TEXT_FILES_MAX and
 * CONFIG_INCLUDE_DEPTH; only regular files are read; a file that includes itself is refused.  As much of libconfig's
 * syntax is known here as is needed to tell comments and strings from the rest.
 */

#include "mds/config_text.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mds/config.h"
#include "mds/why_list.h"

/* A file that is being read, and those that include it. */
struct source {
	const struct source *by;
	unsigned int file, depth;
	const char *text;
	size_t len, pos;
	unsigned int line;
	const char *dir; /* NULL: nothing can be included */
	dev_t dev;
	ino_t ino;
};

static int grow(void **array, size_t elem, size_t need, size_t *room)
{
	size_t more = *room ? *room : 256;
	void *p;

	while (more < need)
		more *= 2;
	if (more == *room)
		return 0;
	p = reallocarray(*array, more, elem);
	if (!p)
		return -ENOMEM;
	*array = p;
	*room = more;
	return 0;
}

static int put(struct config_text *t, const char *bytes, size_t len)
{
	void *buf = t->buf;
	int err = grow(&buf, 1, t->len + len + 1, &t->room);

	t->buf = buf;
	if (err)
		return err;
	memcpy(t->buf + t->len, bytes, len);
	t->len += len;
	t->buf[t->len] = '\0';
	return 0;
}

/* The text's next line begins: the one of @s that is being read. */
static int put_line(struct config_text *t, const struct source *s)
{
	void *lines = t->lines;
	size_t room = t->room_lines;
	int err = grow(&lines, sizeof(*t->lines), t->nr_lines + 1, &room);

	t->lines = lines;
	t->room_lines = (unsigned int)room;
	if (err)
		return err;
	t->lines[t->nr_lines++] = (struct config_line){ s->file, s->line };
	return 0;
}

static bool skip_blanks(struct source *s)
{
	while (s->pos < s->len && (s->text[s->pos] == ' ' || s->text[s->pos] == '\t' || s->text[s->pos] == '\r'))
		s->pos++;
	return s->pos < s->len && s->text[s->pos] != '\n';
}

static void skip_line(struct source *s)
{
	while (s->pos < s->len && s->text[s->pos] != '\n')
		s->pos++;
	if (s->pos < s->len)
		s->pos++;
	s->line++;
}

/* Whether a line begins with @include; then the rest of it is next. */
static bool begins_include(struct source *s)
{
	static const char word[] = "@include";
	size_t begin = s->pos;

	if (skip_blanks(s) && s->len - s->pos >= strlen(word) && memcmp(s->text + s->pos, word, strlen(word)) == 0) {
		s->pos += strlen(word);
		return true;
	}
	s->pos = begin;
	return false;
}

/* The name between quotes, and nothing behind it but a comment. */
static int include_name(struct source *s, char name[PATH_MAX])
{
	const char *end;
	size_t len;

	if (!skip_blanks(s) || s->text[s->pos] != '"')
		return -EINVAL;
	s->pos++;
	end = memchr(s->text + s->pos, '"', s->len - s->pos);
	if (!end)
		return -EINVAL;
	len = (size_t)(end - (s->text + s->pos));
	if (len == 0 || len >= PATH_MAX || memchr(s->text + s->pos, '\n', len) || memchr(s->text + s->pos, '\\', len))
		return -EINVAL;
	memcpy(name, s->text + s->pos, len);
	name[len] = '\0';
	s->pos += len + 1;
	if (skip_blanks(s) && s->text[s->pos] != '#' &&
	    !(s->len - s->pos >= 2 && memcmp(s->text + s->pos, "//", 2) == 0))
		return -EINVAL;
	return 0;
}

static int read_all(int fd, char *buf, size_t len, size_t *ret_len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = read(fd, buf + at, len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	*ret_len = at;
	return 0;
}

/* The regular file @path whole, if it is not too large. */
static int slurp(const char *path, struct source *s, char **ret_buf)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *buf = NULL;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (S_ISDIR(st.st_mode))
		err = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else if (st.st_size > (off_t)CONFIG_FILE_BYTES_MAX)
		err = -EFBIG;
	if (!err) {
		buf = malloc((size_t)st.st_size + 1);
		err = buf ? read_all(fd, buf, (size_t)st.st_size, &s->len) : -ENOMEM;
	}
	close(fd);
	if (err) {
		free(buf);
		return err;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->text = *ret_buf = buf;
	return 0;
}

static const char *slurp_error(int err)
{
	return err == -EINVAL ? "it is not a plain file" : strerror(-err);
}

static bool includes_itself(const struct source *s)
{
	for (const struct source *up = s->by; up; up = up->by) {
		if (up->ino && up->dev == s->dev && up->ino == s->ino)
			return true;
	}
	return false;
}

static int scan_source(struct config_text *t, struct source *s, struct why_list *why);

/* What @path holds, on behalf of @s; its place is there to complain about. */
static int include_file(struct config_text *t, struct source *s, const char *path, struct why_list *why)
{
	const char *file = t->files[s->file], *slash = strrchr(path, '/');
	struct source in = { .by = s, .file = t->nr_files, .depth = s->depth + 1, .line = 1 };
	char *buf = NULL, *dir;
	int err;

	if (t->nr_files == CONFIG_TEXT_FILES_MAX || in.depth > CONFIG_INCLUDE_DEPTH) {
		why_list_add(why, file, s->line,
			     "%s is not included: files may be %d deep, and %d in all; put their lines here", path,
			     CONFIG_INCLUDE_DEPTH, CONFIG_TEXT_FILES_MAX);
		return 0;
	}
	err = slurp(path, &in, &buf);
	if (err == -ENOMEM)
		return err;
	if (err) {
		why_list_add(why, file, s->line, "cannot include %s: %s; correct the name or remove the line", path,
			     slurp_error(err));
		return 0;
	}
	t->files[t->nr_files] = strdup(path);
	dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
	in.dir = dir;
	if (!t->files[t->nr_files] || !dir)
		err = -ENOMEM;
	else if (includes_itself(&in))
		why_list_add(why, file, s->line, "%s includes itself; remove this line", path);
	if (t->files[t->nr_files])
		t->nr_files++;
	if (!err && !includes_itself(&in))
		err = scan_source(t, &in, why);
	free(buf);
	free(dir);
	return err;
}

static int scan_include(struct config_text *t, struct source *s, struct why_list *why)
{
	char name[PATH_MAX], path[PATH_MAX];
	const char *file = t->files[s->file];
	int err = 0;

	if (include_name(s, name))
		why_list_add(why, file, s->line, "@include wants a file name: @include \"FILE\", alone in its line");
	else if (!s->dir)
		why_list_add(why, file, s->line, "nothing can be included here; put the lines of %s here", name);
	else if (snprintf(path, sizeof(path), "%s%s", name[0] == '/' ? "" : s->dir, name) >= (int)sizeof(path))
		why_list_add(why, file, s->line, "the name to include is too long; shorten it");
	else
		err = include_file(t, s, path, why);
	skip_line(s);
	return err;
}

/* A word or a number; a whole number that needs more than 32 bits gets an L. */
static int scan_word(struct config_text *t, struct source *s)
{
	const char *begin = s->text + s->pos;
	bool hex = s->len - s->pos > 2 && begin[0] == '0' && (begin[1] == 'x' || begin[1] == 'X');
	bool whole = isdigit((unsigned char)begin[0]);
	char digits[32];
	size_t len = 0;
	int err;

	while (s->pos + len < s->len &&
	       (isalnum((unsigned char)begin[len]) || (begin[len] && strchr("_-*.", begin[len])))) {
		if (!(hex ? len < 2 || isxdigit((unsigned char)begin[len]) : isdigit((unsigned char)begin[len])))
			whole = false;
		len++;
	}
	err = put(t, begin, len);
	s->pos += len;
	if (err || !whole)
		return err;
	snprintf(digits, sizeof(digits), "%.*s", (int)len, begin);
	/* One with too many digits is out of every range: libconfig makes it the largest there is. */
	return strtoull(digits, NULL, hex ? 16 : 10) > INT32_MAX ? put(t, "L", 1) : 0;
}

/* Copies up to and with @end, which closes what opened at @s->pos with @skip bytes. */
static int scan_until(struct config_text *t, struct source *s, const char *end, size_t skip, const char *what,
		      struct why_list *why)
{
	size_t begin = t->len, len = strlen(end);
	unsigned int begin_line = s->line, begin_nr = t->nr_lines;
	int err = put(t, s->text + s->pos, skip);

	s->pos += skip;
	while (!err && s->pos < s->len) {
		char c = s->text[s->pos];

		if (s->len - s->pos >= len && memcmp(s->text + s->pos, end, len) == 0) {
			s->pos += len;
			return put(t, end, len);
		}
		if (c == '\\' && *end == '"' && s->pos + 1 < s->len && s->text[s->pos + 1] != '\n') {
			err = put(t, s->text + s->pos, 2);
			s->pos += 2;
			continue;
		}
		err = put(t, &c, 1);
		s->pos++;
		if (c == '\n') {
			s->line++;
			err = err ? err : put_line(t, s);
		}
	}
	if (err)
		return err;
	why_list_add(why, t->files[s->file], begin_line, "the %s that begins here does not end; close it with %s",
		     what, end);
	t->len = begin;
	t->buf[t->len] = '\0';
	t->nr_lines = begin_nr;
	t->cut = true;
	return 0;
}

static int scan_one(struct config_text *t, struct source *s, struct why_list *why)
{
	char c = s->text[s->pos], next = s->pos + 1 < s->len ? s->text[s->pos + 1] : '\0';
	int err;

	if (c == '"')
		return scan_until(t, s, "\"", 1, "text", why);
	if (c == '/' && next == '*')
		return scan_until(t, s, "*/", 2, "comment", why);
	if (c == '#' || (c == '/' && next == '/')) {
		while (s->pos < s->len && s->text[s->pos] != '\n')
			s->pos++;
		return 0;
	}
	if (isalnum((unsigned char)c) || c == '*')
		return scan_word(t, s);
	s->pos++;
	/* Twice, it is no @include that libconfig would know. */
	err = put(t, "@@", c == '@' ? 2 : 0);
	if (err || c == '@')
		return err;
	err = put(t, &c, 1);
	/* One setting a line, so that the line is enough to find it. */
	if (err || (c != ';' && c != '{'))
		return err;
	err = put(t, "\n", 1);
	return err ? err : put_line(t, s);
}

/* Nothing is read behind a place where a text or comment does not end. */
static int scan_source(struct config_text *t, struct source *s, struct why_list *why)
{
	int err = 0;

	assert(s->text);
	if (memchr(s->text, '\0', s->len)) {
		why_list_add(why, t->files[s->file], 0,
			     "it has zero bytes in it, so it is no text; give another file");
		return 0;
	}
	while (!err && s->pos < s->len && !t->cut) {
		if (begins_include(s)) {
			err = scan_include(t, s, why);
			continue;
		}
		err = put_line(t, s);
		while (!err && s->pos < s->len && s->text[s->pos] != '\n' && !t->cut)
			err = scan_one(t, s, why);
		s->line++;
		s->pos++;
		if (!err)
			err = put(t, "\n", 1);
		if (!err && t->len > CONFIG_FILE_BYTES_MAX) {
			why_list_add(why, t->files[s->file], s->line - 1,
				     "with this line the configuration has more than %u bytes; shorten it",
				     CONFIG_FILE_BYTES_MAX);
			t->cut = true;
		}
	}
	return err;
}

int config_text_take(struct config_text *t, const char *text, size_t len, const char *name, const char *dir,
		     struct why_list *why)
{
	struct source s = { .text = text, .len = len, .dir = dir, .line = 1 };
	int err;

	*t = (struct config_text){ .nr_files = 0 };
	t->files[0] = strdup(name);
	if (!t->files[0])
		return -ENOMEM;
	t->nr_files = 1;
	err = put(t, "", 0);
	if (!err)
		err = scan_source(t, &s, why);
	if (err)
		config_text_free(t);
	return err;
}

int config_text_read(struct config_text *t, const char *path, struct why_list *why)
{
	struct source s = { .line = 1 };
	const char *slash = strrchr(path, '/');
	char *buf = NULL, *dir;
	int err = slurp(path, &s, &buf);

	*t = (struct config_text){ .nr_files = 0 };
	if (err) {
		why_list_add(why, path, 0, "cannot read it: %s; name another file with -c", slurp_error(err));
		return err;
	}
	dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
	s.dir = dir;
	t->files[0] = strdup(path);
	t->nr_files = t->files[0] ? 1 : 0;
	err = dir && t->files[0] ? put(t, "", 0) : -ENOMEM;
	if (!err)
		err = scan_source(t, &s, why);
	free(buf);
	free(dir);
	if (err)
		config_text_free(t);
	return err;
}

void config_text_free(struct config_text *t)
{
	for (unsigned int i = 0; i < t->nr_files; i++)
		free(t->files[i]);
	free(t->buf);
	free(t->lines);
	*t = (struct config_text){ .nr_files = 0 };
}

static const struct config_line *line_at(const struct config_text *t, unsigned int line)
{
	static const struct config_line first = { 0, 1 };

	if (!t->nr_lines)
		return &first;
	if (line == 0)
		line = 1;
	return &t->lines[line <= t->nr_lines ? line - 1 : t->nr_lines - 1];
}

const char *config_text_file(const struct config_text *t, unsigned int line)
{
	return t->files[line_at(t, line)->file];
}

unsigned int config_text_line(const struct config_text *t, unsigned int line)
{
	return line_at(t, line)->line;
}
