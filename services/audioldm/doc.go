// Package audioldm makes sound from words with AudioLDM's pipeline: a CLAP text
// encoder, latent diffusion with classifier-free guidance, a VAE decoder and a
// vocoder, each a graph of its own. See Liu et al., "AudioLDM: Text-to-Audio
// Generation with Latent Diffusion Models" (2023).
package audioldm
