"""Keep a trail of security events, partitioned by month, and take the rows of ``user_changes`` over into it.

``user_changes`` stays: workers with the previous version write to it until they restart, and a trigger copies each of their
rows into the trail. A later migration drops the table. A downgrade writes what the trail knows back into it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Any number that no other user of advisory locks in this database takes.
LOCK = 7_205_759_403_792_795

INDEXES = {
    "ix_security_events_type": "(type, at, id)",
    "ix_security_events_actor_id": "(actor_id, at, id) WHERE actor_id IS NOT NULL",
    "ix_security_events_subject_id": "(subject_id, at, id) WHERE subject_id IS NOT NULL",
    # The few events that a user's page reads, apart from that user's thousands of log-ins.
    "ix_security_events_changes": (
        "(subject_id, at, id) WHERE type IN ('user_changed', 'password_changed', 'users_changed') AND subject_id IS NOT NULL"
    ),
    # An index on an array has one entry for each user of a bulk. Without a pending list, reads never pay for it.
    "ix_security_events_subject_ids": "USING gin (subject_ids) WITH (fastupdate = off) WHERE subject_ids IS NOT NULL",
}

REFUSE = """
CREATE FUNCTION security_events_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'security events are never changed or deleted' USING ERRCODE = 'insufficient_privilege';
END $$
"""

# A new table is attached, not created in place: that locks the parent less (SHARE UPDATE EXCLUSIVE).
ADD = """
CREATE FUNCTION security_events_add(month timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = {schema}, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    name text := to_char(month, '"security_events_"YYYY_MM');
    first timestamptz := date_trunc('month', month);
BEGIN
    IF to_regclass(name) IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE security_events INCLUDING DEFAULTS INCLUDING STORAGE)', name);
        EXECUTE format(
            'ALTER TABLE security_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            name, first, first + interval '1 month'
        );
    END IF;
