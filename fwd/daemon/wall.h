/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What everybody who is logged in must hear: that a trial ended without a confirm. */

/* Writes a line to all terminals that take messages (mesg y). Never blocks, never fails: who cannot be told is not told. */
void wall_say(const char *text);
