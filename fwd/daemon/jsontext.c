/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "fwd/daemon/jsontext.h"

/* Bytes of the character that begins here, by the judgement of those who will refuse it otherwise; 0: it is none. */
static size_t character(const char *text)
{
	size_t left = strnlen(text, 4);

	for (size_t len = 1; len <= left; len++) {
		json_t *json = json_stringn(text, len);

		if (json) {
			json_decref(json);
			return len;
		}
	}
	return 0;
}

json_t *json_from_text(const char *text)
{
	json_t *json = json_string(text);
	char *clean;

	if (json || !text)
		return json;
	clean = strdup(text);
	for (char *at = clean; at && *at;) {
		size_t len = character(at);

		if (len == 0)
			*at = '?';
		at += len ? len : 1;
	}
	json = clean ? json_string(clean) : NULL;
	free(clean);
	return json;
}