END $$
"""

# Run by whoever writes next. With its owner's rights, since the service's role need not own the table. It waits for no lock
# for long, and what it could not do now is done on another day: the default partition takes what has no partition.
KEEP = """
CREATE FUNCTION security_events_keep(present timestamptz, days integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET timezone = 'UTC' SET lock_timeout = '100ms' AS $$
DECLARE
    oldest timestamptz := present - make_interval(days => days);
    missing timestamptz[];
    month timestamptz;
    expired text[];
    name text;
    failed text;
BEGIN
    SELECT array_agg(start) INTO missing
    FROM generate_series(date_trunc('month', present), date_trunc('month', present) + interval '1 month', '1 month') AS start
    WHERE to_regclass(to_char(start, '"security_events_"YYYY_MM')) IS NULL;
    SELECT array_agg(relname) INTO expired
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'security_events'::regclass AND relname ~ '^security_events_[0-9]{{4}}_[0-9]{{2}}$'
      AND to_timestamp(right(relname, 7), 'YYYY_MM') + interval '1 month' <= oldest;
    IF missing IS NULL AND expired IS NULL THEN
        RETURN NULL;
    END IF;
    BEGIN
        PERFORM pg_advisory_xact_lock({lock});
    EXCEPTION WHEN lock_not_available THEN
        RETURN SQLERRM;
    END;
    FOREACH month IN ARRAY coalesce(missing, '{{}}') LOOP
        BEGIN
            IF month <= present THEN
                -- An event that is on its way to the default partition would be refused there once this one is attached.
                LOCK TABLE security_events IN SHARE ROW EXCLUSIVE MODE;
            END IF;
            PERFORM security_events_add(month);
        EXCEPTION WHEN OTHERS THEN
            failed := SQLERRM;
        END;
    END LOOP;
    FOREACH name IN ARRAY coalesce(expired, '{{}}') LOOP
        BEGIN
            EXECUTE format('DROP TABLE IF EXISTS %I', name);
        EXCEPTION WHEN OTHERS THEN
            failed := SQLERRM;
        END;
    END LOOP;
    BEGIN
        IF EXISTS (SELECT FROM security_events_default)
           AND NOT EXISTS (SELECT FROM security_events_default WHERE at >= oldest) THEN
            TRUNCATE security_events_default;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        failed := SQLERRM;
    END;
    RETURN failed;
END $$
"""

COPIED = """
    INSERT INTO security_events (at, type, actor_id, actor_username, subject_id, subject_username, changes)
    SELECT change.at,
           CASE WHEN change.changes = jsonb_build_object('password', true) THEN 'password_changed' ELSE 'user_changed' END,
           change.by_user_id, coalesce(change.by_username, 'operator'), change.user_id, users.username, change.changes
    FROM {rows} AS change JOIN users ON users.id = change.user_id
"""

# What a worker with the previous version records.
MIRROR = f"""
CREATE FUNCTION user_changes_mirror() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {{schema}}, pg_temp AS $$
BEGIN
    {COPIED.format(rows="added").strip()} ORDER BY change.id;
    RETURN NULL;
END $$
"""

# Those that the table has not got already.
RESTORED = """
    INSERT INTO user_changes (user_id, at, by_user_id, by_username, changes)
    SELECT subject, at, actor_id, CASE WHEN actor_id IS NOT NULL THEN left(actor_username, 50) END, changes
    FROM security_events CROSS JOIN LATERAL unnest(coalesce(subject_ids, ARRAY[subject_id])) AS subject
    WHERE type IN ('user_changed', 'password_changed', 'users_changed')
      AND EXISTS (SELECT FROM users WHERE users.id = subject)
      AND NOT EXISTS (
          SELECT FROM user_changes AS kept
          WHERE kept.user_id = subject AND kept.at = security_events.at AND kept.changes = security_events.changes
      )
    ORDER BY at, security_events.id
"""


def upgrade() -> None:
    op.create_table(
        "security_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.String(30), nullable=False),
        sa.Column("actor_id", sa.BigInteger()),
        sa.Column("actor_username", sa.String(254)),
        sa.Column("subject_id", sa.BigInteger()),
        sa.Column("subject_username", sa.String(254)),
        sa.Column("subject_ids", ARRAY(sa.BigInteger())),
        sa.Column("address", INET()),
        sa.Column("user_agent", sa.String(255)),
        sa.Column("request_id", sa.String(128)),
        sa.Column("changes", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("at", "id", name="pk_security_events"),
        postgresql_partition_by="RANGE (at)",
    )
    op.execute("CREATE TABLE security_events_default PARTITION OF security_events DEFAULT")
    for name, definition in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON security_events {definition}")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for function in (REFUSE, ADD, KEEP, MIRROR):
        op.execute(function.format(schema=schema, lock=LOCK))
    # Its caller could have everything dropped. The owner may always run it.
    op.execute("REVOKE EXECUTE ON FUNCTION security_events_keep(timestamptz, integer) FROM PUBLIC")
    op.execute("""
        CREATE TRIGGER security_events_refuse BEFORE UPDATE OR DELETE ON security_events
        FOR EACH ROW EXECUTE FUNCTION security_events_refuse()
    """)
    op.execute("""
        SELECT security_events_add(start)
        FROM generate_series(
            date_trunc('month', least((SELECT min(at) FROM user_changes), now())), now() + interval '1 month', '1 month'
        ) AS start
    """)
    _take_over()


def _take_over() -> None:
    """Copy ``user_changes`` while it stays in use: writers wait only while the rows of the last moments are copied.

    A copied event keeps the id of its row, by which the second pass finds what the first has not seen.
    """
    copy = COPIED.format(rows="user_changes").replace("(at, type", "(id, at, type", 1).replace("SELECT ", "SELECT change.id, ", 1)
    op.execute(copy)
    op.execute("LOCK TABLE user_changes IN SHARE ROW EXCLUSIVE MODE")
    op.execute(f"{copy} WHERE NOT EXISTS (SELECT FROM security_events AS seen WHERE seen.id = change.id AND seen.at = change.at)")
    op.execute(
        "SELECT setval(pg_get_serial_sequence('security_events', 'id'), coalesce(max(id), 0) + 1, false) FROM user_changes"
    )
    op.execute("""
        CREATE TRIGGER user_changes_mirror AFTER INSERT ON user_changes REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION user_changes_mirror()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER user_changes_mirror ON user_changes")
    op.execute("DROP FUNCTION user_changes_mirror()")
    op.execute(RESTORED)
    op.drop_table("security_events")
    for signature in ("keep(timestamptz, integer)", "add(timestamptz)", "refuse()"):
        op.execute(f"DROP FUNCTION security_events_{signature}")
