/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The inside of struct firewall, for firewall.c, wish.c, trial.c, commit.c, entries*.c, inspect.c, status.c and nobody else. */
#include "fwd/daemon/firewall.h"
#include "fwd/daemon/journal.h"
#include "fwd/daemon/kernel.h"
#include "fwd/daemon/sets.h"
#include "rules/verdict.h"

struct event;
struct monitor;
struct upkeep;

enum trial_kind { TRIAL_ENABLE, TRIAL_RELOAD, TRIAL_DISABLE, TRIAL_REMOVE };

struct trial {
	bool on;
	enum trial_kind kind;
	uint64_t generation;  /* that its confirm will have */
	unsigned timeout;     /* seconds, as begun */
	uint64_t begun;       /* CLOCK_MONOTONIC, ms: no packet was judged by it before */
	uint64_t deadline;    /* CLOCK_MONOTONIC, ms: the kernel does not end it before */
	uint64_t *older;      /* cookies of the TCP connections that were there when it began, ascending; see proof.h */
	size_t n_older;
	bool older_known;     /* false: any may be older */
	struct confirmed candidate;
};

#define ATTENTION_MAX 16

struct firewall {
	struct event_base *base;
	struct firewall_paths paths;
	struct sets *sets;
	struct kernel *kernel;
	struct journal *journal; /* NULL: the file cannot be had, see @degraded */
	struct monitor *monitor;
	struct upkeep *upkeep;
	struct event *clock;     /* of the trial */
	struct confirmed confirmed;
	bool guessed;            /* @confirmed is not what the file says, which could not be read: it stays as it is */
	struct trial trial;
	bool journaled[POLICY_LISTS_MAX][FAMILIES]; /* the journal has the create line, by index in the confirmed lists */
	bool gate_journaled;     /* so has it those of the gate, empty: rules that somebody saves in mid-trial name them */
	char degraded[512];      /* empty: all is well; else what is not, for status */
	firewall_ended *ended;   /* who waits for the end of a trial; may be NULL */
	void *ended_user;
	char rolled_back[256];   /* the last trial that ended without a confirm, until the next change */
};

extern const uint8_t family_af[FAMILIES];      /* AF_INET, AF_INET6 */
extern const uint8_t family_nfproto[FAMILIES]; /* NFPROTO_IPV4, NFPROTO_IPV6 */

uint64_t now_epoch(void);
uint64_t now_ms(void); /* CLOCK_MONOTONIC */

/* What is wrong, for status and syslog. Only the first is kept until firewall_new() is run again. */
void firewall_degrade(struct firewall *firewall, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* wish.c: fwd.conf as a policy with its SSH ports found. 0 or -errno with @diag (line 0 where the file cannot be read at all). */
int firewall_wish(struct firewall *firewall, struct policy *ret, struct diag *diag);

/* What stands now (confirmed and trial) as a wish for the kernel. */
int firewall_ruleset(struct firewall *firewall, struct ruleset **ret);
/* Brings the kernel to what stands now. Number of steps or -errno. */
int firewall_settle(struct firewall *firewall, struct diag *diag);
/* Whether our jumps may be moved behind foreign rules that stand behind them (DESIGN: refuses nothing, opens to nobody). */
bool firewall_jump_may_move(struct firewall *firewall, const struct ruleset *actual);

/* entries_load.c: the sets of the confirmed policy, from journal to kernel. */
int entries_load(struct firewall *firewall, struct diag *diag);
/* Refused if a foreign set of another kind has the name of one of ours; those that are missing are fine. */
int entries_check(struct firewall *firewall, const struct policy *policy, struct diag *diag);
/* Sets that rules are about to name: checked, then made where they are missing. */
int entries_ensure(struct firewall *firewall, const struct policy *policy, struct diag *diag);
/* entries_diff.c: whether two entries of one network say the same. */
bool entry_same(const struct entry *a, const struct entry *b);
/* How a network stands in kernel and journal. */
enum entry_gap {
	GAP_NONE,
	GAP_MISSING, /* in the journal only */
	GAP_OTHER,   /* in both, with another end or comment */
	GAP_REMOVED, /* in the kernel, but the journal's last word is that it went, or its time is over */
	GAP_UNKNOWN, /* in the kernel only */
};
/* Compares. @found hears the kernel's entry of each gap that has one, during the dump; what it answers but 0 ends it. *ret:
 * the gap of each of the @state's items; to be freed. -ENOENT: there is no such set. */
typedef int entries_found(enum entry_gap gap, const struct entry *entry, void *user);
int entries_compare(struct sets *sets, const char *set, const struct journal_state *state, uint64_t now, entries_found *found,
		    void *user, uint8_t **ret);
/* Tells the gaps of all sets in words, the first hundred of them and then how many more. 0 or -errno. */
typedef void entries_told(const char *line, void *user);
int entries_diff(struct firewall *firewall, entries_told *told, void *user);
/* entries.c: create lines of sets that the journal lacks; gathered, not synced. */
int entries_journal_create(struct firewall *firewall, const struct policy *policy);
/* Syncs what is gathered. Only then the create lines count as written: after a failure they are gathered again. */
int entries_journal_sync(struct firewall *firewall, const struct policy *policy, struct diag *diag);

/* trial.c */
int trial_resume(struct firewall *firewall, struct diag *diag);
/* Puts @candidate on trial, with @change answered. */
int trial_begin(struct firewall *firewall, enum trial_kind kind, const struct confirmed *candidate, struct change *change);
int trial_refuse_running(struct firewall *firewall, struct change *change); /* -EPERM */
const char *trial_name(const struct trial *trial);

/* commit.c: makes @next what is confirmed, in kernel and files. After a failure everything is as before. */
int commit_final(struct firewall *firewall, const struct confirmed *next, struct diag *diag);
/* The same, switched off: once the recorded policies are back in the kernel they are forgotten. */
int commit_off(struct firewall *firewall, const struct confirmed *next, struct diag *diag);
void commit_forget_policies(struct firewall *firewall); /* which commit_off() leaves to be done where a trial is running */
/* Answers @change with what that would change. */
int commit_dry_run(struct firewall *firewall, const struct confirmed *next, struct change *change);

/* inspect.c */
struct front {
	char text[512], hint[512]; /* what is wrong and what to do */
};
/* Whether @candidate can be put in force as things stand: no foreign rule in front lets everybody in, or keeps listed sources
 * out. @jump_last: as if our jumps were put last. True if all is well, else @ret is filled in. */
bool inspect_front(struct firewall *firewall, const struct policy *candidate, bool jump_last, struct front *ret);
/* The same of what the next boot loads: rules.v4 and rules.v6 with our part in them. A file that cannot be read is empty. */
bool inspect_files(struct firewall *firewall, const struct policy *candidate, struct front *ret);
/* What is wrong for a source that was just allowed, or an empty @note. */
void inspect_allowed(struct firewall *firewall, const struct cidr *net, char *note, size_t size);
