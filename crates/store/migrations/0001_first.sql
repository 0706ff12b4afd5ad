-- The registry: versioned records of one shape, the names that find them, the relations between them.
CREATE TABLE record (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    noun {text} NOT NULL,
    name {text} NOT NULL,
    parent_id {blob},
    version {int} NOT NULL,
    epoch {int} NOT NULL,
    status {text} NOT NULL,
    doc {text} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    external_id {text}
) {strict};
CREATE INDEX record_by_name ON record (tenant_id, noun, name, id);
CREATE INDEX record_by_external_id ON record (tenant_id, noun, external_id, id) WHERE external_id IS NOT NULL;
CREATE INDEX record_by_parent ON record (parent_id, noun, name, id);

CREATE TABLE alias (
    tenant_id {blob} NOT NULL,
    noun {text} NOT NULL,
    name {text} NOT NULL,
    record_id {blob} NOT NULL,
    PRIMARY KEY (tenant_id, noun, name)
) {keyed};
CREATE INDEX alias_by_record ON alias (record_id);

CREATE TABLE link (
    tenant_id {blob} NOT NULL,
    from_id {blob} NOT NULL,
    relation {text} NOT NULL,
    to_id {blob} NOT NULL,
    PRIMARY KEY (from_id, relation, to_id)
) {keyed};
CREATE INDEX link_back ON link (to_id, relation, from_id);

CREATE TABLE seen (
    record_id {blob} NOT NULL PRIMARY KEY,
    last_seen_at {int} NOT NULL,
    source {text} NOT NULL
) {keyed};

-- What changed, for the caches of all replicas.
CREATE TABLE change (
    seq {serial},
    xid {xid},
    tenant_id {blob} NOT NULL,
    noun {text} NOT NULL,
    record_id {blob} NOT NULL,
    at {int} NOT NULL
) {strict};
CREATE UNIQUE INDEX change_feed ON change (xid, seq);
CREATE INDEX change_by_time ON change (at);

-- Evidence. One b-tree beside the primary key, because every token pays for it; the rest is indexed later, in bulk.
CREATE TABLE evidence (
    seq {serial},
    xid {xid},
    id {blob} NOT NULL,
    tenant_id {blob} NOT NULL,
    kind {text} NOT NULL,
    txn {blob} NOT NULL,
    occurred_at {int} NOT NULL,
    recorded_at {int} NOT NULL,
    outcome {text} NOT NULL,
    identity_id {blob},
    salt {blob} NOT NULL,
    body {text} NOT NULL,
    disclosed {text}{serial_key}
) {strict};
CREATE UNIQUE INDEX evidence_id ON evidence (id);

-- The terms that records are found by, in stretches of the log: written once, at the end, then folded into larger ones.
CREATE TABLE term_tile (
    generation {int} NOT NULL,
    level {int} NOT NULL,
    n {int} NOT NULL,
    part {int} NOT NULL,
    first_at {int} NOT NULL,
    last_at {int} NOT NULL,
    entries {blob} NOT NULL,
    PRIMARY KEY (generation, level, part, n)
) {strict};

-- The Merkle log over it. A restored installation begins a new generation.
CREATE TABLE log_head (
    generation {int} NOT NULL PRIMARY KEY,
    origin {text} NOT NULL,
    size {int} NOT NULL,
    root {blob} NOT NULL,
    cursor_xid {int} NOT NULL,
    cursor_seq {int} NOT NULL
) {strict};

CREATE TABLE log_entry (
    generation {int} NOT NULL,
    log_index {int} NOT NULL,
    evidence_id {blob} NOT NULL,
    commitment {blob} NOT NULL,
    PRIMARY KEY (generation, log_index)
) {keyed};
CREATE UNIQUE INDEX log_entry_by_evidence ON log_entry (evidence_id);

CREATE TABLE log_tile (
    generation {int} NOT NULL,
    level {int} NOT NULL,
    n {int} NOT NULL,
    width {int} NOT NULL,
    hashes {blob} NOT NULL,
    PRIMARY KEY (generation, level, n)
) {strict};

