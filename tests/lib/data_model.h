/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_DATA_MODEL_H
#define LAMINA_TESTS_DATA_MODEL_H

/*
 * What a file may hold, byte by byte, while many change it at once: a set of values for each byte.  What begins adds
 * its values; what has ended, and was alone at a byte from its begin to its end, leaves only its own.  A second set
 * says what may be there after a power cut: there only durable changes leave nothing but their own.  Bytes behind the
 * end of file are zeros.
 */

#include <stdint.h>

#include "dev/base.h"

#define DATA_MODEL_SIZE	 (64u << 10)
#define DATA_MODEL_BLOCK 4096u
#define DATA_MODEL_MAX	 200 /* values are 0..DATA_MODEL_MAX */

struct data_model_set {
	uint64_t bits[4];
};

struct data_model_byte {
	struct data_model_set now;
	struct data_model_set cut; /* after a power cut */
	uint32_t last;		   /* the change that began last */
	uint32_t nr;		   /* changes that ever began */
	uint32_t busy;		   /* changes that have begun and not ended */
	uint32_t copying;	   /* such of them as copy: meanwhile anything may be there */
};

struct data_model {
	struct data_model_byte bytes[DATA_MODEL_SIZE];
	uint64_t size_min, size_max;	 /* the file's size is between these */
	uint64_t cut_min, cut_max;	 /* and after a power cut between these */
	uint32_t nr_truncs, busy_truncs; /* begun at all, and not ended */
	uint32_t nr_changes;
};

enum data_change_kind {
	DATA_CHANGE_WRITE,
	DATA_CHANGE_ZERO,
	DATA_CHANGE_TRUNC,  /* at off; to the end of all */
	DATA_CHANGE_EXTEND, /* no bytes, only the size */
	DATA_CHANGE_COPY,
	DATA_CHANGE_KINDS,
};

/* One change on its way. */
struct data_change {
	struct data_model *model;
	enum data_change_kind kind;
	uint32_t off, len;
	const struct data_model *src; /* COPY, from src_off */
	uint32_t src_off;
	/* The model's */
	uint32_t id;
	uint32_t nr_truncs;
	bool alone[DATA_MODEL_SIZE];
	uint32_t src_last[DATA_MODEL_SIZE];
	struct data_model_set now[DATA_MODEL_SIZE], cut[DATA_MODEL_SIZE]; /* before */
	struct data_model_set src_now[DATA_MODEL_SIZE];
};

/* A file of no bytes. */
void data_model_init(struct data_model *m);

/* What byte @off of WRITE @id is. */
uint8_t data_model_value(uint32_t id, uint32_t off);
/* Begin a change: its first four fields are given, for COPY six. */
void data_model_begin(struct data_change *c);
/* It has ended well.  @durable: and survives a power cut. */
void data_model_end(struct data_change *c, bool durable);
/* It failed: perhaps some of it has happened. */
void data_model_fail(struct data_change *c);

/* It was refused: nothing has happened. */
void data_model_cancel(struct data_change *c);

/* Nothing is on its way, and everything is durable. */
void data_model_sync(struct data_model *m);

/* One read on its way. */
struct data_model_read {
	const struct data_model *model;
	uint32_t off, len;
	uint64_t size_min;
	uint32_t nr_truncs;
	struct data_model_set was[DATA_MODEL_SIZE];
	uint32_t nr[DATA_MODEL_SIZE];
};

void data_model_read_begin(struct data_model_read *r, const struct data_model *m, uint32_t off, uint32_t len);
/* It gave @got bytes, of which every one may be there: else the test ends. */
void data_model_read_end(const struct data_model_read *r, const uint8_t *buf, uint32_t got);

/*
 * While nothing is on its way: the file is of @size bytes and holds @bytes.  After a power cut (@cut) or not, this
 * may be: else the test ends.  From now on it is so for certain.
 */
void data_model_adopt(struct data_model *m, const uint8_t *bytes, uint64_t size, bool cut);

#endif
