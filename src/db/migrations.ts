/**
 * Numbered, append-only: entry n takes `user_version` from n to n + 1. Never edit one that was released.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE runs (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, ended_at INTEGER
  ) STRICT;

  CREATE TABLE tasks (
    id TEXT PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs(id), title TEXT NOT NULL, body TEXT NOT NULL,
    digest TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, failed_by TEXT, capability TEXT NOT NULL, command TEXT, files_json TEXT,
    base_ref TEXT, attempts INTEGER NOT NULL DEFAULT 0, merged_as TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX tasks_by_run ON tasks(run_id, created_at);
  CREATE UNIQUE INDEX one_open_task_per_digest ON tasks(digest) WHERE state IN ('queued', 'running', 'merging');

  CREATE TABLE agents (
    id TEXT PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs(id), task_id TEXT NOT NULL REFERENCES tasks(id),
    name TEXT NOT NULL, capability TEXT NOT NULL, runtime TEXT NOT NULL, model TEXT,
    parent_id TEXT REFERENCES agents(id), depth INTEGER NOT NULL,
    state TEXT NOT NULL, waiting_on TEXT, waiting_until INTEGER, reason TEXT, state_since INTEGER NOT NULL,
    branch TEXT NOT NULL, base_sha TEXT, worktree TEXT NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0, owner_pid INTEGER, owner_start TEXT, owner_boot TEXT,
    session TEXT, claimed_done INTEGER NOT NULL DEFAULT 0, reminded INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL, ended_at INTEGER, last_event_at INTEGER
  ) STRICT;
  CREATE INDEX agents_by_run ON agents(run_id, created_at);
  CREATE INDEX agents_by_state ON agents(state);
  CREATE UNIQUE INDEX one_open_agent_per_name ON agents(name) WHERE state IN ('queued', 'starting', 'working', 'waiting');
  CREATE UNIQUE INDEX one_open_agent_per_task ON agents(task_id) WHERE state IN ('queued', 'starting', 'working', 'waiting');
  CREATE UNIQUE INDEX one_agent_per_branch ON agents(branch);

  CREATE TABLE leases (
    resource TEXT PRIMARY KEY, fence INTEGER NOT NULL, owner_pid INTEGER, owner_start TEXT, owner_boot TEXT, expires_at INTEGER
  ) STRICT;

  CREATE TABLE mail (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, thread_id TEXT NOT NULL, reply_to TEXT,
    sender TEXT NOT NULL, reader TEXT NOT NULL, type TEXT NOT NULL, priority TEXT NOT NULL, priority_rank INTEGER NOT NULL,
    subject TEXT NOT NULL, body TEXT NOT NULL, payload_json TEXT NOT NULL, created_at INTEGER NOT NULL,
    offered_at INTEGER, delivered_at INTEGER, bounced_at INTEGER
  ) STRICT;
  CREATE INDEX mail_waiting ON mail(reader, priority_rank, seq) WHERE delivered_at IS NULL AND bounced_at IS NULL;
  CREATE INDEX mail_by_thread ON mail(thread_id, seq);
  CREATE INDEX mail_by_reader ON mail(reader, seq);

  CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, run_id TEXT, agent_id TEXT, task_id TEXT,
    type TEXT NOT NULL, data_json TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_by_agent ON events(agent_id, id);

  CREATE TABLE merges (
    id TEXT PRIMARY KEY, run_id TEXT NOT NULL, task_id TEXT NOT NULL REFERENCES tasks(id), agent_id TEXT NOT NULL REFERENCES agents(id),
    branch TEXT NOT NULL, head_sha TEXT NOT NULL, state TEXT NOT NULL, fence INTEGER NOT NULL DEFAULT 0,
    intended_as TEXT, merged_as TEXT, not_before INTEGER NOT NULL DEFAULT 0, reason TEXT,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX merges_open ON merges(state, id);
  CREATE UNIQUE INDEX one_open_merge_per_task ON merges(task_id) WHERE state IN ('ready', 'merging');

  CREATE TABLE trains (
    branch TEXT PRIMARY KEY, base_sha TEXT, tip_sha TEXT, landed_sha TEXT, green_sha TEXT, red_sha TEXT, red_gate TEXT,
    blocked_on TEXT, blocked_why TEXT, blocked_hint TEXT, updated_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE landings (
    id TEXT PRIMARY KEY, branch TEXT NOT NULL, checkout TEXT NOT NULL, from_sha TEXT NOT NULL, to_sha TEXT NOT NULL,
    state TEXT NOT NULL, owner_pid INTEGER, owner_start TEXT, owner_boot TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX one_landing_per_checkout ON landings(checkout) WHERE state = 'landing';

  CREATE TABLE usage (
    id TEXT PRIMARY KEY, agent_id TEXT NOT NULL REFERENCES agents(id), at INTEGER NOT NULL, model TEXT,
    input INTEGER, output INTEGER, cache_read INTEGER, cache_write INTEGER, cost_usd REAL
  ) STRICT;
  CREATE INDEX usage_by_agent ON usage(agent_id);
  `,
  `
  ALTER TABLE mail ADD COLUMN offer_id TEXT;
  ALTER TABLE mail ADD COLUMN holder_pid INTEGER;
  ALTER TABLE mail ADD COLUMN holder_start TEXT;
  ALTER TABLE mail ADD COLUMN holder_boot TEXT;
  CREATE INDEX mail_by_sender ON mail(sender, seq);
  `,
  `
  ALTER TABLE agents ADD COLUMN mode TEXT NOT NULL DEFAULT 'structured';
  `,
  `
  ALTER TABLE agents ADD COLUMN persistent INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE agents ADD COLUMN mid_turn INTEGER NOT NULL DEFAULT 0;
  CREATE UNIQUE INDEX one_persistent_agent ON agents(capability) WHERE persistent = 1;
  `,
  `
  CREATE TABLE hook_calls (
    agent_id TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (agent_id, name)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE pool (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, base_sha TEXT, owner_pid INTEGER, owner_start TEXT, owner_boot TEXT,
    created_at INTEGER NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE agents ADD COLUMN protection TEXT;
  `,
  `
  ALTER TABLE agents ADD COLUMN turns INTEGER NOT NULL DEFAULT 0;
  `,
  `
  CREATE TABLE escalations (
    id TEXT PRIMARY KEY, agent_id TEXT NOT NULL REFERENCES agents(id), fence INTEGER NOT NULL, about TEXT NOT NULL,
    seen TEXT NOT NULL, tried_json TEXT NOT NULL, why TEXT NOT NULL, options_json TEXT NOT NULL,
    thread TEXT NOT NULL, question TEXT NOT NULL, reader TEXT NOT NULL,
    asked_at INTEGER NOT NULL, asked_mono INTEGER NOT NULL, asked_boot TEXT NOT NULL,
    state TEXT NOT NULL, answer TEXT, answered_by TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX one_open_escalation ON escalations(agent_id, fence, about) WHERE state = 'open';
  CREATE INDEX escalations_pending ON escalations(created_at) WHERE state IN ('open', 'answered');
  `,
  `
  CREATE TABLE modes (
    set_by TEXT PRIMARY KEY, level TEXT NOT NULL, why TEXT NOT NULL, shortages_json TEXT NOT NULL, since INTEGER NOT NULL,
    until INTEGER
  ) STRICT;
  `,
  `
  CREATE TABLE limits (
    provider TEXT NOT NULL, account TEXT NOT NULL, cause TEXT NOT NULL, until INTEGER, until_monotonic INTEGER, boot TEXT NOT NULL,
    estimated INTEGER NOT NULL, setbacks INTEGER NOT NULL, since INTEGER NOT NULL, runtime TEXT NOT NULL, said TEXT NOT NULL,
    probe TEXT, probe_fence INTEGER, evidence TEXT, lifted_at INTEGER, next_monotonic INTEGER,
    PRIMARY KEY (provider, account)
  ) STRICT, WITHOUT ROWID;
  ALTER TABLE agents ADD COLUMN account TEXT;
  ALTER TABLE agents ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
  `,
  `
  CREATE TABLE notifications (
    id TEXT PRIMARY KEY, channel TEXT NOT NULL, event_id INTEGER NOT NULL, kind TEXT NOT NULL,
    title TEXT NOT NULL, text TEXT NOT NULL, hint TEXT, state TEXT NOT NULL, batch TEXT,
    tries INTEGER NOT NULL, not_before INTEGER NOT NULL, error TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX one_notification_per_event ON notifications(channel, event_id);
  CREATE INDEX notifications_waiting ON notifications(not_before) WHERE state IN ('due', 'sending');
  CREATE TABLE notify_cursors (channel TEXT PRIMARY KEY, event_id INTEGER NOT NULL) STRICT;
  `,
  `
  CREATE INDEX events_triage_asked ON events(at) WHERE type = 'triage.asked';
  `,
  `
  ALTER TABLE escalations ADD COLUMN state_since INTEGER NOT NULL DEFAULT 0;
  UPDATE escalations SET state_since =
    coalesce((SELECT agents.state_since FROM agents WHERE agents.id = escalations.agent_id), 0);
  `,
]