CREATE TABLE checkpoint (
    generation {int} NOT NULL,
    size {int} NOT NULL,
    note {text} NOT NULL,
    signed_at {int} NOT NULL,
    PRIMARY KEY (generation, size)
) {strict};

-- What is billed: operations counted from the log, what their projects and identities were called, and how far the count is.
CREATE TABLE billing_counter (
    tenant_id {blob} NOT NULL,
    month {text} NOT NULL,
    project_id {blob} NOT NULL,
    identity_id {blob} NOT NULL,
    operation {text} NOT NULL,
    counted {int} NOT NULL,
    late {int} NOT NULL,
    PRIMARY KEY (tenant_id, month, project_id, identity_id, operation)
) {keyed};

CREATE TABLE billing_name (
    tenant_id {blob} NOT NULL,
    month {text} NOT NULL,
    id {blob} NOT NULL,
    name {text} NOT NULL,
    PRIMARY KEY (tenant_id, month, id)
) {keyed};

CREATE TABLE billing_month (
    tenant_id {blob} NOT NULL,
    month {text} NOT NULL,
    steps {int} NOT NULL,
    generation {int},
    size {int},
    closed_at {int},
    digest {text},
    evidence_id {blob},
    PRIMARY KEY (tenant_id, month)
) {keyed};
CREATE INDEX billing_month_open ON billing_month (month) WHERE closed_at IS NULL;

CREATE TABLE billing_cursor (
    single {int} NOT NULL PRIMARY KEY,
    generation {int} NOT NULL,
    size {int} NOT NULL
) {strict};

-- Approvals.
CREATE TABLE approval (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    digest {text} NOT NULL,
    identity_id {blob},
    run_key {text},
    status {text} NOT NULL,
    version {int} NOT NULL,
    doc {text} NOT NULL,
    opened_at {int} NOT NULL,
    expires_at {int} NOT NULL
) {strict};
CREATE INDEX approval_by_status ON approval (tenant_id, status, id);
CREATE INDEX approval_by_tenant ON approval (tenant_id, id);
CREATE INDEX approval_by_identity ON approval (identity_id, id);
CREATE INDEX approval_by_expiry ON approval (status, expires_at);

CREATE TABLE approval_decision (
    approval_id {blob} NOT NULL,
    user_id {blob} NOT NULL,
    decision {text} NOT NULL,
    at {int} NOT NULL,
    doc {text} NOT NULL,
    PRIMARY KEY (approval_id, user_id)
) {keyed};

-- Revocations: followed by every replica, kept until nothing they stop can be alive.
CREATE TABLE revocation (
    seq {serial},
    xid {xid},
    tenant_id {blob} NOT NULL,
    grain {text} NOT NULL,
    target {text} NOT NULL,
    epoch {int},
    until_at {int} NOT NULL,
    reason {text} NOT NULL,
    by_user {blob},
    at {int} NOT NULL
) {strict};
CREATE UNIQUE INDEX revocation_feed ON revocation (xid, seq);
CREATE INDEX revocation_by_target ON revocation (tenant_id, target);
CREATE INDEX revocation_by_until ON revocation (until_at);

-- Long-lived tokens: the chains of their renewals. The tokens themselves are nowhere.
CREATE TABLE token_chain (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    principal_id {blob} NOT NULL,
    scope {text} NOT NULL,
    version {int} NOT NULL,
    created_at {int} NOT NULL,
    due_at {int},
    ends_at {int} NOT NULL,
    doc {text} NOT NULL
) {strict};
CREATE INDEX token_chain_by_principal ON token_chain (principal_id, id);
CREATE INDEX token_chain_by_due ON token_chain (due_at);
CREATE INDEX token_chain_by_end ON token_chain (ends_at);

