"""Keep when each user last logged in, and who never has; and index what lists may be filtered by.

``user_logins`` is a table of its own, so that a log-in updates no index of ``users``. Triggers keep two things true for any
writer, on which lists rely: ``users.never_logged_in`` tells who has no row there (it changes once for each user), and nobody logs
in before being created. What is known from before comes from sessions and security events. The table stays in use meanwhile.
Workers with the previous version do not note log-ins until they restart.
"""

import time

import sqlalchemy as sa
from alembic import op
from psycopg2.errorcodes import LOCK_NOT_AVAILABLE

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_users_never_logged_in": (["never_logged_in", "created_at", "id"], None),
    "ix_users_with_password": (["created_at", "id"], "password_hash IS NOT NULL"),
    "ix_users_without_password": (["created_at", "id"], "password_hash IS NULL"),
}
# Each may have been done already, by a run that was interrupted afterwards.
CREATE = """
    CREATE TABLE IF NOT EXISTS user_logins (
        user_id bigint NOT NULL,
        last_login_at timestamptz NOT NULL,
        CONSTRAINT pk_user_logins PRIMARY KEY (user_id),
        CONSTRAINT fk_user_logins_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
    );
    CREATE INDEX IF NOT EXISTS ix_user_logins_last_login_at ON user_logins (last_login_at, user_id);
    ALTER TABLE users ADD COLUMN IF NOT EXISTS never_logged_in boolean NOT NULL DEFAULT true;
    CREATE OR REPLACE FUNCTION user_logins_not_before() RETURNS trigger
    LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
    BEGIN
        NEW.last_login_at := greatest(NEW.last_login_at, (SELECT created_at FROM users WHERE id = NEW.user_id));
        RETURN NEW;
    END $$;
    CREATE OR REPLACE FUNCTION user_logins_tell() RETURNS trigger
    LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            UPDATE users SET never_logged_in = false WHERE id = NEW.user_id AND never_logged_in;
        ELSE
            UPDATE users SET never_logged_in = true WHERE id = OLD.user_id AND NOT never_logged_in;
        END IF;
        RETURN NULL;
    END $$;
    CREATE OR REPLACE FUNCTION user_logins_follow() RETURNS trigger
    LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS $$
    BEGIN
        UPDATE user_logins SET last_login_at = NEW.created_at WHERE user_id = NEW.id AND last_login_at < NEW.created_at;
        RETURN NULL;
    END $$;
    CREATE OR REPLACE TRIGGER user_logins_not_before BEFORE INSERT OR UPDATE ON user_logins
    FOR EACH ROW EXECUTE FUNCTION user_logins_not_before();
    CREATE OR REPLACE TRIGGER user_logins_tell AFTER INSERT OR DELETE ON user_logins
    FOR EACH ROW EXECUTE FUNCTION user_logins_tell();
    CREATE OR REPLACE TRIGGER user_logins_follow AFTER UPDATE OF created_at ON users
    FOR EACH ROW EXECUTE FUNCTION user_logins_follow();
"""
DROP = """
    DROP TRIGGER IF EXISTS user_logins_follow ON users;
    DROP TABLE IF EXISTS user_logins;
    DROP FUNCTION IF EXISTS user_logins_not_before(), user_logins_tell(), user_logins_follow();
    ALTER TABLE users DROP COLUMN IF EXISTS never_logged_in
"""
KNOWN = """
    CREATE TEMPORARY TABLE known_logins AS
    SELECT user_id, max(at) AS at FROM (
        SELECT user_id, created_at AS at FROM sessions
        UNION ALL SELECT subject_id, at FROM security_events WHERE type = 'login_succeeded' AND subject_id IS NOT NULL
    ) AS logins GROUP BY 1
"""
# Passes over users whose rows others have locked, so that nobody waits crosswise. They are met again.
TAKE_OVER = """
    WITH batch AS (
        SELECT users.id, at FROM known_logins JOIN users ON users.id = user_id LIMIT 1000 FOR NO KEY UPDATE OF users SKIP LOCKED
    ), noted AS (
        INSERT INTO user_logins (user_id, last_login_at) SELECT id, at FROM batch
        ON CONFLICT (user_id) DO UPDATE SET last_login_at = greatest(user_logins.last_login_at, excluded.last_login_at)
    )
    DELETE FROM known_logins USING batch WHERE known_logins.user_id = batch.id
"""
LEFT = "SELECT EXISTS (SELECT FROM known_logins JOIN users ON users.id = user_id)"
# Requests wait behind this statement while it waits for the table, so it waits for a second and then lets them pass.
WAIT = "1s"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET maintenance_work_mem = '256MB'")
        schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
        _alter(CREATE.format(schema=schema))
        op.execute("DROP TABLE IF EXISTS pg_temp.known_logins")
        op.execute(KNOWN)
        while _take_over() or op.get_bind().scalar(sa.text(LEFT)):
            pass
        op.execute("DROP TABLE pg_temp.known_logins")
        for name, (columns, where) in INDEXES.items():
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
            condition = sa.text(where) if where else None
            op.create_index(name, "users", columns, postgresql_where=condition, postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.drop_index(name, "users", if_exists=True, postgresql_concurrently=True)
        _alter(DROP)


def _take_over() -> bool:
    taken = op.get_bind().execute(sa.text(TAKE_OVER)).rowcount
    if not taken:
        time.sleep(0.1)
    return bool(taken)


def _alter(statements: str) -> None:
    """Run statements that lock the table for a moment, in one transaction."""
    op.execute(f"SET lock_timeout = '{WAIT}'")
    while True:
        try:
            op.get_bind().exec_driver_sql(statements)
            break
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
            time.sleep(1)
    op.execute("RESET lock_timeout")
