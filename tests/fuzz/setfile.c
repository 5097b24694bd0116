/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every line is parsed. What comes out as a network is written again and must read back the same: a line that fwd keeps in
 * its journal may never turn into another network.
 */
#include <stdlib.h>
#include <string.h>

#include "rules/setfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void read_back(const struct set_line *line)
{
	char text[SETFILE_LINE_MAX];
	struct set_line again;
	uint32_t timeout;
	int n;

	n = line->kind == SET_LINE_ADD ? setfile_format_add("w", &line->entry, 0, text, sizeof(text))
				       : setfile_format_del("w", &line->entry.net, text, sizeof(text));
	if (line->entry.net.len == 0) {
		must(n < 0);
		return;
	}
	must(n > 0 && n < (int)sizeof(text) && text[n - 1] == '\n');
	must(setfile_parse_line(text, (size_t)n - 1, &again, NULL) == 0);
	must(again.kind == line->kind && again.is_net && !again.nomatch && strcmp(again.set, "w") == 0);
	must(cidr_equal(&again.entry.net, &line->entry.net));
	if (line->kind == SET_LINE_DEL)
		return;
	must(entry_timeout(&line->entry, 0, &timeout) == 0 && again.has_timeout && again.timeout == timeout);
	must(again.entry.until == line->entry.until);
	must(again.entry.packets == line->entry.packets && again.entry.bytes == line->entry.bytes);
	must(strcmp(again.entry.comment, line->entry.comment) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	while (size > 0) {
		const uint8_t *newline = memchr(data, '\n', size);
		size_t len = newline ? (size_t)(newline - data) : size;
		char *copy = malloc(len ? len : 1); /* so that a read beyond the line is seen */
		struct set_line line;
		struct diag diag = { 0 };

		must(copy);
		memcpy(copy, data, len);
		if (setfile_parse_line(copy, len, &line, &diag) == 0) {
			must(!diag.text[0] && strlen(line.set) <= SET_NAME_MAX);
			must(!(line.is_net && line.is_range));
			if (line.is_net && (line.kind == SET_LINE_ADD || line.kind == SET_LINE_DEL))
				read_back(&line);
		} else {
			must(diag.text[0]);
		}
		free(copy);
		len += newline != NULL;
		data += len;
		size -= len;
	}
	return 0;
}