-- People's sign-ins that last: at a command line by refresh tokens, each good once, in a browser by a cookie.
CREATE TABLE session (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    user_id {blob} NOT NULL,
    version {int} NOT NULL,
    created_at {int} NOT NULL,
    ends_at {int} NOT NULL,
    provider_key {text},
    doc {text} NOT NULL
) {strict};
CREATE INDEX session_by_provider ON session (provider_key, id);
CREATE INDEX session_by_user ON session (user_id, id);
CREATE INDEX session_by_end ON session (ends_at);

CREATE TABLE refresh_token (
    id {text} NOT NULL PRIMARY KEY,
    session_id {blob} NOT NULL,
    hash {blob} NOT NULL,
    until_at {int} NOT NULL
) {strict};
CREATE INDEX refresh_token_by_until ON refresh_token (until_at);

-- People's passkeys: public keys alone; and questions to a browser, each answered once.
CREATE TABLE passkey (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    user_id {blob} NOT NULL,
    credential_id {blob} NOT NULL,
    created_at {int} NOT NULL,
    doc {text} NOT NULL
) {strict};
CREATE UNIQUE INDEX passkey_by_credential ON passkey (credential_id);
CREATE INDEX passkey_by_user ON passkey (user_id, id);

CREATE TABLE ceremony (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    user_id {blob},
    expires_at {int} NOT NULL,
    doc {text} NOT NULL
) {strict};
CREATE UNIQUE INDEX ceremony_by_user ON ceremony (user_id);
CREATE INDEX ceremony_by_tenant ON ceremony (tenant_id, expires_at) WHERE user_id IS NULL;
CREATE INDEX ceremony_by_expiry ON ceremony (expires_at);

-- Invitations that are open: one that was used, taken back or is over is no more.
CREATE TABLE invitation (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    email {text} NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    doc {text} NOT NULL
) {strict};
CREATE UNIQUE INDEX invitation_by_email ON invitation (tenant_id, email);
CREATE INDEX invitation_by_expiry ON invitation (expires_at);

-- Command lines that wait for a person to confirm their code (RFC 8628).
CREATE TABLE device_request (
    id {text} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    hash {blob} NOT NULL,
    user_code {blob} NOT NULL,
    version {int} NOT NULL,
    expires_at {int} NOT NULL,
    doc {text} NOT NULL
) {strict};
CREATE UNIQUE INDEX device_request_by_user_code ON device_request (user_code);
CREATE INDEX device_request_by_expiry ON device_request (expires_at);

-- Automation: what happened, which rules fired, and what they started. Rules themselves are in packs, which are records.
CREATE TABLE event (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    project_id {blob} NOT NULL,
    trigger_type {text} NOT NULL,
    dedup {blob},
    created_at {int} NOT NULL,
    doc {text} NOT NULL
) {strict};
CREATE UNIQUE INDEX event_dedup ON event (project_id, dedup);
CREATE INDEX event_by_time ON event (created_at);

CREATE TABLE enforcement (
    event_id {blob} NOT NULL,
    rule {text} NOT NULL,
    execution_id {blob},
    reason {text},
    PRIMARY KEY (event_id, rule)
) {keyed};

CREATE TABLE execution (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    project_id {blob} NOT NULL,
    action_ref {text} NOT NULL,
    status {text} NOT NULL,
    attempt {int} NOT NULL,
    worker_id {blob},
    due_at {int} NOT NULL,
    lease_until {int},
    created_at {int} NOT NULL,
    ended_at {int},
    event_id {blob},
    -- Where the queue is a broker: when it is told of this execution next, and whether it took the message of this attempt.
    publish_at {int},
    published {int} NOT NULL,
    doc {text} NOT NULL
) {strict};
CREATE INDEX execution_to_publish ON execution (publish_at) WHERE publish_at IS NOT NULL;
CREATE INDEX execution_due ON execution (project_id, status, due_at, id);
CREATE INDEX execution_by_tenant ON execution (tenant_id, id);
CREATE INDEX execution_by_lease ON execution (lease_until);
CREATE INDEX execution_by_end ON execution (ended_at);

