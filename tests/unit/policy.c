/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "rules/policy.h"

static void defaults(void **state)
{
	struct policy policy;

	(void)state;
	memset(&policy, 0xaa, sizeof(policy));
	policy_init(&policy);
	assert_int_equal(policy.ssh, SSH_ANYONE);
	assert_true(policy.ssh_auto);
	assert_int_equal(policy.n_ssh_ports, 0);
	assert_int_equal(policy.n_trust, 0);
	assert_int_equal(policy.timeout, 60);
	assert_int_equal(policy.n_lists, 1);
	assert_string_equal(policy.lists[0].name, "whitelist");
	assert_int_equal(policy.lists[0].n_ports, 0);
	assert_int_equal(policy.lists[0].destination.addr.family, 0);
	assert_string_equal(policy.lists[0].interface, "");
}

static void ssh_ports(void **state)
{
	struct policy policy;

	(void)state;
	policy_init(&policy);
	assert_int_equal(policy_add_ssh_port(&policy, 2222), 0);
	assert_int_equal(policy_add_ssh_port(&policy, 22), 0);
	assert_int_equal(policy_add_ssh_port(&policy, 65535), 0);
	assert_int_equal(policy_add_ssh_port(&policy, 443), 0);
	assert_int_equal(policy_add_ssh_port(&policy, 2222), 0);
	assert_int_equal(policy.n_ssh_ports, 4);
	assert_int_equal(policy.ssh_ports[0], 22);
	assert_int_equal(policy.ssh_ports[1], 443);
	assert_int_equal(policy.ssh_ports[2], 2222);
	assert_int_equal(policy.ssh_ports[3], 65535);
	for (uint16_t port = 1000; policy.n_ssh_ports < POLICY_SSH_PORTS_MAX; port++)
		assert_int_equal(policy_add_ssh_port(&policy, port), 0);
	assert_int_equal(policy_add_ssh_port(&policy, 1), -ENOSPC);
	assert_int_equal(policy_add_ssh_port(&policy, 443), 0); /* there already */
	assert_int_equal(policy.n_ssh_ports, POLICY_SSH_PORTS_MAX);
	assert_int_equal(policy.ssh_ports[0], 22);
	assert_int_equal(policy.ssh_ports[POLICY_SSH_PORTS_MAX - 1], 65535);
}

static void trust(void **state)
{
	static const char *const refused[] = {
		"", ".", "..", "lo", "a/b", "a b", "a:b", "a\tb", "wg+", "+", "wg*", "0123456789abcdef", "a\"b",
		"a'b", "a\\b", "a,b", "#a",
		";a", "a\x7f", "\xc3\xa4",
	};
	struct policy policy;
	char name[IFNAMSIZ];

	(void)state;
	policy_init(&policy);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (policy_add_trust(&policy, refused[i]) != -EINVAL)
			fail_msg("\"%s\" is taken", refused[i]);
	assert_true(policy_is_interface("lo"));
	assert_int_equal(policy.n_trust, 0);
	assert_int_equal(policy_add_trust(&policy, "wg0"), 0);
	assert_int_equal(policy_add_trust(&policy, "a+b"), 0);
	assert_int_equal(policy_add_trust(&policy, "br-0123456789ab"), 0);
	assert_int_equal(policy_add_trust(&policy, "..."), 0);
	assert_int_equal(policy_add_trust(&policy, "wg0"), 0);
	assert_int_equal(policy.n_trust, 4);
	assert_string_equal(policy.trust[0], "...");
	assert_string_equal(policy.trust[1], "a+b");
	assert_string_equal(policy.trust[2], "br-0123456789ab");
	assert_string_equal(policy.trust[3], "wg0");
	for (int i = 0; policy.n_trust < POLICY_TRUST_MAX; i++) {
		snprintf(name, sizeof(name), "tap%d", i);
		assert_int_equal(policy_add_trust(&policy, name), 0);
	}
	assert_int_equal(policy_add_trust(&policy, "zz"), -ENOSPC);
	assert_int_equal(policy_add_trust(&policy, "wg0"), 0);
}

static void set_names(void **state)
{
	struct list list = { .name = LIST_MAIN };
	char name[32];

	(void)state;
	list_set_name(&list, AF_INET, name);
	assert_string_equal(name, "whitelist");
	list_set_name(&list, AF_INET6, name);
	assert_string_equal(name, "whitelist6");
	memset(list.name, 'x', LIST_NAME_MAX);
	list_set_name(&list, AF_INET6, name);
	assert_string_equal(name, "xxxxxxxxxxxxxxxxxxxxxxxxxxx6");
}

