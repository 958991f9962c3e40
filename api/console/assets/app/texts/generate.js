// The texts of the view Text to audio.
export const t = {
  empty: { title: 'No sounds yet', text: 'Describe one. The embedded model knows twenty families: bells, sirens, rain, engines, birds, drums.' },
  ideas: ['a rising siren', 'heavy rain', 'a low bell', 'slow beeps', 'birds singing', 'a fast laser zap'], first: 'Generate “a rising siren”', sounds: 'Sounds',
  ask: 'Describe the sound', run: (n) => (n > 1 ? `Generate ${n} sounds` : 'Generate'), queued: 'queued', busy: (prompt) => `Generating ${prompt}`, again: 'Use this seed again',
  seed: (n) => `seed ${n}`, take: (n) => `sound ${n}`, play: (n) => (n ? `Play sound ${n}` : 'Play'), pause: (n) => (n ? `Pause sound ${n}` : 'Pause'),
};
