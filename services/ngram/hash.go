package ngram

import "encoding/binary"

// hashWord returns the hash by which KenLM identifies a word: MurmurHash64A by Austin
// Appleby, with the seed 0.
func hashWord(data []byte) uint64 {
	const m, r = 0xc6a4a7935bd1e995, 47
	h := uint64(len(data)) * m
	for ; len(data) >= 8; data = data[8:] {
		k := binary.LittleEndian.Uint64(data) * m
		k = (k ^ k>>r) * m
		h = (h ^ k) * m
	}
	if len(data) > 0 {
		var rest [8]byte
		copy(rest[:], data)
		h = (h ^ binary.LittleEndian.Uint64(rest[:])) * m
	}
	h = (h ^ h>>r) * m
	return h ^ h>>r
}

// combine returns the key of an n-gram, from that of its last words and the id of the word
// before them. KenLM's probing format has the same keys.
func combine(key uint64, word uint32) uint64 {
	return key*8978948897894561157 ^ (1+uint64(word))*17894857484156487943
}
