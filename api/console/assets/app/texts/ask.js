// The texts of the view Ask.
import { plural } from '../texts.js';

export const t = {
  empty: { title: 'No recording yet', text: 'Put a sound into the deck. The sample is a bell and a siren, which the embedded model knows.' },
  ideas: ['What do you hear?', 'What comes first?', 'How many sounds are there?', 'Is there a siren?', 'Does the pitch rise or fall?', 'Is it loud?'],
  next: 'And then?', about: (name) => `Ask about ${name}`, aboutSpan: (from, to) => `Ask about the selection ${from}–${to}`,
  ready: 'The answer is streamed. Further questions do not send the sound again: the server keeps the conversation. Sound that is longer than the model’s window is answered piece by piece; select a span for a conversation.',
  conversation: 'Conversation', log: 'Questions and answers', question: 'Question', placeholder: 'Ask about this sound', run: 'Ask', sound: 'Sound', whole: 'the whole recording',
  reset: 'New conversation', base64: '(the sound as base64)', cut: 'stopped',
  usage: (n, prompt, cached) => `${plural(n, 'token', 'tokens')}${cached ? `, ${cached} of ${prompt} prompt tokens from the cache` : ''}`,
};

export const conversations = {
  title: (n) => `${plural(n, 'other conversation', 'other conversations')}`, noTurn: 'no question yet', facts: (n, length, ago) => `${plural(n, 'question', 'questions')}, ${length} of sound, ${ago} ago`,
  continue: 'Continue', open: (question) => `Continue: ${question}`, delete: 'Delete', remove: (question) => `Delete: ${question}`, removed: 'The conversation was deleted', name: (question) => `${question.replace(/[^\p{L}\p{N}]+/gu, ' ').trim().slice(0, 40) || 'conversation'}.wav`,
};
