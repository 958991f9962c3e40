// Package audioldm generates sound from text with AudioLDM's pipeline: a CLAP text
// encoder, latent diffusion with classifier-free guidance, a VAE decoder and a vocoder,
// each in a graph of its own. See Liu et al., "AudioLDM: Text-to-Audio Generation with
// Latent Diffusion Models" (2023).
package audioldm
