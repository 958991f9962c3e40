"""The networks of an AudioLDM checkpoint, with the parameter names of diffusers and transformers."""
