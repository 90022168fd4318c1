/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emulated reservations: their file and their rules.  Promises: whatever bytes the file has, it is either a good
 * state or -EUCLEAN; nobody who wants it alone starves, since who comes later waits at the gate.
 */
#include "dev/reserver_sidecar.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/le.h"
#include "dev/log.h"
#include "dev/reserver_int.h"

#define MAGIC	    "LAMINAPR"
#define VERSION	    1u
#define ALONE_MS    10000
#define SUFFIX	    ".reservations"
#define PATH_LENGTH 4096

/* The file, padded to SIDECAR_SIZE. */
struct sidecar_bytes {
	char magic[8];
	struct le32 version;
	struct le32 generation;
	struct le32 nr;
	struct le32 type; /* 0: not reserved */
	struct le32 holder;
	uint8_t zero[36];
	struct {
		struct le64 key;
		char name[SIDECAR_HOST_LEN];
	} hosts[SIDECAR_HOSTS_MAX];
};

static_assert(sizeof(struct sidecar_bytes) == SIDECAR_SIZE, "one page");

/* The bytes */

bool sidecar_name_is_good(const char *name)
{
	size_t len = strnlen(name, SIDECAR_HOST_LEN);

	return len > 0 && len < SIDECAR_HOST_LEN;
}

static uint32_t find(const struct sidecar *side, const char *host)
{
	for (uint32_t i = 0; i < side->nr; i++)
		if (strcmp(side->hosts[i].name, host) == 0)
			return i;
	return SIDECAR_NOBODY;
}

static const char *decode_hosts(const struct sidecar_bytes *b, struct sidecar *side)
{
	uint32_t nr = le32_get(b->nr);

	if (nr > SIDECAR_HOSTS_MAX)
		return "too many registrations";
	for (side->nr = 0; side->nr < nr; side->nr++) {
		struct sidecar_host *h = &side->hosts[side->nr];

		h->key = le64_get(b->hosts[side->nr].key);
		memcpy(h->name, b->hosts[side->nr].name, sizeof(h->name));
		if (!h->key)
			return "a registration with key 0";
		if (!sidecar_name_is_good(h->name))
			return "a bad name of a host";
		if (find(side, h->name) != SIDECAR_NOBODY)
			return "a host that is registered twice";
	}
	return NULL;
}

static const char *decode_reservation(const struct sidecar_bytes *b, struct sidecar *side)
{
	uint32_t type = le32_get(b->type), holder = le32_get(b->holder);

	if (type == 0)
		return NULL;
	if (!reservation_type_is_known(type))
		return "an unknown type of reservation";
	if (side->nr == 0 || (reservation_of_all_registrants(type) ? holder != SIDECAR_NOBODY : holder >= side->nr))
		return "a reservation without a holder";
	side->reserved = true;
	side->type = type;
	side->holder = holder;
	return NULL;
}

int sidecar_decode(const uint8_t bytes[SIDECAR_SIZE], struct sidecar *ret_side, const char **ret_what)
{
	struct sidecar_bytes b;
	const char *what;

	memcpy(&b, bytes, sizeof(b));
	*ret_side = (struct sidecar){ .generation = le32_get(b.generation) };
	if (memcmp(b.magic, MAGIC, sizeof(b.magic)) != 0)
		what = "a wrong beginning";
	else if (le32_get(b.version) != VERSION)
		what = "an unknown version";
	else
		what = decode_hosts(&b, ret_side);
	if (!what)
		what = decode_reservation(&b, ret_side);
	if (!what)
		return 0;
	*ret_what = what;
	return -EUCLEAN;
}

void sidecar_encode(const struct sidecar *side, uint8_t ret_bytes[SIDECAR_SIZE])
{
	struct sidecar_bytes b = { .magic = MAGIC, .version = le32_make(VERSION) };

	b.generation = le32_make(side->generation);
	b.nr = le32_make(side->nr);
	if (side->reserved) {
		b.type = le32_make(side->type);
		b.holder = le32_make(side->holder);
	}
	for (uint32_t i = 0; i < side->nr; i++) {
		b.hosts[i].key = le64_make(side->hosts[i].key);
		memcpy(b.hosts[i].name, side->hosts[i].name, SIDECAR_HOST_LEN);
	}
	memcpy(ret_bytes, &b, sizeof(b));
}

/* Commands */

int sidecar_register(struct sidecar *side, const char *host, uint64_t key)
{
	uint32_t i = find(side, host);

	if (i == SIDECAR_NOBODY) {
		if (side->nr == SIDECAR_HOSTS_MAX)
			return -ENOSPC;
		i = side->nr++;
		side->hosts[i] = (struct sidecar_host){ 0 };
		memcpy(side->hosts[i].name, host, strnlen(host, SIDECAR_HOST_LEN - 1));
	}
	side->hosts[i].key = key;
	side->generation++;
	return 0;
}

/* The index of @host if it is registered with @key. */
static uint32_t find_registered(const struct sidecar *side, const char *host, uint64_t key)
{
	uint32_t i = find(side, host);

	return i != SIDECAR_NOBODY && side->hosts[i].key == key ? i : SIDECAR_NOBODY;
}

/* A reservation that nobody holds any more ends. */
static void remove_host(struct sidecar *side, uint32_t i)
{
	side->nr--;
	memmove(&side->hosts[i], &side->hosts[i + 1], (side->nr - i) * sizeof(side->hosts[0]));
	if (!side->reserved)
		return;
	if (reservation_of_all_registrants(side->type) ? side->nr == 0 : side->holder == i)
		side->reserved = false;
	else if (side->holder != SIDECAR_NOBODY && side->holder > i)
		side->holder--;
}

