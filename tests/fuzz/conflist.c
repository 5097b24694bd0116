/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CNI conflist: what is edited means what it should, once is enough, and back it goes to the byte. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-setup/conflist.h"
#include "host-setup/fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "not so: %s\n", what);
	abort();
}

static void edited(const char *text, const char *out, const json_t *was)
{
	char *again = NULL, *back = NULL;
	json_t *none = json_object();

	must(conflist_edit(out, false, &again, none, NULL) == 1 && json_object_size(none) == 0, "once is enough");
	must(conflist_restore(out, was, &back, NULL) == 0, "it can be restored");
	must(strcmp(back, text) == 0, "every byte is back");
	free(back);
	json_decref(none);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	for (int replace = 0; text && replace < 2; replace++) {
		json_t *was = json_object();
		struct fault fault = { 0 };
		char *out = NULL;
		int r = conflist_edit(text, replace, &out, was, &fault);

		must((r == 0) == (out != NULL), "a text comes out when there is one");
		must(r >= 0 || fault.text[0], "a refusal has a reason");
		must(strcmp(fault.text, "the edited text does not mean what it should") != 0 &&
			     strcmp(fault.text, "its portmap plugin cannot be found in the text") != 0,
		     "whatever jansson takes is found and edited rightly");
		if (r == 0)
			edited(text, out, was);
		free(out);
		json_decref(was);
	}
	free(text);
	return 0;
}
