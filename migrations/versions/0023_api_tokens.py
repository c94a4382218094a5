"""Keep API tokens, with which programs call the REST interface: the digest of a token, its scopes, and when it expires."""

import time

import sqlalchemy as sa
from alembic import op
from psycopg2.errorcodes import LOCK_NOT_AVAILABLE
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# Requests wait behind a statement that waits for the table of users, so it waits for a second and then lets them pass.
WAIT = "1s"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _create_table()
        op.create_index("ix_api_tokens_user_id", "api_tokens", ["user_id"], if_not_exists=True)


def downgrade() -> None:
    op.drop_table("api_tokens")


def _create_table() -> None:
    """Create the table, whose foreign key locks ``users`` for a moment."""
    op.execute(f"SET lock_timeout = '{WAIT}'")
    while True:
        try:
            op.create_table("api_tokens", *_columns(), if_not_exists=True)
            break
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
            time.sleep(1)
    op.execute("RESET lock_timeout")


def _columns() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_tokens_user_id", ondelete="CASCADE"),
        sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
    ]