int sidecar_unregister(struct sidecar *side, const char *host, uint64_t key)
{
	uint32_t i = find_registered(side, host, key);

	if (i == SIDECAR_NOBODY)
		return -EBUSY;
	remove_host(side, i);
	side->generation++;
	return 0;
}

bool sidecar_holds(const struct sidecar *side, uint32_t index)
{
	return side->reserved && (reservation_of_all_registrants(side->type) || side->holder == index);
}

static void take(struct sidecar *side, uint32_t index, enum reservation_type type)
{
	side->reserved = true;
	side->type = type;
	side->holder = reservation_of_all_registrants(type) ? SIDECAR_NOBODY : index;
}

int sidecar_reserve(struct sidecar *side, const char *host, uint64_t key, enum reservation_type type)
{
	uint32_t i = find_registered(side, host, key);

	if (i == SIDECAR_NOBODY)
		return -EBUSY;
	if (side->reserved)
		return sidecar_holds(side, i) && side->type == type ? 0 : -EBUSY;
	take(side, i, type);
	return 0;
}

int sidecar_release(struct sidecar *side, const char *host, uint64_t key, enum reservation_type type)
{
	uint32_t i = find_registered(side, host, key);

	if (i == SIDECAR_NOBODY)
		return -EBUSY;
	if (!sidecar_holds(side, i))
		return 0;
	if (side->type != type)
		return -EINVAL;
	side->reserved = false;
	return 0;
}

int sidecar_preempt(struct sidecar *side, const char *host, uint64_t key, uint64_t victim, enum reservation_type type)
{
	uint32_t self = find_registered(side, host, key), nr = 0;
	bool takes;

	if (self == SIDECAR_NOBODY)
		return -EBUSY;
	takes = side->reserved && side->holder < side->nr && side->hosts[side->holder].key == victim;
	for (uint32_t i = side->nr; i-- > 0;) {
		if (side->hosts[i].key != victim)
			continue;
		nr++;
		if (!takes || strcmp(side->hosts[i].name, host) != 0)
			remove_host(side, i);
	}
	if (nr == 0)
		return -EBUSY;
	if (takes)
		take(side, find(side, host), type);
	side->generation++;
	return 0;
}

bool sidecar_may(const struct sidecar *side, const char *host, bool write)
{
	uint32_t i = find(side, host);

	if (!side->reserved)
		return true;
	if (i != SIDECAR_NOBODY && sidecar_holds(side, i))
		return true;
	if (i != SIDECAR_NOBODY && (RESERVATION_BIT(side->type) & RESERVATION_REGISTRANTS_ONLY))
		return true;
	return !write && !reservation_excludes_reads(side->type);
}

/* The file */

/* Byte 0 of the file is the gate, which all pass one by one, and byte 1 is what is held. */
static int lock_byte(int fd, off_t byte, short type, bool wait)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	while (fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock) != 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* While the gate is ours nobody else begins; those who have begun end soon, unless they were stopped. */
static int lock_alone(int fd)
{
	for (int ms = 0; ms < ALONE_MS; ms++) {
		int err = lock_byte(fd, 1, F_WRLCK, false);

		if (err != -EAGAIN && err != -EACCES)
			return err;
		(void)poll(NULL, 0, 1); /* this is a helper thread */
	}
	return -EIO;
}

static int lock_sidecar(int fd, const char *name, bool alone)
{
	int err = lock_byte(fd, 0, F_WRLCK, true);

	if (!err)
		err = alone ? lock_alone(fd) : lock_byte(fd, 1, F_RDLCK, true);
	if (!err)
		err = lock_byte(fd, 0, F_UNLCK, false);
	if (err)
		log_err("%s: not to be locked: %s; end programs that use it and were stopped", name, strerror(-err));
	return err;
}

int sidecar_store(int fd, const struct sidecar *side)
{
	uint8_t bytes[SIDECAR_SIZE];
	ssize_t n;

	sidecar_encode(side, bytes);
	n = pwrite(fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return -errno;
	return n == SIDECAR_SIZE ? 0 : -EIO;
}

static int load(int fd, struct sidecar *ret_side, const char **ret_what)
{
	uint8_t bytes[SIDECAR_SIZE + 1];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

	if (n < 0)
		return -errno;
	if (n != SIDECAR_SIZE) {
		*ret_what = "a wrong size";
		return -EUCLEAN;
	}
	return sidecar_decode(bytes, ret_side, ret_what);
}

/* Nothing is in it yet: it is new, or its maker died. */
static int make(int fd, struct sidecar *ret_side)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	*ret_side = (struct sidecar){ 0 };
	return st.st_size == 0 ? sidecar_store(fd, ret_side) : 0;
}

static int lock_and_load(int fd, const char *name, enum sidecar_use use, struct sidecar *ret_side)
{
	const char *what = "";
	int err = lock_sidecar(fd, name, use != SIDECAR_SHARED);

	if (!err && use == SIDECAR_MAKE)
		err = make(fd, ret_side);
	if (!err)
		err = load(fd, ret_side, &what);
	if (err == -EUCLEAN)
		log_err("%s is damaged: it has %s; stop all that use the device, remove this file, and start again",
			name, what);
	return err;
}

int sidecar_open(const char *path, enum sidecar_use use, int *ret_fd, struct sidecar *ret_side)
{
	char name[PATH_LENGTH];
	int fd, err;

	if ((size_t)snprintf(name, sizeof(name), "%s%s", path, SUFFIX) >= sizeof(name))
		return -ENAMETOOLONG;
	fd = open(name, O_RDWR | O_CLOEXEC | (use == SIDECAR_MAKE ? O_CREAT : 0), 0666);
	if (fd < 0)
		return -errno;
	err = lock_and_load(fd, name, use, ret_side);
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}
