/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_EXPORT_H
#define LAMINA_MDS_EXPORT_H

/*
 * Exports: which directories of the volume which clients see, where, and with what rights; and the pseudo file system
 * that leads to them (RFC 8881, 7.3).  Plain memory: nothing here does I/O or switches fibers.
 *
 * The pseudo file system is a tree of directories from "/" to where clients see the exports.  For a peer a node is
 *
 *   - a junction, if an export lies there whose rules let this peer in: what clients find there is that directory of
 *     the volume, and nothing of the pseudo file system below it is reached by name any more;
 *   - a directory, if it is none but leads to one;
 *   - not there at all otherwise, so that nobody learns of exports that are not his.
 *
 * Exports may be nested if both show the same directory of the volume there, as "/" and "/home" with equal paths do:
 * the inner one gives other rights to a part of the outer one, and hides nothing (config.h refuses others).  The
 * server passes from the outer to the inner one when LOOKUP arrives at the inner one's directory.
 */

#include <sys/socket.h>

#include "dev/base.h"

#define EXPORT_MAX	 1024 /* exports */
#define EXPORT_RULES_MAX 64   /* of one export */
#define EXPORT_HOSTS_MAX 256  /* of one rule */
#define EXPORT_PATH_MAX	 1023 /* bytes of a path, without the terminator */
#define EXPORT_NAME_MAX	 255  /* bytes of a name in it */
#define EXPORT_DEPTH_MAX 32   /* names in it */
#define EXPORT_ID_MAX	 65535

enum export_squash {
	EXPORT_SQUASH_ROOT, /* user 0 and group 0 become the anonymous ones */
	EXPORT_SQUASH_ALL,  /* everybody does */
	EXPORT_SQUASH_NONE,
};

/* Bits of export_rule.layouts */
#define EXPORT_LAYOUT_SCSI  1u /* RFC 8154 */
#define EXPORT_LAYOUT_BLOCK 2u /* RFC 5663 */

/* Which addresses. */
struct export_host {
	sa_family_t family; /* AF_INET, AF_INET6; AF_UNSPEC: all */
	uint8_t bits;	    /* length of the prefix */
	uint8_t addr[16];   /* in network order, zero behind the prefix */
};

struct export_rule {
	bool read_only;
	enum export_squash squash;
	uint32_t anon_uid, anon_gid; /* what squashed users and those without a name become */
	unsigned int layouts;	     /* EXPORT_LAYOUT_... that may be granted */
	struct export_host *hosts;
	unsigned int nr_hosts; /* > 0 */
};

struct export
{
	uint32_t id;		   /* 1 .. EXPORT_ID_MAX, goes into file handles */
	unsigned int index;	   /* in the array of all exports */
	char *path;		   /* directory in the volume: "/", "/a/b" */
	char *pseudo;		   /* where clients see it */
	struct export_rule *rules; /* the first that names a peer decides */
	unsigned int nr_rules;
	const struct export *outer; /* the export that this one is nested in; NULL: none */
};

/*
 * "*", an address, or an address with the length of its prefix, as "10.0.0.0/8" or "2001:db8::/32".  -EINVAL: none of
 * these; -ERANGE: bits behind the prefix are set; -EAFNOSUPPORT: an IPv4 address written as IPv6.
 */
int export_host_parse(const char *text, struct export_host *ret_host) MUST_CHECK;
#define EXPORT_HOST_TEXT_MAX 64
void export_host_print(const struct export_host *host, char text[EXPORT_HOST_TEXT_MAX]);
/* Whether every address of @inner is one of @outer. */
bool export_host_covers(const struct export_host *outer, const struct export_host *inner);
/* IPv4 addresses in IPv6 (::ffff:0:0/96) count as IPv4.  Addresses of other families are only in "*". */
bool export_host_has(const struct export_host *host, const struct sockaddr_storage *peer);

/*
 * Whether @path is absolute and in its simplest form: no "//", "." or "..", no "/" at its end unless it is all,
 * within the bounds above.  If not, *@ret_why says what is wrong with it ("has an empty name in it").
 */
bool export_path_ok(const char *path, const char **ret_why) MUST_CHECK;
/* Whether @path is @above or lies below it.  What follows is then at *@ret_rest ("" or "/..."). */
bool export_path_below(const char *path, const char *above, const char **ret_rest) MUST_CHECK;
/* 1 .. EXPORT_ID_MAX, of XXH3 of @pseudo: the id of an export that was given none.  Handles depend on it. */
uint32_t export_id_of(const char *pseudo) MUST_CHECK;

/* The rule for @peer; NULL: no access. */
const struct export_rule *export_rule_for(const struct export *e, const struct sockaddr_storage *peer) MUST_CHECK;

/* A directory of the pseudo file system. */
struct export_node {
	uint64_t id; /* 3 .. 2^63 - 1, of XXH3 of its path: the same after every restart; inode number and cookie */
	const char *name;		  /* "" for the root */
	const struct export *export;	  /* that lies here; NULL: none */
	const struct export_node *parent; /* of the root: itself */
	/* The tree's own */
	struct export_node **children; /* by id */
	unsigned int nr_children;
	char *path;
	struct export_node *by_id; /* next in the hash chain */
};

struct export_tree;

/*
 * The tree over @exports[0..nr), which stay the caller's, have different ids and pseudo paths, and must outlive it.
 * -ENOMEM; -EEXIST: two paths have the same id, and another pseudo path must be chosen.
 */
int export_tree_open(const struct export *exports, unsigned int nr, struct export_tree **ret_tree) MUST_CHECK;
/* NULL is allowed. */
void export_tree_close(struct export_tree *tree);

/* NULL: there is none (any more). */
const struct export *export_by_id(const struct export_tree *tree, uint32_t id) MUST_CHECK;
const struct export_node *export_node_by_id(const struct export_tree *tree, uint64_t id) MUST_CHECK;

/* "/"; NULL if @peer sees nothing at all. */
const struct export_node *export_root(const struct export_tree *tree, const struct sockaddr_storage *peer) MUST_CHECK;
/* The export that lies at @node and lets @peer in: then @node is a junction for it.  NULL: not. */
const struct export *export_junction(const struct export_node *node, const struct sockaddr_storage *peer) MUST_CHECK;
/* Whether @node is there for @peer: a junction for it, or above one. */
bool export_node_visible(const struct export_node *node, const struct sockaddr_storage *peer) MUST_CHECK;
/* The child of @node by name, @len bytes without terminator; NULL: none that @peer sees. */
const struct export_node *export_child(const struct export_node *node, const void *name, size_t len,
				       const struct sockaddr_storage *peer) MUST_CHECK;
/* For READDIR: the first child that @peer sees with an id > @cookie (0: from the start); its cookie is its id. */
const struct export_node *export_child_next(const struct export_node *node, uint64_t cookie,
					    const struct sockaddr_storage *peer) MUST_CHECK;
/*
 * The node where @e lies.  Its parent is what LOOKUPP finds from @e's root; unless @e is nested in an export that
 * lets the peer in too: then it is the directory's parent there.
 */
const struct export_node *export_node_of(const struct export_tree *tree, const struct export *e) MUST_CHECK;

#endif
