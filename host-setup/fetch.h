/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The options of commands that download.
 */
#include <stdbool.h>

#include "host-setup/release.h"

struct call;
struct fault;
struct source;

/* false after having said what is wrong. */
bool fetch_source(const struct call *call, struct source *ret);
int fetch_package(const struct call *call, enum release_id id, struct package *ret, struct fault *fault);
