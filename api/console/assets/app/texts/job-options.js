// The texts of what every job can have.
export const t = {
  title: 'Priority, deadline, webhook', priority: 'Priority', deadline: 'Deadline in minutes', deadlineHint: 'A job that is not done by then fails', none: 'none', callback: 'Webhook', callbackHint: 'The end is sent here, in a signed request',
  labels: 'Labels', labelsHint: 'as key:value, separated by commas',
};
