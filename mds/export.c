/* SPDX-License-Identifier: Apache-2.0 */

/* Which peers an export is for.  Promise: pure functions of their arguments; what is not clearly allowed is not. */

#include "mds/export.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Hosts */

static unsigned int bits_of(sa_family_t family)
{
	return family == AF_INET ? 32 : 128;
}

/* Whether the first @bits bits are the same. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || (uint8_t)((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

/* Decimal, without sign, blanks or leading zeros. */
static int prefix_parse(const char *text, unsigned int max, uint8_t *ret_bits)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)*text) || (*text == '0' && text[1]) || strlen(text) > 3)
		return -EINVAL;
	n = strtoul(text, &end, 10);
	if (*end || n > max)
		return -EINVAL;
	*ret_bits = (uint8_t)n;
	return 0;
}

int export_host_parse(const char *text, struct export_host *ret_host)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char addr[INET6_ADDRSTRLEN + 1];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct export_host host = { .family = AF_INET };

	if (strcmp(text, "*") == 0) {
		*ret_host = (struct export_host){ .family = AF_UNSPEC };
		return 0;
	}
	if (len >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (inet_pton(AF_INET, addr, host.addr) != 1) {
		host.family = AF_INET6;
		if (inet_pton(AF_INET6, addr, host.addr) != 1)
			return -EINVAL;
	}
	host.bits = (uint8_t)bits_of(host.family);
	if (slash && prefix_parse(slash + 1, bits_of(host.family), &host.bits))
		return -EINVAL;
	if (host.family == AF_INET6 && memcmp(host.addr, mapped, sizeof(mapped)) == 0)
		return -EAFNOSUPPORT;
	for (unsigned int bit = host.bits; bit < bits_of(host.family); bit++) {
		if (host.addr[bit / 8] & (0x80 >> bit % 8))
			return -ERANGE;
	}
	*ret_host = host;
	return 0;
}

void export_host_print(const struct export_host *host, char text[EXPORT_HOST_TEXT_MAX])
{
	char addr[INET6_ADDRSTRLEN] = "*";

	if (host->family != AF_UNSPEC)
		inet_ntop(host->family, host->addr, addr, sizeof(addr));
	if (host->family == AF_UNSPEC || host->bits == bits_of(host->family))
		snprintf(text, EXPORT_HOST_TEXT_MAX, "%s", addr);
	else
		snprintf(text, EXPORT_HOST_TEXT_MAX, "%s/%u", addr, host->bits);
}

bool export_host_covers(const struct export_host *outer, const struct export_host *inner)
{
	if (outer->family == AF_UNSPEC)
		return true;
	return outer->family == inner->family && outer->bits <= inner->bits &&
	       same_bits(outer->addr, inner->addr, outer->bits);
}

bool export_host_has(const struct export_host *host, const struct sockaddr_storage *peer)
{
	const struct sockaddr_in6 *in6 = (const void *)peer;
	const struct sockaddr_in *in4 = (const void *)peer;
	sa_family_t family = peer->ss_family;
	const void *addr;

	if (host->family == AF_UNSPEC)
		return true;
	if (family == AF_INET) {
		addr = &in4->sin_addr;
	} else if (family == AF_INET6) {
		addr = &in6->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			family = AF_INET;
			addr = &in6->sin6_addr.s6_addr[12];
		}
	} else {
		return false;
	}
	return host->family == family && same_bits(host->addr, addr, host->bits);
}

const struct export_rule *export_rule_for(const struct export *e, const struct sockaddr_storage *peer)
{
	for (unsigned int i = 0; i < e->nr_rules; i++) {
		for (unsigned int j = 0; j < e->rules[i].nr_hosts; j++) {
			if (export_host_has(&e->rules[i].hosts[j], peer))
				return &e->rules[i];
		}
	}
	return NULL;
}

/* Paths */

static const char *name_fault(const char *name, size_t len)
{
	if (len == 0)
		return "has an empty name in it; write single slashes, and none at the end";
	if (len > EXPORT_NAME_MAX)
		return "has a name of more than 255 bytes in it; choose a shorter one";
	if (len <= 2 && memcmp(name, "..", len) == 0)
		return "has . or .. in it; write the path that is meant";
	return NULL;
}

bool export_path_ok(const char *path, const char **ret_why)
{
	const char *fault = NULL;
	unsigned int depth = 0;

	if (path[0] != '/') {
		fault = "does not begin with /; write an absolute path";
	} else if (strlen(path) > EXPORT_PATH_MAX) {
		fault = "has more than 1023 bytes; choose a shorter one";
	} else if (path[1]) {
		while (!fault && *path) {
			size_t len = strcspn(path + 1, "/");

			fault = name_fault(path + 1, len);
			path += 1 + len;
			if (++depth > EXPORT_DEPTH_MAX && !fault)
				fault = "has more than 32 names in it; choose a shorter one";
		}
	}
	if (fault)
		*ret_why = fault;
	return !fault;
}

bool export_path_below(const char *path, const char *above, const char **ret_rest)
{
	size_t len = strcmp(above, "/") == 0 ? 0 : strlen(above);

	if (strncmp(path, above, len) != 0 || (path[len] && path[len] != '/'))
		return false;
	/* "/" itself below "/" */
	*ret_rest = strcmp(path + len, "/") == 0 ? "" : path + len;
	return true;
}

uint32_t export_id_of(const char *pseudo)
{
	return 1 + (uint32_t)(XXH3_64bits(pseudo, strlen(pseudo)) % EXPORT_ID_MAX);
}
