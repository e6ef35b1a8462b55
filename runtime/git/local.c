#include "git/local.h"
#include "git/op_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OP "git.local"

static int add_ref(struct gw_advert *a, git_repository *git, const char *name,
                   struct gw_err *err)
{
  git_oid id;
  git_tag *tag = NULL;
  git_object *named = NULL;
  char hex[GW_GIT_HEX];

  if (git_reference_name_to_id(&id, git, name) < 0) {
    git_error_clear(); /* dangling: not there for anybody */
    return 0;
  }
  gw_git_hex(hex, &id);
  if (gw_advert_add(a, name, strlen(name), hex, err) != 0)
    return -1;
  if (strncmp(name, "refs/tags/", 10) == 0 &&
      git_tag_lookup(&tag, git, &id) == 0 && git_tag_peel(&named, tag) == 0) {
    gw_git_hex(hex, git_object_id(named));
    gw_advert_peel(a, name, strlen(name), hex);
  }
  git_object_free(named);
  git_tag_free(tag);
  git_error_clear();
  return 0;
}

static int add_refs(struct gw_advert *a, git_repository *git,
                    struct gw_err *err)
{
  git_strarray names = {0};
  int rc = git_reference_list(&names, git);

  if (rc < 0)
    return gw_err_git(err, OP, rc);
  for (size_t i = 0; i < names.count && rc == 0; i++)
    rc = add_ref(a, git, names.strings[i], err);
  git_strarray_dispose(&names);
  return rc;
}

int gw_local_advert(struct gw_advert **out, const char *path,
                    const char *service, struct gw_err *err)
{
  struct gw_repo *repo = NULL;
  struct gw_advert *a = NULL;
  char head[1100];
  int rc = -1;

  if (gw_repo_open(&repo, path, err) != 0)
    return -1;
  if (gw_advert_new(&a, service, err) != 0 ||
      add_refs(a, gw_repo_git(repo), err) != 0 ||
      gw_repo_head(repo, head, sizeof(head), err) != 0)
    goto out;
  const char *id = head[0] ? gw_advert_find(a, head) : NULL;
  if (id) {
    memcpy(a->head_id, id, GW_GIT_HEX);
    a->head = strdup(head);
  }
  *out = a;
  a = NULL; /* the caller's now */
  rc = 0;
out:
  gw_advert_unref(a);
  gw_repo_free(repo);
  return rc;
}

/* --- objects ----------------------------------------------------------- */

/* All that `to` has by name and `from` knows needs no copying. */
static int hide_known(git_revwalk *walk, git_repository *from,
                      git_repository *to)
{
  git_strarray names = {0};
  git_odb *odb = NULL;
  int rc = git_repository_odb(&odb, from);

  if (rc == 0)
    rc = git_reference_list(&names, to);
  for (size_t i = 0; i < names.count && rc == 0; i++) {
    git_oid id;
    size_t len;
    git_object_t type;
    if (git_reference_name_to_id(&id, to, names.strings[i]) == 0 &&
        git_odb_exists(odb, &id) == 1 &&
        git_odb_read_header(&len, &type, odb, &id) == 0 &&
        type == GIT_OBJECT_COMMIT)
      rc = git_revwalk_hide(walk, &id);
  }
  git_strarray_dispose(&names);
  git_odb_free(odb);
  git_error_clear();
  return rc;
}

/* An annotated tag: the tag objects, then what they name. */
static int insert_tags(git_packbuilder *pb, git_repository *from, git_oid *id)
{
  git_object *object = NULL;
  int rc;

  while ((rc = git_object_lookup(&object, from, id, GIT_OBJECT_ANY)) == 0 &&
         git_object_type(object) == GIT_OBJECT_TAG) {
    rc = git_packbuilder_insert(pb, id, NULL);
    git_oid_cpy(id, git_tag_target_id((git_tag *)object));
    git_object_free(object);
    object = NULL;
    if (rc < 0)
      return rc;
  }
  git_object_free(object);
  return rc;
}

int gw_git_copy_objects(struct gw_git_op *op, git_repository *from,
                        git_repository *to, const git_oid *want,
                        struct gw_err *err)
{
  git_packbuilder *pb = NULL;
  git_revwalk *walk = NULL;
  git_oid id = *want;
  char path[4096];
  int rc = git_packbuilder_new(&pb, from);

  (void)snprintf(path, sizeof(path), "%s/objects/pack",
                 git_repository_path(to));
  if (rc == 0)
    rc = git_packbuilder_set_callbacks(pb, gw_git_on_packed, op);
  if (rc == 0)
    rc = git_revwalk_new(&walk, from);
  if (rc == 0)
    rc = insert_tags(pb, from, &id);
  if (rc == 0)
    rc = git_revwalk_push(walk, &id);
  if (rc == 0)
    rc = hide_known(walk, from, to);
  if (rc == 0)
    rc = git_packbuilder_insert_walk(pb, walk);
  if (rc == 0 && git_packbuilder_object_count(pb) > 0)
    rc = git_packbuilder_write(pb, path, 0444, gw_git_on_indexed, op);
  git_revwalk_free(walk);
  git_packbuilder_free(pb);
  return rc < 0 ? gw_git_op_fail(op, rc, err) : 0;
}
