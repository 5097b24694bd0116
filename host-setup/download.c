/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "host-setup/download.h"
#include "host-setup/fault.h"
#include "host-setup/progress.h"

struct transfer {
	const struct download *download;
	struct progress progress;
	long long before; /* bytes of earlier tries */
	long long have;
	int fd;
	int error; /* of the disk, or -EFBIG */
};

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *transfer = arg;
	size_t left = size * n;

	if (transfer->have + (long long)left > transfer->download->bytes_max) {
		transfer->error = -EFBIG;
		return 0;
	}
	while (left) {
		ssize_t done = write(transfer->fd, data, left);

		if (done < 0 && errno != EINTR) {
			transfer->error = -errno;
			return 0;
		}
		if (done > 0) {
			data += done;
			left -= (size_t)done;
			transfer->have += done;
		}
	}
	return size * n;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t unused, curl_off_t unused2)
{
	struct transfer *transfer = arg;

	(void)unused;
	(void)unused2;
	if (!transfer->download->quiet && total > 0)
		progress_show(&transfer->progress, transfer->before + now, transfer->before + total);
	return 0;
}

static void set_options(CURL *curl, struct transfer *transfer, char *error)
{
	const struct download *download = transfer->download;

	curl_easy_setopt(curl, CURLOPT_URL, download->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (download->ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, download->ca);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)download->stall);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)download->stall);
	curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)transfer->before);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)download->bytes_max);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "fwd-host/" FWD_VERSION);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
}

/* Whether another try may end better. */
static bool is_passing(CURLcode code, long status)
{
	switch (code) {
	case CURLE_HTTP_RETURNED_ERROR:
		return status >= 500 || status == 408 || status == 429;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return true;
	default:
		return false;
	}
}

/* 1: worth another try. */
static int judge(const struct transfer *transfer, CURLcode code, long status, const char *error, struct fault *fault)
{
	const char *name = transfer->download->name;

	if (code == CURLE_OK)
		return 0;
	if (transfer->error == -EFBIG || code == CURLE_FILESIZE_EXCEEDED)
		return fault_set(fault, -EFBIG, "%s is larger than %lld MiB", name,
				 transfer->download->bytes_max >> 20);
	if (transfer->error)
		return fault_set(fault, transfer->error, "%s cannot be written: %s", name, strerror(-transfer->error));
	if (transfer->before && (code == CURLE_RANGE_ERROR || (code == CURLE_HTTP_RETURNED_ERROR && status == 416)))
		return fault_set(fault, -EAGAIN, "%s cannot be continued", name);
	if (code == CURLE_HTTP_RETURNED_ERROR)
		fault_set(fault, -EIO, "%s: the server answers %ld", transfer->download->url, status);
	else
		fault_set(fault, -EIO, "%s: %s", transfer->download->url, *error ? error : curl_easy_strerror(code));
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		fault_hint(fault,
			   "The server's certificate is not one that is trusted here; --ca FILE names what to trust.");
	else if (status == 404)
		fault_hint(fault, "Is there such a version, and for this architecture?");
	else
		fault_hint(fault, "Without internet: --from DIR or --mirror URL.");
	return is_passing(code, status) ? 1 : -EIO;
}

static int try_once(struct transfer *transfer, struct fault *fault)
{
	char error[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	struct stat st;
	long status = 0;
	CURLcode code;
	int r;

	if (!curl)
		return fault_set(fault, -ENOMEM, "out of memory");
	if (fstat(transfer->fd, &st) < 0 || lseek(transfer->fd, 0, SEEK_END) < 0) {
		curl_easy_cleanup(curl);
		return fault_set(fault, -errno, "%s: %s", transfer->download->name, strerror(errno));
	}
	transfer->before = transfer->have = st.st_size;
	transfer->error = 0;
	set_options(curl, transfer, error);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	r = judge(transfer, code, status, error, fault);
	curl_easy_cleanup(curl);
	return r;
}

static void rest(unsigned milliseconds)
{
	struct timespec left = { milliseconds / 1000, (long)(milliseconds % 1000) * 1000000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

int download_run(const struct download *download, int fd, struct fault *fault)
{
	struct transfer transfer = { .download = download, .fd = fd };
	unsigned pause = download->pause;
	int r;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	progress_begin(&transfer.progress, download->name);
	for (int try = 1;; try++, pause *= 2) {
		r = try_once(&transfer, fault);
		if (r != 1 || try == DOWNLOAD_TRIES)
			break;
		if (!download->quiet)
			progress_say(&transfer.progress, "broke off, is tried again", fault->text);
		rest(pause);
	}
	if (!download->quiet)
		progress_end(&transfer.progress, r == 0);
	return r == 1 ? -EIO : r;
}
