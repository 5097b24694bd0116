/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fwd/daemon/verbs_internal.h"
#include "rules/policy.h"

#define NETS_MAX 1024 /* of one request; lists come by import */

int call_usage(struct call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(call->change.text, sizeof(call->change.text), format, args);
	va_end(args);
	call->change.exit = EXIT_USAGE;
	return -EINVAL;
}

int take_string(struct call *call, const char *name, bool must, char *ret, size_t size)
{
	json_t *value = json_object_get(call->args, name);

	if (!value)
		return must ? call_usage(call, "\"%s\" is missing", name) : 0;
	if (!json_is_string(value) || json_string_length(value) >= size || strlen(json_string_value(value)) != json_string_length(value))
		return call_usage(call, "\"%s\" is no text of at most %zu bytes", name, size - 1);
	strcpy(ret, json_string_value(value));
	json_object_del(call->args, name);
	return 1;
}

int take_number(struct call *call, const char *name, json_int_t min, json_int_t max, json_int_t *ret)
{
	json_t *value = json_object_get(call->args, name);

	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max)
		return call_usage(call, "\"%s\" is no whole number from %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT, name, min, max);
	*ret = json_integer_value(value);
	json_object_del(call->args, name);
	return 1;
}

int take_flag(struct call *call, const char *name, bool *ret)
{
	json_t *value = json_object_get(call->args, name);

	if (!value)
		return 0;
	if (!json_is_boolean(value))
		return call_usage(call, "\"%s\" is neither true nor false", name);
	*ret = json_is_true(value);
	json_object_del(call->args, name);
	return 1;
}

int take_nothing_more(struct call *call)
{
	const char *name;
	json_t *value;

	json_object_foreach(call->args, name, value)
		return call_usage(call, "\"%.64s\" is no argument of this verb", name);
	return 0;
}

int take_trial(struct call *call)
{
	json_int_t timeout = 0;
	int r = take_number(call, "timeout", POLICY_TIMEOUT_MIN, POLICY_TIMEOUT_MAX, &timeout);

	if (r >= 0)
		r = take_flag(call, "force", &call->change.force);
	if (r >= 0)
		r = take_flag(call, "interactive", &call->change.interactive);
	if (r >= 0)
		r = take_nothing_more(call);
	call->change.timeout = (unsigned)timeout;
	return r;
}

/* One word of "networks": a network, a range or any. Appends to @nets. */
static int parse_network(struct call *call, const char *text, struct cidr *nets, size_t *n)
{
	const char *dash = strchr(text, '-');
	struct cidr range[ADDR_RANGE_MAX];
	bool cleared = false;
	size_t count = 1;

	if (strcmp(text, "any") == 0) {
		cidr_parse("0.0.0.0/1", &range[0], NULL);
		cidr_parse("128.0.0.0/1", &range[1], NULL);
		cidr_parse("::/1", &range[2], NULL);
		cidr_parse("8000::/1", &range[3], NULL);
		count = 4;
	} else if (dash) {
		char from_text[ADDR_TEXT_MAX] = "";
		struct addr from, to;

		if ((size_t)(dash - text) < sizeof(from_text))
			memcpy(from_text, text, (size_t)(dash - text));
		if (addr_parse(from_text, &from) < 0 || addr_parse(dash + 1, &to) < 0 || addr_range(&from, &to, range, &count) < 0)
			return call_usage(call, "\"%.64s\" is no range of addresses", text);
	} else if (cidr_parse(text, &range[0], &cleared) < 0) {
		return call_usage(call, "\"%.64s\" is no network", text);
	}
	if (cleared) {
		char taken[ADDR_TEXT_MAX];

		cidr_format(&range[0], taken);
		json_object_set_new(call->cleared, taken, json_string(text));
	}
	for (size_t i = 0; i < count; i++) {
		if (*n == NETS_MAX)
			return call_usage(call, "more than %d networks in one request", NETS_MAX);
		if (range[i].len == 0) /* no set can hold /0, and a slip of the pen should not open everything */
			return call_usage(call, "\"%.64s\" is everybody: say any", text);
		nets[(*n)++] = range[i];
	}
	return 0;
}

int take_networks(struct call *call, struct cidr **ret, size_t *n)
{
	json_t *networks = json_object_get(call->args, "networks"), *value;
	struct cidr *nets;
	size_t i;
	int r = 0;

	if (!json_is_array(networks) || json_array_size(networks) == 0)
		return call_usage(call, "\"networks\" is no list of networks");
	nets = calloc(NETS_MAX, sizeof(*nets));
	if (!nets)
		return -ENOMEM;
	*n = 0;
	json_array_foreach(networks, i, value) {
		r = json_is_string(value) ? parse_network(call, json_string_value(value), nets, n) :
					    call_usage(call, "\"networks\" holds something that is no text");
		if (r < 0)
			break;
	}
	if (r < 0) {
		free(nets);
		return r;
	}
	json_object_del(call->args, "networks");
	*ret = nets;
	return 0;
}
