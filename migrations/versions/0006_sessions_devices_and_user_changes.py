"""Sessions know their device and address, and users what was changed about them lately."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import INET, JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("address", INET()))
    op.add_column("sessions", sa.Column("user_agent", sa.String(255)))
    op.create_table(
        "user_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by_user_id", sa.BigInteger()),
        sa.Column("by_username", sa.String(50)),
        sa.Column("changes", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_changes"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_user_changes_user_id", ondelete="CASCADE"),
    )
    op.create_index("ix_user_changes_user_id", "user_changes", ["user_id", "id"])


def downgrade() -> None:
    op.drop_table("user_changes")
    op.drop_column("sessions", "user_agent")
    op.drop_column("sessions", "address")
