"""Remember of whom a new password is asked at the next log-in. Nobody is, until an administrator says so."""

import time

import sqlalchemy as sa
from alembic import op
from psycopg2.errorcodes import LOCK_NOT_AVAILABLE

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# Requests wait behind a statement that waits for the table, so it waits for a second and then lets them pass.
WAIT = "1s"


def upgrade() -> None:
    # A constant default is kept in the catalogue: no row is rewritten.
    _alter("ALTER TABLE users ADD COLUMN IF NOT EXISTS must_change_password boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    _alter("ALTER TABLE users DROP COLUMN IF EXISTS must_change_password")


def _alter(statement: str) -> None:
    with op.get_context().autocommit_block():
        op.execute(f"SET lock_timeout = '{WAIT}'")
        while True:
            try:
                op.execute(statement)
                break
            except sa.exc.OperationalError as error:
                if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                    raise
                time.sleep(1)
        op.execute("RESET lock_timeout")
