/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A script of messages on several connections against a whole server in a simulated world: whatever comes, nothing
 * asserts or touches memory that is not its own, and afterwards the server still answers and ends.  Bytes that shall
 * reach the operations get the head that a client with a session would have put before them.
 *
 * The input: commands, each a byte that says which (and on which connection), then what it needs.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/blkdev.h"
#include "dev/fiber.h"
#include "dev/log.h"
#include "layout/device.h"
#include "mds/server.h"
#include "proto/wire_compound.h"
#include "proto/wire_record.h"
#include "proto/wire_rpc.h"
#include "tests/lib/fuzz.h"
#include "tests/lib/store.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_reserve.h"

#define CONNS	     3
#define COMMANDS_MAX 24
#define MESSAGE_MAX  20000
#define SLOTS	     4
#define MS	     1000000ull

enum command {
	DO_RAW,	       /* bytes into the stream */
	DO_RECORD,     /* bytes as one record */
	DO_CALL,       /* a call of COMPOUND: tag, minor version and operations are the input's */
	DO_ALONE,      /* operations without SEQUENCE */
	DO_IN_SESSION, /* operations behind SEQUENCE */
	DO_IN_ROOT,    /* behind SEQUENCE and PUTROOTFH */
	DO_IN_FILE,    /* behind SEQUENCE and an OPEN, whose file and state id are current and saved */
	DO_AGAIN,      /* the last record again */
	DO_RECONNECT,
	DO_WAIT,
	DO_IN_LAYOUT, /* as DO_IN_FILE, and a LAYOUTGET, whose state id is current; the state id saved is the open's
		       */
	NR_COMMANDS
};

struct world {
	struct store store;
	struct sim_net *net;
	struct net *server_host, *client_host;
	struct sock_addr addr;
	struct config *config;
	struct mds *mds;
	struct sim_reserve *sr;
	struct blkdev *dev;
	struct reserver *res;
	struct identity identity;
	struct sock *socks[CONNS];
	char sessionid[NFS4_SESSIONID_SIZE];
	uint32_t seqids[SLOTS];
	uint64_t clientid;
	bool has_session;
	uint32_t len;
	uint8_t msg[4 + MESSAGE_MAX + 4096]; /* the last record */
};

static const char config_text[] =
	"listen = [ \"10.0.0.1:2049\" ]; lease_seconds = 10; grace_seconds = 10; courtesy_seconds = 20;"
	"limits = { buffer_bytes = \"1M\"; request_bytes = \"32K\"; response_bytes = \"32K\"; connections = 8;"
	" clients = 8; opens = 32; locks = 32; sessions_per_client = 4; layouts = 16; };"
	"exports = ( { path = \"/\"; pseudo = \"/\"; id = 1;"
	"  clients = ( { hosts = [ \"*\" ]; access = \"rw\"; squash = \"none\"; } ); } );";

/* A record: the call's head, then @nr operations of which the bytes follow. */
static void record_begin(struct wire_enc *enc, struct world *w)
{
	struct wire_call call = { .xid = 7, .prog = NFS4_PROGRAM, .vers = NFS_V4, .proc = NFSPROC4_COMPOUND };
	struct wire_authsys root = { 0 };
	char cred[MAX_AUTH_BYTES];

	wire_enc_init(enc, w->msg + 4, sizeof(w->msg) - 4);
	fuzz_require(wire_authsys_put(&root, cred, &call.cred) == 0);
	fuzz_require(wire_call_put(enc, &call) == 0);
}

static void record_end(struct world *w, uint32_t len)
{
	wire_record_mark(w->msg, len);
	w->len = 4 + len;
}

static FIBER_FN void pour(struct world *w, unsigned int conn, const void *bytes, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, len };

	if (w->socks[conn] && len && sock_send(w->socks[conn], &iov, 1)) {
		sock_close(w->socks[conn]);
		w->socks[conn] = NULL;
	}
}

static FIBER_FN void reconnect(struct world *w, unsigned int conn)
{
	sock_close(w->socks[conn]);
	w->socks[conn] = NULL;
	if (net_connect(w->client_host, &w->addr, &w->socks[conn]))
		w->socks[conn] = NULL;
}

