/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated connections.  Promises: what arrives is a prefix of what was sent; no timer is armed for a connection on
 * which nothing is under way, so that a deadlock is seen; and nothing happens between hosts that are cut off but that
 * they give up.
 */
#include "dev/fiber.h"
#include "tests/sim/sim_net_int.h"

static struct sim_end *other_end(struct sim_end *e)
{
	struct sim_conn *c = e->conn;

	return &c->end[e == &c->end[0]];
}

static struct sim_pipe *pipe_from(struct sim_end *e)
{
	return &e->conn->pipe[e == &e->conn->end[1]];
}

static struct sim_pipe *pipe_to(struct sim_end *e)
{
	return pipe_from(other_end(e));
}

static bool conn_is_cut(const struct sim_conn *c)
{
	return c->n->cut[c->end[0].host->place][c->end[1].host->place];
}

static void end_wake(struct sim_end *e)
{
	wait_queue_wake_all(&e->in);
	wait_queue_wake_all(&e->out);
}

/* ---- death ---- */

/* Of what is under way only a random part arrives. */
static void pipe_lose(struct sim_pipe *p, struct sim_rng *dice)
{
	uint64_t kept = sim_rng_between(dice, 0, p->written - p->arrived);

	if (p->arrived + kept < p->written || !sim_rng_chance(dice, 1, 2))
		p->fin = p->fin_arrived;
	p->written = p->arrived + kept;
}

static void end_die(struct sim_end *e, int error)
{
	struct sim_pipe *in = pipe_to(e);
	struct sim_net *n = e->conn->n;

	if (e->error)
		return;
	reactor_timer_cancel(n->r, &e->death);
	e->error = error;
	if (error == -ENETDOWN || sim_rng_chance(&n->dice, 1, 2))
		in->read = in->arrived;
	/* Who has given up sends nothing again that was lost. */
	if (error != -ENETDOWN)
		pipe_lose(pipe_from(e), &n->dice);
	sim_net_trace(n, SIM_NET_DEATH, e->conn->number, (uint64_t)-error);
	if (error == -ETIMEDOUT)
		n->stats.timeouts++;
	else if (error == -ECONNRESET)
		n->stats.resets++;
	end_wake(e);
	/* Whatever still comes is answered by a reset. */
	wait_queue_wake_all(&other_end(e)->out);
}

static void death_fire(struct reactor_timer *t)
{
	struct sim_end *e = t->owner;

	end_die(e, e->death_error);
}

static void end_die_at(struct sim_end *e, int error, uint64_t delay_ns)
{
	struct reactor *r = e->conn->n->r;
	uint64_t at = reactor_now_ns(r) + delay_ns;

	if (e->error || (e->death.heap_pos && e->death_error == error && e->death.deadline_ns <= at))
		return;
	e->death_error = error;
	reactor_timer_arm(r, &e->death, at);
}

/* A reset is on its way to @e.  Through a cut none comes, and the end of the cut asks again. */
static void end_reset_soon(struct sim_end *e, uint64_t max_ns)
{
	struct sim_conn *c = e->conn;
	uint64_t delay = sim_net_delay(c->n) + (max_ns ? sim_rng_below(&c->n->dice, max_ns) : 0);

	if (!conn_is_cut(c))
		end_die_at(e, -ECONNRESET, delay);
}

/* ---- what is under way ---- */

static void pipe_kick(struct sim_end *from)
{
	struct sim_conn *c = from->conn;
	struct sim_pipe *p = pipe_from(from);

	if (p->timer.heap_pos || conn_is_cut(c))
		return;
	if (p->arrived < p->written || (p->fin && !p->fin_arrived))
		reactor_timer_arm(c->n->r, &p->timer, reactor_now_ns(c->n->r) + sim_net_delay(c->n));
}

void sim_conn_reset(struct sim_conn *c)
{
	unsigned int i;

	c->broken = true;
	for (i = 0; i < 2; i++) {
		pipe_lose(&c->pipe[i], &c->n->dice);
		end_reset_soon(&c->end[i], 0);
		wait_queue_wake_all(&c->end[i].out);
	}
}

/* At somebody who doesn't listen any more: that gives a reset, unless it is just the end. */
static void pipe_drop(struct sim_end *from)
{
	struct sim_pipe *p = pipe_from(from);

	p->fin_arrived = p->fin;
	if (p->arrived == p->written)
		return;
	p->read = p->arrived = p->written;
	wait_queue_wake_all(&from->out);
	end_reset_soon(from, 0);
}

