/*
 * guard: the last word on what leaves this process.
 */
#include "net/guard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OP "http"

struct rule {
  char *origin, *path; /* path "": all of it */
  char *verbs, *says;
};

struct gw_guard {
  bool plan;
  bool restricted;
  char **origins;
  size_t count;
  char *shut; /* why; NULL: it is not */
  bool ruled;
  struct rule *rules;
  size_t rule_count;
  char **known;
  size_t known_count;
};

struct gw_guard *gw_guard_new(struct gw_err *err)
{
  struct gw_guard *guard = calloc(1, sizeof(*guard));

  if (!guard)
    gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  return guard;
}

static void free_rule(struct rule *rule)
{
  free(rule->origin);
  free(rule->path);
  free(rule->verbs);
  free(rule->says);
}

void gw_guard_free(struct gw_guard *guard)
{
  if (!guard)
    return;
  for (size_t i = 0; i < guard->count; i++)
    free(guard->origins[i]);
  for (size_t i = 0; i < guard->rule_count; i++)
    free_rule(&guard->rules[i]);
  for (size_t i = 0; i < guard->known_count; i++)
    free(guard->known[i]);
  free(guard->origins);
  free(guard->rules);
  free(guard->known);
  free(guard->shut);
  free(guard);
}

static int no_memory(struct gw_err *err)
{
  return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
}

void gw_guard_plan(struct gw_guard *guard)
{
  guard->plan = true;
}

bool gw_guard_is_plan(const struct gw_guard *guard)
{
  return guard->plan;
}

static int add_origin(struct gw_guard *guard, struct gw_buf *origin,
                      struct gw_err *err)
{
  char **grown =
      realloc(guard->origins, (guard->count + 1) * sizeof(*grown));
  size_t len;

  if (!grown)
    return no_memory(err);
  guard->origins = grown;
  grown[guard->count++] = gw_buf_steal(origin, &len);
  return 0;
}

int gw_guard_allow_write(struct gw_guard *guard, const char *origin,
                         struct gw_err *err)
{
  struct gw_buf text = GW_BUF_INIT;
  struct gw_url url;
  int rc;

  guard->restricted = true; /* also when the name is bad: fail closed */
  if (!origin)
    return 0;
  if (gw_url_parse(&url, origin, err) != 0)
    return -1;
  rc = gw_url_origin(&url, &text, err);
  gw_url_dispose(&url);
  if (rc == 0)
    rc = add_origin(guard, &text, err);
  gw_buf_dispose(&text);
  return rc;
}

static bool ends_with(const char *text, const char *end)
{
  size_t len = strlen(text), n = strlen(end);

  return len >= n && strcmp(text + len - n, end) == 0;
}

bool gw_guard_is_read(const char *method, const struct gw_url *url,
                      const char *content_type)
{
  if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
    return true;
  return strcmp(method, "POST") == 0 && content_type &&
         strcasecmp(content_type, "application/x-git-upload-pack-request") ==
             0 &&
         ends_with(url->path, "/git-upload-pack") && !url->query;
}

/* --- permissions ------------------------------------------------------- */

int gw_guard_shut(struct gw_guard *guard, const char *why, struct gw_err *err)
{
  char *copy = why ? strdup(why) : NULL;

  if (why && !copy)
    return no_memory(err);
  free(guard->shut);
  guard->shut = copy;
  return 0;
}

static int fill_rule(struct rule *rule, const struct gw_url *url,
                     const char *verbs, const char *says, struct gw_err *err)
{
  struct gw_buf origin = GW_BUF_INIT;
  size_t len = strlen(url->path);

  if (gw_url_origin(url, &origin, err) != 0)
    return -1;
  rule->origin = gw_buf_steal(&origin, &(size_t){0});
  while (len > 0 && url->path[len - 1] == '/')
    len--;
  rule->path = strndup(url->path, len);
  rule->verbs = strdup(verbs);
  rule->says = strdup(says);
  if (rule->origin && rule->path && rule->verbs && rule->says)
    return 0;
  free_rule(rule);
  return no_memory(err);
}

int gw_guard_rule(struct gw_guard *guard, const char *place, const char *verbs,
                  const char *says, struct gw_err *err)
{
  struct rule *grown;
  struct gw_url url;
  int rc;

  guard->ruled = true; /* also when the place is bad: fail closed */
  (void)gw_guard_shut(guard, NULL, err);
  if (!place)
    return 0;
  grown = realloc(guard->rules, (guard->rule_count + 1) * sizeof(*grown));
  if (!grown)
    return no_memory(err);
  guard->rules = grown;
  if (gw_url_parse(&url, place, err) != 0)
    return -1;
  rc = fill_rule(&grown[guard->rule_count], &url, verbs, says, err);
  gw_url_dispose(&url);
  if (rc == 0)
    guard->rule_count++;
  return rc;
}

bool gw_guard_is_ruled(const struct gw_guard *guard)
{
  return guard->ruled || guard->shut;
}

int gw_guard_know(struct gw_guard *guard, const char *text, struct gw_err *err)
{
  char **grown;

  if (!text)
    return 0;
  grown = realloc(guard->known, (guard->known_count + 1) * sizeof(*grown));
  if (!grown)
    return no_memory(err);
  guard->known = grown;
  grown[guard->known_count] = strdup(text);
  if (!grown[guard->known_count])
    return no_memory(err);
  guard->known_count++;
  return 0;
}

int gw_guard_check_known(const struct gw_guard *guard, const char *text,
                         struct gw_err *err)
{
  if (!text || !*text || !gw_guard_is_ruled(guard))
    return 0;
  for (size_t i = 0; i < guard->known_count; i++)
    if (strcmp(guard->known[i], text) == 0)
      return 0;
  return gw_err_set(err, GW_EDENIED, OP,
                    "%.120s is not used: a script with permissions names no "
                    "proxy and no files of certificates itself; the "
                    "environment and profiles do",
                    text);
}

