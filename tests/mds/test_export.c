/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts, paths, rules, and the pseudo file system as different peers see it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "mds/config.h"
#include "mds/export.h"

static struct sockaddr_storage peer(const char *text)
{
	struct sockaddr_storage ss = { .ss_family = AF_INET };
	struct sockaddr_in *in4 = (void *)&ss;
	struct sockaddr_in6 *in6 = (void *)&ss;

	if (inet_pton(AF_INET, text, &in4->sin_addr) != 1) {
		ss.ss_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
	}
	return ss;
}

static bool host_has(const char *host, const char *address)
{
	struct sockaddr_storage ss = peer(address);
	struct export_host h;

	assert_int_equal(export_host_parse(host, &h), 0);
	return export_host_has(&h, &ss);
}

static void test_hosts(void **state)
{
	struct sockaddr_storage local = { .ss_family = AF_UNIX };
	struct export_host all, some;

	assert_true(host_has("10.0.0.0/8", "10.255.0.1"));
	assert_false(host_has("10.0.0.0/8", "11.0.0.1"));
	assert_true(host_has("10.64.0.0/10", "10.127.255.255"));
	assert_false(host_has("10.64.0.0/10", "10.128.0.0"));
	assert_true(host_has("192.0.2.7", "192.0.2.7"));
	assert_false(host_has("192.0.2.7", "192.0.2.6"));
	assert_true(host_has("0.0.0.0/0", "1.2.3.4"));
	assert_false(host_has("0.0.0.0/0", "2001:db8::1"));
	assert_true(host_has("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(host_has("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(host_has("::1", "::1"));
	assert_false(host_has("::/0", "192.0.2.7"));
	assert_true(host_has("*", "192.0.2.7"));
	assert_true(host_has("*", "2001:db8::1"));
	assert_int_equal(export_host_parse("*", &all), 0);
	assert_int_equal(export_host_parse("0.0.0.0/0", &some), 0);
	assert_true(export_host_has(&all, &local));
	assert_false(export_host_has(&some, &local));
}

/* A listener on all addresses sees IPv4 peers as IPv6. */
static void test_mapped_peers(void **state)
{
	assert_true(host_has("10.0.0.0/8", "::ffff:10.1.2.3"));
	assert_false(host_has("10.0.0.0/8", "::ffff:11.1.2.3"));
	assert_false(host_has("::/0", "::ffff:10.1.2.3"));
	assert_true(host_has("*", "::ffff:10.1.2.3"));
	/* The deprecated compatible form is no IPv4 address. */
	assert_false(host_has("10.0.0.0/8", "::10.1.2.3"));
}

static void test_bad_hosts(void **state)
{
	static const char *const bad[] = {
		"",	     "x",	    "10.0.0.0/",   "10.0.0.0/33",   "10.0.0.0/-1", "10.0.0/8",
		"::/129",    "10.0.0.0/08", "10.0.0.0/ 8", "10.0.0.0/8x",   "**",	   "/8",
		"10.0.0.1 ", "fe80::1%lo",  "localhost",   "::/99999999999"
	};
	struct export_host h;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(export_host_parse(bad[i], &h), -EINVAL);
	assert_int_equal(export_host_parse("10.1.0.0/8", &h), -ERANGE);
	assert_int_equal(export_host_parse("2001:db8::1/64", &h), -ERANGE);
	assert_int_equal(export_host_parse("::ffff:10.0.0.1", &h), -EAFNOSUPPORT);
}

static void test_print_and_cover(void **state)
{
	static const char *const texts[] = { "*",	 "10.0.0.0/8",	  "10.1.0.0/16",
					     "10.1.2.3", "2001:db8::/32", "2001:db8::1" };
	struct export_host h[ARRAY_SIZE(texts)];
	char text[EXPORT_HOST_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(export_host_parse(texts[i], &h[i]), 0);
		export_host_print(&h[i], text);
		assert_string_equal(text, texts[i]);
		assert_true(export_host_covers(&h[0], &h[i]));
		assert_true(export_host_covers(&h[i], &h[i]));
	}
	assert_true(export_host_covers(&h[1], &h[2]));
	assert_true(export_host_covers(&h[1], &h[3]));
	assert_false(export_host_covers(&h[2], &h[1]));
	assert_false(export_host_covers(&h[1], &h[4]));
	assert_true(export_host_covers(&h[4], &h[5]));
	assert_false(export_host_covers(&h[1], &h[0]));
}

static void test_paths(void **state)
{
	static const char *const good[] = { "/", "/a", "/a/b", "/...", "/..a", "/a b" };
	static const char *const bad[] = { "", "a", "//", "/a/", "/a//b", "/.", "/a/..", "/../a" };
	char deep[2 * EXPORT_DEPTH_MAX + 3], name[EXPORT_NAME_MAX + 3];
	const char *why = NULL, *rest;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(export_path_ok(good[i], &why));
	assert_null(why);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(export_path_ok(bad[i], &why));
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 ? 'a' : '/';
	deep[2 * EXPORT_DEPTH_MAX + 2] = '\0';
	assert_false(export_path_ok(deep, &why));
	deep[2 * EXPORT_DEPTH_MAX] = '\0';
	assert_true(export_path_ok(deep, &why));
	memset(name, 'n', sizeof(name));
	name[0] = '/';
	name[EXPORT_NAME_MAX + 2] = '\0';
	assert_false(export_path_ok(name, &why));
	name[EXPORT_NAME_MAX + 1] = '\0';
	assert_true(export_path_ok(name, &why));

	assert_true(export_path_below("/a/b", "/a", &rest));
	assert_string_equal(rest, "/b");
	assert_true(export_path_below("/a", "/", &rest));
	assert_string_equal(rest, "/a");
	assert_true(export_path_below("/", "/", &rest));
	assert_string_equal(rest, "");
	assert_false(export_path_below("/ab", "/a", &rest));
	assert_false(export_path_below("/", "/a", &rest));
}

/* Handles that clients hold depend on these. */
static void test_ids_never_change(void **state)
{
	assert_int_equal(export_id_of("/"), 25228);
	assert_in_range(export_id_of("/home"), 1, EXPORT_ID_MAX);
}

/* A configuration and its tree. */
struct world {
	struct config *cfg;
	struct export_tree *tree;
};

static struct world world_open(const char *exports)
{
	static struct why_list why;
	struct world w = { NULL, NULL };
	char text[4096];
	int len = snprintf(text, sizeof(text), "exports = ( %s );", exports);

	why_list_init(&why);
	if (config_load_text(text, (size_t)len, "test", NULL, &w.cfg, &why))
		fail_msg("%s", why.items[0].text);
	assert_int_equal(export_tree_open(w.cfg->exports, w.cfg->nr_exports, &w.tree), 0);
	return w;
}

static void world_close(struct world *w)
{
	export_tree_close(w->tree);
	config_free(w->cfg);
}

#define FOR(host) "clients = ( { hosts = [ \"" host "\" ]; } );"

static const struct export_node *child(const struct export_node *node, const char *name,
				       const struct sockaddr_storage *who)
{
	return export_child(node, name, strlen(name), who);
}

/* The first rule that names a peer decides. */
static void test_first_rule(void **state)
{
	struct world w =
		world_open("{ path = \"/\"; clients = ( { hosts = [ \"10.0.0.5\" ]; access = \"ro\"; },"
			   " { hosts = [ \"192.0.2.1\", \"10.0.0.0/8\" ]; squash = \"all\"; anon_uid = 5; } ); }");
	struct sockaddr_storage five = peer("10.0.0.5"), six = peer("::ffff:10.0.0.6"), other = peer("192.0.2.2");
	const struct export *e = &w.cfg->exports[0];

	assert_true(export_rule_for(e, &five)->read_only);
	assert_int_equal(export_rule_for(e, &five)->squash, EXPORT_SQUASH_ROOT);
	assert_false(export_rule_for(e, &six)->read_only);
	assert_int_equal(export_rule_for(e, &six)->anon_uid, 5);
	assert_null(export_rule_for(e, &other));
	world_close(&w);
}

static void test_tree(void **state)
{
	struct world w = world_open("{ path = \"/x\"; pseudo = \"/a/b\"; id = 7; " FOR(
		"*") " },"
		     "{ path = \"/y\"; pseudo = \"/a/c/d\"; id = 65535; " FOR("*") " }");
	struct sockaddr_storage who = peer("10.0.0.1");
	const struct export_node *root = export_root(w.tree, &who), *a, *b, *c, *d;

	assert_non_null(root);
	assert_ptr_equal(root->parent, root);
	assert_string_equal(root->name, "");
	a = child(root, "a", &who);
	assert_non_null(a);
	assert_string_equal(a->name, "a");
	assert_ptr_equal(a->parent, root);
	assert_null(export_junction(a, &who));
	b = child(a, "b", &who);
	c = child(a, "c", &who);
	assert_ptr_equal(export_junction(b, &who), &w.cfg->exports[0]);
	assert_null(export_junction(c, &who));
	d = child(c, "d", &who);
	assert_ptr_equal(export_junction(d, &who), &w.cfg->exports[1]);
	assert_ptr_equal(export_node_of(w.tree, &w.cfg->exports[1]), d);
	assert_ptr_equal(export_by_id(w.tree, 7), &w.cfg->exports[0]);
	assert_ptr_equal(export_by_id(w.tree, 65535), &w.cfg->exports[1]);
	assert_null(export_by_id(w.tree, 8));
	assert_null(export_by_id(w.tree, 0));
	assert_null(export_by_id(w.tree, UINT32_MAX));
	assert_ptr_equal(export_node_by_id(w.tree, d->id), d);
	assert_null(export_node_by_id(w.tree, 0));
	assert_null(child(root, "b", &who));
	assert_null(child(root, "", &who));
	assert_null(export_child(root, "ab", 2, &who));
	assert_ptr_equal(export_child(root, "ab", 1, &who), a);
	world_close(&w);
}

/* READDIR: every child once, in the order of cookies that are never 0 to 2 (RFC 8881, 18.23.3). */
static void test_readdir(void **state)
{
	char exports[4000] = "";
	struct sockaddr_storage who = peer("10.0.0.1");
	const struct export_node *root, *node;
	unsigned int nr = 0, seen = 0;
	uint64_t cookie = 0;
	struct world w;

	for (unsigned int i = 0; i < 30; i++) {
		size_t len = strlen(exports);

		snprintf(exports + len, sizeof(exports) - len,
			 "%s{ path = \"/\"; pseudo = \"/e%u\"; id = %u; " FOR("10.0.0.0/8") " }", i ? "," : "", i,
			 i + 1);
	}
	w = world_open(exports);
	root = export_root(w.tree, &who);
	while ((node = export_child_next(root, cookie, &who))) {
		assert_true(node->id > cookie && node->id >= 3 && node->id <= INT64_MAX);
		cookie = node->id;
		seen |= 1u << (node->export->id - 1);
		nr++;
	}
	assert_int_equal(nr, 30);
	assert_int_equal(seen, (1u << 30) - 1);
	assert_null(export_child_next(root, UINT64_MAX, &who));
	world_close(&w);
}

/* Nobody learns of exports that are not his. */
static void test_hidden(void **state)
{
	struct world w = world_open("{ path = \"/x\"; pseudo = \"/a/b\"; " FOR(
		"10.0.0.0/8") " },"
			      "{ path = \"/y\"; pseudo = \"/a/c\"; " FOR(
				      "192.0.2.1") " },"
						   "{ path = \"/z\"; pseudo = \"/z\"; " FOR("192.0.2.1") " }");
	struct sockaddr_storage ten = peer("10.0.0.1"), doc = peer("192.0.2.1"), none = peer("2001:db8::1");
	const struct export_node *root = export_root(w.tree, &ten), *a;

	assert_null(export_root(w.tree, &none));
	assert_null(child(root, "z", &ten));
	assert_non_null(child(root, "z", &doc));
	a = child(root, "a", &ten);
	assert_ptr_equal(export_child_next(root, 0, &ten), a);
	assert_null(export_child_next(root, a->id, &ten));
	assert_null(child(a, "c", &ten));
	assert_null(child(a, "b", &doc));
	assert_string_equal(export_child_next(a, 0, &doc)->name, "c");
	assert_null(child(root, "a", &none));
	world_close(&w);
}

/* A peer that the outer export does not let in still finds the way to the inner one. */
static void test_nested(void **state)
{
	struct world w = world_open("{ path = \"/\"; " FOR(
		"10.0.0.0/8") " },"
			      "{ path = \"/home/pub\"; " FOR("*") " }, { path = \"/home\"; " FOR("10.0.0.1") " }");
	struct sockaddr_storage ten = peer("10.0.0.1"), doc = peer("192.0.2.1");
	const struct export *e = w.cfg->exports;
	const struct export_node *root = export_root(w.tree, &ten), *home;

	assert_null(e[0].outer);
	assert_ptr_equal(e[1].outer, &e[2]);
	assert_ptr_equal(e[2].outer, &e[0]);
	assert_ptr_equal(export_junction(root, &ten), &e[0]);
	assert_ptr_equal(export_root(w.tree, &doc), root);
	assert_null(export_junction(root, &doc));
	home = child(root, "home", &doc);
	assert_null(export_junction(home, &doc));
	assert_ptr_equal(export_junction(home, &ten), &e[2]);
	assert_ptr_equal(export_junction(child(home, "pub", &doc), &doc), &e[1]);
	world_close(&w);
}

/* Ids come from the path alone: clients keep them over a restart with other exports. */
static void test_ids_stay(void **state)
{
	struct world one = world_open("{ path = \"/x\"; pseudo = \"/a/b\"; " FOR("*") " }");
	struct world two =
		world_open("{ path = \"/0\"; " FOR("*") " }, { path = \"/q\"; pseudo = \"/a/b\"; " FOR("*") " }");
	struct sockaddr_storage who = peer("10.0.0.1");
	const struct export_node *a = child(export_root(one.tree, &who), "a", &who);
	const struct export_node *a2 = child(export_root(two.tree, &who), "a", &who);

	assert_true(a->id == a2->id);
	assert_true(child(a, "b", &who)->id == child(a2, "b", &who)->id);
	assert_true(export_root(one.tree, &who)->id == export_root(two.tree, &who)->id);
	assert_int_equal(one.cfg->exports[0].id, two.cfg->exports[1].id);
	world_close(&one);
	world_close(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),	   cmocka_unit_test(test_mapped_peers),
		cmocka_unit_test(test_bad_hosts),  cmocka_unit_test(test_print_and_cover),
		cmocka_unit_test(test_paths),	   cmocka_unit_test(test_ids_never_change),
		cmocka_unit_test(test_first_rule), cmocka_unit_test(test_tree),
		cmocka_unit_test(test_readdir),	   cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_nested),	   cmocka_unit_test(test_ids_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
