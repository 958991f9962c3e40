// The texts of what operators did, in the view System.
export const t = {
  title: 'What operators did', none: 'Nothing has been changed yet.', when: 'When', who: 'Who', what: 'What', outcome: 'Outcome', find: 'Find by who, what or reason', anybody: 'no key',
  outcomes: { done: 'done', refused: 'refused', failed: 'failed' }, nothingFound: 'Nothing matches.', from: (client) => `from ${client}`, sessions: { signIn: 'Sign-in to the console', signOut: 'Sign-out of the console' }, invalid: 'invalid key',
  kept: 'The latest 10,000 changes and the latest 1,000 sign-ins and sign-outs, also over restarts.',
};
