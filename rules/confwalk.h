/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The syntax of fwd.conf, whatever its sections are: read by inih, with its traps closed (long lines, comments behind
 * values, continuation lines, "name: value", cut names, line numbers). Any error is fatal and names its line.
 *
 * Lines are blank, comments (# or ; in front), "[section]" or "name = value". Outside of comments all is printable
 * ASCII: a no-break space, or a letter that only looks like another, would be found by nobody.
 */
#include <stddef.h>

#include "rules/diag.h"

#define CONF_SIZE_MAX 65536 /* bytes of a file */
#define CONF_LINE_MAX 190   /* bytes of a line without its end: inih as Debian builds it cuts at 200 */
#define CONF_NAME_MAX 49    /* bytes of the name of a section or key: inih cuts there */
#define CONF_NAMES_MAX 64   /* sections of a file, and keys of a section */

/* Calls @key where a section begins, with @name and @value NULL, and for each "name = value". No section, and no key
 * of a section, comes twice. A negative answer ends the reading with it. @key fills in @diag without line, the column
 * counted from the value's first byte (0: the whole line); conf_walk() makes both whole, and says something general
 * where @key says nothing. Returns 0, @key's answer, -EINVAL or -ENOMEM. */
int conf_walk(const char *text, size_t len,
	      int (*key)(const char *section, const char *name, const char *value, struct diag *diag, void *user),
	      void *user, struct diag *diag);
