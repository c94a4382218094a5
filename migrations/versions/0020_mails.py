"""Keep mails in a queue until they are sent."""

import time

import sqlalchemy as sa
from alembic import op
from psycopg2.errorcodes import LOCK_NOT_AVAILABLE

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# Requests wait behind a statement that waits for the table of users, so it waits for a second and then lets them pass.
WAIT = "1s"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _create_table()
        waiting = sa.text("sent_at IS NULL AND failed_at IS NULL")
        op.create_index("ix_mails_waiting", "mails", ["due_at", "id"], postgresql_where=waiting, if_not_exists=True)
        op.create_index("ix_mails_user_id", "mails", ["user_id", "created_at"], if_not_exists=True)
        op.create_index("ix_mails_created_at", "mails", ["created_at"], if_not_exists=True)


def downgrade() -> None:
    op.drop_table("mails")


def _create_table() -> None:
    """Create the table, whose foreign key locks ``users`` for a moment."""
    op.execute(f"SET lock_timeout = '{WAIT}'")
    while True:
        try:
            op.create_table("mails", *_columns(), if_not_exists=True)
            break
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
            time.sleep(1)
    op.execute("RESET lock_timeout")


def _columns() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("user_id", sa.BigInteger()),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("secret", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("failed_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.String(100)),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_mails_user_id", ondelete="CASCADE"),
    ]
