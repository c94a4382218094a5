"""Keep one-time links, with which users set a password or confirm an address: the digest of a token, and when it expires."""

import time

import sqlalchemy as sa
from alembic import op
from psycopg2.errorcodes import LOCK_NOT_AVAILABLE

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Requests wait behind a statement that waits for the table of users, so it waits for a second and then lets them pass.
WAIT = "1s"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _create_table()
        op.create_index("ix_one_time_links_expires_at", "one_time_links", ["expires_at"], if_not_exists=True)


def downgrade() -> None:
    op.drop_table("one_time_links")


def _create_table() -> None:
    """Create the table, whose foreign key locks ``users`` for a moment."""
    op.execute(f"SET lock_timeout = '{WAIT}'")
    while True:
        try:
            op.create_table("one_time_links", *_columns(), if_not_exists=True)
            break
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
            time.sleep(1)
    op.execute("RESET lock_timeout")


def _columns() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(10), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("email", sa.String(254)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "purpose", name="pk_one_time_links"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_one_time_links_user_id", ondelete="CASCADE"),
        sa.UniqueConstraint("token_hash", name="uq_one_time_links_token_hash"),
    ]
