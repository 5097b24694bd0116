/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "host-setup/step.h"

const struct step step_table[] = {
	{ "packages", "containerd, rootlesskit and what they need, from the distribution", packages_check,
	  packages_apply,
	  packages_undo },
	{ "rootful", "a containerd that runs as root is not needed beside it", rootful_check, rootful_apply,
	  rootful_undo },
	{ "cni", "the plugins that connect containers to a network", cni_check, cni_apply, cni_undo },
	{ "nerdctl", "the command line, and the scripts of rootless containerd", nerdctl_check, nerdctl_apply,
	  nerdctl_undo },
	{ "ports", "rootlesskit may open ports below 1024", ports_check, ports_apply, ports_undo },
	{ "user", "who runs the containers: nobody logs in as him", user_check, user_apply, user_undo },
	{ "subids", "ids for the users inside containers", subids_check, subids_apply, subids_undo },
	{ "delegation", "limits on CPU, memory and I/O of containers", delegation_check, delegation_apply,
	  delegation_undo },
	{ "apparmor", "where user namespaces need a profile", apparmor_check, apparmor_apply, apparmor_undo },
	{ "linger", "containers run from boot on, without a login", linger_check, linger_apply, linger_undo },
	{ "service", "containerd, as a service of that user", service_check, service_apply, service_undo },
	{ "firewall", "nobody but the whitelist reaches what is published", firewall_check, firewall_apply,
	  firewall_undo,
	  .undo_last = true },
	{ "ufw", "two firewalls are one too many", ufw_check, ufw_apply, ufw_undo, .undo_last = true },
	{ "conditions", "containers that run as root ask the whitelist, too", conditions_check, conditions_apply,
	  conditions_undo },
	{ NULL },
};
