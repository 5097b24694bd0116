/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Text of others (comments of rules, names, paths) as JSON, which is UTF-8 while they may be anything. */
struct json_t;

/* A new string; bytes that are no UTF-8 become "?". NULL when out of memory, or for NULL. */
struct json_t *json_from_text(const char *text);