/* What was answered on a connection so far is thrown away, by a fiber of its own in the end: reads would wait. */
static FIBER_FN uint32_t receive(struct world *w, unsigned int conn, uint8_t *buf, uint32_t size)
{
	uint32_t len = 0, want = 4;

	while (len < want) {
		ssize_t got = sock_recv(w->socks[conn], buf + len, want - len);

		fuzz_require(got > 0);
		len += (uint32_t)got;
		if (len == 4 && want == 4)
			want = 4 + (((uint32_t)buf[1] << 16) | ((uint32_t)buf[2] << 8) | buf[3]);
		fuzz_require(want <= size);
	}
	return len;
}

static void add_sequence(struct world *w, struct wire_compound_out *out, uint32_t slot);

/* One operation; its result.  In the session, if there is one. */
static FIBER_FN void ask(struct world *w, const struct nfs_argop4 *op, struct nfs_resop4 *ret_res,
			 struct wire_arena *arena)
{
	static uint8_t buf[8192];
	struct wire_compound_out out;
	struct wire_compound_in in;
	struct wire_reply reply;
	struct wire_enc enc;
	struct wire_dec dec;

	record_begin(&enc, w);
	fuzz_require(wire_args_begin(&out, &enc, "", 0, 2) == 0);
	if (w->has_session)
		add_sequence(w, &out, 0);
	fuzz_require(wire_args_add(&out, op) == 0);
	wire_args_end(&out);
	record_end(w, wire_compound_size(&out));
	pour(w, 0, w->msg, w->len);
	wire_dec_init(&dec, buf + 4, receive(w, 0, buf, sizeof(buf)) - 4, arena);
	fuzz_require(wire_reply_get(&dec, &reply) == 0 && wire_results_open(&in, &dec) == 0);
	do {
		fuzz_require(wire_results_next(&in, ret_res) == 0);
	} while (ret_res->resop == OP_SEQUENCE);
}

static FIBER_FN void make_session(struct world *w)
{
	static char owner[] = "fuzz";
	struct nfs_argop4 op = { .argop = OP_EXCHANGE_ID };
	struct EXCHANGE_ID4args *who = &op.nfs_argop4_u.opexchange_id;
	struct CREATE_SESSION4args *args;
	const struct EXCHANGE_ID4resok *id;
	struct nfs_resop4 res;
	struct wire_arena arena;

	wire_arena_init(&arena, 65536);
	who->eia_clientowner.co_ownerid.co_ownerid_len = sizeof(owner) - 1;
	who->eia_clientowner.co_ownerid.co_ownerid_val = owner;
	ask(w, &op, &res, &arena);
	id = &res.nfs_resop4_u.opexchange_id.EXCHANGE_ID4res_u.eir_resok4;
	w->clientid = id->eir_clientid;
	op = (struct nfs_argop4){ .argop = OP_CREATE_SESSION };
	args = &op.nfs_argop4_u.opcreate_session;
	args->csa_clientid = w->clientid;
	args->csa_sequence = id->eir_sequenceid;
	args->csa_flags = CREATE_SESSION4_FLAG_CONN_BACK_CHAN;
	args->csa_fore_chan_attrs = (struct channel_attrs4){ .ca_maxrequestsize = 32768,
							     .ca_maxresponsesize = 32768,
							     .ca_maxresponsesize_cached = 2048,
							     .ca_maxoperations = 64,
							     .ca_maxrequests = SLOTS };
	args->csa_back_chan_attrs = args->csa_fore_chan_attrs;
	ask(w, &op, &res, &arena);
	fuzz_require(res.nfs_resop4_u.opcreate_session.csr_status == NFS4_OK);
	memcpy(w->sessionid, res.nfs_resop4_u.opcreate_session.CREATE_SESSION4res_u.csr_resok4.csr_sessionid,
	       sizeof(w->sessionid));
	w->has_session = true;
	op = (struct nfs_argop4){ .argop = OP_RECLAIM_COMPLETE };
	ask(w, &op, &res, &arena);
	fuzz_require(res.nfs_resop4_u.opreclaim_complete.rcr_status == NFS4_OK);
	wire_arena_release(&arena);
}

