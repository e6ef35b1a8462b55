/*
 * versionmap: which version at the destination came from which at the source.
 * Kept for good; one row for each pair of commits and places.
 *
 * The store is SQLite (WAL) behind this header, so that another database can
 * take its place. A field is text; NULL and "" both mean "not known".
 *
 * Threads: any; blocking; one call at a time enters the store. Several
 * processes may have it open.
 */
#ifndef GW_JOURNAL_VERSIONMAP_H
#define GW_JOURNAL_VERSIONMAP_H

#include "base/err.h"

enum gw_vmap_field {
  GW_VMAP_SOURCE_CLUSTER,
  GW_VMAP_SOURCE_OWNER,
  GW_VMAP_SOURCE_NAME,
  GW_VMAP_SOURCE_VERSION,
  GW_VMAP_SOURCE_COMMIT,
  GW_VMAP_SOURCE_TREE,
  GW_VMAP_EXPECTED_TREE,
  GW_VMAP_POLICY_DIGEST,
  GW_VMAP_SETTINGS_DIGEST,
  GW_VMAP_DEST_CLUSTER,
  GW_VMAP_DEST_OWNER,
  GW_VMAP_DEST_NAME,
  GW_VMAP_DEST_VERSION,
  GW_VMAP_DEST_COMMIT,
  GW_VMAP_CREATED_AT, /* "2021-07-30T18:02:11.093Z": sorts as text */
  GW_VMAP_RUN,
  GW_VMAP_WHO,
  GW_VMAP_FIELDS
};

/* "source_cluster" and so on, in the order above. */
extern const char *const gw_vmap_names[GW_VMAP_FIELDS];

struct gw_vmap_row {
  const char *field[GW_VMAP_FIELDS];
};

/* What is not NULL must be equal. The last five look on either side: rows
 * where they are all the source's, or all the destination's. */
struct gw_vmap_filter {
  const char *field[GW_VMAP_FIELDS];
  const char *cluster, *owner, *name, *version, *commit;
};

struct gw_vmap_rows {
  struct gw_vmap_row *rows; /* newest first */
  size_t count;
};

struct gw_vmap;

/* Makes folder (0700) and file (0600) if missing. Faults: vmap.open, vmap.put
 * (ENOSPC), vmap.find. */
int gw_vmap_open(struct gw_vmap **out, const char *path, struct gw_err *err);
void gw_vmap_close(struct gw_vmap *map); /* accepts NULL */

/* A row of the same places and commits is brought up to date: what the new
 * one does not know stays. Without created_at it is now. Durable on return. */
int gw_vmap_put(struct gw_vmap *map, const struct gw_vmap_row *row,
                struct gw_err *err);

/* limit 0: all. */
int gw_vmap_find(struct gw_vmap *map, const struct gw_vmap_filter *filter,
                 size_t limit, struct gw_vmap_rows *out, struct gw_err *err);
void gw_vmap_rows_dispose(struct gw_vmap_rows *rows);

/* Removes what the filter finds; an empty filter is GW_EUSAGE. */
int gw_vmap_clear(struct gw_vmap *map, const struct gw_vmap_filter *filter,
                  size_t *removed, struct gw_err *err);

#endif
