#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t gw_clock_ms(void)
{
  struct timespec ts;

  (void)clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t gw_clock_rough_ms(void)
{
  struct timespec ts;

  (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
  return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

double gw_clock_wall(void)
{
  struct timespec ts;

  (void)clock_gettime(CLOCK_REALTIME, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void gw_clock_format(char out[25], double wall)
{
  static const double last = 253402300799.9995; /* the end of the year 9999 */
  struct tm tm;
  time_t sec;
  int ms;

  if (!(wall >= 0)) /* a NaN, too */
    wall = 0;
  if (wall > last)
    wall = last;
  /* The double nearest to .093 may lie just below it. */
  wall += 1e-6;
  sec = (time_t)wall;
  ms = (int)((wall - (double)sec) * 1000);
  (void)gmtime_r(&sec, &tm);
  (void)snprintf(out, 25, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                 (unsigned)(tm.tm_year + 1900) % 10000u,
                 (unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u,
                 (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
                 (unsigned)tm.tm_sec % 100u, (unsigned)ms % 1000u);
}