/* SEQUENCE with the slot's next number. */
static void add_sequence(struct world *w, struct wire_compound_out *out, uint32_t slot)
{
	struct nfs_argop4 op = { .argop = OP_SEQUENCE };
	struct SEQUENCE4args *args = &op.nfs_argop4_u.opsequence;

	memcpy(args->sa_sessionid, w->sessionid, sizeof(args->sa_sessionid));
	args->sa_slotid = slot;
	args->sa_sequenceid = ++w->seqids[slot];
	args->sa_cachethis = slot & 1;
	fuzz_require(wire_args_add(out, &op) == 0);
}

static void add_open(struct world *w, struct wire_compound_out *out)
{
	static char name[] = "f", owner[] = "o";
	struct nfs_argop4 op = { .argop = OP_OPEN };
	struct OPEN4args *args = &op.nfs_argop4_u.opopen;

	args->share_access = OPEN4_SHARE_ACCESS_BOTH;
	args->owner.clientid = w->clientid;
	args->owner.owner.owner_len = 1;
	args->owner.owner.owner_val = owner;
	args->openhow.opentype = OPEN4_CREATE;
	args->openhow.openflag4_u.how.mode = UNCHECKED4;
	args->claim.claim = CLAIM_NULL;
	args->claim.open_claim4_u.file.component4_len = 1;
	args->claim.open_claim4_u.file.component4_val = name;
	fuzz_require(wire_args_add(out, &op) == 0);
}

static void add_layoutget(struct wire_compound_out *out, uint8_t blocks)
{
	struct nfs_argop4 op = { .argop = OP_LAYOUTGET };

	op.nfs_argop4_u.oplayoutget = (struct LAYOUTGET4args){ .loga_layout_type = LAYOUT4_SCSI,
							       .loga_iomode = LAYOUTIOMODE4_RW,
							       .loga_length = (1 + blocks) * 4096ull,
							       .loga_minlength = 4096,
							       .loga_stateid = { .seqid = 1 },
							       .loga_maxcount = 4096 };
	fuzz_require(wire_args_add(out, &op) == 0);
}

/* Operations from the input behind what @command puts before them. */
static void make_compound(struct world *w, enum command command, struct fuzz_input *in)
{
	struct nfs_argop4 root = { .argop = OP_PUTROOTFH }, save = { .argop = OP_SAVEFH };
	uint8_t head = fuzz_u8(in);
	size_t size = min_u64(fuzz_u16(in), MESSAGE_MAX);
	struct wire_compound_out out;
	struct wire_enc enc;
	uint32_t len;

	record_begin(&enc, w);
	if (command == DO_CALL) {
		len = wire_enc_pos(&enc);
		record_end(w, len + (uint32_t)fuzz_bytes(in, w->msg + 4 + len, size));
		return;
	}
	fuzz_require(wire_args_begin(&out, &enc, "", 0, head & 0x40 ? 1 : 2) == 0);
	if (command != DO_ALONE)
		add_sequence(w, &out, head % SLOTS);
	if (command == DO_IN_ROOT || command == DO_IN_FILE || command == DO_IN_LAYOUT)
		fuzz_require(wire_args_add(&out, &root) == 0);
	if (command == DO_IN_FILE || command == DO_IN_LAYOUT) {
		add_open(w, &out);
		fuzz_require(wire_args_add(&out, &save) == 0);
	}
	if (command == DO_IN_LAYOUT)
		add_layoutget(&out, head);
	out.nr += (head >> 2) % 16;
	wire_args_end(&out);
	len = wire_compound_size(&out);
	record_end(w, len + (uint32_t)fuzz_bytes(in, w->msg + 4 + len, size));
}

static FIBER_FN void run_command(struct world *w, struct fuzz_input *in)
{
	uint8_t byte = fuzz_u8(in);
	unsigned int conn = (byte >> 4) % CONNS;
	enum command command = (byte & 15) % NR_COMMANDS;
	size_t size;

	switch (command) {
	case DO_RAW:
		size = fuzz_bytes(in, w->msg, min_u64(fuzz_u16(in), MESSAGE_MAX));
		pour(w, conn, w->msg, size);
		w->len = 0;
		return;
	case DO_RECORD:
		size = fuzz_bytes(in, w->msg + 4, min_u64(fuzz_u16(in), MESSAGE_MAX));
		record_end(w, (uint32_t)size);
		break;
	case DO_RECONNECT:
		reconnect(w, conn);
		return;
	case DO_WAIT:
		fiber_sleep_ns(fuzz_u8(in) * 200 * MS);
		return;
	case DO_AGAIN:
		break;
	default:
		make_compound(w, command, in);
		break;
	}
	pour(w, conn, w->msg, w->len);
}

