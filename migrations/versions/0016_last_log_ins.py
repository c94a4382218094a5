"""Keep when each user last logged in, and who never has; and index what lists may be filtered by.

``user_logins`` is a table of its own, so that a log-in updates no index of ``users``. ``users.never_logged_in`` changes once for
each user. What is known from before comes from sessions and security events. The table stays in use meanwhile. Workers with the
previous version do not note log-ins until they restart.
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
    ALTER TABLE users ADD COLUMN IF NOT EXISTS never_logged_in boolean NOT NULL DEFAULT true
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
    ), told AS (
        UPDATE users SET never_logged_in = false FROM batch WHERE users.id = batch.id AND users.never_logged_in
    )
    DELETE FROM known_logins USING batch WHERE known_logins.user_id = batch.id
"""
LEFT = "SELECT EXISTS (SELECT FROM known_logins JOIN users ON users.id = user_id)"
# Requests wait behind this statement while it waits for the table, so it waits for a second and then lets them pass.
WAIT = "1s"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET maintenance_work_mem = '256MB'")
        _alter(CREATE)
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
        _alter("ALTER TABLE users DROP COLUMN IF EXISTS never_logged_in; DROP TABLE IF EXISTS user_logins")


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
