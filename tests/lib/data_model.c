/* SPDX-License-Identifier: Apache-2.0 */

/* See the header.  Where several changes met, what may be is more than what can be, until one of them is alone again.
 */

#include "tests/lib/data_model.h"

#include <string.h>

#include "tests/lib/check.h"

static void set_only(struct data_model_set *s, uint8_t value)
{
	*s = (struct data_model_set){ 0 };
	s->bits[value >> 6] = 1ull << (value & 63);
}

static void set_add(struct data_model_set *s, uint8_t value)
{
	s->bits[value >> 6] |= 1ull << (value & 63);
}

static void set_join(struct data_model_set *s, const struct data_model_set *more)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(s->bits); i++)
		s->bits[i] |= more->bits[i];
}

static bool set_has(const struct data_model_set *s, uint8_t value)
{
	return s->bits[value >> 6] >> (value & 63) & 1;
}

void data_model_init(struct data_model *m)
{
	memset(m, 0, sizeof(*m));
	for (unsigned int i = 0; i < DATA_MODEL_SIZE; i++) {
		set_only(&m->bytes[i].now, 0);
		set_only(&m->bytes[i].cut, 0);
	}
}

uint8_t data_model_value(uint32_t id, uint32_t off)
{
	return (uint8_t)(1 + (id * 37 + off * 11 + off / 251 + off / DATA_MODEL_BLOCK * 5) % DATA_MODEL_MAX);
}

/* Changes */

static uint32_t change_end(const struct data_change *c)
{
	return c->kind == DATA_CHANGE_TRUNC ? DATA_MODEL_SIZE : c->off + c->len;
}

static void change_span(const struct data_change *c, uint32_t *ret_first, uint32_t *ret_end)
{
	*ret_first = c->off;
	*ret_end = c->kind == DATA_CHANGE_EXTEND ? c->off : change_end(c);
}

static void set_all(struct data_model_set *s)
{
	static_assert(DATA_MODEL_MAX >= 192 && DATA_MODEL_MAX < 255, "all values");
	*s = (struct data_model_set){ .bits = { UINT64_MAX, UINT64_MAX, UINT64_MAX,
						(1ull << (DATA_MODEL_MAX - 191)) - 1 } };
}

static const struct data_model_byte *change_src(const struct data_change *c, uint32_t i)
{
	return &c->src->bytes[c->src_off + (i - c->off)];
}

static uint8_t change_value(const struct data_change *c, uint32_t i)
{
	return c->kind == DATA_CHANGE_WRITE ? data_model_value(c->id, i) : 0;
}

static void change_enter(struct data_change *c, uint32_t i)
{
	struct data_model_byte *b = &c->model->bytes[i];

	c->alone[i] = b->busy == 0;
	c->now[i] = b->now;
	c->cut[i] = b->cut;
	if (c->kind == DATA_CHANGE_COPY) {
		c->src_now[i] = change_src(c, i)->now;
		c->src_last[i] = change_src(c, i)->last;
		b->copying++;
		set_all(&b->now);
		set_all(&b->cut);
	} else {
		set_add(&b->now, change_value(c, i));
		set_add(&b->cut, change_value(c, i));
	}
	b->busy++;
	b->nr++;
	b->last = c->id;
}

static void settle_copy(struct data_change *c, uint32_t i)
{
	struct data_model_byte *b = &c->model->bytes[i];
	const struct data_model_byte *src = change_src(c, i);

	if (src->last != c->src_last[i])
		return; /* the source did not stay as it was */
	b->now = c->src_now[i];
	set_join(&b->now, &src->now);
	b->cut = c->cut[i];
	set_join(&b->cut, &b->now);
	set_join(&b->cut, &src->cut);
}

static void change_settle(struct data_change *c, uint32_t i, bool durable)
{
	struct data_model_byte *b = &c->model->bytes[i];

	if (!c->alone[i] || b->last != c->id)
		return;
	if (c->kind == DATA_CHANGE_COPY) {
		settle_copy(c, i);
		return;
	}
	set_only(&b->now, change_value(c, i));
	if (durable)
		set_only(&b->cut, change_value(c, i));
}

static bool change_grows(const struct data_change *c)
{
	return c->kind != DATA_CHANGE_ZERO && c->kind != DATA_CHANGE_TRUNC;
}

