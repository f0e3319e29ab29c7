/** What a runner says to its agent between turns, in `ov`'s own name. */
export const TURN_OVER = 'Your turn ended, but you have not said how your task stands.'
export const WAIT_OVER = 'What you waited for is over, and no mail is on its way to you.'
export const CHOICES = [
  'Do one of these now:',
  '- it is done and committed: ov done --summary "what you did"',
  '- you need an answer first: ov ask "your question"',
  '- it cannot be done: ov fail --reason "why"',
].join('\n')

/** For who can't type any of these. */
export const MEND =
  'Make the change that your task asks for now. Nobody answers questions: decide for yourself. If it cannot be done, say why.'

export const GO_ON = 'Go on with your task where you stopped.'
