/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What of the state is told in more than one answer. */
struct firewall;
struct json_t;

/* TRIAL of docs/protocol.md, or null. A new reference. */
struct json_t *json_trial(const struct firewall *firewall);
/* Of what is confirmed: its generation; and as the place that a rollback goes to, "off" or "confirmed". */
struct json_t *json_generation(const struct firewall *firewall);
struct json_t *json_back_to(const struct firewall *firewall);
/* The policies of the base chains as they stand in the kernel: {"v4": {"INPUT": "ACCEPT", "FORWARD": …}, "v6": …}. */
struct json_t *json_policies(struct firewall *firewall);
