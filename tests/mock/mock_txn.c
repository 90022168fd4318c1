/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items in sorted chunks of a few hundred, found by two binary searches: a million items are fine.  Every change
 * notes what was there before, so an error restores exactly that.
 */
#include "tests/mock/mock_txn.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "extent/format.h"

#define MOCK_CHUNK_ITEMS 256

struct mock_item {
	struct key key;
	void *val;
	size_t len;
};

struct mock_chunk {
	size_t nr;
	struct mock_item items[MOCK_CHUNK_ITEMS];
};

struct mock_undo {
	struct key key;
	bool had;
	void *val; /* ours */
	size_t len;
};

/* A value lent to the body. */
struct mock_loan {
	struct mock_loan *next;
	size_t len;
	unsigned char bytes[];
};

struct txn {
	struct mock_store *store;
	struct mock_undo *undo;
	size_t nr_undo, max_undo;
	struct mock_loan *loans;
	size_t log_bytes, log_max;
	bool read_only;
	int failed; /* the error that the body got and must return */
};

static void *mock_alloc(size_t len)
{
	void *p;

	p = malloc(len ? len : 1);
	if (!p)
		abort();
	return p;
}

static void *mock_bytes(const void *val, size_t len)
{
	void *p;

	p = mock_alloc(len);
	if (len)
		memcpy(p, val, len);
	return p;
}

