#include "base/budget.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [GW_BUDGET_REQUESTS] = "requests", [GW_BUDGET_WRITES] = "writes",
    [GW_BUDGET_DELETES] = "deletes",   [GW_BUDGET_BYTES] = "bytes",
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rest */
static uint64_t used[GW_BUDGET_KINDS], most[GW_BUDGET_KINDS];
static bool limited[GW_BUDGET_KINDS], timed;
static double minutes;
static uint64_t deadline; /* of the clock, ms */
static char spent[256];

void gw_budget_limit(enum gw_budget kind, uint64_t value)
{
  pthread_mutex_lock(&lock);
  if (!limited[kind] || value < most[kind])
    most[kind] = value;
  limited[kind] = true;
  pthread_mutex_unlock(&lock);
}

void gw_budget_minutes(double value)
{
  uint64_t end = gw_clock_ms() + (uint64_t)(value * 60000);

  pthread_mutex_lock(&lock);
  if (!timed || end < deadline) {
    deadline = end;
    minutes = value;
  }
  timed = true;
  pthread_mutex_unlock(&lock);
}

/* Under the lock. */
static int refuse(const char *op, const char *which, const char *value,
                  const char *what, struct gw_err *err)
{
  struct gw_err e = {0};

  gw_err_set(&e, GW_EBUDGET, op, "the budget %s = %s is used up: %.170s", which,
             value, what);
  if (!spent[0])
    (void)snprintf(spent, sizeof(spent), "%s", e.message);
  if (err)
    *err = e;
  return -1;
}

static int check(const uint64_t use[GW_BUDGET_KINDS], const char *op,
                 const char *what, struct gw_err *err)
{
  char value[32];

  if (timed && gw_clock_ms() >= deadline) {
    (void)snprintf(value, sizeof(value), "%g", minutes);
    return refuse(op, "minutes", value, what, err);
  }
  for (int i = 0; i < GW_BUDGET_KINDS; i++) {
    if (!limited[i] || use[i] == 0 ||
        (used[i] <= most[i] && use[i] <= most[i] - used[i]))
      continue;
    (void)snprintf(value, sizeof(value), "%llu", (unsigned long long)most[i]);
    return refuse(op, names[i], value, what, err);
  }
  return 0;
}

int gw_budget_take(const uint64_t use[GW_BUDGET_KINDS], const char *op,
                   const char *what, struct gw_err *err)
{
  int rc;

  pthread_mutex_lock(&lock);
  rc = check(use, op, what, err);
  for (int i = 0; rc == 0 && i < GW_BUDGET_KINDS; i++)
    used[i] += use[i];
  pthread_mutex_unlock(&lock);
  return rc;
}

int gw_budget_take_bytes(uint64_t n, const char *op, const char *what,
                         struct gw_err *err)
{
  uint64_t use[GW_BUDGET_KINDS] = {[GW_BUDGET_BYTES] = n};

  return gw_budget_take(use, op, what, err);
}

int64_t gw_budget_left_ms(void)
{
  uint64_t now = gw_clock_ms();
  int64_t left = -1;

  pthread_mutex_lock(&lock);
  if (timed)
    left = now < deadline ? (int64_t)(deadline - now) : 0;
  pthread_mutex_unlock(&lock);
  return left;
}

uint64_t gw_budget_used(enum gw_budget kind)
{
  uint64_t n;

  pthread_mutex_lock(&lock);
  n = used[kind];
  pthread_mutex_unlock(&lock);
  return n;
}

const char *gw_budget_name(enum gw_budget kind)
{
  return kind < GW_BUDGET_KINDS ? names[kind] : NULL;
}

void gw_budget_spent(char out[256])
{
  pthread_mutex_lock(&lock);
  memcpy(out, spent, sizeof(spent));
  pthread_mutex_unlock(&lock);
}

void gw_budget_reset(void)
{
  pthread_mutex_lock(&lock);
  memset(used, 0, sizeof(used));
  memset(limited, 0, sizeof(limited));
  memset(spent, 0, sizeof(spent));
  timed = false;
  pthread_mutex_unlock(&lock);
}