static void pipe_arrive(struct sim_end *from)
{
	struct sim_pipe *p = pipe_from(from);
	struct sim_net *n = from->conn->n;
	uint64_t left = p->written - p->arrived;
	uint64_t len = left;

	if (left > 0 && sim_rng_chance(&n->dice, 1, 2))
		len = sim_rng_between(&n->dice, 1, left);
	p->arrived += len;
	n->stats.segments++;
	n->stats.bytes += len;
	/* The end may come together with the last bytes. */
	if (p->fin && len == left && (left == 0 || sim_rng_chance(&n->dice, 1, 2)))
		p->fin_arrived = true;
	sim_net_trace(n, SIM_NET_ARRIVAL, from->conn->number, len);
	wait_queue_wake_all(&other_end(from)->in);
}

static void pipe_fire(struct reactor_timer *t)
{
	struct sim_end *from = t->owner;
	struct sim_end *to = other_end(from);
	struct sim_conn *c = from->conn;

	if (conn_is_cut(c))
		return;
	if (!c->broken && sim_net_chance(c->n, c->n->rates.break_ppm))
		sim_conn_reset(c);
	if (to->shut || to->closed || to->error)
		pipe_drop(from);
	else
		pipe_arrive(from);
	pipe_kick(from);
}

/* ---- what happens to a connection from outside ---- */

/* Nobody is at @e any more, from one moment to the next. */
static void end_vanish(struct sim_end *e, bool may_end_well, uint64_t reset_max_ns)
{
	struct sim_conn *c = e->conn;
	struct sim_pipe *out = pipe_from(e);
	uint64_t sent = out->written;

	pipe_lose(out, &c->n->dice);
	if (may_end_well && !c->broken && out->written == sent && sim_rng_chance(&c->n->dice, 1, 2))
		out->fin = true; /* the rest arrives as if it had been closed */
	else
		end_reset_soon(other_end(e), reset_max_ns);
	if (!out->fin)
		c->broken = true;
	pipe_kick(e);
}

void sim_conn_crash(struct sim_conn *c, const struct sim_host *host)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct sim_end *e = &c->end[i];

		if (e->host != host || e->error)
			continue;
		/* What a closed end has sent is the kernel's, which lives on. */
		if (!e->closed)
			end_vanish(e, true, CRASH_RESET_MAX_NS);
		end_die(e, -ENETDOWN);
	}
}

void sim_conn_refuse(struct sim_conn *c)
{
	struct sim_end *server = &c->end[1];

	list_del(&c->queue_link);
	if (!server->error)
		end_vanish(server, false, 0);
	sock_close(&server->s);
}

void sim_conn_cut(struct sim_conn *c, bool cut)
{
	uint64_t silence = c->n->rates.silence_ns;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct sim_end *e = &c->end[i];

		reactor_timer_cancel(c->n->r, &e->death);
		if (cut) {
			reactor_timer_cancel(c->n->r, &c->pipe[i].timer);
			end_die_at(e, -ETIMEDOUT, silence + sim_rng_below(&c->n->dice, silence));
			continue;
		}
		/* The keepalive of who is left finds that the other has gone. */
		if (c->broken || (other_end(e)->error && !other_end(e)->closed))
			end_reset_soon(e, silence);
		pipe_kick(e);
	}
}

/* ---- the socket ---- */

static struct sim_end *to_end(struct sock *s)
{
	return container_of(s, struct sim_end, s);
}

static void ring_copy(const struct sim_conn *c, const struct sim_pipe *p, void *to, uint64_t pos, uint64_t len)
{
	uint64_t at = pos % c->buffer;
	uint64_t first = min_u64(len, c->buffer - at);

	memcpy(to, p->buf + at, first);
	memcpy((uint8_t *)to + first, p->buf, len - first);
}

static FIBER_FN ssize_t end_recv(struct sock *s, void *buf, size_t len)
{
	struct sim_end *e = to_end(s);
	struct sim_net *n = e->conn->n;
	struct sim_pipe *p = pipe_to(e);
	uint64_t part;

	sim_net_dither(n);
	for (;;) {
		if (e->shut)
			return -ESHUTDOWN;
		if (p->read < p->arrived && e->error != -ENETDOWN)
			break;
		if (e->error)
			return e->error;
		if (p->fin_arrived)
			return 0;
		wait_queue_wait(&e->in);
	}
	part = min_u64(len, p->arrived - p->read);
	if (sim_rng_chance(&n->dice, 1, 2))
		part = sim_rng_between(&n->dice, 1, part);
	ring_copy(e->conn, p, buf, p->read, part);
	p->read += part;
	sim_net_trace(n, SIM_NET_RECV, e->conn->number, part);
	wait_queue_wake_all(&other_end(e)->out);
	return (ssize_t)part;
}