/* The byte that %XX at text stands for; -1: none. */
static int decoded(const char *text)
{
  int value = 0;

  for (int i = 1; i <= 2; i++) {
    char c = text[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0)
      return -1;
    value = value * 16 + digit;
  }
  return value;
}

/* Servers differ in what they make of these: they decode once or twice, take
 * '\\' for '/', drop what stands behind ';'. */
static bool is_certain(const char *path)
{
  if (*path != '/')
    return false;
  for (const char *p = path; *p; p++) {
    int c = *p == '%' ? decoded(p) : (unsigned char)*p;
    if (c < 0 || strchr("\\;%", c) || c < 0x20 || (c == '/' && *p == '%') ||
        (c == '.' && *p == '%'))
      return false;
    if (*p == '/' && (p[1] == '/' || strncmp(p, "/./", 3) == 0 ||
                      strncmp(p, "/../", 4) == 0 || strcmp(p, "/.") == 0 ||
                      strcmp(p, "/..") == 0))
      return false;
  }
  return true;
}

bool gw_guard_is_below(const char *path, const char *above)
{
  size_t len = strlen(above);

  return len == 0 ||
         (is_certain(path) && strncmp(path, above, len) == 0 &&
          (path[len] == '\0' || path[len] == '/'));
}

static bool has_word(const char *words, const char *word)
{
  size_t len = strlen(word);

  for (const char *p = words; *p; p += strcspn(p, " ")) {
    p += strspn(p, " ");
    if (strncmp(p, word, len) == 0 && (p[len] == ' ' || p[len] == '\0'))
      return true;
  }
  return false;
}

/* What permissions call it: the question before a push belongs to the push, so
 * that who may only fetch learns nothing of what may be pushed. */
static const char *verb_of(const char *method, const struct gw_url *url,
                           const char *content_type)
{
  if (strcmp(method, "GET") == 0 && ends_with(url->path, "/info/refs") &&
      url->query && strcmp(url->query, "service=git-upload-pack") != 0)
    return "POST";
  if (gw_guard_is_read(method, url, content_type))
    return "GET";
  return method;
}

static bool has_verb(const struct rule *rule, const char *verb,
                     const char *method)
{
  return strcmp(rule->verbs, "*") == 0 || has_word(rule->verbs, verb) ||
         (strcmp(method, "HEAD") == 0 && has_word(rule->verbs, method));
}

/* An origin as people write it. */
static void show(char out[160], const char *origin)
{
  size_t len = strlen(origin);

  if (ends_with(origin, ":443") && strncmp(origin, "https:", 6) == 0)
    len -= 4;
  else if (ends_with(origin, ":80") && strncmp(origin, "http:", 5) == 0)
    len -= 3;
  if (len > 159)
    len = 159;
  memcpy(out, origin, len);
  out[len] = '\0';
}

static int check_rules(const struct gw_guard *guard, const char *method,
                       const struct gw_url *url, const char *content_type,
                       const char *origin, struct gw_err *err)
{
  const char *verb = verb_of(method, url, content_type), *says = NULL;
  char shown[160];

  for (size_t i = 0; i < guard->rule_count; i++) {
    const struct rule *rule = &guard->rules[i];
    if (strcmp(rule->origin, origin) != 0)
      continue;
    says = rule->says;
    if (gw_guard_is_below(url->path, rule->path) &&
        has_verb(rule, verb, method))
      return 0;
  }
  show(shown, origin);
  if (says)
    return gw_err_set(err, GW_EDENIED, OP,
                      "%.10s to %.60s%.60s is not allowed: the permissions "
                      "of this script say %.90s",
                      verb, shown, url->path, says);
  return gw_err_set(err, GW_EDENIED, OP,
                    "%.10s to %.70s is not allowed: the permissions in the "
                    "head of this script do not name it, as in hosts = { "
                    "[\"%.70s\"] = { \"%.10s\" } }",
                    verb, shown, shown, verb);
}

/* --- the question ------------------------------------------------------ */

static bool may_write(const struct gw_guard *guard, const char *origin)
{
  for (size_t i = 0; i < guard->count; i++)
    if (strcmp(guard->origins[i], origin) == 0)
      return true;
  return false;
}

static int check_origin(const struct gw_guard *guard, const char *method,
                        const struct gw_url *url, const char *content_type,
                        const char *origin, struct gw_err *err)
{
  bool read = gw_guard_is_read(method, url, content_type);

  if (guard->shut)
    return gw_err_set(err, GW_EDENIED, OP, "%.10s to %.80s: %s", method,
                      origin, guard->shut);
  if (guard->ruled &&
      check_rules(guard, method, url, content_type, origin, err) != 0)
    return -1;
  if (!read && guard->plan)
    return gw_err_set(err, GW_EDENIED, OP,
                      "%s to %s is not sent: this is a plan, only reads leave "
                      "it",
                      method, origin);
  if (read || guard->ruled || !guard->restricted || may_write(guard, origin))
    return 0;
  return gw_err_set(err, GW_EDENIED, OP,
                    "%s to %s is not allowed: name its cluster with "
                    "--allow-write",
                    method, origin);
}

int gw_guard_check(const struct gw_guard *guard, const char *method,
                   const struct gw_url *url, const char *content_type,
                   struct gw_err *err)
{
  struct gw_buf origin = GW_BUF_INIT;
  int rc = gw_url_origin(url, &origin, err);

  if (rc == 0)
    rc = check_origin(guard, method, url, content_type, origin.data, err);
  gw_buf_dispose(&origin);
  return rc;
}
