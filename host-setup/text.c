/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "host-setup/text.h"

char *text_escape(const char *text)
{
	char *ret = malloc(4 * strlen(text) + 1), *to = ret;

	if (!ret)
		return NULL;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c < 0x7f)
			*to++ = (char)c;
		else
			to += sprintf(to, "\\x%02x", c);
	}
	*to = '\0';
	return ret;
}

void text_put(FILE *out, const char *text)
{
	char *clean = text_escape(text);

	fputs(clean ? clean : "", out);
	free(clean);
}

bool text_number(const char *text, uint32_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = 10 * value + (uint64_t)(*text - '0');
		if (value > UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)value;
	return true;
}