/* Put up to @len bytes into the pipe; how many. */
static size_t pipe_put(struct sim_conn *c, struct sim_pipe *p, const uint8_t *from, size_t len)
{
	uint64_t at = p->written % c->buffer;
	uint64_t part = min_u64(len, c->buffer - (p->written - p->read));

	part = min_u64(part, c->buffer - at);
	memcpy(p->buf + at, from, part);
	p->written += part;
	return part;
}

static FIBER_FN int send_piece(struct sim_end *e, const uint8_t *from, size_t len)
{
	struct sim_conn *c = e->conn;
	struct sim_pipe *p = pipe_from(e);

	while (len > 0) {
		size_t part;

		if (e->shut)
			return -ESHUTDOWN;
		if (e->error)
			return e->error;
		if (c->broken)
			return 0;
		part = pipe_put(c, p, from, len);
		from += part;
		len -= part;
		if (part > 0)
			pipe_kick(e);
		else
			wait_queue_wait(&e->out);
	}
	return 0;
}

static FIBER_FN int end_send(struct sock *s, const struct iovec *iov, unsigned int nr_iov)
{
	struct sim_end *e = to_end(s);
	unsigned int i;
	int err = 0;

	sim_net_dither(e->conn->n);
	for (i = 0; i < nr_iov && !err; i++)
		err = send_piece(e, iov[i].iov_base, iov[i].iov_len);
	return err;
}

static void end_shutdown(struct sock *s)
{
	struct sim_end *e = to_end(s);

	if (e->shut)
		return;
	e->shut = true;
	end_wake(e);
	if (e->error || e->conn->broken)
		return;
	pipe_from(e)->fin = true;
	pipe_kick(e);
	/* What has arrived nobody will read, and what is under way is dropped when it comes. */
	pipe_to(e)->read = pipe_to(e)->arrived;
	wait_queue_wake_all(&other_end(e)->out);
}

static void end_close(struct sock *s)
{
	struct sim_end *e = to_end(s);

	assert(!e->closed);
	assert(wait_queue_is_empty(&e->in) && wait_queue_is_empty(&e->out));
	end_shutdown(s);
	e->closed = true;
	if (other_end(e)->closed)
		sim_conn_free(e->conn);
}

/* ---- life ---- */

static void end_init(struct sim_end *e, struct sim_conn *c, struct sim_host *host, const struct sock_addr *local,
		     const struct sock_addr *peer)
{
	static const struct sock_ops ops = {
		.recv = end_recv,
		.send = end_send,
		.shutdown = end_shutdown,
		.close = end_close,
	};

	e->s = (struct sock){ .ops = &ops, .local = *local, .peer = *peer };
	e->conn = c;
	e->host = host;
	e->death = (struct reactor_timer){ .fire = death_fire, .owner = e };
	wait_queue_init(&e->in);
	wait_queue_init(&e->out);
}

struct sim_conn *sim_conn_new(struct sim_host *client, const struct sock_addr *client_addr, struct sim_host *server,
			      const struct sock_addr *server_addr)
{
	struct sim_net *n = client->n;
	struct sim_conn *c = sim_alloc(sizeof(*c));
	unsigned int i;

	c->n = n;
	c->number = ++n->nr_conns;
	c->buffer = sim_rng_between(&n->dice, max_u64(n->rates.buffer_max / 8, 1), n->rates.buffer_max);
	end_init(&c->end[0], c, client, client_addr, server_addr);
	end_init(&c->end[1], c, server, server_addr, client_addr);
	for (i = 0; i < 2; i++) {
		c->pipe[i].buf = sim_alloc(c->buffer);
		c->pipe[i].timer = (struct reactor_timer){ .fire = pipe_fire, .owner = &c->end[i] };
	}
	list_init(&c->queue_link);
	list_add_tail(&c->link, &n->conns);
	return c;
}

void sim_conn_free(struct sim_conn *c)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		reactor_timer_cancel(c->n->r, &c->end[i].death);
		reactor_timer_cancel(c->n->r, &c->pipe[i].timer);
		free(c->pipe[i].buf);
	}
	list_del(&c->queue_link);
	list_del(&c->link);
	free(c);
}
