/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_LE_H
#define LAMINA_DEV_LE_H

/*
 * Little-endian integers as they lie on disk.  Each is a struct of bytes, so that a disk value and a host value
 * cannot be mixed by accident and a packed on-disk struct needs no alignment and has no padding.
 */

#include <endian.h>
#include <stdint.h>
#include <string.h>

struct le16 {
	uint8_t b[2];
};
struct le32 {
	uint8_t b[4];
};
struct le64 {
	uint8_t b[8];
};

static inline uint16_t le16_get(struct le16 v)
{
	uint16_t x;

	memcpy(&x, v.b, sizeof(x));
	return le16toh(x);
}

static inline uint32_t le32_get(struct le32 v)
{
	uint32_t x;

	memcpy(&x, v.b, sizeof(x));
	return le32toh(x);
}

static inline uint64_t le64_get(struct le64 v)
{
	uint64_t x;

	memcpy(&x, v.b, sizeof(x));
	return le64toh(x);
}

static inline struct le16 le16_make(uint16_t x)
{
	struct le16 v;

	x = htole16(x);
	memcpy(v.b, &x, sizeof(x));
	return v;
}

static inline struct le32 le32_make(uint32_t x)
{
	struct le32 v;

	x = htole32(x);
	memcpy(v.b, &x, sizeof(x));
	return v;
}

static inline struct le64 le64_make(uint64_t x)
{
	struct le64 v;

	x = htole64(x);
	memcpy(v.b, &x, sizeof(x));
	return v;
}

#endif
