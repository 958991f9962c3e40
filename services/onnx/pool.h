// Memory pools for ONNX Runtime, with a meter for each task.
#ifndef GRYM_POOL_H
#define GRYM_POOL_H

#include <stddef.h>
#include <stdint.h>

// A meter counts the bytes that one task has allocated, now and at the most.
typedef struct meter meter;

meter *meter_new(void);
// meter_add adds bytes that were allocated elsewhere, or subtracts them.
void meter_add(meter *m, int64_t bytes);
int64_t meter_peak(meter *m);
// meter_release ends the owner's use of a meter. Blocks may outlive it.
void meter_release(meter *m);

// A pool is the memory of one session. Memory that is freed stays in it for the
// next run.
typedef struct pool pool;

typedef struct {
	// mapped from the system, in use now, and at the most.
	int64_t mapped, used, peak;
} pool_stats;

pool *pool_new(void);
pool_stats pool_read(pool *p);
// pool_close unmaps the pool once its last block is free.
void pool_close(pool *p);

// pool_enter makes allocations of the calling thread come from the pool, and be
// counted by the meter, which may be NULL. pool_leave ends that.
void pool_enter(pool *p, meter *m);
void pool_leave(void);

// lower_priority lowers that of the calling thread and of the threads that it starts, where
// threads have priorities of their own.
void lower_priority(int steps);

void *pool_alloc(size_t size);
void pool_free(void *block);

// pool_allocator returns the allocator for the ONNX Runtime that was loaded from the
// path, or NULL.
void *pool_allocator(const char *path);

#endif
