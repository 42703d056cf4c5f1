/* SPDX-License-Identifier: BSD-3-Clause */
#include "record.h"

#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const struct record *
record_make (const char *path)
{
  int fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  struct record *r;

  /* Hooks open it before they become the user, or are the user anyway. */
  if (fd < 0 || ftruncate (fd, sizeof *r) != 0)
    stage_die ("cannot make %s", path);
  r = mmap (NULL, sizeof *r, PROT_READ, MAP_SHARED, fd, 0);
  if (r == MAP_FAILED)
    stage_die ("cannot map %s", path);
  (void) close (fd);
  return r;
}

void
record_free (const struct record *r)
{
  if (r != NULL)
    (void) munmap ((void *) (uintptr_t) r, sizeof *r);
}

static bool
place_is (const struct record_place *a, const struct record_place *b)
{
  return a->inode == b->inode && a->generation == b->generation && a->born == b->born;
}

/* Whether it may have happened: a hook that is killed in a call, or before it
 * could note the result, may have done it. */
static bool
event_may_have (const struct record_event *e, enum record_what what)
{
  return e->what == what && (e->result == 0 || e->result == RECORD_UNKNOWN);
}

static bool
event_has (const struct record_event *e, enum record_what what)
{
  return e->what == what && e->result == 0;
}

bool
record_has_joined (const struct record *r)
{
  for (uint32_t i = 0; i < r->used; i++)
    if (event_has (&r->event[i], RECORD_JOIN))
      return true;
  return false;
}

/* When the instance at PLACE began to be released, as far as its releaser, who
 * may have been killed over it, could note; INT64_MAX if it never was. */
static int64_t
recorded_release (const struct recorded *list, size_t count, const struct record_place *place)
{
  int64_t release = INT64_MAX;

  for (size_t h = 0; h < count; h++)
    for (uint32_t i = 0; i < list[h].record->used; i++)
      {
        const struct record_event *e = &list[h].record->event[i];

        if (event_may_have (e, RECORD_RELEASE) && place_is (&e->place, place)
            && e->before < release)
          release = e->before;
      }
  return release;
}

/* Where H was a member last, by its own mark or by a leader's word; NULL if it
 * never was. */
static const struct record_event *
recorded_membership (const struct recorded *h)
{
  const struct record_event *last = NULL;

  for (uint32_t i = 0; i < h->record->used; i++)
    if (event_has (&h->record->event[i], RECORD_ARRIVE)
        || event_has (&h->record->event[i], RECORD_JOIN))
      last = &h->record->event[i];
  return last;
}

/* Is H a member of the instance at PLACE, released at RELEASE?  A leader has taken
 * it there, or its mark was in arrival when that was released.  Who arrives
 * later is a late-comer, and goes to the next. */
static bool
recorded_member (const struct recorded *h, const struct record_place *place, int64_t release)
{
  bool member = false;

  for (uint32_t i = 0; i < h->record->used; i++)
    {
      const struct record_event *e = &h->record->event[i];

      if (!place_is (&e->place, place))
        continue;
      if (event_has (e, RECORD_JOIN) || event_has (e, RECORD_DEPART)
          || (event_has (e, RECORD_ARRIVE) && e->after < release))
        member = true;
      else if (event_has (e, RECORD_LEAVE))
        member = false;
    }
  return member;
}

/* Had somebody arrived for RANK at PLACE by TIME, */
static bool
recorded_arrival (const struct recorded *list, size_t count, uint32_t rank,
                  const struct record_place *place, int64_t time)
{
  for (size_t h = 0; h < count; h++)
    for (uint32_t i = 0; i < list[h].record->used; i++)
      {
        const struct record_event *e = &list[h].record->event[i];

        if (event_may_have (e, RECORD_ARRIVE) && (e->ranks >> rank & 1) != 0 && e->before <= time
            && place_is (&e->place, place))
          return true;
      }
  return false;
}

/* and had a hook of that task come there itself? */
static bool
recorded_coming (const struct recorded *list, size_t count, uint32_t rank,
                 const struct record_place *place, int64_t time)
{
  for (size_t h = 0; h < count; h++)
    for (uint32_t i = 0; (list[h].ranks >> rank & 1) != 0 && i < list[h].record->used; i++)
      {
        const struct record_event *e = &list[h].record->event[i];

        if ((event_may_have (e, RECORD_ARRIVE) || event_may_have (e, RECORD_ASK)) && e->before <= time
            && place_is (&e->place, place))
          return true;
      }
  return false;
}

/* Whether another has arrived, before the release, for a task that E is an
 * arrival for.  In a barrier that was called off nobody is counted. */
static bool
recorded_twice (const struct recorded *list, size_t count, const struct record_event *e)
{
  int64_t release = recorded_release (list, count, &e->place);

  for (size_t h = 0; release < INT64_MAX && h < count; h++)
    for (uint32_t i = 0; i < list[h].record->used; i++)
      {
        const struct record_event *other = &list[h].record->event[i];

        if (other != e && event_has (other, RECORD_ARRIVE) && (other->ranks & e->ranks) != 0
            && other->after < release && e->after < release && place_is (&other->place, &e->place))
          return true;
      }
  return false;
}

