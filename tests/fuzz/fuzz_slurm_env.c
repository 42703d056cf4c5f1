/* SPDX-License-Identifier: BSD-3-Clause */
/* SLURM_* variables, a line each; the key that is made of them. */
#include "fuzz.h"
#include "slurm_env.h"

static const char *
get (const void *source, const char *name)
{
  size_t length = strlen (name);

  for (const char *line = source; *line != '\0'; line += strlen (line) + 1)
    if (strncmp (line, name, length) == 0 && line[length] == '=')
      return line + length + 1;
  return NULL;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  char *text = calloc (size + 2, 1), key[SLURM_KEY_MAX];
  struct slurm_task task;
  struct failure f = { 0 };

  if (text == NULL)
    abort ();
  if (size > 0)
    memcpy (text, data, size);
  for (size_t i = 0; i < size; i++)
    if (text[i] == '\n')
      text[i] = '\0';
  (void) clearenv ();
  enum slurm_env_result result = slurm_env_read (&task, get, text, false, &f);
  if (result == SLURM_ENV_TASK)
    {
      FUZZ_EXPECT (task.tasks > 1 && task.procid < task.tasks);
      slurm_env_key (&task, key);
      FUZZ_EXPECT (strncmp (key, "jobid-", 6) == 0 && strchr (key, '/') == NULL);
      FUZZ_EXPECT (strstr (key, "..") == NULL && strlen (key) < sizeof key - 1);
      FUZZ_EXPECT (task.local.present == 0 || ranks_has (&task.local, task.procid));
      ranks_free (&task.local);
    }
  else
    FUZZ_EXPECT (f.text[0] != '\0' && strchr (f.text, '\n') == NULL);
  free (text);
  return 0;
}
