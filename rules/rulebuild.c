/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "rules/rulebuild.h"

void build_chain(struct builder *b, const char *name)
{
	b->chain = table_find_chain(b->table, name);
	b->rule = NULL;
	if (!b->chain)
		b->error = -ENOMEM;
}

void build_rule(struct builder *b, enum target_kind kind, const char *chain)
{
	b->rule = b->error ? NULL : chain_add_rule(b->chain);
	if (!b->rule || rule_set_target(b->rule, kind, chain) < 0) {
		b->error = -ENOMEM;
		b->rule = NULL;
	}
}

struct match *build_match(struct builder *b, enum match_kind kind)
{
	struct match *match = b->rule ? rule_add_match(b->rule, kind) : NULL;

	if (match)
		return match;
	b->error = -ENOMEM;
	b->rule = NULL;
	return &b->spare;
}

void build_network(struct builder *b, enum match_kind kind, const struct cidr *net)
{
	struct match *match = build_match(b, kind);

	match->u.net.addr = net->addr;
	cidr_mask(net->len, match->u.net.mask);
}

void build_link_local(struct builder *b)
{
	struct cidr net = { .addr = { .family = AF_INET6, .bytes = { 0xfe, 0x80 } }, .len = 10 };

	build_network(b, MATCH_SRC, &net);
}

void build_iif(struct builder *b, const char *name)
{
	struct match *match = build_match(b, MATCH_IIF);

	snprintf(match->u.iface.name, sizeof(match->u.iface.name), "%s", name);
}

void build_set(struct builder *b, const char *name, bool inverted)
{
	struct match *match = build_match(b, MATCH_SET);

	snprintf(match->u.set.name, sizeof(match->u.set.name), "%s", name);
	match->inverted = inverted;
	match->u.set.dim = 1;
	match->u.set.src = 1;
}
