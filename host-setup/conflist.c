/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host-setup/conflist.h"
#include "host-setup/fault.h"

#define SPACE " \t\r\n"
#define KEYS 2

static const struct {
	const char *key, *value;
} conditions[KEYS] = {
	{ "conditionsV4", "[\"-m\",\"set\",\"--match-set\",\"whitelist\",\"src\"]" },
	{ "conditionsV6", "[\"-m\",\"set\",\"--match-set\",\"whitelist6\",\"src\"]" },
};

/* One "key": value in the text. */
struct member {
	const char *lead; /* the comma or brace in front of it */
	const char *key, *key_end, *value, *end;
};

/* A conflist that can be edited. */
struct conflist {
	const char *text;
	json_t *tree;
	json_t *portmap; /* in the tree, borrowed */
	const char *at;  /* its brace in the text */
};

/* ---- positions: of text that jansson took, so that nothing has to be expected here */

static const char *string_end(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && at[1])
			at++;
	return *at ? at + 1 : at;
}

static const char *value_end(const char *at)
{
	size_t depth = 0;

	if (*at != '"' && *at != '{' && *at != '[')
		return at + strcspn(at, SPACE ",]}");
	while (*at) {
		if (*at == '"') {
			at = string_end(at);
		} else {
			depth += *at == '{' || *at == '[';
			depth -= *at == '}' || *at == ']';
			at++;
		}
		if (!depth)
			break;
	}
	return at;
}

/* The next member behind @at, which is the object's brace or the end of a member. */
static bool next_member(const char *at, struct member *ret)
{
	struct member found = { .lead = at + strspn(at, SPACE) };

	if (*found.lead != '{' && *found.lead != ',')
		return false;
	found.key = found.lead + 1 + strspn(found.lead + 1, SPACE);
	if (*found.key != '"')
		return false;
	found.key_end = string_end(found.key);
	found.value = found.key_end + strspn(found.key_end, SPACE);
	found.value += *found.value == ':';
	found.value += strspn(found.value, SPACE);
	found.end = value_end(found.value);
	*ret = found;
	return true;
}

/* However it is spelled: "t\u0079pe" is type, too. */
static bool key_is(const struct member *member, const char *key)
{
	json_t *name = json_loadb(member->key, (size_t)(member->key_end - member->key), JSON_DECODE_ANY, NULL);
	bool same = name && strcmp(json_string_value(name), key) == 0;

	json_decref(name);
	return same;
}

static bool find_member(const char *object, const char *key, struct member *ret)
{
	struct member member = { .end = object };

	while (next_member(member.end, &member))
		if (key_is(&member, key)) {
			*ret = member;
			return true;
		}
	return false;
}

/* The n-th element of the array @at. */
static const char *find_element(const char *at, size_t n)
{
	for (at++;; at++) {
		at += strspn(at, SPACE);
		if (n-- == 0)
			return at;
		at = value_end(at);
		at += strspn(at, SPACE);
		if (*at != ',')
			return NULL;
	}
}

/* ---- what it means */

/* The number of the one portmap. */
static int find_portmap(const json_t *plugins, size_t *ret, struct fault *fault)
{
	size_t n, found = 0;
	json_t *plugin;

	json_array_foreach(plugins, n, plugin) {
		const char *type = json_string_value(json_object_get(plugin, "type"));

		if (!type || strcmp(type, "portmap") != 0)
			continue;
		*ret = n;
		found++;
	}
	if (found == 1)
		return 0;
	return fault_set(fault, -EINVAL, found ? "it has more than one portmap plugin" : "it has no portmap plugin");
}

static int check_portmap(const json_t *portmap, struct fault *fault)
{
	const json_t *backend = json_object_get(portmap, "backend");
	const char *key;
	json_t *value;

	if (backend && (!json_is_string(backend) || strcmp(json_string_value(backend), "iptables") != 0))
		return fault_set(fault, -EINVAL, "its portmap has another backend than iptables: sets are known to that only");
	json_object_foreach((json_t *)portmap, key, value)
		for (int i = 0; i < KEYS; i++) /* Go takes any case, the last one wins */
			if (strcasecmp(key, conditions[i].key) == 0 && strcmp(key, conditions[i].key) != 0)
				return fault_set(fault, -EINVAL, "its portmap has \"%s\", which should be %s", key,
						 conditions[i].key);
	return 0;
}

static void conflist_close(struct conflist *list)
{
	json_decref(list->tree);
}

static int conflist_open(const char *text, struct conflist *ret, struct fault *fault)
{
	struct conflist list = { .text = text };
	struct member plugins;
	json_error_t error;
	size_t n = 0;
	int r;

	list.tree = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!list.tree)
		return fault_set(fault, -EINVAL, "it is no valid JSON: line %d: %s", error.line, error.text);
	r = find_portmap(json_object_get(list.tree, "plugins"), &n, fault);
	if (r == 0) {
		list.portmap = json_array_get(json_object_get(list.tree, "plugins"), n);
		r = check_portmap(list.portmap, fault);
	}
	if (r == 0 && find_member(text + strspn(text, SPACE), "plugins", &plugins))
		list.at = find_element(plugins.value, n);
	if (r == 0 && (!list.at || *list.at != '{'))
		r = fault_set(fault, -EINVAL, "its portmap plugin cannot be found in the text");
	if (r < 0) {
		conflist_close(&list);
		return r;
	}
	*ret = list;
	return 0;
}

