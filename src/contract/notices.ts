/**
 * What a person can be told of outside `ov`, by `notify.on`:
 * - `escalation`: an agent is in trouble, and you are to decide; or an agent itself calls for you
 * - `question`: an agent waits for your answer
 * - `quarantine`: an agent was started again too often, and is put aside
 * - `failed`: a task failed
 * - `main-red`: nothing can be merged any more
 * - `auth`: a runtime's login was refused
 */
export const NOTICE_KINDS = ['escalation', 'question', 'quarantine', 'failed', 'main-red', 'auth'] as const
export type NoticeKind = (typeof NOTICE_KINDS)[number]
