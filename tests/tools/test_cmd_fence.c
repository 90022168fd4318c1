/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina fence` and `lamina unfence` with a server as a process, on a plain file with emulated reservations, and a
 * client that registers its key there.
 */

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/reactor.h"
#include "dev/reserver.h"
#include "dev/sock.h"
#include "tests/lib/check.h"
#include "tests/lib/program.h"
#include "tools/nfs_op_layout.h"
#include "tools/nfs_session.h"

static char dir[64], conf[128], out[128], sock[128], volume[128];
static unsigned int port;

static void prepare(const char *settings)
{
	FILE *f;

	snprintf(dir, sizeof(dir), "%s", program_dir());
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(sock, sizeof(sock), "%s/control", dir);
	snprintf(volume, sizeof(volume), "%s/volume", dir);
	port = program_port();
	f = fopen(conf, "w");
	CHECK(f != NULL);
	fprintf(f,
		"devices = [ \"%s\" ]; listen = [ \"127.0.0.1:%u\" ]; control = \"%s\";\n"
		"exports = ( { path = \"/\"; clients = ( { hosts = [ \"127.0.0.0/8\" ]; squash = \"none\";\n"
		"  layouts = [ \"scsi\", \"block\" ]; } ); } );\n"
		"%s\n",
		volume, port, sock, settings);
	CHECK_EQ(fclose(f), 0);
	CHECK_EQ(program_run("format --size 64M --force %s", volume), 0);
}

static pid_t serve(void)
{
	pid_t pid = program_start(out, "serve -c %s", conf);

	CHECK(program_awaits(out, "control socket "));
	return pid;
}

struct visit {
	struct nfs_client client;
	struct net *net;
	struct nfs_conn *conn;
	struct nfs_session *session;
	struct nfs_compound c;
	char id[NFS4_DEVICEID4_SIZE];
};

static FIBER_FN void visit_begin(struct visit *v, struct reactor *r)
{
	struct nfs_identity identity = nfs_identity_random(r);
	struct sock_addr addr;
	char text[64];

	nfs_compound_init(&v->c);
	nfs_client_init(&v->client, r, &identity);
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	CHECK_EQ(sock_addr_parse(text, &addr), 0);
	CHECK_EQ(net_open(r, &v->net), 0);
	CHECK_EQ(nfs_client_connect(&v->client, v->net, &addr, &v->conn), 0);
	CHECK_EQ(nfs_client_exchange_id(&v->client, v->conn), 0);
	CHECK_EQ(nfs_session_open(&v->client, v->conn, NULL, &v->session), 0);
}

static FIBER_FN void visit_end(struct visit *v)
{
	nfs_compound_release(&v->c);
	nfs_session_discard(v->session);
	nfs_conn_close(v->conn);
	nfs_client_release(&v->client);
	net_close(v->net);
	free(v);
}

static FIBER_FN void learn_id(struct visit *v, layouttype4 type)
{
	const GETDEVICELIST4resok *ok;
	uint32_t list;

	nfs_session_begin(v->session, &v->c);
	nfs_op_putrootfh(&v->c);
	list = nfs_op_getdevicelist(&v->c, type);
	CHECK_EQ(nfs_session_send(v->session, &v->c), 0);
	ok = &nfs_compound_result(&v->c, list, OP_GETDEVICELIST)
		      ->nfs_resop4_u.opgetdevicelist.GETDEVICELIST4res_u.gdlr_resok4;
	CHECK_EQ(ok->gdlr_deviceid_list.gdlr_deviceid_list_len, 1);
	CHECK(ok->gdlr_eof);
	memcpy(v->id, ok->gdlr_deviceid_list.gdlr_deviceid_list_val[0], sizeof(v->id));
}

/* GETDEVICEINFO: its status, and the key. */
static FIBER_FN int ask_key(struct visit *v, uint64_t *ret_key)
{
	const struct bitmap4 none = { 0 };
	struct pnfs_block_deviceaddr4 addr;
	GETDEVICEINFO4resok ok;
	struct wire_arena arena;
	uint32_t info;
	int err;

	nfs_session_begin(v->session, &v->c);
	info = nfs_op_getdeviceinfo(&v->c, LAYOUT4_SCSI, v->id, 4096, none);
	err = nfs_session_send(v->session, &v->c);
	if (err || v->c.status)
		return err ? err : (int)v->c.status;
	CHECK_EQ(nfs_op_got_device(&v->c, info, &ok), 0);
	wire_arena_init(&arena, 65536);
	CHECK_EQ(wire_device_decode(LAYOUT4_SCSI, ok.gdir_device_addr.da_addr_body.da_addr_body_val,
				    ok.gdir_device_addr.da_addr_body.da_addr_body_len, &arena, &addr),
		 0);
	*ret_key = addr.bda_volumes.bda_volumes_val[0].pnfs_block_volume4_u.sv_base_info.sbv_pr_key;
	wire_arena_release(&arena);
	return 0;
}

static FIBER_FN bool is_registered(struct reserver *res, uint64_t key)
{
	struct reserver_view view = { 0 };
	bool has;

	CHECK_EQ(reserver_read(res, &view), 0);
	CHECK(view.reserved);
	has = reserver_view_has(&view, key);
	reserver_view_release(&view);
	return has;
}

static FIBER_FN void fence_and_back(struct visit *v, struct reserver *res, pid_t *pid)
{
	uint64_t key = 0, again = 0;

	CHECK_EQ(ask_key(v, &key), 0);
	CHECK_EQ(reserver_register(res, key), 0);
	CHECK_EQ(program_run("fence -s %s %" PRIx64, sock, v->client.clientid), 0);
	CHECK(program_said("fenced, proved by keys"));
	CHECK(program_said("its key is not among them"));
	CHECK(!is_registered(res, key));
	CHECK_EQ(ask_key(v, &again), NFS4ERR_NOENT);

	/* It stays, whatever becomes of the server. */
	CHECK_EQ(program_end(*pid, SIGKILL), -SIGKILL);
	*pid = serve();
	CHECK_EQ(ask_key(v, &again), NFS4ERR_NOENT);
	CHECK_EQ(program_run("status -s %s", sock), 0);
	CHECK(program_said("fenced: key"));
	CHECK(program_said("exclusive access, registrants only; 1 keys registered; emulated"));

	CHECK_EQ(program_run("unfence -s %s 0x%" PRIx64, sock, key), 0);
	CHECK(program_said("not fenced"));
	CHECK_EQ(ask_key(v, &again), 0);
	CHECK_EQ(key, again);
	CHECK_EQ(program_run("unfence -s %s %" PRIx64, sock, key), 1);
	CHECK(program_said("it is not fenced"));
}

static FIBER_FN int keys_body(void *arg)
{
	struct visit *v = calloc(1, sizeof(*v));
	struct reserver *res = NULL;
	pid_t pid;

	CHECK(v != NULL);
	prepare("file_reservations = \"on\";");
	pid = serve();
	CHECK(program_said("layouts: SCSI type"));
	visit_begin(v, arg);
	learn_id(v, LAYOUT4_SCSI);
	CHECK_EQ(reserver_file_open(arg, volume, "client", &res), 0);
	fence_and_back(v, res, &pid);
	CHECK_EQ(program_run("fence -s %s 123456", sock), 1);
	CHECK(program_said("there is no client with this id"));
	CHECK_EQ(program_run("fence -s %s 4c4d000000000007", sock), 1);
	CHECK(program_said("no host has this key"));
	reserver_close(res);
	visit_end(v);
	CHECK_EQ(program_end(pid, SIGTERM), 0);
	CHECK_EQ(program_run("check %s", volume), 0);
	CHECK_EQ(program_run("dump %s items | grep ' of \"'", volume), 0);
	CHECK(program_said("key 0x4c4d"));
	return 0;
}

/* Without reservations only time can tell, or a person. */
static FIBER_FN int time_body(void *arg)
{
	struct visit *v = calloc(1, sizeof(*v));
	pid_t pid;

	CHECK(v != NULL);
	prepare("block_wait_seconds = 1;");
	pid = serve();
	CHECK(program_said("layouts: block type"));
	CHECK(program_said("it is a plain file"));
	visit_begin(v, arg);
	learn_id(v, LAYOUT4_BLOCK_VOLUME);
	CHECK_EQ(program_run("fence -s %s %" PRIx64, sock, v->client.clientid), 0);
	CHECK(program_said("proved by time"));
	CHECK(program_said("no reservations"));
	visit_end(v);
	CHECK_EQ(program_end(pid, SIGTERM), 0);
	return 0;
}

static FIBER_FN int patience_body(void *arg)
{
	struct visit *v = calloc(1, sizeof(*v));
	pid_t pid;

	CHECK(v != NULL);
	prepare("block_wait_seconds = 3600;");
	pid = serve();
	visit_begin(v, arg);
	/* The answer does not wait so long, and a server that stops does not either. */
	CHECK_EQ(program_run("fence -s %s %" PRIx64, sock, v->client.clientid), 1);
	CHECK(program_said("NOT PROVED: it is still under way"));
	CHECK_EQ(program_run("unfence -s %s %" PRIx64, sock, v->client.clientid), 1);
	CHECK(program_said("--force"));
	CHECK_EQ(program_end(pid, SIGTERM), 0);
	visit_end(v);
	return 0;
}

static void in_reactor(int (*fn)(void *arg))
{
	struct reactor *r;

	assert_int_equal(reactor_open(NULL, &r), 0);
	assert_int_equal(reactor_run(r, fn, r), 0);
	reactor_close(r);
}

static void test_keys(void **state)
{
	in_reactor(keys_body);
}

static void test_time(void **state)
{
	in_reactor(time_body);
}

static void test_patience(void **state)
{
	in_reactor(patience_body);
}

static void test_called_wrongly(void **state)
{
	static const char *const wrong[] = {
		"fence",   "fence 1 2", "fence zz", "fence 0x", "fence 12345678901234567", "fence --no-such 1",
		"unfence", "unfence ''"
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(program_run("%s -s /nowhere", wrong[i]), 2);
	assert_int_equal(program_run("fence -s /nowhere/at/all 12"), 1);
	assert_int_equal(program_run("unfence --help"), 0);
	assert_true(program_said("usage: lamina unfence"));
}

static int clean(void **state)
{
	program_clean();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_called_wrongly),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
