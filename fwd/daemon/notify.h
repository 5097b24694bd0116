/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* sd_notify(3) without its library: one datagram to $NOTIFY_SOCKET. Nothing happens where there is no manager. */
void notify(const char *state);
