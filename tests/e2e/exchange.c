/* SPDX-License-Identifier: MIT */
/*
 * exchange.c - replay recorded exchanges against a server and compare its replies byte for byte.
 *
 *	exchange PORT FILE		compare; a line per exchange, exit 1 if one differs
 *	exchange --record PORT FILE	print FILE with the replies of the server at PORT
 *
 * The file is lines:
 *
 *	session NAME		a new connection; FLUSHALL is sent on it first
 *	> "bytes"		a part of a request, C escapes; more of them are sent as one
 *	> "bytes" x N		the same bytes N times
 *	< "bytes"		a part of the reply; < "bytes" x N likewise
 *	closed			the server closes the connection after that reply
 *	drip			the next request is sent byte by byte
 *	sleep MS		wait
 *	# text			nothing
 *
 * An exchange is the requests up to a reply and that reply; without '<' none is expected. Surplus
 * bytes and a connection closed too early are found by the next exchange, or at the end of the
 * session by a PING.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REPLY_TIMEOUT_MS 10000
/* While recording, a reply is over when nothing came for so long. */
#define QUIET_MS 250
/* How much of a reply is shown when it differs, and of a request as the name of an exchange. */
#define SHOWN_MAX    160
#define NAME_MAX_LEN 60
/* Runs of one byte that are recorded as a repetition. */
#define RUN_MIN 32

struct bytes {
	char *data;
	size_t len;
	size_t room;
};

struct replay {
	bool record;
	int port;
	int fd; /* -1: not connected, or closed by the server */
	char session[128];
	struct bytes request;
	struct bytes expected;
	struct bytes got;
	bool drip;
	bool expects_close;
	bool closed;
	unsigned passed;
	unsigned failed;
};

static void die(const char *what, const char *detail)
{
	fprintf(stderr, "exchange: %s: %s\n", what, detail);
	exit(2);
}

static void append(struct bytes *to, const char *data, size_t len)
{
	if (to->len + len > to->room) {
		to->room = (to->len + len) * 2;
		to->data = realloc(to->data, to->room);
		if (to->data == NULL)
			die("out of memory", strerror(ENOMEM));
	}
	if (len > 0)
		memcpy(to->data + to->len, data, len);
	to->len += len;
}

static void print_byte(FILE *out, unsigned char c)
{
	static const char names[] = "\aa\bb\tt\nn\vv\ff\rr\"\"\\\\";

	for (size_t i = 0; i + 1 < sizeof names; i += 2) {
		if ((unsigned char)names[i] == c) {
			fprintf(out, "\\%c", names[i + 1]);
			return;
		}
	}
	/* Three octal digits, which no digit after them can lengthen. */
	fprintf(out, isprint(c) ? "%c" : "\\%03o", c);
}

static void print_bytes(FILE *out, const char *data, size_t len, size_t most)
{
	for (size_t i = 0; i < len && i < most; i++)
		print_byte(out, (unsigned char)data[i]);
	if (len > most)
		fprintf(out, "... (%zu bytes)", len);
}

static int escape_value(const char **at)
{
	static const char names[] = "a\ab\bt\tn\nv\vf\fr\r";
	const char c = *(*at)++;

	if (c == 'x') {
		char *end;
		const char digits[3] = {(*at)[0], (*at)[0] ? (*at)[1] : '\0', '\0'};
		const long value = strtol(digits, &end, 16);

		*at += end - digits;
		return end == digits ? -1 : (int)value;
	}
	if (c >= '0' && c <= '7') {
		int value = c - '0';

		for (int i = 0; i < 2 && **at >= '0' && **at <= '7'; i++)
			value = value * 8 + *(*at)++ - '0';
		return value;
	}
	for (size_t i = 0; i + 1 < sizeof names; i += 2) {
		if (names[i] == c)
			return names[i + 1];
	}
	return c == '"' || c == '\\' || c == '\'' ? c : -1;
}

