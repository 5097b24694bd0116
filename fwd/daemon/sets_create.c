/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Creation, through libipset: it knows the type revisions and what the running kernel makes of them. Its session lives
 * for one creation: it cannot be trusted after an error, and an idle daemon keeps no memory of it. Everything is handed
 * over as data, so that nothing is parsed, resolved, or printed. It waits for answers without a timeout; the kernel
 * queues them while the request is being sent.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include <libipset/ipset.h>
#include <libipset/parse.h>

#include "fwd/daemon/sets.h"
#include "fwd/daemon/sets_internal.h"

#define HASHSIZE_MIN 1024u       /* ipset's own default */
#define HASHSIZE_MAX (1u << 22)  /* 32 MiB of empty buckets; beyond, the kernel grows it */
#define MAXELEM UINT32_MAX
#define GATE_TIMEOUT 60

struct creation {
	const char *name;
	const char *type;
	uint8_t family;
	uint32_t timeout;
	uint32_t hashsize; /* 0: the type has none */
};

static int quiet(struct ipset_session *session, void *user, const char *format, ...)
{
	return 0;
}

static int put(struct ipset_session *session, enum ipset_opt opt, const void *value)
{
	return ipset_session_data_set(session, opt, value);
}

/* -1 for any error, as libipset says it. */
static int fill(struct ipset_session *session, const struct creation *creation)
{
	const uint32_t maxelem = MAXELEM;

	if (put(session, IPSET_SETNAME, creation->name) < 0 ||
	    put(session, IPSET_OPT_FAMILY, &creation->family) < 0 ||
	    /* sets the type name, asks the kernel for the revisions that it has, and sets the type */
	    ipset_parse_typename(session, IPSET_OPT_TYPENAME, creation->type) < 0 ||
	    put(session, IPSET_OPT_TIMEOUT, &creation->timeout) < 0 ||
	    put(session, IPSET_OPT_CREATE_COMMENT, creation->type) < 0) /* a flag: any value */
		return -1;
	if (!creation->hashsize)
		return 0;
	if (put(session, IPSET_OPT_HASHSIZE, &creation->hashsize) < 0 ||
	    put(session, IPSET_OPT_MAXELEM, &maxelem) < 0 ||
	    put(session, IPSET_OPT_COUNTERS, creation->type) < 0)
		return -1;
	return 0;
}

/* Whether this kernel has the type: libipset tells it in words only. */
static int type_known(struct sets *sets, const struct creation *creation)
{
	struct nlmsghdr *request = sets_request(sets->buf, ++sets->seq, IPSET_CMD_TYPE, 0, NULL);
	struct answer answer;
	int r;

	mnl_attr_put_strz(request, IPSET_ATTR_TYPENAME, creation->type);
	mnl_attr_put_u8(request, IPSET_ATTR_FAMILY, creation->family);
	r = sets_ask(sets, request, &answer);
	return r < 0 ? r : set_errno(answer.error, -EEXIST, false);
}

static int exists(struct sets *sets, const char *name)
{
	struct codec_sets resolver = sets_resolver(sets);
	uint16_t index;
	int r = resolver.index(name, &index, resolver.user);

	return r == -ENOENT ? 0 : r < 0 ? r : -EEXIST;
}

static int create(struct sets *sets, const struct creation *creation)
{
	static bool loaded; /* the list of types is global in libipset */
	struct ipset_session *session;
	int r;

	r = set_name_check(creation->name);
	if (!r)
		r = type_known(sets, creation);
	if (r < 0)
		return r;

	if (!loaded)
		ipset_load_types();
	loaded = true;
	session = ipset_session_init(quiet, NULL);
	if (!session)
		return -ENOMEM;
	r = fill(session, creation);
	if (!r)
		r = ipset_cmd(session, IPSET_CMD_CREATE, 0);
	ipset_session_fini(session);
	if (!r)
		return 0;
	r = exists(sets, creation->name);
	return r < 0 ? r : -EIO;
}

static uint32_t hashsize(uint32_t hint)
{
	uint32_t size = HASHSIZE_MIN;

	while (size < hint && size < HASHSIZE_MAX)
		size *= 2;
	return size;
}

int sets_create_net(struct sets *sets, const char *name, uint8_t family, uint32_t hint)
{
	const struct creation creation = {
		.name = name, .type = "hash:net", .family = family, .timeout = 0, .hashsize = hashsize(hint),
	};

	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	return create(sets, &creation);
}

int sets_create_gate(struct sets *sets, const char *name)
{
	const struct creation creation = {
		.name = name, .type = "list:set", .family = AF_UNSPEC, .timeout = GATE_TIMEOUT,
	};

	return create(sets, &creation);
}

bool set_info_is_ours(const struct set_info *info, uint8_t family)
{
	return !strcmp(info->type, "hash:net") && info->family == family && info->timeout && !info->default_timeout &&
	       info->counters && info->comment && info->maxelem == MAXELEM && !info->foreign;
}
