/*
 * replay: runs a target over the files of a folder, for builds without
 * libFuzzer.
 */
#include "fuzz.h"

#include "base/path.h"
#include "tree/dir.h"

static void replay(const char *folder, const char *name)
{
  struct gw_buf path = GW_BUF_INIT, text = GW_BUF_INIT;
  struct gw_err err = {0};

  MUST(gw_buf_printf(&path, &err, "%s/%s", folder, name) == 0);
  MUST(gw_path_read(path.data, 0, &text, &err) == 0);
  (void)printf("%s\n", path.data);
  (void)fflush(stdout);
  (void)LLVMFuzzerTestOneInput((const uint8_t *)text.data, text.len);
  gw_buf_dispose(&path);
  gw_buf_dispose(&text);
}

int main(int argc, char **argv)
{
  struct gw_dir dir;

  MUST(argc == 2);
  MUST(gw_dir_list(&dir, argv[1], NULL) == 0);
  MUST(dir.count > 0);
  (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
  for (size_t i = 0; i < dir.count; i++)
    replay(argv[1], dir.entries[i].name);
  gw_dir_dispose(&dir);
  return 0;
}
