package ngram

import "math/bits"

// table maps hashes to values by open addressing. A hash that is equal by chance is taken for
// the same key, as in KenLM; among 2^27 keys that has a probability of 5e-4.
type table[V any] struct {
	keys   []uint64 // 0 where there is none
	values []V
	// count is the number of keys, most the maximum.
	count, most uint64
}

// noKey replaces the key 0.
const noKey = 0x9e3779b97f4a7c15

// newTable returns a table for at most the given number of keys.
func newTable[V any](count uint64) *table[V] {
	size := buckets(count)
	return &table[V]{keys: make([]uint64, size), values: make([]V, size), most: count}
}

// buckets is the size of a table, of which at most two thirds are used.
func buckets(count uint64) uint64 { return count + count/2 + 1 }

// at returns the bucket of a key, or the free one for it.
func (t *table[V]) at(key uint64) uint64 {
	if key == 0 {
		key = noKey
	}
	size := uint64(len(t.keys))
	bucket, _ := bits.Mul64(key*noKey, size)
	for t.keys[bucket] != key && t.keys[bucket] != 0 {
		if bucket++; bucket == size {
			bucket = 0
		}
	}
	return bucket
}

// put sets the value of a key. It reports whether there was room for the key.
func (t *table[V]) put(key uint64, value V) bool {
	bucket := t.at(key)
	if key == 0 {
		key = noKey
	}
	if t.keys[bucket] == 0 {
		if t.count == t.most {
			return false
		}
		t.count++
		t.keys[bucket] = key
	}
	t.values[bucket] = value
	return true
}

// get returns the value of a key.
func (t *table[V]) get(key uint64) (value V, found bool) {
	bucket := t.at(key)
	return t.values[bucket], t.keys[bucket] != 0
}