-- Assertions that were used.
CREATE TABLE replay (
    tenant_id {blob} NOT NULL,
    issuer_id {blob} NOT NULL,
    key {blob} NOT NULL,
    purpose {text} NOT NULL,
    until_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, issuer_id, key, purpose)
) {keyed};
CREATE INDEX replay_by_until ON replay (until_at);

-- Keys, wrapped with the key file whose id is kept here.
CREATE TABLE signing_key (
    kid {text} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    purpose {text} NOT NULL,
    alg {text} NOT NULL,
    wrapped {blob} NOT NULL,
    public {text} NOT NULL,
    state {text} NOT NULL,
    created_at {int} NOT NULL,
    activates_at {int} NOT NULL,
    retires_at {int}
) {strict};
CREATE INDEX signing_key_by_tenant ON signing_key (tenant_id, created_at, kid);

-- What the values of a tenant's keys are encrypted with: one key at a time, older ones until nothing is left under them.
CREATE TABLE data_key (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    wrapped {blob} NOT NULL,
    created_at {int} NOT NULL,
    retired_at {int}
) {strict};
CREATE UNIQUE INDEX data_key_current ON data_key (tenant_id) WHERE retired_at IS NULL;
CREATE INDEX data_key_by_tenant ON data_key (tenant_id, created_at, id);

-- The values of keys, version by version, sealed with a data key.
CREATE TABLE key_value (
    key_id {blob} NOT NULL,
    version {int} NOT NULL,
    tenant_id {blob} NOT NULL,
    data_key_id {blob} NOT NULL,
    sealed {blob} NOT NULL,
    created_at {int} NOT NULL,
    created_by {blob} NOT NULL,
    PRIMARY KEY (key_id, version)
) {strict};
CREATE INDEX key_value_by_data_key ON key_value (data_key_id, key_id, version);

CREATE TABLE key_file (
    single {int} NOT NULL PRIMARY KEY,
    id {text} NOT NULL,
    pepper {blob}
) {strict};

CREATE TABLE enrolment_code (
    code_id {blob} NOT NULL PRIMARY KEY,
    used_at {int} NOT NULL
) {keyed};
CREATE INDEX enrolment_code_by_time ON enrolment_code (used_at);

-- Refused attempts, for people to see what was tried.
CREATE TABLE refused_attempt (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    identity_id {blob},
    at {int} NOT NULL,
    expires_at {int} NOT NULL,
    doc {text} NOT NULL
) {strict};
CREATE INDEX refused_attempt_by_tenant ON refused_attempt (tenant_id, id);
CREATE INDEX refused_attempt_by_identity ON refused_attempt (identity_id, id);
CREATE INDEX refused_attempt_by_expiry ON refused_attempt (expires_at);

-- Messages that are still to be delivered.
CREATE TABLE outbox (
    id {blob} NOT NULL PRIMARY KEY,
    tenant_id {blob} NOT NULL,
    kind {text} NOT NULL,
    payload {text} NOT NULL,
    next_at {int} NOT NULL,
    attempts {int} NOT NULL,
    dead {int} NOT NULL,
    channel {text} NOT NULL,
    recipient {blob}
) {strict};
CREATE INDEX outbox_due ON outbox (dead, next_at, id);

-- Requests that create, so that a repeated one is recognised.
CREATE TABLE idempotency (
    tenant_id {blob} NOT NULL,
    user_id {blob} NOT NULL,
    key {text} NOT NULL,
    request_digest {blob} NOT NULL,
    response_ref {text},
    expires_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, user_id, key)
) {keyed};
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- Which replica does a job.
CREATE TABLE lease (
    name {text} NOT NULL PRIMARY KEY,
    holder {text} NOT NULL,
    until_at {int} NOT NULL
) {strict};

-- Facts of the installation that are fixed at the first start.
CREATE TABLE installation (
    name {text} NOT NULL PRIMARY KEY,
    value {text} NOT NULL
) {strict};
