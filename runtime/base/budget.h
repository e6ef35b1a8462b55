/*
 * budget: how much a run may do, taken where it starts. What is used is
 * counted always; nothing is limited until a limit is set.
 *
 * Threads: any.
 */
#ifndef GW_BASE_BUDGET_H
#define GW_BASE_BUDGET_H

#include "base/err.h"

#include <stdint.h>

enum gw_budget {
  GW_BUDGET_REQUESTS,
  GW_BUDGET_WRITES,  /* requests that are no reads, files written */
  GW_BUDGET_DELETES, /* DELETE requests, files removed */
  GW_BUDGET_BYTES,   /* of bodies, both ways */
  GW_BUDGET_KINDS
};

/* From here on at most that many in all, what is used already included. A
 * limit only shrinks. */
void gw_budget_limit(enum gw_budget kind, uint64_t most);
/* From here on so many minutes. */
void gw_budget_minutes(double minutes);

/*
 * Takes all of use[], or nothing: GW_EBUDGET with the budget, its value and
 * `what` ("DELETE https://… was not sent") when one has not that much left, or
 * when the time is over.
 */
int gw_budget_take(const uint64_t use[GW_BUDGET_KINDS], const char *op,
                   const char *what, struct gw_err *err);
int gw_budget_take_bytes(uint64_t n, const char *op, const char *what,
                         struct gw_err *err);

/* The milliseconds left of the minutes; -1: they are not limited. */
int64_t gw_budget_left_ms(void);
uint64_t gw_budget_used(enum gw_budget kind);
/* "requests"; NULL past the last. */
const char *gw_budget_name(enum gw_budget kind);
/* Which budget was the first to be used up, as its error said; "": none. */
void gw_budget_spent(char out[256]);

/* For tests: as at the start of the process. */
void gw_budget_reset(void);

#endif