/* A policy in which everything is said. */
static struct policy full(void)
{
	struct policy policy;
	struct list *list = &policy.lists[1];

	policy_init(&policy);
	policy.ssh_auto = false;
	policy_add_ssh_port(&policy, 22);
	policy_add_ssh_port(&policy, 2222);
	policy_add_trust(&policy, "wg0");
	policy.n_lists = 3;
	*list = (struct list){
		.name = "office",
		.ports = { { IPPROTO_TCP, 8000, 8010 }, { IPPROTO_UDP, 53, 53 } },
		.n_ports = 2,
		.interface = "eth0",
	};
	cidr_parse("10.1.0.0/16", &list->destination, NULL);
	policy.lists[2] = (struct list){ .name = "web", .ports = { { IPPROTO_TCP, 443, 443 } }, .n_ports = 1 };
	return policy;
}

static void equality(void **state)
{
	struct policy a = full(), b = full();

	(void)state;
	assert_true(policy_equal(&a, &b));
#define DIFFERS(change) do { \
		b = full(); \
		change; \
		assert_false(policy_equal(&a, &b)); \
		assert_false(policy_equal(&b, &a)); \
	} while (0)
	DIFFERS(b.ssh = SSH_WHITELIST);
	DIFFERS(b.ssh_auto = true);
	DIFFERS(b.ssh_ports[1] = 2223);
	DIFFERS(b.n_ssh_ports--);
	DIFFERS(strcpy(b.trust[0], "wg1"));
	DIFFERS(policy_add_trust(&b, "wg1"));
	DIFFERS(b.timeout++);
	DIFFERS(b.n_lists--);
	DIFFERS(strcpy(b.lists[2].name, "wab"));
	DIFFERS(strcpy(b.lists[1].interface, ""));
	DIFFERS(b.lists[1].n_ports--);
	DIFFERS(b.lists[1].ports[1].proto = IPPROTO_TCP);
	DIFFERS(b.lists[1].ports[1].lo--);
	DIFFERS(b.lists[1].ports[1].hi++);
	DIFFERS(b.lists[1].destination.len++);
	DIFFERS(b.lists[1].destination.addr.bytes[1]++);
	DIFFERS(b.lists[1].destination.addr.family = 0);
	/* what lies behind the counts says nothing */
	b = full();
	b.ssh_ports[5] = 5;
	b.trust[3][0] = 'x';
	b.lists[9].n_ports = 3;
	b.lists[2].destination.len = 9;
	assert_true(policy_equal(&a, &b));
}

static void assert_narrows(const struct policy *old, const struct policy *new, const char *expected)
{
	char why[160] = "untouched";

	if (!policy_narrows(old, new, why, sizeof(why)))
		fail_msg("is said to take nothing: %s", expected);
	assert_string_equal(why, expected);
	assert_true(policy_narrows(old, new, NULL, 0));
}

static void assert_keeps(const struct policy *old, const struct policy *new)
{
	char why[160] = "untouched";

	if (policy_narrows(old, new, why, sizeof(why)))
		fail_msg("%s", why);
	assert_string_equal(why, "untouched");
}

static void narrower_ssh(void **state)
{
	struct policy old = full(), new = full();

	(void)state;
	assert_keeps(&old, &new);
	new.timeout = 3600;
	new.ssh_auto = true; /* the same ports, found */
	policy_add_ssh_port(&new, 443);
	policy_add_trust(&new, "wg1");
	assert_keeps(&old, &new);
	assert_narrows(&new, &old, "SSH port 443 would no longer be open to anyone");

	new = full();
	new.ssh = SSH_WHITELIST;
	assert_narrows(&old, &new, "SSH would be open to the whitelist only, no longer to anyone");
	assert_keeps(&new, &old);
	old.ssh = SSH_WHITELIST;
	new.n_ssh_ports = 1; /* the whitelist opens both all the same */
	assert_keeps(&old, &new);
	new.ssh = SSH_ANYONE;
	assert_keeps(&old, &new);
	old.ssh = SSH_ANYONE;
	assert_narrows(&old, &new, "SSH port 2222 would no longer be open to anyone");

	new = full();
	new.n_trust = 0;
	assert_narrows(&old, &new, "interface wg0 would no longer be trusted");
}

