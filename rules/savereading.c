/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/savematch.h"
#include "rules/savename.h"
#include "rules/savereading.h"

enum savecore savereading_core(const char *word)
{
	static const struct {
		const char *name;
		enum savecore core;
	} options[] = {
		{ "-A", CORE_APPEND }, { "--append", CORE_APPEND },
		{ "-p", CORE_PROTO }, { "--proto", CORE_PROTO }, { "--protocol", CORE_PROTO },
		{ "-s", CORE_SRC }, { "--src", CORE_SRC }, { "--source", CORE_SRC },
		{ "-d", CORE_DST }, { "--dst", CORE_DST }, { "--destination", CORE_DST },
		{ "-i", CORE_IIF }, { "--in-interface", CORE_IIF }, { "-o", CORE_OIF }, { "--out-interface", CORE_OIF },
		{ "-j", CORE_TARGET }, { "--jump", CORE_TARGET }, { "-g", CORE_GOTO }, { "--goto", CORE_GOTO },
		{ "-c", CORE_COUNTERS }, { "--set-counters", CORE_COUNTERS },
		{ "-m", CORE_MATCH }, { "--match", CORE_MATCH },
		{ "-f", CORE_FRAGMENT }, { "--fragment", CORE_FRAGMENT }, { "--fragments", CORE_FRAGMENT },
		{ "-4", CORE_IPV4 }, { "--ipv4", CORE_IPV4 }, { "-6", CORE_IPV6 }, { "--ipv6", CORE_IPV6 },
		{ "-I", CORE_REFUSED }, { "--insert", CORE_REFUSED },
		{ "-D", CORE_REFUSED }, { "--delete", CORE_REFUSED },
		{ "-R", CORE_REFUSED }, { "--replace", CORE_REFUSED },
		{ "-N", CORE_REFUSED }, { "--new-chain", CORE_REFUSED },
		{ "-P", CORE_REFUSED }, { "--policy", CORE_REFUSED },
		{ "-F", CORE_REFUSED }, { "--flush", CORE_REFUSED },
		{ "-X", CORE_REFUSED }, { "--delete-chain", CORE_REFUSED },
		{ "-Z", CORE_REFUSED }, { "--zero", CORE_REFUSED },
		{ "-E", CORE_REFUSED }, { "--rename-chain", CORE_REFUSED },
		{ "-C", CORE_REFUSED }, { "--check", CORE_REFUSED },
		{ "-t", CORE_REFUSED }, { "--table", CORE_REFUSED },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i].name, word) == 0)
			return options[i].core;
	return 0;
}

int savereading_refuse(const struct savereading *r, size_t word, const char *what)
{
	const char *text = word < r->line->n_words ? r->line->words[word] : "";

	diag_set(r->diag, r->number, word < r->line->n_words ? r->line->columns[word] : 0, "%s%s%.40s", what,
		 *text ? ": " : "", text);
	return -EINVAL;
}

const struct savematch *savereading_implicit(const struct savereading *r)
{
	const struct savematch *match = savematch_of_proto(r->proto);

	if (match && match->kind == (r->family == NFPROTO_IPV4 ? MATCH_ICMP6 : MATCH_ICMP))
		return NULL;
	return match;
}

bool savereading_is_implicit(const struct savereading *r, const char *option)
{
	const struct savematch *match = savereading_implicit(r);

	return match && savematch_option(match, option);
}

/* Short options run together and long ones cut short ("-jDROP", "--jum DROP"): some versions read them. */
static bool hides_target(const char *word)
{
	if (word[0] != '-' || !word[1])
		return false;
	return word[1] != '-' || word[2] == 'j' || word[2] == 'g';
}

void savereading_swallow(struct savereading *r)
{
	const struct saveline *line = r->line;

	while (r->at < line->n_words) {
		size_t option = r->at + (strcmp(line->words[r->at], "!") == 0);

		if (option == line->n_words) {
			r->at = option;
			return;
		}
		if (savereading_core(line->words[option]))
			return;
		if (hides_target(line->words[option]))
			r->hidden = true;
		r->at = option + 1;
	}
}

char *savereading_join(const struct savereading *r, size_t from, size_t to)
{
	size_t size = 1, n = 0;
	char *text;

	for (size_t i = from; i < to; i++)
		size += 2 * strlen(r->line->words[i]) + 8;
	text = malloc(size);
	if (!text)
		return NULL;
	text[0] = '\0';
	for (size_t i = from; i < to; i++) {
		if (n)
			text[n++] = ' ';
		savename_word(r->line->words[i], text + n, size - n);
		n += strlen(text + n);
	}
	return text;
}
