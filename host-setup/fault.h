/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Why something failed, in words for a person; carried up to where it is spoken.
 */

#define FAULT_TEXT_MAX 512

struct fault {
	char text[FAULT_TEXT_MAX]; /* what and where; "" when nothing was said */
	char hint[FAULT_TEXT_MAX]; /* what to do; "" when nobody knows */
};

/* Both cut what is too long. @fault may be NULL. fault_set() returns @code, so that it can end a function. */
int fault_set(struct fault *fault, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void fault_hint(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));