/* The server still answers. */
static FIBER_FN void check_alive(struct world *w)
{
	struct wire_call call = { .xid = 9, .prog = NFS4_PROGRAM, .vers = NFS_V4, .proc = NFSPROC4_NULL };
	uint8_t buf[128];
	struct wire_enc enc;

	for (unsigned int i = 0; i < CONNS; i++) {
		sock_close(w->socks[i]);
		w->socks[i] = NULL;
	}
	fiber_sleep_ns(1000 * MS);
	reconnect(w, 0);
	fuzz_require(w->socks[0]);
	wire_enc_init(&enc, w->msg + 4, sizeof(w->msg) - 4);
	fuzz_require(wire_call_put(&enc, &call) == 0);
	record_end(w, wire_enc_pos(&enc));
	pour(w, 0, w->msg, w->len);
	fuzz_require(receive(w, 0, buf, sizeof(buf)) == 28);
	sock_close(w->socks[0]);
	w->socks[0] = NULL;
}

struct script {
	struct world *w;
	struct fuzz_input in;
};

/* The device has reservations, so that there are layouts of the SCSI type. */
static FIBER_FN void serve(struct world *w)
{
	struct store *s = &w->store;
	struct layout_source source = { .dev = s->devs[0], .identity = &w->identity };
	struct server_options opt = { .sources = &source, .nr_sources = 1 };
	struct why why;

	fuzz_require(sim_reserve_attach(w->sr, "server", s->devs[0], &w->dev, &w->res) == 0);
	source.reserver = w->res;
	fuzz_require(server_start(s->r, s->fs, w->server_host, w->config, &opt, &w->mds, &why) == 0);
}

static FIBER_FN void serve_no_more(struct world *w)
{
	server_stop(w->mds);
	blkdev_close(w->dev);
	reserver_close(w->res);
}

static FIBER_FN void play(struct store *s, void *arg)
{
	struct script *script = arg;
	struct world *w = script->w;

	store_format(s);
	fuzz_require(store_mount(s) == 0);
	serve(w);
	for (unsigned int i = 0; i < CONNS; i++)
		reconnect(w, i);
	make_session(w);
	for (unsigned int i = 0; i < COMMANDS_MAX && script->in.size > 0; i++) {
		run_command(w, &script->in);
		fiber_sleep_ns(MS);
	}
	fiber_sleep_ns(200 * MS);
	check_alive(w);
	serve_no_more(w);
	/* What was left of it is what a start takes. */
	serve(w);
	serve_no_more(w);
	store_unmount(s);
}

/* A script of one operation, all zeros, behind each head. */
static void seed_op(uint32_t number)
{
	static uint8_t buf[8192];
	struct wire_enc enc;
	struct nfs_argop4 op;
	uint32_t len = 0, size;
	char name[32];

	memset(&op, 0, sizeof(op));
	op.argop = (nfs_opnum4)number;
	for (enum command command = DO_ALONE; command <= DO_IN_FILE; command++) {
		wire_enc_init(&enc, buf + len + 4, sizeof(buf) - len - 4);
		/* Where all zeros is no value there is no seed. */
		if (wire_put(&enc, nfs_argop4, &op))
			return;
		size = wire_enc_pos(&enc);
		buf[len] = (uint8_t)command;
		buf[len + 1] = 1 << 2;
		buf[len + 2] = (uint8_t)size;
		buf[len + 3] = (uint8_t)(size >> 8);
		len += 4 + size;
	}
	snprintf(name, sizeof(name), "op-%u", number);
	fuzz_seed_write(name, buf, len);
}

