/*
 * The listening socket.  Options are set here, since accepted sockets inherit them.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/http_private.h"

enum { BACKLOG = 4096 };

static int
open_socket(const struct addrinfo *address)
{
	const int on = 1, off = 0;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd == -1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (address->ai_family == AF_INET6) /* [::] is for IPv4 too. */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

void
http_listen_deafen(int fd)
{
	/* The filter sees a packet from its TCP header on; byte 13 has the flags. */
	struct sock_filter drop_syn[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TH_SYN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = {sizeof(drop_syn) / sizeof(drop_syn[0]), drop_syn};

	/* Where that cannot be, some client may see a reset. */
	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* Split "host:port" or "[host]:port"; *host is NULL for any address.  False if there is no port. */
static bool
split(char *address, char **host, char **port)
{
	char *colon = strrchr(address, ':');

	if (!colon || colon[1] == '\0')
		return false;
	*colon = '\0';
	*port = colon + 1;
	*host = colon == address ? NULL : address;
	if (address[0] == '[') {
		if (colon < address + 3 || colon[-1] != ']')
			return false;
		colon[-1] = '\0';
		*host = address + 1;
	} else if (strchr(address, ':')) {
		return false;
	}
	return true;
}

static int
port_of(int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &len) == -1)
		return -1;
	if (name.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&name)->sin6_port);
	return ntohs(((struct sockaddr_in *)&name)->sin_port);
}

static int
listen_any(const char *address, const char *host, const char *service)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *list, *a;
	int error = getaddrinfo(host, service, &hints, &list);
	int fd = -1;

	if (error) {
		log_error("cannot listen on %s: %s", address, gai_strerror(error));
		return -1;
	}
	/* Without a host, IPv6 first: its socket takes both. */
	for (int pass = host ? 1 : 0; pass < 2 && fd == -1; pass++)
		for (a = list; a && fd == -1; a = a->ai_next)
			if (pass == 1 || a->ai_family == AF_INET6)
				fd = open_socket(a);
	freeaddrinfo(list);
	if (fd == -1)
		log_error("cannot listen on %s: %s", address, strerror(errno));
	return fd;
}

int
http_listen(const char *address, int64_t write_ms, int *port)
{
	char *copy = mem_string(address), *host, *service;
	unsigned limit = (unsigned)write_ms;
	int fd = -1;

	if (split(copy, &host, &service))
		fd = listen_any(address, host, service);
	else
		log_error("cannot listen on %s: it is not HOST:PORT, [IPV6]:PORT or :PORT", address);
	free(copy);
	if (fd == -1)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof(limit));
	*port = port_of(fd);
	return fd;
}
