/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <jansson.h>
#include <netinet/in.h>

#include "firewall_stub.h"
#include "fwd/daemon/firewall.h"
#include "fwd/daemon/status.h"
#include "rules/policy.h"

struct firewall_stub stub;

int change_refuse(struct change *change, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(change->text, sizeof(change->text), format, args);
	va_end(args);
	snprintf(change->hint, sizeof(change->hint), "%s", hint ? hint : "");
	change->exit = EXIT_REFUSED;
	change->changed = false;
	return -EPERM;
}

static int end(struct change *change, int code)
{
	MUST(stub.root);
	MUST(change->dry_run == stub.dry_run);
	MUST(change->who && change->who[0]);
	MUST(change->timeout == 0 || (change->timeout >= POLICY_TIMEOUT_MIN && change->timeout <= POLICY_TIMEOUT_MAX));
	if (stub.fails)
		return change_refuse(change, "a hint \xff that is cut \xc3", "not today: \xe2\x82");
	for (int i = 0; change->dry_run && i < 3; i++)
		change->would("+ -A FWD-INPUT -m comment --comment \"\xff\" -j DROP", change->user);
	change->exit = code;
	change->changed = true;
	return 0;
}

int firewall_enable(struct firewall *firewall, struct change *change)
{
	(void)firewall;
	return end(change, change->dry_run ? EXIT_DONE : EXIT_TRIAL);
}

int firewall_reload(struct firewall *firewall, struct change *change)
{
	(void)firewall;
	return end(change, EXIT_DONE);
}

int firewall_confirm(struct firewall *firewall, struct change *change)
{
	(void)firewall;
	if (!stub.fails)
		return end(change, EXIT_DONE);
	end(change, 0);
	change->exit = EXIT_ROLLED_BACK;
	return -ETIME;
}

int firewall_rollback(struct firewall *firewall, struct change *change)
{
	(void)firewall;
	return end(change, EXIT_DONE);
}

int firewall_disable(struct firewall *firewall, bool accept, struct change *change)
{
	(void)firewall;
	(void)accept;
	return end(change, EXIT_DONE);
}

static void look_at(const struct cidr *nets, size_t n, struct change *change, entry_told *told, void *user)
{
	MUST(n > 0 && n <= 1024);
	for (size_t i = 0; i < n; i++) {
		struct entry entry = { .net = nets[i], .until = i };
		char text[ADDR_TEXT_MAX];
		struct cidr again;

		MUST(nets[i].len > 0 && nets[i].len <= addr_bits(nets[i].addr.family));
		cidr_format(&nets[i], text);
		MUST(cidr_parse(text, &again, NULL) == 0 && cidr_equal(&again, &nets[i]));
		if (!stub.fails || i < n / 2)
			told(&entry, i % 3, i % 2 ? "a note \xff" : "", user);
		(void)change;
	}
}

int firewall_allow(struct firewall *firewall, const struct allow *allow, struct change *change, entry_told *told, void *user)
{
	(void)firewall;
	MUST(strcmp(allow->list, LIST_MAIN) == 0);
	MUST(!allow->comment || entry_comment_check(allow->comment, NULL) == 0);
	look_at(allow->nets, allow->n, change, told, user);
	return end(change, EXIT_DONE);
}

int firewall_remove(struct firewall *firewall, const char *list, const struct cidr *nets, size_t n, struct change *change,
		    entry_told *told, void *user)
{
	(void)firewall;
	MUST(strcmp(list, LIST_MAIN) == 0);
	look_at(nets, n, change, told, user);
	return end(change, EXIT_DONE);
}

int firewall_list(struct firewall *firewall, const char *list, int *ret, uint64_t *entries, struct diag *diag)
{
	(void)firewall;
	MUST(strlen(list) <= LIST_NAME_MAX);
	if (stub.fails) {
		diag_set(diag, 0, 0, "there is no list \"%s\"", list);
		return -ENOENT;
	}
	*ret = memfd_create("fuzz", MFD_CLOEXEC);
	*entries = 7;
	return 0;
}

static int answer(json_t **ret)
{
	if (stub.fails)
		return -EIO;
	*ret = json_object();
	return 0;
}

int firewall_status(struct firewall *firewall, json_t **ret)
{
	(void)firewall;
	return answer(ret);
}

int firewall_diff(struct firewall *firewall, json_t **ret)
{
	(void)firewall;
	return answer(ret);
}

int firewall_why(struct firewall *firewall, const struct addr *source, uint8_t proto, uint16_t port, json_t **ret)
{
	(void)firewall;
	MUST(source->family == AF_INET || source->family == AF_INET6);
	MUST(proto == IPPROTO_TCP || proto == IPPROTO_UDP ? port > 0 :
	     port == 0 && proto == (source->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6));
	return answer(ret);
}

json_t *json_trial(const struct firewall *firewall)
{
	(void)firewall;
	return json_null();
}

json_t *json_generation(const struct firewall *firewall)
{
	(void)firewall;
	return json_integer(7);
}

json_t *json_back_to(const struct firewall *firewall)
{
	(void)firewall;
	return json_string("off");
}

json_t *json_policies(struct firewall *firewall)
{
	(void)firewall;
	return json_object();
}

int firewall_extend(struct firewall *firewall, unsigned seconds, struct change *change)
{
	(void)firewall;
	MUST(seconds > 0);
	change->exit = EXIT_TRIAL;
	return 0;
}

bool firewall_on_trial(const struct firewall *firewall)
{
	(void)firewall;
	return false;
}
