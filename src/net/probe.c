/*
 * pollgate --probe: libcurl's easy interface, used once by a process of its own.
 */
#include "net/probe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <curl/curl.h>

#define PROBE_LIMIT_MS 5000L

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	(void)data;
	(void)arg;
	return size * count;
}

/* False if this libcurl lacks something, which would make the probe mean something else than it promises. */
static bool
probe_configure(CURL *curl, const char *url, char *error)
{
	/* A proxy named by the environment is for other traffic: what is asked for here is on this machine, or near. */
	return !curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error) && !curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") &&
	    !curl_easy_setopt(curl, CURLOPT_PROXY, "") && !curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, PROBE_LIMIT_MS) &&
	    !curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) && !curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) &&
	    !curl_easy_setopt(curl, CURLOPT_URL, url);
}

/* The status of a complete answer, or 0 with the reason in *why, which may point into error. */
static long
probe_fetch(const char *url, char *error, const char **why)
{
	long status = 0;
	CURL *curl = curl_easy_init();

	if (!curl || !probe_configure(curl, url, error)) {
		*why = "libcurl cannot be set up";
	} else {
		CURLcode code = curl_easy_perform(curl);

		if (code)
			*why = *error ? error : curl_easy_strerror(code);
		else
			curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	}
	curl_easy_cleanup(curl);
	return status;
}

int
probe_url(const char *url)
{
	char error[CURL_ERROR_SIZE] = "";
	const char *why = "no HTTP status"; /* What an HTTP/0.9 answer would be, if libcurl took one. */
	long status;

	/* The URL is not repeated here: it may carry a password. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		fputs("pollgate: probe: libcurl cannot be set up\n", stderr);
		return 1;
	}
	status = probe_fetch(url, error, &why);
	curl_global_cleanup();
	if (status >= 200 && status < 300)
		return 0;
	if (status)
		fprintf(stderr, "pollgate: probe: answered with status %ld\n", status);
	else
		fprintf(stderr, "pollgate: probe: %s\n", why);
	return 1;
}
