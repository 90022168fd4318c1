/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The pseudo file system.  Promises: the tree never changes after it was made; a node's id depends on its path alone;
 * what a peer may not see is never returned to it.
 */

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "mds/export.h"

#define BUCKETS	    1024
#define ID_MIN	    3 /* cookies 0 to 2 are taken (RFC 8881, 18.23.3) */
#define CHILDREN_AT 4 /* room for so many at first; then it doubles */

struct export_tree {
	const struct export *exports;
	unsigned int nr;
	struct export_node *root;
	struct export_node *buckets[BUCKETS];
	const struct export *by_id[EXPORT_ID_MAX + 1];
};

static uint64_t id_of(const char *path, size_t len)
{
	uint64_t id = XXH3_64bits(path, len) >> 1; /* as a signed number not negative */

	return id < ID_MIN ? id + ID_MIN : id;
}

static void node_free(struct export_node *node)
{
	for (unsigned int i = 0; i < node->nr_children; i++)
		node_free(node->children[i]); /* at most EXPORT_DEPTH_MAX deep */
	free(node->children);
	free(node->path);
	free(node);
}

/* The node of the first @len bytes of @path.  -EEXIST: another path has its id. */
static int node_new(struct export_tree *tree, const char *path, size_t len, struct export_node **ret_node)
{
	struct export_node *node = calloc(1, sizeof(*node)), *other;

	if (!node)
		return -ENOMEM;
	node->path = strndup(path, len);
	if (!node->path) {
		free(node);
		return -ENOMEM;
	}
	node->id = id_of(path, len);
	node->name = strrchr(node->path, '/') + 1;
	for (other = tree->buckets[node->id % BUCKETS]; other; other = other->by_id) {
		if (other->id == node->id) {
			node_free(node);
			return -EEXIST;
		}
	}
	node->by_id = tree->buckets[node->id % BUCKETS];
	tree->buckets[node->id % BUCKETS] = node;
	*ret_node = node;
	return 0;
}

/* Index of the first child with an id >= @id. */
static unsigned int child_at(const struct export_node *node, uint64_t id)
{
	unsigned int low = 0, high = node->nr_children;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (node->children[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Room for one child more. */
static int make_room(struct export_node *node)
{
	unsigned int nr = node->nr_children;
	struct export_node **children;

	if (nr && (nr < CHILDREN_AT || !is_power_of_2_u64(nr)))
		return 0;
	children = reallocarray(node->children, nr < CHILDREN_AT ? CHILDREN_AT : 2 * (size_t)nr, sizeof(*children));
	if (!children)
		return -ENOMEM;
	node->children = children;
	return 0;
}

static struct export_node *child_by_name(const struct export_node *node, const void *name, size_t len)
{
	for (unsigned int i = 0; i < node->nr_children; i++) {
		const char *own = node->children[i]->name;

		if (strlen(own) == len && memcmp(own, name, len) == 0)
			return node->children[i];
	}
	return NULL;
}

/* The child whose path is the first @len bytes of @path, made if there is none. */
static int child_make(struct export_tree *tree, struct export_node *node, const char *path, size_t len,
		      struct export_node **ret_child)
{
	const char *name = memrchr(path, '/', len);
	struct export_node *child;
	unsigned int at;
	int err;

	child = child_by_name(node, name + 1, len - (size_t)(name + 1 - path));
	if (!child) {
		err = make_room(node);
		if (err)
			return err;
		err = node_new(tree, path, len, &child);
		if (err)
			return err;
		child->parent = node;
		at = child_at(node, child->id);
		memmove(&node->children[at + 1], &node->children[at],
			(node->nr_children - at) * sizeof(node->children[0]));
		node->children[at] = child;
		node->nr_children++;
	}
	*ret_child = child;
	return 0;
}

static int tree_add(struct export_tree *tree, const struct export *e)
{
	struct export_node *node = tree->root;
	const char *path = e->pseudo;
	size_t len = 0;
	int err;

	while (path[len] && path[1]) {
		len += 1 + strcspn(path + len + 1, "/");
		err = child_make(tree, node, path, len, &node);
		if (err)
			return err;
	}
	assert(!node->export);
	node->export = e;
	assert(e->id >= 1 && e->id <= EXPORT_ID_MAX && !tree->by_id[e->id]);
	tree->by_id[e->id] = e;
	return 0;
}

int export_tree_open(const struct export *exports, unsigned int nr, struct export_tree **ret_tree)
{
	struct export_tree *tree = calloc(1, sizeof(*tree));
	int err;

	if (!tree)
		return -ENOMEM;
	tree->exports = exports;
	tree->nr = nr;
	err = node_new(tree, "/", 1, &tree->root);
	if (!err)
		tree->root->parent = tree->root;
	for (unsigned int i = 0; i < nr && !err; i++)
		err = tree_add(tree, &exports[i]);
	if (err) {
		export_tree_close(tree);
		return err;
	}
	*ret_tree = tree;
	return 0;
}

void export_tree_close(struct export_tree *tree)
{
	if (tree && tree->root)
		node_free(tree->root);
	free(tree);
}

const struct export *export_by_id(const struct export_tree *tree, uint32_t id)
{
	return id <= EXPORT_ID_MAX ? tree->by_id[id] : NULL;
}

const struct export_node *export_node_by_id(const struct export_tree *tree, uint64_t id)
{
	const struct export_node *node = tree->buckets[id % BUCKETS];

	while (node && node->id != id)
		node = node->by_id;
	return node;
}

const struct export *export_junction(const struct export_node *node, const struct sockaddr_storage *peer)
{
	return node->export && export_rule_for(node->export, peer) ? node->export : NULL;
}

bool export_node_visible(const struct export_node *node, const struct sockaddr_storage *peer)
{
	if (export_junction(node, peer))
		return true;
	for (unsigned int i = 0; i < node->nr_children; i++) {
		if (export_node_visible(node->children[i], peer)) /* at most EXPORT_DEPTH_MAX deep */
			return true;
	}
	return false;
}

const struct export_node *export_root(const struct export_tree *tree, const struct sockaddr_storage *peer)
{
	return export_node_visible(tree->root, peer) ? tree->root : NULL;
}

const struct export_node *export_child(const struct export_node *node, const void *name, size_t len,
				       const struct sockaddr_storage *peer)
{
	const struct export_node *child = child_by_name(node, name, len);

	return child && export_node_visible(child, peer) ? child : NULL;
}

const struct export_node *export_child_next(const struct export_node *node, uint64_t cookie,
					    const struct sockaddr_storage *peer)
{
	if (cookie == UINT64_MAX)
		return NULL;
	for (unsigned int i = child_at(node, cookie + 1); i < node->nr_children; i++) {
		if (export_node_visible(node->children[i], peer))
			return node->children[i];
	}
	return NULL;
}

const struct export_node *export_node_of(const struct export_tree *tree, const struct export *e)
{
	const struct export_node *node = export_node_by_id(tree, id_of(e->pseudo, strlen(e->pseudo)));

	assert(node && node->export == e);
	return node;
}
