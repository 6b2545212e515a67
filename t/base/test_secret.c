#include "base/secret.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
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
	chmod(path, 0602);
	is_string(secret_read(&text, path, 7), "everybody may write it", "one that everybody may write is refused");
	secret_wipe(&text);
	unlink(path);
	is_string(secret_read(&text, path, 7), "No such file or directory", "what is not there is told");
	secret_wipe(&text);
}

static void
test_lines(void)
{
	static const char content[] = "# comment\n\n one\r\n\t two \n  # another\nthree four";
	struct buf text = BUF_EMPTY;
	struct secret_line line = {0};

	buf_adds(&text, content);
	ok(secret_next_line(&line, &text) && line.len == 3 && memcmp(line.text, "one", 3) == 0 && line.number == 3,
	    "the first line is behind comments and empty ones");
	ok(secret_next_line(&line, &text) && line.len == 3 && memcmp(line.text, "two", 3) == 0 && line.number == 4,
	    "white space around a line is no part of it");
	ok(secret_next_line(&line, &text) && line.len == 10 && memcmp(line.text, "three four", 10) == 0 && line.number == 6,
	    "the last line needs no end");
	ok(!secret_next_line(&line, &text) && !secret_next_line(&line, &text), "behind it there is none");
	buf_clear(&text);
	line = (struct secret_line){0};
	ok(!secret_next_line(&line, &text), "an empty file has no line");
	buf_free(&text);
}

int
main(void)
{
	close(mkstemp(path));
	test_reading();
	test_lines();
	return done();
}
