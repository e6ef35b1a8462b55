#include "git/commit.h"
#include "base/buf.h"
#include "git/internal.h"

#include <stdlib.h>
#include <string.h>

#define OP "git.commit"

static int no_memory(struct gw_err *err)
{
  return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
}

static int find(git_commit **out, struct gw_repo *repo, const char *hex,
                struct gw_err *err)
{
  git_oid id;

  if (gw_git_parse_id(&id, hex, OP, err) != 0)
    return -1;
  int rc = git_commit_lookup(out, gw_repo_git(repo), &id);
  if (rc == GIT_ENOTFOUND) {
    git_error_clear();
    return gw_err_set(err, GW_ENOTFOUND, OP, "the store has no commit %s",
                      hex);
  }
  return rc < 0 ? gw_err_git_what(err, OP, hex, rc) : 0;
}

/* --- reading ----------------------------------------------------------- */

static bool take_person(struct gw_person *out, const git_signature *sig)
{
  out->name = strdup(sig->name ? sig->name : "");
  out->email = strdup(sig->email ? sig->email : "");
  out->time = sig->when.time;
  out->offset = sig->when.offset;
  return out->name && out->email;
}

int gw_commit_read(struct gw_repo *repo, const char *hex,
                   struct gw_commit *out, struct gw_err *err)
{
  git_commit *c = NULL;

  memset(out, 0, sizeof(*out));
  if (find(&c, repo, hex, err) != 0)
    return -1;
  const char *encoding = git_commit_message_encoding(c);
  gw_git_hex(out->id, git_commit_id(c));
  gw_git_hex(out->tree, git_commit_tree_id(c));
  out->parent_count = git_commit_parentcount(c);
  out->parents = calloc(out->parent_count + 1, sizeof(*out->parents));
  out->message = strdup(git_commit_message_raw(c));
  out->encoding = encoding ? strdup(encoding) : NULL;
  bool ok = out->parents && out->message && (!encoding || out->encoding) &&
            take_person(&out->author, git_commit_author(c)) &&
            take_person(&out->committer, git_commit_committer(c));
  for (unsigned i = 0; ok && i < out->parent_count; i++)
    gw_git_hex(out->parents[i], git_commit_parent_id(c, i));
  git_commit_free(c);
  if (ok)
    return 0;
  gw_commit_dispose(out);
  return no_memory(err);
}

void gw_commit_dispose(struct gw_commit *c)
{
  free(c->parents);
  free(c->author.name);
  free(c->author.email);
  free(c->committer.name);
  free(c->committer.email);
  free(c->message);
  free(c->encoding);
  memset(c, 0, sizeof(*c));
}

/* --- making ------------------------------------------------------------ */

static int check_object(struct gw_repo *repo, const char *hex,
                        git_object_t want, struct gw_err *err)
{
  git_odb *odb = NULL;
  git_object_t type = GIT_OBJECT_INVALID;
  git_oid id;
  size_t size;

  if (gw_git_parse_id(&id, hex, OP, err) != 0)
    return -1;
  int rc = git_repository_odb(&odb, gw_repo_git(repo));
  if (rc == 0)
    rc = git_odb_read_header(&size, &type, odb, &id);
  git_odb_free(odb);
  git_error_clear();
  if (rc == 0 && type == want)
    return 0;
  return gw_err_set(err, GW_ENOTFOUND, OP, "the store has no %s %s",
                    git_object_type2string(want), hex);
}

static int put_person(struct gw_buf *out, const char *who,
                      const struct gw_person *p, struct gw_err *err)
{
  int offset = p->offset < 0 ? -p->offset : p->offset;

  if (strpbrk(p->name, "<>\n") || strpbrk(p->email, "<>\n") ||
      offset >= 100 * 60)
    return gw_err_set(err, GW_EUSAGE, OP,
                      "the %s's name, address or time zone cannot be in a "
                      "commit",
                      who);
  return gw_buf_printf(out, err, "%s %s <%s> %lld %c%02d%02d\n", who, p->name,
                       p->email, (long long)p->time, p->offset < 0 ? '-' : '+',
                       offset / 60, offset % 60);
}

static int put_all(struct gw_repo *repo, const struct gw_commit *c,
                   struct gw_buf *out, struct gw_err *err)
{
  if (check_object(repo, c->tree, GIT_OBJECT_TREE, err) != 0 ||
      gw_buf_printf(out, err, "tree %s\n", c->tree) != 0)
    return -1;
  for (size_t i = 0; i < c->parent_count; i++)
    if (check_object(repo, c->parents[i], GIT_OBJECT_COMMIT, err) != 0 ||
        gw_buf_printf(out, err, "parent %s\n", c->parents[i]) != 0)
      return -1;
  if (put_person(out, "author", &c->author, err) != 0 ||
      put_person(out, "committer", &c->committer, err) != 0)
    return -1;
  if (c->encoding && strchr(c->encoding, '\n'))
    return gw_err_set(err, GW_EUSAGE, OP, "the encoding has a line end in it");
  if (c->encoding &&
      gw_buf_printf(out, err, "encoding %s\n", c->encoding) != 0)
    return -1;
  if (gw_buf_append(out, "\n", 1, err) != 0)
    return -1;
  return gw_buf_puts(out, c->message, err);
}

int gw_commit_write(struct gw_repo *repo, struct gw_commit *c,
                    struct gw_err *err)
{
  struct gw_buf text = GW_BUF_INIT;
  git_odb *odb = NULL;
  git_oid id;
  int rc = gw_git_may_write(OP, err);

  if (rc == 0)
    rc = put_all(repo, c, &text, err);

  /* Not git_commit_create: it trims names, and ours must be as given. */
  if (rc == 0) {
    int code = git_repository_odb(&odb, gw_repo_git(repo));
    if (code == 0)
      code = git_odb_write(&id, odb, text.data, text.len, GIT_OBJECT_COMMIT);
    if (code < 0)
      rc = gw_err_git(err, OP, code);
    else
      gw_git_hex(c->id, &id);
  }
  git_odb_free(odb);
  gw_buf_dispose(&text);
  return rc;
}

/* --- history ----------------------------------------------------------- */

int gw_commit_history(struct gw_repo *repo, const char *hex, size_t limit,
                      struct gw_rows *rows, struct gw_err *err)
{
  git_commit *c = NULL, *parent = NULL;
  int rc = find(&c, repo, hex, err);

  while (rc == 0 && c && (limit == 0 || rows->count < limit)) {
    struct gw_row *row = gw_rows_add(rows, NULL, err);
    if (!row) {
      rc = -1;
      break;
    }
    gw_git_hex(row->id, git_commit_id(c));
    gw_git_hex(row->tree, git_commit_tree_id(c));
    row->number = git_commit_time(c);
    parent = NULL;
    if (git_commit_parentcount(c) > 0) {
      int code = git_commit_parent(&parent, c, 0);
      if (code < 0)
        rc = gw_err_git_what(err, "git.history", row->id, code);
    }
    git_commit_free(c);
    c = parent;
  }
  git_commit_free(c);
  return rc;
}

int gw_commit_contains(struct gw_repo *repo, const char *hex, const char *old,
                       bool *is, struct gw_err *err)
{
  git_oid id, want;

  if (gw_git_parse_id(&id, hex, OP, err) != 0 ||
      gw_git_parse_id(&want, old, OP, err) != 0)
    return -1;
  int rc = git_oid_equal(&id, &want)
               ? 1
               : git_graph_descendant_of(gw_repo_git(repo), &id, &want);
  if (rc < 0)
    return gw_err_git(err, OP, rc);
  *is = rc == 1;
  return 0;
}
