/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses in text.  Promises: no name is looked up; what is parsed can be printed, and parsed again to the same;
 * any address that the kernel gives can be printed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "dev/sock.h"

/* Decimal digits and nothing else. */
static int number_parse(const char *text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > max)
			return -EINVAL;
	}
	*ret_value = value;
	return 0;
}

static int local_parse(const char *path, struct sock_addr *ret_addr)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len >= sizeof(un.sun_path))
		return -EINVAL;
	memcpy(un.sun_path, path, len);
	*ret_addr = (struct sock_addr){ .len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1) };
	memcpy(&ret_addr->ss, &un, sizeof(un));
	return 0;
}

/* @host: "2001:db8::1" or "fe80::1%2", the number being that of the interface. */
static int ipv6_parse(char *host, in_port_t port, struct sock_addr *ret_addr)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = port };
	char *scope = strchr(host, '%');
	uint64_t number = 0;

	if (scope) {
		*scope++ = '\0';
		if (number_parse(scope, UINT32_MAX, &number))
			return -EINVAL;
	}
	in6.sin6_scope_id = (uint32_t)number;
	if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
		return -EINVAL;
	*ret_addr = (struct sock_addr){ .len = sizeof(in6) };
	memcpy(&ret_addr->ss, &in6, sizeof(in6));
	return 0;
}

static int ipv4_parse(const char *host, in_port_t port, struct sock_addr *ret_addr)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = port };

	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return -EINVAL;
	*ret_addr = (struct sock_addr){ .len = sizeof(in) };
	memcpy(&ret_addr->ss, &in, sizeof(in));
	return 0;
}

int sock_addr_parse(const char *text, struct sock_addr *ret_addr)
{
	char host[SOCK_ADDR_TEXT_MAX];
	char any[] = "::";
	size_t len = strlen(text);
	uint64_t port;
	char *colon;

	if (len >= sizeof(host))
		return -EINVAL;
	if (text[0] == '/')
		return local_parse(text, ret_addr);
	memcpy(host, text, len + 1);
	colon = strrchr(host, ':');
	if (!colon || number_parse(colon + 1, UINT16_MAX, &port))
		return -EINVAL;
	*colon = '\0';
	if (strcmp(host, "*") == 0)
		return ipv6_parse(any, htons((uint16_t)port), ret_addr);
	len = strlen(host);
	if (host[0] != '[' || host[len - 1] != ']')
		return ipv4_parse(host, htons((uint16_t)port), ret_addr);
	host[len - 1] = '\0';
	return ipv6_parse(host + 1, htons((uint16_t)port), ret_addr);
}

static void local_print(const struct sock_addr *addr, char text[SOCK_ADDR_TEXT_MAX])
{
	struct sockaddr_un un;
	int len = (int)addr->len - (int)offsetof(struct sockaddr_un, sun_path);

	memcpy(&un, &addr->ss, sizeof(un));
	/* Who connects has no name, unless he wants one. */
	if (len <= 0 || un.sun_path[0] == '\0')
		snprintf(text, SOCK_ADDR_TEXT_MAX, "local");
	else
		snprintf(text, SOCK_ADDR_TEXT_MAX, "%.*s", len, un.sun_path);
}

static void ipv6_print(const struct sock_addr *addr, char text[SOCK_ADDR_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN];
	struct sockaddr_in6 in6;

	memcpy(&in6, &addr->ss, sizeof(in6));
	if (IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr)) {
		snprintf(text, SOCK_ADDR_TEXT_MAX, "*:%u", ntohs(in6.sin6_port));
		return;
	}
	inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
	if (in6.sin6_scope_id)
		snprintf(text, SOCK_ADDR_TEXT_MAX, "[%s%%%u]:%u", host, in6.sin6_scope_id, ntohs(in6.sin6_port));
	else
		snprintf(text, SOCK_ADDR_TEXT_MAX, "[%s]:%u", host, ntohs(in6.sin6_port));
}

void sock_addr_print(const struct sock_addr *addr, char text[SOCK_ADDR_TEXT_MAX])
{
	char host[INET_ADDRSTRLEN];
	struct sockaddr_in in;

	switch (addr->ss.ss_family) {
	case AF_UNIX:
		local_print(addr, text);
		return;
	case AF_INET6:
		ipv6_print(addr, text);
		return;
	case AF_INET:
		memcpy(&in, &addr->ss, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
		snprintf(text, SOCK_ADDR_TEXT_MAX, "%s:%u", host, ntohs(in.sin_port));
		return;
	default:
		snprintf(text, SOCK_ADDR_TEXT_MAX, "unknown");
	}
}

bool sock_addr_same_host(const struct sock_addr *a, const struct sock_addr *b)
{
	if (a->ss.ss_family != b->ss.ss_family)
		return false;
	if (a->ss.ss_family == AF_INET)
		return ((const struct sockaddr_in *)&a->ss)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)&b->ss)->sin_addr.s_addr;
	if (a->ss.ss_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)&a->ss)->sin6_addr,
			      &((const struct sockaddr_in6 *)&b->ss)->sin6_addr, sizeof(struct in6_addr)) == 0;
	return true;
}
