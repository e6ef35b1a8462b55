/*
 * clock: monotonic milliseconds for waiting, wall time for people.
 */
#ifndef GW_BASE_CLOCK_H
#define GW_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t gw_clock_ms(void);   /* monotonic */
uint64_t gw_clock_rough_ms(void); /* a few behind it, and nearly free */
double gw_clock_wall(void);   /* seconds since 1970, UTC */

/* "2021-07-30T18:02:11.093Z" (24 characters and a NUL). */
void gw_clock_format(char out[25], double wall);

#endif