void data_model_begin(struct data_change *c)
{
	struct data_model *m = c->model;
	uint32_t first, end;

	c->id = ++m->nr_changes;
	change_span(c, &first, &end);
	for (uint32_t i = first; i < end; i++)
		change_enter(c, i);
	if (c->kind == DATA_CHANGE_TRUNC) {
		m->nr_truncs++;
		m->busy_truncs++;
		m->size_min = min_u64(m->size_min, c->off);
		m->cut_min = min_u64(m->cut_min, c->off);
		m->size_max = max_u64(m->size_max, c->off);
		m->cut_max = max_u64(m->cut_max, c->off);
	}
	c->nr_truncs = m->busy_truncs ? UINT32_MAX : m->nr_truncs;
	if (change_grows(c)) {
		m->size_max = max_u64(m->size_max, change_end(c));
		m->cut_max = max_u64(m->cut_max, change_end(c));
	}
}

static void change_leave(struct data_change *c)
{
	uint32_t first, end;

	change_span(c, &first, &end);
	for (uint32_t i = first; i < end; i++) {
		c->model->bytes[i].busy--;
		c->model->bytes[i].copying -= c->kind == DATA_CHANGE_COPY;
	}
	if (c->kind == DATA_CHANGE_TRUNC)
		c->model->busy_truncs--;
}

void data_model_end(struct data_change *c, bool durable)
{
	struct data_model *m = c->model;
	uint32_t first, end;

	change_leave(c);
	change_span(c, &first, &end);
	for (uint32_t i = first; i < end; i++)
		change_settle(c, i, durable);
	if (change_grows(c) && c->nr_truncs == m->nr_truncs) {
		m->size_min = max_u64(m->size_min, change_end(c));
		if (durable)
			m->cut_min = max_u64(m->cut_min, change_end(c));
	}
}

void data_model_fail(struct data_change *c)
{
	change_leave(c);
}

void data_model_cancel(struct data_change *c)
{
	uint32_t first, end;

	change_leave(c);
	change_span(c, &first, &end);
	for (uint32_t i = first; i < end; i++) {
		if (!c->alone[i] || c->model->bytes[i].last != c->id)
			continue;
		c->model->bytes[i].now = c->now[i];
		c->model->bytes[i].cut = c->cut[i];
	}
}

void data_model_sync(struct data_model *m)
{
	for (unsigned int i = 0; i < DATA_MODEL_SIZE; i++) {
		CHECK_EQ(m->bytes[i].busy, 0);
		m->bytes[i].cut = m->bytes[i].now;
	}
	m->cut_min = m->size_min;
	m->cut_max = m->size_max;
}

/* Reads */

void data_model_read_begin(struct data_model_read *r, const struct data_model *m, uint32_t off, uint32_t len)
{
	r->model = m;
	r->off = off;
	r->len = len;
	r->size_min = m->size_min;
	r->nr_truncs = m->busy_truncs ? UINT32_MAX : m->nr_truncs;
	for (uint32_t i = off; i < off + len; i++) {
		r->was[i] = m->bytes[i].now;
		r->nr[i] = m->bytes[i].nr;
	}
}

static void byte_fail(const char *what, uint32_t off, uint8_t value)
{
	fprintf(stderr, "%s: byte %u cannot be %u\n", what, off, value);
	abort();
}

void data_model_read_end(const struct data_model_read *r, const uint8_t *buf, uint32_t got)
{
	const struct data_model *m = r->model;

	CHECK(got <= r->len);
	CHECK(got == 0 || r->off + got <= m->size_max);
	if (got < r->len && r->nr_truncs == m->nr_truncs)
		CHECK(r->off + got >= min_u64(r->size_min, r->off + r->len) || r->off >= r->size_min);
	for (uint32_t i = r->off; i < r->off + got; i++) {
		uint8_t value = buf[i - r->off];
		/* Changes that came and went meanwhile may have left nothing in either set. */
		bool moved = r->nr[i] + 1 < m->bytes[i].nr;

		if (value > DATA_MODEL_MAX ||
		    (!moved && !set_has(&r->was[i], value) && !set_has(&m->bytes[i].now, value)))
			byte_fail("a read", i, value);
	}
}

void data_model_adopt(struct data_model *m, const uint8_t *bytes, uint64_t size, bool cut)
{
	CHECK(size >= (cut ? m->cut_min : m->size_min));
	CHECK(size <= (cut ? m->cut_max : m->size_max));
	for (uint32_t i = 0; i < DATA_MODEL_SIZE; i++) {
		struct data_model_byte *b = &m->bytes[i];
		uint8_t value = i < size ? bytes[i] : 0;

		if (i < size && !set_has(cut ? &b->cut : &b->now, value))
			byte_fail(cut ? "after a power cut" : "at rest", i, value);
		set_only(&b->now, value);
		b->busy = 0;
		/* What is not durable yet may still be lost. */
		if (cut)
			b->cut = b->now;
		else
			set_add(&b->cut, value);
	}
	m->busy_truncs = 0;
	m->size_min = size;
	m->size_max = size;
	if (cut)
		m->cut_min = m->cut_max = size;
}
