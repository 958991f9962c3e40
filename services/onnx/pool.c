#include "pool.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

// Blocks begin with a header of this size, so that what follows it is aligned for
// vector instructions.
#define HEADER 64
// The system is asked for at least this much at once.
#define LEAST_REGION ((size_t)1 << 20)
#define PAGE ((size_t)4096)
// Free blocks are listed by the power of two of their size.
#define BINS 48

struct meter {
	_Atomic int64_t now, peak;
	// refs are the owner and the live blocks.
	_Atomic int64_t refs;
};

typedef struct region region;

// block is the header of a block, free or in use. The blocks of a region follow each
// other without gaps.
typedef struct block {
	size_t size; // with the header
	struct block *before; // the block in front of it in the region
	region *home;
	pool *owner;
	meter *task;
	struct block *next, *previous; // in its bin, if it is free
	bool used, last;
} block;

_Static_assert(sizeof(block) <= HEADER, "the header is too small");

struct region {
	size_t size;
	region *next, *previous;
};

struct pool {
	pthread_mutex_t mu;
	block *bins[BINS];
	region *regions;
	pool_stats stats;
	int64_t live;
	bool closed;
};

static _Thread_local pool *current_pool;
static _Thread_local meter *current_meter;

// shared has what is allocated outside of a run, and by threads of the engine.
static pool shared = {.mu = PTHREAD_MUTEX_INITIALIZER};

meter *meter_new(void) {
	meter *m = calloc(1, sizeof *m);
	if (m)
		atomic_init(&m->refs, 1);
	return m;
}

void meter_add(meter *m, int64_t bytes) {
	int64_t now = atomic_fetch_add(&m->now, bytes) + bytes;
	int64_t peak = atomic_load(&m->peak);
	while (now > peak && !atomic_compare_exchange_weak(&m->peak, &peak, now))
		;
}

int64_t meter_peak(meter *m) { return atomic_load(&m->peak); }

void meter_release(meter *m) {
	if (atomic_fetch_sub(&m->refs, 1) == 1)
		free(m);
}

static int bin_of(size_t size) {
	int bin = 63 - __builtin_clzll((unsigned long long)size);
	return bin < BINS ? bin : BINS - 1;
}

static void list_add(pool *p, block *b) {
	block **bin = &p->bins[bin_of(b->size)];
	b->previous = NULL;
	b->next = *bin;
	if (b->next)
		b->next->previous = b;
	*bin = b;
}

static void list_remove(pool *p, block *b) {
	if (b->next)
		b->next->previous = b->previous;
	if (b->previous)
		b->previous->next = b->next;
	else
		p->bins[bin_of(b->size)] = b->next;
}

static block *after(block *b) { return b->last ? NULL : (block *)((char *)b + b->size); }

// whole reports whether a free block is all of its region.
static bool whole(block *b) { return b->last && !b->before; }

static void unmap(pool *p, block *b) {
	region *r = b->home;
	if (r->next)
		r->next->previous = r->previous;
	if (r->previous)
		r->previous->next = r->next;
	else
		p->regions = r->next;
	p->stats.mapped -= (int64_t)r->size;
	munmap(r, r->size);
}

// shed unmaps the regions that have no block in use. They are all too small for the
// block that is wanted, and would add to it.
static void shed(pool *p) {
	for (region *r = p->regions, *next; r; r = next) {
		next = r->next;
		block *b = (block *)((char *)r + HEADER);
		if (!b->used && whole(b)) {
			list_remove(p, b);
			unmap(p, b);
		}
	}
}

// grow maps a region with one free block of at least the given size.
static block *grow(pool *p, size_t size) {
	size_t bytes = size + HEADER;
	if (bytes < LEAST_REGION)
		bytes = LEAST_REGION;
	bytes = (bytes + PAGE - 1) / PAGE * PAGE;
	region *r = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r == MAP_FAILED)
		return NULL;
	*r = (region){.size = bytes, .next = p->regions};
	if (r->next)
		r->next->previous = r;
	p->regions = r;
	p->stats.mapped += (int64_t)bytes;
	block *b = (block *)((char *)r + HEADER);
	*b = (block){.size = bytes - HEADER, .home = r, .owner = p, .last = true};
	list_add(p, b);
	return b;
}

// find returns the smallest free block of at least the given size, or NULL.
static block *find(pool *p, size_t size) {
	for (int bin = bin_of(size); bin < BINS; bin++) {
		block *best = NULL;
		for (block *b = p->bins[bin]; b; b = b->next)
			if (b->size >= size && (!best || b->size < best->size))
				best = b;
		if (best)
			return best;
	}
	return NULL;
}

// split returns what a block has beyond the given size to the pool.
static void split(pool *p, block *b, size_t size) {
	if (b->size < size + 4 * HEADER)
		return;
	block *rest = (block *)((char *)b + size);
	*rest = (block){.size = b->size - size, .before = b, .home = b->home, .owner = p, .last = b->last};
	b->size = size;
	b->last = false;
	block *following = after(rest);
	if (following)
		following->before = rest;
	list_add(p, rest);
}