static bool is_ours(const struct conflist *list, int i)
{
	json_t *ours = json_loads(conditions[i].value, 0, NULL);
	bool same = json_equal(json_object_get(list->portmap, conditions[i].key), ours);

	json_decref(ours);
	return same;
}

/* ---- one change */

/* @what in place of what stands from @from to @to. NULL: out of memory. */
static char *splice(const char *text, const char *from, const char *to, const char *what)
{
	size_t front = (size_t)(from - text), middle = strlen(what), back = strlen(to);
	char *ret = malloc(front + middle + back + 1);

	if (!ret)
		return NULL;
	memcpy(ret, text, front);
	memcpy(ret + front, what, middle);
	memcpy(ret + front + middle, to, back + 1);
	return ret;
}

/* A member of its own behind the last one, set apart as that is. */
static char *append(const struct conflist *list, int i)
{
	struct member last = { .end = list->at };
	char *what, *ret;
	size_t space, colon;

	while (next_member(last.end, &last))
		;
	space = (size_t)(last.key - last.lead) - 1;
	colon = (size_t)(last.value - last.key_end);
	what = malloc(1 + space + strlen(conditions[i].key) + 2 + colon + strlen(conditions[i].value) + 1);
	if (!what)
		return NULL;
	sprintf(what, ",%.*s\"%s\"%.*s%s", (int)space, last.lead + 1, conditions[i].key, (int)colon, last.key_end,
		conditions[i].value);
	ret = splice(list->text, last.end, last.end, what);
	free(what);
	return ret;
}

/* With the comma in front of it, or else the one behind. */
static char *remove_member(const struct conflist *list, const struct member *member)
{
	const char *to = member->end + strspn(member->end, SPACE);

	if (*member->lead == ',')
		return splice(list->text, member->lead, member->end, "");
	if (*to == ',')
		to += 1 + strspn(to + 1, SPACE);
	return splice(list->text, member->key, to, "");
}

/* The condition @i becomes @value (JSON text; NULL: none) in @list, whose old text is freed unless it is @kept. */
static int change(struct conflist *list, int i, const char *value, const char *kept, struct fault *fault)
{
	struct member member;
	struct conflist next;
	char *text;
	int r;

	if (!find_member(list->at, conditions[i].key, &member))
		text = append(list, i);
	else if (value)
		text = splice(list->text, member.value, member.end, value);
	else
		text = remove_member(list, &member);
	if (value)
		json_object_set_new(list->portmap, conditions[i].key, json_loads(value, JSON_DECODE_ANY, NULL));
	else
		json_object_del(list->portmap, conditions[i].key);
	r = text ? conflist_open(text, &next, fault) : fault_set(fault, -ENOMEM, "out of memory");
	if (r == 0 && !json_equal(next.tree, list->tree)) {
		conflist_close(&next);
		r = fault_set(fault, -EINVAL, "the edited text does not mean what it should");
	}
	if (r < 0) {
		free(text);
		return r;
	}
	if (list->text != kept)
		free((char *)list->text);
	conflist_close(list);
	*list = next;
	return 0;
}

/* Hands the text over, if it is another than @text. */
static int finish(struct conflist *list, const char *text, int r, char **ret)
{
	conflist_close(list);
	if (r < 0 && list->text != text)
		free((char *)list->text);
	else if (r == 0 && list->text != text)
		*ret = (char *)list->text;
	return r < 0 ? r : list->text == text;
}

/* What stands there now, for undo. */
static int note(const struct conflist *list, int i, bool replace, json_t *was, struct fault *fault)
{
	struct member member;
	json_t *old = json_null();

	if (find_member(list->at, conditions[i].key, &member)) {
		if (!replace) {
			fault_hint(fault, "--replace puts the whitelist in their place.");
			return fault_set(fault, -EEXIST, "its portmap has %s of others", conditions[i].key);
		}
		if (member.end - member.value > CONFLIST_OLD_MAX)
			return fault_set(fault, -EFBIG, "its %s are too long to be kept for undo", conditions[i].key);
		old = json_stringn(member.value, (size_t)(member.end - member.value));
	}
	return json_object_set_new(was, conditions[i].key, old) < 0 ? fault_set(fault, -ENOMEM, "out of memory") : 0;
}

int conflist_edit(const char *text, bool replace, char **ret, json_t *was, struct fault *fault)
{
	struct conflist list;
	int r = conflist_open(text, &list, fault);

	if (r < 0)
		return r;
	for (int i = 0; r == 0 && i < KEYS; i++) {
		if (is_ours(&list, i))
			continue;
		r = note(&list, i, replace, was, fault);
		if (r == 0)
			r = change(&list, i, conditions[i].value, text, fault);
	}
	return finish(&list, text, r, ret);
}

int conflist_restore(const char *text, const json_t *was, char **ret, struct fault *fault)
{
	struct conflist list;
	int r = conflist_open(text, &list, fault);

	if (r < 0)
		return r;
	for (int i = KEYS; r == 0 && i-- > 0;) {
		const json_t *old = json_object_get(was, conditions[i].key);

		if (old && is_ours(&list, i))
			r = change(&list, i, json_string_value(old), text, fault);
	}
	return finish(&list, text, r, ret);
}