/* Operations that succeed behind @command's, with its last state id as the current one. */
static void seed_ops(const char *name, enum command command, const struct nfs_argop4 *ops, unsigned int nr)
{
	static uint8_t buf[8192];
	struct wire_enc enc;
	uint32_t size;

	wire_enc_init(&enc, buf + 4, sizeof(buf) - 4);
	for (unsigned int i = 0; i < nr; i++)
		fuzz_require(wire_put(&enc, nfs_argop4, (struct nfs_argop4 *)(uintptr_t)&ops[i]) == 0);
	size = wire_enc_pos(&enc);
	buf[0] = (uint8_t)command;
	buf[1] = (uint8_t)(nr << 2);
	buf[2] = (uint8_t)size;
	buf[3] = (uint8_t)(size >> 8);
	fuzz_seed_write(name, buf, 4 + size);
}

static void seed_good(void)
{
	static const struct stateid4 current = { .seqid = 1 };
	static char owner[] = "l", data[] = "some data";
	struct nfs_argop4 ops[4] = {
		{ .argop = OP_LOCK }, { .argop = OP_LOCKT }, { .argop = OP_LOCK }, { .argop = OP_LOCKU }
	};
	struct LOCK4args *lock = &ops[0].nfs_argop4_u.oplock;
	struct open_to_lock_owner4 *first = &lock->locker.locker4_u.open_owner;

	*lock = (struct LOCK4args){ .locktype = WRITE_LT, .length = 10, .locker.new_lock_owner = TRUE };
	first->open_stateid = current;
	first->lock_owner.owner.owner_len = 1;
	first->lock_owner.owner.owner_val = owner;
	ops[1].nfs_argop4_u.oplockt = (struct LOCKT4args){ .locktype = READ_LT, .offset = 5, .length = 10 };
	ops[1].nfs_argop4_u.oplockt.owner = first->lock_owner;
	ops[2].nfs_argop4_u.oplock = (struct LOCK4args){ .locktype = READ_LT, .offset = 5, .length = 20 };
	ops[2].nfs_argop4_u.oplock.locker.locker4_u.lock_owner.lock_stateid = current;
	ops[3].nfs_argop4_u.oplocku =
		(struct LOCKU4args){ .locktype = READ_LT, .lock_stateid = current, .length = 7 };
	seed_ops("locks", DO_IN_FILE, ops, 4);

	memset(ops, 0, sizeof(ops));
	ops[0].argop = OP_WRITE;
	ops[0].nfs_argop4_u.opwrite = (struct WRITE4args){ .stateid = current, .stable = FILE_SYNC4 };
	ops[0].nfs_argop4_u.opwrite.data.data_len = sizeof(data);
	ops[0].nfs_argop4_u.opwrite.data.data_val = data;
	ops[1].argop = OP_COPY;
	ops[1].nfs_argop4_u.opcopy = (struct COPY4args){ .ca_src_stateid = current,
							 .ca_dst_stateid = current,
							 .ca_dst_offset = 8192,
							 .ca_count = 10,
							 .ca_consecutive = TRUE,
							 .ca_synchronous = TRUE };
	ops[2] = ops[1];
	ops[2].nfs_argop4_u.opcopy.ca_synchronous = FALSE;
	ops[2].nfs_argop4_u.opcopy.ca_dst_offset = 65536;
	ops[3].argop = OP_READ_PLUS;
	ops[3].nfs_argop4_u.opread_plus = (struct READ_PLUS4args){ .rpa_stateid = current, .rpa_count = 16384 };
	seed_ops("copies", DO_IN_FILE, ops, 4);

	memset(ops, 0, sizeof(ops));
	ops[0].argop = OP_OPEN_DOWNGRADE;
	ops[0].nfs_argop4_u.opopen_downgrade =
		(struct OPEN_DOWNGRADE4args){ .open_stateid = current, .share_access = OPEN4_SHARE_ACCESS_READ };
	ops[1].argop = OP_CLOSE;
	ops[1].nfs_argop4_u.opclose.open_stateid = current;
	seed_ops("close", DO_IN_FILE, ops, 2);
}

