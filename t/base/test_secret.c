#include "base/secret.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../tap.h"

static char path[] = "/tmp/pollgate-secret-XXXXXX";

static void
write_file(const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	close(fd);
}

static void
test_reading(void)
{
	struct buf text;

	write_file("a\0secret", 8);
	ok(!secret_read(&text, path, 8) && text.len == 8 && memcmp(text.data, "a\0secret", 9) == 0, "a file may be as large as the limit");
	secret_wipe(&text);
	ok(!text.data && text.len == 0, "what was wiped is gone");
	secret_wipe(&text);
	is_string(secret_read(&text, path, 7), "is too large", "one that is larger is refused");
	secret_wipe(&text);
	write_file("", 0);
	ok(!secret_read(&text, path, 7) && text.len == 0 && !*text.data, "one may be empty");
	secret_wipe(&text);
	ok(secret_read(&text, "/tmp", 7), "a directory is no file");
	secret_wipe(&text);
	unlink(path);
	is_string(secret_read(&text, path, 7), "No such file or directory", "what is not there is told");
	secret_wipe(&text);
}

int
main(void)
{
	close(mkstemp(path));
	test_reading();
	return done();
}