/* The next event at PLACE that comes after TIME in LIST; *HOOK: whose it is. */
static const struct record_event *
recorded_next (const struct recorded *list, size_t count, const struct record_place *place,
               int64_t time, size_t *hook)
{
  const struct record_event *next = NULL;

  for (size_t h = 0; h < count; h++)
    for (uint32_t i = 0; i < list[h].record->used; i++)
      {
        const struct record_event *e = &list[h].record->event[i];

        if (!place_is (&e->place, place) || e->before <= time
            || (next != NULL && e->before >= next->before))
          continue;
        next = e;
        *hook = h;
      }
  return next;
}

/* Appends to WHY all that was done at PLACE. */
static void
recorded_describe (const struct recorded *list, size_t count, const struct record_place *place,
                   char *why, size_t size)
{
  static const char *const what[] = { "", "arrives", "withdraws", "departs", "releases", "ends it",
                                      "leads", "asks", "is taken", "is sent away" };
  const struct record_event *e;
  int64_t time = 0, first = 0;
  size_t n = strlen (why), h = 0;

  while (n < size && (e = recorded_next (list, count, place, time, &h)) != NULL)
    {
      time = e->before;
      first = first == 0 ? time : first;
      n += (size_t) snprintf (why + n, size - n,
                              "\n#     %.6f to %.6f: hook %zu (procid %u, exits %d) %s (%llx): %d",
                              (double) (time - first) / 1e9,
                              e->after == 0 ? -1.0 : (double) (e->after - first) / 1e9, h,
                              list[h].procid, list[h].status, what[e->what],
                              (unsigned long long) e->ranks, e->result);
    }
}

/* Hook number ONE exited 0, from the instance at PLACE. */
static bool
check_release (const struct recorded *list, size_t count, size_t one,
               const struct record_place *place, char *why, size_t size)
{
  int64_t release = recorded_release (list, count, place);

  for (uint32_t rank = 0; rank < list[one].tasks; rank++)
    if (!recorded_arrival (list, count, rank, place, list[one].ended)
        || !recorded_coming (list, count, rank, place, list[one].ended))
      {
        (void) snprintf (why, size, "safety: a hook of procid %u exited 0 before procid %u arrived",
                         list[one].procid, rank);
        return false;
      }
  for (size_t h = 0; h < count; h++)
    {
      if (h == one || !recorded_member (&list[h], place, release))
        continue;
      if (list[h].procid == list[one].procid)
        (void) snprintf (why, size, "two hooks of procid %u were in the same barrier",
                         list[one].procid);
      else if (list[h].status != 0 && !list[h].murdered)
        (void) snprintf (why, size,
                         "agreement: a hook of procid %u exited %d, one of procid %u in the same "
                         "barrier 0",
                         list[h].procid, list[h].status, list[one].procid);
      else
        continue;
      return false;
    }
  return true;
}

/* Whether H arrived at PLACE. */
static bool
recorded_arrived (const struct recorded *h, const struct record_place *place)
{
  for (uint32_t i = 0; i < h->record->used; i++)
    {
      const struct record_event *e = &h->record->event[i];

      if (event_may_have (e, RECORD_ARRIVE) && place_is (&e->place, place))
        return true;
    }
  return false;
}

/* Nobody but who has arrived releases; nobody arrives for a task that
 * somebody has arrived for. */
static bool
check_event (const struct recorded *list, size_t count, size_t h, const struct record_event *e,
             char *why, size_t size)
{
  if (event_may_have (e, RECORD_RELEASE) && !recorded_arrived (&list[h], &e->place))
    (void) snprintf (why, size, "procid %u released, and had not arrived",
                     list[h].procid);
  else if (event_has (e, RECORD_ARRIVE) && recorded_twice (list, count, e))
    (void) snprintf (why, size, "procid %u arrived for tasks that had arrived", list[h].procid);
  else
    return true;
  recorded_describe (list, count, &e->place, why, size);
  return false;
}

static bool
check_events (const struct recorded *list, size_t count, char *why, size_t size)
{
  for (size_t h = 0; h < count; h++)
    for (uint32_t i = 0; i < list[h].record->used; i++)
      if (!check_event (list, count, h, &list[h].record->event[i], why, size))
        return false;
  return true;
}

static bool
check_hook (const struct recorded *h, char *why, size_t size)
{
  const struct record *r = h->record;

  if (r->used >= RECORD_EVENTS)
    (void) snprintf (why, size, "a hook of procid %u made %d files: it goes round and round",
                     h->procid, RECORD_EVENTS);
  else if (r->loaded == 0 && h->status >= 0 && h->status < 128)
    (void) snprintf (why, size, "a hook ran without the shim");
  else
    return true;
  return false;
}

bool
record_check (const struct recorded *list, size_t count, unsigned *barriers, char *why, size_t size)
{
  unsigned released = 0;

  if (!check_events (list, count, why, size))
    return false;
  for (size_t h = 0; h < count; h++)
    {
      const struct record_event *member = recorded_membership (&list[h]);

      if (!check_hook (&list[h], why, size))
        return false;
      for (uint32_t i = 0; i < list[h].record->used; i++)
        released += event_has (&list[h].record->event[i], RECORD_RELEASE);
      if (list[h].status != 0)
        continue;
      if (member == NULL)
        {
          (void) snprintf (why, size, "a hook of procid %u exited 0 without having arrived",
                           list[h].procid);
          return false;
        }
      if (!check_release (list, count, h, &member->place, why, size))
        {
          recorded_describe (list, count, &member->place, why, size);
          return false;
        }
    }
  if (barriers != NULL)
    *barriers = released;
  return true;
}
