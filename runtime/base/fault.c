#include "base/fault.h"

#ifdef GODWIT_FAULTS

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMED = 16 };

/* All of it is guarded by `lock`. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool armed;
static bool reached;
static int left;

static bool parsed;
static struct named {
  char name[40];
  long left; /* questions still to be answered with no */
} named[MAX_NAMED];
static int named_count;

static void parse_one(const char *text, size_t len)
{
  const char *colon = memchr(text, ':', len);
  size_t size = colon ? (size_t)(colon - text) : len;
  struct named *n = &named[named_count];

  if (size == 0 || size >= sizeof(n->name))
    return;
  memcpy(n->name, text, size);
  n->name[size] = '\0';
  n->left = colon ? strtol(colon + 1, NULL, 10) : 0;
  named_count++;
}

/* GODWIT_FAULT=NAME[:N][,NAME…] */
static void parse_env(void)
{
  const char *text = getenv("GODWIT_FAULT");

  parsed = true;
  while (text && *text && named_count < MAX_NAMED) {
    size_t len = strcspn(text, ",");
    parse_one(text, len);
    text += len + (text[len] == ',');
  }
}

static bool ask_named(const char *name)
{
  for (int i = 0; i < named_count; i++)
    if (strcmp(named[i].name, name) == 0) {
      if (named[i].left == 0)
        return true;
      named[i].left--;
    }
  return false;
}

bool gw_fault(const char *name)
{
  bool answer;

  (void)pthread_mutex_lock(&lock);
  if (!parsed)
    parse_env();
  answer = ask_named(name);
  if (armed && !reached && left-- == 0)
    answer = reached = true;
  (void)pthread_mutex_unlock(&lock);
  return answer;
}

void gw_fault_arm(int n)
{
  (void)pthread_mutex_lock(&lock);
  armed = true;
  reached = false;
  left = n;
  (void)pthread_mutex_unlock(&lock);
}

bool gw_fault_disarm(void)
{
  bool was;

  (void)pthread_mutex_lock(&lock);
  was = armed && reached;
  armed = reached = false;
  (void)pthread_mutex_unlock(&lock);
  return was;
}

#else

void gw_fault_arm(int n)
{
  (void)n;
}

bool gw_fault_disarm(void)
{
  return false;
}

#endif
