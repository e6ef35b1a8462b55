/*
 * advert: a list of references that is taken has good names and ids, and its
 * cleaned form, which libgit2 gets, says the same.
 */
#include "fuzz.h"

#include "base/path.h"
#include "git/pkt.h"

static void check_refs(const struct gw_advert *a)
{
  for (size_t i = 0; i < a->count; i++) {
    const char *name = a->refs[i].name;
    MUST(gw_git_is_id(a->refs[i].id));
    MUST(gw_git_ref_is_valid(name, strlen(name)));
    MUST(strncmp(name, "refs/heads/", 11) == 0 ||
         strncmp(name, "refs/tags/", 10) == 0);
    MUST(!strstr(name, "..") && !strstr(name, "//"));
    MUST(gw_advert_find(a, name) == a->refs[i].id);
    MUST(i == 0 || strcmp(a->refs[i - 1].name, name) < 0);
  }
  if (a->head)
    MUST(gw_git_ref_is_valid(a->head, strlen(a->head)));
  MUST(!a->head_id[0] || gw_git_is_id(a->head_id));
}

static void check_same(const struct gw_advert *a, const char *service)
{
  struct gw_advert *b = NULL;

  MUST(gw_advert_parse(&b, a->wire.data, a->wire.len, service, NULL) == 0);
  MUST(a->count == b->count);
  for (size_t i = 0; i < a->count; i++) {
    MUST(strcmp(a->refs[i].name, b->refs[i].name) == 0);
    MUST(strcmp(a->refs[i].id, b->refs[i].id) == 0);
  }
  gw_advert_unref(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const services[] = {"git-upload-pack", "git-receive-pack"};
  char *text = fuzz_text(data, size);

  for (int i = 0; i < 2; i++) {
    struct gw_advert *a = NULL;
    struct gw_err err = {0};
    size_t len;
    if (gw_advert_parse(&a, text, size, services[i], &err) != 0) {
      MUST(err.kind != GW_OK && err.message[0]);
      continue;
    }
    check_refs(a);
    check_same(a, services[i]);
    (void)gw_advert_cap(a, "symref", &len);
    (void)gw_advert_cap(a, "report-status", &len);
    gw_advert_unref(a);
  }
  free(text);
  return 0;
}