void *pool_alloc(size_t wanted) {
	if (wanted == 0 || wanted > SIZE_MAX / 4)
		return NULL;
	size_t size = (wanted + 2 * HEADER - 1) / HEADER * HEADER;
	pool *p = current_pool ? current_pool : &shared;
	pthread_mutex_lock(&p->mu);
	block *b = find(p, size);
	if (!b) {
		shed(p);
		b = grow(p, size);
	}
	if (!b) {
		pthread_mutex_unlock(&p->mu);
		return NULL;
	}
	list_remove(p, b);
	split(p, b, size);
	b->used = true;
	b->task = current_meter;
	p->live++;
	p->stats.used += (int64_t)b->size;
	if (p->stats.used > p->stats.peak)
		p->stats.peak = p->stats.used;
	pthread_mutex_unlock(&p->mu);
	if (b->task) {
		atomic_fetch_add(&b->task->refs, 1);
		meter_add(b->task, (int64_t)b->size);
	}
	return (char *)b + HEADER;
}

// merge joins a free block with the free ones on its sides.
static block *merge(pool *p, block *b) {
	block *following = after(b);
	if (following && !following->used) {
		list_remove(p, following);
		b->size += following->size;
		b->last = following->last;
	}
	if (b->before && !b->before->used) {
		block *front = b->before;
		list_remove(p, front);
		front->size += b->size;
		front->last = b->last;
		b = front;
	}
	following = after(b);
	if (following)
		following->before = b;
	return b;
}

// destroy unmaps all of a pool, which has no block in use.
static void destroy(pool *p) {
	shed(p);
	if (p != &shared) {
		pthread_mutex_destroy(&p->mu);
		free(p);
	}
}

void pool_free(void *memory) {
	if (!memory)
		return;
	block *b = (block *)((char *)memory - HEADER);
	pool *p = b->owner;
	meter *m = b->task;
	pthread_mutex_lock(&p->mu);
	size_t size = b->size;
	p->live--;
	p->stats.used -= (int64_t)size;
	b->used = false;
	b->task = NULL;
	list_add(p, merge(p, b));
	bool ended = p->closed && p->live == 0;
	pthread_mutex_unlock(&p->mu);
	if (m) {
		meter_add(m, -(int64_t)size);
		meter_release(m);
	}
	if (ended)
		destroy(p);
}

pool *pool_new(void) {
	pool *p = calloc(1, sizeof *p);
	if (p)
		pthread_mutex_init(&p->mu, NULL);
	return p;
}

pool_stats pool_read(pool *p) {
	pthread_mutex_lock(&p->mu);
	pool_stats stats = p->stats;
	pthread_mutex_unlock(&p->mu);
	return stats;
}

void pool_close(pool *p) {
	pthread_mutex_lock(&p->mu);
	p->closed = true;
	bool ended = p->live == 0;
	pthread_mutex_unlock(&p->mu);
	if (ended)
		destroy(p);
}

void pool_enter(pool *p, meter *m) {
	current_pool = p;
	current_meter = m;
}

void pool_leave(void) { pool_enter(NULL, NULL); }

void lower_priority(int steps) {
#ifdef __linux__
	setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + steps);
#else
	(void)steps;
#endif
}

// allocator has the layout of ONNX Runtime's OrtAllocator.
typedef struct allocator {
	uint32_t version;
	void *(*alloc)(struct allocator *, size_t);
	void (*free)(struct allocator *, void *);
	const void *(*info)(const struct allocator *);
	void *(*reserve)(struct allocator *, size_t);
	void *(*stats)(const struct allocator *, void **);
	void *(*alloc_on_stream)(struct allocator *, size_t, void *);
	const void *memory_info;
} allocator;

static void *allocator_alloc(allocator *a, size_t size) {
	(void)a;
	return pool_alloc(size);
}

static void allocator_free(allocator *a, void *memory) {
	(void)a;
	pool_free(memory);
}

static const void *allocator_info(const allocator *a) { return a->memory_info; }

// api_base has the layout of ONNX Runtime's OrtApiBase.
typedef struct {
	void *const *(*get_api)(uint32_t version);
	const char *(*version)(void);
} api_base;

// The place of a function in OrtApi never changes. This one is in version 1.
enum { GET_DEFAULT_ALLOCATOR = 78 };

void *pool_allocator(const char *path) {
	static allocator one = {.version = 24, .alloc = allocator_alloc, .free = allocator_free, .info = allocator_info, .reserve = allocator_alloc};
	void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	if (!library)
		return NULL;
	api_base *(*base)(void) = (api_base * (*)(void)) dlsym(library, "OrtGetApiBase");
	void *const *api = base ? base()->get_api(24) : NULL;
	allocator *standard = NULL;
	if (api)
		((void *(*)(allocator **))api[GET_DEFAULT_ALLOCATOR])(&standard);
	// The binding holds the library as well.
	dlclose(library);
	if (!standard)
		return NULL;
	// The memory is of the same kind: the processor's, and of no arena of the engine's.
	one.memory_info = standard->info(standard);
	return &one;
}
