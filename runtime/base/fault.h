/*
 * fault: makes a call that can fail, fail on purpose.
 *
 * Every place that can fail for an outside reason asks gw_fault("name")
 * first. Built without GODWIT_FAULTS the question costs nothing and is always
 * answered with no. Two ways to arm: gw_fault_arm(n) for unit tests (the n-th
 * question from now fails, counted from 0), and the environment variable
 * GODWIT_FAULT=NAME[:N][,NAME…] for whole-program tests (the N-th question
 * with that name fails, and every later one).
 */
#ifndef GW_BASE_FAULT_H
#define GW_BASE_FAULT_H

#include <stdbool.h>

#ifdef GODWIT_FAULTS
bool gw_fault(const char *name); /* any thread */
#else
#define gw_fault(name) false
#endif

void gw_fault_arm(int n);
bool gw_fault_disarm(void); /* true if the armed fault was reached */

#endif
