/* SPDX-License-Identifier: BSD-3-Clause */
/* SLURM_* variables, a line each; the key that is made of them. */
#include "fuzz.h"
#include "slurm_env.h"

#include <json-c/json.h>

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  char *text = fuzz_text (data, size), key[SLURM_KEY_MAX];
  struct container c = { .config = json_object_new_object () };
  json_object *process = json_object_new_object (), *list = json_object_new_array ();
  struct slurm_task task;
  struct failure f = { 0 };

  for (char *line = strtok (text, "\n"); line != NULL; line = strtok (NULL, "\n"))
    json_object_array_add (list, json_object_new_string (line));
  json_object_object_add (process, "env", list);
  json_object_object_add (c.config, "process", process);
  (void) clearenv ();
  enum slurm_env_result result = slurm_env_read (&task, &c, false, &f);
  container_free (&c);
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
