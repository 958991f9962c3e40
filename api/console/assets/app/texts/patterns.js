// The texts of the view Patterns.
import { plural } from '../texts.js';

export const t = {
  empty: { title: 'No recording yet', text: 'Put the recording that is searched into the deck.' }, ready: 'The sounds that are found appear here, and on the time axis of the deck.',
  teachFirst: 'Teach a pattern first: give it a name and five examples or more.', detections: 'Detections and patterns', found: 'Detections', list: 'Patterns', busy: 'Searching',
  noPatterns: { title: 'No patterns yet', text: 'A pattern is a sound that is learnt from examples of 0.05 to 10 s. Five or more make a good one.' },
  run: 'Detect', runSpan: 'Detect in the selection', pattern: 'Pattern', every: 'every pattern', confidence: 'Least confidence', confidenceHint: '0.5 is the threshold of each pattern',
  count: (n) => plural(n, 'detection', 'detections'), none: 'None of the patterns was found. A lower confidence finds more.', keys: 'Y is right, N is wrong, ↑ ↓ move',
  right: 'Right', wrong: 'Wrong', judge: { right: (name, at) => `Right: ${name} at ${at}`, wrong: (name, at) => `Wrong: ${name} at ${at}` },
  play: (name, from, to) => `Play ${from}–${to}: ${name}`, score: (confidence, score) => `confidence ${confidence}, score ${score}`, showMore: (n) => `Show more (${n})`,
  effect: ({ pattern, before: a, after: b }) => `${pattern.name}: threshold ${a.threshold.toFixed(3)} before, ${b.threshold.toFixed(3)} now; ${b.right_found} of ${b.right_found + b.right_missed} right ones are found, ${b.wrong_found} of ${b.wrong_found + b.wrong_missed} wrong ones.`,
  examples: 'Examples', threshold: 'Threshold', selfTest: 'Self-test', corrections: 'Corrections', of: (n, all) => `${n} of ${all}`,
  corrected: (c) => `${c.right + c.moved} right, ${c.wrong} wrong`, few: 'few examples', stale: 'outdated', delete: 'Delete', remove: (name) => `Delete ${name}`, sure: (name) => `Delete ${name}`,
  removed: (name) => `${name} was deleted`, teach: 'Teach a pattern', teachRun: 'Teach', teaching: 'Learning', taught: (name) => `${name} was learnt`, name: 'Name', nameExample: 'doorbell',
  files: 'Files', selection: 'The selection', recording: 'The recording', leaveOut: (name) => `Leave out ${name}`, against: 'Counter-examples', againstLabel: 'Similar sounds that are not the pattern',
  need: (n, all) => `${n} of the ${all} that a reliable threshold needs`,
};
