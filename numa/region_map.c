/* SPDX-License-Identifier: MIT */
/*
 * region_map.c - the mapping itself: plain, between guard pages, of huge pages.
 *
 * What needs more than mmap gives is cut out of a reservation: address space that nobody can touch,
 * of which the middle becomes the region and the guards stay. Huge pages always get guards, so that
 * no other mapping grows together with theirs and is counted as theirs.
 */
#include <quoit/numa/region_internal.h>

#define MAP_HUGE_SHIFT_BITS \
	26 /* where mmap's flags tell the size of a huge page, as a power of 2 */

static size_t round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

static int refuse(const struct quoit_region *r, int rc, struct quoit_reason *why)
{
	return quoit_reason_set(why, rc, "%zu bytes of memory cannot be mapped: %s", r->bytes,
				strerror(-rc));
}

/* Address space that nobody can touch; the region is to be its middle. */
struct reservation {
	char *start, *end;
};

static int reserve(struct quoit_region *r, size_t page, int flags, struct reservation *whole)
{
	const size_t unit =
		r->pages == QUOIT_REGION_SMALL_PAGES ? page : quoit_region_huge_page(page);
	const size_t bytes = r->bytes + 2 * page + (unit - page);
	void *start = NULL;
	const int rc = quoit__sys_mmap(&start, bytes, PROT_NONE,
				       MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	if (rc)
		return rc;
	*whole = (struct reservation){start, (char *)start + bytes};
	r->base = (char *)round_up((uintptr_t)start + page, unit);
	return 0;
}

/* Give back what is neither the region's nor one of its guards. */
static void trim(const struct quoit_region *r, const struct reservation *whole)
{
	char *const first = (char *)r->base - r->guard_bytes;
	char *const last = (char *)r->base + r->bytes + r->guard_bytes;
	if (first > whole->start)
		quoit__sys_munmap(whole->start, (size_t)(first - whole->start));
	if (last < whole->end)
		quoit__sys_munmap(last, (size_t)(whole->end - last));
}

/*
 * Of huge pages that were set aside. The kernel unmaps what they are to replace before it looks
 * whether it has any, and where it has none it leaves a hole, which is whoever's comes first: other
 * threads map too, and malloc does it for them. So it is asked elsewhere first; and if somebody was
 * faster in between, the middle of the reservation is not ours any more, to be mapped over or
 * unmapped.
 */
static int map_huge(struct quoit_region *r, size_t page)
{
	const int protection = PROT_READ | PROT_WRITE;
	const int size = __builtin_ctzll(quoit_region_huge_page(page)) << MAP_HUGE_SHIFT_BITS;
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | size;
	struct reservation whole;
	void *trial = NULL;
	int rc = quoit__sys_mmap(&trial, r->bytes, protection, flags, -1, 0);
	if (rc)
		return rc;
	quoit__sys_munmap(trial, r->bytes);
	rc = reserve(r, page, 0, &whole);
	if (rc)
		return rc;
	rc = quoit__sys_mmap_over(r->base, r->bytes, protection, flags);
	if (!rc)
		r->guard_bytes = page;
	trim(r, &whole);
	return rc;
}

/* Between guards, of ordinary pages. The reservation is only opened up, so it is never a hole. */
static int map_within(struct quoit_region *r, size_t page, int flags)
{
	struct reservation whole;
	int rc = reserve(r, page, flags, &whole);
	if (rc)
		return rc;
	rc = quoit__sys_mprotect(r->base, r->bytes, PROT_READ | PROT_WRITE);
	if (rc) {
		quoit__sys_munmap(whole.start, (size_t)(whole.end - whole.start));
		return rc;
	}
	r->guard_bytes = page;
	trim(r, &whole);
	return 0;
}

static void advise_huge(struct quoit_region *r, struct quoit_reason *why)
{
	const int rc = quoit__sys_madvise(r->base, r->bytes, MADV_HUGEPAGE);
	if (!rc)
		return;
	r->pages = QUOIT_REGION_SMALL_PAGES;
	QUOIT_REGION_FALL_SHORT(r, why, QUOIT_REGION_SMALL, rc,
				"this kernel has no transparent huge pages: %s", strerror(-rc));
}

/* As r->pages says, or the next best. */
static int map_pages(struct quoit_region *r, const struct quoit_region_options *o, size_t page,
		     struct quoit_reason *why)
{
	const int flags = o->reserve ? MAP_NORESERVE : 0;
	if (r->pages == QUOIT_REGION_HUGE_PAGES) {
		const int rc = map_huge(r, page);
		if (!rc)
			return 0;
		QUOIT_REGION_FALL_SHORT(r, why, QUOIT_REGION_SMALL, rc,
					"%zu bytes in huge pages are not there: %s; set some aside "
					"(vm.nr_hugepages)",
					r->bytes, strerror(-rc));
		r->pages = QUOIT_REGION_TRANSPARENT;
	}
	if (!o->guard && r->pages == QUOIT_REGION_SMALL_PAGES)
		return quoit__sys_mmap(&r->base, r->bytes, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	const int rc = map_within(r, page, flags);
	if (!rc && r->pages == QUOIT_REGION_TRANSPARENT)
		advise_huge(r, why);
	return rc;
}

/* A name is a help to who looks: without one nothing falls short. */
static void name_pages(struct quoit_region *r, const char *name)
{
	char text[QUOIT_REGION_NAME_MOST + 1];
	size_t n = 0;
	for (; name[n] && n < QUOIT_REGION_NAME_MOST; n++)
		text[n] = name[n] >= ' ' && name[n] < 0x7f && !strchr("[]\\$`", name[n]) ? name[n]
											 : '_';
	text[n] = '\0';
	r->named = n && !quoit__sys_name_memory(r->base, r->bytes, text);
}

int quoit_region_map(struct quoit_region *r, const struct quoit_region_options *o,
		     enum quoit_region_pages pages, struct quoit_reason *why)
{
	const size_t page = quoit__sys_page_bytes();
	r->pages = pages;
	r->bytes = round_up(
		o->bytes, pages == QUOIT_REGION_SMALL_PAGES ? page : quoit_region_huge_page(page));
	const int rc = map_pages(r, o, page, why);
	if (rc)
		return refuse(r, rc, why);
	if (o->name)
		name_pages(r, o->name);
	return 0;
}

/*
 * The kernel lets neighbours of one kind grow together, unless there are guards between, and to cut
 * one out of the middle is a mapping more: -ENOMEM where there may be no more (vm.max_map_count).
 * The pages go then, and the addresses stay.
 */
void quoit_region_unmap(const struct quoit_region *r)
{
	if (!quoit__sys_munmap((char *)r->base - r->guard_bytes, r->bytes + 2 * r->guard_bytes))
		return;
	if (quoit__sys_madvise(r->base, r->bytes, MADV_DONTNEED)) /* refuses what is locked */
		(void)quoit__sys_madvise(r->base, r->bytes, MADV_DONTNEED_LOCKED);
}

/* --- huge pages, counted ------------------------------------------------------------------------
 */

/* A file below /proc that is too long for one buffer, line by line. */
struct lines {
	int fd;
	size_t length, at;
	char text[4096];
};

/* The next line, without its newline; NULL at the end, or when one does not fit. */
static char *next_line(struct lines *l)
{
	for (;;) {
		char *const line = l->text + l->at;
		char *const end = memchr(line, '\n', l->length - l->at);
		if (end) {
			*end = '\0';
			l->at = (size_t)(end + 1 - l->text);
			return line;
		}
		memmove(l->text, line, l->length - l->at);
		l->length -= l->at;
		l->at = 0;
		const ssize_t got =
			quoit__sys_read(l->fd, l->text + l->length, sizeof l->text - l->length);
		if (got == -EINTR)
			continue;
		if (got <= 0) /* 0 also where the buffer is full */
			return NULL;
		l->length += (size_t)got;
	}
}

/* "7f0000000000-7f0000200000 rw-p ...": is it one of the region's, whole? */
static bool is_within(const struct quoit_region *r, const char *line)
{
	char *rest;
	const uintptr_t base = (uintptr_t)r->base;
	const uintptr_t from = strtoull(line, &rest, 16);
	const uintptr_t to = *rest == '-' ? strtoull(rest + 1, &rest, 16) : 0;
	return *rest == ' ' && from >= base && to <= base + r->bytes && from < to;
}

static int read_huge_bytes(const struct quoit_region *r, size_t *bytes)
{
	static const char key[] = "AnonHugePages:";
	struct lines l = {.fd = quoit__sys_open("/proc/self/smaps", O_RDONLY)};
	bool ours = false;
	size_t kib = 0;
	if (l.fd < 0)
		return l.fd;
	for (char *line; (line = next_line(&l));) {
		if (*line >= 'A' && *line <= 'Z') { /* a figure of the mapping above */
			if (ours && !strncmp(line, key, sizeof key - 1))
				kib += strtoull(line + sizeof key - 1, NULL, 10);
		} else {
			ours = is_within(r, line);
		}
	}
	quoit__sys_close(l.fd);
	*bytes = kib * 1024;
	return 0;
}

void quoit_region_count_huge(struct quoit_region *r, struct quoit_reason *why)
{
	if (r->pages == QUOIT_REGION_SMALL_PAGES)
		return;
	if (r->pages == QUOIT_REGION_HUGE_PAGES) {
		r->huge_bytes = r->bytes; /* there is no other way to fill it */
		return;
	}
	const int rc = read_huge_bytes(r, &r->huge_bytes);
	if (rc)
		QUOIT_REGION_FALL_SHORT(r, why, QUOIT_REGION_SMALL, rc,
					"how much of %zu bytes is in huge pages is not known: %s",
					r->bytes, strerror(-rc));
	else if (r->huge_bytes < r->bytes)
		QUOIT_REGION_FALL_SHORT(
			r, why, QUOIT_REGION_SMALL, -ENOMEM,
			"%zu of %zu bytes are in huge pages: see transparent_hugepage "
			"below sysfs, and free memory",
			r->huge_bytes, r->bytes);
}
