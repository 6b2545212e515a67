/*
 * Gives a fuzzer what its corpus holds, as a test that needs no libFuzzer: what was once found stays found.  The corpus is the
 * folder t/fuzz/corpus/NAME of the program replay_NAME; whatever is wrong aborts.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "../tap.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
read_file(struct buf *b, const char *path)
{
	FILE *f = fopen(path, "re");
	char block[4096];
	size_t len;

	if (!f)
		return false;
	while ((len = fread(block, 1, sizeof(block), f)) > 0)
		buf_add(b, block, len);
	fclose(f);
	return true;
}

static void
replay(const char *dir, const char *name)
{
	struct buf path = BUF_EMPTY, input = BUF_EMPTY;

	buf_addf(&path, "%s/%s", dir, name);
	if (read_file(&input, path.data))
		LLVMFuzzerTestOneInput((const uint8_t *)(input.data ? input.data : ""), input.len);
	ok(true, "%s does no harm", name);
	buf_free(&input);
	buf_free(&path);
}

int
main(void)
{
	const char *src = getenv("POLLGATE_TEST_SRC"), *name = strchr(program_invocation_short_name, '_');
	struct buf dir = BUF_EMPTY;
	DIR *corpus;

	buf_addf(&dir, "%s/t/fuzz/corpus/%s", src ? src : ".", name ? name + 1 : "");
	corpus = opendir(dir.data);
	ok(corpus, "there is a corpus");
	for (const struct dirent *entry; corpus && (entry = readdir(corpus));)
		if (entry->d_name[0] != '.')
			replay(dir.data, entry->d_name);
	if (corpus)
		closedir(corpus);
	buf_free(&dir);
	return done();
}
