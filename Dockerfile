# The image of pollgate: the program, pollcat to test it, pollgatectl to ask it, the libraries it loads, its pages, and nothing else: no shell, no package manager.
# docker build -t pollgate .

FROM debian:trixie-slim AS tools
RUN apt-get update && apt-get install -y --no-install-recommends \
	autoconf automake ca-certificates gcc libc6-dev libcurl4-openssl-dev libevent-dev libhiredis-dev libjansson-dev \
	libssl-dev libwslay-dev make pkgconf uthash-dev && \
	rm -rf /var/lib/apt/lists/*

FROM tools AS build
WORKDIR /src
# Only what the program is made from: an edit of a test or a document does not build it again.
COPY configure.ac Makefile.am ./
COPY man/Makefile.inc man/
COPY t/Makefile.inc t/
COPY t/bench/Makefile.inc t/bench/
COPY src src
COPY www www
RUN autoreconf -i && mkdir /build && cd /build && \
	/src/configure --prefix=/usr CFLAGS='-O2 -fstack-protector-strong -D_FORTIFY_SOURCE=3' \
		LDFLAGS='-s -Wl,--as-needed -Wl,-z,relro,-z,now' && \
	make -j"$(nproc)" pollgate pollcat pollgatectl && make -s install-binPROGRAMS install-dist_wwwDATA install-dist_doctorDATA DESTDIR=/image
# What ldd names, under the names it gives: the loader finds /lib and /lib64 without a cache file.
RUN ldd /image/usr/bin/pollgate /image/usr/bin/pollcat /image/usr/bin/pollgatectl | grep -o '/\(usr/\)\?lib[^ ]*' | sort -u | xargs cp -L --parents -t /image && \
	mkdir -p /image/etc/ssl/certs && cp -L /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ && \
	echo 'hosts: files dns' >/image/etc/nsswitch.conf && \
	echo 'pollgate:x:65532:65532::/:/nonexistent' >/image/etc/passwd && echo 'pollgate:x:65532:' >/image/etc/group

FROM scratch
COPY --from=build /image/ /
ENV POLLGATE_WWW=/usr/share/pollgate/www
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/usr/bin/pollgate", "--probe", "http://127.0.0.1:8080/health"]
ENTRYPOINT ["/usr/bin/pollgate"]