static void narrower_lists(void **state)
{
	struct policy old = full(), new = full();
	struct list *list = &new.lists[1];
	struct list swap;

	(void)state;
	swap = new.lists[1];
	new.lists[1] = new.lists[2];
	new.lists[2] = swap;
	assert_keeps(&old, &new); /* found by name */
	new.n_lists = 2;
	assert_narrows(&old, &new, "list office would be gone");
	new = full();
	new.n_lists++;
	strcpy(new.lists[3].name, "more");
	assert_keeps(&old, &new);
	assert_narrows(&new, &old, "list more would be gone");

	new = full();
	list->interface[0] = '\0';
	assert_keeps(&old, &new);
	assert_narrows(&new, &old, "list office would open only what comes in by eth0");
	strcpy(list->interface, "eth1");
	assert_narrows(&old, &new, "list office would open only what comes in by eth1");

	new = full();
	cidr_parse("10.0.0.0/8", &list->destination, NULL);
	assert_keeps(&old, &new);
	assert_narrows(&new, &old, "list office would open only what goes to 10.1.0.0/16");
	cidr_parse("::/0", &list->destination, NULL);
	assert_narrows(&old, &new, "list office would open only what goes to ::/0");
	memset(&list->destination, 0, sizeof(list->destination));
	assert_keeps(&old, &new);
	assert_narrows(&new, &old, "list office would open only what goes to 10.1.0.0/16");

	new = full();
	list->n_ports = 0;
	assert_keeps(&old, &new);
	assert_narrows(&new, &old, "list office would no longer open everything");
}

static void narrower_ports(void **state)
{
	static const struct {
		struct list_port ports[5];
		size_t n;
		const char *why; /* NULL: tcp/8000-8010 and udp/53 are covered */
	} rows[] = {
		{ { { IPPROTO_UDP, 53, 53 }, { IPPROTO_TCP, 8000, 8010 } }, 2, NULL },
		{ { { IPPROTO_TCP, 1, 65535 }, { IPPROTO_UDP, 0, 65535 } }, 2, NULL },
		{ { { IPPROTO_TCP, 8006, 8010 }, { IPPROTO_TCP, 8000, 8005 }, { IPPROTO_UDP, 1, 53 } }, 3, NULL },
		{ { { IPPROTO_TCP, 8009, 9000 }, { IPPROTO_TCP, 8004, 8008 }, { IPPROTO_TCP, 7000, 8006 },
		    { IPPROTO_UDP, 53, 60 } }, 4, NULL },
		{ { { IPPROTO_TCP, 8000, 8005 }, { IPPROTO_TCP, 8007, 8010 },
		{ IPPROTO_UDP, 53, 53 } }, 3, "tcp/8006" },
		{ { { IPPROTO_TCP, 8000, 8009 }, { IPPROTO_UDP, 53, 53 } }, 2, "tcp/8010" },
		{ { { IPPROTO_TCP, 8001, 8010 }, { IPPROTO_UDP, 53, 53 } }, 2, "tcp/8000" },
		{ { { IPPROTO_TCP, 8000, 8010 }, { IPPROTO_TCP, 53, 53 } }, 2, "udp/53" },
		{ { { IPPROTO_UDP, 8000, 8010 }, { IPPROTO_UDP, 53, 53 } }, 2, "tcp/8000" },
		{ { { IPPROTO_TCP, 8000, 8010 } }, 1, "udp/53" },
	};
	struct policy old = full(), new = full();
	struct list_port all = { IPPROTO_TCP, 0, 65535 };
	char why[80];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(new.lists[1].ports, rows[i].ports, sizeof(rows[i].ports));
		new.lists[1].n_ports = rows[i].n;
		if (!rows[i].why) {
			assert_keeps(&old, &new);
			continue;
		}
		snprintf(why, sizeof(why), "list office would no longer open %s", rows[i].why);
		assert_narrows(&old, &new, why);
	}
	/* to the last port, and no further */
	new = full();
	old.lists[2].ports[0] = new.lists[2].ports[0] = all;
	assert_keeps(&old, &new);
	new.lists[2].ports[0].hi = 65534;
	assert_narrows(&old, &new, "list web would no longer open tcp/65535");
}

static void short_room(void **state)
{
	struct policy old = full(), new = full();
	char why[8];

	(void)state;
	new.ssh = SSH_WHITELIST;
	assert_true(policy_narrows(&old, &new, why, sizeof(why)));
	assert_string_equal(why, "SSH wou");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(ssh_ports),
		cmocka_unit_test(trust),
		cmocka_unit_test(set_names),
		cmocka_unit_test(equality),
		cmocka_unit_test(narrower_ssh),
		cmocka_unit_test(narrower_lists),
		cmocka_unit_test(narrower_ports),
		cmocka_unit_test(short_room),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