/* The place of the first item at or after @key; *@ret_chunk may be nr_chunks. */
static void mock_find(const struct mock_store *store, struct key key, size_t *ret_chunk, size_t *ret_slot)
{
	size_t lo = 0, hi = store->nr_chunks;

	while (lo < hi) { /* the last chunk whose first key is <= key */
		size_t mid = (lo + hi) / 2;

		if (key_cmp(store->chunks[mid]->items[0].key, key) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_chunk = lo ? lo - 1 : 0;
	*ret_slot = 0;
	if (!lo)
		return;
	const struct mock_chunk *c = store->chunks[lo - 1];

	lo = 0;
	hi = c->nr;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (key_cmp(c->items[mid].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_slot = lo;
	if (lo == c->nr) {
		(*ret_chunk)++;
		*ret_slot = 0;
	}
}

static struct mock_item *mock_at(const struct mock_store *store, size_t chunk, size_t slot)
{
	return chunk < store->nr_chunks ? &store->chunks[chunk]->items[slot] : NULL;
}

static struct mock_item *mock_exact(const struct mock_store *store, struct key key)
{
	struct mock_item *it;
	size_t c, s;

	mock_find(store, key, &c, &s);
	it = mock_at(store, c, s);
	return it && !key_cmp(it->key, key) ? it : NULL;
}

static void mock_chunk_insert(struct mock_store *store, size_t at, struct mock_chunk *chunk)
{
	if (store->nr_chunks == store->max_chunks) {
		store->max_chunks = store->max_chunks ? 2 * store->max_chunks : 16;
		store->chunks = realloc(store->chunks, store->max_chunks * sizeof(*store->chunks));
		if (!store->chunks)
			abort();
	}
	memmove(&store->chunks[at + 1], &store->chunks[at], (store->nr_chunks - at) * sizeof(*store->chunks));
	store->chunks[at] = chunk;
	store->nr_chunks++;
}

static void mock_chunk_split(struct mock_store *store, size_t at)
{
	struct mock_chunk *old = store->chunks[at], *new = mock_alloc(sizeof(*new));

	new->nr = old->nr / 2;
	old->nr -= new->nr;
	memcpy(new->items, &old->items[old->nr], new->nr * sizeof(new->items[0]));
	mock_chunk_insert(store, at + 1, new);
}

static void mock_insert(struct mock_store *store, struct key key, const void *val, size_t len)
{
	struct mock_chunk *chunk;
	size_t c, s;

	mock_find(store, key, &c, &s);
	if (!store->nr_chunks) {
		chunk = mock_alloc(sizeof(*chunk));
		chunk->nr = 0;
		mock_chunk_insert(store, 0, chunk);
	} else if (c == store->nr_chunks || (s == 0 && c > 0)) {
		c--;
		s = store->chunks[c]->nr;
	}
	if (store->chunks[c]->nr == MOCK_CHUNK_ITEMS) {
		mock_chunk_split(store, c);
		if (s > store->chunks[c]->nr)
			s -= store->chunks[c++]->nr;
	}
	chunk = store->chunks[c];
	memmove(&chunk->items[s + 1], &chunk->items[s], (chunk->nr - s) * sizeof(chunk->items[0]));
	chunk->items[s] = (struct mock_item){ key, mock_bytes(val, len), len };
	chunk->nr++;
	store->nr_items++;
}

void mock_put(struct mock_store *store, struct key key, const void *val, size_t len)
{
	struct mock_item *it;
	void *old;

	it = mock_exact(store, key);
	if (!it) {
		mock_insert(store, key, val, len);
		return;
	}
	old = it->val;
	it->val = mock_bytes(val, len);
	it->len = len;
	free(old);
}

bool mock_delete(struct mock_store *store, struct key key)
{
	struct mock_chunk *chunk;
	struct mock_item *it;
	size_t c, s;

	mock_find(store, key, &c, &s);
	it = mock_at(store, c, s);
	if (!it || key_cmp(it->key, key))
		return false;
	free(it->val);
	chunk = store->chunks[c];
	chunk->nr--;
	memmove(it, it + 1, (chunk->nr - s) * sizeof(*it));
	if (!chunk->nr) {
		free(chunk);
		store->nr_chunks--;
		memmove(&store->chunks[c], &store->chunks[c + 1], (store->nr_chunks - c) * sizeof(chunk));
	}
	store->nr_items--;
	return true;
}

bool mock_next(const struct mock_store *store, struct key from, struct item *ret_item)
{
	struct mock_item *it;
	size_t c, s;

	mock_find(store, from, &c, &s);
	it = mock_at(store, c, s);
	if (!it)
		return false;
	*ret_item = (struct item){ it->key, it->val, it->len };
	return true;
}

void mock_init(struct mock_store *store)
{
	*store = (struct mock_store){ .nr_devices = 1,
				      .devices = { { 0, 1024 } },
				      .hash_seed = 0x5eed,
				      .next_ino = 2,
				      .wall_ns = 1700000000000000000ULL,
				      .log_max = TXN_LOG_DEFAULT,
				      .dice = 1 };
}

void mock_release(struct mock_store *store)
{
	for (size_t c = 0; c < store->nr_chunks; c++) {
		for (size_t s = 0; s < store->chunks[c]->nr; s++)
			free(store->chunks[c]->items[s].val);
		free(store->chunks[c]);
	}
	free(store->chunks);
	store->chunks = NULL;
	store->nr_chunks = store->max_chunks = 0;
	store->nr_items = 0;
}

void mock_copy(struct mock_store *to, const struct mock_store *from)
{
	mock_release(to);
	for (size_t c = 0; c < from->nr_chunks; c++)
		for (size_t s = 0; s < from->chunks[c]->nr; s++) {
			const struct mock_item *it = &from->chunks[c]->items[s];

			mock_put(to, it->key, it->val, it->len);
		}
}

static bool mock_item_equal(const struct mock_item *a, const struct mock_item *b)
{
	return !key_cmp(a->key, b->key) && a->len == b->len && !memcmp(a->val, b->val, a->len);
}

bool mock_equal(const struct mock_store *a, const struct mock_store *b)
{
	size_t bc = 0, bs = 0;

	if (a->nr_items != b->nr_items)
		return false;
	for (size_t c = 0; c < a->nr_chunks; c++)
		for (size_t s = 0; s < a->chunks[c]->nr; s++) {
			if (!mock_item_equal(&a->chunks[c]->items[s], &b->chunks[bc]->items[bs]))
				return false;
			if (++bs == b->chunks[bc]->nr) {
				bc++;
				bs = 0;
			}
		}
	return true;
}

void mock_dump(const struct mock_store *store, FILE *out)
{
	for (size_t c = 0; c < store->nr_chunks; c++)
		for (size_t s = 0; s < store->chunks[c]->nr; s++) {
			const struct mock_item *it = &store->chunks[c]->items[s];
			const unsigned char *val = it->val;

			fprintf(out, "%u:%" PRIx64 " %u:%" PRIx64 " =", key_zone(it->key), key_obj(it->key),
				key_type(it->key), key_off(it->key));
			for (size_t i = 0; i < it->len; i++)
				fprintf(out, "%s%02x", i % 4 ? "" : " ", val[i]);
			fputc('\n', out);
		}
}

uint64_t mock_random(struct mock_store *store, uint64_t below)
{
	uint64_t x;

	x = store->dice += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return (uint64_t)(((unsigned __int128)x * below) >> 64);
}

uint64_t mock_seed(uint64_t otherwise)
{
	const char *text = getenv("LAMINA_SEED");
	uint64_t seed;

	seed = text ? strtoull(text, NULL, 0) : otherwise;
	fprintf(stderr, "LAMINA_SEED=%" PRIu64 "\n", seed);
	return seed;
}

/* The body */

static void mock_loans_end(struct txn *txn)
{
	while (txn->loans) {
		struct mock_loan *loan = txn->loans;

		txn->loans = loan->next;
		memset(loan->bytes, 0xa5, loan->len);
		free(loan);
	}
}

static void mock_lend(struct txn *txn, const struct mock_item *it, struct item *ret_item)
{
	struct mock_loan *loan;

	loan = mock_alloc(sizeof(*loan) + it->len);
	loan->next = txn->loans;
	loan->len = it->len;
	if (it->len)
		memcpy(loan->bytes, it->val, it->len);
	txn->loans = loan;
	*ret_item = (struct item){ it->key, loan->bytes, it->len };
}

/* The start of every item call: count it, and make the trouble that is due. */
static int mock_call(struct txn *txn)
{
	struct mock_store *store = txn->store;

	if (txn->failed) {
		fprintf(stderr, "mock_txn: the body went on after error %d\n", txn->failed);
		abort();
	}
	store->calls++;
	if (store->fail_at && !--store->fail_at)
		return txn->failed = store->fail_err;
	if (store->restart_odds && !mock_random(store, store->restart_odds)) {
		store->restarts++;
		return txn->failed = -ERESTART;
	}
	return 0;
}

int txn_get(struct txn *txn, struct key key, struct item *ret_item)
{
	struct mock_item *it;
	int err;

	err = mock_call(txn);
	if (err)
		return err;
	it = mock_exact(txn->store, key);
	if (!it)
		return -ENOENT;
	mock_lend(txn, it, ret_item);
	return 0;
}

int txn_next(struct txn *txn, struct key from, struct key last, struct item *ret_item)
{
	struct mock_item *it;
	size_t c, s;
	int err;

	err = mock_call(txn);
	if (err)
		return err;
	mock_find(txn->store, from, &c, &s);
	it = mock_at(txn->store, c, s);
	if (!it || key_cmp(it->key, last) > 0)
		return -ENOENT;
	mock_lend(txn, it, ret_item);
	return 0;
}

int txn_prev(struct txn *txn, struct key from, struct key first, struct item *ret_item)
{
	struct mock_item *it;
	size_t c, s;
	int err;

	err = mock_call(txn);
	if (err)
		return err;
	mock_find(txn->store, from, &c, &s);
	it = mock_at(txn->store, c, s);
	if (!it || key_cmp(it->key, from) > 0) {
		if (s == 0 && c == 0)
			return -ENOENT;
		it = s ? mock_at(txn->store, c, s - 1)
		       : mock_at(txn->store, c - 1, txn->store->chunks[c - 1]->nr - 1);
	}
	if (key_cmp(it->key, first) < 0)
		return -ENOENT;
	mock_lend(txn, it, ret_item);
	return 0;
}

static int mock_change(struct txn *txn, size_t len)
{
	int err;

	err = mock_call(txn);
	if (err)
		return err;
	if (txn->read_only)
		return txn->failed = -EROFS;
	if (txn->log_bytes + sizeof(struct disk_change) + len > txn->log_max)
		return txn->failed = -E2BIG;
	return 0;
}

/* Note what was at @key, before it changes. */
static void mock_note(struct txn *txn, struct key key, size_t len)
{
	const struct mock_item *it = mock_exact(txn->store, key);

	txn->store->changes++;
	txn->log_bytes += sizeof(struct disk_change) + len;
	if (txn->nr_undo == txn->max_undo) {
		txn->max_undo = txn->max_undo ? 2 * txn->max_undo : 64;
		txn->undo = realloc(txn->undo, txn->max_undo * sizeof(*txn->undo));
		if (!txn->undo)
			abort();
	}
	txn->undo[txn->nr_undo++] = (struct mock_undo){
		.key = key, .had = it, .val = it ? mock_bytes(it->val, it->len) : NULL, .len = it ? it->len : 0
	};
}

int txn_put(struct txn *txn, struct key key, const void *val, size_t len)
{
	int err;

	assert(len <= ITEM_VALUE_MAX);
	err = mock_change(txn, len);
	if (err)
		return err;
	mock_loans_end(txn); /* first: a @val that lies in the tree is found out */
	mock_note(txn, key, len);
	mock_put(txn->store, key, val, len);
	return 0;
}

int txn_delete(struct txn *txn, struct key key)
{
	int err;

	err = mock_change(txn, 0);
	if (err)
		return err;
	if (!mock_exact(txn->store, key))
		return -ENOENT;
	mock_note(txn, key, 0);
	mock_delete(txn->store, key);
	mock_loans_end(txn);
	return 0;
}

struct fs *txn_fs(struct txn *txn)
{
	return mock_fs(txn->store);
}

uint64_t txn_wall_ns(const struct txn *txn)
{
	return txn->store->wall_ns;
}

uint64_t txn_seq(const struct txn *txn)
{
	return txn->store->seq + 1;
}

void txn_note_freed(struct txn *txn)
{
}

uint64_t txn_new_ino(struct txn *txn)
{
	return txn->store->next_ino++;
}

uint64_t txn_hash_seed(const struct txn *txn)
{
	return txn->store->hash_seed;
}

unsigned int txn_nr_devices(const struct txn *txn)
{
	return txn->store->nr_devices;
}

void txn_device_range(const struct txn *txn, unsigned int dev, uint64_t *ret_first, uint64_t *ret_end)
{
	assert(dev < txn->store->nr_devices);
	*ret_first = txn->store->devices[dev].first;
	*ret_end = txn->store->devices[dev].end;
}

/* Running it */

static void mock_undo_all(struct txn *txn)
{
	while (txn->nr_undo) {
		struct mock_undo *u = &txn->undo[--txn->nr_undo];

		if (u->had)
			mock_put(txn->store, u->key, u->val, u->len);
		else
			mock_delete(txn->store, u->key);
		free(u->val);
	}
}

static void mock_undo_forget(struct txn *txn)
{
	if (txn->nr_undo)
		txn->store->seq++;
	while (txn->nr_undo)
		free(txn->undo[--txn->nr_undo].val);
}

static int mock_run_once(struct txn *txn, int (*body)(struct txn *txn, void *arg), void *arg)
{
	struct mock_store *store = txn->store;
	uint64_t next_ino = store->next_ino;
	int err;

	store->wall_ns++;
	txn->failed = 0;
	txn->log_bytes = 0;
	err = body(txn, arg);
	if (txn->failed && err != txn->failed) {
		fprintf(stderr, "mock_txn: the body got error %d and returned %d\n", txn->failed, err);
		abort();
	}
	store->log_bytes = txn->log_bytes;
	if (store->log_bytes > store->log_bytes_max)
		store->log_bytes_max = store->log_bytes;
	mock_loans_end(txn);
	if (err) {
		mock_undo_all(txn);
		store->next_ino = next_ino;
	} else {
		mock_undo_forget(txn);
	}
	return err;
}

static int mock_run_txn(struct mock_store *store, bool read_only, size_t log_max, int (*body)(struct txn *, void *),
			void *arg)
{
	struct txn txn = { .store = store, .read_only = read_only, .log_max = log_max };
	unsigned int odds = store->restart_odds;
	int err;

	for (unsigned int run = 0;; run++) {
		if (run == 4)
			store->restart_odds = 0; /* the real one makes progress, too */
		err = mock_run_once(&txn, body, arg);
		if (err != -ERESTART)
			break;
	}
	store->restart_odds = odds;
	free(txn.undo);
	return err;
}

int mock_run(struct mock_store *store, int (*body)(struct txn *txn, void *arg), void *arg)
{
	return mock_run_txn(store, false, store->log_max, body, arg);
}

int mock_read(struct mock_store *store, int (*body)(struct txn *txn, void *arg), void *arg)
{
	return mock_run_txn(store, true, store->log_max, body, arg);
}

struct fs *mock_fs(struct mock_store *store)
{
	return (struct fs *)(void *)store;
}

FIBER_FN int txn_run(struct fs *fs, const struct txn_options *opt, int (*body)(struct txn *txn, void *arg), void *arg,
		     uint64_t *ret_seq)
{
	struct mock_store *store = (struct mock_store *)(void *)fs;
	uint64_t seq = store->seq;
	int err;

	err = mock_run_txn(store, false, opt && opt->log_max ? opt->log_max : TXN_LOG_DEFAULT, body, arg);
	if (!err && ret_seq)
		*ret_seq = store->seq > seq ? store->seq : 0;
	return err;
}

FIBER_FN int txn_read(struct fs *fs, int (*body)(struct txn *txn, void *arg), void *arg)
{
	return mock_read((struct mock_store *)(void *)fs, body, arg);
}

FIBER_FN int txn_wait_durable(struct fs *fs, uint64_t seq)
{
	return 0;
}