/* "bytes" or "bytes" x N */
static void parse_bytes(const char *line, const char *at, struct bytes *to)
{
	struct bytes once = {.data = NULL};
	unsigned long times = 1;

	while (*at == ' ')
		at++;
	if (*at++ != '"')
		die("no quoted bytes", line);
	while (*at != '"') {
		int value = (unsigned char)*at++;

		if (value == '\0')
			die("no closing quote", line);
		if (value == '\\' && (value = escape_value(&at)) < 0)
			die("bad escape", line);
		const char c = (char)value;

		append(&once, &c, 1);
	}
	at++;
	if (*at != '\0' && (sscanf(at, " x %lu", &times) != 1 || times == 0))
		die("expected \"bytes\" x N", line);
	while (times-- > 0)
		append(to, once.data, once.len);
	free(once.data);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(long ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

/* What is there to read goes to replay->got. */
static void receive(struct replay *replay)
{
	char chunk[65536];
	const ssize_t n = recv(replay->fd, chunk, sizeof chunk, MSG_DONTWAIT);

	if (n > 0) {
		append(&replay->got, chunk, (size_t)n);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A server that closes with unread bytes makes this a reset: closed as well. */
	replay->closed = true;
}

static bool is_over(const struct replay *replay)
{
	if (replay->closed)
		return true;
	return !replay->record && !replay->expects_close && replay->got.len >= replay->expected.len;
}

/* Send the request, and read until the reply is there, or late, or the connection closed. */
static void transfer(struct replay *replay)
{
	size_t sent = 0;
	long last_ms = now_ms();

	while (sent < replay->request.len || !is_over(replay)) {
		const bool sends = sent < replay->request.len && !replay->closed;
		const int patience_ms = replay->record && !sends ? QUIET_MS : REPLY_TIMEOUT_MS;
		const long left_ms = last_ms + patience_ms - now_ms();
		struct pollfd ready = {.fd = replay->fd, .events = POLLIN | (sends ? POLLOUT : 0)};

		if (replay->closed || left_ms <= 0)
			break;
		if (poll(&ready, 1, (int)left_ms) <= 0)
			continue;
		last_ms = now_ms();
		if (ready.revents & (POLLIN | POLLHUP | POLLERR))
			receive(replay);
		if (!(ready.revents & POLLOUT) || replay->closed)
			continue;
		const size_t part = replay->drip ? 1 : replay->request.len - sent;
		const ssize_t n = send(replay->fd, replay->request.data + sent, part,
				       MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			sent = replay->request.len; /* refused: what was answered is to be read */
		if (replay->drip)
			sleep_ms(1);
	}
}

static void print_name(const struct replay *replay)
{
	printf("%s: ", replay->session);
	print_bytes(stdout, replay->request.data, replay->request.len, NAME_MAX_LEN);
	printf("\n");
}

static void compare(struct replay *replay)
{
	const bool same = replay->got.len == replay->expected.len &&
			  (replay->got.len == 0 ||
			   memcmp(replay->got.data, replay->expected.data, replay->got.len) == 0) &&
			  replay->closed == replay->expects_close;

	printf(same ? "ok - " : "not ok - ");
	print_name(replay);
	if (same) {
		replay->passed++;
		return;
	}
	replay->failed++;
	printf("#   expected: \"");
	print_bytes(stdout, replay->expected.data, replay->expected.len, SHOWN_MAX);
	printf("\"%s\n#   got:      \"", replay->expects_close ? " and closed" : "");
	print_bytes(stdout, replay->got.data, replay->got.len, SHOWN_MAX);
	printf("\"%s\n", replay->closed ? " and closed" : "");
}

/* The reply as '<' lines: one per line of the reply, runs apart. */
static void print_reply(const struct replay *replay)
{
	const char *const data = replay->got.data;
	bool open = false;

	for (size_t i = 0; i < replay->got.len;) {
		size_t run = 1;

		while (i + run < replay->got.len && data[i + run] == data[i])
			run++;
		if (open && run >= RUN_MIN) {
			printf("\"\n");
			open = false;
		}
		if (!open)
			printf("< \"");
		print_byte(stdout, (unsigned char)data[i]);
		open = true;
		if (run >= RUN_MIN) {
			printf("\" x %zu\n", run);
			open = false;
			i += run;
			continue;
		}
		if (data[i++] == '\n') {
			printf("\"\n");
			open = false;
		}
	}
	if (open)
		printf("\"\n");
	if (replay->closed)
		printf("closed\n");
}

static void end_exchange(struct replay *replay)
{
	if (replay->request.len == 0)
		return;
	if (replay->fd < 0)
		die("a request without a connection", replay->session);
	replay->got.len = 0;
	if (!replay->closed)
		transfer(replay);
	if (replay->record)
		print_reply(replay);
	else
		compare(replay);
	replay->request.len = 0;
	replay->expected.len = 0;
	replay->expects_close = false;
	replay->drip = false;
}

/* The connection must be open still, with nothing on it, and the server closes when we do. */
static void end_session(struct replay *replay)
{
	static const char ping[] = "*1\r\n$4\r\nPING\r\n";
	static const char pong[] = "+PONG\r\n";

	end_exchange(replay);
	if (replay->fd < 0)
		return;
	if (!replay->closed) {
		append(&replay->request, ping, sizeof ping - 1);
		append(&replay->expected, pong, sizeof pong - 1);
		replay->got.len = 0;
		transfer(replay);
		shutdown(replay->fd, SHUT_WR);
		replay->request.len = 0;
		replay->expects_close = true;
		if (!replay->closed)
			transfer(replay);
		else
			replay->got.len = 0; /* too early */
		if (replay->got.len != sizeof pong - 1 || !replay->closed ||
		    memcmp(replay->got.data, pong, sizeof pong - 1) != 0) {
			printf("not ok - %s: a PING at the end is answered, then all is closed\n"
			       "#   got:      \"",
			       replay->session);
			print_bytes(stdout, replay->got.data, replay->got.len, SHOWN_MAX);
			printf("\"%s\n", replay->closed ? " and closed" : "");
			replay->failed++;
		}
		replay->expected.len = 0;
		replay->expects_close = false;
	}
	close(replay->fd);
	replay->fd = -1;
}

static void start_session(struct replay *replay, const char *name)
{
	static const char flush[] = "*1\r\n$8\r\nFLUSHALL\r\n";
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)replay->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const int on = 1;

	snprintf(replay->session, sizeof replay->session, "%s", name);
	replay->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (replay->fd < 0 ||
	    connect(replay->fd, (const struct sockaddr *)&address, sizeof address) != 0)
		die("cannot connect", strerror(errno));
	setsockopt(replay->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	replay->closed = false;
	replay->got.len = 0;
	append(&replay->request, flush, sizeof flush - 1);
	append(&replay->expected, "+OK\r\n", 5);
	transfer(replay);
	if (replay->got.len != 5 || memcmp(replay->got.data, "+OK\r\n", 5) != 0)
		die("FLUSHALL was not answered with OK", name);
	replay->request.len = 0;
	replay->expected.len = 0;
}

/* A '>' after a '<', and whatever is not a part of an exchange, ends the one before. */
static void take_line(struct replay *replay, const char *line, char *previous)
{
	const char kind = line[0];
	const bool goes_on =
		(kind == '>' && *previous == '>') || kind == '<' || strcmp(line, "closed") == 0;

	if (!goes_on)
		end_exchange(replay);
	*previous = kind;
	if (replay->record && kind != '<' && strcmp(line, "closed") != 0) {
		if (strncmp(line, "session ", 8) == 0)
			end_session(replay);
		printf("%s\n", line);
	}
	if (kind == '>')
		parse_bytes(line, line + 1, &replay->request);
	else if (kind == '<')
		parse_bytes(line, line + 1, &replay->expected);
	else if (strcmp(line, "closed") == 0)
		replay->expects_close = true;
	else if (strcmp(line, "drip") == 0)
		replay->drip = true;
	else if (strncmp(line, "sleep ", 6) == 0)
		sleep_ms(strtol(line + 6, NULL, 10));
	else if (strncmp(line, "session ", 8) == 0) {
		end_session(replay);
		start_session(replay, line + 8);
	} else if (kind != '#' && kind != '\0')
		die("what is this line", line);
}

int main(int argc, char **argv)
{
	struct replay replay = {.fd = -1};
	char *line = NULL;
	size_t room = 0;
	char previous = '\0';

	if (argc > 1 && strcmp(argv[1], "--record") == 0) {
		replay.record = true;
		argv++;
		argc--;
	}
	if (argc != 3)
		die("usage", "exchange [--record] PORT FILE");
	char *end;

	replay.port = (int)strtol(argv[1], &end, 10);
	if (*end != '\0' || replay.port <= 0 || replay.port > 65535)
		die("no port", argv[1]);
	FILE *const file = fopen(argv[2], "re");

	if (file == NULL)
		die(argv[2], strerror(errno));
	for (ssize_t len; (len = getline(&line, &room, file)) >= 0;) {
		if (len > 0 && line[len - 1] == '\n')
			line[len - 1] = '\0';
		/* A reply is replaced while recording: it is not read at all. */
		if (replay.record && (line[0] == '<' || strcmp(line, "closed") == 0)) {
			end_exchange(&replay);
			previous = '<';
			continue;
		}
		take_line(&replay, line, &previous);
	}
	end_session(&replay);
	fclose(file);
	free(line);
	free(replay.request.data);
	free(replay.expected.data);
	free(replay.got.data);
	if (!replay.record)
		printf("1..%u\n# exchanges: %u passed, %u failed\n", replay.passed + replay.failed,
		       replay.passed, replay.failed);
	if (replay.failed == 0 && replay.passed == 0 && !replay.record)
		die("no exchange in", argv[2]);
	return replay.failed > 0;
}
