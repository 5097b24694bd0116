/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Ruleset <-> the text of iptables-save and ip6tables-save.
 */
#include "rules/diag.h"
#include "rules/ruleset.h"

#define SAVEFILE_SIZE_MAX (8u << 20)
#define SAVEFILE_RULE_MAX 2048 /* bytes of one printed rule of ours; a foreign one may need more */
#define SAVEFILE_CHAINS_MAX 16384 /* of a table */

/* "-A CHAIN …" exactly as iptables-save (family NFPROTO_IPV4) or ip6tables-save (NFPROTO_IPV6) prints the rule, without
 * newline; opaque parts as "[text]". Protocols go by the names that 1.8.9 and 1.8.11 share, igmp (2 to 1.8.11), or by
 * number. Returns the length or -ENOSPC (@ret is then cut, but terminated). */
int savefile_print_rule(const struct rule *rule, const char *chain, uint8_t family, char *ret, size_t size);

/* Reads a whole file into @into, tables of @family; one that is there already is replaced. What is not understood becomes
 * opaque with its text. What is no iptables-save text, or what iptables-restore is known to refuse as a whole (and what
 * nobody saves: -I, -D, …), is -EINVAL with the line in @diag, and @into is as before. Options that may be cut short or
 * run together, lists of addresses, names of hosts and octal numbers are opaque. */
int savefile_parse(const char *text, size_t len, uint8_t family, struct ruleset *into, struct diag *diag);

/*
 * The text of @old (may be empty) with our part replaced by @ours (as compile() makes it; NULL: our part is taken out and
 * base policies that are not POLICY_KEEP in @policies are set): our chains, the policies of INPUT and FORWARD, and our jump:
 * where it stands already (what is dead behind it stays so), else last among the rules of its base chain. Every line of
 * others stays byte-identical and in its order; a rule that jumps to a chain of ours with matches of its own is another's as
 * long as that chain stays. Any table of @ours will do; what the text lacks is added at its end. The caller frees *ret.
 * -EINVAL with @diag where @old is no iptables-save text: nothing may then be written over it.
 */
struct savefile_policies {
	uint8_t input, forward; /* NF_ACCEPT, NF_DROP, POLICY_KEEP */
};
int savefile_merge(const char *old, size_t len, uint8_t family, const struct ruleset *ours,
		   const struct savefile_policies *policies, char **ret, struct diag *diag);
