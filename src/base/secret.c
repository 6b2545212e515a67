/* Files with secrets in them: see secret.h. */
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* NULL, or what is wrong. */
static const char *
read_all(struct buf *text, int fd)
{
	ssize_t n;

	while ((n = read(fd, text->data + text->len, text->room - text->len)) > 0) {
		text->len += (size_t)n;
		if (text->len == text->room)
			return "is too large";
	}
	if (n < 0)
		return strerror(errno);
	text->data[text->len] = '\0';
	return NULL;
}

const char *
secret_read(struct buf *text, const char *path, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *wrong;

	*text = (struct buf)BUF_EMPTY;
	if (fd < 0)
		return strerror(errno);
	*text = (struct buf){mem_alloc(max + 1), 0, max + 1};
	wrong = read_all(text, fd);
	close(fd);
	return wrong;
}

void
secret_wipe(struct buf *text)
{
	if (text->data)
		explicit_bzero(text->data, text->room);
	buf_free(text);
}
