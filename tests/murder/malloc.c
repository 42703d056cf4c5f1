/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * malloc - lets each allocation of a hook fail, once, and once with all that
 * come after it.
 */
#include "ordeal.h"
#include "record.h"

#include <errno.h>
#include <stdio.h>

static void
play (const struct series *series, unsigned number, struct verdict *v)
{
  char preload[STAGE_PATH + 20], path[STAGE_PATH + 16], record[STAGE_PATH + 40], nth[40];
  struct ordeal o;

  ordeal_begin (&o, v, (enum ordeal_plot) series->kind[0], (enum layout) series->kind[3],
                (uint32_t) series->kind[1]);
  struct role r = role_of (o.layout, STAGE_TASKS, o.procid, ORDEAL_TIMEOUT);
  (void) snprintf (path, sizeof path, "%s/record-0", o.scene.base);
  const struct record *noted = record_make (path);
  (void) snprintf (preload, sizeof preload, "LD_PRELOAD=%s", stage.shim);
  (void) snprintf (record, sizeof record, "MURDER_RECORD=%s", path);
  (void) snprintf (nth, sizeof nth, "MURDER_MALLOC=%u", number);
  r.env[0] = preload;
  r.env[1] = record;
  r.env[2] = nth;
  o.lasting = series->kind[2] != 0;
  r.env[3] = o.lasting ? "MURDER_MALLOC_ALL=1" : NULL;
  o.victim = cast_start (&o.cast, &o.scene, &r, ACTOR_FREE);
  if (!o.others)
    cast_settle (&o.cast);
  ordeal_wait (&o);
  if (noted->loaded == 0)
    verdict_fail (v, "the hook ran without the shim");
  v->unreached = noted->failed == 0;
  ordeal_check (&o, noted->failed > 0 ? ENOMEM : 0);
  if (!v->unreached)
    ordeal_repeat (&o);
  ordeal_end (&o, nth);
  record_free (noted);
}

/* The one who comes first leads, the last one is a member. */
static const struct
{
  enum layout layout;
  uint32_t procid;
  enum ordeal_plot plot;
} victims[] = {
  { LAYOUT_FIRST, 0, ORDEAL_LAST }, { LAYOUT_FIRST, 0, ORDEAL_FIRST },
  { LAYOUT_FIRST, 2, ORDEAL_LAST }, { LAYOUT_LAST, 0, ORDEAL_FIRST },
  { LAYOUT_LAST, 1, ORDEAL_LAST },  { LAYOUT_LAST, 1, ORDEAL_FIRST },
  { LAYOUT_WHOLE_FIRST, 0, ORDEAL_LAST },
};
#define VICTIMS (sizeof victims / sizeof *victims)

int
main (int argc, char **argv)
{
  static struct series all[2 * VICTIMS];
  size_t count = 0;

  (void) pool_options (argc, argv, 32);
  stage_open ();
  for (size_t i = 0; i < VICTIMS; i++)
    for (int lasting = 0; lasting < 2; lasting++)
      {
        struct series *s = &all[count++];

        s->kind[0] = victims[i].plot;
        s->kind[1] = (int) victims[i].procid;
        s->kind[2] = lasting;
        s->kind[3] = victims[i].layout;
        (void) snprintf (s->name, sizeof s->name, "no memory%s: procid %u, %s, %s",
                         lasting != 0 ? " from then on" : "", victims[i].procid,
                         layout_names[victims[i].layout], ordeal_plots[victims[i].plot]);
      }
  return pool_run (all, count, play, "failed allocations");
}
