// The texts of the start page.
export const t = {
  say: 'Drop a recording, or describe a sound.', lead: 'WAV, FLAC, MP3, Opus, WebM and whatever ffmpeg on the server reads. Nothing leaves this server.',
  many: 'Several files, or a folder, become a batch of jobs.', folder: 'A folder of recordings', sampleSpeech: 'Sample: speech', sampleSound: 'Sample: bell and siren', tasks: 'What you can do',
  cards: {
    transcribe: 'Words with their times; click one to hear it.', ask: 'A conversation about a sound, streamed.', generate: 'Describe a sound, and hear it.',
    edit: 'Cut, filter, level, stretch; compare by ear and eye.', jobs: 'Batches and long work, with progress.', system: 'Memory, queue and services at a glance.',
  },
  foot: 'Every action shows its curl command. Press ? for the shortcuts, Ctrl K for every command.',
};
