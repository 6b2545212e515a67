/* Files of --www: nothing outside of it, nothing hidden, validated by entity tags (RFC 9110 sections 8.8.3 and 13.1.2). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "front/private.h"
#include "front/problem.h"
#include "net/http.h"

static const char *
type_of(const char *path)
{
	static const struct {
		const char *ending, *type;
	} types[] = {
		{".html", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"}, {".mjs", "text/javascript; charset=utf-8"},
		{".css", "text/css; charset=utf-8"}, {".json", "application/json"}, {".map", "application/json"},
		{".txt", "text/plain; charset=utf-8"}, {".md", "text/markdown; charset=utf-8"}, {".svg", "image/svg+xml"},
		{".png", "image/png"}, {".jpg", "image/jpeg"}, {".webp", "image/webp"}, {".ico", "image/x-icon"},
		{".woff2", "font/woff2"}, {".wasm", "application/wasm"}, {".webmanifest", "application/manifest+json"},
	};
	size_t len = strlen(path);

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		size_t ending = strlen(types[i].ending);

		if (len > ending && strcasecmp(path + len - ending, types[i].ending) == 0)
			return types[i].type;
	}
	return "application/octet-stream";
}

/* Never outside of the directory: by openat2 where the kernel has it, else without following a link at the end. */
static int
open_beneath(int dir, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	return fd;
}

/* Is this tag in the list of an If-None-Match header? */
static bool
tag_matches(const char *list, const char *tag)
{
	const char *found = list ? strstr(list, tag) : NULL;

	return list && (strcmp(list, "*") == 0 || found);
}

static void
send_file(struct http_request *req, const char *path, int fd, const struct stat *st)
{
	char tag[64];

	snprintf(tag, sizeof tag, "\"%" PRIx64 "-%" PRIx64 "\"",
	    (uint64_t)st->st_mtim.tv_sec * 1000000000 + (uint64_t)st->st_mtim.tv_nsec, (uint64_t)st->st_size);
	http_set_header(req, "ETag", tag);
	http_set_header(req, "Cache-Control", "no-cache");
	if (tag_matches(http_header(req, "If-None-Match"), tag)) {
		close(fd);
		http_reply(req, 304, NULL, NULL, 0);
		return;
	}
	http_reply_file(req, 200, type_of(path), fd, st->st_size);
}

bool
static_send(struct http_request *req, int dir, const char *path)
{
	struct stat st;
	int fd = -1;

	if (dir >= 0 && path[0] != '.' && !strstr(path, "/."))
		fd = open_beneath(dir, path);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		send_file(req, path, fd, &st);
		return true;
	}
	if (fd >= 0)
		close(fd);
	return false;
}

void
static_file(struct front *front, struct http_request *req, const char *part)
{
	struct buf path = BUF_EMPTY;

	buf_adds(&path, part);
	if (path.len == 0 || path.data[path.len - 1] == '/')
		buf_adds(&path, "index.html");
	if (!static_send(req, front->www, path.data))
		problem_reply(req, 404, "not_found", "There is nothing under this path.");
	buf_free(&path);
}
