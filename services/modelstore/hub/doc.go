// Package hub pulls model folders from the Hugging Face Hub, or from a server with the
// same API, and verifies them.
//
// A pull asks for the files of one commit, chooses those that services read in one
// precision, and downloads them to a folder beside the models. An interrupted pull goes
// on where it ended. Every file is compared with the hash that the hub publishes: the
// SHA-256 of large files, the object id of Git for the others. The folder is renamed to
// the model's name when it is whole, with the hashes of its files in ManifestFile, so
// that a model is never half there.
package hub
