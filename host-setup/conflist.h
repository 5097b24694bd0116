/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A CNI conflist as text: the whitelist as condition of its portmap plugin, put in and taken out in place. Every byte
 * beside the two arrays stays, and what comes out is read again and compared with what it has to mean.
 */
#include <stdbool.h>

#include <jansson.h>

struct fault;

#define CONFLIST_MAX (64u << 10)  /* bytes of a file */
#define CONFLIST_OLD_MAX 4096u    /* bytes of a condition that is replaced */

/* 1: both are there already. 0: the new text, which the caller frees; in @was (an object), for each key that changed,
 * the JSON text that stood there, or null where there was none. -EINVAL: no conflist that can be edited; -EEXIST: there are
 * conditions of others, and not @replace. */
int conflist_edit(const char *text, bool replace, char **ret, json_t *was, struct fault *fault);

/* The reverse, by what conflist_edit() told in @was. A condition that is no longer ours is left. 1: nothing of ours is
 * there; else as above. */
int conflist_restore(const char *text, const json_t *was, char **ret, struct fault *fault);