/* Behind a LAYOUTGET: what a client does with it, and what it may not. */
static void seed_layouts(void)
{
	static const struct stateid4 current = { .seqid = 1 };
	static char list[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0 };
	struct nfs_argop4 ops[4];
	struct LAYOUTCOMMIT4args *commit = &ops[0].nfs_argop4_u.oplayoutcommit;
	struct LAYOUTGET4args *get = &ops[1].nfs_argop4_u.oplayoutget;
	struct LAYOUTRETURN4args *ret = &ops[2].nfs_argop4_u.oplayoutreturn;

	memset(ops, 0, sizeof(ops));
	ops[0].argop = OP_LAYOUTCOMMIT;
	*commit = (struct LAYOUTCOMMIT4args){ .loca_length = 4096, .loca_stateid = current };
	commit->loca_last_write_offset = (struct newoffset4){ .no_newoffset = TRUE, .newoffset4_u.no_offset = 4095 };
	commit->loca_layoutupdate.lou_type = LAYOUT4_SCSI;
	commit->loca_layoutupdate.lou_body.lou_body_len = sizeof(list);
	commit->loca_layoutupdate.lou_body.lou_body_val = list;
	ops[1].argop = OP_LAYOUTGET;
	*get = (struct LAYOUTGET4args){ .loga_layout_type = LAYOUT4_SCSI,
					.loga_iomode = LAYOUTIOMODE4_READ,
					.loga_length = UINT64_MAX,
					.loga_stateid = current,
					.loga_maxcount = 4096 };
	ops[2].argop = OP_LAYOUTRETURN;
	ret->lora_layout_type = LAYOUT4_SCSI;
	ret->lora_iomode = LAYOUTIOMODE4_ANY;
	ret->lora_layoutreturn.lr_returntype = LAYOUTRETURN4_FILE;
	ret->lora_layoutreturn.layoutreturn4_u.lr_layout =
		(struct layoutreturn_file4){ .lrf_length = UINT64_MAX, .lrf_stateid = current };
	ops[3].argop = OP_GETDEVICELIST;
	ops[3].nfs_argop4_u.opgetdevicelist =
		(struct GETDEVICELIST4args){ .gdla_layout_type = LAYOUT4_SCSI, .gdla_maxdevices = 4 };
	seed_ops("layouts", DO_IN_LAYOUT, ops, 4);
	ret->lora_layoutreturn.lr_returntype = LAYOUTRETURN4_ALL;
	seed_ops("layout-returns", DO_IN_LAYOUT, &ops[2], 2);
	/* Under the layout: what has to recall it. */
	memset(ops, 0, sizeof(ops));
	ops[0].argop = OP_DEALLOCATE;
	ops[0].nfs_argop4_u.opdeallocate.da_length = 8192;
	ops[1].argop = OP_TEST_STATEID;
	seed_ops("layout-recalls", DO_IN_LAYOUT, ops, 2);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	log_set_level(LOG_LEVEL_ERR);
	if (fuzz_seed_dir()) {
		for (uint32_t op = OP_ACCESS; op <= OP_REMOVEXATTR; op++)
			seed_op(op);
		seed_good();
		seed_layouts();
		exit(0);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct store_config cfg = { .seed = 1 };
	struct script script = { &w, { data, size } };
	static struct why_list why;

	memset(&w, 0, sizeof(w));
	memset(&why, 0, sizeof(why));
	w.identity = (struct identity){ .kind = IDENTITY_SCSI, .nr_designators = 1 };
	w.identity.designators[0] = (struct designator){
		.type = DESIGNATOR_NAA, .code_set = CODE_SET_BINARY, .len = 8, .bytes = { 0x50, 1, 2, 3, 4, 5, 6, 7 }
	};
	w.identity.reservations = (struct reservation_caps){ .supported = true, .persists = true };
	fuzz_require(config_load_text(config_text, strlen(config_text), "fuzz", NULL, &w.config, &why) == 0);
	store_init(&w.store, &cfg);
	fuzz_require(sim_reserve_open(w.store.r, 1, "sim", &w.sr) == 0);
	w.net = sim_net_new(w.store.r, 1, NULL);
	w.server_host = sim_net_host(w.net, "10.0.0.1");
	w.client_host = sim_net_host(w.net, "10.0.0.2");
	fuzz_require(sock_addr_parse("10.0.0.1:2049", &w.addr) == 0);
	store_run(&w.store, play, &script);
	sim_net_free(w.net);
	sim_reserve_close(w.sr);
	store_release(&w.store);
	config_free(w.config);
	return 0;
}
